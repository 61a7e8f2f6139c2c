"""A picture of distances, from whatever camera."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from avrec.errors import DataError

__all__ = ["DepthPicture"]

Float64 = NDArray[np.float64]
Float32 = NDArray[np.float32]

# A surface seen more slantingly than this (cosine between its normal and the ray) says little about where it is.
_LEAST_FACING = 0.05
# A distance may differ by this share from the mean of its neighbours on any surface.
_RIPPLE = 0.01


@dataclass(frozen=True, eq=False)
class DepthPicture:
    """Distances seen through any lens and shutter.

    Attributes:
        depth: float [H, W] metres along each pixel's unit ray; what is not finite and positive is no measurement.
        rays: float [H, W, 3] unit rays in the camera's frame.
        rotation: float64 [L, 3, 3] world_from_camera at each shutter line.
        origin: float64 [L, 3] camera centre in the world at each line, metres.
        axis: ``"rows"`` (L = H), ``"columns"`` (L = W) or ``"none"`` (L = 1).
        colour: uint8 RGB [H, W, 3], or None.

    Raises:
        DataError: shapes that do not belong together.
    """

    depth: Float32
    rays: Float64
    rotation: Float64
    origin: Float64
    axis: Literal["rows", "columns", "none"] = "none"
    colour: NDArray[np.uint8] | None = None

    def __post_init__(self) -> None:
        size = self.depth.shape
        lines = {"rows": size[:1], "columns": size[1:], "none": (1,)}.get(self.axis)
        wrong = (
            len(size) != 2
            or self.rays.shape != (*size, 3)
            or lines is None
            or self.rotation.shape != (*lines, 3, 3)
            or self.origin.shape != (*lines, 3)
            or (self.colour is not None and self.colour.shape != (*size, 3))
        )
        if wrong:
            raise DataError(
                f"A depth picture of shape {list(size)} has rays {list(self.rays.shape)}, rotations "
                f"{list(self.rotation.shape)} and origins {list(self.origin.shape)} by {self.axis}. "
                "Give a ray for each pixel and a pose for each line."
            )

    @cached_property
    def origins(self) -> Float64:
        """Camera centre of each pixel, broadcastable to [H, W, 3]."""
        return self.origin[:, None] if self.axis == "rows" else self.origin[None]

    @cached_property
    def directions(self) -> Float32:
        """Unit ray of each pixel in the world, float32 [H, W, 3]."""
        subscripts = {"rows": "hij,hwj->hwi", "columns": "wij,hwj->hwi", "none": "xij,hwj->hwi"}[self.axis]
        turned = np.einsum(subscripts, self.rotation.astype(np.float32), self.rays.astype(np.float32))
        return np.asarray(turned, np.float32)

    def points(self, *, farthest_m: float = np.inf) -> Float64:
        """World points float64 [H, W, 3]; NaN without a measurement within ``farthest_m``."""
        with np.errstate(invalid="ignore"):
            good = (self.depth > 0) & (self.depth <= farthest_m) & np.isfinite(self.depth)
        reach = np.where(good, self.depth, np.nan).astype(np.float64)
        return np.asarray(self.origins + reach[..., None] * self.directions, np.float64)

    def points_list(self, *, farthest_m: float = np.inf) -> Float64:
        """The measured world points in a row, float64 [N, 3]."""
        points = self.points(farthest_m=farthest_m).reshape(-1, 3)
        return points[np.isfinite(points[:, 0])]

    def normals(self, points: Float64) -> Float64:
        """Unit normals [H, W, 3] facing the camera from neighbouring pixels of `points`; NaN at the edges of things."""
        across = np.full(points.shape, np.nan)
        down = np.full(points.shape, np.nan)
        across[:, 1:-1] = points[:, 2:] - points[:, :-2]
        down[1:-1] = points[2:] - points[:-2]
        normal = np.cross(across, down)
        with np.errstate(invalid="ignore", divide="ignore"):
            normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
            facing = np.einsum("hwi,hwi->hw", normal, self.directions)
            normal *= -np.sign(facing)[..., None]
            bad = ~(np.abs(facing) > _LEAST_FACING)
            # Along a plane the inverse distance changes evenly; where it jumps to one side only, a thing ends.
            near = 1.0 / np.where(np.isfinite(points[..., 0]), self.depth, np.nan)
            bad[:, 1:-1] |= _jumps(near[:, :-2], near[:, 1:-1], near[:, 2:])
            bad[1:-1] |= _jumps(near[:-2], near[1:-1], near[2:])
        normal[bad] = np.nan
        return normal


def _jumps(before: Float64, here: Float64, after: Float64) -> NDArray[np.bool_]:
    bend = np.abs(before - 2 * here + after)
    return np.asarray(~(bend <= 0.5 * np.abs(after - before) + _RIPPLE * here))  # not for what is not a number either
