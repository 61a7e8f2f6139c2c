"""What a map puts beside the road: traffic lights and signs with their poles, as bodies that stand still."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, pi, sin

import numpy as np
from numpy.typing import NDArray

from avrec.drive.lane_graph import LaneGraph, Signal
from avrec.mesh.painted import Kind, Surface
from carla_bridge.looks.solids import Colour, box, drum, panel
from carla_bridge.world.furniture import POLE_HALF_M, panel_of
from carla_bridge.world.ground import Ground
from carla_bridge.world.labels import Label
from carla_bridge.world.pose import Pose, Vector
from carla_bridge.world.traffic_lights import is_light

__all__ = ["Fixture", "fixtures_of"]

_METAL: Colour = (0.20, 0.205, 0.21)
_BLACK: Colour = (0.012, 0.012, 0.013)
_WHITE: Colour = (0.75, 0.75, 0.74)
_RED: Colour = (0.60, 0.02, 0.025)
_BLUE: Colour = (0.02, 0.09, 0.42)
_YELLOW: Colour = (0.75, 0.45, 0.02)
_LAMPS: tuple[Colour, ...] = ((1.0, 0.06, 0.03), (1.0, 0.55, 0.03), (0.08, 1.0, 0.35))
"""Of the states 0 to 2, from the top."""
DEEP_M = 0.08
OFF = 0.04
"""Share of a lamp's colour that is left when it is off."""


@dataclass(frozen=True)
class Fixture:
    """A signal with its pole, as a body.

    Attributes:
        signal: its id in the map.
        pose: of its foot on the ground; x with the traffic that it speaks to.
        surface: in that frame; a light's lamps are the bits 0 red, 1 yellow and 2 green.
    """

    signal: str
    pose: Pose
    surface: Surface


def fixtures_of(graph: LaneGraph, ground: Ground) -> list[Fixture]:
    """Lights and signs of a map; what is painted on the road is left out."""
    found = []
    shapes: dict[tuple[object, ...], Surface] = {}
    for signal in graph.signals:
        if "stencil" in signal.name.lower():
            continue
        middle, half = panel_of(signal)
        foot = ground.height(middle.x, middle.y, middle.z)
        low = round(middle.z - half[2] - foot, 3)
        if low < -2.0 * half[2]:
            continue  # below the ground
        key = (is_light(signal), signal.type, signal.name, signal.text, signal.value, signal.both_directions, half, low)
        if key not in shapes:
            shapes[key] = _shape(signal, half, low)
        found.append(Fixture(signal.id, middle._replace(z=foot), shapes[key]))
    return found


def _shape(signal: Signal, half: Vector, low: float) -> Surface:
    """A pole, and a panel whose foot is ``low`` metres above the ground."""
    parts = [_pole(max(low + 2 * half[2], 0.1))]
    if is_light(signal):
        return Surface.joined(parts + _light(half, low))
    for turn in (0.0, pi) if signal.both_directions else (0.0,):
        parts += _sign(signal, half, low, turn)
    return Surface.joined(parts)


def _light(half: Vector, low: float) -> list[Surface]:
    """A housing with three lamps towards who comes along x."""
    _, wide, tall = half
    high, front = low + 2 * tall, -DEEP_M - 0.1
    radius = min(0.65 * wide, 0.28 * tall)
    parts = [box((front, -wide, low), (-POLE_HALF_M, wide, high), _BLACK, Label.TRAFFIC_LIGHT)]
    for number, colour in enumerate(_LAMPS):
        z = high - (number + 0.5) * (high - low) / 3
        disc = _disc(front - 0.012, radius, z, 14)
        parts.append(panel(disc, colour, Label.TRAFFIC_LIGHT, Kind.LAMP + number, OFF))
    return parts


def _pole(height: float) -> Surface:
    return drum((0.0, 0.0, 0.0), (0.0, 0.0, height), (POLE_HALF_M, POLE_HALF_M), _METAL, Label.POLE, sides=8)


def _sign(signal: Signal, half: Vector, low: float, turn: float) -> list[Surface]:
    """Plates before the pole, one shape and colour for each sort of sign."""
    label, x = Label.TRAFFIC_SIGN, -POLE_HALF_M - 0.01
    wide, tall = 2 * half[1], 2 * half[2]
    middle, radius = low + tall / 2, min(wide, tall) / 2
    word = f"{signal.type} {signal.name} {signal.text}".lower()
    if signal.type in ("274", "1000274") or "speed" in word or "maxspeed" in word:
        parts = [(_disc(x, radius, middle, 24), _RED), (_disc(x - 0.006, 0.80 * radius, middle, 24), _WHITE)]
        parts += [(quad, _BLACK) for quad in _digits(signal.value, x - 0.012, middle, 0.8 * radius)]
    elif signal.type == "206" or "stop" in word:
        parts = [(_disc(x, radius, middle, 8), _WHITE), (_disc(x - 0.006, 0.92 * radius, middle, 8), _RED)]
        parts.append((_plate(x - 0.012, 0.62 * radius, middle - 0.16 * radius, middle + 0.16 * radius), _WHITE))
    elif signal.type == "205" or "yield" in word or "give way" in word:
        parts = [(_triangle(x, radius, middle), _RED), (_triangle(x - 0.006, 0.68 * radius, middle), _WHITE)]
    elif signal.type in ("306",) or "priority" in word:
        parts = [(_disc(x, radius, middle, 4), _WHITE), (_disc(x - 0.006, 0.75 * radius, middle, 4), _YELLOW)]
    elif signal.type.startswith("2"):
        parts = [(_disc(x, radius, middle, 24), _RED), (_disc(x - 0.006, 0.80 * radius, middle, 24), _WHITE)]
    elif signal.type.startswith("1") and len(signal.type) == 3:
        parts = [
            (_triangle(x, radius, middle, -1.0), _RED),
            (_triangle(x - 0.006, 0.68 * radius, middle, -1.0), _WHITE),
        ]
    else:
        parts = [
            (_plate(x, wide / 2, low, low + tall), _WHITE),
            (_plate(x - 0.006, wide / 2 - 0.04, low + 0.04, low + tall - 0.04), _BLUE),
        ]
    around = np.array([[cos(turn), -sin(turn), 0.0], [sin(turn), cos(turn), 0.0], [0.0, 0.0, 1.0]])
    found = []
    for corners, colour in parts:
        turned = (np.array(corners) @ around.T).tolist()
        found.append(panel([(p[0], p[1], p[2]) for p in turned], colour, label))
    return found


def _plate(x: float, half_wide: float, low: float, high: float) -> list[Vector]:
    return [(x, -half_wide, low), (x, half_wide, low), (x, half_wide, high), (x, -half_wide, high)]


def _disc(x: float, radius: float, middle: float, sides: int) -> list[Vector]:
    start = 0.0 if sides == 4 else pi / sides
    angles: NDArray[np.float64] = start + np.arange(sides) * 2 * pi / sides
    return [(x, radius * float(np.cos(a)), middle + radius * float(np.sin(a))) for a in angles]


def _triangle(x: float, radius: float, middle: float, sign: float = 1.0) -> list[Vector]:
    """Point down, or up for ``sign`` -1."""
    return [(x, 0.0, middle - sign * radius), (x, 0.87 * radius, middle + sign * 0.5 * radius),
            (x, -0.87 * radius, middle + sign * 0.5 * radius)]  # fmt: skip


_SEGMENTS = {"0": "abcdef", "1": "bc", "2": "abged", "3": "abgcd", "4": "fgbc", "5": "afgcd", "6": "afgedc", "7": "abc",
             "8": "abcdefg", "9": "abcdfg"}  # fmt: skip


def _digits(value: float | None, x: float, middle: float, radius: float) -> list[list[Vector]]:
    """A number in seven segments, as seen from -x (where y runs from right to left)."""
    if value is None or not 0 < value < 1000:
        return []
    text = f"{value:.0f}"
    tall, wide, thick = 0.95 * radius, 0.42 * radius, 0.12 * radius
    pitch = wide + 0.18 * radius
    found = []
    for place, digit in enumerate(text):
        # Who drives along +x and looks at the sign has y to the left.
        left = (len(text) - 1) / 2 * pitch - place * pitch + wide / 2
        right, top, low = left - wide, middle + tall / 2, middle - tall / 2
        segments = {
            "a": (left, right, top - thick, top), "d": (left, right, low, low + thick),
            "g": (left, right, middle - thick / 2, middle + thick / 2),
            "f": (left, left - thick, middle, top), "e": (left, left - thick, low, middle),
            "b": (right + thick, right, middle, top), "c": (right + thick, right, low, middle),
        }  # fmt: skip
        for name in _SEGMENTS[digit]:
            y0, y1, z0, z1 = segments[name]
            found.append([(x, y0, z0), (x, y1, z0), (x, y1, z1), (x, y0, z1)])
    return found
