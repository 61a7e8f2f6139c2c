"""The scene of the rasteriser's benchmark: a street canyon of Gaussians, nearly all of them in view."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from avrec.geometry import OpenCVPinholeCamera, matrix_from_rpy
from avrec.raster import View

__all__ = ["canyon_camera", "canyon_cloud", "canyon_view"]


def canyon_camera(width: int, height: int) -> OpenCVPinholeCamera:
    """A wide pinhole with a little distortion."""
    return OpenCVPinholeCamera(
        width, height, (0.75 * width, 0.75 * width), (width / 2, height / 2), (-0.1, 0.02), (0.001, 0.001)
    )


def canyon_cloud(count: int, camera: OpenCVPinholeCamera, *, seed: int = 0) -> NDArray[np.float32]:
    """Packed Gaussians (SH degree 1) on a road, on two facades and in between.

    Footprints are log-normal around the mean pixel spacing, so that a pixel blends some tens of them; opacities are
    mixed as in a scene under optimisation.
    """
    rng = np.random.default_rng(seed)
    tries = 6 * count
    depth = np.exp(rng.uniform(np.log(3), np.log(80), tries))
    left, up = rng.uniform(-0.75, 0.75, tries) * depth, rng.uniform(-0.55, 0.55, tries) * depth
    kind = rng.random(tries)
    up = np.where(kind < 0.4, -1.6, up)
    left = np.where((kind >= 0.4) & (kind < 0.75), np.sign(left) * 8.0, left)
    seen = (np.abs(left) < 0.75 * depth) & (np.abs(up) < 0.55 * depth) & (up > -1.7)
    rows = np.flatnonzero(seen)[:count]
    spacing_px = np.sqrt(camera.width * camera.height / count)
    scale = 0.9 * spacing_px * depth[rows] / camera.focal[0] * np.exp(rng.normal(0, 0.5, count))
    columns = [
        np.stack([depth, left, up], axis=1)[rows],
        rng.normal(size=(count, 4)),
        np.log(scale)[:, None] + rng.normal(0, 0.4, (count, 3)),
        rng.uniform(-1, 3, (count, 1)),
        rng.normal(0, 0.3, (count, 12)),
    ]
    return np.ascontiguousarray(np.concatenate(columns, axis=1), dtype=np.float32)


def canyon_view(camera: OpenCVPinholeCamera) -> View:
    """A rolling shutter from top to bottom while the camera moves 0.3 m forward and turns by 0.6 degrees."""
    share = np.linspace(0, 1, camera.height)
    forward = np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]])
    rotation = np.stack([matrix_from_rpy(0.0, 0.0, 0.01 * part) @ forward for part in share])
    origin = np.stack([0.3 * share, 0 * share, 0 * share], axis=1)
    return View(camera, rotation, origin, "rows", np.zeros((0, camera.height, 4, 4)))
