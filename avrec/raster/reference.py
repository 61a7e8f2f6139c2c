"""3DGUT in plain torch, float64 and autograd: the judge of the fast kernels, not a way to render.

Reads like the paper: rays per pixel at their own shutter line, the Gaussian's response in 3-D along the ray,
front-to-back blending in the order of mid-shutter depth. Which pixels look at which Gaussian comes from
`avrec.raster.reference_projection` and carries no gradient.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avrec.errors import DataError
from avrec.raster.reference_projection import TILE, project_gaussians, tile_lists
from avrec.raster.view import RasterSettings, View

__all__ = ["reference_rasterize", "rotation_matrices", "spherical_harmonics"]

_FRAGILE = 1e-4  # relative distance to a threshold below which float32 may decide otherwise


@dataclass(frozen=True)
class _Cloud:
    """Activated parameters, each row in its own body's frame."""

    mean: Tensor  # [N, 3] metres
    axes: Tensor  # [N, 3, 3] rotation, columns are the principal axes
    scale: Tensor  # [N, 3] metres
    opacity: Tensor  # [N]
    color: Tensor  # [N, 3]
    normal: Tensor  # [N, 3] in the world frame


@dataclass(frozen=True)
class _Rays:
    """Rays of a tile's pixels in every frame: ``origin[b, p]``, ``direction[b, p]``, b = 0 the world."""

    origin: Tensor  # [1 + B, P, 3]
    direction: Tensor  # [1 + B, P, 3]


def reference_rasterize(
    gaussians_packed: Tensor,
    view: View,
    *,
    body: NDArray[np.integer[Any]] | None = None,
    background: Tensor | None = None,
    settings: RasterSettings | None = None,
    normals: bool = False,
    rotation: Tensor | None = None,
    origin: Tensor | None = None,
    dtype: torch.dtype = torch.float64,
) -> dict[str, Tensor]:
    """Render a view by the book; differentiable in the Gaussians, the pose table and the background.

    Args:
        gaussians_packed: [N, 11 + 3K], pre-activation (see `avrec.gaussians.cloud.Gaussians`).
        view: camera, pose table, bodies. Its poses are used for the bounds, and for the rays unless given below.
        body: integers [N], 0 for the world, b for ``view.bodies[b - 1]``; all 0 when None.
        background: [3] or [H, W, 3], black when None.
        settings: thresholds; the defaults when None.
        normals: also blend normals.
        rotation: [L, 3, 3] world_from_camera per line, to take gradients of; entries are independent variables and
            rays are *not* renormalised.
        origin: [L, 3] metres, to take gradients of.
        dtype: of the computation and of the answer.

    Returns:
        ``rgb`` [H, W, 3]; ``alpha`` [H, W]; ``depth_sum`` [H, W], the sum of weight times distance, metres;
        ``depth`` [H, W], depth_sum / alpha, NaN where alpha is 0; ``median_depth`` [H, W], distance of the Gaussian
        that takes the transmittance below one half, NaN where none does; ``normal`` [H, W, 3] (world frame, unit
        length, NaN where alpha is 0) if asked for; ``fragile`` bool [H, W], pixels so close to a threshold that
        float32 may decide otherwise.

    Raises:
        DataError: array shapes do not fit each other.
    """
    settings = settings or RasterSettings()
    width, height = view.camera.width, view.camera.height
    packed = gaussians_packed.to(dtype)
    bodies = np.zeros(len(packed), np.int64) if body is None else np.asarray(body, np.int64)
    if len(bodies) != len(packed) or (len(bodies) and not 0 <= bodies.min() <= bodies.max() <= len(view.bodies)):
        raise DataError(f"Body indices must be {len(packed)} numbers in 0..{len(view.bodies)}.")
    rotation = (torch.tensor(view.rotation) if rotation is None else rotation).to(dtype)
    origin = (torch.tensor(view.origin) if origin is None else origin).to(dtype)
    background = torch.zeros(3, dtype=dtype) if background is None else background.to(dtype)
    background = background.expand(height, width, 3)

    frames = _frames_from_world(view, dtype)
    cloud = _activate(packed, torch.from_numpy(bodies), frames, origin)
    projected = project_gaussians(gaussians_packed.detach().double().numpy(), view, bodies, settings)
    lists = tile_lists(projected, width, height)
    camera_rays, camera_valid = view.camera.pixel_rays()
    camera_rays = np.where(camera_valid[..., None], camera_rays, [0.0, 0.0, 1.0])  # NaN would spoil the gradients
    rows = []
    for tile_row, row_lists in enumerate(lists):
        columns = []
        for tile_column, members in enumerate(row_lists):
            box = np.s_[tile_row * TILE : (tile_row + 1) * TILE, tile_column * TILE : (tile_column + 1) * TILE]
            directions = torch.tensor(camera_rays[box], dtype=dtype)
            seen = torch.tensor(camera_valid[box]).reshape(-1)
            rays = _rays(directions, _lines(box, view, directions.shape[:2]), rotation, origin, frames)
            tile = _blend(
                cloud, torch.from_numpy(members), torch.from_numpy(bodies[members]), rays, seen, settings, normals
            )
            tile["rgb"] = tile["rgb"] + (1 - tile["alpha"])[:, None] * background[box].reshape(-1, 3)
            columns.append({key: value.reshape(*directions.shape[:2], *value.shape[1:]) for key, value in tile.items()})
        rows.append({key: torch.cat([column[key] for column in columns], dim=1) for key in columns[0]})
    return {key: torch.cat([row[key] for row in rows], dim=0) for key in rows[0]}


def rotation_matrices(quaternions: Tensor) -> Tensor:
    """Rotation matrices [N, 3, 3] of wxyz quaternions [N, 4] of any length but zero."""
    w, x, y, z = (quaternions / quaternions.norm(dim=1, keepdim=True)).unbind(1)
    rows = [
        torch.stack([1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)], dim=1),
        torch.stack([2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)], dim=1),
        torch.stack([2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)], dim=1),
    ]
    return torch.stack(rows, dim=1)


def spherical_harmonics(directions: Tensor, coefficients: int) -> Tensor:
    """Real spherical harmonics [N, K] at unit directions [N, 3], K = 1, 4, 9 or 16, with 3DGS' signs and order."""
    x, y, z = directions.unbind(1)
    pi = math.pi
    basis = [torch.full_like(x, math.sqrt(1 / (4 * pi)))]
    if coefficients >= 4:
        basis += [math.sqrt(3 / (4 * pi)) * term for term in (-y, z, -x)]
    if coefficients >= 9:
        basis += [math.sqrt(15 / (4 * pi)) * term for term in (x * y, -y * z)]
        basis += [math.sqrt(5 / (16 * pi)) * (2 * z * z - x * x - y * y), -math.sqrt(15 / (4 * pi)) * x * z]
        basis += [math.sqrt(15 / (16 * pi)) * (x * x - y * y)]
    if coefficients >= 16:
        basis += [-math.sqrt(35 / (32 * pi)) * y * (3 * x * x - y * y), math.sqrt(105 / (4 * pi)) * x * y * z]
        basis += [-math.sqrt(21 / (32 * pi)) * y * (4 * z * z - x * x - y * y)]
        basis += [math.sqrt(7 / (16 * pi)) * z * (2 * z * z - 3 * x * x - 3 * y * y)]
        basis += [-math.sqrt(21 / (32 * pi)) * x * (4 * z * z - x * x - y * y)]
        basis += [math.sqrt(105 / (16 * pi)) * z * (x * x - y * y)]
        basis += [-math.sqrt(35 / (32 * pi)) * x * (x * x - 3 * y * y)]
    return torch.stack(basis, dim=1)


def _frames_from_world(view: View, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Body-from-world rotations [1 + B, L, 3, 3] and body origins in the world [1 + B, L, 3]; index 0 is the world."""
    rotation = np.tile(np.eye(3), (1 + len(view.bodies), view.lines, 1, 1))
    center = np.zeros((1 + len(view.bodies), view.lines, 3))
    rotation[1:] = np.swapaxes(view.bodies[:, :, :3, :3], -1, -2)
    center[1:] = view.bodies[:, :, :3, 3]
    return torch.from_numpy(rotation).to(dtype), torch.from_numpy(center).to(dtype)


def _activate(packed: Tensor, body: Tensor, frames: tuple[Tensor, Tensor], origin: Tensor) -> _Cloud:
    """Parameters after their activations; colour and normal as seen from the camera at the middle line."""
    frame_rotation, frame_center = frames
    mean, axes, scale = packed[:, :3], rotation_matrices(packed[:, 3:7]), packed[:, 7:10].exp()
    viewpoint = torch.einsum("blij,blj->bli", frame_rotation, origin[None] - frame_center)
    first, last = (origin.shape[0] - 1) // 2, origin.shape[0] // 2  # the same line twice where L is odd
    sight = mean - (0.5 * (viewpoint[:, first] + viewpoint[:, last]))[body]
    coefficients = packed[:, 11:].reshape(len(packed), (packed.shape[1] - 11) // 3, 3)
    basis = spherical_harmonics(sight / sight.norm(dim=1, keepdim=True), coefficients.shape[1])
    color = (0.5 + torch.einsum("nk,nkc->nc", basis, coefficients)).clamp(min=0)

    thin = scale.argmin(dim=1)
    normal = axes[torch.arange(len(packed)), :, thin]
    normal = torch.where((normal * sight).sum(dim=1, keepdim=True) > 0, -normal, normal)
    world_from_frame = 0.5 * (frame_rotation[:, first] + frame_rotation[:, last]).transpose(1, 2)
    normal = torch.einsum("nij,nj->ni", world_from_frame[body], normal)
    return _Cloud(mean, axes, scale, packed[:, 10].sigmoid(), color, normal)


def _lines(box: tuple[slice, slice], view: View, shape: torch.Size) -> Tensor:
    """Shutter line of each pixel of a tile, int64 [P]."""
    rows = torch.arange(shape[0])[:, None] + box[0].start
    columns = torch.arange(shape[1])[None] + box[1].start
    lines: Tensor = {"rows": rows, "columns": columns, "none": torch.zeros((1, 1), dtype=torch.int64)}[view.axis]
    return lines.expand(shape).reshape(-1)


def _rays(directions: Tensor, lines: Tensor, rotation: Tensor, origin: Tensor, frames: tuple[Tensor, Tensor]) -> _Rays:
    """World rays of a tile's pixels at their own lines, then the same rays in every body's frame."""
    frame_rotation, frame_center = (part[:, lines] for part in frames)
    direction = torch.einsum("pij,pj->pi", rotation[lines], directions.reshape(-1, 3))
    return _Rays(
        torch.einsum("bpij,bpj->bpi", frame_rotation, origin[lines] - frame_center),
        torch.einsum("bpij,pj->bpi", frame_rotation, direction),
    )


def _blend(
    cloud: _Cloud, members: Tensor, body: Tensor, rays: _Rays, seen: Tensor, settings: RasterSettings, normals: bool
) -> dict[str, Tensor]:
    """Response of ``members`` (front to back) along the rays of P pixels, and their blend."""
    whitening = cloud.axes[members].transpose(1, 2) / cloud.scale[members][:, :, None]  # diag(1/s) R^T, [n, 3, 3]
    offset = rays.origin[body] - cloud.mean[members][:, None]
    start = torch.einsum("nij,npj->npi", whitening, offset)  # canonical frame: the Gaussian is the unit sphere
    slope = torch.einsum("nij,npj->npi", whitening, rays.direction[body])
    slope2 = (slope * slope).sum(dim=2)
    distance2 = torch.linalg.cross(slope, start).square().sum(dim=2) / slope2
    along = (-(slope * start).sum(dim=2) / slope2).T  # [P, n]
    raw = cloud.opacity[members] * torch.exp(-0.5 * distance2).T
    alpha = raw.clamp(max=settings.max_alpha)
    takes_part = (along >= 0) & (alpha >= settings.min_alpha) & seen[:, None]
    alpha = torch.where(takes_part, alpha, 0.0)

    after = torch.cumprod(1 - alpha, dim=1)
    before = torch.cat([torch.ones_like(after[:, :1]), after[:, :-1]], dim=1)
    unfinished = after > settings.min_transmittance
    weight = alpha * before * unfinished
    total = weight.sum(dim=1)
    depth_sum = (weight * torch.where(takes_part, along, 0.0)).sum(dim=1)
    crossing = takes_part & unfinished & (after < 0.5) & (before >= 0.5)
    answer = {
        "rgb": weight @ cloud.color[members],
        "alpha": total,
        "depth_sum": depth_sum,
        "depth": torch.where(total > 0, depth_sum / torch.where(total > 0, total, 1.0), math.nan),
        "median_depth": torch.where(crossing.any(dim=1), (along * crossing).detach().nan_to_num().sum(dim=1), math.nan),
    }
    if normals:
        blended = weight @ cloud.normal[members]
        length = blended.norm(dim=1, keepdim=True)
        answer["normal"] = torch.where(length > 0, blended / torch.where(length > 0, length, 1.0), math.nan)

    def near(value: Tensor, threshold: float) -> Tensor:
        return (value - threshold).abs() < _FRAGILE * threshold

    alive = before > settings.min_transmittance * (1 - _FRAGILE)
    close = (near(raw, settings.min_alpha) & (along > -_FRAGILE)) | (near(raw, settings.max_alpha) & takes_part)
    close |= (along.abs() < _FRAGILE) & (raw > settings.min_alpha)
    close |= takes_part & near(after, settings.min_transmittance)
    answer["fragile"] = (close & alive).any(dim=1)
    return answer
