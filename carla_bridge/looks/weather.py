"""CARLA's weather as the numbers that the picture's light is made of (``Sky`` in avrec/mesh/native/look.h)."""

from __future__ import annotations

from collections.abc import Sequence
from math import cos, radians, sin

import numpy as np
from numpy.typing import NDArray

from carla_bridge.frames import flip_points

__all__ = ["sky_numbers", "sun_direction"]

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

DEFAULT_ALTITUDE_DEG, DEFAULT_AZIMUTH_DEG = 38.0, 130.0
"""Of the sun where the weather does not say (negative numbers, as the client's preset ``Default`` has)."""
_DAY = np.array([0.18, 0.36, 0.74])
_DAY_EDGE = np.array([0.62, 0.72, 0.82])
_DUSK = np.array([0.16, 0.20, 0.38])
_DUSK_EDGE = np.array([0.95, 0.48, 0.22])
_NIGHT = np.array([0.004, 0.006, 0.014])
_NIGHT_EDGE = np.array([0.012, 0.014, 0.024])
_GREY = np.array([0.50, 0.53, 0.57])
MOON = np.array([0.02, 0.024, 0.034])
GROUND = np.array([0.09, 0.10, 0.07])


def sun_direction(weather: Sequence[float]) -> Float64:
    """Towards the sun, in the world."""
    altitude = radians(_set(weather, 5, DEFAULT_ALTITUDE_DEG) if _given(weather) else DEFAULT_ALTITUDE_DEG)
    azimuth = radians(_set(weather, 4, DEFAULT_AZIMUTH_DEG) if _given(weather) else DEFAULT_AZIMUTH_DEG)
    return flip_points([cos(altitude) * cos(azimuth), cos(altitude) * sin(azimuth), sin(altitude)])


def sky_numbers(weather: Sequence[float], pixel_rad: float) -> Float32:
    """Light of a weather for a picture whose pixels are that wide."""
    given = _given(weather)
    clouds = np.clip(weather[0] / 100.0, 0.0, 1.0) if given else 0.25
    rain = np.clip(weather[1] / 100.0, 0.0, 1.0) if given else 0.0
    puddles = np.clip(max(weather[2], weather[9]) / 100.0, 0.0, 1.0) if given else 0.0
    fog = np.clip(weather[6] / 100.0, 0.0, 1.0) if given else 0.0
    fog_start = max(weather[7], 0.0) if given else 0.0
    dust = np.clip(weather[13] / 100.0, 0.0, 1.0) if given and len(weather) > 13 else 0.0
    sun = sun_direction(weather)
    height = float(sun[2])
    day, low = _ramp(-0.10, 0.22, height), _ramp(-0.12, 0.03, height) * (1.0 - _ramp(0.06, 0.36, height))
    overcast = max(clouds**2, 0.8 * rain)
    zenith = _NIGHT + (_DAY - _NIGHT) * day + (_DUSK - _NIGHT) * low * 0.5
    edge = _NIGHT_EDGE + (_DAY_EDGE - _NIGHT_EDGE) * day + (_DUSK_EDGE - _NIGHT_EDGE) * low * 0.55
    grey = _GREY * (0.02 + 0.98 * day) * (1.0 - 0.35 * rain)
    zenith, edge = zenith + (grey - zenith) * overcast * 0.85, edge + (grey * 1.1 - edge) * overcast * 0.85
    sand = np.array([0.62, 0.47, 0.30]) * (0.03 + 0.97 * day)
    zenith, edge = zenith + (sand - zenith) * dust * 0.6, edge + (sand - edge) * dust
    warm = np.array([1.0, 0.93 - 0.42 * low, 0.82 - 0.62 * low])
    sun_rgb = 3.1 * warm * _ramp(-0.02, 0.25, height) * (1.0 - 0.93 * overcast) * (1.0 - 0.8 * dust)
    shines = height > -0.02
    ambient = 0.75 * zenith + 0.55 * edge + (0.0 if shines else 1.0) * MOON
    below = GROUND * (ambient + 0.5 * sun_rgb * max(height, 0.0))
    haze = 1.0 / 2600.0 + rain / 900.0 + dust / 120.0
    density = fog**1.5 / 28.0
    fog_rgb = edge * (0.92 + 0.08 * day)
    gain = 0.80 + 0.55 * (1.0 - day) + 0.30 * overcast * day
    way = sun if shines else np.array([0.0, 0.0, 1.0])
    colours = [way, sun_rgb, ambient, below, zenith, edge, fog_rgb, 2.0 * GROUND * ambient]
    wet, cover = max(puddles, 0.7 * rain), max(clouds, 0.75 * rain)
    disc = _ramp(-0.06, 0.02, height) * (1.0 - overcast)
    numbers = [*np.concatenate(colours), density, fog_start, haze, cover, wet, gain, disc, pixel_rad]
    return np.array(numbers, dtype=np.float32)


def _given(weather: Sequence[float]) -> bool:
    """Whether the weather says anything: the client's preset ``Default`` has -1 everywhere."""
    return weather[0] >= 0.0


def _set(weather: Sequence[float], index: int, default: float) -> float:
    return float(weather[index]) if np.isfinite(weather[index]) else default


def _ramp(low: float, high: float, value: float) -> float:
    share = float(np.clip((value - low) / (high - low), 0.0, 1.0))
    return share * share * (3.0 - 2.0 * share)
