"""The kernel behind typed arrays: project once, blend as often as needed, then gradients."""

from __future__ import annotations

from dataclasses import astuple
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avrec.errors import DataError
from avrec.raster.native.kernel import kernel
from avrec.raster.native.lens import camera_numbers, frustum_tangents, line_tables, ray_table
from avrec.raster.view import RasterSettings, View

__all__ = ["NativeRasterizer", "rasterize_with_gradients"]

Float32 = NDArray[np.float32]

_AXES = {"none": 0, "rows": 1, "columns": 2}


class NativeRasterizer:
    """One picture at a time, with buffers kept from picture to picture.

    Use: `project`, then any number of `forward` calls (the projection is shared), then `backward` for the last one.
    Not safe to use from several threads at once.
    """

    def __init__(self) -> None:
        self._kernel = kernel().Rasterizer()
        self._view: View | None = None
        self._packed: Float32 = np.zeros((0, 14), np.float32)
        self._outputs: dict[str, Float32] = {}

    def look(self, view: View, *, margin: float = 0.1) -> None:
        """Set camera and poses; `project` does this itself unless told that the view is set."""
        table, middle = line_tables(view)
        self._kernel.look(
            camera_numbers(view.camera),
            _AXES[view.axis],
            table,
            middle,
            ray_table(view.camera),
            frustum_tangents(view.camera, margin),
        )
        self._view = view

    def project(
        self,
        packed: Float32,
        view: View,
        *,
        body: NDArray[np.int32] | None = None,
        sh_coefficients: int | None = None,
        settings: RasterSettings = RasterSettings(),  # noqa: B008  (frozen)
    ) -> int:
        """Find the visible Gaussians, their order and tile lists.

        Args:
            packed: float32 [N, 11 + 3K] as in `Gaussians.packed`.
            view: camera and poses.
            body: int32 [N] body of each Gaussian, 0 = world; None: all in the world.
            sh_coefficients: how many of the K coefficients to use; None: all.
            settings: thresholds.

        Returns:
            Number of visible Gaussians.

        Raises:
            DataError: arrays of another shape, or a body that the view has no pose of.
        """
        if packed.dtype != np.float32 or packed.ndim != 2 or not packed.flags.c_contiguous or packed.shape[1] < 14:
            raise DataError(f"Gaussians must be contiguous float32 [N, 11 + 3K], found {packed.dtype} {packed.shape}.")
        if len(view.origin) != {"none": 1, "rows": view.camera.height, "columns": view.camera.width}[view.axis]:
            raise DataError(f"A view with shutter axis '{view.axis}' cannot have {len(view.origin)} lines.")
        if body is not None:
            if body.shape != (len(packed),) or body.dtype != np.int32:
                raise DataError(f"Body indices must be int32 [{len(packed)}], found {body.dtype} {body.shape}.")
            if len(body) and not 0 <= int(body.min()) <= int(body.max()) <= len(view.bodies):
                raise DataError(f"Body index {int(body.max())} has no pose: the view has {len(view.bodies)} bodies.")
        available = (packed.shape[1] - 11) // 3
        self.look(view, margin=settings.margin)
        self._packed = packed
        numbers = [float(value) for value in astuple(settings)]
        return int(self._kernel.project(packed, body, min(sh_coefficients or available, available), numbers))

    def forward(self, background: Float32 | None = None, *, depth: bool = False) -> dict[str, Float32]:
        """Blend front to back.

        Args:
            background: float32 [3] or [H, W, 3]; None is black.
            depth: also accumulate distances.

        Returns:
            ``rgb`` [H, W, 3], ``alpha`` [H, W] and, with depth, ``depth_sum`` (sum of w t) and ``median_depth``
            (NaN where the transmittance never falls below one half), all float32.
        """
        assert self._view is not None
        height, width = self._view.camera.height, self._view.camera.width
        out = {"rgb": np.empty((height, width, 3), np.float32), "alpha": np.empty((height, width), np.float32)}
        if depth:
            out["depth_sum"] = np.empty((height, width), np.float32)
            out["median_depth"] = np.empty((height, width), np.float32)
        behind = np.zeros(3, np.float32) if background is None else np.ascontiguousarray(background, np.float32)
        if behind.shape not in ((3,), (height, width, 3)):
            raise DataError(f"The background must be [3] or [{height}, {width}, 3], found {list(behind.shape)}.")
        self._kernel.forward(behind, out["rgb"], out["alpha"], out.get("depth_sum"), out.get("median_depth"))
        self._outputs = out
        return out

    def set_colors(self, colors: Float32) -> None:
        """Replace the Gaussians' colours, float32 [N, 3], for the next `forward` (no gradient to SH follows)."""
        self._kernel.set_colors(np.ascontiguousarray(colors, np.float32))

    def backward(
        self,
        v_rgb: Float32,
        *,
        v_alpha: Float32 | None = None,
        v_depth: Float32 | None = None,
        pose: bool = False,
    ) -> tuple[NDArray[np.uint32], Float32, Float32 | None]:
        """Gradients of the last `forward`.

        Args:
            v_rgb, v_alpha, v_depth: float32 gradients by rgb, alpha and depth_sum.
            pose: also by the poses.

        Returns:
            Ids uint32 [V] of the visible Gaussians, ascending; gradients float32 [V, 11 + 3K] by their packed rows;
            and float32 [L, 12] by the rotation (9, row-major) and origin (3) of each line of the view, or None.
        """
        assert self._view is not None
        ids = self._kernel.ids()
        gradients = np.empty((len(ids), self._packed.shape[1]), np.float32)
        lines = np.empty((self._view.lines, 12), np.float32) if pose else None
        out = self._outputs
        self._kernel.backward(
            v_rgb, v_alpha, v_depth, out["rgb"], out.get("depth_sum") if v_depth is not None else None, gradients, lines
        )
        return ids, gradients, lines

    def sky(self, cubemap: Float32) -> Float32:
        """The sky behind each pixel, float32 [H, W, 3], for the view last projected (or looked at)."""
        assert self._view is not None
        out = np.empty((self._view.camera.height, self._view.camera.width, 3), np.float32)
        self._kernel.sky(cubemap, out)
        return out

    def sky_gradient(self, v_rgb: Float32, like: Float32) -> Float32:
        """Gradient by the cubemap behind the last `forward`."""
        out = np.empty_like(like)
        self._kernel.sky_gradient(v_rgb, out)
        return out

    def ids(self) -> NDArray[np.uint32]:
        """Ids of the visible Gaussians, ascending."""
        ids: NDArray[np.uint32] = self._kernel.ids()
        return ids

    def bounds(self) -> Float32:
        """Per visible Gaussian: mean u v, conic a b c, squared extent, half sizes; float32 [V, 8]."""
        bounds: Float32 = self._kernel.bounds().reshape(-1, 8)
        return bounds

    def tile_lists(self) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
        """Start of each 16 x 16 tile's list, uint32 [tiles + 1], and the lists of ids in depth order."""
        starts, ids = self._kernel.tile_lists()
        return starts, ids

    @property
    def intersections(self) -> int:
        """Number of (tile, Gaussian) pairs."""
        return int(self._kernel.intersections)


def rasterize_with_gradients(
    packed: Float32,
    view: View,
    *,
    body: NDArray[np.int32] | None = None,
    background: Float32 | None = None,
    settings: RasterSettings = RasterSettings(),  # noqa: B008  (frozen)
    v_rgb: Float32,
    v_alpha: Float32,
    v_depth: Float32,
) -> dict[str, Any]:
    """Picture and gradients of ``sum(v_rgb rgb) + sum(v_alpha alpha) + sum(v_depth depth_sum)`` in one call.

    Returns:
        rgb, alpha, depth_sum, median_depth, v_packed [N, 11 + 3K], v_rotation [L, 3, 3], v_origin [L, 3].
    """
    rasterizer = NativeRasterizer()
    rasterizer.project(packed, view, body=body, settings=settings)
    out: dict[str, Any] = dict(rasterizer.forward(background, depth=True))
    ids, gradients, lines = rasterizer.backward(v_rgb, v_alpha=v_alpha, v_depth=v_depth, pose=True)
    assert lines is not None
    out["v_packed"] = np.zeros_like(packed)
    out["v_packed"][ids] = gradients
    out["v_rotation"], out["v_origin"] = lines[:, :9].reshape(-1, 3, 3), lines[:, 9:]
    return out
