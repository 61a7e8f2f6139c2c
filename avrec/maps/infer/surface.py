"""The height of the road in road coordinates, from a ground or from the driven path alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from avrec.maps.infer.course import Course

__all__ = ["Surface", "surface_of"]

Float64 = NDArray[np.float64]
HeightAt = Callable[[Float64], Float64]

S_STEP_M, D_STEP_M = 0.5, 0.1


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


def surface_of(course: Course, height_at: HeightAt | None, reach_m: float) -> Surface:
    """Heights over a course.

    Args:
        course: the road's coordinates.
        height_at: world z at world points [N, 3], whose own z says which of two roads over one another is meant; not
            finite where unknown. None: as high as the driven path everywhere.
        reach_m: how far to the sides.
    """
    s = np.asarray(np.arange(round(course.length_m / S_STEP_M) + 1) * S_STEP_M, np.float64)
    d = _offsets(reach_m)
    if height_at is None:
        level = np.zeros((len(s), len(d)))
        return Surface(course, level, level > 0, reach_m)
    places = course.place(s[:, None], d)
    z = np.asarray(height_at(places.reshape(-1, 3)), np.float64).reshape(places.shape[:2]) - places[..., 2]
    measured = np.isfinite(z)
    return Surface(course, _filled(np.where(measured, z, 0.0), measured), measured, reach_m)


def _offsets(reach_m: float) -> Float64:
    half = round(reach_m / D_STEP_M)
    return np.asarray(np.arange(-half, half + 1) * D_STEP_M, np.float64)


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
