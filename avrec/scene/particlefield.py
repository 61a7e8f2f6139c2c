"""Gaussians as USD's own schema for them, `UsdVolParticleField3DGaussianSplat`: Kit 110.1, Isaac Sim 6.0 and later.

Values are post-activation: opacities 0..1, scales in metres, unit quaternions.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avrec.errors import OutputError
from avrec.files import replacing_path
from avrec.gaussians import Gaussians
from avrec.scene.stacked import Stacked, stacked

__all__ = ["PARTICLE_FIELD_PRIM", "build_particlefield", "write_particlefield"]

PARTICLE_FIELD_PRIM = "/World/Gaussians/gaussians"
"""Where the splat lies, as 3DGRUT's exporter has it."""

Extent = tuple[NDArray[np.float32], NDArray[np.float32]]

_ROWS = 1 << 16
_HALF_MAX = float(np.finfo(np.float16).max)
_MOST_LOG_SCALE = 40.0
_REACH = 3.0  # standard deviations a Gaussian reaches over its mean


def write_particlefield(
    path: str | Path,
    gaussians: Gaussians | Stacked,
    *,
    center: ArrayLike = (0.0, 0.0, 0.0),
    half: bool = False,
    sorting: Literal["zDepth", "cameraDistance", "rayHitDistance"] = "zDepth",
    overwrite: bool = False,
) -> Extent:
    """Write a stage with one splat at :data:`PARTICLE_FIELD_PRIM`, z up, metres.

    Args:
        path: ends in ``.usda`` (text) or ``.usdc`` (binary; ``.usd`` is binary too).
        gaussians: in the world frame.
        center: subtracted from the means, float64 [3].
        half: in half precision, half the size; positions then lose 6 cm at 100 m.
        sorting: the order a renderer is asked for; avrec's own is by depth.
        overwrite: replace an existing file.

    Returns:
        The splat's extent: lowest and highest corner, float32 [3].

    Raises:
        OutputError: another suffix, the file exists, or it cannot be written.
    """
    target = Path(path)
    if target.suffix.lower() not in (".usda", ".usdc", ".usd"):
        raise OutputError(f"A particle field is written as .usda, .usdc or .usd, found {target.name!r}; rename it.")
    if not target.parent.is_dir():
        raise OutputError(f"Cannot write {target}: its folder does not exist; create it first.")
    with replacing_path(target, overwrite=overwrite) as partial:
        try:
            return build_particlefield(partial, gaussians, center=center, half=half, sorting=sorting)
        except RuntimeError as error:  # OpenUSD's own; its text is about its own source
            raise OutputError(f"Cannot write {target}; check that its folder has space left.") from error


def build_particlefield(
    path: Path,
    gaussians: Gaussians | Stacked,
    *,
    center: ArrayLike = (0.0, 0.0, 0.0),
    half: bool = False,
    sorting: Literal["zDepth", "cameraDistance", "rayHitDistance"] = "zDepth",
) -> Extent:
    """As :func:`write_particlefield`, straight to a file that is part of something larger.

    Raises:
        RuntimeError: it cannot be written.
    """
    from pxr import Sdf, Usd, UsdGeom, UsdVol

    layer = Sdf.Layer.CreateAnonymous(path.suffix)
    stage = Usd.Stage.Open(layer)
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.z)
    UsdGeom.SetStageMetersPerUnit(stage, 1.0)
    stage.SetDefaultPrim(UsdGeom.Xform.Define(stage, "/World").GetPrim())
    UsdGeom.Xform.Define(stage, "/World/Gaussians")
    splat = UsdVol.ParticleField3DGaussianSplat.Define(stage, PARTICLE_FIELD_PRIM)
    extent = _fill(splat, stacked(gaussians), np.asarray(center, np.float64), half)
    splat.CreateSortingModeHintAttr(sorting)
    splat.CreateProjectionModeHintAttr("perspective")
    if not layer.Export(str(path)):
        raise RuntimeError(f"OpenUSD did not write {path.name}")
    return extent


def _fill(splat: object, gaussians: Stacked, center: NDArray[np.float64], half: bool) -> Extent:
    """Give the prim its attributes and extent, one array at a time."""
    from pxr import Vt

    kind = np.dtype(np.float16 if half else np.float32)
    suffix, vector = ("h", Vt.Vec3hArray) if half else ("", Vt.Vec3fArray)
    count = len(gaussians)

    def array(width: int, values: object) -> NDArray[np.floating]:
        result = np.empty((count, width), kind)
        for start in range(0, count, _ROWS):
            rows = slice(start, start + _ROWS)
            block = values(gaussians.block(rows))  # type: ignore[operator]
            result[rows] = np.clip(block, -_HALF_MAX, _HALF_MAX) if half else block
        return result

    def create(name: str, value: object) -> object:
        return getattr(splat, f"Create{name}{suffix}Attr")(value)

    means = array(3, lambda rows: rows[:, 0:3] - center)
    reach = array(1, lambda rows: _REACH * np.exp(np.minimum(rows[:, 7:10], _MOST_LOG_SCALE)).max(1, keepdims=True))
    low = (means.astype(np.float32) - reach).min(axis=0, initial=np.inf) if count else np.zeros(3, np.float32)
    high = (means.astype(np.float32) + reach).max(axis=0, initial=-np.inf) if count else np.zeros(3, np.float32)
    create("Positions", vector.FromNumpy(means))
    del means, reach
    quaternions = array(4, lambda rows: _unit(rows[:, 3:7])[:, [1, 2, 3, 0]])  # memory holds x, y, z, w
    create("Orientations", (Vt.QuathArray if half else Vt.QuatfArray).FromNumpy(quaternions))
    del quaternions
    create("Scales", vector.FromNumpy(array(3, lambda rows: np.exp(np.minimum(rows[:, 7:10], _MOST_LOG_SCALE)))))
    opacities = array(1, lambda rows: 1.0 / (1.0 + np.exp(-np.clip(rows[:, 10:11].astype(np.float64), -60, 60))))
    create("Opacities", (Vt.HalfArray if half else Vt.FloatArray).FromNumpy(opacities.reshape(-1)))
    width = gaussians.columns - 11
    harmonics = array(width, lambda rows: rows[:, 11:]).reshape(-1, 3)
    colors = create("RadianceSphericalHarmonicsCoefficients", vector.FromNumpy(harmonics))
    colors.SetMetadata("elementSize", width // 3)  # type: ignore[attr-defined]
    splat.CreateRadianceSphericalHarmonicsDegreeAttr(gaussians.sh_degree)  # type: ignore[attr-defined]
    splat.CreateExtentAttr(Vt.Vec3fArray.FromNumpy(np.stack([low, high]).astype(np.float32)))  # type: ignore[attr-defined]
    return low.astype(np.float32), high.astype(np.float32)


def _unit(quaternions: NDArray[np.float32]) -> NDArray[np.float64]:
    wide = quaternions.astype(np.float64)
    lengths = np.linalg.norm(wide, axis=1, keepdims=True)
    wide[lengths[:, 0] == 0, 0] = 1.0
    return wide / np.where(lengths == 0, 1.0, lengths)
