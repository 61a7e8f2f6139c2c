"""Square cells of the ground as single numbers, and points all over triangles to fill them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["cell_key", "cells_of", "keys_at", "points_on_faces"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]


def cell_key(column: Int64, row: Int64) -> Int64:
    """One number for each cell; they rise with the column, then with the row, both below 2^31 in size."""
    return (column << 32) + row


def keys_at(points: Float64, cell_m: float) -> Int64:
    """The cells [N] that points [N, 2 or more] are in."""
    cell = np.floor(points[:, :2] / cell_m).astype(np.int64)
    return cell_key(cell[:, 0], cell[:, 1])


def cells_of(keys: Int64) -> Int64:
    """Columns and rows of cells, int64 [K, 2]."""
    row = ((keys + 2**31) & 0xFFFFFFFF) - 2**31
    return np.stack([(keys - row) >> 32, row], axis=-1)


def points_on_faces(corners: Float64, side: Int64) -> tuple[Float64, Int64]:
    """Points [S, 3] all over triangles float64 [F, 3, 3], ``side[F]`` squared on each, and the triangle of each [S]."""
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    total = side * side
    face = np.repeat(np.arange(len(total)), total)
    number = np.arange(int(total.sum())) - np.repeat(np.cumsum(total) - total, total)
    u, v = (number // side[face] + 0.5) / side[face], (number % side[face] + 0.5) / side[face]
    over = u + v > 1.0  # the other half of the parallelogram folds back onto the face
    u, v = np.where(over, 1.0 - u, u)[:, None], np.where(over, 1.0 - v, v)[:, None]
    return corners[face, 0] + u * first[face] + v * second[face], face
