"""Small scenes for the rasteriser's tests: every camera model, every shutter, moving bodies."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from avrec.geometry import Camera, FThetaCamera, OpenCVFisheyeCamera, OpenCVPinholeCamera, ShutterDirection
from avrec.raster.view import RasterSettings, View

Float64 = NDArray[np.float64]

CAMERA_FROM_FORWARD = np.array([[0.0, -1, 0], [0, 0, -1], [1, 0, 0]])
"""Camera axes (x right, y down, z forward) of a camera that looks along world x with z up."""

EXACT = RasterSettings(inflate_bounds=1e3, margin=1e3)
"""Bounds so wide that every pixel looks at every Gaussian in front."""


def pinhole(width: int = 64, height: int = 48) -> Camera:
    """A pinhole camera with every distortion term."""
    return OpenCVPinholeCamera(
        width=width,
        height=height,
        focal=(0.8 * width, 0.82 * width),
        principal_point=(0.49 * width, 0.52 * height),
        radial=(-0.12, 0.03, 0.002, 0.01, -0.004, 0.001),
        tangential=(0.002, -0.003),
        thin_prism=(0.001, -0.0005, -0.001, 0.0007),
    )


def fisheye(width: int = 64, height: int = 48) -> Camera:
    """A wide fisheye camera."""
    return OpenCVFisheyeCamera(
        width=width,
        height=height,
        focal=(0.42 * width, 0.43 * width),
        principal_point=(0.51 * width, 0.48 * height),
        radial=(-0.02, 0.005, -0.001, 0.0001),
    )


def ftheta(width: int = 64, height: int = 48, reference: str = "ANGLE_TO_PIXELDIST") -> Camera:
    """A wide f-theta camera whose two polynomials are inverses of each other to the fifth order."""
    scale = 0.45 * width
    forward = np.array([0.0, 1, 0, -0.05, 0, 0.004])  # pixel distance / scale as a function of the angle
    backward = np.array([0.0, 1, 0, 0.05, 0, 3 * 0.05**2 - 0.004])  # series inversion
    return FThetaCamera(
        width=width,
        height=height,
        principal_point=(0.5 * width + 0.7, 0.5 * height - 0.4),
        reference_poly=reference,
        pixeldist_to_angle_poly=tuple(float(c / scale**i) for i, c in enumerate(backward)),
        angle_to_pixeldist_poly=tuple(float(c * scale) for c in forward),
        max_angle=1.5,
        linear_cde=(1.01, 0.004, -0.003),
    )


def ftheta_backward(width: int = 64, height: int = 48) -> Camera:
    """The same kind of camera, its pixel distance -> angle polynomial being the exact one."""
    return ftheta(width, height, "PIXELDIST_TO_ANGLE")


SPREAD = {"pinhole": 0.7, "fisheye": 1.5, "ftheta": 1.5, "ftheta_backward": 1.5}
"""How far to the sides each camera sees (see `cloud`)."""

CAMERAS = {"pinhole": pinhole, "fisheye": fisheye, "ftheta": ftheta, "ftheta_backward": ftheta_backward}


def rotation_about(axis: int, angle: Float64) -> Float64:
    """Rotations [..., 3, 3] about a coordinate axis by angles in radians."""
    cosine, sine = np.cos(angle), np.sin(angle)
    matrix = np.zeros((*np.shape(angle), 3, 3))
    first, second = (axis + 1) % 3, (axis + 2) % 3
    matrix[..., axis, axis] = 1
    matrix[..., first, first] = matrix[..., second, second] = cosine
    matrix[..., first, second], matrix[..., second, first] = -sine, sine
    return matrix


def moving_view(camera: Camera, direction: ShutterDirection, *, bodies: int = 0, speed: float = 1.0) -> View:
    """A camera that drives along world x with a changing yaw rate while its shutter runs, past moving bodies.

    Args:
        camera: its model and size.
        direction: of the shutter.
        bodies: how many moving bodies.
        speed: multiplies all motion; 1 is 10 m/s and up to 40 degrees/s over a readout of 30 ms.
    """
    axis = {"top_to_bottom": "rows", "bottom_to_top": "rows", "global": "none"}.get(str(direction), "columns")
    lines = {"rows": camera.height, "columns": camera.width, "none": 1}[axis]
    time = np.linspace(0, 1, lines) if lines > 1 else np.array([0.5])
    if str(direction) in ("bottom_to_top", "right_to_left"):
        time = time[::-1]
    yaw = speed * 0.02 * (time**2 - 0.3 * time)
    world_from_camera = rotation_about(2, yaw) @ rotation_about(1, speed * 0.004 * np.sin(3 * time))
    origin = np.stack([speed * 0.3 * time, speed * 0.02 * time**2, 1.5 + speed * 0.01 * time], axis=1)
    placed = np.tile(np.eye(4), (bodies, lines, 1, 1))
    for b in range(bodies):
        placed[b, :, :3, :3] = rotation_about(2, 0.7 + 2 * b + speed * 0.01 * time)
        placed[b, :, 0, 3] = 7 + 3 * b - speed * (0.25 + 0.1 * b) * time
        placed[b, :, 1, 3] = (-1.0) ** b * (1.5 + speed * 0.1 * time)
        placed[b, :, 2, 3] = 0.8
    return View(camera, world_from_camera @ CAMERA_FROM_FORWARD.T, origin, axis, placed)


def cloud(
    n: int = 150, *, degree: int = 1, seed: int = 0, bodies: int = 0, spread: float = 0.7
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """A random packed cloud in front of `moving_view` and the body index of each Gaussian.

    Footprints (standard deviations) are from 0.75 pixels to a tenth of the picture, as in a trained scene.

    Args:
        n: number of Gaussians.
        degree: of the spherical harmonics.
        seed: of the draw.
        bodies: how many moving bodies share 30 % of the Gaussians.
        spread: tangent of the angle that the cloud fills to the left and right.
    """
    rng = np.random.default_rng(seed)
    distance = rng.uniform(3, 15, n)
    angle = rng.uniform(-1, 1, n) * np.arctan(spread)
    height = rng.uniform(-0.7, 0.7, n) * spread
    means = distance[:, None] * np.stack([np.cos(angle), np.sin(angle), height], axis=1) + [0, 0, 1.5]
    body = np.where(rng.random(n) < 0.3, rng.integers(0, bodies + 1, n), 0).astype(np.int32)
    means[body > 0] = rng.normal(size=((body > 0).sum(), 3)) * [1.0, 0.5, 0.5]
    distance[body > 0] = 8
    packed = np.concatenate(
        [
            means,
            rng.normal(size=(n, 4)),
            np.log(distance)[:, None] + rng.uniform(np.log(0.015), np.log(0.12), (n, 3)),
            rng.normal(size=(n, 1)) * 1.5,
            rng.normal(size=(n, 3)) * 0.8,
            rng.normal(size=(n, 3 * ((degree + 1) ** 2 - 1))) * 0.15,
        ],
        axis=1,
    )
    return packed.astype(np.float32), body
