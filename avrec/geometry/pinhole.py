"""OpenCV's pinhole camera with rational radial, tangential and thin prism distortion."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.polynomial import polynomial
from numpy.typing import ArrayLike, NDArray

from avrec.geometry.lens import Lens, first_positive_root, invert_increasing, on_axis_safe

__all__ = ["OpenCVPinholeCamera"]

Float64 = NDArray[np.float64]
Bool = NDArray[np.bool_]

_WIDEST = math.radians(89.9)
# Residual of the inverse on the plane z = 1; at a focal length of 2000 px this is 2e-9 px.
_RESIDUAL = 1e-12


@dataclass(frozen=True)
class OpenCVPinholeCamera(Lens):
    """Pinhole camera with OpenCV's distortion.

    With x = X/Z, y = Y/Z and s = x^2 + y^2 the distorted point is
    ``x c + 2 p1 x y + p2 (s + 2 x^2) + s1 s + s2 s^2``, ``y c + p1 (s + 2 y^2) + 2 p2 x y + s3 s + s4 s^2`` with
    ``c = (1 + k1 s + k2 s^2 + k3 s^3) / (1 + k4 s + k5 s^2 + k6 s^3)`` (OpenCV's calib3d documentation).
    Points are valid with Z > 0, out to the radius where the radial map ``r c`` stops growing (`max_radius2`), and
    where the whole map does not fold.

    Attributes:
        focal: (fx, fy) pixels.
        principal_point: (cx, cy) pixels, pixel centres at .5.
        radial: (k1, k2, k3, k4, k5, k6); fewer are filled with zeros.
        tangential: (p1, p2).
        thin_prism: (s1, s2, s3, s4).

    Raises:
        DataError: parameters of the wrong count, not finite, or a size or focal length that is not positive.
    """

    MODEL: ClassVar[str] = "opencv-pinhole"

    focal: tuple[float, ...]
    principal_point: tuple[float, ...]
    radial: tuple[float, ...] = (0.0,) * 6
    tangential: tuple[float, ...] = (0.0,) * 2
    thin_prism: tuple[float, ...] = (0.0,) * 4

    def __post_init__(self) -> None:
        self._check_size()
        self._set_positive("focal", 2)
        self._set_floats("principal_point", 2)
        self._set_floats("radial", 6, pad=True)
        self._set_floats("tangential", 2)
        self._set_floats("thin_prism", 4, pad=True)

    @property
    def distorted(self) -> bool:
        """Whether any distortion coefficient is not zero."""
        return any(self.radial) or any(self.tangential) or any(self.thin_prism)

    @cached_property
    def max_radius2(self) -> float:
        """x^2 + y^2 at which the radial map has its first pole or stops growing; infinity if it never does."""
        top, bottom = self._fraction
        # d(r c)/dr = (N D + 2 s (N' D - N D')) / D^2
        change = polynomial.polysub(
            polynomial.polymul(polynomial.polyder(top), bottom), polynomial.polymul(top, polynomial.polyder(bottom))
        )
        slope = polynomial.polyadd(polynomial.polymul(top, bottom), polynomial.polymul((0.0, 2.0), change))
        return min(first_positive_root(slope), first_positive_root(bottom))

    def project_unbounded(self, points_camera: ArrayLike) -> tuple[Float64, Bool]:
        points = np.asarray(points_camera, dtype=np.float64)
        depth = points[..., 2]
        front = depth > 0.0
        flat = points[..., :2] / np.where(front, depth, np.nan)[..., None]
        valid = np.asarray(np.isfinite(flat).all(axis=-1))
        if self.distorted:
            with np.errstate(over="ignore", invalid="ignore"):
                valid &= np.sum(flat * flat, axis=-1) < self.max_radius2
                if any(self.tangential) or any(self.thin_prism):
                    valid &= _determinant(self._jacobian(flat)) > 0.0
                flat = self._distort(flat)
                valid &= np.isfinite(flat).all(axis=-1)
        pixels = flat * self.focal + self.principal_point
        return np.where(valid[..., None], pixels, np.nan), np.asarray(valid)

    def unproject(self, pixels: ArrayLike) -> tuple[Float64, Bool]:
        wanted = (np.asarray(pixels, dtype=np.float64) - self.principal_point) / self.focal
        flat, valid = self._undistort(wanted) if self.distorted else (wanted, np.asarray(np.isfinite(wanted).all(-1)))
        ray = np.concatenate([flat, np.ones_like(flat[..., :1])], axis=-1)
        ray /= np.linalg.norm(ray, axis=-1, keepdims=True)
        ray[~valid] = np.nan
        return ray, valid

    def resized(self, width: int, height: int) -> OpenCVPinholeCamera:
        x, y = width / self.width, height / self.height
        focal = (self.focal[0] * x, self.focal[1] * y)
        center = (self.principal_point[0] * x, self.principal_point[1] * y)
        return OpenCVPinholeCamera(width, height, focal, center, self.radial, self.tangential, self.thin_prism)

    @cached_property
    def _fraction(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        return (1.0, *self.radial[:3]), (1.0, *self.radial[3:])

    def _factor(self, s: Float64) -> tuple[Float64, Float64]:
        """Radial factor c and its derivative by s."""
        top, bottom = (polynomial.polyval(s, part) for part in self._fraction)
        top_slope, bottom_slope = (polynomial.polyval(s, polynomial.polyder(part)) for part in self._fraction)
        return top / bottom, (top_slope * bottom - top * bottom_slope) / (bottom * bottom)

    def _distort(self, flat: Float64) -> Float64:
        x, y = flat[..., 0], flat[..., 1]
        s = x * x + y * y
        c = polynomial.polyval(s, self._fraction[0]) / polynomial.polyval(s, self._fraction[1])
        (p1, p2), (s1, s2, s3, s4) = self.tangential, self.thin_prism
        return np.stack(
            [
                x * c + 2.0 * p1 * x * y + p2 * (s + 2.0 * x * x) + s * (s1 + s2 * s),
                y * c + p1 * (s + 2.0 * y * y) + 2.0 * p2 * x * y + s * (s3 + s4 * s),
            ],
            axis=-1,
        )

    def _jacobian(self, flat: Float64) -> Float64:
        """Derivative [..., 2, 2] of `_distort`."""
        x, y = flat[..., 0], flat[..., 1]
        s = x * x + y * y
        c, slope = self._factor(s)
        (p1, p2), (s1, s2, s3, s4) = self.tangential, self.thin_prism
        across = 2.0 * (slope * x * y + p1 * x + p2 * y)
        prism_x, prism_y = 2.0 * (s1 + 2.0 * s2 * s), 2.0 * (s3 + 2.0 * s4 * s)
        out = np.empty((*flat.shape[:-1], 2, 2))
        out[..., 0, 0] = c + 2.0 * slope * x * x + 2.0 * p1 * y + 6.0 * p2 * x + prism_x * x
        out[..., 0, 1] = across + prism_x * y
        out[..., 1, 0] = across + prism_y * x
        out[..., 1, 1] = c + 2.0 * slope * y * y + 6.0 * p1 * y + 2.0 * p2 * x + prism_y * y
        return out

    def _undistort(self, wanted: Float64) -> tuple[Float64, Bool]:
        """Invert `_distort`: radially in one dimension first, then Newton in two where that is not all of it."""
        target = wanted.reshape(-1, 2)
        radius = np.linalg.norm(target, axis=-1)
        end = min(math.atan(math.sqrt(self.max_radius2)), _WIDEST)

        def radial(angle: Float64) -> Float64:
            r = np.tan(angle)
            return np.asarray(r * self._factor(r * r)[0])

        def slope(angle: Float64) -> Float64:
            s = np.tan(angle) ** 2
            c, change = self._factor(s)
            return np.asarray((c + 2.0 * s * change) * (1.0 + s))

        angle, valid = invert_increasing(radial, slope, radius, end)
        flat = target * (np.tan(angle) / on_axis_safe(radius))[:, None]
        if any(self.tangential) or any(self.thin_prism):
            flat, valid = self._newton(flat, target)
        return flat.reshape(wanted.shape), valid.reshape(wanted.shape[:-1])

    def _newton(self, seed: Float64, target: Float64) -> tuple[Float64, Bool]:
        flat = seed.copy()
        limit = math.sqrt(self.max_radius2)
        active = np.flatnonzero(np.isfinite(target).all(axis=-1))
        residual = np.full(len(flat), np.inf)
        with np.errstate(all="ignore"):
            for _ in range(30):
                here = flat[active]
                error = self._distort(here) - target[active]
                residual[active] = np.abs(error).max(axis=-1)
                going = residual[active] > 0.02 * _RESIDUAL
                if not going.any():
                    break
                active, here, error = active[going], here[going], error[going]
                j = self._jacobian(here)
                det = _determinant(j)
                step = np.stack(
                    [
                        (j[:, 1, 1] * error[:, 0] - j[:, 0, 1] * error[:, 1]) / det,
                        (j[:, 0, 0] * error[:, 1] - j[:, 1, 0] * error[:, 0]) / det,
                    ],
                    axis=-1,
                )
                moved = here - np.nan_to_num(step, nan=0.0, posinf=0.0, neginf=0.0)
                # A step over the fold is cut back to just inside it.
                size = np.linalg.norm(moved, axis=-1, keepdims=True)
                flat[active] = moved * np.minimum(1.0, 0.999999 * limit / on_axis_safe(size))
            inside = np.sum(flat * flat, axis=-1) < self.max_radius2
            scale = 1.0 + np.abs(target).max(axis=-1)
            valid = (residual <= _RESIDUAL * scale) & inside & (_determinant(self._jacobian(flat)) > 0.0)
        return flat, valid


def _determinant(matrix: Float64) -> Float64:
    return np.asarray(matrix[..., 0, 0] * matrix[..., 1, 1] - matrix[..., 0, 1] * matrix[..., 1, 0])
