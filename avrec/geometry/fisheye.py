"""OpenCV's fisheye camera (Kannala and Brandt 2006, four terms)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avrec.geometry.lens import Lens, first_positive_root, invert_increasing, on_axis_safe, rays_at

__all__ = ["OpenCVFisheyeCamera"]

Float64 = NDArray[np.float64]
Bool = NDArray[np.bool_]


@dataclass(frozen=True)
class OpenCVFisheyeCamera(Lens):
    """Fisheye camera: distance from the principal point as an odd polynomial of the angle from the optical axis.

    ``rho = t (1 + k1 t^2 + k2 t^4 + k3 t^6 + k4 t^8)`` for the angle t, pixels ``focal * rho * direction + centre``.

    Attributes:
        focal: (fx, fy) pixels.
        principal_point: (cx, cy) pixels, pixel centres at .5.
        radial: (k1, k2, k3, k4).
        max_angle: half angle of the view in radians. None, or an angle beyond the point where rho stops growing, is
            replaced by that point (pi at most). Always a number once the camera is made; points at or beyond it are
            not valid.

    Raises:
        DataError: parameters of the wrong count, not finite, or a size, focal length or angle that is not positive.
    """

    MODEL: ClassVar[str] = "opencv-fisheye"

    focal: tuple[float, ...]
    principal_point: tuple[float, ...]
    radial: tuple[float, ...] = (0.0,) * 4
    max_angle: float | None = None

    def __post_init__(self) -> None:
        self._check_size()
        self._set_positive("focal", 2)
        self._set_floats("principal_point", 2)
        self._set_floats("radial", 4, pad=True)
        given = math.pi if self.max_angle is None else self._check_angle(self.max_angle)
        # rho'(t) is a polynomial of t^2
        turning = first_positive_root((1.0, *(c * (2 * i + 3) for i, c in enumerate(self.radial))))
        object.__setattr__(self, "max_angle", min(given, math.sqrt(turning)))

    @property
    def limit_angle(self) -> float:
        """``max_angle`` as a plain float."""
        return float(self.max_angle or math.pi)

    def project_unbounded(self, points_camera: ArrayLike) -> tuple[Float64, Bool]:
        """Pixels [..., 2] of points [..., 3] and valid [...]; see `Lens.project_unbounded`."""
        points = np.asarray(points_camera, dtype=np.float64)
        across = np.hypot(points[..., 0], points[..., 1])
        angle = np.arctan2(across, points[..., 2])
        valid = (angle < self.limit_angle) & ((across > 0.0) | (points[..., 2] > 0.0))
        rho = self._rho(np.where(valid, angle, 0.0))[0]
        with np.errstate(invalid="ignore"):  # points at infinity
            direction = points[..., :2] / on_axis_safe(across)[..., None]
        pixels = direction * rho[..., None] * self.focal + self.principal_point
        valid &= np.isfinite(pixels).all(axis=-1)
        return np.where(valid[..., None], pixels, np.nan), valid

    def unproject(self, pixels: ArrayLike) -> tuple[Float64, Bool]:
        """Unit rays [..., 3] of pixels [..., 2] and valid [...]; see `Lens.unproject`."""
        flat = (np.asarray(pixels, dtype=np.float64) - self.principal_point) / self.focal
        radius = np.hypot(flat[..., 0], flat[..., 1])
        angle, valid = invert_increasing(self._rho, radius.reshape(-1), self.limit_angle)
        angle, valid = angle.reshape(radius.shape), valid.reshape(radius.shape)
        valid &= angle < self.limit_angle
        return rays_at(angle, flat, radius, valid), valid

    def resized(self, width: int, height: int) -> OpenCVFisheyeCamera:
        """The same lens before an image scaled to another size; x and y are scaled separately."""
        x, y = width / self.width, height / self.height
        focal = (self.focal[0] * x, self.focal[1] * y)
        center = (self.principal_point[0] * x, self.principal_point[1] * y)
        return OpenCVFisheyeCamera(width, height, focal, center, self.radial, self.max_angle)

    def _rho(self, angle: Float64) -> tuple[Float64, Float64]:
        """Distance from the principal point in units of the focal length, and its derivative by the angle."""
        k1, k2, k3, k4 = self.radial
        s = angle * angle
        rho = angle * (1.0 + s * (k1 + s * (k2 + s * (k3 + s * k4))))
        slope = 1.0 + s * (3.0 * k1 + s * (5.0 * k2 + s * (7.0 * k3 + s * (9.0 * k4))))
        return np.asarray(rho), np.asarray(slope)
