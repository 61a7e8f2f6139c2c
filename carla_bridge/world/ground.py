"""Height of the ground under a point: small planes in a grid, in layers where roads cross above one another."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from avrec.drive.lane_graph import Lane
from avrec.errors import DataError
from carla_bridge.world.cells import cell_key, cells_of
from carla_bridge.world.land import Land, land_around

__all__ = ["Ground", "GroundSample", "GroundSamples", "flat_ground", "gridded", "ground_of_lanes", "lane_samples"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

CELL_M = 1.0
SAMPLE_M = 0.5
LAYER_GAP_M = 2.0
"""Surfaces of one cell that are closer than this are one surface."""
STEP_UP_M = 1.0
"""A body belongs to the highest surface that is no more than this above it."""
LEVEL_M, LAND_M = 2.5, 10.0
"""So far from the middle of the nearest piece of road its level goes on; from so far on there is only land."""
MAX_SAMPLES = 40_000_000
MAX_PICTURE = 20_000_000


class GroundSample(NamedTuple):
    """The ground under N points: height [N] metres, slope [N] along x and y, index of the lane or -1."""

    z: Float64
    slope_x: Float64
    slope_y: Float64
    lane: Int64


class GroundSamples(NamedTuple):
    """Points on a surface: float64 [S, 3], slopes [S, 2], lane [S] (-1 for none), rank [S] (0 before 1)."""

    points: Float64
    slopes: Float64
    owner: Int64
    prior: Int64


@dataclass(frozen=True)
class Ground:
    """Planes by cell, sorted by cell and height.

    Attributes:
        keys: int64 [C] cells, rising.
        first: int64 [C] row of the lowest plane of each cell.
        count: int64 [C] planes of each cell.
        planes: float64 [P, 3] height at the cell's centre and slopes along x and y.
        lane: int64 [P] lane that lies there.
        tree: finds the nearest cell of a point off the map; of the planes' centres.
    """

    keys: Int64
    first: Int64
    count: Int64
    planes: Float64
    lane: Int64
    tree: cKDTree

    def at(self, x: Float64, y: Float64, z: Float64) -> GroundSample:
        """The ground under points [N]; ``z`` tells which storey they are on.

        Beside the map the nearest piece of road goes on, level, and passes over into the land further off.
        """
        column, row = np.floor(x / CELL_M), np.floor(y / CELL_M)
        wanted = cell_key(column.astype(np.int64), row.astype(np.int64))
        place = np.minimum(self.keys.searchsorted(wanted), len(self.keys) - 1)
        plane = self.first.take(place)
        dx, dy = x - (column + 0.5) * CELL_M, y - (row + 0.5) * CELL_M
        for layer in range(1, self._storeys):
            above = self.first[place] + np.minimum(layer, self.count[place] - 1)
            plane = np.where(self.planes[above, 0] <= z + STEP_UP_M, above, plane)
        off = np.flatnonzero(self.keys.take(place) != wanted)
        if not len(off):
            height, slope_x, slope_y = self.planes.take(plane, axis=0).T
            return GroundSample(height + slope_x * dx + slope_y * dy, slope_x, slope_y, self.lane.take(plane))
        _, plane[off] = self.tree.query(np.array([x[off], y[off], z[off]]).T)
        planes, lane = self.planes.take(plane, axis=0), self.lane.take(plane)
        middle = np.asarray(self.tree.data)[plane[off]]
        planes[off, 1:] *= 0.0
        lane[off] = -1
        height, slope_x, slope_y = planes.T
        height = height + slope_x * dx + slope_y * dy
        self._pass_over(off, x[off] - middle[:, 0], y[off] - middle[:, 1], (height, slope_x, slope_y), (x, y))
        return GroundSample(height, slope_x, slope_y, lane)

    @cached_property
    def land(self) -> Land:
        """What lies around the roads; made when first asked for."""
        return land_around(*self.surfaces(), CELL_M)

    def _pass_over(
        self, off: Int64, dx: Float64, dy: Float64, surface: tuple[Float64, ...], place: tuple[Float64, Float64]
    ) -> None:
        """Bend the level ground beside a road into the land: smoothly from ``LEVEL_M`` to ``LAND_M`` off the road."""
        away = np.hypot(dx, dy)
        far = away > LEVEL_M
        if not far.any():
            return
        off, away, dx, dy = off[far], away[far], dx[far], dy[far]
        height, slope_x, slope_y = surface
        land = self.land.at(place[0][off], place[1][off])
        u = np.minimum((away - LEVEL_M) / (LAND_M - LEVEL_M), 1.0)
        share, rise = u * u * (3.0 - 2.0 * u), 6.0 * u * (1.0 - u) / (LAND_M - LEVEL_M)
        above = land.z - height[off]
        slope_x[off] = share * land.slope_x + above * rise * dx / away
        slope_y[off] = share * land.slope_y + above * rise * dy / away
        height[off] += share * above

    @cached_property
    def _storeys(self) -> int:
        """The most planes of any cell."""
        return int(self.count.max(initial=1))

    def lane_at(self, x: Float64, y: Float64) -> Int64:
        """Index of the lowest lane at points [N], -1 off the map; much faster than `at` for many points."""
        if self._picture is not None:
            low, lanes = self._picture
            column = np.floor(x / CELL_M).astype(np.int64) - low[0]
            row = np.floor(y / CELL_M).astype(np.int64) - low[1]
            inside = (column >= 0) & (row >= 0) & (column < lanes.shape[0]) & (row < lanes.shape[1])
            return np.where(inside, lanes[np.where(inside, column, 0), np.where(inside, row, 0)], -1)
        wanted = cell_key(np.floor(x / CELL_M).astype(np.int64), np.floor(y / CELL_M).astype(np.int64))
        place = np.minimum(np.searchsorted(self.keys, wanted), len(self.keys) - 1)
        return np.where(self.keys[place] == wanted, self.lane[self.first[place]], -1)

    @cached_property
    def _picture(self) -> tuple[Int64, Int64] | None:
        """First cell and the lanes of all cells as a table, for maps that are not too wide."""
        cells = cells_of(self.keys)
        low, high = cells.min(axis=0), cells.max(axis=0)
        shape = high - low + 1
        if shape.prod() > MAX_PICTURE:
            return None
        lanes = np.full(shape, -1, dtype=np.int64)
        lanes[tuple((cells - low).T)] = self.lane[self.first]
        return low, lanes

    def covers(self, x: Float64, y: Float64) -> NDArray[np.bool_]:
        """Whether there is a surface at points [N]."""
        wanted = cell_key(np.floor(x / CELL_M).astype(np.int64), np.floor(y / CELL_M).astype(np.int64))
        return np.asarray(self.keys[np.minimum(np.searchsorted(self.keys, wanted), len(self.keys) - 1)] == wanted)

    def surfaces(self) -> tuple[Float64, Float64, Float64]:
        """All planes: middle [P, 2] and height there [P] in metres, and the steeper of their two slopes [P]."""
        middle = np.asarray(self.tree.data)
        return middle[:, :2], self.planes[:, 0], np.abs(self.planes[:, 1:]).max(axis=1)

    def height(self, x: float, y: float, z: float) -> float:
        """Height of the ground under one point."""
        return float(self.at(np.array([x]), np.array([y]), np.array([z])).z[0])


def flat_ground(height_m: float = 0.0) -> Ground:
    """A level plane, for a map without lanes."""
    zero = np.zeros(1, dtype=np.int64)
    planes = np.array([[height_m, 0.0, 0.0]])
    return Ground(zero, zero, zero + 1, planes, zero - 1, cKDTree(np.array([[0.0, 0.0, height_m]])))


def ground_of_lanes(lanes: Iterable[Lane]) -> Ground:
    """The surface of lanes; the index of a lane is its place in the order given."""
    return gridded(lane_samples(lanes))


def lane_samples(lanes: Iterable[Lane]) -> GroundSamples:
    """Points all over lanes, drivable ones first."""
    found: list[GroundSamples] = []
    count = 0
    for index, lane in enumerate(lanes):
        points, slopes = _samples(lane)
        count += len(points)
        if count > MAX_SAMPLES:
            raise DataError(f"The map's lanes would take more than {MAX_SAMPLES} samples. Cut it into parts.")
        rank = 0 if lane.drivable else 1
        found.append(GroundSamples(points, slopes, np.full(len(points), index), np.full(len(points), rank)))
    if not found:
        empty = np.zeros(0, dtype=np.int64)
        return GroundSamples(np.zeros((0, 3)), np.zeros((0, 2)), empty, empty)
    return GroundSamples._make(np.concatenate(columns) for columns in zip(*found, strict=True))


def gridded(samples: GroundSamples) -> Ground:
    """Planes in a grid from samples of a surface; level ground at height 0 without any."""
    points, slopes, owner, prior = samples
    if not len(points):
        return flat_ground()
    cell = np.floor(points[:, :2] / CELL_M).astype(np.int64)
    key = cell_key(cell[:, 0], cell[:, 1])
    centre = (cell + 0.5) * CELL_M
    at_centre = points[:, 2] + ((centre - points[:, :2]) * slopes).sum(1)
    order = np.lexsort((points[:, 2], key))
    key, height = key[order], points[order, 2]
    starts = np.ones(len(key), dtype=bool)
    starts[1:] = (key[1:] != key[:-1]) | (height[1:] - height[:-1] > LAYER_GAP_M)
    group = np.cumsum(starts) - 1
    groups = int(group[-1]) + 1
    size = np.bincount(group, minlength=groups)
    values = np.column_stack([at_centre, slopes])[order]
    planes = np.stack([np.bincount(group, values[:, k], groups) / size for k in range(3)], axis=1)
    # The lane of a cell: a drivable one before others, then the one sampled nearest to the middle.
    away = ((points[:, :2] - centre) ** 2).sum(1)[order]
    ranked = np.lexsort((away, prior[order], group))
    lane = owner[order][ranked[np.flatnonzero(np.diff(group[ranked], prepend=-1))]]
    keys, first, count = np.unique(key[starts], return_index=True, return_counts=True)
    middle = centre[order][starts]
    return Ground(
        keys=keys,
        first=first.astype(np.int64),
        count=count.astype(np.int64),
        planes=planes,
        lane=lane.astype(np.int64),
        tree=cKDTree(np.column_stack([middle, planes[:, 0]])),
    )


def _samples(lane: Lane) -> tuple[Float64, Float64]:
    """Points [S, 3] all over a lane, and the slope [S, 2] of the surface there."""
    left, right = lane.left, lane.right
    along = np.linalg.norm(np.diff((left + right) / 2, axis=0), axis=1)
    across = np.maximum(lane.widths_m[:-1], lane.widths_m[1:])
    nu = np.maximum(np.ceil(along / SAMPLE_M), 1).astype(np.int64)
    nv = np.ceil(across / SAMPLE_M).astype(np.int64)  # none in a lane of no width
    total = nu * nv
    quad = np.repeat(np.arange(len(total)), total)
    number = np.arange(int(total.sum())) - np.repeat(np.cumsum(total) - total, total)
    u = (number // np.maximum(nv[quad], 1) + 0.5) / nu[quad]
    v = (number % np.maximum(nv[quad], 1) + 0.5) / np.maximum(nv[quad], 1)
    u, v = u[:, None], v[:, None]
    a, b, c, d = left[quad], right[quad], left[quad + 1], right[quad + 1]
    points = (a * (1 - v) + b * v) * (1 - u) + (c * (1 - v) + d * v) * u
    normal = np.cross((c - a) * (1 - v) + (d - b) * v, (b - a) * (1 - u) + (d - c) * u)
    up = np.where(np.abs(normal[:, 2]) > 1e-9, normal[:, 2], 1.0)
    steep = np.abs(normal[:, 2]) <= 1e-9
    slopes = np.where(steep[:, None], 0.0, np.clip(-normal[:, :2] / up[:, None], -2.0, 2.0))
    return points, slopes
