"""A mesh as a USD layer: what a NuRec volume's ``proxy`` points at, and what physics collides with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avrec.mesh.mesh import Mesh

__all__ = ["build_mesh_layer"]


def build_mesh_layer(path: Path, mesh: Mesh, center: NDArray[np.float64], *, name: str, collision: bool) -> None:
    """Write a layer whose default prim is one triangle mesh.

    Args:
        path: a new ``.usdc`` or ``.usd`` file, binary.
        mesh: in the world frame.
        center: float64 [3], subtracted from the vertices, so that the mesh lies where the centred Gaussians are.
        name: of the prim.
        collision: whether physics collides with the triangles.

    Raises:
        RuntimeError: OpenUSD cannot write the file.
    """
    from pxr import Sdf, Usd, UsdGeom, UsdPhysics, Vt

    layer = Sdf.Layer.CreateAnonymous(".usdc")
    stage = Usd.Stage.Open(layer)
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.z)
    UsdGeom.SetStageMetersPerUnit(stage, 1.0)
    prim = UsdGeom.Mesh.Define(stage, f"/{name}")
    stage.SetDefaultPrim(prim.GetPrim())
    points = (mesh.vertices - center).astype(np.float32)
    prim.CreatePointsAttr(Vt.Vec3fArray.FromNumpy(points))
    prim.CreateFaceVertexCountsAttr(Vt.IntArray.FromNumpy(np.full(len(mesh.faces), 3, np.int32)))
    prim.CreateFaceVertexIndicesAttr(Vt.IntArray.FromNumpy(np.ascontiguousarray(mesh.faces.reshape(-1))))
    corners = np.stack([points.min(axis=0), points.max(axis=0)]) if len(points) else np.zeros((2, 3), np.float32)
    prim.CreateExtentAttr(Vt.Vec3fArray.FromNumpy(corners))
    prim.CreateSubdivisionSchemeAttr(UsdGeom.Tokens.none)
    prim.CreateDoubleSidedAttr(True)
    if collision:
        UsdPhysics.CollisionAPI.Apply(prim.GetPrim()).CreateCollisionEnabledAttr(True)
        UsdPhysics.MeshCollisionAPI.Apply(prim.GetPrim()).CreateApproximationAttr(UsdPhysics.Tokens.none)
    if not layer.Export(str(path)):
        raise RuntimeError("OpenUSD could not write the mesh")
