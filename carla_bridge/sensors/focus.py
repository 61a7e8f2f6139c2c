"""What is out of focus: circles of confusion, the diaphragm's shape, and the blur that they make.

- ``focal_distance`` (cm), ``fstop``: a thin lens of ``f = 12.288 mm / tan(fov / 2)`` before a sensor of 24.576 mm
  (APS-C), focused at ``s`` (never nearer than ``2 f``), draws a point at ``d`` metres along the axis as a disc of
  ``f / fstop * f / (s - f) * |d - s| / d`` across.
- ``blade_count``, ``min_fstop``: the disc is round with the diaphragm open (``fstop = min_fstop``); stopped down, the
  blades' polygon comes through by ``1 - min_fstop / fstop``.
- ``blur_radius``, ``blur_amount``: haze blurs by up to ``blur_radius`` pixels of a picture 1920 wide, half of it at
  ``blur_amount`` kilometres: ``blur_radius * (1 - 2^(-d / blur_amount))``.

Discs have at most 1/24 of the picture's width across.
"""

from __future__ import annotations

from functools import lru_cache
from math import cos, pi, radians, tan

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["disc_radius", "haze_radius", "iris", "unfocused"]

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

SENSOR_M = 0.024576
MOST_OF_WIDTH = 1 / 48
SHARP_PX = 0.3
"""Discs of a smaller radius stay within their pixel."""
LEVELS_PER_OCTAVE = 2
FINE_PX = 6.0
"""Discs with a larger radius are drawn on a smaller picture."""
OVERSAMPLED = 5
HIDDEN = np.float32(1e-4)


def disc_radius(ahead: Float64, width: int, fov_deg: float, focus_m: float, fstop: float) -> Float64:
    """Radius in pixels of the disc that a point ``ahead`` metres along the axis makes."""
    focal = SENSOR_M / 2 / tan(radians(fov_deg) / 2)
    focus = max(focus_m, 2.0 * focal)
    across = focal / fstop * focal / (focus - focal) * np.abs(ahead - focus) / np.maximum(ahead, 1e-3)
    return np.asarray(np.minimum(across / SENSOR_M / 2, MOST_OF_WIDTH) * width)


def haze_radius(ahead: Float64, width: int, radius: float, half_km: float) -> Float64:
    """Radius in pixels by which haze blurs what is ``ahead`` metres away."""
    share = np.minimum(radius / 1920.0, MOST_OF_WIDTH)
    return np.asarray(share * width * (1.0 - np.exp2(-ahead / (1000.0 * half_km))))


@lru_cache(maxsize=64)
def iris(radius: float, blades: int, roundness: float) -> Float32:
    """A diaphragm's opening as a kernel [2 n + 1, 2 n + 1] of sum 1; its corners reach ``radius`` pixels.

    Args:
        radius: pixels.
        blades: corners of its polygon.
        roundness: 1 for a circle, 0 for straight blades.
    """
    if radius < 1.5:
        beside = radius * radius / 8.0  # spreads a point as a disc does: by a quarter of the squared radius
        line = np.array([beside, 1.0 - 2.0 * beside, beside])
        return np.asarray(np.outer(line, line), np.float32)
    reach = int(np.ceil(radius - 0.5))
    side = 2 * reach + 1
    grid = (np.arange(side * OVERSAMPLED) + 0.5) / OVERSAMPLED - side / 2
    x, y = np.meshgrid(grid, grid)
    turned = np.mod(np.arctan2(y, x) + pi / 2, 2 * pi / blades) - pi / blades
    edge = roundness + (1.0 - roundness) * cos(pi / blades) / np.cos(turned)
    inside = (np.hypot(x, y) <= radius * edge).astype(np.float64)
    kernel = inside.reshape(side, OVERSAMPLED, side, OVERSAMPLED).mean((1, 3))
    return np.asarray(kernel / kernel.sum(), np.float32)


def unfocused(linear: Float32, radius: Float64, near: NDArray[np.bool_], blades: int, roundness: float) -> Float32:
    """A picture whose points are discs.

    What is beyond the focus gathers its surroundings, but nothing that is sharper than itself, so a sharp edge before
    it stays sharp. What is nearer spreads over its surroundings.

    Args:
        linear: light [H, W, 3].
        radius: of each pixel's disc [H, W], pixels.
        near: [H, W] bool, nearer than the focus.
        blades, roundness: see `iris`.

    Returns:
        Light [H, W, 3]; the same array where all is sharp.
    """
    most = float(radius.max(initial=0.0))
    if most <= SHARP_PX:
        return linear
    count = max(int(np.ceil(np.log2(most / SHARP_PX) * LEVELS_PER_OCTAVE)), 1)
    place = (np.log2(np.maximum(radius, SHARP_PX) / SHARP_PX) * LEVELS_PER_OCTAVE).astype(np.float32)
    over = (near & (radius > SHARP_PX)).astype(np.float32)
    light = np.concatenate([linear, np.ones((*linear.shape[:2], 1), np.float32)], axis=2)
    out = np.zeros_like(linear)
    veil = np.zeros_like(light)
    for number in range(count + 1):
        mine = np.maximum(1.0 - np.abs(place - number), 0.0)
        if not mine.any():
            continue
        size = SHARP_PX * 2.0 ** (number / LEVELS_PER_OCTAVE)
        own = np.minimum(np.maximum(radius, SHARP_PX) / size, 1.0).astype(np.float32) ** 2
        if number == 0:  # what is sharp stays as it is
            out += mine[..., None] * linear
            veil += light * (mine * over)[..., None]
            continue
        # What lies under something near is made up from its surroundings.
        gathered = _filtered(light * (own * np.maximum(1.0 - over, HIDDEN))[..., None], size, blades, roundness)
        out += mine[..., None] * gathered[..., :3] / gathered[..., 3:]
        if over.any():
            veil += _filtered(light * (mine * over)[..., None], size, blades, roundness)
    cover = np.minimum(veil[..., 3:], 1.0)
    return np.asarray(out * (1.0 - cover) + veil[..., :3] * (cover / np.maximum(veil[..., 3:], 1e-9)), np.float32)


def _filtered(light: Float32, radius: float, blades: int, roundness: float) -> Float32:
    height, width = light.shape[:2]
    shrink = 1
    while radius / shrink > FINE_PX and min(height, width) // (2 * shrink) >= 1:
        shrink *= 2
    if shrink > 1:
        small = (width // shrink, height // shrink)
        light = np.asarray(cv2.resize(light, small, interpolation=cv2.INTER_AREA), np.float32)
    kernel = iris(radius / shrink, blades, roundness)
    # Filters correlate: the kernel is turned so that a point of light shows the opening as it is.
    found = cv2.filter2D(light, -1, kernel[::-1, ::-1].copy(), borderType=cv2.BORDER_REPLICATE)
    if shrink > 1:
        found = cv2.resize(found, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(found, np.float32)
