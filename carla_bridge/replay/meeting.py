"""Who will touch whom by the next tick, seen from above."""

from __future__ import annotations

from dataclasses import dataclass
from math import hypot

import numpy as np
from numpy.typing import NDArray

from avrec.scenario import Box, overlap, time_to_collision
from avrec.scenario.boxes import box_of_pose

__all__ = ["LEVEL_M", "Course", "course_of", "will_touch"]

Float64 = NDArray[np.float64]

LEVEL_M = 4.0
"""Farther apart in height, two are on two levels of a road."""


@dataclass(frozen=True)
class Course:
    """Where a body is, with its velocity until the next tick, and where it will be then.

    Attributes:
        now, then: its box.
        z: height of its middle, metres.
        dt: seconds until the next tick.
    """

    now: Box
    then: Box
    z: float
    dt: float


def course_of(now: Float64, then: Float64, dt: float, size_m: tuple[float, float]) -> Course:
    """Of a box of a length and width with poses [4, 4] of its middle at two ticks."""
    velocity = (then[:2, 3] - now[:2, 3]) / dt
    return Course(box_of_pose(now, *size_m, velocity), box_of_pose(then, *size_m), float(now[2, 3]), dt)


def will_touch(a: Course, b: Course) -> bool:
    """Whether two boxes will overlap at the next tick, or do on the way there."""
    reach = sum(hypot(each.now.length_m, each.now.width_m) / 2 for each in (a, b))
    way = sum(hypot(each.now.vx, each.now.vy) * each.dt for each in (a, b))
    if abs(a.z - b.z) > LEVEL_M or hypot(a.now.x - b.now.x, a.now.y - b.now.y) > reach + way:
        return False
    return overlap(a.then, b.then) or time_to_collision(a.now, b.now) <= a.dt
