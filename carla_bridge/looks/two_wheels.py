"""Motorcycles and bicycles with their riders."""

from __future__ import annotations

from avrec.mesh.painted import Kind, Surface
from carla_bridge.looks.body_parts import LAMP_COLOURS, OFF, PAINT, RIM, TRIM, TYRE, Lamp, plate
from carla_bridge.looks.solids import Colour, box, drum, panel, skin
from carla_bridge.world.labels import Label
from carla_bridge.world.pose import Vector

__all__ = ["two_wheels"]

CLOTH: Colour = (0.10, 0.12, 0.20)
TROUSERS: Colour = (0.05, 0.055, 0.07)
SKIN: Colour = (0.48, 0.28, 0.19)
RIDER_M = 1.62
"""Height of a rider's head over the ground where the vehicle's box is lower."""


def two_wheels(half: Vector, label: int, motor: bool) -> list[Surface]:
    """A motorcycle or bicycle and who rides it."""
    hx, _, hz = half
    radius = min(0.31 if motor else 0.34, 0.45 * hx)
    broad = 0.07 if motor else 0.025
    front, rear = hx - radius, -hx + radius
    parts = []
    for x in (rear, front):
        parts.append(drum((x, -broad, radius), (x, broad, radius), (radius, radius), TYRE, label, sides=16))
        parts.append(
            drum(
                (x, -broad - 0.004, radius),
                (x, broad + 0.004, radius),
                (radius * 0.8, radius * 0.8),
                RIM,
                label,
                sides=12,
            )
        )
    seat = (0.36 * rear, 0.0, 0.80 if motor else 0.90)
    bar = (0.62 * front, 0.0, 0.98 if motor else 1.0)
    if motor:
        parts.append(
            skin(
                [
                    _shifted(rear * 0.75, 0.10, 0.55, 0.82),
                    _shifted(rear * 0.2, 0.15, 0.30, 0.80),
                    _shifted(front * 0.25, 0.17, 0.28, 0.93),
                    _shifted(front * 0.62, 0.12, 0.55, 0.92),
                ],
                PAINT,
                label,
                Kind.GLOSS,
                1.0,
            )
        )
        parts.append(drum((front, 0.0, radius), bar, (0.05, 0.05), TRIM, label, sides=6))
        parts.append(
            panel(
                plate(front * 0.70, 0.08, 0.80, 0.92, 0.03),
                LAMP_COLOURS[Lamp.FRONT],
                label,
                Kind.LAMP + Lamp.FRONT,
                OFF,
            )
        )
        parts.append(
            panel(
                plate(rear * 0.80, 0.07, 0.70, 0.78, -0.03), LAMP_COLOURS[Lamp.TAIL], label, Kind.LAMP + Lamp.TAIL, OFF
            )
        )
        parts.append(
            panel(
                plate(rear * 0.80, 0.07, 0.62, 0.70, -0.03),
                LAMP_COLOURS[Lamp.BRAKE],
                label,
                Kind.LAMP + Lamp.BRAKE,
                OFF,
            )
        )
    else:
        crank = (0.0, 0.0, radius * 0.9)
        for a, b in (
            ((rear, 0.0, radius), crank),
            (crank, seat),
            (crank, bar),
            (seat, bar),
            ((rear, 0.0, radius), seat),
            ((front, 0.0, radius), bar),
        ):
            parts.append(drum(a, b, (0.022, 0.022), PAINT, label, Kind.GLOSS, sides=6, paint=1.0))
        parts.append(box((seat[0] - 0.12, -0.06, seat[2]), (seat[0] + 0.12, 0.06, seat[2] + 0.05), TRIM, label))
    parts.append(drum((bar[0], -0.27, bar[2]), (bar[0], 0.27, bar[2]), (0.02, 0.02), TRIM, label, sides=6))
    return parts + _rider(seat, bar, max(2 * hz, RIDER_M))


def _shifted(x: float, y: float, low: float, high: float) -> list[Vector]:
    return [(x, -y, low), (x, y, low), (x, y * 0.8, high), (x, -y * 0.8, high)]


def _rider(seat: Vector, bar: Vector, top: float) -> list[Surface]:
    label = Label.RIDER
    neck = (seat[0] + 0.16, 0.0, top - 0.24)
    parts = [
        drum((seat[0], 0.0, seat[2] + 0.02), neck, (0.15, 0.19), CLOTH, label, sides=8),
        drum((neck[0], 0.0, neck[2]), (neck[0] + 0.02, 0.0, top), (0.09, 0.10), SKIN, label, sides=8),
        drum((neck[0], 0.0, top - 0.12), (neck[0] + 0.02, 0.0, top), (0.125, 0.07), TRIM, label, Kind.GLOSS, sides=8),
    ]
    for side in (-1.0, 1.0):
        hand, shoulder = (bar[0], side * 0.24, bar[2] + 0.02), (neck[0], side * 0.17, neck[2] - 0.06)
        parts.append(drum(shoulder, hand, (0.055, 0.04), CLOTH, label, sides=6))
        knee = (seat[0] + 0.34, side * 0.14, seat[2] - 0.12)
        parts.append(drum((seat[0], side * 0.10, seat[2] + 0.02), knee, (0.085, 0.065), TROUSERS, label, sides=6))
        parts.append(
            drum(knee, (seat[0] + 0.20, side * 0.13, max(seat[2] - 0.58, 0.2)), (0.06, 0.045), TROUSERS, label, sides=6)
        )
    return parts
