"""A sparse set of square cells on the ground: as many as the corridor has, not as its bounding box would."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

__all__ = ["CellValues", "Cells", "corridor_cells", "resample"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

_ROW = 1 << 32
_HALF = 1 << 31


@dataclass(frozen=True, eq=False)
class Cells:
    """Cells by row (along y) and column (along x); the middle of cell (0, 0) lies at ``origin``.

    Attributes:
        origin: float64 [2], world x and y.
        cell_m: side of a cell.
        keys: int64 [M], strictly increasing; see ``key``.
    """

    origin: Float64
    cell_m: float
    keys: Int64

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def rows(self) -> Int64:
        """Row of each cell, [M]."""
        return self.keys // _ROW

    @property
    def columns(self) -> Int64:
        """Column of each cell, [M]."""
        return self.keys % _ROW - _HALF

    @property
    def centres(self) -> Float64:
        """World x and y of the cells' middles, [M, 2]."""
        return self.origin + self.cell_m * np.stack([self.columns, self.rows], axis=-1)

    def find(self, rows: Int64, columns: Int64) -> Int64:
        """Number of each cell, any matching shapes; -1 where it is not in the set."""
        return self._find(key(rows, columns))

    def beside(self, down: int, right: int, chosen: slice = slice(None)) -> Int64:
        """Number of the cell so many rows and columns from each of the chosen cells; -1 where there is none."""
        return self._find(self.keys[chosen] + down * _ROW + right)

    def holding(self, xy: Float64) -> Int64:
        """Number of the cell that holds each point [N, 2]; -1 where there is none."""
        at = np.floor((xy - self.origin) / self.cell_m + 0.5).astype(np.int64)
        return self.find(at[:, 1], at[:, 0])

    def interpolate(self, values: Float64, xy: Float64) -> Float64:
        """Values [M] between the cells' middles, bilinear, at world points [..., 2].

        Where some of the four cells around a point are missing the others share their weight; NaN where all are.
        """
        at = (np.asarray(xy, np.float64) - self.origin) / self.cell_m
        inside = np.asarray((np.abs(at) < _HALF / 4).all(axis=-1))  # not for what is not a number
        at = np.where(inside[..., None], at, 0.0)
        low = np.floor(at).astype(np.int64)
        part = at - low
        total, weight = np.zeros(at.shape[:-1]), np.zeros(at.shape[:-1])
        if not len(self):
            return np.full(at.shape[:-1], np.nan)
        for down in (0, 1):
            for right in (0, 1):
                cell = self.find(low[..., 1] + down, low[..., 0] + right)
                share = np.abs(1 - down - part[..., 1]) * np.abs(1 - right - part[..., 0])
                share = np.where((cell >= 0) & inside, share, 0.0)
                total += share * values[cell]
                weight += share
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(np.where(weight > 1e-9, total / weight, np.nan), np.float64)

    def _find(self, keys: Int64) -> Int64:
        if not len(self):
            return np.full(np.shape(keys), -1, np.int64)
        place = np.minimum(np.searchsorted(self.keys, keys), len(self) - 1)
        return np.where(self.keys[place] == keys, place, -1)


@dataclass(frozen=True, eq=False)
class CellValues:
    """Numbers that lie in cells, in rising order cell by cell, to a thousandth of a millimetre.

    Attributes:
        values: float64 [N], those of the first cell that has any, then those of the next.
        cells: int64 [C], the cells that have values.
        first: int64 [C], where each one's values begin.
        count: int64 [C], how many it has.
    """

    values: Float64
    cells: Int64
    first: Int64
    count: Int64

    @staticmethod
    def sorted(cell: Int64, values: Float64) -> CellValues:
        """Of values [N], each within two kilometres of 0, in cells [N]."""
        # One sort of whole numbers is several times faster than one by two keys.
        packed = (cell << 32) + np.rint(values * 1e6).astype(np.int64) + _HALF
        packed.sort()
        cells, first, count = np.unique(packed >> 32, return_index=True, return_counts=True)
        return CellValues(np.asarray((packed % _ROW - _HALF) * 1e-6, np.float64), cells, first, count)

    def quantile(self, share: float, count: Int64 | None = None) -> Float64:
        """The value below which a share of each cell's lowest ``count`` values (all of them) lies, [C]."""
        last = (self.count if count is None else count) - 1
        place = share * last
        low = np.floor(place).astype(np.int64)
        below, above = self.values[self.first + low], self.values[self.first + np.minimum(low + 1, last)]
        return np.asarray(below + (place - low) * (above - below), np.float64)


def key(rows: Int64, columns: Int64) -> Int64:
    """One number for a row and a column, each within a thousand million of 0."""
    return np.asarray(rows * _ROW + columns + _HALF, np.int64)


def corridor_cells(path: Float64, reach_m: float, cell_m: float) -> Cells:
    """The cells whose middle is within ``reach_m`` of a path [P, 2 or 3] of close-set points, in x and y.

    The middle of one cell is the origin of the world.
    """
    origin = np.zeros(2)
    # First tiles as wide as the reach, then the cells within them: nothing as large as the bounding box is made.
    cells_in_tile = max(1, int(np.ceil(reach_m / cell_m)))
    tile_m = cells_in_tile * cell_m
    tiles = np.unique(np.floor((path[:, :2] - origin) / tile_m).astype(np.int64), axis=0)
    around = np.stack(np.meshgrid([-1, 0, 1], [-1, 0, 1]), axis=-1).reshape(-1, 2)
    tiles = np.unique((tiles[:, None] + around).reshape(-1, 2), axis=0)
    inside = np.stack(np.meshgrid(np.arange(cells_in_tile), np.arange(cells_in_tile)), axis=-1).reshape(-1, 2)
    tree = cKDTree(path[:, :2])
    kept = []
    for tile in tiles:
        at = tile * cells_in_tile + inside
        near = tree.query(origin + cell_m * at, distance_upper_bound=reach_m)[0] <= reach_m
        kept.append(key(at[near, 1], at[near, 0]))
    return Cells(origin, cell_m, np.unique(np.concatenate(kept)))


def resample(path: Float64, step_m: float) -> Float64:
    """Points along a polyline [P, 3], its own corners among them, no farther apart than ``step_m``."""
    if len(path) == 1:
        return path
    pieces = np.linalg.norm(np.diff(path, axis=0), axis=1)
    parts = np.maximum(np.ceil(pieces / step_m).astype(np.int64), 1)
    which = np.repeat(np.arange(len(pieces)), parts)
    share = (np.arange(len(which)) - np.repeat(np.cumsum(parts) - parts, parts)) / parts[which]
    between = path[which] + share[:, None] * (path[which + 1] - path[which])
    return np.concatenate([between, path[-1:]])
