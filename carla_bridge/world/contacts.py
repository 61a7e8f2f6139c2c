"""Boxes that touch: which ones, where, and the impulses that keep them apart.

Boxes stand upright (only their heading counts), which is what road users do. Contacts are found by the separating
axis theorem in the plane after a look at the heights, and solved one after another in a fixed order.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, hypot, sin
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

__all__ = ["Box", "Contact", "Pairs", "contact_between", "impulse_between"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

MANY = 150
"""Bodies above which pairs are sought by place in each step instead of all being looked at."""

RESTITUTION = 0.1
FRICTION = 0.3


@dataclass(slots=True)
class Box:
    """An upright box: centre, half sizes, heading; with motion and masses of its centre."""

    x: float
    y: float
    z: float
    half_x: float
    half_y: float
    half_z: float
    yaw: float
    vx: float = 0.0
    vy: float = 0.0
    turn: float = 0.0
    inverse_mass: float = 0.0
    inverse_inertia: float = 0.0


class Contact(NamedTuple):
    """Two boxes overlap: unit normal from the first to the second, depth in metres, and the point of contact."""

    nx: float
    ny: float
    depth: float
    x: float
    y: float


class Pairs:
    """All pairs of solid bodies that can meet, with a quick test of which are near each other."""

    def __init__(self, rows: list[int], movable: list[bool], radius: list[float], half_z: list[float]) -> None:
        self.rows = np.array(rows, dtype=np.int64)
        self._free = np.array(movable, dtype=bool)
        self._radius, self._half_z = np.array(radius), np.array(half_z)
        self._many = len(rows) > MANY
        if not self._many:
            self._choose(*np.triu_indices(len(rows), 1))

    def _choose(self, first: Int64, second: Int64) -> None:
        """Look at these pairs, as far as one of the two can move."""
        kept = self._free[first] | self._free[second]
        self.first, self.second = first[kept], second[kept]
        self._row_a, self._row_b = self.rows[self.first], self.rows[self.second]
        self._reach2 = (self._radius[self.first] + self._radius[self.second]) ** 2
        self._tall = 2 * (self._half_z[self.first] + self._half_z[self.second])

    def near(self, motion: Float64) -> list[tuple[int, int]]:
        """Pairs of places in ``rows`` whose circles overlap; ``motion`` float64 [N, 15] of the world."""
        if self._many:
            tree = cKDTree(motion[self.rows, :2])
            pairs = tree.query_pairs(2 * float(self._radius.max()), output_type="ndarray").astype(np.int64)
            pairs = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
            self._choose(pairs[:, 0], pairs[:, 1])
        if not len(self._row_a):
            return []
        x, y, z = np.ascontiguousarray(motion[:, :3].T)
        dx, dy = x.take(self._row_a) - x.take(self._row_b), y.take(self._row_a) - y.take(self._row_b)
        close = np.flatnonzero(dx * dx + dy * dy < self._reach2)
        if not len(close):
            return []
        level = np.abs(z[self._row_a[close]] - z[self._row_b[close]]) < self._tall[close]
        found = close[level]
        return list(zip(self.first[found].tolist(), self.second[found].tolist(), strict=True))


def contact_between(a: Box, b: Box) -> Contact | None:
    """The contact of two boxes, ``None`` where they are apart."""
    if abs(a.z - b.z) >= a.half_z + b.half_z:
        return None
    ca, sa, cb, sb = cos(a.yaw), sin(a.yaw), cos(b.yaw), sin(b.yaw)
    dx, dy = b.x - a.x, b.y - a.y
    c, s = abs(ca * cb + sa * sb), abs(ca * sb - sa * cb)  # between the headings
    best = (float("inf"), 0.0, 0.0)
    axes = (
        (ca, sa, a.half_x + b.half_x * c + b.half_y * s),
        (-sa, ca, a.half_y + b.half_x * s + b.half_y * c),
        (cb, sb, b.half_x + a.half_x * c + a.half_y * s),
        (-sb, cb, b.half_y + a.half_x * s + a.half_y * c),
    )
    for nx, ny, reach in axes:
        along = dx * nx + dy * ny
        depth = reach - abs(along)
        if depth <= 0.0:
            return None
        if depth < best[0] - 1e-9:
            best = (depth, nx, ny) if along >= 0 else (depth, -nx, -ny)
    depth, nx, ny = best
    x, y = _touching_point(a, (ca, sa), b, (cb, sb))
    return Contact(nx, ny, depth, x, y)


def _touching_point(a: Box, dir_a: tuple[float, float], b: Box, dir_b: tuple[float, float]) -> tuple[float, float]:
    """Mean of the corners of each box that lie in the other; halfway between the centres where there are none."""
    sum_x = sum_y = 0.0
    count = 0
    for box, direction, other, (c, s) in ((a, dir_a, b, dir_b), (b, dir_b, a, dir_a)):
        x, y, reach_x, reach_y = other.x, other.y, other.half_x + 1e-9, other.half_y + 1e-9
        for corner_x, corner_y in _corners(box, direction):
            dx, dy = corner_x - x, corner_y - y
            if -reach_x <= dx * c + dy * s <= reach_x and -reach_y <= dy * c - dx * s <= reach_y:
                sum_x, sum_y, count = sum_x + corner_x, sum_y + corner_y, count + 1
    if not count:
        return (a.x + b.x) / 2, (a.y + b.y) / 2
    return sum_x / count, sum_y / count


def _corners(box: Box, direction: tuple[float, float]) -> tuple[tuple[float, float], ...]:
    c, s = direction
    ahead_x, ahead_y, aside_x, aside_y = c * box.half_x, s * box.half_x, s * box.half_y, c * box.half_y
    back_x, back_y, front_x, front_y = box.x - ahead_x, box.y - ahead_y, box.x + ahead_x, box.y + ahead_y
    return (
        (back_x + aside_x, back_y - aside_y),
        (back_x - aside_x, back_y + aside_y),
        (front_x + aside_x, front_y - aside_y),
        (front_x - aside_x, front_y + aside_y),
    )


def impulse_between(a: Box, b: Box, contact: Contact) -> tuple[float, float]:
    """Impulse (N s) on the second box that stops the two from moving into each other; the first gets its opposite.

    Changes the boxes' velocities, and moves them apart by the depth, the lighter one farther.
    """
    nx, ny = contact.nx, contact.ny
    total = a.inverse_mass + b.inverse_mass
    if total <= 0.0:
        return 0.0, 0.0
    ax, ay, bx, by = contact.x - a.x, contact.y - a.y, contact.x - b.x, contact.y - b.y
    rvx = (b.vx - b.turn * by) - (a.vx - a.turn * ay)
    rvy = (b.vy + b.turn * bx) - (a.vy + a.turn * ax)
    closing = rvx * nx + rvy * ny
    jx = jy = 0.0
    if closing < 0.0:
        j = -(1 + RESTITUTION) * closing / _resistance(a, b, (ax, ay), (bx, by), (nx, ny))
        tx, ty = rvx - closing * nx, rvy - closing * ny
        slide = hypot(tx, ty)
        jx, jy = j * nx, j * ny
        if slide > 1e-9:
            tx, ty = tx / slide, ty / slide
            rub = min(FRICTION * j, slide / _resistance(a, b, (ax, ay), (bx, by), (tx, ty)))
            jx, jy = jx - rub * tx, jy - rub * ty
        a.vx, a.vy = a.vx - jx * a.inverse_mass, a.vy - jy * a.inverse_mass
        b.vx, b.vy = b.vx + jx * b.inverse_mass, b.vy + jy * b.inverse_mass
        a.turn -= (ax * jy - ay * jx) * a.inverse_inertia
        b.turn += (bx * jy - by * jx) * b.inverse_inertia
    push_a, push_b = contact.depth * a.inverse_mass / total, contact.depth * b.inverse_mass / total
    a.x, a.y = a.x - nx * push_a, a.y - ny * push_a
    b.x, b.y = b.x + nx * push_b, b.y + ny * push_b
    return jx, jy


def _resistance(
    a: Box, b: Box, arm_a: tuple[float, float], arm_b: tuple[float, float], direction: tuple[float, float]
) -> float:
    """Inverse of the mass that an impulse along a direction has to move."""
    x, y = direction
    turn_a, turn_b = arm_a[0] * y - arm_a[1] * x, arm_b[0] * y - arm_b[1] * x
    return max(
        a.inverse_mass + b.inverse_mass + turn_a * turn_a * a.inverse_inertia + turn_b * turn_b * b.inverse_inertia,
        1e-12,
    )
