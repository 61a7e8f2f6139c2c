"""Band-limited procedural patterns: every one takes the beam's width and fades before it would alias."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["cell_random", "pulse", "single_pulse", "smooth_noise", "soft_disc"]

Float32 = NDArray[np.float32]

_SIZE = 256
_LATTICE: Float32 = np.random.default_rng(20240229).uniform(-1, 1, _SIZE * _SIZE).astype(np.float32)


def _value_noise(x: Float32, y: Float32) -> Float32:
    """One octave of value noise with unit lattice, in -1..1."""
    x_floor, y_floor = np.floor(x), np.floor(y)
    fx, fy = x - x_floor, y - y_floor
    fx *= fx * (3 - 2 * fx)
    fy *= fy * (3 - 2 * fy)
    column, row = x_floor.astype(np.int32), y_floor.astype(np.int32)
    left, right = column & (_SIZE - 1), (column + 1) & (_SIZE - 1)
    low, high = (row & (_SIZE - 1)) * _SIZE, ((row + 1) & (_SIZE - 1)) * _SIZE
    a, b = _LATTICE[low + left], _LATTICE[low + right]
    c, d = _LATTICE[high + left], _LATTICE[high + right]
    a += (b - a) * fx
    c += (d - c) * fx
    result: Float32 = a + (c - a) * fy
    return result


def smooth_noise(x: Float32, y: Float32, width: Float32, octaves: tuple[tuple[float, float], ...]) -> Float32:
    """A sum of value-noise octaves, each faded out as its cell nears the beam's width.

    Args:
        x: float32 [N] metres.
        y: float32 [N] metres.
        width: float32 [N] beam width on the surface, metres.
        octaves: (cells per metre, amplitude) each.

    Returns:
        float32 [N], within plus or minus the sum of amplitudes.
    """
    total = np.zeros_like(x)
    for frequency, amplitude in octaves:
        strength = np.clip(1.8 - 1.6 * width * np.float32(frequency), 0, 1) * np.float32(amplitude)
        if not strength.any():
            continue
        shift = np.float32(frequency * 17.31)  # octaves must not share lattice points at the origin
        total += strength * _value_noise(x * np.float32(frequency) + shift, y * np.float32(frequency) - shift)
    return total


def _pulse_integral(x: Float32, low: float, high: float, period: float) -> Float32:
    turns = np.floor(x / np.float32(period))
    rest = x - turns * np.float32(period)
    result: Float32 = turns * np.float32(high - low) + np.clip(rest - np.float32(low), 0, np.float32(high - low))
    return result


def pulse(x: Float32, width: Float32, low: float, high: float, period: float) -> Float32:
    """Share of a beam of ``width`` about ``x`` that falls in [low, high] of each period (exact box filter).

    ``0 <= low < high <= period``; all in metres. Returns float32 in 0..1.
    """
    half = np.maximum(width, np.float32(1e-3)) * np.float32(0.5)
    share = _pulse_integral(x + half, low, high, period) - _pulse_integral(x - half, low, high, period)
    result: Float32 = share / (2 * half)
    return result


def single_pulse(x: Float32, width: Float32, low: float, high: float) -> Float32:
    """Share of a beam of ``width`` about ``x`` that falls in [low, high] (exact box filter)."""
    half = np.maximum(width, np.float32(1e-3)) * np.float32(0.5)
    inside = np.minimum(x + half, np.float32(high)) - np.maximum(x - half, np.float32(low))
    result: Float32 = np.clip(inside / (2 * half), 0, 1)
    return result


def soft_disc(distance: Float32, radius: float, width: Float32) -> Float32:
    """1 inside ``radius``, 0 outside, with an edge as soft as the beam is wide."""
    result: Float32 = np.clip((np.float32(radius) - distance) / np.maximum(width, np.float32(1e-3)) + 0.5, 0, 1)
    return result


def cell_random(column: Float32, row: Float32, salt: int) -> Float32:
    """A repeatable number in -1..1 for each whole-numbered cell, float32 [N]."""
    index = (row.astype(np.int32) * 37 + salt * 101) & (_SIZE - 1)
    result: Float32 = _LATTICE[index * _SIZE + ((column.astype(np.int32) * 53 + salt * 11) & (_SIZE - 1))]
    return result
