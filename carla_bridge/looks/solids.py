"""Simple solids from which bodies are put together: boxes, drums, and skins over rings of corners."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from avrec.mesh.painted import Kind, Surface

__all__ = ["Colour", "box", "drum", "panel", "skin"]

Float64 = NDArray[np.float64]
Colour = tuple[float, float, float]


def skin(
    rings: Sequence[Sequence[tuple[float, float, float]]],
    colour: Colour,
    label: int,
    kind: int = Kind.PLAIN,
    paint: float = 0.0,
) -> Surface:
    """Rings of equally many corners joined one to the next, closed at both ends."""
    points = np.array(rings, dtype=np.float64)
    count, corners = points.shape[:2]
    index = np.arange(corners)
    after = (index + 1) % corners
    faces = []
    for ring in range(count - 1):
        a, b = ring * corners, (ring + 1) * corners
        faces += [np.stack([a + index, a + after, b + index], 1), np.stack([a + after, b + after, b + index], 1)]
    fan = np.arange(1, corners - 1)
    for start in (0, (count - 1) * corners):
        faces.append(np.stack([np.full_like(fan, start), start + fan, start + fan + 1], 1))
    return Surface.of(points.reshape(-1, 3), np.concatenate(faces), colour, label, kind, paint)


def box(
    low: tuple[float, float, float],
    high: tuple[float, float, float],
    colour: Colour,
    label: int,
    kind: int = Kind.PLAIN,
    paint: float = 0.0,
) -> Surface:
    """Between two corners."""
    rings = [[(x, low[1], low[2]), (x, high[1], low[2]), (x, high[1], high[2]), (x, low[1], high[2])]
             for x in (low[0], high[0])]  # fmt: skip
    return skin(rings, colour, label, kind, paint)


def drum(
    start: tuple[float, float, float],
    end: tuple[float, float, float],
    radii: tuple[float, float],
    colour: Colour,
    label: int,
    kind: int = Kind.PLAIN,
    *,
    sides: int = 12,
    paint: float = 0.0,
) -> Surface:
    """A cylinder or cone from one point to another."""
    axis = np.subtract(end, start)
    axis = axis / max(float(np.linalg.norm(axis)), 1e-9)
    helper = np.array([0.0, 0.0, 1.0]) if abs(axis[2]) < 0.9 else np.array([1.0, 0.0, 0.0])
    u = np.cross(axis, helper)
    u /= np.linalg.norm(u)
    v = np.cross(axis, u)
    angle = (np.arange(sides) + 0.5) * 2 * np.pi / sides
    circle = np.cos(angle)[:, None] * u + np.sin(angle)[:, None] * v
    rings = [np.asarray(point) + radius * circle for point, radius in zip((start, end), radii, strict=True)]
    return skin([[tuple(corner) for corner in ring] for ring in rings], colour, label, kind, paint)


def panel(
    corners: Sequence[tuple[float, float, float]],
    colour: Colour,
    label: int,
    kind: int = Kind.PLAIN,
    paint: float = 0.0,
) -> Surface:
    """A flat convex piece."""
    fan = np.arange(1, len(corners) - 1)
    return Surface.of(corners, np.stack([np.zeros_like(fan), fan, fan + 1], 1), colour, label, kind, paint)
