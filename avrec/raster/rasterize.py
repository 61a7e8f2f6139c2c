"""The front door: Gaussians and a view in, a picture out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from avrec.errors import AvrecError
from avrec.gaussians import Gaussians
from avrec.geometry import matrix_from_quaternion
from avrec.raster.native.rasterizer import NativeRasterizer
from avrec.raster.view import Raster, RasterSettings, View

__all__ = ["Backend", "rasterize"]

Backend = Literal["auto", "cpu", "cuda", "reference"]
Float32 = NDArray[np.float32]

# Below this alpha a mean over what was seen is noise.
_LEAST_ALPHA = 1e-3


def rasterize(
    gaussians: Gaussians,
    view: View,
    *,
    body: NDArray[np.int32] | None = None,
    background: Float32 | None = None,
    settings: RasterSettings = RasterSettings(),  # noqa: B008  (frozen)
    backend: Backend = "auto",
    normals: bool = False,
) -> Raster:
    """Render Gaussians with 3DGUT.

    Args:
        gaussians: the cloud.
        view: camera and poses.
        body: int32 [N] index of the moving body each Gaussian belongs to, 0 = world; None: all in the world.
        background: float32 [3] or [H, W, 3]; None is black.
        settings: thresholds.
        backend: ``"cpu"`` (the kernel), ``"cuda"`` (gsplat), ``"reference"`` (plain torch, slow, the judge of the
            others) or ``"auto"``, the kernel.
        normals: also render normals.

    Returns:
        The picture.

    Raises:
        AvrecError: unknown backend, or one that is not available here.
    """
    if backend in ("auto", "cpu"):
        out = _native(gaussians, view, body, background, settings, normals)
    elif backend == "cuda":
        from avrec.raster.gsplat_adapter import rasterize_cuda

        out = _torch(rasterize_cuda, gaussians, view, body, background, settings, normals)
    elif backend == "reference":
        from avrec.raster.reference import reference_rasterize

        out = _torch(reference_rasterize, gaussians, view, body, background, settings, normals)
    else:
        raise AvrecError(f"Unknown backend '{backend}'. Use auto, cpu, cuda or reference.")
    alpha = out["alpha"]
    with np.errstate(invalid="ignore", divide="ignore"):
        depth = np.where(alpha > _LEAST_ALPHA, out["depth_sum"] / alpha, np.nan).astype(np.float32)
        normal = None
        if normals:
            length = np.linalg.norm(out["normal"], axis=-1, keepdims=True)
            seen = (alpha[..., None] > _LEAST_ALPHA) & (length > 1e-6)
            normal = np.where(seen, out["normal"] / length, np.nan).astype(np.float32)
    return Raster(out["rgb"], alpha, depth, out["median_depth"], normal)


def _native(
    gaussians: Gaussians,
    view: View,
    body: NDArray[np.int32] | None,
    background: Float32 | None,
    settings: RasterSettings,
    normals: bool,
) -> dict[str, Any]:
    rasterizer = NativeRasterizer()
    rasterizer.project(gaussians.packed, view, body=body, settings=settings)
    out: dict[str, Any] = dict(rasterizer.forward(background, depth=True))
    if normals:
        rasterizer.set_colors(_facing_normals(gaussians, view, body, rasterizer.ids()))
        out["normal"] = rasterizer.forward(None)["rgb"]
    return out


def _torch(
    backend: Callable[..., Mapping[str, Any]],
    gaussians: Gaussians,
    view: View,
    body: NDArray[np.int32] | None,
    background: Float32 | None,
    settings: RasterSettings,
    normals: bool,
) -> dict[str, Any]:
    import torch

    behind = None if background is None else torch.from_numpy(np.ascontiguousarray(background))
    packed = torch.from_numpy(gaussians.packed)
    tensors = backend(packed, view, body=body, background=behind, settings=settings, normals=normals)
    return {name: np.asarray(value.detach().cpu().numpy(), np.float32) for name, value in tensors.items()}


def _facing_normals(
    gaussians: Gaussians, view: View, body: NDArray[np.int32] | None, ids: NDArray[np.uint32]
) -> Float32:
    """World direction of each visible Gaussian's shortest axis, turned to the camera at mid-shutter; [N, 3]."""
    middle = len(view.origin) // 2
    cloud = gaussians.take(ids)
    shortest = np.argmin(cloud.log_scales, axis=1)
    rotation = matrix_from_quaternion(cloud.quaternions.astype(np.float64))
    axis = np.take_along_axis(rotation, shortest[:, None, None], axis=2)[..., 0]
    mean = cloud.means.astype(np.float64)
    if body is not None and len(view.bodies):
        world_from_body = np.concatenate([np.eye(4)[None], view.bodies[:, middle]])[body[ids]]
        axis = np.einsum("nij,nj->ni", world_from_body[:, :3, :3], axis)
        mean = np.einsum("nij,nj->ni", world_from_body[:, :3, :3], mean) + world_from_body[:, :3, 3]
    away = np.einsum("ni,ni->n", axis, mean - view.origin[middle]) > 0
    normals = np.zeros((len(gaussians), 3), np.float32)
    normals[ids] = np.where(away[:, None], -axis, axis)
    return normals
