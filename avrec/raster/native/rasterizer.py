"""The kernel behind typed arrays: project once, blend as often as needed, then gradients."""

from __future__ import annotations

from dataclasses import astuple
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avrec.errors import AvrecError, DataError
from avrec.raster.native.checks import check_array, check_body, check_packed, check_settings, check_view
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

    pose_gradients = True

    def __init__(self) -> None:
        self._kernel = kernel().Rasterizer()
        self._view: View | None = None
        self._packed: Float32 = np.zeros((0, 14), np.float32)
        self._outputs: dict[str, Float32] = {}
        self._projected = False

    def look(self, view: View, *, margin: float = 0.1) -> None:
        """Set camera and poses for `sky` alone; `project` does this itself.

        Raises:
            DataError: poses that do not fit the camera.
        """
        check_view(view)
        self._view, self._projected, self._outputs = None, False, {}
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
            DataError: arrays of another shape, a body that the view has no pose of, or thresholds without meaning.
        """
        check_packed(packed)
        check_settings(settings)
        available = (packed.shape[1] - 11) // 3
        used = available if sh_coefficients is None else min(sh_coefficients, available)
        if used not in (1, 4, 9, 16):
            raise DataError(f"Spherical harmonics come in 1, 4, 9 or 16 coefficients, not {sh_coefficients}.")
        self.look(view, margin=settings.margin)
        check_body(body, len(packed), view)
        self._packed = packed
        numbers = [float(value) for value in astuple(settings)]
        visible = int(self._kernel.project(packed, body, used, numbers))
        self._projected = True
        return visible

    def forward(self, background: Float32 | None = None, *, depth: bool = False) -> dict[str, Float32]:
        """Blend front to back.

        Args:
            background: float32 [3] or [H, W, 3]; None is black.
            depth: also accumulate distances.

        Returns:
            ``rgb`` [H, W, 3], ``alpha`` [H, W] and, with depth, ``depth_sum`` (sum of w t) and ``median_depth``
            (NaN where the transmittance never falls below one half), all float32.

        Raises:
            DataError: a background of another shape.
            AvrecError: nothing was projected.
        """
        height, width = self._size(projected=True)
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
        self._size(projected=True)
        colors = np.ascontiguousarray(colors, np.float32)
        check_array("Colours", colors, np.float32, (len(self._packed), 3))
        self._kernel.set_colors(colors)

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

        Raises:
            DataError: gradients of another shape.
            AvrecError: there was no `forward`, or none with depth and ``v_depth`` is given.
        """
        height, width = self._size(blended=True)
        check_array("The gradient by rgb", v_rgb, np.float32, (height, width, 3))
        for name, gradient in (("alpha", v_alpha), ("depth", v_depth)):
            if gradient is not None:
                check_array(f"The gradient by {name}", gradient, np.float32, (height, width))
        if v_depth is not None and "depth_sum" not in self._outputs:
            raise AvrecError("A gradient by depth needs forward(..., depth=True) first.")
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
        """The sky behind each pixel, float32 [H, W, 3], for the view last projected (or looked at).

        Args:
            cubemap: float32 [6, S, S, 3]; see `avrec.gaussians.sky`.
        """
        _check_cubemap(cubemap)
        out = np.empty((*self._size(), 3), np.float32)
        self._kernel.sky(cubemap, out)
        return out

    def sky_gradient(self, v_rgb: Float32, like: Float32) -> Float32:
        """Gradient by the cubemap ``like`` behind the last `forward`."""
        _check_cubemap(like)
        check_array("The gradient by rgb", v_rgb, np.float32, (*self._size(blended=True), 3))
        out = np.empty_like(like)
        self._kernel.sky_gradient(v_rgb, out)
        return out

    def ids(self) -> NDArray[np.uint32]:
        """Ids of the visible Gaussians, ascending."""
        self._size(projected=True)
        ids: NDArray[np.uint32] = self._kernel.ids()
        return ids

    def bounds(self) -> Float32:
        """Per visible Gaussian: mean u v, conic a b c, squared extent, half sizes; float32 [V, 8]."""
        self._size(projected=True)
        bounds: Float32 = self._kernel.bounds().reshape(-1, 8)
        return bounds

    def tile_lists(self) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
        """Start of each 16 x 16 tile's list, uint32 [tiles + 1], and the lists of ids in depth order."""
        self._size(projected=True)
        starts, ids = self._kernel.tile_lists()
        return starts, ids

    @property
    def intersections(self) -> int:
        """Number of (tile, Gaussian) pairs."""
        return int(self._kernel.intersections)

    def _size(self, *, projected: bool = False, blended: bool = False) -> tuple[int, int]:
        """Height and width, once what the caller needs has happened."""
        missing = (blended and not self._outputs and "forward") or (projected and not self._projected and "project")
        if self._view is None or missing:
            raise AvrecError(f"Call {missing or 'project or look'} first.")
        return self._view.camera.height, self._view.camera.width


def _check_cubemap(cubemap: Float32) -> None:
    side = cubemap.shape[1] if cubemap.ndim == 4 else 1
    check_array("A sky cubemap", cubemap, np.float32, (6, max(side, 1), max(side, 1), 3))


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
