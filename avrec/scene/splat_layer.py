"""The static layer as a particle field (USD's own schema for Gaussians), for Kit 110.1 and later."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avrec.gaussians import Gaussians

__all__ = ["build_particle_field"]


def build_particle_field(path: Path, cloud: Gaussians, center: NDArray[np.float64]) -> None:
    """Write a layer with `/World/Gaussians/gaussians`, values post-activation in half precision.

    Args:
        path: a new ``.usdc`` file.
        cloud: in the world frame.
        center: float64 [3], subtracted from the means.

    Raises:
        RuntimeError: OpenUSD cannot write the file.
    """
    from pxr import Sdf, Usd, UsdGeom, UsdVol, Vt

    layer = Sdf.Layer.CreateAnonymous(".usdc")
    stage = Usd.Stage.Open(layer)
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.z)
    UsdGeom.SetStageMetersPerUnit(stage, 1.0)
    stage.SetDefaultPrim(UsdGeom.Xform.Define(stage, "/World").GetPrim())
    UsdGeom.Xform.Define(stage, "/World/Gaussians")
    field = UsdVol.ParticleField3DGaussianSplat.Define(stage, "/World/Gaussians/gaussians")
    means = np.clip(cloud.means - center, -65504, 65504).astype(np.float16)
    unit = cloud.quaternions / np.maximum(np.linalg.norm(cloud.quaternions, axis=1, keepdims=True), 1e-30)
    with np.errstate(over="ignore"):
        opacity = 1 / (1 + np.exp(-cloud.logit_opacities))
        scales = np.exp(np.minimum(cloud.log_scales, 11.0))
    field.CreatePositionshAttr(Vt.Vec3hArray.FromNumpy(means))
    field.CreateOrientationshAttr(Vt.QuathArray.FromNumpy(np.roll(unit, -1, axis=1).astype(np.float16)))
    field.CreateScaleshAttr(Vt.Vec3hArray.FromNumpy(scales.astype(np.float16)))
    field.CreateOpacitieshAttr(Vt.HalfArray.FromNumpy(opacity.astype(np.float16)))
    sh = Vt.Vec3hArray.FromNumpy(np.ascontiguousarray(cloud.sh.reshape(-1, 3)).astype(np.float16))
    coefficients = field.CreateRadianceSphericalHarmonicsCoefficientshAttr(sh)
    coefficients.SetMetadata("elementSize", cloud.sh.shape[1])
    field.CreateRadianceSphericalHarmonicsDegreeAttr(cloud.sh_degree)
    low = means.astype(np.float32).min(axis=0) if len(cloud) else np.zeros(3, np.float32)
    high = means.astype(np.float32).max(axis=0) if len(cloud) else np.zeros(3, np.float32)
    field.CreateExtentAttr(Vt.Vec3fArray.FromNumpy(np.stack([low, high])))
    if not layer.Export(str(path)):
        raise RuntimeError("OpenUSD could not write the particle field")
