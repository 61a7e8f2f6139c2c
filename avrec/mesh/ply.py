"""Triangle meshes as PLY, the way simulators read ``mesh.ply`` and ``mesh_ground.ply``.

Written: binary little-endian, ``vertex`` before ``face``, float32 x y z (world, metres), optional nx ny nz and
red green blue, faces as ``list uchar int vertex_indices``. Read: all three encodings, elements and properties beyond
these skipped, polygons cut into fans.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avrec.files import replacing
from avrec.mesh.mesh import Mesh
from avrec.mesh.ply_reader import parse_ply, read_ply

__all__ = ["parse_ply", "ply_bytes", "read_ply", "write_ply"]


def ply_bytes(mesh: Mesh, *, comment: str = "") -> bytes:
    """The mesh as a PLY file in memory.

    Args:
        mesh: what to write; its normals and colours are written where it has them.
        comment: one line for the header; what is not printable ASCII becomes ``?``.
    """
    columns: list[tuple[str, str, NDArray[np.generic]]] = [
        (name, "<f4", mesh.vertices[:, axis]) for axis, name in enumerate("xyz")
    ]
    if mesh.normals is not None:
        columns += [(name, "<f4", mesh.normals[:, axis]) for axis, name in enumerate(("nx", "ny", "nz"))]
    if mesh.colours is not None:
        columns += [(name, "u1", mesh.colours[:, axis]) for axis, name in enumerate(("red", "green", "blue"))]
    vertices = np.empty(len(mesh.vertices), [(name, kind) for name, kind, _ in columns])
    for name, _, values in columns:
        vertices[name] = values
    faces = np.empty(len(mesh.faces), [("count", "u1"), ("corners", "<i4", (3,))])
    faces["count"], faces["corners"] = 3, mesh.faces
    plain = "".join(sign if " " <= sign <= "~" else "?" for sign in comment)
    lines = [
        "ply",
        "format binary_little_endian 1.0",
        *([f"comment {plain}"] if plain else []),
        f"element vertex {len(vertices)}",
        *(f"property {'uchar' if kind == 'u1' else 'float'} {name}" for name, kind, _ in columns),
        f"element face {len(faces)}",
        "property list uchar int vertex_indices",
        "end_header",
    ]
    return "\n".join(lines).encode("ascii") + b"\n" + vertices.tobytes() + faces.tobytes()


def write_ply(path: str | Path, mesh: Mesh, *, comment: str = "") -> Path:
    """Write a mesh; the file appears whole or not at all.

    Returns:
        The path.

    Raises:
        OutputError: the file cannot be written.
    """
    path = Path(path)
    with replacing(path, overwrite=True) as file:
        file.write(ply_bytes(mesh, comment=comment))
    return path
