"""What a scene needs beyond its Gaussians: meshes, the road as a layer of its own, and a map."""

from __future__ import annotations

import logging
import time
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from avrec.drive import Drive, Side
from avrec.drive.lane_graph import LaneGraph
from avrec.errors import AvrecError
from avrec.gaussians import Gaussians
from avrec.geometry import matrix_from_quaternion
from avrec.maps import drive_map, write_opendrive
from avrec.maps.infer import infer_map
from avrec.mesh import GroundMesh
from avrec.progress import NO_PROGRESS, Progress
from avrec.reconstruction.surfaces import Surfaces, surfaces_of
from avrec.scene import Scene
from avrec.scene.rig_json import PLACEHOLDER_ANCHOR

__all__ = ["completed", "split_road"]

logger = logging.getLogger(__name__)

Bool = NDArray[np.bool_]

# What stays below the first is seen as road; what lies deeper than the second belongs to something else.
_ROAD_SKIN_M, _ROAD_DEPTH_M = 0.15, 1.0


def completed(scene: Scene, drive: Drive, *, traffic: Side | None = None, progress: Progress = NO_PROGRESS) -> Scene:
    """The scene with meshes, a road layer and a map.

    What cannot be made, for whatever reason, is left out with a warning and named in the scene's source: hours of
    optimisation must not be lost to a mesh. Held-out pictures take no part.

    Args:
        scene: as reconstructed from the drive.
        drive: where lidar, pictures and a recorded map come from.
        traffic: the side that traffic keeps to, where the map is inferred; None for the recording's, else right.
        progress: told what is going on.
    """
    started = time.perf_counter()
    surfaces: Surfaces | None = None
    missing: list[str] = []
    warnings: tuple[str, ...] = ()
    meshes: dict[str, object] = {}
    try:
        surfaces = surfaces_of(scene, drive, progress=progress)
        static, road = split_road(scene.static, surfaces.ground)
        scene = replace(scene, static=static, road=road, mesh=surfaces.mesh, ground=surfaces.ground.mesh)
        meshes, warnings = surfaces.about, surfaces.warnings
    except Exception as error:
        missing.append(f"The scene has no meshes: {_told(error)}")
    about: dict[str, object] = {}
    try:
        graph, about = _map_of(scene, drive, surfaces.ground if surfaces else None, traffic, progress)
        # Readers want to know where a map lies; a scene without GPS says in its manifest that this is no real place.
        placed = graph if graph.anchor or graph.geo_reference else graph.with_changes(anchor=PLACEHOLDER_ANCHOR)
        scene = replace(scene, map_xodr=write_opendrive(placed), anchor=scene.anchor or graph.anchor)
    except Exception as error:
        missing.append(f"The scene has no map: {_told(error)}")
    for sentence in (*missing, *warnings):
        logger.warning("%s", sentence)
    seconds = round(time.perf_counter() - started, 1)
    told = {"meshes": meshes, "map": about, "missing": missing, "warnings": list(warnings), "completed_s": seconds}
    return replace(scene, source={**scene.source, **told})


def _told(error: Exception) -> str:
    if isinstance(error, AvrecError):
        return str(error)
    logger.debug("What went wrong:", exc_info=error)
    return f"{type(error).__name__}: {error}. This is a bug in avrec; please report it."


def split_road(static: Gaussians, ground: GroundMesh) -> tuple[Gaussians, Gaussians]:
    """What does not move, apart from the road surface; and the road surface.

    The road is every Gaussian that rises less than 15 cm above the ground (one standard deviation above its middle)
    and whose middle lies less than a metre under it. Drawing both gives the same picture as before.
    """
    over = static.means[:, 2] - ground.height_at(static.means.astype(np.float64))
    with np.errstate(invalid="ignore"):
        on_road: Bool = (over > -_ROAD_DEPTH_M) & (over + _half_height_m(static) < _ROAD_SKIN_M)
    return static.take(~on_road), static.take(on_road)


def _half_height_m(cloud: Gaussians) -> NDArray[np.float32]:
    """Standard deviation along the world's z axis, float32 [N]: sqrt of the covariance's last entry."""
    up = matrix_from_quaternion(cloud.quaternions)[:, 2]
    return np.asarray(np.linalg.norm(up * np.exp(cloud.log_scales), axis=1), np.float32)


def _map_of(
    scene: Scene, drive: Drive, ground: GroundMesh | None, traffic: Side | None, progress: Progress
) -> tuple[LaneGraph, dict[str, object]]:
    """The map recorded beside the drive, else one inferred from it, and where it comes from."""
    recorded = drive_map(drive)
    if recorded is not None:
        return recorded, {"from": drive.map_path.name if drive.map_path else drive.layout, "inferred": False}
    side: Side = traffic or drive.traffic or "right"
    learned = {
        name: tuple(frame for frame, out in zip(frames, scene.held_out[name], strict=True) if not out)
        for name, frames in drive.frames.items()
    }
    graph = infer_map(
        replace(drive, frames=learned),
        None if ground is None or drive.sweeps else ground.height_at,  # lidar by itself shows kerbs that a mesh rounds
        ego=scene.ego,
        cameras=scene.cameras,
        appearance=scene.appearance,
        traffic=side,
        progress=progress,
    )
    return graph, {"from": "inferred from path, ground and pictures", "inferred": True, "traffic": side}
