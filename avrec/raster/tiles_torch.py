"""The named rival of the CPU kernel: the same tile lists and thresholds in float32 torch, autograd tile by tile.

This is what rendering 3DGUT without a kernel costs: dense tensors [pixels, Gaussians of the tile], no early end. It is
written without avoidable slowness (rays and activations are shared, ray origins stay per shutter line, gradients of a
tile go straight to its own Gaussians), and it can run a sample of the tiles, from which a benchmark extrapolates by the
number of (tile, Gaussian) intersections.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avrec.raster.reference import rotation_matrices, spherical_harmonics
from avrec.raster.reference_projection import TILE, camera_table
from avrec.raster.view import RasterSettings, View

__all__ = ["TileRun", "run_tiles", "sample_tiles"]

_COLUMNS = 16  # of an activated Gaussian: mean 3, whitening 9, opacity 1, colour 3


@dataclass(frozen=True)
class TileRun:
    """Result and cost of a run over some tiles.

    Attributes:
        rgb: float32 [H, W, 3]; NaN in tiles that did not run.
        alpha: float32 [H, W]; likewise.
        gradient: float32 [N, 11 + 3K] of sum(v_rgb * rgb) over the tiles that ran; None without ``v_rgb``.
        tiles, intersections: how many ran.
        all_tiles, all_intersections: how many the picture has.
        forward_s, backward_s: seconds spent in tiles.
        shared_forward_s, shared_backward_s: seconds spent once, however many tiles run (activations).
    """

    rgb: Tensor
    alpha: Tensor
    gradient: Tensor | None
    tiles: int
    all_tiles: int
    intersections: int
    all_intersections: int
    forward_s: float
    backward_s: float
    shared_forward_s: float
    shared_backward_s: float

    @property
    def picture_forward_s(self) -> float:
        """Seconds for the forward pass of the whole picture, extrapolated by intersections."""
        return self.shared_forward_s + self.forward_s * self.all_intersections / max(self.intersections, 1)

    @property
    def picture_backward_s(self) -> float:
        """Seconds for the backward pass of the whole picture, extrapolated by intersections."""
        return self.shared_backward_s + self.backward_s * self.all_intersections / max(self.intersections, 1)


def sample_tiles(starts: NDArray[np.unsignedinteger], fraction: float = 0.05, *, seed: int = 0) -> NDArray[np.int64]:
    """Random tiles, at least ``fraction`` of all and holding at least that part of the intersections.

    Args:
        starts: [tiles + 1], where each tile's list starts.
        fraction: smallest part of the tiles and of the intersections, 0..1.
        seed: of the draw.

    Returns:
        int64 indices, ascending.
    """
    counts = np.diff(starts.astype(np.int64))
    order = np.random.default_rng(seed).permutation(len(counts))
    enough = np.searchsorted(np.cumsum(counts[order]), fraction * counts.sum()) + 1
    return np.sort(order[: max(int(np.ceil(fraction * len(counts))), int(enough))])


def run_tiles(
    packed: Tensor,
    view: View,
    starts: NDArray[np.unsignedinteger],
    ids: NDArray[np.unsignedinteger],
    *,
    tiles: NDArray[np.int64] | None = None,
    body: NDArray[np.integer] | None = None,
    background: Tensor | None = None,
    settings: RasterSettings | None = None,
    v_rgb: Tensor | None = None,
) -> TileRun:
    """Blend tiles forward and, given ``v_rgb``, backward; uses as many threads as torch is set to.

    Args:
        packed: float32 [N, 11 + 3K], pre-activation.
        view: camera and poses; no gradient reaches the poses.
        starts: [tiles + 1], where each tile's list starts; tiles are numbered row by row.
        ids: Gaussians of each tile in depth order.
        tiles: which to run; all when None.
        body: integers [N], 0 for the world, b for ``view.bodies[b - 1]``; all 0 when None.
        background: float32 [3], black when None.
        settings: thresholds (the bounds are the lists' own).
        v_rgb: float32 [H, W, 3], gradient of the loss by the picture.
    """
    settings = settings or RasterSettings()
    height, width = view.camera.height, view.camera.width
    across = -(-width // TILE)
    chosen = np.arange(len(starts) - 1) if tiles is None else tiles
    bodies = torch.zeros(len(packed), dtype=torch.int64) if body is None else torch.from_numpy(body.astype(np.int64))
    behind = torch.zeros(3) if background is None else background
    rays = _rays(view)
    rgb, alpha = torch.full((height, width, 3), torch.nan), torch.full((height, width), torch.nan)
    clock = dict.fromkeys(("forward", "backward", "shared_forward", "shared_backward"), 0.0)

    leaf = packed.detach().requires_grad_(v_rgb is not None)
    began = time.perf_counter()
    activated = _activate(leaf, bodies, rays)
    values = activated.detach()
    clock["shared_forward"] = time.perf_counter() - began
    gradient = torch.zeros_like(values) if v_rgb is not None else None
    total = 0
    for tile in chosen:
        top, left = int(tile) // across * TILE, int(tile) % across * TILE
        box = np.s_[top : min(top + TILE, height), left : min(left + TILE, width)]
        members = torch.from_numpy(ids[int(starts[tile]) : int(starts[tile + 1])].astype(np.int64))
        total += len(members)
        began = time.perf_counter()
        own = values[members].requires_grad_(gradient is not None)
        color, opaque = _blend(own, bodies[members], _tile_rays(rays, view, box), settings)
        color = color + (1 - opaque)[..., None] * behind
        middle = time.perf_counter()
        if gradient is not None and v_rgb is not None and len(members):
            (mine,) = torch.autograd.grad(color, own, v_rgb[box])
            gradient.index_add_(0, members, mine)
        clock["forward"] += middle - began
        clock["backward"] += time.perf_counter() - middle
        rgb[box], alpha[box] = color.detach(), opaque.detach()
    began = time.perf_counter()
    packed_gradient = None if gradient is None else torch.autograd.grad(activated, leaf, gradient)[0]
    clock["shared_backward"] = time.perf_counter() - began
    return TileRun(
        rgb=rgb,
        alpha=alpha,
        gradient=packed_gradient,
        tiles=len(chosen),
        all_tiles=len(starts) - 1,
        intersections=total,
        all_intersections=int(starts[-1]),
        forward_s=clock["forward"],
        backward_s=clock["backward"],
        shared_forward_s=clock["shared_forward"],
        shared_backward_s=clock["shared_backward"],
    )


@dataclass(frozen=True)
class _Rays:
    """Rays in every frame (0 the world, b the body b - 1): directions [1 + B, H, W, 3], origins [1 + B, L, 3]."""

    direction: Tensor
    origin: Tensor


def _rays(view: View) -> _Rays:
    """Unit rays of all pixels at their own lines; zero where the camera has no ray."""
    camera_rays, valid = view.camera.pixel_rays()
    camera_rays = np.where(valid[..., None], camera_rays, 0.0)
    subscripts = {"rows": "hij,hwj->hwi", "columns": "wij,hwj->hwi", "none": "xij,hwj->hwi"}[view.axis]
    tables = [camera_table(view, b) for b in range(1 + len(view.bodies))]
    directions = [np.einsum(subscripts, rotation, camera_rays) for rotation, _ in tables]
    origins = [origin for _, origin in tables]
    return _Rays(torch.tensor(np.stack(directions)).float(), torch.tensor(np.stack(origins)).float())


def _tile_rays(rays: _Rays, view: View, box: tuple[slice, slice]) -> _Rays:
    """A tile's part: directions [1 + B, R, C, 3] and origins that broadcast against them."""
    origin = {"rows": rays.origin[:, box[0], None], "columns": rays.origin[:, None, box[1]]}
    return _Rays(rays.direction[:, box[0], box[1]], origin.get(view.axis, rays.origin[:, None]))


def _activate(packed: Tensor, body: Tensor, rays: _Rays) -> Tensor:
    """Rows of 16: mean, whitening matrix diag(1/s) R^T, opacity, colour as seen from the middle line."""
    lines = rays.origin.shape[1]
    viewpoint = 0.5 * (rays.origin[:, (lines - 1) // 2] + rays.origin[:, lines // 2])
    sight = packed[:, :3] - viewpoint[body]
    coefficients = packed[:, 11:].reshape(len(packed), -1, 3)
    basis = spherical_harmonics(sight / sight.norm(dim=1, keepdim=True), coefficients.shape[1])
    color = (0.5 + (basis[:, :, None] * coefficients).sum(dim=1)).clamp(min=0)
    whitening = rotation_matrices(packed[:, 3:7]).transpose(1, 2) * (-packed[:, 7:10]).exp()[:, :, None]
    return torch.cat([packed[:, :3], whitening.flatten(1), packed[:, 10:11].sigmoid(), color], dim=1)


def _blend(own: Tensor, body: Tensor, rays: _Rays, settings: RasterSettings) -> tuple[Tensor, Tensor]:
    """Colour [R, C, 3] and alpha [R, C] of activated Gaussians [n, 16], front to back."""
    frames = sorted(set(body.tolist())) if len(rays.direction) > 1 and len(body) else [0]
    if len(frames) == 1:
        raw, along = _respond(own, rays.direction[frames[0]], rays.origin[frames[0]])
    else:
        picks = [torch.nonzero(body == frame)[:, 0] for frame in frames]
        parts = [_respond(own[p], rays.direction[b], rays.origin[b]) for p, b in zip(picks, frames, strict=True)]
        back = torch.cat(picks).argsort()
        raw, along = (torch.cat([part[i] for part in parts], dim=2)[..., back] for i in (0, 1))
    alpha = raw.clamp(max=settings.max_alpha)
    alpha = torch.where((alpha >= settings.min_alpha) & (along >= 0), alpha, 0.0)
    after = torch.cumprod(1 - alpha, dim=2)
    before = torch.cat([torch.ones_like(after[..., :1]), after[..., :-1]], dim=2)
    weight = torch.where(after > settings.min_transmittance, alpha * before, 0.0)
    return weight @ own[:, 13:_COLUMNS], weight.sum(dim=2)


def _respond(own: Tensor, direction: Tensor, origin: Tensor) -> tuple[Tensor, Tensor]:
    """Opacity times response, and the (detached) distance of the maximum, both [R, C, n]."""
    whitening = own[:, 3:12].reshape(-1, 3, 3)
    dx, dy, dz = (direction @ whitening[:, k].T for k in range(3))
    offset = origin[:, :, None] - own[:, :3]  # [R or 1, C or 1, n, 3]: few origins, never one per pixel
    ox, oy, oz = ((offset * whitening[:, k]).sum(dim=3) for k in range(3))
    norm2 = dx * dx + dy * dy + dz * dz
    cross2 = (dy * oz - dz * oy).square() + (dz * ox - dx * oz).square() + (dx * oy - dy * ox).square()
    seen = norm2 > 0  # a pixel without a ray sees nothing
    response = torch.exp(-0.5 * cross2 / torch.where(seen, norm2, 1.0))
    with torch.no_grad():
        along = torch.where(seen, -(dx * ox + dy * oy + dz * oz), -1.0)
    return own[:, 12] * response, along
