"""Fewer triangles: quadric decimation to a budget, and small loose parts removed."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from avrec.errors import DataError
from avrec.mesh.mesh import Mesh

__all__ = ["decimate", "drop_small_parts"]


def decimate(mesh: Mesh, most_triangles: int) -> Mesh:
    """A mesh of at most ``most_triangles`` triangles, by collapsing the edges that change the surface least.

    Quadric error metric (Garland and Heckbert 1997) as the package fast-simplification implements it. A mesh within
    the budget is returned as it is. Colours are those of the nearest old vertex; normals are computed anew where the
    mesh had some.

    Raises:
        DataError: a budget below one triangle.
    """
    if most_triangles < 1:
        raise DataError(f"A mesh needs at least one triangle, found a budget of {most_triangles}. Allow more.")
    if len(mesh.faces) <= most_triangles:
        return mesh
    import fast_simplification

    middle = mesh.vertices.mean(axis=0)  # quadrics lose precision far from the origin
    local = mesh.vertices - middle
    target, points, faces = most_triangles, local, mesh.faces
    for _ in range(8):
        points, faces = fast_simplification.simplify(points, faces, target_count=target, agg=7.0)
        faces = _proper(points, faces)
        if len(faces) <= most_triangles:
            break
        target = int(target * 0.9)
    if len(faces) > most_triangles:
        raise DataError(
            f"A mesh of {len(mesh.faces)} triangles cannot be brought below {len(faces)}, but {most_triangles} are "
            "allowed. Allow more."
        )
    result = Mesh(np.asarray(points, np.float64) + middle, np.asarray(faces, np.int32))
    result = result.with_faces(np.ones(len(result.faces), bool))
    colours = None
    if mesh.colours is not None:
        colours = mesh.colours[cKDTree(mesh.vertices).query(result.vertices)[1]]
    normals = result.vertex_normals() if mesh.normals is not None else None
    return Mesh(result.vertices, result.faces, colours, normals)


def drop_small_parts(mesh: Mesh, least_area_m2: float) -> Mesh:
    """The mesh without connected parts of less surface than ``least_area_m2``; the largest part always stays."""
    if not len(mesh.faces):
        return mesh
    a, b = mesh.faces[:, [0, 1]].reshape(-1), mesh.faces[:, [1, 2]].reshape(-1)
    count = len(mesh.vertices)
    edges = coo_array((np.ones(len(a), bool), (a, b)), shape=(count, count))
    part = connected_components(edges, directed=False)[1][mesh.faces[:, 0]]
    area = np.bincount(part, mesh.face_areas)
    return mesh.with_faces((area >= min(least_area_m2, float(area.max())))[part])


def _proper(points: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Faces with three different corners."""
    a, b, c = faces.T
    return np.asarray(faces[(a != b) & (b != c) & (c != a)])
