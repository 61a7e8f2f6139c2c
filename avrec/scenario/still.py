"""Whether something that does not move stands where an actor is to be: parked cars without a track, trees, walls."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from avrec.mesh.mesh import Mesh
from avrec.scenario.boxes import Box

__all__ = ["ABOVE_M", "MOST_M2", "still_area"]

Float64 = NDArray[np.float64]

ABOVE_M = (0.4, 1.5)
"""Above the actor's foot: kerbs are lower, crowns of trees higher."""
MOST_M2 = 0.15
"""More surface than this inside an actor's box is a thing, less is noise of a reconstruction."""
SHRINK_M = 0.1
_SIDE = 9


def still_area(mesh: Mesh, box: Box, foot_m: float) -> float:
    """Square metres of a surface inside a box that stands at a height, a little smaller than given."""
    low, high = _bounds(mesh)
    corners = box.corners
    first, last = np.append(corners.min(0), foot_m + ABOVE_M[0]), np.append(corners.max(0), foot_m + ABOVE_M[1])
    near = np.ones(len(mesh.faces), bool)
    for axis in range(3):
        near &= (low[axis] <= last[axis]) & (high[axis] >= first[axis])
    faces = np.flatnonzero(near)
    if not len(faces):
        return 0.0
    a, b, c = (mesh.vertices[mesh.faces[faces, corner]][:, None] for corner in range(3))
    steps = (np.arange(_SIDE) + 0.5) / _SIDE
    u, v = (part.ravel() for part in np.meshgrid(steps, steps))
    fold = u + v > 1.0  # the other half of the parallelogram folds back onto the face
    u, v = np.where(fold, 1 - u, u)[:, None], np.where(fold, 1 - v, v)[:, None]
    points = a + u * (b - a) + v * (c - a)
    local = np.abs((points[..., :2] - (box.x, box.y)) @ box.axes.T)
    half = np.array([box.length_m, box.width_m]) / 2 - SHRINK_M
    inside = (local < half).all(-1) & (points[..., 2] > first[2]) & (points[..., 2] < last[2])
    return float((mesh.face_areas[faces] * inside.mean(1)).sum())


@lru_cache(maxsize=2)
def _bounds(mesh: Mesh) -> tuple[Float64, Float64]:
    """Lowest and highest x, y, z of each face, [3, F] each."""
    corners = mesh.vertices[mesh.faces]
    return corners.min(1).T.copy(), corners.max(1).T.copy()
