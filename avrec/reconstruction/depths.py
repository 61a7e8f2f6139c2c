"""What the lidar says about the depth of each picture: the sweep nearest in time, seen from the camera."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avrec.drive import Drive, Track
from avrec.progress import Progress
from avrec.reconstruction.points.colour import depth_grid, in_front
from avrec.reconstruction.points.lidar import static_and_boxed
from avrec.reconstruction.points.views import Seen, TrainingView, project, training_views

__all__ = ["DepthGradient", "PictureDepth", "depth_gradient", "picture_depths"]

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

FARTHEST_SWEEP_US = 120_000
"""A sweep further away in time than this says nothing about a picture."""

_LEAST_ALPHA = 0.3
# Where the lidar, which sits elsewhere, looks past an edge, it is wrong by more than this; so is a bad start.
_WIDEST_MISS = 0.4


@dataclass(frozen=True, eq=False)
class PictureDepth:
    """Lidar returns that a picture sees.

    Attributes:
        place: float32 [M, 2], pixel over (width, height).
        distance_m: float32 [M], from the camera along the pixel's ray.
    """

    place: Float32
    distance_m: Float32


@dataclass(frozen=True)
class DepthGradient:
    """Gradients by alpha and by the sum of w t, float32 [H, W], and the mean relative error behind them."""

    v_alpha: Float32
    v_depth: Float32
    error: float


def picture_depths(
    drive: Drive,
    held_out: Mapping[str, NDArray[np.bool_]],
    moving: Sequence[Track],
    *,
    downscale: float,
    progress: Progress,
) -> dict[tuple[str, int], PictureDepth]:
    """Depths by (camera, timestamp_us) of every picture that is not held out and has a sweep near it in time."""
    if not drive.sweeps:
        return {}
    views = training_views(drive, held_out, max(downscale, 1))
    stamps = np.array([sweep.timestamp_us for sweep in drive.sweeps])
    nearest: dict[int, list[TrainingView]] = {}
    for view in views:
        index = int(np.argmin(np.abs(stamps - view.mid_time_us)))
        if abs(stamps[index] - view.mid_time_us) <= FARTHEST_SWEEP_US:
            nearest.setdefault(index, []).append(view)
    progress.start("Depth of the pictures", len(nearest))
    depths = {}
    for done, (index, those) in enumerate(sorted(nearest.items()), start=1):
        static, boxed = static_and_boxed(drive, drive.sweeps[index], moving)
        for view in those:
            seen = [project(view, static)]
            seen += [
                project(view, points, track.world_from_box)
                for track, points in zip(moving, boxed, strict=True)
                if len(points)
            ]
            depths[view.camera, view.frame.timestamp_us] = _visible(view, seen)
        progress.update(done)
    progress.finish()
    return depths


def depth_gradient(
    depth: PictureDepth, alpha: Float32, depth_sum: Float32, *, weight: float, solid: float = 0.0
) -> DepthGradient:
    """Gradient of ``weight`` times the mean of ``|d / z - 1|`` over the returns, d = depth_sum / alpha.

    What the lidar met is opaque: ``solid`` times ``1 - alpha`` of its pixels, as a part of a mean over all pixels, adds
    to that.
    """
    height, width = alpha.shape
    v_alpha, v_depth = np.zeros_like(alpha), np.zeros_like(alpha)
    x = np.minimum((depth.place[:, 0] * width).astype(np.int64), width - 1)
    y = np.minimum((depth.place[:, 1] * height).astype(np.int64), height - 1)
    v_alpha[y, x] -= np.float32(solid / alpha.size)
    a = alpha[y, x]
    mean = depth_sum[y, x] / np.maximum(a, 1e-6)
    miss = mean / depth.distance_m - 1
    use = (a > _LEAST_ALPHA) & (np.abs(miss) < _WIDEST_MISS)
    if not use.any():
        return DepthGradient(v_alpha, v_depth, 0.0)
    x, y, a, mean, miss, distance = x[use], y[use], a[use], mean[use], miss[use], depth.distance_m[use]
    pull = np.sign(miss) * np.float32(weight / len(depth.distance_m)) / (distance * a)
    np.add.at(v_depth, (y, x), pull)
    np.add.at(v_alpha, (y, x), -pull * mean)
    return DepthGradient(v_alpha, v_depth, float(np.abs(miss).mean()))


def _visible(view: TrainingView, seen: Sequence[Seen]) -> PictureDepth:
    """The returns that no nearer one hides."""
    grid, side = depth_grid(view, seen)
    size = (view.model.width, view.model.height)
    place, distance = [], []
    for one in seen:
        open_ = in_front(one, grid, side)
        place.append(one.pixels[open_] / size)
        distance.append(one.depth[open_])
    return PictureDepth(np.concatenate(place).astype(np.float32), np.concatenate(distance).astype(np.float32))
