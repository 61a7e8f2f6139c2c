"""What stands in a map besides its actors: signal panels and their poles, parked cars, and pieces of the surface.

Clients ask for these as environment objects and level bounding boxes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import cos, sin
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from carla_bridge.world.labels import LABEL_OF_KIND, Label
from carla_bridge.world.pose import Pose, Vector
from carla_bridge.world.traffic_lights import is_light
from carla_bridge.world.walls import CELL_M, Walls

if TYPE_CHECKING:
    from avrec.drive import Track
    from avrec.drive.lane_graph import Signal
    from avrec.scene import Scene
    from carla_bridge.world.ground import Ground
    from carla_bridge.world.road_map import RoadMap

__all__ = ["Piece", "furniture_of", "panel_of", "parked_tracks"]

POLE_HALF_M = 0.06
LEAST_POLE_M = 0.3
PANEL_HALF_M = (0.1, 0.2, 0.5)
LEAST_CELLS = 4
"""Of walls; fewer are specks."""
MAX_CELLS = 40_000_000
MARGIN_M = 0.4
"""The surface of a parked car reaches a little out of its box."""


@dataclass(frozen=True)
class Piece:
    """An upright box that stands in the map.

    Attributes:
        id: from 1 on, the same for the same map.
        label: semantic class.
        pose: of its middle; only the heading is not zero.
        half: half sizes, metres.
    """

    id: int
    name: str
    label: int
    pose: Pose
    half: Vector


def furniture_of(road_map: RoadMap) -> tuple[Piece, ...]:
    """Everything that stands in a map."""
    found = [*_signals(road_map)]
    parked = [*_parked(road_map.scene)] if road_map.scene is not None else []
    found += parked
    if road_map.walls is not None:
        found += _walls(road_map.walls, parked)
    return tuple(
        Piece(number, f"{name}_{number}", label, pose, half)
        for number, (name, label, pose, half) in enumerate(found, start=1)
    )


def parked_tracks(scene: Scene) -> list[tuple[Track, str]]:
    """Recorded actors that never moved, as far as they are part of what stands still, and their kinds."""
    from carla_bridge.replay.fit import kind_of  # the replay's words for tracks, which a bare map does not need

    still = (track for track in scene.tracks if not track.moving and track.id not in scene.actors)
    return [(track, kind_of(track.label, track.size_m)) for track in still]


def panel_of(signal: Signal) -> tuple[Pose, Vector]:
    """Middle and half sizes of a signal's panel; its position is the panel's foot."""
    x, y, z = (float(value) for value in signal.position)
    depth, width, height = PANEL_HALF_M
    width = signal.width_m / 2 if signal.width_m > 0.0 else width
    height = signal.height_m / 2 if signal.height_m > 0.0 else height
    return Pose(x, y, z + height, 0.0, 0.0, signal.facing_rad), (depth, width, height)


_Found = tuple[str, int, Pose, Vector]


def _signals(road_map: RoadMap) -> Iterator[_Found]:
    for signal in road_map.graph.signals:
        pose, half = panel_of(signal)
        light = is_light(signal)
        label, name = (Label.TRAFFIC_LIGHT, "TrafficLight") if light else (Label.TRAFFIC_SIGN, "TrafficSign")
        yield f"{name}_{signal.id}", label, pose, half
        foot = pose.z - half[2]
        floor = _floor(road_map.ground, pose)
        if foot - floor > LEAST_POLE_M:
            tall = (foot - floor) / 2
            yield f"Pole_{signal.id}", Label.POLE, pose._replace(z=floor + tall), (POLE_HALF_M, POLE_HALF_M, tall)


def _floor(ground: Ground, pose: Pose) -> float:
    return ground.height(pose.x, pose.y, pose.z)


def _parked(scene: Scene) -> Iterator[_Found]:
    for track, kind in parked_tracks(scene):
        box = track.world_from_box.poses[0]
        x, y, z = (float(value) for value in box[:3, 3])
        length, width, height = (float(value) / 2 for value in track.size_m)
        yaw = float(np.arctan2(box[1, 0], box[0, 0]))
        yield f"Parked_{kind}_{track.id}", LABEL_OF_KIND[kind], Pose(x, y, z, 0.0, 0.0, yaw), (length, width, height)


def _walls(walls: Walls, parked: list[_Found]) -> Iterator[_Found]:
    """Boxes of what stands apart from each other, along the axes, without what ``parked`` tells of already."""
    cells = walls.cells
    rest = np.ones(len(cells), dtype=bool)
    for _, _, pose, half in parked:
        away = (cells + 0.5) * CELL_M - np.array([pose.x, pose.y])
        ahead = away @ np.array([cos(pose.yaw), sin(pose.yaw)])
        left = away @ np.array([-sin(pose.yaw), cos(pose.yaw)])
        rest &= (np.abs(ahead) > half[0] + MARGIN_M) | (np.abs(left) > half[1] + MARGIN_M)
    cells, low_m, high_m = cells[rest], walls.low[rest], walls.high[rest]
    if not len(cells):
        return
    low = cells.min(axis=0)
    shape = cells.max(axis=0) - low + 1
    if int(shape[0]) * int(shape[1]) > MAX_CELLS:
        return
    picture = np.zeros(tuple(shape.tolist()), dtype=bool)
    picture[tuple((cells - low).T)] = True
    numbers: NDArray[np.int32] = ndimage.label(picture, structure=np.ones((3, 3)))[0]
    owner = numbers[tuple((cells - low).T)]
    for index in range(1, int(owner.max()) + 1):
        mine = np.flatnonzero(owner == index)
        if len(mine) < LEAST_CELLS:
            continue
        first, last = cells[mine].min(axis=0) * CELL_M, (cells[mine].max(axis=0) + 1) * CELL_M
        bottom, top = float(low_m[mine].min()), float(high_m[mine].max())
        x, y = ((first + last) / 2).tolist()
        half_x, half_y = ((last - first) / 2).tolist()
        yield "Static", Label.STATIC, Pose(x, y, (bottom + top) / 2), (half_x, half_y, max((top - bottom) / 2, 0.01))
