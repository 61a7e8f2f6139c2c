"""The height of the ground as a function of where."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avrec.mesh.cells import Cells
from avrec.mesh.mesh import Mesh

__all__ = ["HeightField", "grid_mesh"]

Float64 = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class HeightField:
    """Heights over the cells of a corridor.

    Attributes:
        cells: where heights are known.
        height_m: float64 [M], world z in the middle of each cell.
        measured: bool [M]; False where the height was filled in from around it.
    """

    cells: Cells
    height_m: Float64
    measured: NDArray[np.bool_]

    def height_at(self, xy: Float64) -> Float64:
        """World z at world points [..., 2], between the cells' middles; NaN outside the corridor."""
        return self.cells.interpolate(self.height_m, xy)

    def measured_at(self, xy: Float64) -> Float64:
        """Share of the height at points [..., 2] that was measured, 0 to 1; NaN outside the corridor."""
        return self.cells.interpolate(self.measured.astype(np.float64), xy)


def grid_mesh(field: HeightField) -> Mesh:
    """Two triangles between each four neighbouring cells, fronts up, split along the diagonal that bends less."""
    cells, z = field.cells, field.height_m
    corners = np.stack(
        [np.arange(len(cells), dtype=np.int64), cells.beside(0, 1), cells.beside(1, 1), cells.beside(1, 0)], axis=-1
    )
    a, b, c, d = corners[(corners >= 0).all(axis=1)].T
    # Seen from above the corners run counter-clockwise: x grows with the column, y with the row.
    along = (np.abs(z[a] - z[c]) <= np.abs(z[b] - z[d]))[:, None]
    first = np.where(along, np.stack([a, b, c], -1), np.stack([a, b, d], -1))
    second = np.where(along, np.stack([a, c, d], -1), np.stack([b, c, d], -1))
    faces = np.stack([first, second], axis=1).reshape(-1, 3)
    mesh = Mesh(np.column_stack([cells.centres, z]), faces.astype(np.int32))
    return mesh.with_faces(np.ones(len(faces), bool))
