"""OpenCV's pinhole camera with rational radial, tangential and thin prism distortion."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.polynomial import polynomial
from numpy.typing import ArrayLike, NDArray

from avrec.geometry.lens import Lens, first_positive_root, in_blocks, invert_increasing, on_axis_safe

__all__ = ["OpenCVPinholeCamera"]

Float64 = NDArray[np.float64]
Bool = NDArray[np.bool_]

_WIDEST = math.radians(89.9)
# Residual of the inverse on the plane z = 1; at a focal length of 2000 px this is 2e-9 px.
_RESIDUAL = 1e-12


class _Bend(NamedTuple):
    """Distorted point and its derivatives by the undistorted one, arrays of one shape."""

    x: Float64
    y: Float64
    xx: Float64
    xy: Float64
    yx: Float64
    yy: Float64

    @property
    def determinant(self) -> Float64:
        return np.asarray(self.xx * self.yy - self.xy * self.yx)


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
        self._set_floats("tangential", 2, pad=True)
        self._set_floats("thin_prism", 4, pad=True)

    @property
    def distorted(self) -> bool:
        """Whether any distortion coefficient is not zero."""
        return any(self.radial) or not self._round

    @cached_property
    def max_radius2(self) -> float:
        """x^2 + y^2 at which the radial map has its first pole or stops growing; infinity if it never does."""
        top, bottom = (1.0, *self.radial[:3]), (1.0, *self.radial[3:])
        # d(r c)/dr = (N D + 2 s (N' D - N D')) / D^2
        change = polynomial.polysub(
            polynomial.polymul(polynomial.polyder(top), bottom), polynomial.polymul(top, polynomial.polyder(bottom))
        )
        slope = polynomial.polyadd(polynomial.polymul(top, bottom), polynomial.polymul((0.0, 2.0), change))
        return min(first_positive_root(slope), first_positive_root(bottom))

    def project_unbounded(self, points_camera: ArrayLike) -> tuple[Float64, Bool]:
        """Pixels [..., 2] of points [..., 3] and valid [...]; see `Lens.project_unbounded`."""
        points = np.asarray(points_camera, dtype=np.float64)
        depth = np.where(points[..., 2] > 0.0, points[..., 2], np.nan)
        # Numbers too large for the distortion become infinite and with that not valid.
        with np.errstate(over="ignore", invalid="ignore"):
            x, y = points[..., 0] / depth, points[..., 1] / depth
            valid = np.isfinite(x) & np.isfinite(y)
            if self.distorted:
                valid &= x * x + y * y < self.max_radius2
                bend = self._distort(x, y)
                x, y = bend.x, bend.y
                valid &= (bend.determinant > 0.0) & np.isfinite(x) & np.isfinite(y)
            pixels = np.stack([x, y], axis=-1) * self.focal + self.principal_point
        pixels[~valid] = np.nan
        return pixels, np.asarray(valid)

    def unproject(self, pixels: ArrayLike) -> tuple[Float64, Bool]:
        """Unit rays [..., 3] of pixels [..., 2] and valid [...]; see `Lens.unproject`."""
        wanted = (np.asarray(pixels, dtype=np.float64) - self.principal_point) / self.focal
        flat, valid = wanted.reshape(-1, 2), np.isfinite(wanted).all(axis=-1).reshape(-1)
        ray = np.ones((len(flat), 3))
        with np.errstate(over="ignore", invalid="ignore"):  # pixels at or near infinity
            if self.distorted:
                flat, valid = self._unbend_radially(flat) if self._round else in_blocks(self._unbend, flat)
            ray[:, :2] = flat
            length = np.linalg.norm(ray, axis=-1)
            valid = valid & np.isfinite(length)
            ray /= length[:, None]
        ray[~valid] = np.nan
        return ray.reshape(*wanted.shape[:-1], 3), valid.reshape(wanted.shape[:-1])

    def resized(self, width: int, height: int) -> OpenCVPinholeCamera:
        """The same lens before an image scaled to another size; x and y are scaled separately."""
        x, y = width / self.width, height / self.height
        focal = (self.focal[0] * x, self.focal[1] * y)
        center = (self.principal_point[0] * x, self.principal_point[1] * y)
        return OpenCVPinholeCamera(width, height, focal, center, self.radial, self.tangential, self.thin_prism)

    @property
    def _round(self) -> bool:
        return not (any(self.tangential) or any(self.thin_prism))

    @property
    def _widest(self) -> float:
        """Angle from the axis up to which the radial map is inverted."""
        return min(math.atan(math.sqrt(self.max_radius2)), _WIDEST)

    def _factor(self, s: Float64) -> tuple[Float64, Float64]:
        """Radial factor c and its derivative by s."""
        k1, k2, k3, k4, k5, k6 = self.radial
        top, top_slope = 1.0 + s * (k1 + s * (k2 + s * k3)), k1 + s * (2.0 * k2 + s * (3.0 * k3))
        if not any(self.radial[3:]):
            return np.asarray(top), np.asarray(top_slope)
        bottom, bottom_slope = 1.0 + s * (k4 + s * (k5 + s * k6)), k4 + s * (2.0 * k5 + s * (3.0 * k6))
        factor = top / bottom
        return np.asarray(factor), np.asarray((top_slope - factor * bottom_slope) / bottom)

    def _distort(self, x: Float64, y: Float64) -> _Bend:
        (p1, p2), (s1, s2, s3, s4) = self.tangential, self.thin_prism
        s = x * x + y * y
        c, slope = self._factor(s)
        slope = 2.0 * slope
        across = slope * x * y
        if self._round:
            return _Bend(x * c, y * c, c + slope * x * x, across, across, c + slope * y * y)
        along, prism_x, prism_y = 2.0 * (p1 * y + p2 * x), s1 + s2 * s, s3 + s4 * s
        across = across + 2.0 * (p1 * x + p2 * y)
        # The prism's derivative by s, doubled for ds/dx = 2 x.
        lean_x, lean_y = 2.0 * (s1 + 2.0 * s2 * s), 2.0 * (s3 + 2.0 * s4 * s)
        return _Bend(
            x * (c + along) + s * (p2 + prism_x),
            y * (c + along) + s * (p1 + prism_y),
            c + slope * x * x + along + (4.0 * p2 + lean_x) * x,
            across + lean_x * y,
            across + lean_y * x,
            c + slope * y * y + along + (4.0 * p1 + lean_y) * y,
        )

    def _radial(self, angle: Float64) -> tuple[Float64, Float64]:
        """Distorted radius at an angle from the axis, and its derivative."""
        r = np.tan(angle)
        s = r * r
        c, slope = self._factor(s)
        return np.asarray(r * c), np.asarray((c + 2.0 * s * slope) * (1.0 + s))

    def _unbend_radially(self, target: Float64) -> tuple[Float64, Bool]:
        radius = np.hypot(target[:, 0], target[:, 1])
        angle, valid = invert_increasing(self._radial, radius, self._widest)
        return target * (np.tan(angle) / on_axis_safe(radius))[:, None], valid & (angle < self._widest)

    @cached_property
    def _seeds(self) -> tuple[Float64, Float64]:
        """Distorted radius, and how much longer the undistorted one is, from the centre to the fold."""
        angle = np.linspace(0.0, self._widest, 2049)[1:-1]
        distorted = np.maximum.accumulate(self._radial(angle)[0])
        return distorted, np.tan(angle) / distorted

    def _unbend(self, target: Float64) -> tuple[Float64, Bool]:
        """Invert `_distort` by Newton's method from the inverse of its radial part."""
        wanted_x, wanted_y = np.ascontiguousarray(target[:, 0]), np.ascontiguousarray(target[:, 1])
        grow = np.interp(np.hypot(wanted_x, wanted_y), *self._seeds)
        x, y = wanted_x * grow, wanted_y * grow
        tolerance = _RESIDUAL * (1.0 + np.maximum(np.abs(wanted_x), np.abs(wanted_y)))
        limit = 0.999999 * math.tan(self._widest)
        with np.errstate(all="ignore"):
            for _ in range(30):
                bend = self._distort(x, y)
                off_x, off_y = bend.x - wanted_x, bend.y - wanted_y
                residual = np.maximum(np.abs(off_x), np.abs(off_y))
                if not np.any(residual > 0.01 * tolerance):
                    break
                det = bend.determinant
                x = x - np.nan_to_num((bend.yy * off_x - bend.xy * off_y) / det, posinf=0.0, neginf=0.0)
                y = y - np.nan_to_num((bend.xx * off_y - bend.yx * off_x) / det, posinf=0.0, neginf=0.0)
                # A step over the fold is cut back to just inside it.
                cut = np.minimum(1.0, limit / on_axis_safe(np.hypot(x, y)))
                x, y = x * cut, y * cut
            bend = self._distort(x, y)
            residual = np.maximum(np.abs(bend.x - wanted_x), np.abs(bend.y - wanted_y))
            valid = (residual <= tolerance) & (x * x + y * y < self.max_radius2) & (bend.determinant > 0.0)
        return np.stack([x, y], axis=-1), np.asarray(valid)
