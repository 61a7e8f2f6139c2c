"""The rough lie of the ground along a path: what is ground and what stands on it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csc_array, diags_array
from scipy.sparse.linalg import splu
from scipy.spatial import cKDTree

from avrec.mesh.cells import Cells, CellValues, corridor_cells
from avrec.mesh.plain_road import PlainRoad

__all__ = ["ground_trend"]

Float64 = NDArray[np.float64]

TREND_CELL_M = 1.0
# Pull towards a plain road, over sqrt(stiffness / tension) metres where there are no points.
_TENSION = 0.2
_BESIDE_M = 8.0
_LARGEST_STEP_M = 0.3
# Bending of the trend against its data: it follows a crest over about three cells and no parked car.
_STIFFNESS = 4.0
_PATH_WEIGHT = 0.5
# How far from the trend a cell still counts, tightened from solve to solve; objects lie above, so above is stricter.
_SCALES_M = (0.6, 0.4, 0.25, 0.15, 0.1, 0.1)
_BELOW = 2.0
_SLOPE = 0.05
_FLAT_M = 0.3
_FEW = 3
# What can be ground at all, above or below the nearest place of the path.
_TALL_M, _STEEP = 0.8, 0.25
_LOW = 0.15  # the share of a cell's points taken to lie below its ground


def ground_trend(points: Float64, path: Float64, reach_m: float) -> tuple[Cells, Float64, NDArray[np.bool_]]:
    """A smooth ground through the low points, robust to what stands on it and to stray points below it.

    A thin plate under tension on 1 m cells is fitted to the low points of each cell by repeatedly re-weighted least
    squares, from the height of the path outwards. Where there are no points the tension leads it back to a plain road
    within some metres: on from the path as steep as that, and to the sides at the slope that the points on both sides
    of the path have.

    Args:
        points: float64 [N, 3] world.
        path: float64 [P, 3] close-set points on the ground.
        reach_m: half width of the corridor.

    Returns:
        Cells that reach beyond the corridor; the height in the middle of each, [M]; and which points lie in one of
        them, no farther up or down than a slope explains, [N].
    """
    cells = corridor_cells(path, reach_m + 2 * TREND_CELL_M, TREND_CELL_M)
    away, which = cKDTree(path[:, :2]).query(cells.centres)
    start = path[which, 2]
    cell = cells.holding(points[:, :2])
    over = points[:, 2] - start[cell]
    usable = (cell >= 0) & (np.abs(over) < _TALL_M + _STEEP * away[cell])
    low, spread, many = _low_heights(len(cells), cell[usable], over[usable])
    data = start + low
    # The path holds the trend where it runs; far off it is only a faint hint, so that every cell has some height.
    hint = _PATH_WEIGHT * np.exp(-((away / TREND_CELL_M) ** 2)) + 1e-5
    road = PlainRoad.along(path, cells.centres, which)
    plain = height = road.heights(np.zeros(len(path)))
    tension = _TENSION * _tension(cells, plain)
    stiff = _STIFFNESS * _bending(cells) + tension
    flat = np.where(many, 1.0 / (1.0 + (spread / _FLAT_M) ** 2), 0.0)  # walls and hedges are not flat
    for scale in _SCALES_M:
        # A slope may carry the ground away from the path's height; the first solves must not lose it there.
        off = (data - height) / (scale + _SLOPE * away * (scale / _SCALES_M[0]))
        weight = flat / (1.0 + np.where(off > 0, off, off / _BELOW) ** 2) ** 2
        plain = road.heights(road.cross_slopes(data, np.where(away < _BESIDE_M, weight, 0.0)))
        matrix = diags_array(weight + hint) + stiff
        height = splu(csc_array(matrix)).solve(weight * data + hint * plain + tension @ plain)
    return cells, height, usable


def _low_heights(size: int, cell: NDArray[np.int64], z: Float64) -> tuple[Float64, Float64, NDArray[np.bool_]]:
    """A low height of each cell, [M] (0 where empty), how far its points spread above, and whether it has a few."""
    held = CellValues.sorted(cell, z)
    low, spread, many = np.zeros(size), np.zeros(size), np.zeros(size, bool)
    low[held.cells] = held.quantile(_LOW)
    spread[held.cells] = held.quantile(1 - _LOW) - low[held.cells]
    many[held.cells] = held.count >= _FEW
    return low, spread, many


def _bending(cells: Cells) -> csc_array:
    """The thin plate's energy: squared second differences along x, along y and across, as a matrix [M, M]."""
    here = np.arange(len(cells))
    stencils = (
        ((0, -1, 1.0), (0, 0, -2.0), (0, 1, 1.0)),
        ((-1, 0, 1.0), (0, 0, -2.0), (1, 0, 1.0)),
        ((0, 0, 2**0.5), (0, 1, -(2**0.5)), (1, 0, -(2**0.5)), (1, 1, 2**0.5)),
    )
    total = csc_array((len(cells), len(cells)))
    for stencil in stencils:
        found = [cells.beside(down, right) for down, right, _ in stencil]
        whole = np.all([other >= 0 for other in found], axis=0)
        rows = np.tile(here[: whole.sum()], len(stencil))
        columns = np.concatenate([other[whole] for other in found])
        values = np.repeat([value for _, _, value in stencil], whole.sum())
        differences = coo_array((values, (rows, columns)), shape=(int(whole.sum()), len(cells)))
        total = total + csc_array(differences.T @ differences)
    return csc_array(total)


def _tension(cells: Cells, plain: Float64) -> csc_array:
    """The skin's energy: squared differences of neighbours, as a matrix [M, M]; not where the plain road has a step."""
    total = csc_array((len(cells), len(cells)))
    for down, right in ((0, 1), (1, 0)):
        beside = cells.beside(down, right)
        one = np.flatnonzero((beside >= 0) & (np.abs(plain[beside] - plain) < _LARGEST_STEP_M))
        other = beside[one]
        rows = np.tile(np.arange(len(one)), 2)
        values = np.repeat([1.0, -1.0], len(one))
        differences = coo_array((values, (rows, np.concatenate([one, other]))), shape=(len(one), len(cells)))
        total = total + csc_array(differences.T @ differences)
    return csc_array(total)
