"""The CUDA backend: gsplat 1.5.3 in its 3DGUT mode (unscented projection, response in 3D, rolling shutter).

gsplat is imported when first used and only where torch sees a CUDA device. What it does differently from the CPU
kernel, and cannot be told to do otherwise:

* Bounds: unscented alpha 0.1 instead of 1, no per-tile ellipse test, and a Gaussian is dropped unless *all* its sigma
  points fall in the image grown by 10 %. Alpha is capped at 0.999 instead of 0.99. Hits behind the camera are not
  rejected (Gaussians whose centre is nearer than ``near_m`` still are). Pinhole distortion is valid for a radial factor
  above 0.8 only, and f-theta sees nothing beyond 90 degrees.
* Depth is blended from the distances of the Gaussians' centres, not of the hits on the ray; there is no median depth.
* A shutter has two poses, the first and last line's: rotation by slerp and world-to-camera translation linearly in
  between. `shutter_residual` measures what a general table loses. Moving bodies stand where they are at mid-exposure.
* No gradient reaches poses or intrinsics.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avrec.errors import AvrecError, MissingExtraError, require
from avrec.geometry import Camera, FThetaCamera, OpenCVFisheyeCamera, quaternion_from_matrix, slerp
from avrec.raster.reference import rotation_matrices, spherical_harmonics
from avrec.raster.view import RasterSettings, View

__all__ = ["ShutterResidual", "rasterize_cuda", "require_gsplat", "shutter_residual", "why_no_cuda"]

Float64 = NDArray[np.float64]

_FREE = ("near_m", "far_m", "blur_px2")  # settings that gsplat takes
_DIFFERENT = ("ut_alpha", "max_alpha")  # compiled into gsplat with other values, accepted as such (see above)


@dataclass(frozen=True)
class ShutterResidual:
    """Largest difference between a view's poses and what gsplat makes of them.

    Attributes:
        rotation_deg: of the camera's rotation over all lines.
        origin_m: of the camera's centre over all lines.
        body_m: distance that a body's origin moves away from its mid-exposure place; 0 without bodies.
    """

    rotation_deg: float
    origin_m: float
    body_m: float


def why_no_cuda() -> str | None:
    """The reason why the CUDA backend cannot run here, or None if it can."""
    try:
        require_gsplat()
    except AvrecError as error:
        return str(error)
    return None


def require_gsplat() -> Any:
    """The imported gsplat package with its CUDA operators loaded (compiled on first use, which takes minutes).

    Raises:
        MissingExtraError: no CUDA device, no gsplat, or gsplat without its CUDA operators; the text says which.
    """
    if not torch.cuda.is_available():
        raise MissingExtraError(
            f"The CUDA rasteriser needs an NVIDIA GPU, but torch {torch.__version__} sees none. "
            "Use the CPU backend, or install a CUDA build of torch on a machine with a GPU."
        )
    gsplat = require("gsplat", "gpu")
    operators = require("gsplat.cuda._backend", "gpu")  # compiles on first use, with whatever may go wrong then
    if operators._C is None:
        raise MissingExtraError(
            "gsplat is installed, but its CUDA operators could not be built: no CUDA toolkit (nvcc) was found. "
            f"Install the toolkit that matches torch (CUDA {torch.version.cuda}) and try again."
        )
    return gsplat


def rasterize_cuda(
    packed: Tensor,
    view: View,
    *,
    body: NDArray[np.integer[Any]] | None = None,
    background: Tensor | None = None,
    settings: RasterSettings | None = None,
    normals: bool = False,
    pose_gradients: bool = False,
    device: str = "cuda",
) -> dict[str, Tensor]:
    """Render on the GPU; differentiable in the Gaussians and the background through autograd.

    Args:
        packed: float32 [N, 11 + 3K], pre-activation; moved to the GPU if it is not there.
        view: camera and poses (see the module's text for what becomes of them).
        body: integers [N], 0 for the world, b for ``view.bodies[b - 1]``; all 0 when None.
        background: float32 [3] or [H, W, 3], black when None.
        settings: only near_m, far_m and blur_px2 may differ from the defaults.
        normals: also blend the Gaussians' shortest axes.
        pose_gradients: whether gradients of the poses will be asked for; gsplat cannot.
        device: which GPU.

    Returns:
        Tensors on the GPU: ``rgb`` [H, W, 3]; ``alpha``, ``depth_sum`` (metres), ``depth`` (NaN where alpha is 0) and
        ``median_depth`` (all NaN: gsplat has none), each [H, W]; if asked for, ``normal`` [H, W, 3].

    Raises:
        MissingExtraError: the backend cannot run here.
        AvrecError: gsplat cannot do what was asked.
    """
    settings = settings or RasterSettings()
    _refuse(settings, pose_gradients)
    gsplat = require_gsplat()
    where = torch.device(device)
    packed = packed.to(device=where, dtype=torch.float32)
    placed = _place(
        packed, view, np.zeros(len(packed), np.int64) if body is None else np.asarray(body, np.int64), normals
    )
    arguments = _camera_arguments(view.camera, where) | _pose_arguments(gsplat, view, where)
    colors, alphas, _ = gsplat.rasterization(
        **placed,
        **arguments,
        near_plane=settings.near_m,
        far_plane=settings.far_m,
        eps2d=settings.blur_px2,
        packed=False,
        rasterize_mode="classic",
        render_mode="RGB",
        with_ut=True,
        with_eval3d=True,
    )
    blended, alpha = colors[0], alphas[0, ..., 0]
    behind = torch.zeros(3, device=where) if background is None else background.to(device=where, dtype=torch.float32)
    seen = alpha > 0
    answer = {
        "rgb": blended[..., :3] + (1 - alpha)[..., None] * behind,  # gsplat's own backgrounds are one colour only
        "alpha": alpha,
        "depth_sum": blended[..., 3],
        "depth": torch.where(seen, blended[..., 3] / torch.where(seen, alpha, 1.0), torch.nan),
        "median_depth": torch.full_like(alpha, torch.nan),
    }
    if normals:
        length = blended[..., 4:7].norm(dim=-1, keepdim=True)
        unit = blended[..., 4:7] / torch.where(length > 0, length, 1.0)
        answer["normal"] = torch.where(length > 0, unit, torch.nan)
    return answer


def shutter_residual(view: View) -> ShutterResidual:
    """How far gsplat's two-pose shutter is from the view's pose table, and its still bodies from moving ones."""
    start, end = _world_to_camera(view)
    fraction = np.linspace(0, 1, view.lines) if view.lines > 1 else np.zeros(1)
    between = slerp(quaternion_from_matrix(start[:3, :3]), quaternion_from_matrix(end[:3, :3]), fraction)
    rotation = rotation_matrices(torch.from_numpy(np.array(between).reshape(-1, 4))).numpy()
    translation = start[:3, 3] + fraction[:, None] * (end[:3, 3] - start[:3, 3])
    center = _middle(view.origin) - np.einsum("lji,lj->li", rotation, translation)
    turn = rotation @ view.rotation  # the identity where they agree
    sine = np.linalg.norm(turn - np.swapaxes(turn, 1, 2), axis=(1, 2)) / np.sqrt(8)
    places = view.bodies[:, :, :3, 3]
    apart = (
        np.linalg.norm(places - np.stack([_middle(p) for p in places])[:, None], axis=2) if len(places) else np.zeros(1)
    )
    return ShutterResidual(
        float(np.degrees(np.arcsin(np.clip(sine, 0, 1)).max())),
        float(np.linalg.norm(center - view.origin, axis=1).max()),
        float(apart.max()),
    )


def _refuse(settings: RasterSettings, pose_gradients: bool) -> None:
    """Raise for what gsplat 1.5.3 cannot do."""
    if pose_gradients:
        raise AvrecError(
            "gsplat 1.5.3 gives no gradient of camera poses in its 3DGUT mode. Refine poses with the CPU backend."
        )
    for field in fields(settings):
        value = getattr(settings, field.name)
        if field.name not in (*_FREE, *_DIFFERENT) and value != field.default:
            raise AvrecError(
                f"gsplat 1.5.3 has {field.name} = {field.default:g} built in, found {value:g}. Use the CPU backend."
            )


def _middle(table: Float64) -> Float64:
    """Entry of a line table at the middle line."""
    middle: Float64 = 0.5 * (table[(len(table) - 1) // 2] + table[len(table) // 2])
    return middle


def _world_to_camera(view: View) -> tuple[Float64, Float64]:
    """Camera-from-world 4x4 of the first and last line; the world is shifted to the camera's mid-exposure centre.

    The shift matters twice: gsplat computes in float32, and it interpolates the translation, not the centre.
    """
    poses = []
    for line in (0, view.lines - 1):
        pose = np.eye(4)
        pose[:3, :3] = view.rotation[line].T
        pose[:3, 3] = -view.rotation[line].T @ (view.origin[line] - _middle(view.origin))
        poses.append(pose)
    return poses[0], poses[1]


def _pose_arguments(gsplat: Any, view: View, device: torch.device) -> dict[str, Any]:
    """Poses and shutter; lines count from the top or left, so that is where gsplat's shutter starts too."""
    start, end = (torch.tensor(pose, dtype=torch.float32, device=device)[None] for pose in _world_to_camera(view))
    kind = {"rows": "ROLLING_TOP_TO_BOTTOM", "columns": "ROLLING_LEFT_TO_RIGHT", "none": "GLOBAL"}[view.axis]
    return {
        "viewmats": start,
        "viewmats_rs": None if view.axis == "none" else end,
        "rolling_shutter": gsplat.RollingShutterType[kind],
    }


def _camera_arguments(camera: Camera, device: torch.device) -> dict[str, Any]:
    """Intrinsics and distortion in gsplat's conventions."""

    def one(values: tuple[float, ...]) -> Tensor:
        return torch.tensor(values, dtype=torch.float32, device=device)[None]

    shift = 0.5 if isinstance(camera, FThetaCamera) else 0.0  # gsplat's f-theta counts from the first pixel's centre
    intrinsics = torch.eye(3, device=device)[None]
    intrinsics[0, :2, 2] = one(camera.principal_point)[0] - shift
    arguments: dict[str, Any] = {"Ks": intrinsics, "width": camera.width, "height": camera.height}
    if isinstance(camera, FThetaCamera):
        wrapper = require("gsplat.cuda._wrapper", "gpu")
        arguments["camera_model"] = "ftheta"
        arguments["ftheta_coeffs"] = wrapper.FThetaCameraDistortionParameters(
            reference_poly=wrapper.FThetaPolynomialType[str(camera.reference_poly)],
            pixeldist_to_angle_poly=camera.pixeldist_to_angle_poly,
            angle_to_pixeldist_poly=camera.angle_to_pixeldist_poly,
            max_angle=camera.max_angle,
            linear_cde=camera.linear_cde,
        )
        return arguments
    intrinsics[0, 0, 0], intrinsics[0, 1, 1] = camera.focal[0], camera.focal[1]
    if isinstance(camera, OpenCVFisheyeCamera):
        return arguments | {"camera_model": "fisheye", "radial_coeffs": one(camera.radial)}
    arguments["camera_model"] = "pinhole"
    if any((*camera.radial, *camera.tangential, *camera.thin_prism)):
        arguments["radial_coeffs"] = one(camera.radial)
        arguments["tangential_coeffs"] = one(camera.tangential)
        arguments["thin_prism_coeffs"] = one(camera.thin_prism)
    return arguments


def _place(packed: Tensor, view: View, body: NDArray[np.int64], normals: bool) -> dict[str, Tensor]:
    """Activated Gaussians around the camera's mid-exposure centre, bodies in their place; colours as channels.

    The channels are red, green, blue, distance of the centre and, if asked for, the normal: gsplat's own depth would be
    the camera's z.
    """
    device = packed.device
    poses = np.stack([np.eye(4), *(_middle(lines) for lines in view.bodies)])
    poses[:, :3, 3] -= _middle(view.origin)
    rotation, place = (
        torch.tensor(part, dtype=torch.float32, device=device)[torch.from_numpy(body).to(device)]
        for part in (poses[:, :3, :3], poses[:, :3, 3])
    )
    turn = torch.tensor(quaternion_from_matrix(poses[:, :3, :3]), dtype=torch.float32, device=device)
    quaternions = _quaternion_product(turn[torch.from_numpy(body).to(device)], packed[:, 3:7])
    means = torch.einsum("nij,nj->ni", rotation, packed[:, :3]) + place
    distance = means.norm(dim=1, keepdim=True)
    coefficients = packed[:, 11:].reshape(len(packed), -1, 3)
    basis = spherical_harmonics(torch.einsum("nji,nj->ni", rotation, means / distance), coefficients.shape[1])
    channels = [(0.5 + torch.einsum("nk,nkc->nc", basis, coefficients)).clamp(min=0), distance]
    if normals:
        axes = rotation_matrices(quaternions)
        normal = axes[torch.arange(len(packed), device=device), :, packed[:, 7:10].argmin(dim=1)]
        channels.append(torch.where((normal * means).sum(dim=1, keepdim=True) > 0, -normal, normal))
    return {
        "means": means,
        "quats": quaternions,
        "scales": packed[:, 7:10].exp(),
        "opacities": packed[:, 10].sigmoid(),
        "colors": torch.cat(channels, dim=1),
    }


def _quaternion_product(left: Tensor, right: Tensor) -> Tensor:
    """Product of wxyz quaternions [N, 4], the right rotation applied first."""
    a, b, c, d = left.unbind(1)
    w, x, y, z = right.unbind(1)
    rows = [a * w - b * x - c * y - d * z, a * x + b * w + c * z - d * y]
    rows += [a * y - b * z + c * w + d * x, a * z + b * y - c * x + d * w]
    return torch.stack(rows, dim=1)
