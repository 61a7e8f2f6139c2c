"""`mesh.ply` and `mesh_ground.ply`: what AlpaSim's physics casts its rays onto."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from avrec.errors import DataError
from avrec.mesh.mesh import Mesh
from avrec.mesh.ply import parse_ply
from avrec.scene.validate.facts import Facts
from avrec.scene.validate.report import Finding, error, warning
from avrec.scene.validate.values import Float64

__all__ = ["check_mesh"]

_ALPASIM = ("alpasim",)
_BESIDE_M = 10.0
_ABOVE_M = 1.0


def check_mesh(name: str, data: bytes, facts: Facts) -> Iterator[Finding]:
    """Findings about one mesh; the ground is compared with the rig's path."""
    try:
        mesh = parse_ply(data, name)
    except DataError as reason:
        yield error(_ALPASIM, name, str(reason)[:250], "Physics cannot start", "Export the mesh again")
        return
    if not len(mesh.faces):
        yield error(_ALPASIM, name, "it has no triangle", "There is nothing to stand on", "Export the mesh again")
    elif name == "mesh_ground.ply":
        yield from _ground(name, mesh, facts)


def _ground(name: str, mesh: Mesh, facts: Facts) -> Iterator[Finding]:
    with np.errstate(all="ignore"):
        up = float(np.median(mesh.face_normals[:, 2]))
    if up < 0.5:
        found = "most of its triangles face down or sideways"
        yield warning(_ALPASIM, name, found, "Ground is looked for from above, z up", "Turn the triangles over")
    if facts.ego_poses is None:
        return
    from scipy.spatial import cKDTree

    centers = mesh.vertices[mesh.faces].mean(axis=1)[:2_000_000]
    if not np.isfinite(centers).all():
        return
    ego: Float64 = facts.ego_poses[:: max(1, len(facts.ego_poses) // 200), :3, 3]
    distance, nearest = cKDTree(centers[:, :2]).query(ego[:, :2])
    remedy = "Write it in the world frame of rig_trajectories.json, metres (not in the centred NRE frame)"
    beside = float(np.median(distance))
    if beside > _BESIDE_M:
        found = f"the drive runs {beside:.0f} m beside the ground"
        yield warning(_ALPASIM, name, found, "Cars find no ground below them", remedy)
        return
    above = float(np.median(ego[:, 2] - centers[nearest, 2]))
    if abs(above) > _ABOVE_M:
        found = f"the rig runs {abs(above):.1f} m {'above' if above > 0 else 'below'} the ground"
        why = "The rig's origin is on the ground; physics moves boxes by 1.5 m at most"
        yield warning(_ALPASIM, name, found, why, remedy)
