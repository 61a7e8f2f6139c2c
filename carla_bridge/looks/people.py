"""People and things, filling their boxes: x forward, y left, z up from below the box's middle, metres."""

from __future__ import annotations

from zlib import crc32

from avrec.mesh.painted import Kind, Surface
from carla_bridge.looks.solids import Colour, box, drum
from carla_bridge.world.labels import Label
from carla_bridge.world.pose import Vector

__all__ = ["person_shape", "prop_shape"]

_TOPS: tuple[Colour, ...] = (
    (0.30, 0.05, 0.05),
    (0.05, 0.10, 0.28),
    (0.45, 0.44, 0.42),
    (0.06, 0.20, 0.10),
    (0.45, 0.28, 0.05),
    (0.12, 0.12, 0.13),
    (0.30, 0.12, 0.28),
    (0.10, 0.28, 0.32),
)
_LEGS: tuple[Colour, ...] = ((0.03, 0.04, 0.08), (0.05, 0.05, 0.05), (0.16, 0.13, 0.09), (0.10, 0.11, 0.13))
_SKINS: tuple[Colour, ...] = ((0.50, 0.30, 0.21), (0.36, 0.19, 0.11), (0.17, 0.08, 0.05))
_HAIR: tuple[Colour, ...] = ((0.02, 0.015, 0.01), (0.10, 0.05, 0.02), (0.28, 0.18, 0.07))
_ORANGE: Colour = (0.75, 0.13, 0.02)
_WHITE: Colour = (0.65, 0.65, 0.63)
_RED: Colour = (0.55, 0.03, 0.03)
_WOOD: Colour = (0.20, 0.11, 0.05)
_METAL: Colour = (0.22, 0.23, 0.24)


def person_shape(name: str, half: Vector) -> Surface:
    """Somebody in mid-step; who it is chooses the clothes."""
    hx, hy, hz = half
    chosen = crc32(name.encode())
    shirt, legs = _TOPS[chosen % 8], _LEGS[chosen // 8 % 4]
    skin, hair = _SKINS[chosen // 32 % 3], _HAIR[chosen // 96 % 3]
    label, top = Label.PEDESTRIAN, 2 * hz
    wide = min(0.62 * hy, 0.13 * top)
    hip, neck, chin = 0.48 * top, 0.83 * top, 0.87 * top
    stride = 0.62 * hx
    head = 0.055 * top
    parts = [
        drum((0, 0, hip * 0.96), (0, 0, 0.62 * top), (wide * 0.82, wide * 0.78), shirt, label, sides=10),
        drum((0, 0, 0.62 * top), (0, 0, neck), (wide * 0.78, wide * 0.95), shirt, label, sides=10),
        drum((0, 0, neck), (0, 0, chin), (0.035 * top, 0.032 * top), skin, label, sides=8),
        drum((0, 0, chin), (0, 0, 0.95 * top), (head * 0.75, head), skin, label, sides=10),
        drum((0, 0, 0.945 * top), (0, 0, top), (head * 1.06, head * 0.6), hair, label, sides=10),
    ]
    for side in (-1.0, 1.0):
        knee = (side * stride * 0.45 + 0.03, side * wide * 0.48, 0.27 * top)
        foot = (side * stride * 0.75, side * wide * 0.48, 0.04 * top)
        parts.append(drum((0.0, side * wide * 0.42, hip), knee, (0.052 * top, 0.042 * top), legs, label, sides=8))
        parts.append(drum(knee, foot, (0.040 * top, 0.028 * top), legs, label, sides=8))
        parts.append(
            box(
                (foot[0] - 0.05, foot[1] - 0.045, 0.0),
                (foot[0] + 0.03 * top * 3, foot[1] + 0.045, 0.045 * top),
                (0.03, 0.03, 0.03),
                label,
            )
        )
        elbow = (-side * stride * 0.28, side * (wide + 0.03), 0.63 * top)
        hand = (-side * stride * 0.42 + 0.10, side * (wide + 0.03), 0.49 * top)
        parts.append(
            drum((0.0, side * wide * 0.92, neck * 0.985), elbow, (0.032 * top, 0.027 * top), shirt, label, sides=6)
        )
        parts.append(drum(elbow, hand, (0.026 * top, 0.020 * top), skin, label, sides=6))
    return Surface.joined(parts)


def prop_shape(name: str, half: Vector, label: int) -> Surface:
    """A thing by its blueprint's name; what has no shape of its own is a box."""
    hx, hy, hz = half
    top = 2 * hz
    word = name.rpartition(".")[2]
    if "cone" in word:
        return Surface.joined(
            [
                box((-hx, -hy, 0), (hx, hy, 0.05 * top), _ORANGE, label),
                drum((0, 0, 0.05 * top), (0, 0, 0.45 * top), (0.72 * hx, 0.47 * hx), _ORANGE, label),
                drum((0, 0, 0.45 * top), (0, 0, 0.68 * top), (0.47 * hx, 0.32 * hx), _WHITE, label),
                drum((0, 0, 0.68 * top), (0, 0, top), (0.32 * hx, 0.1 * hx), _ORANGE, label),
            ]
        )
    if ("barrier" in word and hy > 0.2) or word in ("trafficwarning", "warningconstruction", "warningaccident"):
        count = max(round(2 * hy / 0.3), 2)
        stripes = [
            box(
                (-hx, -hy + 2 * hy * k / count, 0.35 * top),
                (hx, -hy + 2 * hy * (k + 1) / count, top),
                (_RED, _WHITE)[k % 2],
                label,
            )
            for k in range(count)
        ]
        feet = [
            box((-hx, s * hy * 0.9 - 0.05, 0), (hx, s * hy * 0.9 + 0.05, 0.35 * top), _METAL, label) for s in (-1, 1)
        ]
        return Surface.joined([*stripes, *feet])
    if word.startswith(("barrel", "bin", "trashcan", "plantpot", "clothcontainer", "glasscontainer")):
        radius = min(hx, hy)
        colour = _tinted(word)
        parts = [drum((0, 0, 0), (0, 0, 0.9 * top), (radius * 0.88, radius), colour, label, sides=14)]
        leafy = word.startswith("plantpot")
        parts.append(
            drum(
                (0, 0, 0.9 * top),
                (0, 0, top),
                (radius, radius * 0.8),
                (0.06, 0.16, 0.03) if leafy else _METAL,
                label,
                sides=14,
            )
        )
        return Surface.joined(parts)
    if word.startswith("bench"):
        return Surface.joined(
            [
                box((-hx, -hy, 0.42 * top), (hx, hy, 0.52 * top), _WOOD, label),
                box((-hx, -hy, 0.52 * top), (-hx + 0.08, hy, top), _WOOD, label),
                *(
                    box(
                        (-hx * 0.9, s * hy * 0.85 - 0.04, 0),
                        (hx * 0.9, s * hy * 0.85 + 0.04, 0.42 * top),
                        _METAL,
                        label,
                    )
                    for s in (-1, 1)
                ),
            ]
        )
    if word.startswith("streetsign") or word == "metroboard":
        return Surface.joined(
            [
                drum((0, 0, 0), (0, 0, top), (0.04, 0.04), _METAL, label, sides=8),
                box((-0.03, -hy, 0.68 * top), (0.03, hy, top), (0.05, 0.13, 0.42), label),
            ]
        )
    if word == "busstop" or word == "busstoplb":
        return Surface.joined(
            [
                box((-hx, -hy, 0.94 * top), (hx, hy, top), _METAL, label),
                box((-hx, -hy, 0.12 * top), (-hx + 0.05, hy, 0.94 * top), (0.03, 0.04, 0.045), label, Kind.GLASS),
                *(
                    box((x - 0.04, y - 0.04, 0), (x + 0.04, y + 0.04, 0.94 * top), _METAL, label)
                    for x in (-hx + 0.04, hx - 0.04)
                    for y in (-hy + 0.04, hy - 0.04)
                ),
                box((-hx + 0.1, -hy * 0.7, 0.16 * top), (-hx + 0.5, hy * 0.7, 0.19 * top), _WOOD, label),
            ]
        )
    if "table" in word:
        return Surface.joined(
            [
                box((-hx, -hy, 0.92 * top), (hx, hy, top), _WOOD, label),
                *(
                    box((x - 0.03, y - 0.03, 0), (x + 0.03, y + 0.03, 0.92 * top), _METAL, label)
                    for x in (-hx * 0.9, hx * 0.9)
                    for y in (-hy * 0.9, hy * 0.9)
                ),
            ]
        )
    return box((-hx, -hy, 0.0), (hx, hy, top), _tinted(word), label)


def _tinted(word: str) -> Colour:
    """A muted colour that goes with a name."""
    chosen = crc32(word.encode())
    return tuple(0.07 + 0.22 * ((chosen >> shift & 255) / 255) for shift in (0, 8, 16))  # type: ignore[return-value]
