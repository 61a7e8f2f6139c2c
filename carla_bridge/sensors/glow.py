"""Light that strays in the lens: ``bloom_intensity`` and ``lens_flare_intensity``.

A recorded picture has the glow of its own lens, so the usual intensities (0.675 and 0.1) add nothing, and what is above
them is drawn. Everything is computed in linear light, where 1 is the sensor's white; light beyond white counts.

- Bloom: the light above 0.7 is spread over its surroundings by three normal distributions of 0.4, 1.5 and 6 % of the
  width, which get 50, 30 and 20 % of it, and added ``bloom_intensity - 0.675`` times.
- Flare: what is white (a luminance of 0.95 and more; by and by up to 1) is mirrored through the picture's middle by the
  lens's surfaces. Three ghosts, 0.3, 0.6 and 1.2 times as far from the middle and as large, tinted by coatings, are
  added ``lens_flare_intensity - 0.1`` times.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["USUAL_GLOW", "glow"]

Float32 = NDArray[np.float32]

USUAL_GLOW = {"bloom_intensity": 0.675, "lens_flare_intensity": 0.1}
BRIGHT, BLINDING = 0.7, 0.95
SPREADS = ((0.004, 0.5), (0.015, 0.3), (0.06, 0.2))
"""Standard deviations as shares of the width, and how much of the light they get."""
GHOSTS = ((0.3, (0.12, 0.08, 0.05)), (0.6, (0.05, 0.08, 0.10)), (1.2, (0.03, 0.05, 0.04)))
"""Distances from the middle, on the other side, against the light's own; and how much of it, red, green and blue."""
LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)
GHOST_SOFT = 0.006
SHRINK = 4
"""Glow is smooth, so it is computed on a picture so many times smaller."""


def glow(linear: Float32, bloom: float, flare: float) -> Float32:
    """Linear light [H, W, 3] RGB with the glow of a lens added; the same array where there is none.

    Args:
        linear: light, 1 is white.
        bloom, flare: how much above the usual intensity.
    """
    if bloom <= 0.0 and flare <= 0.0:
        return linear
    height, width = linear.shape[:2]
    small = (max(width // SHRINK, 1), max(height // SHRINK, 1))
    added = np.zeros((small[1], small[0], 3), np.float32)
    if bloom > 0.0:
        bright = cv2.resize(np.maximum(linear - np.float32(BRIGHT), 0.0), small, interpolation=cv2.INTER_AREA)
        for spread, share in SPREADS:
            added += np.float32(bloom * share) * _blurred(bright, spread * small[0])
    if flare > 0.0:
        white = np.clip((linear @ LUMINANCE - BLINDING) / (1.0 - BLINDING), 0.0, 1.0).astype(np.float32)
        bright = cv2.resize(linear * white[..., None], small, interpolation=cv2.INTER_AREA)
        for reach, tint in GHOSTS:
            # Smoothed first, so that a small light is not missed where the ghost is smaller still.
            ghost = _mirrored(_blurred(bright, 0.5 / reach), reach)
            ghost = _blurred(ghost, GHOST_SOFT * small[0])
            added += np.float32(flare) * ghost * np.array(tint, np.float32)
    return np.asarray(linear + cv2.resize(added, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


def _blurred(light: Float32, sigma: float) -> Float32:
    return np.asarray(cv2.GaussianBlur(light, (0, 0), max(sigma, 0.3)), np.float32)


def _mirrored(light: Float32, reach: float) -> Float32:
    """Each point on the other side of the middle, so many times as far from it."""
    height, width = light.shape[:2]
    middle_u, middle_v = (width - 1) / 2, (height - 1) / 2
    back = -1.0 / reach
    source = np.array([[back, 0.0, middle_u * (1.0 - back)], [0.0, back, middle_v * (1.0 - back)]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(light, source, (width, height), flags=flags), np.float32)
