"""A differentiable torch backend behind the interface of `NativeRasterizer`, so that one training loop drives both.

Made for gsplat on CUDA; with the plain torch reference in gsplat's place it is tested without a GPU.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avrec.errors import AvrecError
from avrec.gaussians.sky import sky_taps
from avrec.raster.native import NativeRasterizer
from avrec.raster.native.lens import ray_table
from avrec.raster.view import RasterSettings, View

__all__ = ["AutogradRasterizer"]

Float32 = NDArray[np.float32]


class AutogradRasterizer:
    """Projects, blends and differentiates through torch; looks up the sky with the CPU kernel.

    No gradient reaches poses: gsplat has none in its 3DGUT mode.
    """

    pose_gradients = False

    def __init__(self, render: Callable[..., dict[str, Tensor]]) -> None:
        """Args: render: such as `rasterize_cuda` or `reference_rasterize`."""
        self._render = render
        self._lens = NativeRasterizer()
        self._packed: Float32 = np.zeros((0, 14), np.float32)
        self._request: dict[str, Any] = {}
        self._columns = 0
        self._leaf: Tensor | None = None
        self._behind: Tensor | None = None
        self._out: dict[str, Tensor] = {}
        self._v_behind: Float32 | None = None

    def project(
        self,
        packed: Float32,
        view: View,
        *,
        body: NDArray[np.int32] | None = None,
        sh_coefficients: int | None = None,
        settings: RasterSettings = RasterSettings(),  # noqa: B008  (frozen)
    ) -> int:
        """Take up Gaussians and a view; see `NativeRasterizer.project`. All Gaussians count as visible."""
        self._lens.look(view, margin=settings.margin)
        available = (packed.shape[1] - 11) // 3
        used = available if sh_coefficients is None else min(sh_coefficients, available)
        # gsplat has its own thresholds built in and refuses others.
        self._request = {"view": view, "body": body, "settings": RasterSettings(near_m=settings.near_m)}
        self._packed, self._columns, self._out = packed, 11 + 3 * used, {}
        return len(packed)

    def forward(self, background: Float32, *, depth: bool = False) -> dict[str, Float32]:
        """Blend front to back over a background [H, W, 3]: ``rgb``, ``alpha`` and, with depth, ``depth_sum``."""
        if not self._request:
            raise AvrecError("Call project first.")
        self._leaf = torch.from_numpy(self._packed[:, : self._columns].copy()).requires_grad_()
        self._behind = torch.from_numpy(np.ascontiguousarray(background, np.float32)).requires_grad_()
        self._out = self._render(self._leaf, background=self._behind, **self._request)
        wanted = ("rgb", "alpha", "depth_sum") if depth else ("rgb", "alpha")
        return {name: np.asarray(self._out[name].detach().cpu().numpy(), np.float32) for name in wanted}

    def backward(
        self,
        v_rgb: Float32,
        *,
        v_alpha: Float32 | None = None,
        v_depth: Float32 | None = None,
        pose: bool = False,
    ) -> tuple[NDArray[np.uint32], Float32, None]:
        """Gradients of the last `forward`: ids of the Gaussians that have one, and it; see `NativeRasterizer`.

        Raises:
            AvrecError: gradients by poses, or nothing was blended.
        """
        if pose:
            raise AvrecError("This backend has no gradient by poses. Refine them with the CPU backend.")
        if not self._out or self._leaf is None or self._behind is None:
            raise AvrecError("Call forward first.")
        outputs, gradients = [], []
        for name, value in (("rgb", v_rgb), ("alpha", v_alpha), ("depth_sum", v_depth)):
            if value is not None:
                outputs.append(self._out[name])
                gradients.append(torch.from_numpy(value).to(self._out[name]))
        by_packed, by_behind = torch.autograd.grad(outputs, [self._leaf, self._behind], gradients, allow_unused=True)
        self._v_behind = None if by_behind is None else np.asarray(by_behind.cpu().numpy(), np.float32)
        full = np.zeros_like(self._packed)
        if by_packed is not None:
            full[:, : self._columns] = by_packed.cpu().numpy()
        ids = np.flatnonzero(full.any(axis=1))
        return ids.astype(np.uint32), full[ids], None

    def sky(self, cubemap: Float32) -> Float32:
        """The sky behind each pixel, float32 [H, W, 3]."""
        return self._lens.sky(cubemap)

    def sky_gradient(self, v_rgb: Float32, like: Float32) -> Float32:
        """Gradient by the cubemap ``like`` behind the last `forward`, after `backward`."""
        if self._v_behind is None:
            raise AvrecError("Call backward first.")
        view: View = self._request["view"]
        # Each line looks its own way.
        turn = view.rotation.astype(np.float64)
        if view.axis == "rows":
            turn = turn[:, None]
        elif view.axis == "columns":
            turn = turn[None]
        directions = np.einsum("...ij,...j->...i", turn, ray_table(view.camera).astype(np.float64))
        indices, weights = sky_taps(like.shape[1], directions)
        weights = np.nan_to_num(weights)
        out = np.zeros((like[..., 0].size, 3))
        for tap in range(4):
            for channel in range(3):
                out[:, channel] += np.bincount(
                    indices[..., tap].ravel(),
                    (weights[..., tap] * self._v_behind[..., channel]).ravel(),
                    minlength=len(out),
                )
        return np.ascontiguousarray(out.reshape(like.shape), np.float32)
