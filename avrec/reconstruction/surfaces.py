"""Meshes of a reconstructed scene: the ground from lidar and rendered depth, the rest from rendered depth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from avrec.drive import Drive, RigBox
from avrec.mesh import DepthPicture, GroundMesh, Mesh, fuse, ground_mesh, join_ground, volume_mesh
from avrec.progress import NO_PROGRESS, Progress
from avrec.reconstruction.ground_points import (
    GROUND_REACH_M,
    MOST_POINTS,
    corridor_m2,
    driven_path,
    length_m,
    lidar_near,
    spread_over,
    thinned,
)
from avrec.rendering import render
from avrec.scene import Scene

__all__ = ["Surfaces", "depth_pictures", "surfaces_of"]

Float64 = NDArray[np.float64]

# Pictures follow the way that was driven, up to what takes some minutes.
_PICTURE_EVERY_M, _LEAST_PICTURES, _MOST_PICTURES = 0.75, 120, 2000
_LONGEST_SIDE = 480
# Where the middle and the mean of a pixel's depth differ by more, it straddles an edge.
_EDGE = 0.1
_LEAST_ALPHA = 0.8
# On slanting ground the rendered depth lies within centimetres only nearby.
_DEPTH_REACH_M = 12.0
# Walls beside a wide road are seen from afar, slantingly and by few pixels.
_SURFACE_REACH_M, _LEAST_WEIGHT = 40.0, 0.01
_VOXEL_M, _MOST_BLOCKS = 0.12, 100_000
# Per metre driven, at least and at most.
_TRIANGLES, _GROUND_TRIANGLES = (3000, 300_000, 1_000_000), (700, 200_000, 500_000)
# Larger cells where the way is longer than a mile or so, which keeps the ground within a gigabyte.
_CELL_M, _MOST_CELLS = 0.2, 1_000_000
# Below this many returns per cell of the corridor the lidar leaves too much ground to guess.
_LIDAR_COVERAGE = 0.3
_MISSED_M = 0.5
_LANE_M = 4.0
_WELL_MEASURED = 0.5
_NO_CAR_M = 0.3


@dataclass(frozen=True, eq=False)
class Surfaces:
    """What stands still, as triangles.

    Attributes:
        mesh: ground and everything on it, world, metres.
        ground: the ground within 12 m of the path.
        about: how they came about, as JSON values: ``pictures`` of depth fused, final ``voxel_m``, ``ground_cell_m``,
            ``sweeps`` used and what the ground is ``ground_from``; ``ground_measured`` and ``lane_measured``, the
            shares of the ground and of the ground within 4 m of the path that were measured and not filled in;
            ``levels`` of ground over one another; ``missed_m`` of the driven way where the ground is more than 0.5 m
            off, and ``worst_miss_m``.
        warnings: what a user should know, one sentence each.
    """

    mesh: Mesh
    ground: GroundMesh
    about: dict[str, object]
    warnings: tuple[str, ...] = ()


def surfaces_of(scene: Scene, drive: Drive, *, progress: Progress = NO_PROGRESS) -> Surfaces:
    """Mesh a scene.

    Args:
        scene: as reconstructed from the drive.
        drive: where the lidar comes from, if there is one.
        progress: told about each picture.

    Raises:
        DataError: the pictures or the points show no ground, or no surface at all.
    """
    path = driven_path(scene.ego, scene.span_us)
    still = replace(scene, actors={}, tracks=())
    chosen = _chosen_frames(still, length_m(path))
    points, sweeps = lidar_near(drive, scene.ego, path)
    sources = ["lidar"] if len(points) else []
    seen = [points]
    enough = _covers(points, path)
    most = max(1, (MOST_POINTS - len(points)) // max(1, len(chosen)))

    def pictures() -> Iterator[DepthPicture]:
        for picture in depth_pictures(still, chosen, progress=progress):
            if not enough:
                seen.append(thinned(picture.points_list(farthest_m=_DEPTH_REACH_M), most))
            yield picture

    volume = fuse(pictures(), voxel_m=_VOXEL_M, farthest_m=_SURFACE_REACH_M, most_blocks=_MOST_BLOCKS)
    progress.start("Meshing")
    driven_m, voxel_m = length_m(path), volume.voxel_m
    surface = volume_mesh(volume, least_weight=_LEAST_WEIGHT, most_triangles=_budget(_TRIANGLES, driven_m))
    del volume  # up to a gigabyte, and the ground needs as much
    points = np.concatenate(seen)
    seen.clear()
    cell_m = _cell_m(path)
    most_triangles = _budget(_GROUND_TRIANGLES, driven_m)
    ground = ground_mesh(points, path, cell_m=cell_m, reach_m=GROUND_REACH_M, most_triangles=most_triangles)
    mesh = join_ground(surface, ground, path_world=path, **_driven_space(scene.rig_box))
    progress.finish(f"{len(mesh.faces)} triangles, {len(ground.mesh.faces)} of them ground")
    sources += [] if enough else ["rendered depth"]
    sizes = {"voxel_m": voxel_m, "ground_cell_m": cell_m}
    made = {"pictures": len(chosen), "sweeps": sweeps, **sizes, "ground_from": " and ".join(sources)}
    about, warnings = _judged(ground, path)
    return Surfaces(mesh, ground, made | about, warnings)


def depth_pictures(
    still: Scene, chosen: Sequence[tuple[str, int]], *, progress: Progress = NO_PROGRESS
) -> Iterator[DepthPicture]:
    """Depth of a scene without its actors at (camera, time) of recorded frames; sky and edges are left out."""
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


def _chosen_frames(scene: Scene, driven_m: float) -> list[tuple[str, int]]:
    """(camera, time) of the frames to render, in time order: of every camera as many, evenly along the way."""
    cameras = max(1, len(scene.frames))
    wanted = np.clip(cameras * driven_m / _PICTURE_EVERY_M, _LEAST_PICTURES, _MOST_PICTURES)
    chosen: list[tuple[int, str]] = []
    for camera, times in scene.frames.items():
        kept = np.sort(times)
        chosen += [(int(time_us), camera) for time_us in kept[spread_over(scene.ego, kept, int(-(-wanted // cameras)))]]
    return [(camera, time_us) for time_us, camera in sorted(chosen)]


def _budget(rate: tuple[int, int, int], driven_m: float) -> int:
    """Triangles for a way of some length: so many per metre, at least and at most."""
    per_m, least, most = rate
    return int(np.clip(per_m * driven_m, least, most))


def _cell_m(path: Float64) -> float:
    """Side of the cells of a ground along a path."""
    return max(_CELL_M, round(float(np.sqrt(corridor_m2(path) / _MOST_CELLS)), 3))


def _driven_space(box: RigBox | None) -> dict[str, float]:
    """Half the width and the height of what the recording car drove through, where its size is known."""
    if box is None:
        return {}
    low, high = box.corners_m
    sides, height_m = float(min(-low[1], high[1])), float(high[2])
    return {"half_width_m": sides, "height_m": height_m} if min(sides, height_m) > _NO_CAR_M else {}


def _covers(points: Float64, path: Float64) -> bool:
    """Whether the lidar leaves little ground to guess."""
    covered = len(np.unique(np.floor(points[:, :2]).astype(np.int64), axis=0)) if len(points) else 0
    return covered >= _LIDAR_COVERAGE * corridor_m2(path)


def _judged(ground: GroundMesh, path: Float64) -> tuple[dict[str, float], tuple[str, ...]]:
    """How well the ground is known, and where it misses the driven path."""
    steps = np.linalg.norm(np.diff(path[:, :2], axis=0, prepend=path[:1, :2]), axis=1)
    miss = np.abs(ground.height_at(path) - path[:, 2])
    missed_m = float(steps[~(miss <= _MISSED_M)].sum())
    worst_m = float(np.nanmax(miss, initial=0.0))
    across = np.stack(np.meshgrid(*[np.arange(-_LANE_M, _LANE_M + 0.1, 1.0)] * 2), axis=-1).reshape(-1, 2)
    lane = (path[:, None, :2] + across[np.linalg.norm(across, axis=1) <= _LANE_M]).reshape(-1, 2)
    about = {
        "ground_measured": round(ground.measured_share(), 3),
        "lane_measured": round(ground.measured_share(np.unique(np.round(lane, 1), axis=0)), 3),
        "levels": len(ground.fields),
        "missed_m": round(missed_m, 1),
        "worst_miss_m": round(worst_m, 2),
    }
    warnings = []
    if about["lane_measured"] < _WELL_MEASURED:
        warnings.append(
            f"Only {100 * about['lane_measured']:.0f} % of the ground within {_LANE_M:.0f} m of the driven path was "
            "measured, the rest is filled in from around it: record with lidar, more cameras or longer for a surer one."
        )
    if missed_m > 0:
        warnings.append(
            f"The ground misses the driven path by more than {_MISSED_M} m over {missed_m:.0f} of {steps.sum():.0f} m, "
            f"at worst by {worst_m:.1f} m, as on bridges and in car parks: look at the mesh before driving on it."
        )
    return about, tuple(warnings)
