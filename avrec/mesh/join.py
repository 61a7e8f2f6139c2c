"""One mesh of the surface and the ground: `join_ground`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from avrec.mesh.cells import resample
from avrec.mesh.decimate import drop_small_parts
from avrec.mesh.ground import GroundMesh
from avrec.mesh.mesh import Mesh

__all__ = ["join_ground"]

Float64 = NDArray[np.float64]

# A surface this near to the ground is the ground, less well known.
_SKIN_M = 0.15


def join_ground(
    surface: Mesh,
    ground: GroundMesh,
    *,
    path_world: Float64 | None = None,
    half_width_m: float = 0.9,
    height_m: float = 1.5,
    least_part_m2: float = 1.0,
) -> Mesh:
    """The surface with its own ground cut out and the ground mesh in its place, for physics that cast rays down on it.

    Faces wholly less than 15 cm above the ground, or below it, go. Where a path is given, so do faces in the space
    that the car drove through: what a reconstruction shows there never stood there.

    Args:
        surface: as `avrec.mesh.surface_mesh` makes it.
        ground: as `avrec.mesh.ground_mesh` makes it.
        path_world: float64 [P, 3] where the rig drove, on the ground.
        half_width_m: to each side of the path.
        height_m: above the ground.
        least_part_m2: connected parts with less surface that the cut leaves over are dropped.

    Returns:
        Both in one mesh, with normals, and with colours where the surface has them; the ground takes the colour of the
        surface's nearest vertex on the ground.
    """
    over = surface.vertices[:, 2] - ground.height_at(surface.vertices)
    drop = np.asarray((over < _SKIN_M)[surface.faces].all(axis=1))
    if path_world is not None:
        path = resample(np.asarray(path_world, np.float64), 0.25 * half_width_m)
        away = cKDTree(path[:, :2]).query(surface.vertices[:, :2], distance_upper_bound=half_width_m)[0]
        drop |= ((away <= half_width_m) & (over < height_m))[surface.faces].any(axis=1)
    kept = drop_small_parts(surface.with_faces(np.logical_not(drop)), least_part_m2)
    colours = None
    if surface.colours is not None and kept.colours is not None and len(surface.vertices):
        # A wall's colour does not belong on the ground beside it.
        low = np.flatnonzero(np.abs(over) < _SKIN_M)
        giving = low if len(low) else np.arange(len(surface.vertices))
        near = giving[cKDTree(surface.vertices[giving]).query(ground.mesh.vertices)[1]]
        colours = np.concatenate([kept.colours, surface.colours[near]])
    return Mesh(
        np.concatenate([kept.vertices, ground.mesh.vertices]),
        np.concatenate([kept.faces, ground.mesh.faces + len(kept.vertices)]),
        colours,
        np.concatenate([kept.vertex_normals(), ground.mesh.vertex_normals()]),
    )
