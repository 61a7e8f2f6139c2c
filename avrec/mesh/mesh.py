"""Triangle meshes as data."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from avrec.errors import DataError

__all__ = ["Mesh"]

Float64 = NDArray[np.float64]
Int32 = NDArray[np.int32]
UInt8 = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Mesh:
    """Triangles in the world, metres; the front of a triangle is where its corners run counter-clockwise.

    Attributes:
        vertices: float64 [V, 3], finite.
        faces: int32 [F, 3] indices into ``vertices``.
        colours: uint8 RGB [V, 3], or None.
        normals: float64 [V, 3], or None; ``vertex_normals`` computes them.

    Raises:
        DataError: another shape, a value that is not finite, or a face that names no vertex.
    """

    vertices: Float64
    faces: Int32
    colours: UInt8 | None = None
    normals: Float64 | None = None

    def __post_init__(self) -> None:
        vertices = np.ascontiguousarray(self.vertices, np.float64)
        faces = np.asarray(self.faces)
        for name, array in (("vertices", vertices), ("faces", faces)):
            if array.ndim != 2 or array.shape[1] != 3:
                raise DataError(f"A mesh needs {name} of shape [N, 3], found {list(array.shape)}. Pass three columns.")
        if not np.isfinite(vertices).all():
            raise DataError("A mesh has a vertex that is not finite. Remove such vertices and the faces that use them.")
        if faces.size and (faces.dtype.kind not in "iu" or faces.min() < 0 or faces.max() >= len(vertices)):
            raise DataError(
                f"A mesh has a face that names none of its {len(vertices)} vertices. Count from 0, in integers."
            )
        object.__setattr__(self, "vertices", vertices)
        object.__setattr__(self, "faces", np.ascontiguousarray(faces, np.int32))
        for name, dtype in (("colours", np.uint8), ("normals", np.float64)):
            value = getattr(self, name)
            if value is None:
                continue
            value = np.asarray(value)
            if value.shape != vertices.shape or (name == "colours" and value.dtype != np.uint8):
                raise DataError(
                    f"A mesh with {len(vertices)} vertices has {name} of shape {list(value.shape)} and type "
                    f"{value.dtype}. Give one row of three for each vertex."
                )
            object.__setattr__(self, name, np.ascontiguousarray(value, dtype))

    @cached_property
    def _crosses(self) -> Float64:
        a, b, c = (self.vertices[self.faces[:, corner]] for corner in range(3))
        return np.asarray(np.cross(b - a, c - a), np.float64)

    @property
    def face_areas(self) -> Float64:
        """Square metres, [F]."""
        return np.asarray(0.5 * np.linalg.norm(self._crosses, axis=1), np.float64)

    @property
    def face_normals(self) -> Float64:
        """Unit normals [F, 3] on the front; zero for a face without area."""
        length = np.linalg.norm(self._crosses, axis=1, keepdims=True)
        return np.asarray(self._crosses / np.where(length > 0, length, 1.0), np.float64)

    def vertex_normals(self) -> Float64:
        """Mean of the normals of the faces around each vertex by area, unit length [V, 3]; zero where there is none."""
        total = np.zeros_like(self.vertices)
        for axis in range(3):
            spread = np.repeat(self._crosses[:, axis], 3)
            total[:, axis] = np.bincount(self.faces.reshape(-1), spread, minlength=len(total))
        length = np.linalg.norm(total, axis=1, keepdims=True)
        return np.asarray(total / np.where(length > 0, length, 1.0), np.float64)

    def with_faces(self, chosen: NDArray[np.bool_] | NDArray[np.integer]) -> Mesh:
        """Some of the faces, and only the vertices that they use, in their old order."""
        faces = self.faces[chosen]
        used = np.zeros(len(self.vertices), bool)
        used[faces] = True
        new = np.cumsum(used, dtype=np.int64) - 1
        return Mesh(
            self.vertices[used],
            new[faces].astype(np.int32).reshape(-1, 3),
            None if self.colours is None else self.colours[used],
            None if self.normals is None else self.normals[used],
        )
