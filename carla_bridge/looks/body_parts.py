"""What vehicles are put together from: cross sections, cabins, windows, wheels, lamps."""

from __future__ import annotations

from enum import IntEnum

import numpy as np

from avrec.mesh.painted import Kind, Surface
from carla_bridge.looks.solids import Colour, box, drum, panel, skin
from carla_bridge.world.pose import Vector

__all__ = [
    "LAMP_COLOURS",
    "OFF",
    "SIGN_M",
    "Lamp",
    "cabin",
    "lamps",
    "plate",
    "ring",
    "roof_sign",
    "side_panes",
    "wheels",
]

GLASS: Colour = (0.02, 0.025, 0.03)
TYRE: Colour = (0.018, 0.018, 0.02)
RIM: Colour = (0.34, 0.35, 0.37)
TRIM: Colour = (0.03, 0.03, 0.033)
PAINT: Colour = (1.0, 1.0, 1.0)
PANE_M = 0.006
"""Of windows before the wall that they are set on."""
SIGN_M = 0.11
"""Height of what police cars and taxis have on the roof."""


class Lamp(IntEnum):
    """Bits of a body's lamps."""

    FRONT = 0
    TAIL = 1
    BRAKE = 2
    RIGHT = 3
    LEFT = 4
    REVERSE = 5
    SIREN_RED = 6
    SIREN_BLUE = 7


OFF = 0.3
"""Share of a lamp's colour that is left when it is off."""
LAMP_COLOURS: dict[Lamp, Colour] = {
    Lamp.FRONT: (1.0, 0.95, 0.82),
    Lamp.TAIL: (0.5, 0.02, 0.015),
    Lamp.BRAKE: (1.0, 0.04, 0.03),
    Lamp.RIGHT: (1.0, 0.38, 0.02),
    Lamp.LEFT: (1.0, 0.38, 0.02),
    Lamp.REVERSE: (0.9, 0.9, 0.9),
    Lamp.SIREN_RED: (1.0, 0.03, 0.03),
    Lamp.SIREN_BLUE: (0.05, 0.15, 1.0),
}


def ring(x: float, width: float, heights: tuple[float, float, float], tuck: float) -> list[Vector]:
    """A cross section: narrower below, full at the middle height, a little narrower above."""
    low, middle, high = heights
    below, above = width * 0.93, width * tuck
    return [
        (x, below, low),
        (x, width, middle),
        (x, above, high),
        (x, -above, high),
        (x, -width, middle),
        (x, -below, low),
    ]


def plate(x: float, width: float, low: float, high: float, out: float) -> list[Vector]:
    """A plate across the vehicle, a little before its end."""
    return [(x + out, -width, low), (x + out, width, low), (x + out, width, high), (x + out, -width, high)]


def cabin(
    foot: tuple[float, float],
    roof: tuple[float, float],
    wide: float,
    narrow: float,
    low: float,
    high: float,
    label: int,
) -> list[Surface]:
    """A painted frame with panes set on it."""

    def level(share: float) -> tuple[float, float, float, float]:
        rear, front = (foot[k] + (roof[k] - foot[k]) * share for k in (0, 1))
        return rear, front, wide + (narrow - wide) * share, low + (high - low) * share

    def around(share: float) -> list[Vector]:
        rear, front, y, z = level(share)
        return [(rear, -y, z), (front, -y, z), (front, y, z), (rear, y, z)]

    crown_rear, crown_front, crown_y = roof[0] + 0.1, roof[1] - 0.12, narrow * 0.8
    crown = [
        (crown_rear, -crown_y, high),
        (crown_front, -crown_y, high),
        (crown_front, crown_y, high),
        (crown_rear, crown_y, high),
    ]
    shoulder = 0.93
    parts = [skin([around(0.0), around(shoulder), crown], PAINT, label, Kind.GLOSS, 1.0)]
    a, b = level(0.08), level(0.86)
    out = 0.008
    for end in (0, 1):  # rear window and windscreen
        x = (a[end], b[end])
        shift = out if end else -out
        parts.append(
            panel(
                [
                    (x[0] + shift, -a[2] * 0.90, a[3] + out),
                    (x[0] + shift, a[2] * 0.90, a[3] + out),
                    (x[1] + shift, b[2] * 0.92, b[3] + out),
                    (x[1] + shift, -b[2] * 0.92, b[3] + out),
                ],
                GLASS,
                label,
                Kind.GLASS,
            )
        )
    for side in (-1.0, 1.0):
        for first, last in ((0.07, 0.50), (0.55, 0.90)):

            def at(row: tuple[float, float, float, float], share: float, side: float = side) -> Vector:
                return row[0] + (row[1] - row[0]) * share, side * (row[2] + out), row[3]

            parts.append(panel([at(a, first), at(a, last), at(b, last), at(b, first)], GLASS, label, Kind.GLASS))
    return parts


def wheels(axle: float, hy: float, radius: float, width: float, label: int) -> list[Surface]:
    """Four wheels on axles so far before and behind the middle."""
    parts = []
    for x in (-axle, axle):
        for side in (-1.0, 1.0):
            outer, inner = side * (hy * 0.995), side * (hy - width)
            parts.append(drum((x, inner, radius), (x, outer, radius), (radius, radius), TYRE, label, sides=14))
            hub = (x, outer - side * 0.02, radius), (x, outer + side * 0.004, radius)
            parts.append(drum(*hub, (radius * 0.62, radius * 0.56), RIM, label, Kind.GLOSS, sides=10))
    return parts


def lamps(
    hx: float,
    hy: float,
    front: tuple[float, float, float],
    rear: tuple[float, float, float],
    z: float,
    tall: float,
    label: int,
) -> list[Surface]:
    """Lamps at both ends; each end says how far out along x, and from where to where along y (shares of the half)."""
    parts = []
    for side, blink in ((-1.0, Lamp.RIGHT), (1.0, Lamp.LEFT)):
        for sign, (out, inner, outer), main in ((1.0, front, Lamp.FRONT), (-1.0, rear, Lamp.TAIL)):
            x, bend = sign * hx * out, max(sign, 0.0) * 0.05 * hx
            cuts = np.linspace(inner, outer, 4) * hy * side
            order = [main, main, blink] if main is Lamp.FRONT else [Lamp.REVERSE, Lamp.BRAKE, blink]
            for number, lamp in enumerate(order):
                y0, y1 = float(cuts[number]), float(cuts[number + 1])
                x0, x1 = x - bend * number / 3 + sign * 0.02, x - bend * (number + 1) / 3 + sign * 0.02
                halves = [(z - tall / 2, z + tall / 2, lamp)]
                if main is Lamp.TAIL:
                    halves = [(z - tall / 2, z, lamp), (z, z + tall / 2, Lamp.TAIL)]
                for low, high, each in halves:
                    corners = [(x0, y0, low), (x1, y1, low), (x1, y1, high), (x0, y0, high)]
                    parts.append(panel(corners, LAMP_COLOURS[each], label, Kind.LAMP + each, OFF))
    return parts


def side_panes(
    hy: float,
    wall: tuple[float, float, float],
    spans: tuple[tuple[float, float], ...],
    low: float,
    high: float,
    label: int,
) -> list[Surface]:
    """Windows on both sides of a wall that leans in from its full width at one height to a share of it at another."""
    middle, top, tuck = wall
    parts = []
    for side in (-1.0, 1.0):
        for rear, front in spans:
            y0, y1 = (
                side * (hy * (1.0 - (1.0 - tuck) * max(z - middle, 0.0) / (top - middle)) + PANE_M) for z in (low, high)
            )
            corners = [(rear, y0, low), (front, y0, low), (front, y1, high), (rear, y1, high)]
            parts.append(panel(corners, GLASS, label, Kind.GLASS))
    return parts


def roof_sign(half: Vector, label: int, special: str) -> list[Surface]:
    """A taxi's sign or the beacons of an emergency vehicle, up to the top of the box."""
    _, hy, hz = half
    low, top = 2 * hz - SIGN_M - 0.03, 2 * hz
    if special == "taxi":
        return [box((-0.30, -0.28, low), (-0.12, 0.28, top), (0.8, 0.55, 0.03), label)]
    return [
        box((-0.32, y0 * hy, low), (-0.10, y1 * hy, top), LAMP_COLOURS[lamp], label, Kind.LAMP + lamp, OFF)
        for y0, y1, lamp in ((-0.55, -0.05, Lamp.SIREN_RED), (0.05, 0.55, Lamp.SIREN_BLUE))
    ]
