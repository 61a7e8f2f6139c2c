"""The land around roads: a smooth sheet that is nowhere above one, for those who drive off and for pictures."""

from __future__ import annotations

from dataclasses import dataclass
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
        cell = float(self.x[1] - self.x[0])
        i, u = _cell(x, self.x, cell)
        j, v = _cell(y, self.y, cell)
        low, east, north, high = self.z[i, j], self.z[i + 1, j], self.z[i, j + 1], self.z[i + 1, j + 1]
        at_low = u + v <= 1.0
        slope_x, slope_y = np.where(at_low, east - low, high - north), np.where(at_low, north - low, high - east)
        z = np.where(at_low, low + u * slope_x + v * slope_y, high - (1.0 - u) * slope_x - (1.0 - v) * slope_y)
        inside_x, inside_y = (x >= self.x[0]) & (x <= self.x[-1]), (y >= self.y[0]) & (y <= self.y[-1])
        return LandSample(z, slope_x / cell * inside_x, slope_y / cell * inside_y)


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


def _cell(place: Float64, line: Float64, cell: float) -> tuple[NDArray[np.int64], Float64]:
    """Which cell of a line of them, and how far into it."""
    at = np.clip((place - line[0]) / cell, 0.0, len(line) - 1.0)
    index = np.minimum(at.astype(np.int64), len(line) - 2)
    return index, at - index
