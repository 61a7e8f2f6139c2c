"""How high the ground is at a place."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import atan2, cos, isfinite, nan, sin

import numpy as np
from numpy.typing import NDArray

from avrec.mesh.mesh import Mesh
from avrec.scenario.road import Road, road_of
from avrec.scene import Scene

__all__ = ["Heights", "heights_of"]

Float64 = NDArray[np.float64]

WHEELBASE = 0.6
"""Of a vehicle, as a share of its length."""
CELL_M = 2.0


@dataclass(frozen=True, eq=False)
class Heights:
    """The ground mesh, and the lanes where it ends."""

    mesh: Mesh | None
    road: Road | None

    @cached_property
    def _bounds(self) -> tuple[Float64, Float64]:
        """Lowest and highest x, y of each face, [2, F] each."""
        corners = np.empty((0, 3, 2)) if self.mesh is None else self.mesh.vertices[self.mesh.faces][:, :, :2]
        return corners.min(1).T.copy(), corners.max(1).T.copy()

    @cached_property
    def _cells(self) -> dict[tuple[int, int], NDArray[np.intp]]:
        return {}

    def _faces_near(self, x: float, y: float) -> NDArray[np.intp]:
        """Faces whose bounds touch the cell of a place; one looks again and again where one is."""
        cell = int(x // CELL_M), int(y // CELL_M)
        if cell not in self._cells:
            (low, high), (i, j) = self._bounds, cell
            touch = (low[0] <= (i + 1) * CELL_M) & (high[0] >= i * CELL_M)
            self._cells[cell] = np.flatnonzero(touch & (low[1] <= (j + 1) * CELL_M) & (high[1] >= j * CELL_M))
        return self._cells[cell]

    def at(self, x: float, y: float, near_m: float) -> float:
        """World z there, of several layers the one nearest to ``near_m``; NaN where nothing is known."""
        found = self._mesh_height(x, y, near_m)
        if isfinite(found) or self.road is None:
            return found
        return self.road.height(np.array([x, y]))

    def slope(self, x: float, y: float, yaw: float, length_m: float, near_m: float) -> float:
        """Radians by which the ground rises along a heading under a body of a length; NaN where it is not known."""
        half = length_m * WHEELBASE / 2
        ahead_x, ahead_y = half * cos(yaw), half * sin(yaw)
        front = self.at(x + ahead_x, y + ahead_y, near_m)
        rear = self.at(x - ahead_x, y - ahead_y, near_m)
        return atan2(front - rear, 2 * half)

    def _mesh_height(self, x: float, y: float, near_m: float) -> float:
        if self.mesh is None:
            return nan
        faces = self._faces_near(x, y)
        a, b, c = np.moveaxis(self.mesh.vertices[self.mesh.faces[faces]], 1, 0)
        e, f = b - a, c - a
        area = e[:, 0] * f[:, 1] - e[:, 1] * f[:, 0]
        flat = np.abs(area) > 1e-12
        a, e, f, area = a[flat], e[flat], f[flat], area[flat]
        u = ((x - a[:, 0]) * f[:, 1] - (y - a[:, 1]) * f[:, 0]) / area
        v = (e[:, 0] * (y - a[:, 1]) - e[:, 1] * (x - a[:, 0])) / area
        inside = (u >= -1e-9) & (v >= -1e-9) & (u + v <= 1.0 + 1e-9)
        z = (a[:, 2] + u * e[:, 2] + v * f[:, 2])[inside]
        return float(z[np.abs(z - near_m).argmin()]) if len(z) else nan


def heights_of(scene: Scene) -> Heights:
    """The ground of a scene."""
    return _heights(scene.ground, None if scene.map_xodr is None else road_of(scene))


@lru_cache(maxsize=4)
def _heights(mesh: Mesh | None, road: Road | None) -> Heights:
    return Heights(mesh, road)
