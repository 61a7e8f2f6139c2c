"""The f-theta camera of NVIDIA's recordings."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.polynomial import polynomial
from numpy.typing import ArrayLike, NDArray

from avrec.errors import DataError
from avrec.geometry.lens import Lens, first_positive_root, invert_increasing, on_axis_safe, rays_at

__all__ = ["ANGLE_TO_PIXELDIST", "PIXELDIST_TO_ANGLE", "FThetaCamera"]

Float64 = NDArray[np.float64]
Bool = NDArray[np.bool_]

PIXELDIST_TO_ANGLE = "PIXELDIST_TO_ANGLE"
ANGLE_TO_PIXELDIST = "ANGLE_TO_PIXELDIST"


@dataclass(frozen=True)
class FThetaCamera(Lens):
    """Camera whose distance from the principal point and angle from the optical axis are tied by a polynomial.

    Pixel = ``[[c, d], [e, 1]] rho(angle) direction + principal_point``. One of the two polynomials is exact (the
    reference) and the model; it is inverted numerically. The other is only carried along.

    Attributes:
        principal_point: pixels, pixel centres at .5. NVIDIA's files count from the centre of the first pixel: add
            0.5 when reading them and take 0.5 off when writing.
        reference_poly: ``"PIXELDIST_TO_ANGLE"`` or ``"ANGLE_TO_PIXELDIST"``.
        pixeldist_to_angle_poly, angle_to_pixeldist_poly: 6 coefficients in ascending powers, pixels and radians;
            fewer are filled with zeros.
        max_angle: half angle of the view in radians; points at or beyond it, or beyond the angle where the reference
            polynomial stops growing (see `limit_angle`), are not valid.
        linear_cde: (c, d, e); all zeros mean (1, 0, 0), as NVIDIA's readers take it.

    Raises:
        DataError: parameters of the wrong count or not finite, a reference polynomial that does not grow from zero, a
            linear part without an inverse.
    """

    MODEL: ClassVar[str] = "ftheta"

    principal_point: tuple[float, ...]
    reference_poly: str
    pixeldist_to_angle_poly: tuple[float, ...]
    angle_to_pixeldist_poly: tuple[float, ...]
    max_angle: float
    linear_cde: tuple[float, ...] = (1.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        self._check_size()
        self._set_floats("principal_point", 2)
        self._set_floats("pixeldist_to_angle_poly", 6, pad=True)
        self._set_floats("angle_to_pixeldist_poly", 6, pad=True)
        self._set_floats("linear_cde", 3)
        if not any(self.linear_cde):
            object.__setattr__(self, "linear_cde", (1.0, 0.0, 0.0))
        if self.reference_poly not in (PIXELDIST_TO_ANGLE, ANGLE_TO_PIXELDIST):
            raise DataError(
                f"Unknown f-theta reference polynomial {self.reference_poly!r}. "
                f"Use {PIXELDIST_TO_ANGLE} or {ANGLE_TO_PIXELDIST}."
            )
        object.__setattr__(self, "max_angle", self._check_angle(self.max_angle))
        if self._reference[1] <= 0.0:
            raise DataError(
                f"The f-theta reference polynomial {self._reference} does not grow from the image centre outwards. "
                "Its second coefficient must be above 0; check which of the two polynomials is the reference."
            )
        c, d, e = self.linear_cde
        if abs(c - d * e) < 1e-9:
            raise DataError(
                f"The f-theta linear part c, d, e = {self.linear_cde} has no inverse. Check the calibration."
            )

    @property
    def limit_angle(self) -> float:
        """Angle in radians up to which the model is one-to-one: ``max_angle``, or less."""
        return self._limits[0]

    @property
    def limit_distance(self) -> float:
        """Distance from the principal point, before the linear part, in pixels that belongs to `limit_angle`."""
        return self._limits[1]

    def project_unbounded(self, points_camera: ArrayLike) -> tuple[Float64, Bool]:
        """Pixels [..., 2] of points [..., 3] and valid [...]; see `Lens.project_unbounded`."""
        points = np.asarray(points_camera, dtype=np.float64)
        across = np.hypot(points[..., 0], points[..., 1])
        angle = np.arctan2(across, points[..., 2])
        valid = (angle < self.limit_angle) & ((across > 0.0) | (points[..., 2] > 0.0))
        distance, reached = self._distance(np.where(valid, angle, 0.0).reshape(-1))
        valid &= reached.reshape(angle.shape)
        with np.errstate(invalid="ignore"):  # points at infinity
            direction = points[..., :2] / on_axis_safe(across)[..., None]
            pixels = (direction * distance.reshape(angle.shape)[..., None]) @ self._linear.T + self.principal_point
        valid &= np.isfinite(pixels).all(axis=-1)
        return np.where(valid[..., None], pixels, np.nan), valid

    def unproject(self, pixels: ArrayLike) -> tuple[Float64, Bool]:
        """Unit rays [..., 3] of pixels [..., 2] and valid [...]; see `Lens.unproject`."""
        with np.errstate(invalid="ignore"):  # infinite pixels
            flat = (np.asarray(pixels, dtype=np.float64) - self.principal_point) @ np.linalg.inv(self._linear).T
        radius = np.hypot(flat[..., 0], flat[..., 1])
        angle, valid = self._angle(radius.reshape(-1))
        angle, valid = angle.reshape(radius.shape), valid.reshape(radius.shape)
        valid &= angle < self.limit_angle
        return rays_at(angle, flat, radius, valid), valid

    def resized(self, width: int, height: int) -> FThetaCamera:
        """The same lens before an image scaled to another size; x and y are scaled separately."""
        x, y = width / self.width, height / self.height
        c, d, e = self.linear_cde
        return FThetaCamera(
            width,
            height,
            (self.principal_point[0] * x, self.principal_point[1] * y),
            self.reference_poly,
            tuple(value / y**power for power, value in enumerate(self.pixeldist_to_angle_poly)),
            tuple(value * y for value in self.angle_to_pixeldist_poly),
            self.max_angle,
            (c * x / y, d * x / y, e),
        )

    @property
    def _reference(self) -> tuple[float, ...]:
        backward = self.reference_poly == PIXELDIST_TO_ANGLE
        return self.pixeldist_to_angle_poly if backward else self.angle_to_pixeldist_poly

    @cached_property
    def _linear(self) -> Float64:
        c, d, e = self.linear_cde
        return np.array([[c, d], [e, 1.0]])

    @cached_property
    def _limits(self) -> tuple[float, float]:
        """Largest angle (radians) and the distance (pixels) that belongs to it."""
        turning = first_positive_root(polynomial.polyder(self._reference))
        if self.reference_poly == ANGLE_TO_PIXELDIST:
            angle = min(self.max_angle, turning)
            return angle, float(self._polynomial(np.array(angle))[0])
        # Far beyond the corners of the image the polynomial means nothing.
        corners = np.array([(x, y) for x in (0, self.width) for y in (0, self.height)], dtype=np.float64)
        reach = np.linalg.norm((corners - self.principal_point) @ np.linalg.inv(self._linear).T, axis=-1).max()
        end = min(turning, 4.0 * float(reach))
        widest = float(self._polynomial(np.array(end))[0])
        if widest <= self.max_angle:
            return widest, end
        return self.max_angle, float(invert_increasing(self._polynomial, np.array([self.max_angle]), end)[0][0])

    def _polynomial(self, x: Float64) -> tuple[Float64, Float64]:
        """The reference polynomial and its derivative."""
        c0, c1, c2, c3, c4, c5 = self._reference
        value = c0 + x * (c1 + x * (c2 + x * (c3 + x * (c4 + x * c5))))
        slope = c1 + x * (2.0 * c2 + x * (3.0 * c3 + x * (4.0 * c4 + x * (5.0 * c5))))
        return np.asarray(value), np.asarray(slope)

    def _distance(self, angle: Float64) -> tuple[Float64, Bool]:
        if self.reference_poly == ANGLE_TO_PIXELDIST:
            distance = self._polynomial(angle)[0]
            return distance, distance >= 0.0
        return invert_increasing(self._polynomial, angle, self._limits[1])

    def _angle(self, distance: Float64) -> tuple[Float64, Bool]:
        if self.reference_poly == PIXELDIST_TO_ANGLE:
            reached = distance <= self._limits[1]
            angle = self._polynomial(np.where(reached, distance, 0.0))[0]
            return angle, reached & (angle >= 0.0)
        return invert_increasing(self._polynomial, distance, self._limits[0])
