"""Who will touch whom by the next tick, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from avrec.geometry import matrix_from_rpy, transform_from
from carla_bridge.replay.meeting import Course, course_of, will_touch

CAR, PERSON = (4.4, 1.8), (0.5, 0.6)


def going(x: float, y: float, vx: float, vy: float, size: tuple[float, float], z: float = 0.0) -> Course:
    yaw = float(np.arctan2(vy, vx))
    now, then = (
        transform_from(matrix_from_rpy(0.0, 0.0, yaw), np.array([x + vx * dt, y + vy * dt, z])) for dt in (0.0, 0.1)
    )
    return course_of(now, then, 0.1, size)


@pytest.mark.parametrize(
    ("gap_m", "closing_mps", "touch"),
    [(0.55, 5.0, False), (0.45, 5.0, True), (0.0, -1.0, True), (0.2, 0.0, False), (2.0, 25.0, True)],
)
def test_one_behind_the_other(gap_m: float, closing_mps: float, touch: bool) -> None:
    behind, ahead = going(0.0, 0.0, 30.0, 0.0, CAR), going(4.4 + gap_m, 0.0, 30.0 - closing_mps, 0.0, CAR)
    assert will_touch(behind, ahead) == will_touch(ahead, behind) == touch


def test_nobody_tunnels_through_somebody_in_one_step() -> None:
    """At 60 m/s a car passes a person within a step of 0.1 s: apart before and after, and yet they touch."""
    car, person = going(0.0, 0.0, 60.0, 0.0, CAR), going(3.5, 0.0, 0.0, 0.01, PERSON)
    assert will_touch(car, person)
    assert not will_touch(going(0.0, 2.0, 60.0, 0.0, CAR), person)


def test_levels_of_a_road_are_apart() -> None:
    below, above = going(0.0, 0.0, 1.0, 0.0, CAR), going(0.0, 0.0, 1.0, 0.0, CAR, z=6.0)
    assert will_touch(below, below)
    assert not will_touch(below, above)
