"""A beam's footprint on a part, and what the shaders of all materials share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avrec.drive.street.noise import smooth_noise
from avrec.drive.street.shapes import Look, Part

__all__ = ["Hit", "mix", "noisy", "noisy_round"]

Float32 = NDArray[np.float32]
Octaves = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Hit:
    """Where beams meet one face of one part, in the part's own metric frame.

    Attributes:
        part: what was hit.
        face: which face of it.
        point: float32 [3, N] metres.
        direction: float32 [3, N] unit.
        normal: float32 [3, N] or [3, 1] outward unit normal.
        beam: float32 [N] width of the beam across itself, metres.
    """

    part: Part
    face: int
    point: Float32
    direction: Float32
    normal: Float32
    beam: Float32

    def width(self, axis: int) -> Float32:
        """Extent of the beam's footprint along a part axis lying in the surface, metres."""
        sine = np.maximum(np.abs((self.normal * self.direction).sum(0)), np.float32(0.03))
        result: Float32 = self.beam * np.sqrt(1 + (self.direction[axis] / sine) ** 2)
        return result

    @property
    def look(self) -> Look:
        """The part's shader numbers."""
        return self.part.look

    def color(self, name: str) -> Float32:
        """A colour of the part, float32 [1, 3]."""
        return np.array([self.look[name]], np.float32)

    def number(self, name: str) -> float:
        """A number of the part's look."""
        value = self.look[name]
        return float(value[0]) if isinstance(value, tuple) else float(value)


def mix(under: Float32, over: Float32, share: Float32) -> Float32:
    """Cover ``under`` [N, 3] with ``over`` by ``share`` [N]."""
    result: Float32 = under + (over - under) * share[:, None]
    return result


def noisy(base: Float32, hit: Hit, u: int, v: int, octaves: Octaves) -> Float32:
    """A base colour modulated by noise over two part axes, each part with its own piece of the noise."""
    salt = np.float32(hit.number("salt") * 13.7 if "salt" in hit.look else 0.0)
    width = np.maximum(hit.width(u), hit.width(v))
    noise = smooth_noise(hit.point[u] + salt, hit.point[v] - salt, width, octaves)
    result: Float32 = base * (1 + noise)[:, None]
    return result


def noisy_round(hit: Hit, base: Float32, octaves: Octaves) -> Float32:
    """Noise for curved parts: two skewed planes averaged, so that no direction shows streaks."""
    x, y, z = hit.point
    salt = np.float32(hit.number("salt") * 13.7 if "salt" in hit.look else 0.0)
    width = hit.beam * 1.3
    noise = smooth_noise(x + 0.4 * y + salt, z + 0.4 * y, width, octaves)
    noise = noise + smooth_noise(y - 0.4 * z, x * 0.6 + 0.7 * z + salt, width, octaves)
    result: Float32 = base * (1 + 0.75 * noise)[:, None]
    return result
