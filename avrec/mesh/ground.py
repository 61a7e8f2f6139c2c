"""The ground along a driven path as a mesh: `ground_mesh`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array, diags_array
from scipy.sparse.linalg import cg

from avrec.errors import DataError
from avrec.mesh.cells import Cells, CellValues, corridor_cells, resample
from avrec.mesh.decimate import decimate
from avrec.mesh.height_field import HeightField, grid_mesh
from avrec.mesh.levels import path_levels, trimmed
from avrec.mesh.mesh import Mesh
from avrec.mesh.trend import ground_trend

__all__ = ["GroundMesh", "ground_mesh"]

Float64 = NDArray[np.float64]

# Points this far from the trend are still ground: a kerb above, a gutter below.
_ABOVE_M, _BELOW_M = 0.3, 0.25
# A cell whose points spread farther than this holds a step or something on the ground; its lower part counts.
_SPREAD_M = 0.1
# A cell this far from the middle of its neighbours is no ground; kerbs are lower.
_STRAY_M = 0.16
_WINDOW = 2
# Steps above this are kept, ripples below are smoothed away.
_STEP_M = 0.03
_SMOOTHNESS = 2.0
_PASSES = 4
_CHUNK = 200_000
_MOST_CELLS = 10_000_000


@dataclass(frozen=True, eq=False)
class GroundMesh:
    """The ground along a path.

    Attributes:
        mesh: triangles with their fronts up, world, metres; no steeper than the cells can show, without holes.
        fields: the heights it was made of, before decimation: one field, or more where the path runs over itself.
    """

    mesh: Mesh
    fields: tuple[HeightField, ...]

    def height_at(self, points: Float64) -> Float64:
        """World z at world points [..., 2 or 3]; NaN outside the corridor.

        Where one road runs over another, the ground nearest to the points' own z is meant, and without a z the road
        that was driven first.
        """
        points = np.asarray(points, np.float64)
        best = self.fields[0].height_at(points[..., :2])
        for field in self.fields[1:]:
            other = field.height_at(points[..., :2])
            better = np.isnan(best)
            if points.shape[-1] == 3:
                with np.errstate(invalid="ignore"):
                    better |= np.abs(other - points[..., 2]) < np.abs(best - points[..., 2])
            best = np.where(better, other, best)
        return best

    def measured_share(self, xy: Float64 | None = None) -> float:
        """Share of the ground, or of the ground at world points [N, 2], whose height was measured and not filled in."""
        if xy is None:
            return float(np.concatenate([field.measured for field in self.fields]).mean())
        at = np.fmax.reduce([field.measured_at(xy) for field in self.fields])
        return float(np.nan_to_num(at).mean()) if at.size else 0.0


def ground_mesh(
    points_world: Float64,
    path_world: Float64,
    *,
    cell_m: float = 0.2,
    reach_m: float = 12.0,
    most_triangles: int = 200_000,
) -> GroundMesh:
    """The ground within reach of a path, from points of which some lie on it.

    Points of what stands on the ground and stray points are told apart by a smooth trend that starts from the path.
    Each cell takes the middle of its ground points; holes (under parked cars, say) are filled from around them, and
    ripples smoothed while steps such as kerbs stay. Where the path runs over itself (bridges, a helix) each level has a
    ground of its own.

    Args:
        points_world: float [N, 3] metres, lidar returns or points of depth pictures; moving actors left out.
        path_world: float [P, 3] metres, where the rig drove, on the ground.
        cell_m: side of a height cell.
        reach_m: how far to the sides and beyond the ends of the path the ground goes.
        most_triangles: budget of the mesh; heights are not decimated. Above the budget, flat ground gets larger
            triangles first.

    Returns:
        The mesh and its heights. The result does not depend on the points' order and moves with the world.

    Raises:
        DataError: no path, sizes that are not positive, no ground among the points, or more than 10 million cells.
    """
    points = np.asarray(points_world, np.float64)
    path = _checked_path(path_world, points, cell_m, reach_m)
    path = resample(path, min(1.0, reach_m / 4))
    # Small numbers keep the solves and the cells the same wherever the world's origin is.
    zero = path[0].copy()
    path, points = path - zero, points[np.isfinite(points).all(axis=1)] - zero
    paths, found = [], []
    for level in path_levels(path, reach_m):
        ground = _level_ground(points, path[level], cell_m, reach_m)
        if ground is not None:
            paths.append(path[level])
            found.append(ground)
    fields = []
    for (cells, height, measured), keep in zip(found, trimmed([each[:2] for each in found], paths), strict=True):
        placed = Cells(cells.origin + zero[:2], cell_m, cells.keys[keep])
        fields.append(HeightField(placed, height[keep] + zero[2], measured[keep]))
    if not fields:
        raise DataError(
            "None of the points lies on the ground along the path. Check that the path runs on the ground, in the "
            "same world as the points; a recording without lidar shows the ground only where the car moves."
        )
    return GroundMesh(decimate(_together([grid_mesh(field) for field in fields]), most_triangles), tuple(fields))


def _together(meshes: list[Mesh]) -> Mesh:
    first = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes)])
    faces = np.concatenate([mesh.faces + begin for mesh, begin in zip(meshes, first, strict=False)])
    return Mesh(np.concatenate([mesh.vertices for mesh in meshes]), faces.astype(np.int32))


def _level_ground(
    points: Float64, path: Float64, cell_m: float, reach_m: float
) -> tuple[Cells, Float64, NDArray[np.bool_]] | None:
    """Cells, their heights and whether those were measured, along stretches without a crossing; None without points."""
    trend_cells, trend, usable = ground_trend(points, path, reach_m)
    cells = corridor_cells(path, reach_m, cell_m)
    base = trend_cells.interpolate(trend, cells.centres)
    relief, count = _cell_heights(cells, base, _slopes(trend_cells, trend, cells), points[usable])
    relief, count = _without_strays(cells, relief, count)
    if not count.any():
        return None
    return cells, base + _smoothed(cells, relief, count), count > 0


def _checked_path(path_world: Float64, points: Float64, cell_m: float, reach_m: float) -> Float64:
    path = np.asarray(path_world, np.float64)
    if points.ndim != 2 or points.shape[1] != 3 or path.ndim != 2 or path.shape[1] != 3 or not len(path):
        raise DataError(
            f"A ground needs points [N, 3] and a path [P, 3] with at least one place, found shapes "
            f"{list(points.shape)} and {list(path.shape)}. Pass x, y and z in the world."
        )
    if not np.isfinite(path).all():
        raise DataError("The path of the ground has a place that is not finite. Remove it.")
    if not (0.01 <= cell_m <= 10 and cell_m <= reach_m <= 500):
        raise DataError(
            f"Ground cells of {cell_m} m that reach {reach_m} m from the path cannot be made. Choose cells of 0.01 to "
            "10 m and a reach of at least one cell and at most 500 m."
        )
    length = float(np.linalg.norm(np.diff(path[:, :2], axis=0), axis=1).sum())
    most = (2 * reach_m * length + np.pi * reach_m**2) / cell_m**2
    if not most < _MOST_CELLS:
        raise DataError(
            f"The ground along {length:.0f} m would have up to {most:.0f} cells; at most {_MOST_CELLS} are made. "
            "Choose larger cells or a shorter reach."
        )
    return path


def _slopes(trend_cells: Cells, trend: Float64, cells: Cells) -> Float64:
    """Rise of the trend along x and y at the cells' middles, [M, 2]."""
    slopes = []
    for axis in (0, 1):
        aside = np.zeros(2)
        aside[axis] = cells.cell_m / 2
        low, high = (trend_cells.interpolate(trend, cells.centres + sign * aside) for sign in (-1, 1))
        slopes.append((high - low) / cells.cell_m)
    return np.stack(slopes, axis=-1)


def _cell_heights(cells: Cells, base: Float64, slopes: Float64, points: Float64) -> tuple[Float64, NDArray[np.int64]]:
    """Middle height of each cell's ground points over the trend, [M] (0 where there are none), and their number."""
    cell = cells.holding(points[:, :2])
    points, cell = points[cell >= 0], cell[cell >= 0]
    aside = points[:, :2] - cells.centres[cell]
    above = points[:, 2] - base[cell] - np.einsum("ni,ni->n", slopes[cell], aside)
    ground = (above < _ABOVE_M) & (above > -_BELOW_M)
    held = CellValues.sorted(cell[ground], above[ground])
    height, count = np.zeros(len(cells)), np.zeros(len(cells), np.int64)
    if not len(held.cells):
        return height, count
    bottom = held.quantile(0.1)
    # Of a cell with a step only the points near its bottom are counted.
    low = held.values <= np.repeat(bottom + 0.6 * _SPREAD_M, held.count)
    lower = np.maximum(np.add.reduceat(low, held.first, dtype=np.int64), 1)
    spread = held.quantile(0.9) - bottom > _SPREAD_M
    height[held.cells] = held.quantile(0.5, np.where(spread, lower, held.count))
    count[held.cells] = held.count
    return height, count


def _without_strays(cells: Cells, height: Float64, count: NDArray[np.int64]) -> tuple[Float64, NDArray[np.int64]]:
    """Heights and counts with cells emptied that stand out from the cells around them."""
    stray = np.zeros(len(cells), bool)
    for begin in range(0, len(cells), _CHUNK):
        chunk = slice(begin, begin + _CHUNK)
        around = []
        for down in range(-_WINDOW, _WINDOW + 1):
            for right in range(-_WINDOW, _WINDOW + 1):
                found = cells.beside(down, right, chunk)
                around.append(np.where((found >= 0) & (count[found] > 0), height[found], np.nan))
        stack = np.stack(around)
        some = np.isfinite(stack).any(axis=0)
        middle = np.zeros(len(some))
        middle[some] = np.nanmedian(stack[:, some], axis=0)
        stray[chunk] = np.abs(height[chunk] - middle) > _STRAY_M
    return np.where(stray, 0.0, height), np.where(stray, 0, count)


def _smoothed(cells: Cells, height: Float64, count: NDArray[np.int64]) -> Float64:
    """Heights that stay near the measured ones, differ little from cell to cell, and step where those step.

    Minimises ``sum w (u - height)^2 + sum g (u_i - u_j)^2`` over neighbours i, j; ``g`` falls where the solution before
    has a step, so that kerbs stay upright and holes are filled like a stretched skin.
    """
    here = np.arange(len(cells))
    pairs = []
    for down, right in ((0, 1), (1, 0)):
        other = cells.beside(down, right)
        pairs.append(np.stack([here, other], axis=-1)[other >= 0])
    a, b = np.concatenate(pairs).T
    weight = count / (count + 3.0)
    hold = weight + 1e-6  # a hole without an edge falls back to the trend
    solution = height
    known = (count[a] > 0) & (count[b] > 0)
    for turn in range(_PASSES):
        step = np.abs(solution[a] - solution[b])
        stiff = _SMOOTHNESS / (1.0 + (step / _STEP_M) ** 2) ** 2
        if turn == 0:
            stiff = np.where(known, stiff, _SMOOTHNESS)  # nothing is known of the holes yet
        matrix = _laplacian(a, b, stiff, len(cells)) + diags_array(hold)
        scale = 1.0 / matrix.diagonal()
        solution, _ = cg(
            csr_array(matrix), weight * height, solution, rtol=1e-5, atol=0.0, maxiter=600, M=diags_array(scale)
        )
    return np.asarray(solution, np.float64)


def _laplacian(a: NDArray[np.int64], b: NDArray[np.int64], weight: Float64, count: int) -> csr_array:
    values = np.concatenate([weight, weight, -weight, -weight])
    rows, columns = np.concatenate([a, b, a, b]), np.concatenate([a, b, b, a])
    return csr_array(coo_array((values, (rows, columns)), shape=(count, count)))
