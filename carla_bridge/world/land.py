"""The land around roads: a smooth sheet that is nowhere above one, for those who drive off and for pictures."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, minimum_filter
from scipy.spatial import cKDTree

__all__ = ["Land", "LandSample", "land_around"]

Float64 = NDArray[np.float64]

FINEST_M = 2.0
MOST_CELLS = 250_000
MARGIN_M = 80.0
"""Of the fine sheet around the map; beyond, it goes on level."""
NEIGHBOURS = 8
SMOOTH_CELLS = 2.0


class LandSample(NamedTuple):
    """The land under N points: height [N] metres, slope [N] along x and y."""

    z: Float64
    slope_x: Float64
    slope_y: Float64


@dataclass(frozen=True)
class Land:
    """Heights on a grid, with two triangles to a cell: one at its low corner, one at its high corner.

    Attributes:
        x, y: float64 [X], [Y] lines of the grid, metres.
        z: float64 [X, Y] heights, metres.
        beside: bool [X, Y] where a road is near, which the land meets there.
    """

    x: Float64
    y: Float64
    z: Float64
    beside: NDArray[np.bool_]

    def at(self, x: Float64, y: Float64) -> LandSample:
        """The land under points [N]; level beyond the grid."""
        i, u, inside_x = _cell(x, self.x, self._cell_m)
        j, v, inside_y = _cell(y, self.y, self._cell_m)
        upper = u + v > 1.0
        z, slope_x, slope_y = self._triangles.take(2 * (i * (len(self.y) - 1) + j) + upper, axis=0).T
        z = z + (u - upper) * slope_x + (v - upper) * slope_y
        return LandSample(z, slope_x / self._cell_m * inside_x, slope_y / self._cell_m * inside_y)

    @cached_property
    def _cell_m(self) -> float:
        return float(self.x[1] - self.x[0])

    @cached_property
    def _triangles(self) -> Float64:
        """The lower and the upper triangle of each cell: height at their corner of the grid, rise along x and y."""
        low, east, north, high = self.z[:-1, :-1], self.z[1:, :-1], self.z[:-1, 1:], self.z[1:, 1:]
        lower = np.stack([low, east - low, north - low], axis=-1)
        upper = np.stack([high, high - north, high - east], axis=-1)
        return np.stack([lower, upper], axis=2).reshape(-1, 3)


def land_around(spots: Float64, heights: Float64, steep: Float64, size_m: float) -> Land:
    """Land that is nowhere above a road and near the height of the nearest ones elsewhere.

    Args:
        spots: float64 [P, 2] middles of pieces of road, metres.
        heights: float64 [P] their heights.
        steep: float64 [P] the steeper of their slopes along x and y.
        size_m: how wide a piece is.
    """
    low, high = spots.min(0) - MARGIN_M, spots.max(0) + MARGIN_M
    cell = max(FINEST_M, float(np.sqrt(np.prod(high - low) / MOST_CELLS)))
    count = np.ceil((high - low) / cell).astype(np.int64) + 1
    x, y = (low[axis] + np.arange(count[axis]) * cell for axis in (0, 1))
    grid = np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1).reshape(-1, 2)
    away, near = cKDTree(spots).query(grid, k=min(NEIGHBOURS, len(spots)))
    away, near = away.reshape(len(grid), -1), near.reshape(len(grid), -1)
    weight = 1.0 / (away + 0.5) ** 2
    z = ((heights[near] * weight).sum(1) / weight.sum(1)).reshape(count)
    z = gaussian_filter(z, SMOOTH_CELLS, mode="nearest")
    # The lowest road in the cells around each corner; a cell of road reaches half its size further.
    lowest = np.full(count, np.inf)
    place = np.clip(np.floor((spots - low) / cell).astype(np.int64), 0, count - 1)
    np.minimum.at(lowest, (place[:, 0], place[:, 1]), heights - steep * size_m)
    lowest = minimum_filter(lowest, size=4, mode="constant", cval=np.inf)
    return Land(x, y, np.minimum(z, lowest), np.isfinite(lowest))


def _cell(place: Float64, line: Float64, cell_m: float) -> tuple[NDArray[np.int64], Float64, NDArray[np.bool_]]:
    """Which cell of a line of them, how far into it, and whether it is none beyond their ends."""
    along = (place - line[0]) / cell_m
    at = np.minimum(np.maximum(along, 0.0), len(line) - 1.0)
    index = np.minimum(at.astype(np.int64), len(line) - 2)
    return index, at - index, at == along
