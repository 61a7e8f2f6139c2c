"""A map as the world uses it: the OpenDRIVE text for the clients, and what the simulation reads from it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from avrec.drive.lane_graph import Lane, LaneGraph
from avrec.errors import DataError
from avrec.maps import read_opendrive
from carla_bridge.navigation import navigation_file, walk_mesh
from carla_bridge.world.client_map import text_for_clients
from carla_bridge.world.furniture import Piece, furniture_of
from carla_bridge.world.ground import Ground, ground_of_lanes
from carla_bridge.world.ground_mesh import ground_of_mesh
from carla_bridge.world.pose import Pose
from carla_bridge.world.walls import Walls, walls_of_mesh

if TYPE_CHECKING:
    from avrec.scene import Scene
    from carla_bridge.looks import WorldStage

__all__ = ["RoadMap", "read_road_map"]

Float64 = NDArray[np.float64]

DEFAULT_LIMIT_KMH = 30.0
"""Where the map gives none; what vehicles show in CARLA before the first speed sign."""
SPAWN_EVERY_M = 25.0
SPAWN_MARGIN_M = 4.0
SPAWN_HEIGHT_M = 0.3
"""Above the road, so that a vehicle of any size settles on it instead of starting inside."""
MAX_SPAWN_POINTS = 2000
CAR_ROOM_M = (5.5, 2.2)
"""Length and width that a place to spawn at keeps from the others."""
STOREY_M = 3.0
BEND_MPS2 = 2.0
"""Sideways acceleration that people in a car take for comfortable."""
ON_THE_WAY_M = 2.0
SCENE_SUFFIX = ".usdz"


@dataclass(frozen=True)
class RoadMap:
    """A map ready to be driven on.

    Attributes:
        name: as clients see it, without folders.
        opendrive: the text that clients parse themselves.
        graph: the same map as lanes.
        ground: the lanes' surface.
        lanes: in the order of the ground's lane indices.
        limits_kmh: float64 [lanes + 1] speed limits; the last one holds off the lanes.
        spawn_points: where vehicles can be put, heading along their lane; in a scene those with the best view first.
        walls: what stands beside the road and stops things, of a scene with a surface.
        scene: what the cameras see, of a map that came with one.
    """

    name: str
    opendrive: str
    graph: LaneGraph
    ground: Ground
    lanes: tuple[Lane, ...]
    limits_kmh: Float64
    spawn_points: tuple[Pose, ...]
    walls: Walls | None = None
    scene: Scene | None = None

    @cached_property
    def navigation(self) -> bytes:
        """Where people walk, as the file that clients load: sidewalks, or else a strip beside the roads."""
        return navigation_file(walk_mesh(self.graph, None if self.walls is None else self.walls.at))

    @cached_property
    def furniture(self) -> tuple[Piece, ...]:
        """What stands in the map besides actors."""
        return furniture_of(self)

    @cached_property
    def stage(self) -> WorldStage:
        """What rays and plain pictures meet; made when first asked for."""
        from carla_bridge.looks import WorldStage  # which knows what a map is

        return WorldStage(self)


def read_road_map(source: str | Path | bytes, name: str | None = None) -> RoadMap:
    """Read a map.

    Args:
        source: path of an OpenDRIVE file or of a scene, or the content of an OpenDRIVE file.
        name: of the map; by default the file's, or ``OpenDriveMap``.

    Raises:
        DataError: no such file, not such a map, or a scene without one.
    """
    scene = mesh = walls = None
    if not isinstance(source, bytes) and Path(source).suffix.lower() == SCENE_SUFFIX:
        scene, source = _map_of_scene(Path(source))
        name, mesh = name or scene.name, scene.ground
    if not isinstance(source, bytes):
        path = Path(source)
        name = name or path.stem
        try:
            source = path.read_bytes()
        except OSError as error:
            raise DataError(f"The map {path} could not be read ({error.strerror}). Check the path.") from error
    graph = read_opendrive(source)
    lanes = tuple(graph.lanes.values())
    ground = ground_of_lanes(lanes) if mesh is None else ground_of_mesh(mesh, lanes)
    if scene is not None and scene.mesh is not None:
        walls = walls_of_mesh(scene.mesh, ground, scene.ego, scene.tracks)
    return RoadMap(
        name=name or "OpenDriveMap",
        opendrive=text_for_clients(source),
        graph=graph,
        ground=ground,
        lanes=lanes,
        limits_kmh=_limits_kmh(lanes),
        spawn_points=_spawn_points(lanes) if scene is None else _seen_first(_spawn_points(lanes), scene),
        walls=walls,
        scene=scene,
    )


def _map_of_scene(path: Path) -> tuple[Scene, bytes]:
    """A scene and its OpenDRIVE file."""
    from avrec.scene import Scene  # brings the Gaussians' packages, which a bare map does not need

    scene = Scene.open(path)
    if scene.map_xodr is None:
        raise DataError(
            f"The scene {path.name} holds no map to drive on. Infer one from its recording (avrec map infer), then: "
            f"avrec scene import {path.name} --map map.xodr -o new.usdz"
        )
    return scene, scene.map_xodr


def _limits_kmh(lanes: tuple[Lane, ...]) -> Float64:
    """Speed limits by lane, km/h; where a map says none, as in junctions, the one before holds, but for tight bends."""
    known = {lane.id: lane.speed_limit_mps * 3.6 for lane in lanes if lane.speed_limit_mps is not None}
    waiting = [lane for lane in lanes if lane.id not in known]
    while waiting:
        told = {}
        for lane in waiting:
            before = [known[name] for name in lane.predecessors if name in known]
            if before:
                told[lane.id] = min(*before, _bend_kmh(lane))
        if not told:
            break
        known.update(told)
        waiting = [lane for lane in waiting if lane.id not in told]
    return np.array([*(known.get(lane.id, DEFAULT_LIMIT_KMH) for lane in lanes), DEFAULT_LIMIT_KMH])


def _bend_kmh(lane: Lane) -> float:
    """What a lane's bend as a whole can be driven at with `BEND_MPS2` to the side, and at least the usual limit."""
    steps = np.diff(lane.center[:, :2], axis=0)
    first, last = steps[0], steps[-1]
    turn = abs(np.arctan2(first[0] * last[1] - first[1] * last[0], first @ last))
    radius = float(np.linalg.norm(steps, axis=1).sum() / max(turn, 1e-6))
    return max(DEFAULT_LIMIT_KMH, 3.6 * float(np.sqrt(BEND_MPS2 * radius)))


def _seen_first(spots: tuple[Pose, ...], scene: Scene) -> tuple[Pose, ...]:
    """Places with the best view first: on the recorded way and along it, then by distance from that way."""
    way = scene.ego.poses[:, :2, 3]
    tree = cKDTree(way)

    def rank(spot: Pose) -> tuple[float, float]:
        away, near = tree.query([spot.x, spot.y])
        back, ahead = way[max(near - 1, 0)], way[min(near + 1, len(way) - 1)]
        along = (ahead[0] - back[0]) * np.cos(spot.yaw) + (ahead[1] - back[1]) * np.sin(spot.yaw) >= 0.0
        return (0.0, float(near)) if along and away < ON_THE_WAY_M else (1.0, float(away))

    return tuple(sorted(spots, key=rank))


def _spawn_points(lanes: tuple[Lane, ...]) -> tuple[Pose, ...]:
    """Places along driving lanes outside junctions, at equal distances."""
    found: list[Pose] = []
    for lane in lanes:
        room = lane.length_m - 2 * SPAWN_MARGIN_M
        if lane.kind != "driving" or lane.junction is not None or room < 0 or float(lane.widths_m.min()) < 2.0:
            continue
        count = int(room // SPAWN_EVERY_M) + 1
        stations = SPAWN_MARGIN_M + (np.arange(count) + 0.5) * (room / count)
        found += [_pose_on(lane, station) for station in stations]
    found = _apart(found)
    if len(found) > MAX_SPAWN_POINTS:
        kept = np.linspace(0, len(found) - 1, MAX_SPAWN_POINTS).astype(int)
        found = [found[index] for index in kept]
    return tuple(found)


def _apart(spots: list[Pose]) -> list[Pose]:
    """Those where a car fits even if others stand on all before; lanes may lie on one another."""
    if len(spots) < 2:
        return spots
    gone: set[int] = set()
    for one, other in sorted(cKDTree([(each.x, each.y) for each in spots]).query_pairs(float(np.hypot(*CAR_ROOM_M)))):
        a, b = spots[one], spots[other]
        dx, dy = b.x - a.x, b.y - a.y
        along, across = dx * np.cos(a.yaw) + dy * np.sin(a.yaw), dy * np.cos(a.yaw) - dx * np.sin(a.yaw)
        near = abs(along) < CAR_ROOM_M[0] and abs(across) < CAR_ROOM_M[1] and abs(b.z - a.z) < STOREY_M
        if near and one not in gone:
            gone.add(other)
    return [each for index, each in enumerate(spots) if index not in gone]


def _pose_on(lane: Lane, station_m: float) -> Pose:
    steps = np.linalg.norm(np.diff(lane.center, axis=0), axis=1)
    ends = np.cumsum(steps)
    index = min(int(np.searchsorted(ends, station_m)), len(steps) - 1)
    step = lane.center[index + 1] - lane.center[index]
    share = (station_m - (ends[index] - steps[index])) / max(float(steps[index]), 1e-9)
    x, y, z = (float(value) for value in lane.center[index] + share * step)
    heading, rise = float(np.arctan2(step[1], step[0])), float(np.arctan2(step[2], np.hypot(step[0], step[1])))
    return Pose(x, y, z + SPAWN_HEIGHT_M, 0.0, -rise, heading)
