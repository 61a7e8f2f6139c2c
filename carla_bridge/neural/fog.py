"""Fog in pictures of a scene: the weather's one part that only needs to know how far away things are.

``fog_density`` (per cent) gives the extinction on the ground, by the same rule as on bare maps: ``(density / 100)^1.5 /
28`` per metre. It begins ``fog_distance`` metres away, and is halved every ``10 / fog_falloff`` metres of height, which
is Unreal's rule. What stands at distance d keeps ``exp(-extinction integrated from the beginning to d)`` of its light
(Beer and Lambert); the rest is that of the air, which the recorded sky lights. The sky is taken to be 1000 m away. All
of it is computed in linear light.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, log, radians, sin

import numpy as np
from numpy.typing import NDArray

from avrec.gaussians.sky import sample_sky
from carla_bridge.sensors.development import GAMMA

__all__ = ["Fog", "air_colour", "fog_of", "foggy", "transmittance"]

Float64 = NDArray[np.float64]
Float32 = NDArray[np.float32]

DENSITY, START, FALLOFF = 6, 7, 8
"""Places in CARLA's 14 numbers of a weather."""
THICKEST_PER_M = 1.0 / 28.0
HALF_HEIGHT_M = 10.0
SKY_M = 1000.0
HORIZON_DEG = (5.0, 12.0, 25.0)
WHITE = 0.75
"""Share of the air's colour that is grey: drops scatter all colours alike, also the ground's light."""
DEFAULT_AIR = (0.55, 0.57, 0.6)
_LUMA = np.array([0.2126, 0.7152, 0.0722])


@dataclass(frozen=True)
class Fog:
    """Extinction on the ground (per metre), where it begins (metres), and its decline with height (per metre)."""

    per_m: float
    start_m: float
    decline_per_m: float


def fog_of(weather: Sequence[float]) -> Fog | None:
    """The fog of a weather; None where there is none, as in a fresh episode."""
    density, start, falloff = (float(weather[index]) for index in (DENSITY, START, FALLOFF))
    if not density > 0.0:
        return None
    per_m = min(density / 100.0, 1.0) ** 1.5 * THICKEST_PER_M
    return Fog(per_m, max(start, 0.0), max(falloff, 0.0) * log(2.0) / HALF_HEIGHT_M)


def transmittance(fog: Fog, distance: Float64, up: Float64, height_m: float) -> Float64:
    """Share of the light that arrives.

    Args:
        fog: what one looks through.
        distance: metres to where it comes from; any shape.
        up: upward part of the unit ways there.
        height_m: of the eye over the ground.
    """
    way = np.clip(distance, 0.0, SKY_M) - fog.start_m
    rate = fog.decline_per_m * up
    first = fog.per_m * np.exp(-np.clip(fog.decline_per_m * height_m + rate * fog.start_m, -50.0, 50.0))
    steep = np.abs(rate) > 1e-9
    grown = np.where(steep, -np.expm1(-np.clip(rate * way, -50.0, None)) / np.where(steep, rate, 1.0), way)
    return np.asarray(np.where(way > 0.0, np.exp(-first * grown), 1.0))


def air_colour(sky: Float32 | None) -> Float64:
    """Colour of thick fog as it is shown, [3]: the brighter half of the sky over the horizon (some was never seen)."""
    if sky is None:
        return np.array(DEFAULT_AIR)
    ways = [
        (cos(radians(height)) * cos(turn), cos(radians(height)) * sin(turn), sin(radians(height)))
        for height in HORIZON_DEG
        for turn in np.arange(24) * (2 * np.pi / 24)
    ]
    every = np.clip(sample_sky(sky, np.array(ways)), 0.0, 1.0).astype(np.float64) ** GAMMA
    light = every[np.argsort(every @ _LUMA, kind="stable")[len(every) // 2 :]].mean(0)
    mixed = light + WHITE * (float(light @ _LUMA) - light)
    return np.asarray(mixed ** (1 / GAMMA))


def foggy(rgb: NDArray[np.floating], kept: Float64, air: Float64) -> Float32:
    """A picture [H, W, 3], 0 to 1 as it is shown, of which a share [H, W] of the light is kept."""
    linear = np.clip(rgb, 0.0, 1.0) ** GAMMA
    mixed = linear * kept[..., None] + air**GAMMA * (1.0 - kept[..., None])
    return np.asarray(mixed ** (1 / GAMMA), np.float32)
