"""The land around roads: a smooth sheet that meets them from below."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, minimum_filter
from scipy.spatial import cKDTree

from avrec.mesh.painted import Kind, Surface
from carla_bridge.looks.classes import GRASS
from carla_bridge.world.ground import CELL_M, Ground
from carla_bridge.world.labels import Label

__all__ = ["terrain"]

Float64 = NDArray[np.float64]

FINEST_M = 2.0
MOST_CELLS = 250_000
MARGIN_M = 80.0
"""Of the fine sheet around the map; beyond, it goes on level."""
FAR_M = 4000.0
BELOW_M = 0.08
"""Of the sheet below roads that it passes under."""
NEIGHBOURS = 8
SMOOTH_CELLS = 2.0


def terrain(ground: Ground) -> Surface:
    """Land that is nowhere above a road and near the height of the nearest ones elsewhere."""
    spots, heights, steep = ground.surfaces()
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
    np.minimum.at(lowest, (place[:, 0], place[:, 1]), heights - steep * CELL_M)
    lowest = minimum_filter(lowest, size=4, mode="constant", cval=np.inf)
    z = np.minimum(z, lowest - BELOW_M)
    return _sheet(_outward(x), _outward(y), np.pad(z, 1, mode="edge"))


def _outward(line: Float64) -> Float64:
    return np.concatenate([[line[0] - FAR_M], line, [line[-1] + FAR_M]])


def _sheet(x: Float64, y: Float64, z: Float64) -> Surface:
    columns = len(y)
    index = (np.arange(len(x) - 1)[:, None] * columns + np.arange(columns - 1)).reshape(-1)
    faces = np.concatenate(
        [
            np.stack([index, index + columns, index + 1], axis=1),
            np.stack([index + columns, index + columns + 1, index + 1], axis=1),
        ]
    )
    corners = np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1).reshape(-1, 2)
    return Surface.of(np.column_stack([corners, z.reshape(-1)]), faces, GRASS, Label.TERRAIN, Kind.GRASS)
