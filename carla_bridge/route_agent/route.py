"""A route: the middle of the lanes to follow, as points at equal distances."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

__all__ = ["STEP_M", "Place", "Route"]

Float64 = NDArray[np.float64]

STEP_M = 0.5
SMOOTH_M = 2.0
"""Headings are compared over this length before and behind a point: kinks of a map are no bends."""


@dataclass(frozen=True)
class Place:
    """A point seen from a route: how far along it, and how far to its right (metres)."""

    along_m: float
    right_m: float


@dataclass(frozen=True)
class Route:
    """Where to drive, in CARLA's frame (x forward, y right, z up).

    Attributes:
        points: float64 [N, 3] metres, `STEP_M` apart (the last one may be nearer).
        changes: stretches (from, to) in metres along the route on which it passes from one lane to the next.
    """

    points: Float64
    changes: tuple[tuple[float, float], ...] = ()

    @classmethod
    def of_line(cls, line: Sequence[Sequence[float]] | Float64, changes: tuple[tuple[float, float], ...] = ()) -> Route:
        """A route along a polyline [M, 3], M >= 2, of any spacing."""
        corners = np.asarray(line, dtype=np.float64)
        steps = np.linalg.norm(np.diff(corners, axis=0), axis=1)
        corners = corners[np.concatenate([[True], steps > 1e-3])]
        along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(corners, axis=0), axis=1))])
        wanted = np.append(np.arange(0.0, along[-1] - 1e-6, STEP_M), along[-1])
        return cls(np.stack([np.interp(wanted, along, corners[:, axis]) for axis in range(3)], axis=1), changes)

    @cached_property
    def along(self) -> Float64:
        """Metres from the start to each point, float64 [N]."""
        return np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(self.points, axis=0), axis=1))])

    @property
    def length_m(self) -> float:
        """From the first point to the last."""
        return float(self.along[-1])

    @cached_property
    def headings(self) -> Float64:
        """Direction at each point, radians from x towards y, without jumps; float64 [N]."""
        step = np.gradient(self.points[:, :2], axis=0) if len(self.points) > 1 else np.array([[1.0, 0.0]])
        return np.asarray(np.unwrap(np.arctan2(step[:, 1], step[:, 0])), dtype=np.float64)

    @cached_property
    def curvature(self) -> Float64:
        """1/m at each point, positive to the right; float64 [N]."""
        ahead = np.interp(self.along + SMOOTH_M, self.along, self.headings)
        behind = np.interp(self.along - SMOOTH_M, self.along, self.headings)
        span = np.minimum(self.along + SMOOTH_M, self.length_m) - np.maximum(self.along - SMOOTH_M, 0.0)
        return np.asarray((ahead - behind) / np.maximum(span, STEP_M), dtype=np.float64)

    def point_at(self, along_m: float) -> Float64:
        """The point so many metres along it, float64 [3]; beyond the end it goes on straight."""
        over = along_m - self.length_m
        found = np.array([np.interp(along_m, self.along, self.points[:, axis]) for axis in range(3)])
        if over > 0:
            found[:2] += over * np.array([np.cos(self.headings[-1]), np.sin(self.headings[-1])])
        return found

    def locate(self, x: float, y: float, from_m: float = 0.0, to_m: float = np.inf) -> Place:
        """The nearest place of the route between two distances along it; heights do not count."""
        first = int(np.searchsorted(self.along, from_m, side="right")) - 1
        first = min(max(first, 0), len(self.points) - 2)
        last = min(max(int(np.searchsorted(self.along, to_m)), first + 1), len(self.points) - 1)
        start, end = self.points[first:last, :2], self.points[first + 1 : last + 1, :2]
        step = end - start
        length = np.maximum(np.linalg.norm(step, axis=1), 1e-9)
        gap = np.array([x, y]) - start
        share = np.clip((gap * step).sum(1) / length**2, 0.0, 1.0)
        off = gap - share[:, None] * step
        index = int((off**2).sum(1).argmin())
        side = step[index, 0] * off[index, 1] - step[index, 1] * off[index, 0]
        distance = float(np.hypot(*off[index]))
        return Place(
            float(self.along[first + index] + share[index] * length[index]), distance if side >= 0 else -distance
        )
