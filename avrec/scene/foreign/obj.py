"""A scene's mesh as Wavefront OBJ, which every modelling program opens.

``v x y z r g b`` (colours 0..1 behind the place, as most programs write and read them), ``vn``, ``f a//a b//b c//c``.
The file names no unit and no axis: metres, z up.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from avrec.errors import DataError
from avrec.files import open_to_read, replacing
from avrec.mesh.mesh import Mesh
from avrec.mesh.ply import parse_ply
from avrec.scene.package_reader import PackageReader

__all__ = ["read_package_mesh", "write_obj"]

_MEMBERS = {"surface": "mesh.ply", "ground": "mesh_ground.ply"}
_MAX_BYTES = 256 << 20
_ROWS = 1 << 15


def write_obj(mesh: Mesh, path: str | Path, *, overwrite: bool = False) -> None:
    """Write a mesh with the colours and normals it has; positions to a tenth of a millimetre.

    Raises:
        OutputError: the file exists or cannot be written.
    """
    corner = "f {0}//{0} {1}//{1} {2}//{2}\n" if mesh.normals is not None else "f {0} {1} {2}\n"
    with replacing(path, overwrite=overwrite) as file:
        file.write(b"# metres, z up\n")
        for start in range(0, len(mesh.vertices), _ROWS):
            rows = slice(start, start + _ROWS)
            values = mesh.vertices[rows]
            form = "v %.4f %.4f %.4f"
            if mesh.colours is not None:
                values, form = np.hstack([values, mesh.colours[rows] / 255.0]), form + " %.4f %.4f %.4f"
            file.write("".join(f"{form % tuple(row)}\n" for row in values.tolist()).encode("ascii"))
        for start in range(0, 0 if mesh.normals is None else len(mesh.vertices), _ROWS):
            normals = np.asarray(mesh.normals)[start : start + _ROWS].tolist()
            file.write("".join(f"vn {x:.4f} {y:.4f} {z:.4f}\n" for x, y, z in normals).encode("ascii"))
        for start in range(0, len(mesh.faces), _ROWS):
            faces = (mesh.faces[start : start + _ROWS].astype(np.int64) + 1).tolist()  # counted from 1
            file.write("".join(corner.format(*face) for face in faces).encode("ascii"))


def read_package_mesh(path: str | Path) -> tuple[Mesh, str]:
    """The surface of a scene file, ours or not, or its ground where it has no surface.

    Returns:
        The mesh in the world, and which one it is: "surface" or "ground".

    Raises:
        DataError: no such file, no package, no mesh in it, or a damaged one.
    """
    with open_to_read(path) as (file, _):
        if file.read(2) != b"PK":
            raise DataError(f"{path} holds no mesh: it is no scene file; OBJ is written from scenes that have a mesh.")
    with PackageReader(path) as package:
        for what, member in _MEMBERS.items():
            if member in package.members:
                return parse_ply(package.read(member, limit=_MAX_BYTES), f"{path}: {member}"), what
    raise DataError(
        f"{path} holds no mesh (neither mesh.ply nor mesh_ground.ply); give it one with avrec scene import --mesh."
    )
