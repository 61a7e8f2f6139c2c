"""Shapes of vehicles that fill their boxes: x forward, y left, z up from the ground below the box's middle, metres."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from avrec.mesh.painted import Kind, Surface
from carla_bridge.looks.body_parts import (
    GLASS,
    PAINT,
    SIGN_M,
    TRIM,
    cabin,
    lamps,
    plate,
    ring,
    roof_sign,
    side_panes,
    wheels,
)
from carla_bridge.looks.solids import Colour, box, panel, skin
from carla_bridge.looks.two_wheels import two_wheels
from carla_bridge.world.bumping import DOOR_HALF_M
from carla_bridge.world.pose import Vector

__all__ = ["door_shape", "vehicle_shape"]

CARGO: Colour = (0.55, 0.55, 0.54)


def vehicle_shape(base_type: str, half: Vector, label: int, special: str = "") -> Surface:
    """The shape for a blueprint's base type (``car``, ``van``, ``truck``, ``bus``, ``motorcycle``, ``bicycle``)."""
    if base_type in ("motorcycle", "bicycle"):
        return Surface.joined(two_wheels(half, label, base_type == "motorcycle"))
    signed = special in ("emergency", "taxi")
    full, half = half, (half[0], half[1], half[2] - SIGN_M / 2) if signed else half
    length, height = 2 * half[0], 2 * half[2]
    if base_type == "bus" or length > 9.0:
        parts = _bus(half, label)
    elif base_type == "truck" and height > 2.2:
        parts = _truck(half, label)
    elif base_type == "van" or height > 2.1:
        parts = _van(half, label)
    else:
        parts = _car(half, label)
    if signed:
        parts += roof_sign(full, label, special)
    return Surface.joined(parts)


def door_shape(half: Vector, places: Sequence[Vector], label: int) -> Surface:
    """Open side doors, from their middles in the box (see `carla_bridge.world.bumping.open_doors`): sheet and pane."""
    thick, wide, _ = DOOR_HALF_M
    top = 2 * half[2]
    low, belt, high = 0.18 * top, 0.60 * top, min(0.90 * top, 0.60 * top + 0.6)
    parts = []
    for x, y, _ in places:
        sheet = ((x - thick, y - wide, low), (x + thick, y + wide, belt))
        pane = ((x - thick / 3, y - wide * 0.9, belt), (x + thick / 3, y + wide * 0.9, high))
        parts += [box(*sheet, PAINT, label, Kind.GLOSS, 1.0), box(*pane, GLASS, label, Kind.GLASS)]
    return Surface.joined(parts)


def _car(half: Vector, label: int) -> list[Surface]:
    hx, hy, hz = half
    top = 2 * hz
    hatch = hx < 2.15 or hz > 0.84
    pickup = hx > 3.0
    belt = 0.60 * top
    bonnet = (0.58 if hatch else 0.56) * top
    boot = belt if hatch or pickup else 0.60 * top
    sill = 0.14 * top
    body = skin(
        [
            ring(-hx, hy * 0.84, (0.24 * top, 0.36 * top, 0.52 * top), 0.95),
            ring(-0.955 * hx, hy * 0.96, (sill, 0.36 * top, boot * 0.985), 0.93),
            ring(-0.60 * hx, hy, (sill * 0.9, 0.38 * top, belt), 0.92),
            ring(0.36 * hx, hy, (sill * 0.9, 0.38 * top, belt), 0.92),
            ring(0.80 * hx, hy * 0.97, (sill, 0.36 * top, bonnet * 0.93), 0.90),
            ring(0.955 * hx, hy * 0.90, (sill, 0.34 * top, bonnet * 0.82), 0.88),
            ring(hx, hy * 0.74, (0.20 * top, 0.30 * top, 0.40 * top), 0.95),
        ],
        PAINT,
        label,
        Kind.GLOSS,
        1.0,
    )
    # Front and rear ends of the cabin at the belt and at the roof.
    foot = (-0.93 if hatch else -0.72, 0.42)
    roof = (-0.78 if hatch else -0.42, 0.06)
    if pickup:
        foot, roof = (-0.95, 0.55), (-0.1, 0.0)
    parts = [
        body,
        *cabin(
            (foot[0] * hx, foot[1] * hx), (roof[0] * hx, roof[1] * hx), 0.90 * hy, 0.70 * hy, belt * 0.985, top, label
        ),
    ]
    radius = min(0.235 * top, 0.42)
    parts += wheels(hx * 0.60, hy, radius, 0.22, label)
    lamp_z = 0.435 * top
    parts += lamps(hx, hy, (0.985, 0.60, 0.86), (1.0, 0.46, 0.82), lamp_z, 0.11 * top, label)
    parts.append(panel(plate(hx * 1.0, 0.5 * hy, 0.22 * top, 0.30 * top, 0.004), TRIM, label))
    parts.append(panel(plate(hx * 1.0, 0.16 * hy, 0.31 * top, 0.36 * top, 0.006), (0.6, 0.6, 0.6), label))
    parts.append(panel(plate(-hx * 1.0, 0.16 * hy, 0.38 * top, 0.44 * top, -0.006), (0.6, 0.6, 0.6), label))
    return parts


def _van(half: Vector, label: int) -> list[Surface]:
    hx, hy, hz = half
    top = 2 * hz
    sill = min(0.25, 0.14 * top)
    nose = max(hx - 0.75, 0.55 * hx)
    rings = [
        ring(-hx, hy * 0.95, (sill, 0.45 * top, top * 0.97), 0.93),
        ring(-hx + 0.06, hy, (sill, 0.45 * top, top), 0.94),
        ring(nose - 0.45, hy, (sill, 0.45 * top, top), 0.92),
        ring(nose + 0.12, hy, (sill, 0.42 * top, 0.60 * top), 0.90),
        ring(hx - 0.08, hy * 0.95, (sill, 0.36 * top, 0.47 * top), 0.90),
        ring(hx, hy * 0.86, (sill + 0.06, 0.30 * top, 0.38 * top), 0.95),
    ]
    parts = [skin(rings, PAINT, label, Kind.GLOSS, 1.0)]
    lower, upper = (nose + 0.05, 0.635 * top), (nose - 0.40, 0.965 * top)
    out = 0.02
    parts.append(
        panel(
            [
                (lower[0] + out, -0.82 * hy, lower[1] + out),
                (lower[0] + out, 0.82 * hy, lower[1] + out),
                (upper[0] + out, 0.84 * hy, upper[1] + out),
                (upper[0] + out, -0.84 * hy, upper[1] + out),
            ],
            GLASS,
            label,
            Kind.GLASS,
        )
    )
    parts += side_panes(hy, (0.45 * top, top, 0.92), ((nose - 1.35, nose - 0.50),), 0.60 * top, 0.86 * top, label)
    parts.append(panel(plate(-hx, 0.74 * hy, 0.60 * top, 0.86 * top, -0.01), GLASS, label, Kind.GLASS))
    parts += wheels(hx * 0.62, hy, min(0.38, 0.2 * top), 0.25, label)
    parts += lamps(hx, hy, (0.985, 0.60, 0.84), (0.998, 0.66, 0.92), 0.38 * top, 0.16, label)
    parts.append(panel(plate(hx, 0.5 * hy, sill + 0.08, sill + 0.22, 0.004), TRIM, label))
    return parts


def _truck(half: Vector, label: int) -> list[Surface]:
    hx, hy, hz = half
    top = 2 * hz
    cab = hx - min(2.1, 0.62 * hx)
    deck = min(1.0, 0.32 * top)
    parts = [
        box((-hx, -hy, deck), (cab - 0.12, hy, top), CARGO, label, Kind.PLAIN, 0.35),
        box((-hx + 0.1, -0.42 * hy, 0.45), (cab + 0.2, 0.42 * hy, deck), TRIM, label),
        box((-hx + 0.02, -0.95 * hy, 0.45), (-hx + 0.12, 0.95 * hy, 0.60), TRIM, label),
    ]
    high = min(top, 3.0)
    rings = [
        ring(cab, hy * 0.97, (0.35, 0.5 * high, high), 0.95),
        ring(hx - 0.42, hy * 0.97, (0.35, 0.5 * high, high), 0.94),
        ring(hx - 0.06, hy * 0.96, (0.30, 0.48 * high, 0.52 * high), 0.97),
        ring(hx, hy * 0.93, (0.30, 0.34 * high, 0.44 * high), 0.98),
    ]
    parts.append(skin(rings, PAINT, label, Kind.GLOSS, 1.0))
    parts.append(
        panel(
            [
                (hx - 0.06, -0.86 * hy, 0.56 * high),
                (hx - 0.06, 0.86 * hy, 0.56 * high),
                (hx - 0.34, 0.84 * hy, 0.93 * high),
                (hx - 0.34, -0.84 * hy, 0.93 * high),
            ],
            GLASS,
            label,
            Kind.GLASS,
        )
    )
    parts += side_panes(
        hy * 0.97, (0.5 * high, high, 0.94), ((cab + 0.35, hx - 0.45),), 0.56 * high, 0.86 * high, label
    )
    parts += wheels(hx * 0.64, hy, 0.5, 0.32, label)
    parts += lamps(hx, hy, (0.99, 0.62, 0.88), (0.995, 0.62, 0.90), min(0.75, 0.36 * high), 0.16, label)
    return parts


def _bus(half: Vector, label: int) -> list[Surface]:
    hx, hy, hz = half
    top = 2 * hz
    low, sill, head = 0.30, 0.36 * top, 0.80 * top
    rings = [
        ring(-hx, hy * 0.97, (low, sill, top * 0.96), 0.95),
        ring(-hx + 0.08, hy, (low, sill, top), 0.96),
        ring(hx - 0.25, hy, (low, sill, top), 0.96),
        ring(hx - 0.03, hy * 0.985, (low, 0.42 * top, 0.80 * top), 0.97),
        ring(hx, hy * 0.96, (low, 0.30 * top, 0.40 * top), 0.98),
    ]
    parts = [skin(rings, PAINT, label, Kind.GLOSS, 1.0)]
    count = max(int(2 * hx // 1.6), 3)
    edges = np.linspace(-hx + 0.35, hx - 0.45, count + 1)
    spans = tuple((a + 0.05, b - 0.05) for a, b in pairwise(edges.tolist()))
    parts += side_panes(hy, (sill, top, 0.96), spans, sill * 1.12, head, label)
    parts.append(
        panel(
            [
                (hx + 0.012, -0.90 * hy, 0.43 * top),
                (hx + 0.012, 0.90 * hy, 0.43 * top),
                (hx - 0.01, 0.90 * hy, 0.80 * top),
                (hx - 0.01, -0.90 * hy, 0.80 * top),
            ],
            GLASS,
            label,
            Kind.GLASS,
        )
    )
    parts.append(panel(plate(-hx, 0.80 * hy, 0.50 * top, 0.80 * top, -0.012), GLASS, label, Kind.GLASS))
    parts += wheels(hx * 0.58, hy, 0.48, 0.30, label)
    parts += lamps(hx, hy, (0.998, 0.62, 0.90), (1.0, 0.66, 0.92), 0.24 * top, 0.2, label)
    return parts
