"""Class of the ground at a place, as the map has it: road, its paint, sidewalk, land."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from carla_bridge.looks.paint import paint_surfaces
from carla_bridge.looks.roads import lane_surfaces
from carla_bridge.world.cells import keys_at
from carla_bridge.world.labels import Label

if TYPE_CHECKING:
    from avrec.mesh.painted import Surface
    from carla_bridge.world.road_map import RoadMap

__all__ = ["GroundClasses"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

LANE_CELL_M, PAINT_CELL_M = 0.1, 0.05
REACH_M = 60.0
"""How far from the recorded path a scene has ground to be told apart."""
MOST_FACE_M = 10.0
"""Faces whose middles are this far outside may still reach in."""
BLOCK = 2_000_000
_RANK = {Label.ROAD: 3, Label.RAIL: 2, Label.SIDEWALK: 1}
"""Which class a cell takes that several lanes cover."""


class GroundClasses:
    """Cells of lanes and of paint, near a path.

    Args:
        road_map: whose lanes and marks.
        path: float64 [N, 2 or more]; what is further than 60 m from it is left out.
    """

    def __init__(self, road_map: RoadMap, path: Float64) -> None:
        self._low, self._high = path[:, :2].min(0) - REACH_M, path[:, :2].max(0) + REACH_M
        self._lanes = _cells(lane_surfaces(road_map.lanes), self._low, self._high, LANE_CELL_M)
        self._paint = _cells(paint_surfaces(road_map.graph, road_map.ground), self._low, self._high, PAINT_CELL_M)

    def at(self, points: Float64, otherwise: Int64) -> Int64:
        """Classes at points [N, 3] on the ground: land where no lane is, and ``otherwise`` [N] far from the path."""
        inside = ((points[:, :2] >= self._low) & (points[:, :2] < self._high)).all(1)
        label = np.where(inside, int(Label.TERRAIN), otherwise)
        for (keys, values), size in ((self._lanes, LANE_CELL_M), (self._paint, PAINT_CELL_M)):
            if len(keys):
                wanted = keys_at(points, size)
                place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
                label = np.where((keys[place] == wanted) & inside, values[place], label)
        return label


def _cells(surfaces: Iterable[Surface], low: Float64, high: Float64, size: float) -> tuple[Int64, Int64]:
    """Cells that surfaces cover, as rising keys, and their classes."""
    keys, values = [], []
    for surface in surfaces:
        corners = surface.vertices[surface.faces]
        middle = corners.mean(1)[:, :2]
        near = ((middle >= low - MOST_FACE_M) & (middle < high + MOST_FACE_M)).all(1)
        found, face = _spread(corners[near], 0.7 * size)
        cell, first = np.unique(keys_at(found, size), return_index=True)
        keys.append(cell)
        values.append(surface.labels[near][face[first]].astype(np.int64))
    if not keys:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    key, value = np.concatenate(keys), np.concatenate(values)
    rank = np.zeros(256, np.int64)
    for label, number in _RANK.items():
        rank[int(label)] = number
    order = np.lexsort((-rank[value], key))
    key, value = key[order], value[order]
    kept = np.diff(key, prepend=key[:1] - 1) != 0
    return key[kept], value[kept]


def _spread(corners: Float64, step: float) -> tuple[Float64, Int64]:
    """Points [S, 3] all over triangles [F, 3, 3], no further apart than ``step``, and the triangle of each."""
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    columns, rows = (
        np.maximum(np.ceil(np.linalg.norm(edge, axis=1) / step), 1).astype(np.int64) for edge in (first, second)
    )
    total = columns * rows
    ends = np.cumsum(total)
    found, faces = [], []
    for begin in range(0, len(total), max(BLOCK // max(int(total.max(initial=1)), 1), 1)):
        part = slice(begin, begin + max(BLOCK // max(int(total.max(initial=1)), 1), 1))
        face = np.repeat(np.arange(len(total))[part], total[part])
        number = np.arange(int(total[part].sum())) - (ends - total)[face] + (ends - total)[begin]
        u, v = (number // rows[face] + 0.5) / columns[face], (number % rows[face] + 0.5) / rows[face]
        inside = u + v <= 1.0 + 0.5 / np.minimum(columns, rows)[face]
        face, u, v = face[inside], u[inside, None], v[inside, None]
        found.append(corners[face, 0] + u * first[face] + v * second[face])
        faces.append(face)
    if not found:
        return np.zeros((0, 3)), np.zeros(0, np.int64)
    return np.concatenate(found), np.concatenate(faces)
