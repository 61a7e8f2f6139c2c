"""Fewer points where they are denser than needed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["first_per_voxel", "thin_to_budget"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

# x, y, z of a cell share a key of 52 bits; the level of its size has the others.
_CELL_BITS = np.array([18, 18, 16])


def first_per_voxel(xyz: Float64, side_m: Float64) -> Int64:
    """Indices, in order, of the first point in each voxel.

    Args:
        xyz: [N, 3] metres.
        side_m: [N] wanted voxel size at each point, rounded to a power of the square root of two so that
            neighbours share a grid.
    """
    if not len(xyz):
        return np.zeros(0, dtype=np.int64)
    level = np.round(2 * np.log2(side_m)).astype(np.int64)
    cell = np.floor((xyz - xyz.min(axis=0)) / (2.0 ** (level / 2))[:, None]).astype(np.int64)
    cell &= (1 << _CELL_BITS) - 1
    key = ((level & 63) << 52) | (cell[:, 0] << 34) | (cell[:, 1] << 16) | cell[:, 2]
    _, first = np.unique(key, return_index=True)
    return np.sort(first)


def thin_to_budget(xyz: Float64, side_m: Float64, budget: int) -> Int64:
    """Indices, in order, of the first point per voxel, voxels widened until at most ``budget`` points are left."""
    widen = 1.0
    chosen = first_per_voxel(xyz, side_m)
    while len(chosen) > max(budget, 1):
        # On surfaces the count falls with the square of the size.
        widen *= max(1.05, float(np.sqrt(len(chosen) / budget))) if budget > 0 else 2.0
        chosen = chosen[first_per_voxel(xyz[chosen], widen * side_m[chosen])]
    return chosen[: max(budget, 0)]
