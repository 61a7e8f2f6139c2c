"""The height of the road in road coordinates, from a surface, from lidar or from the driven path alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree

from avrec.drive import Drive
from avrec.geometry import Trajectory
from avrec.maps.infer.actors import Actors
from avrec.maps.infer.course import STEP_M, Course

__all__ = ["Surface", "lidar_around", "surface_of"]

Float64 = NDArray[np.float64]
HeightAt = Callable[[Float64], Float64]

S_STEP_M, D_STEP_M = 0.5, 0.1
_STRAY_M = 0.35
_MOST_POINTS = 4_000_000
# A lidar sees little of a road that is farther away than this.
_SWEEP_AWAY_M = 60.0
_STRIDE_M, _LONGEST_ACTOR_M = 5.0, 20.0


@dataclass(frozen=True)
class Surface:
    """Heights on a grid over a course.

    Attributes:
        relief: float64 [S, D] metres above the driven path.
        measured: bool [S, D]; False where the height was filled in.
        reach_m: offset of the outermost columns.
    """

    course: Course
    relief: Float64
    measured: NDArray[np.bool_]
    reach_m: float

    @property
    def stations(self) -> Float64:
        """Of the rows, float64 [S]."""
        return np.asarray(np.arange(self.relief.shape[0]) * S_STEP_M, np.float64)

    @property
    def offsets(self) -> Float64:
        """Of the columns, float64 [D], from the right to the left."""
        return _offsets(self.reach_m)

    def heights(self, s: Float64, d: Float64) -> Float64:
        """World z at stations and offsets [...]; held beyond the grid."""
        s, d = np.broadcast_arrays(s, d)
        row = np.clip(s / S_STEP_M, 0, self.relief.shape[0] - 1.001)
        column = np.clip((d + self.reach_m) / D_STEP_M, 0, self.relief.shape[1] - 1.001)
        i, j = row.astype(np.int64), column.astype(np.int64)
        u, v = row - i, column - j
        grid = self.relief
        low = grid[i, j] * (1 - v) + grid[i, j + 1] * v
        high = grid[i + 1, j] * (1 - v) + grid[i + 1, j + 1] * v
        path = np.interp(s, self.course.stations, self.course.xyz[:, 2])
        return np.asarray(low * (1 - u) + high * u + path)


def surface_of(course: Course, points_sdz: Float64, height_at: HeightAt | None, reach_m: float) -> Surface:
    """Heights over a course.

    Args:
        course: the road's coordinates.
        points_sdz: float64 [N, 3] station, offset and height above the path of lidar returns, used where there is no
            ``height_at``; may be empty.
        height_at: world z at world points [N, 3], whose own z says which of two roads over one another is meant; not
            finite where unknown.
        reach_m: how far to the sides.
    """
    s = np.asarray(np.arange(round(course.length_m / S_STEP_M) + 1) * S_STEP_M, np.float64)
    d = _offsets(reach_m)
    if height_at is not None:
        places = course.place(s[:, None], d)
        z = np.asarray(height_at(places.reshape(-1, 3)), np.float64).reshape(places.shape[:2]) - places[..., 2]
        measured = np.isfinite(z)
    else:
        z, measured = _binned(points_sdz, len(s), len(d), reach_m)
    return Surface(course, _filled(np.where(measured, z, 0.0), measured), measured, reach_m)


def lidar_around(drive: Drive, ego: Trajectory, course: Course, reach_m: float) -> Float64:
    """Lidar returns near a course: station, offset and height above the path, float64 [N, 3].

    Returns on actors are left out by their boxes. Of long recordings a part of the returns is used; sweeps that were
    taken far from the course are not read.
    """
    if not drive.sweeps:
        return np.empty((0, 3))
    actors = Actors(drive.tracks)
    line = course.xyz[:: round(_STRIDE_M / STEP_M), :2]
    places = ego.at(np.array([sweep.timestamp_us for sweep in drive.sweeps]), outside="extrapolate")[:, :2, 3]
    close = cKDTree(line).query(places, distance_upper_bound=_SWEEP_AWAY_M + _STRIDE_M)[0] < np.inf
    low, high = course.xyz[:, :2].min(axis=0) - reach_m, course.xyz[:, :2].max(axis=0) + reach_m
    budget = _MOST_POINTS // max(int(close.sum()), 1)
    parts = []
    for index in np.flatnonzero(close):
        sweep = drive.sweeps[index]
        points = sweep.points_world(ego)
        points = points[np.isfinite(points).all(axis=1)]
        points = points[((points[:, :2] > low) & (points[:, :2] < high)).all(axis=1)]
        points = points[:: max(len(points) // max(budget, 1), 1)]
        if not len(points):
            continue
        s, d = course.locate(points[:, :2])
        above = points[:, 2] - np.interp(s, course.stations, course.xyz[:, 2])
        near = (s >= 0) & (s <= course.length_m) & (np.abs(d) <= reach_m) & (np.abs(above) < 4.0)
        points, found = points[near], np.stack([s, d, above], axis=1)[near]
        on_actor = np.zeros(len(points), bool)
        for track, pose in actors.near(sweep.timestamp_us, line, reach_m + _STRIDE_M + _LONGEST_ACTOR_M):
            inside = np.abs((points - pose[:3, 3]) @ pose[:3, :3]) < np.asarray(track.size_m) / 2 + 0.3
            on_actor |= inside.all(axis=1)
        parts.append(found[~on_actor])
    return np.concatenate(parts) if parts else np.empty((0, 3))


def _offsets(reach_m: float) -> Float64:
    half = round(reach_m / D_STEP_M)
    return np.asarray(np.arange(-half, half + 1) * D_STEP_M, np.float64)


def _binned(points: Float64, rows: int, columns: int, reach_m: float) -> tuple[Float64, NDArray[np.bool_]]:
    """Low middle of the heights of each cell, and where there are any; strays far from a smooth ground left out."""
    height, known = np.zeros((rows, columns)), np.zeros((rows, columns), bool)
    points = points[np.abs(points[:, 2]) < 1.5]
    if not len(points):
        return height, known
    i = np.clip(np.rint(points[:, 0] / S_STEP_M).astype(np.int64), 0, rows - 1)
    j = np.clip(np.rint((points[:, 1] + reach_m) / D_STEP_M).astype(np.int64), 0, columns - 1)
    order = np.lexsort((points[:, 2], i * columns + j))
    cell, z = (i * columns + j)[order], points[order, 2]
    first = np.flatnonzero(np.append(True, np.diff(cell) > 0))
    count = np.diff(np.append(first, len(cell)))
    height.flat[cell[first]] = z[first + (0.3 * (count - 1)).astype(np.int64)]
    known.flat[cell[first]] = True
    # The ground is what the path's own height leads to: start there and let it bend.
    weight = known & (np.abs(height) < 0.6)
    for _ in range(3):
        trend = _spread(np.where(weight, height, 0.0), weight, (6.0, 10.0))
        weight = known & (np.abs(height - np.where(np.isfinite(trend), trend, 0.0)) < _STRAY_M)
    return np.where(weight, height, 0.0), weight


def _filled(height: Float64, known: NDArray[np.bool_]) -> Float64:
    """Unknown cells from ever farther around; level with the path where nothing is near."""
    result = np.where(known, height, np.nan)
    for sigma in ((1.0, 0.5), (2.0, 2.0), (6.0, 6.0), (20.0, 25.0)):
        missing = ~np.isfinite(result)
        if not missing.any():
            break
        result[missing] = _spread(height, known, sigma)[missing]
    return np.nan_to_num(result, nan=0.0)


def _spread(height: Float64, known: NDArray[np.bool_], sigma: tuple[float, float]) -> Float64:
    """Gaussian mean of the known cells; NaN where they are too far."""
    share = gaussian_filter(known.astype(np.float64), sigma, mode="constant")
    total = gaussian_filter(np.where(known, height, 0.0), sigma, mode="constant")
    return np.where(share > 0.02, total / np.maximum(share, 1e-12), np.nan)
