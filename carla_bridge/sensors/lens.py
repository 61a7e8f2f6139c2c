"""The lens in front of a camera: radial distortion inside a circle, and chromatic aberration.

CARLA's documents give the attributes' ranges and no formula. What its maintainers say is kept: the usual values leave
the picture alone, and ``lens_circle_multiplier`` brings the effect in. The formula is the radial polynomial that lens
shaders commonly use, with ``u``, ``v`` from -0.5 to 0.5 across the picture:

    r = sqrt((u * lens_x_size / 0.08)^2 + (v * lens_y_size / 0.08)^2)
    c = lens_circle_multiplier * (sqrt(2) * r)^lens_circle_falloff
    share = c / (1 + c)
    the pixel at (u, v) shows what the straight picture has at (u, v) * (1 + share * r^2 * (lens_k + lens_kcube * r))

What lies outside of the straight picture is black, infinitely far, or without a class.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from math import sqrt

import cv2
import numpy as np
from numpy.typing import NDArray

from carla_bridge.sensors.development import processed

__all__ = ["bend", "fringe"]

Float32 = NDArray[np.float32]
Uint8 = NDArray[np.uint8]

USUAL_SIZE = 0.08
FRINGE_SHARE = 0.01
"""Red and blue are this far apart at the corner, as a share of its distance, for each unit of intensity."""


def bend(kind: str, picture: Uint8 | Float32, attributes: Mapping[str, str]) -> Uint8 | Float32:
    """A picture as the lens shows it; the same array where there is nothing to do.

    Args:
        kind: of camera; colours are interpolated, everything else is taken from the nearest pixel.
        picture: uint8 [H, W, 4] BGRA or float32 [H, W, 2].
        attributes: of the blueprint.
    """
    values = tuple(float(attributes.get(f"lens_{name}", "0")) for name in _NAMES)
    if values[0] == 0.0:
        return picture
    height, width = picture.shape[:2]
    return _sampled(picture, *_map(width, height, values), smooth=kind == "rgb", outside=_OUTSIDE.get(kind, _BLACK))


_NAMES = ("circle_multiplier", "circle_falloff", "k", "kcube", "x_size", "y_size")
_BLACK = (0.0, 0.0, 0.0, 255.0)
_OUTSIDE = {"depth": (255.0, 255.0, 255.0, 255.0), "optical_flow": (0.0, 0.0, 0.0, 0.0)}


def fringe(picture: Uint8, attributes: Mapping[str, str]) -> Uint8:
    """Chromatic aberration: red is drawn a little larger and blue a little smaller towards the edge."""
    intensity = float(attributes.get("chromatic_aberration_intensity", "0"))
    if intensity == 0.0 or not processed(attributes):
        return picture
    height, width = picture.shape[:2]
    offset = float(attributes.get("chromatic_aberration_offset", "0"))
    out = picture.copy()
    for channel, sign in ((2, -0.5), (0, 0.5)):
        where = _fringe_map(width, height, sign * intensity * FRINGE_SHARE, offset)
        out[..., channel] = cv2.remap(
            np.ascontiguousarray(picture[..., channel]), *where, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
    return out


def _sampled(
    picture: Uint8 | Float32, x: Float32, y: Float32, *, smooth: bool, outside: tuple[float, ...]
) -> Uint8 | Float32:
    how = cv2.INTER_LINEAR if smooth else cv2.INTER_NEAREST
    found = cv2.remap(picture, x, y, how, borderMode=cv2.BORDER_REPLICATE)
    height, width = picture.shape[:2]
    away = (x < -0.5) | (y < -0.5) | (x > width - 0.5) | (y > height - 0.5)
    found[away] = np.array(outside[: picture.shape[2]], picture.dtype)
    return np.asarray(found, np.uint8) if picture.dtype == np.uint8 else np.asarray(found, np.float32)


def _shares(width: int, height: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Pixel centres [H, W] across and down, from -0.5 to 0.5."""
    v, u = np.mgrid[0:height, 0:width] + 0.5
    return u / width - 0.5, v / height - 0.5


@lru_cache(maxsize=8)
def _map(width: int, height: int, values: tuple[float, ...]) -> tuple[Float32, Float32]:
    """Where each pixel of the bent picture comes from, in cv2's pixels (0 is the centre of the first)."""
    multiplier, falloff, k, kcube, x_size, y_size = values
    u, v = _shares(width, height)
    r = np.hypot(u * x_size / USUAL_SIZE, v * y_size / USUAL_SIZE)
    inside = multiplier * (sqrt(2.0) * r) ** falloff
    share = inside / (1.0 + inside)
    return _pixels(width, height, u, v, 1.0 + share * r * r * (k + kcube * r))


@lru_cache(maxsize=8)
def _fringe_map(width: int, height: int, growth: float, offset: float) -> tuple[Float32, Float32]:
    u, v = _shares(width, height)
    r = np.hypot(u, v) * sqrt(2.0)  # 1 in the corners
    beyond = np.clip((r - offset) / max(1.0 - offset, 1e-9), 0.0, 1.0)
    return _pixels(width, height, u, v, 1.0 + growth * beyond)


def _pixels(
    width: int, height: int, u: NDArray[np.float64], v: NDArray[np.float64], factor: NDArray[np.float64]
) -> tuple[Float32, Float32]:
    x = ((u * factor + 0.5) * width - 0.5).astype(np.float32)
    y = ((v * factor + 0.5) * height - 0.5).astype(np.float32)
    return x, y
