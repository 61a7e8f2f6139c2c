"""The f-theta camera nearest to any camera: NuRec's consumers read no other model.

Both polynomials, the principal point and the linear part are fitted in least squares of pixels over the whole image.
What they cannot express (tangential distortion, the edge of a very wide pinhole) stays as a residual that is reported;
avrec itself keeps the exact model.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from avrec.errors import DataError
from avrec.geometry import ANGLE_TO_PIXELDIST, PIXELDIST_TO_ANGLE, Camera, FThetaCamera

__all__ = ["FThetaFit", "fit_ftheta"]

Float64 = NDArray[np.float64]

_GRID = (49, 37)
_TERMS = 5  # powers 1 to 5; the centre of the image is angle 0
_MIN_SAMPLES = 50
_ITERATIONS = 25


@dataclass(frozen=True)
class FThetaFit:
    """A fitted camera and how far its pixels are from the original's, over the valid image.

    Attributes:
        camera: the fitted model; its reference polynomial is the one with the smaller residual.
        rms_px: root mean square distance.
        max_px: largest distance.
    """

    camera: FThetaCamera
    rms_px: float
    max_px: float


def fit_ftheta(camera: Camera) -> FThetaFit:
    """Fit an f-theta model to a camera; one that is f-theta already is returned as it is.

    Raises:
        DataError: hardly any pixel of the camera has a ray.
    """
    if isinstance(camera, FThetaCamera):
        missing = not camera.pixeldist_to_angle_poly[1] or not camera.angle_to_pixeldist_poly[1]
        return FThetaFit(_completed(camera) if missing else camera, 0.0, 0.0)
    pixels, rays = _samples(camera)
    angle = np.arctan2(np.hypot(rays[:, 0], rays[:, 1]), rays[:, 2])
    across = rays[:, :2] / np.maximum(np.hypot(rays[:, 0], rays[:, 1]), 1e-300)[:, None]
    center, linear, forward = _fit_forward(pixels, angle, across)
    backward = _fit_backward(pixels, angle, center, linear, forward)
    fits = []
    for reference, slope in ((ANGLE_TO_PIXELDIST, forward[0]), (PIXELDIST_TO_ANGLE, backward[0])):
        if slope > 0:
            candidate = FThetaCamera(
                width=camera.width,
                height=camera.height,
                principal_point=(center[0], center[1]),
                reference_poly=reference,
                pixeldist_to_angle_poly=(0.0, *backward),
                angle_to_pixeldist_poly=(0.0, *forward),
                max_angle=min(float(angle.max()) * (1 + 1e-6) + 1e-6, np.pi),  # the corner itself must be inside
                linear_cde=(linear[0], linear[1], linear[2]),
            )
            fits.append(_measured(candidate, pixels, rays))
    best = min(fits, key=lambda fit: fit.rms_px, default=None)
    if best is None or not np.isfinite(best.rms_px):
        raise DataError(
            f"No f-theta camera comes near this {camera.MODEL} camera ({camera.width}x{camera.height}); "
            "check its calibration."
        )
    return replace(best, camera=_completed(best.camera))


def _samples(camera: Camera) -> tuple[Float64, Float64]:
    """Pixels [N, 2] on a grid from edge to edge and their rays [N, 3], where the camera has any."""
    u, v = np.meshgrid(np.linspace(0, camera.width, _GRID[0]), np.linspace(0, camera.height, _GRID[1]))
    pixels = np.stack([u.ravel(), v.ravel()], axis=1)
    rays, valid = camera.unproject(pixels)
    if np.count_nonzero(valid) < _MIN_SAMPLES:
        raise DataError(
            f"A {camera.width}x{camera.height} camera has rays for hardly any of its pixels; check its calibration."
        )
    return pixels[valid], rays[valid]


def _fit_forward(pixels: Float64, angle: Float64, across: Float64) -> tuple[Float64, Float64, Float64]:
    """Principal point [2], linear part (c, d, e) and angle-to-pixels coefficients [5], by Gauss-Newton."""
    widest = angle.max()
    powers = (angle / widest)[:, None] ** np.arange(1, _TERMS + 1)
    center, linear = pixels[np.argmin(angle)].copy(), np.array([1.0, 0.0, 0.0])
    terms = np.linalg.lstsq(powers, np.linalg.norm(pixels - center, axis=1), rcond=None)[0]
    zero, one = np.zeros(len(angle)), np.ones(len(angle))
    for _ in range(_ITERATIONS):
        flat = (powers @ terms)[:, None] * across
        c, d, e = linear
        gain_u, gain_v = c * across[:, 0] + d * across[:, 1], e * across[:, 0] + across[:, 1]
        miss_u = pixels[:, 0] - center[0] - c * flat[:, 0] - d * flat[:, 1]
        miss_v = pixels[:, 1] - center[1] - e * flat[:, 0] - flat[:, 1]
        rows_u = np.column_stack([one, zero, flat[:, 0], flat[:, 1], zero, gain_u[:, None] * powers])
        rows_v = np.column_stack([zero, one, zero, zero, flat[:, 0], gain_v[:, None] * powers])
        step = np.linalg.lstsq(np.vstack([rows_u, rows_v]), np.concatenate([miss_u, miss_v]), rcond=None)[0]
        center, linear, terms = center + step[:2], linear + step[2:5], terms + step[5:]
        if np.abs(step).max() < 1e-10:
            break
    return center, linear, terms / widest ** np.arange(1, _TERMS + 1)


def _fit_backward(pixels: Float64, angle: Float64, center: Float64, linear: Float64, forward: Float64) -> Float64:
    """Pixels-to-angle coefficients [5], weighted so that the residual counts in pixels."""
    radius = _radius(pixels, center, linear)
    powers = (radius / radius.max())[:, None] ** np.arange(1, _TERMS + 1)
    slope = np.polynomial.polynomial.polyval(angle, forward * np.arange(1, _TERMS + 1))
    weight = np.maximum(slope, 0.05 * forward[0])[:, None]
    terms = np.linalg.lstsq(powers * weight, angle * weight[:, 0], rcond=None)[0]
    scaled: Float64 = terms / radius.max() ** np.arange(1, _TERMS + 1)
    return scaled


def _radius(pixels: Float64, center: Float64, linear: Float64) -> Float64:
    c, d, e = linear
    flat = np.linalg.solve(np.array([[c, d], [e, 1.0]]), (pixels - center).T).T
    radius: Float64 = np.linalg.norm(flat, axis=1)
    return radius


def _completed(camera: FThetaCamera) -> FThetaCamera:
    """The camera with its second polynomial fitted as the inverse of its reference, over all of the image."""
    corners = np.array([(x, y) for x in (0.0, camera.width) for y in (0.0, camera.height)])
    reach = float(_radius(corners, np.array(camera.principal_point), np.array(camera.linear_cde)).max())
    forward = camera.reference_poly == ANGLE_TO_PIXELDIST
    known = np.linspace(0, camera.limit_angle if forward else reach, 500)
    wanted = np.polynomial.polynomial.polyval(
        known, camera.angle_to_pixeldist_poly if forward else camera.pixeldist_to_angle_poly
    )
    keep = wanted <= (reach if forward else camera.limit_angle)
    known, wanted = known[keep], wanted[keep]
    powers = (wanted / wanted[-1])[:, None] ** np.arange(1, _TERMS + 1)
    terms = np.linalg.lstsq(powers, known, rcond=None)[0] / wanted[-1] ** np.arange(1, _TERMS + 1)
    second = (0.0, *(float(term) for term in terms))
    if forward:
        return replace(camera, pixeldist_to_angle_poly=second)
    return replace(camera, angle_to_pixeldist_poly=second)


def _measured(fitted: FThetaCamera, pixels: Float64, rays: Float64) -> FThetaFit:
    projected, valid = fitted.project_unbounded(rays)
    if not valid.all():  # a polynomial that turns around inside the image is no camera
        return FThetaFit(fitted, float("inf"), float("inf"))
    distance = np.linalg.norm(projected - pixels, axis=1)
    return FThetaFit(fitted, float(np.sqrt(np.mean(distance**2))), float(distance.max()))
