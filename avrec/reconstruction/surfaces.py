"""Meshes of a reconstructed scene: the ground from lidar and rendered depth, the rest from rendered depth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from avrec.drive import Drive
from avrec.geometry import Trajectory
from avrec.mesh import DepthPicture, GroundMesh, Mesh, ground_mesh, join_ground, surface_mesh
from avrec.progress import NO_PROGRESS, Progress
from avrec.reconstruction.checks import moving_tracks
from avrec.reconstruction.points.lidar import static_and_boxed
from avrec.rendering import render
from avrec.scene import Scene

__all__ = ["Surfaces", "depth_pictures", "surfaces_of"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

_MOST_PICTURES = 120
_LONGEST_SIDE = 480
# Where the middle and the mean of a pixel's depth differ by more, it straddles an edge.
_EDGE = 0.1
_LEAST_ALPHA = 0.8
# On slanting ground the rendered depth lies within centimetres only nearby.
_DEPTH_REACH_M = 12.0
_MOST_SWEEPS = 120
_GROUND_REACH_M = 12.0
# Walls beside a wide road are seen from afar, slantingly and by few pixels.
_SURFACE_REACH_M, _LEAST_WEIGHT = 40.0, 0.01
# Below this many returns per cell of the corridor the lidar leaves too much ground to guess.
_LIDAR_COVERAGE = 0.3


@dataclass(frozen=True, eq=False)
class Surfaces:
    """What stands still, as triangles.

    Attributes:
        mesh: ground and everything on it, world, metres.
        ground: the ground within 12 m of the path.
    """

    mesh: Mesh
    ground: GroundMesh


def surfaces_of(scene: Scene, drive: Drive, *, progress: Progress = NO_PROGRESS) -> Surfaces:
    """Mesh a scene.

    Args:
        scene: as reconstructed from the drive.
        drive: where the lidar comes from, if there is one.
        progress: told about each picture.

    Raises:
        DataError: the pictures or the points show no ground, or no surface at all.
    """
    path = _path(scene)
    still = replace(scene, actors={}, tracks=())
    pictures = list(depth_pictures(still, progress=progress))
    progress.start("Meshing")
    points = _lidar_near(drive, scene.ego, path)
    covered = len(np.unique(np.floor(points[:, :2]).astype(np.int64), axis=0)) if len(points) else 0
    if covered < _LIDAR_COVERAGE * _corridor_m2(path):
        points = np.concatenate([points, *[picture.points_list(farthest_m=_DEPTH_REACH_M) for picture in pictures]])
    ground = ground_mesh(points, path, reach_m=_GROUND_REACH_M)
    surface = surface_mesh(pictures, farthest_m=_SURFACE_REACH_M, least_weight=_LEAST_WEIGHT)
    mesh = join_ground(surface, ground, path_world=path)
    progress.finish(f"{len(mesh.faces)} triangles, {len(ground.mesh.faces)} of them ground")
    return Surfaces(mesh, ground)


def depth_pictures(still: Scene, *, progress: Progress = NO_PROGRESS) -> Iterator[DepthPicture]:
    """Depth of a scene without its actors, from evenly chosen recorded frames; sky and edges are left out."""
    chosen = _chosen_frames(still)
    progress.start("Depth for the meshes", len(chosen))
    for done, (camera, time_us) in enumerate(chosen, start=1):
        model = still.cameras[camera].model
        scale = min(1.0, _LONGEST_SIDE / max(model.width, model.height))
        shot = render(
            still, camera, time_us, width=round(model.width * scale), height=round(model.height * scale),
            outputs=("rgb", "depth", "median_depth", "alpha"),
        )  # fmt: skip
        with np.errstate(invalid="ignore"):
            sure = (shot.alpha > _LEAST_ALPHA) & (np.abs(shot.depth - shot.median_depth) < _EDGE * shot.depth)
        view = shot.view
        yield DepthPicture(
            np.where(sure, shot.depth, np.float32(np.nan)),
            view.camera.pixel_rays()[0], view.rotation, view.origin, view.axis, shot.rgb_uint8,
        )  # fmt: skip
        progress.update(done)
    progress.finish()


def _chosen_frames(scene: Scene) -> list[tuple[str, int]]:
    """(camera, time) of the frames to render, in time order: of every camera as many, evenly through time."""
    most = -(-_MOST_PICTURES // max(1, len(scene.frames)))
    chosen: list[tuple[int, str]] = []
    for camera, times in scene.frames.items():
        step = max(1.0, len(times) / most)
        chosen += [(int(times[int(i)]), camera) for i in np.arange(0, len(times), step)]
    return [(camera, time_us) for time_us, camera in sorted(chosen)]


def _path(scene: Scene) -> Float64:
    """Where the rig drove while pictures were taken, on the ground, float64 [P, 3]."""
    first, last = scene.span_us
    times = np.linspace(first, last, max(2, (last - first) // 100_000 + 1))
    return np.asarray(scene.ego.at(times, outside="extrapolate")[:, :3, 3])


def _lidar_near(drive: Drive, ego: Trajectory, path: Float64) -> Float64:
    """Returns near the path that belong to nothing moving, in the world of the refined poses, float64 [N, 3]."""
    refined = replace(drive, ego=ego)
    moving = moving_tracks(drive)
    low, high = path[:, :2].min(axis=0) - _GROUND_REACH_M, path[:, :2].max(axis=0) + _GROUND_REACH_M
    near = []
    for sweep in drive.sweeps[:: max(1, -(-len(drive.sweeps) // _MOST_SWEEPS))]:
        points = static_and_boxed(refined, sweep, moving)[0]
        near.append(points[((points[:, :2] > low) & (points[:, :2] < high)).all(axis=1)])
    return np.concatenate(near) if near else np.zeros((0, 3))


def _corridor_m2(path: Float64) -> float:
    length = float(np.linalg.norm(np.diff(path[:, :2], axis=0), axis=1).sum())
    return 2 * _GROUND_REACH_M * length + np.pi * _GROUND_REACH_M**2
