"""Stretches of a path that run over one another: `path_levels`, and how their grounds share the plane."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from avrec.mesh.cells import Cells

__all__ = ["path_levels", "trimmed"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
Bool = NDArray[np.bool_]

# Two places of a path are over one another where one is this much higher, by this slope at least, and the way between
# them this much longer than straight: a road that climbs is no bridge.
_OVER_M, _SLOPE, _DETOUR = 2.0, 0.1, 2.0
_STEP_M = 1.0
_MOST_LEVELS = 16
# A road reaches this far to the sides of the driven path, whatever runs above or below.
_ROAD_M = 5.0
_SAME_M = 0.5


def path_levels(path: Float64, reach_m: float) -> list[Int64]:
    """Split a path [P, 3] of close-set points where it runs over itself: on bridges, in a helix, in car parks.

    Args:
        path: in driving order.
        reach_m: half width of the ground that each stretch gets.

    Returns:
        Indices of the points of each level, int64, together all points. Ordinary paths have one level. Stretches stay
        on the level of what was driven before them as long as nothing on it is above or below.
    """
    moved = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(path[:, :2], axis=0), axis=1))])
    node_of = (moved / _STEP_M).astype(np.int64)
    node_of = np.unique(node_of, return_inverse=True)[1].reshape(-1)
    first = np.unique(node_of, return_index=True)[1]
    nodes, along = path[first], moved[first]
    level = np.zeros(len(nodes), np.int64)
    if np.ptp(path[:, 2]) > _OVER_M:
        tree = cKDTree(nodes[:, :2])
        current = 0
        for index, near in enumerate(tree.query_ball_point(nodes[:, :2], 2 * reach_m)):
            before = np.array([other for other in near if other < index], np.int64)
            away = np.linalg.norm(nodes[before, :2] - nodes[index, :2], axis=1)
            rise = np.abs(nodes[before, 2] - nodes[index, 2])
            over = (rise > _OVER_M) & (rise > _SLOPE * away) & (along[index] - along[before] > _DETOUR * away)
            taken = set(level[before[over]].tolist())
            if current in taken:
                current = min(set(range(_MOST_LEVELS)) - taken, default=_MOST_LEVELS - 1)
            level[index] = current
    return [np.flatnonzero(level[node_of] == each) for each in np.unique(level)]


def trimmed(grounds: list[tuple[Cells, Float64]], paths: list[Float64]) -> list[Bool]:
    """Which cells of each level's corridor belong to it, [M] each.

    Those of the road itself, and those beside it that no other level runs nearer by. Where two levels are at the same
    height the road goes on from one to the other: the nearer one keeps the cell, with a seam of a cell's width.

    Args:
        grounds: cells, on one grid, and the heights in their middles, world z, [M].
        paths: places of each level, [P, 3].
    """
    if len(grounds) < 2:
        return [np.ones(len(cells), bool) for cells, _ in grounds]
    trees = [cKDTree(path[:, :2]) for path in paths]
    kept: list[Bool] = []
    for cells, height in grounds:
        away = np.stack([tree.query(cells.centres)[0] for tree in trees])
        own = away[len(kept)]
        keep = (own <= _ROAD_M) | (own <= away.min(axis=0))
        for (others, their_height), theirs in zip(grounds, away, strict=True):
            found = others.find(cells.rows, cells.columns)
            level = (found >= 0) & (np.abs(their_height[found] - height) < _SAME_M)
            keep &= ~(level & (own > theirs + 1.5 * cells.cell_m))
        kept.append(np.asarray(keep))
    return kept
