"""Debug shapes of a world: what they are made of, and how long they live."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import numpy as np
from numpy.typing import NDArray

from carla_bridge.world.pose import Pose, Vector, rotate

__all__ = ["Drawings", "Label", "Shape", "Stroke", "arrow", "box", "label", "line", "point"]

Float64 = NDArray[np.float64]

MOST = 20_000


@dataclass(frozen=True)
class Stroke:
    """A straight stroke in the world; one whose ends are the same is a dot."""

    start: Vector
    end: Vector
    width_m: float


@dataclass(frozen=True)
class Label:
    """A word at a place."""

    place: Vector
    text: str
    shadow: bool


@dataclass(frozen=True)
class Shape:
    """What one call draws.

    Attributes:
        parts: strokes and words, in avrec's world.
        bgr: colour.
        until_s, until_frame: it is drawn up to this time and step of the world; infinite for ever.
    """

    parts: tuple[Stroke | Label, ...]
    bgr: tuple[int, int, int]
    until_s: float = inf
    until_frame: float = inf


def point(place: Vector, size_m: float) -> tuple[Stroke, ...]:
    """A dot."""
    return (Stroke(place, place, size_m),)


def line(start: Vector, end: Vector, width_m: float) -> tuple[Stroke, ...]:
    """A stroke."""
    return (Stroke(start, end, width_m),)


def arrow(start: Vector, end: Vector, width_m: float, head_m: float) -> tuple[Stroke, ...]:
    """A stroke with four barbs at its end."""
    a, b = np.array(start), np.array(end)
    length = float(np.linalg.norm(b - a))
    if length < 1e-9:
        return point(end, width_m)
    way = (b - a) / length
    side = np.cross(way, (0.0, 0.0, 1.0) if abs(way[2]) < 0.99 else (1.0, 0.0, 0.0))
    side /= np.linalg.norm(side)
    barbs = [b - head_m * (way - sign * other) for other in (side, np.cross(side, way)) for sign in (1.0, -1.0)]
    return (Stroke(start, end, width_m), *(Stroke(end, _vector(barb), width_m) for barb in barbs))


def box(pose: Pose, half: Vector, width_m: float) -> tuple[Stroke, ...]:
    """The twelve edges of a box."""
    corners = {}
    for x in (-1, 1):
        for y in (-1, 1):
            for z in (-1, 1):
                dx, dy, dz = rotate(pose, (x * half[0], y * half[1], z * half[2]))
                corners[x, y, z] = (pose.x + dx, pose.y + dy, pose.z + dz)
    return tuple(
        Stroke(corners[a], corners[b], width_m)
        for a in corners
        for b in corners
        if a < b and sum(i != j for i, j in zip(a, b, strict=True)) == 1
    )


def label(place: Vector, text: str, shadow: bool) -> tuple[Label, ...]:
    """A word."""
    return (Label(place, text[:200], shadow),)


def _vector(values: Float64) -> Vector:
    x, y, z = values.tolist()
    return x, y, z


class Drawings:
    """The shapes of one episode."""

    def __init__(self) -> None:
        self.shapes: list[Shape] = []

    def add(self, shape: Shape) -> None:
        """Keep a shape; beyond 20,000 the oldest go."""
        self.shapes.append(shape)
        if len(self.shapes) > MOST:
            del self.shapes[: len(self.shapes) - MOST]

    def clear(self, kind: type[Stroke] | type[Label]) -> None:
        """Forget all drawings, or all words."""
        self.shapes = [shape for shape in self.shapes if not isinstance(shape.parts[0], kind)]

    def expire(self, time_s: float, frame: int) -> None:
        """Forget what is not drawn any more in this step."""
        if self.shapes:
            late = time_s - 1e-6
            self.shapes = [each for each in self.shapes if each.until_s >= late and each.until_frame >= frame]
