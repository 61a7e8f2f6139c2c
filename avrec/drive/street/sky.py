"""The sky as a colour for each direction."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from avrec.drive.street.noise import smooth_noise

__all__ = ["sky_color"]

Float32 = NDArray[np.float32]


def sky_color(x: Float32, y: Float32, z: Float32, angle: float) -> Float32:
    """Colour float32 [N, 3] of unit world directions; ``angle`` is the beam's width in radians."""
    rise = np.maximum(z, 0)
    blue, haze = np.array([[0.45, 0.63, 0.86]], np.float32), np.array([[0.78, 0.84, 0.9]], np.float32)
    color = blue + (haze - blue) * np.exp(-3.2 * rise)[:, None]
    reach = np.float32(1) / (rise + np.float32(0.22))
    width = np.float32(angle) * reach * reach
    billow = smooth_noise(x * reach, y * reach, width, ((1.1, 0.5), (2.3, 0.3), (4.9, 0.2)))
    cloud = np.clip(billow * 1.6 + 0.1, 0, 1) * np.clip(rise * 6, 0, 1)
    result: Float32 = color + (np.float32(0.93) - color) * (0.75 * cloud)[:, None]
    return result.astype(np.float32)
