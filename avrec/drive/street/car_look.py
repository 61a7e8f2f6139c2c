"""Cars' paint, glass, lamps and wheels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from avrec.drive.street.noise import pulse, single_pulse, soft_disc
from avrec.drive.street.plain import plain
from avrec.drive.street.surface import Hit, mix

__all__ = ["cabin", "car", "wheel"]

Float32 = NDArray[np.float32]


def car(hit: Hit) -> Float32:
    """Painted lower body: lamps, plates, doors, wheel arches, dark sill. The part frame is the car's."""
    x, y, z = hit.point
    length = float(hit.part.half[0])
    wx, wy, wz = (hit.width(axis) for axis in range(3))
    color = plain(hit)
    red = np.array([[0.75, 0.08, 0.06]], np.float32)
    dark, white = np.full((1, 3), 0.17, np.float32), np.full((1, 3), 0.88, np.float32)
    facing = int(np.argmax(np.abs(hit.normal[:, 0]))) if hit.normal.shape[1] == 1 else 0
    if facing == 1:
        for door in (-0.75, 0.15, 1.0):
            color = color * (1 - 0.55 * single_pulse(x, wx, door - 0.018, door + 0.018))[:, None]
        handles = single_pulse(x, wx, -0.65, -0.47) + single_pulse(x, wx, 0.26, 0.44)
        handles = handles * single_pulse(z, wz, 0.18, 0.23)
        color = mix(color, dark, handles)
        color = mix(color, dark, single_pulse(z, wz, -2, -float(hit.part.half[2]) + 0.12))
        for wheel in (-0.62 * length, 0.62 * length):
            far = np.hypot(x - np.float32(wheel), z + np.float32(hit.part.half[2]))
            color = mix(color, dark, soft_disc(far, 0.4, np.maximum(wx, wz)))
        ends = single_pulse(np.abs(x), wx, length - 0.28, 3) * single_pulse(z, wz, 0.02, 0.2)
        return mix(color, np.where(x[:, None] > 0, white, red).astype(np.float32), ends)
    if facing == 0:
        front = float(np.mean(hit.normal[0])) > 0
        lamps = single_pulse(np.abs(y), wy, 0.48, 0.82) * single_pulse(z, wz, 0.0, 0.2)
        color = mix(color, white if front else red, lamps)
        color = mix(color, dark, single_pulse(z, wz, -2, -0.16) * 0.85)
        if front:
            grille = single_pulse(np.abs(y), wy, -1, 0.4) * pulse(z, wz, 0, 0.05, 0.09)
            color = mix(color, dark, grille * single_pulse(z, wz, -0.05, 0.15))
        return mix(color, white, single_pulse(np.abs(y), wy, -1, 0.26) * single_pulse(z, wz, -0.2, -0.09))
    return color


def cabin(hit: Hit) -> Float32:
    """Roof in the car's colour, glass all round, pillars between."""
    x, y, z = hit.point
    top = float(hit.part.half[2])
    paint = plain(hit)
    n = np.abs(hit.normal[:, 0])
    if n[2] > 0.9:
        return paint
    sky = np.array([[0.31, 0.35, 0.39]], np.float32) * (1 + 0.35 * z / np.float32(top))[:, None]
    glass = single_pulse(z, hit.width(2), -top + 0.06, top - 0.08)
    if n[1] > n[0]:
        lean = x + z * np.float32(0.15)
        for pillar in (-0.42, 0.5):
            glass = glass * (1 - single_pulse(lean, hit.width(0), pillar - 0.05, pillar + 0.05))
    else:
        glass = glass * single_pulse(np.abs(y), hit.width(1), -1, float(hit.part.half[1]) - 0.16)
    return mix(paint, sky.astype(np.float32), glass)


def wheel(hit: Hit) -> Float32:
    """A tyre about the part's z axis, with a spoked rim on its faces."""
    rubber = np.full((hit.point.shape[1], 3), 0.18, np.float32)
    if hit.face == 0:
        return rubber
    far = np.hypot(hit.point[0], hit.point[1])
    spokes = 0.5 + 0.12 * np.cos(5 * np.arctan2(hit.point[1], hit.point[0])) * np.clip(1.5 - 8 * hit.beam, 0, 1)
    rim = np.repeat(spokes.astype(np.float32)[:, None], 3, 1)
    return mix(rubber, rim, soft_disc(far, 0.62 * float(hit.part.half[0]), hit.beam * 1.5))
