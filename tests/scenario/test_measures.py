"""How critical it became: numbers by hand, and what must not change them."""

from __future__ import annotations

from dataclasses import replace
from math import cos, sin

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avrec.scenario import Box, Measurer, Measures
from avrec.scenario.measures import BRAKING_MPS2

EGO = Box(0.0, 0.0, 0.0, 4.8, 1.9, 10.0, 0.0)
AHEAD = Box(24.6, 0.0, 0.0, 4.4, 1.8, 4.0, 0.0)  # 20 m between the two


def moved(box: Box, dt: float, accel: float = 0.0) -> Box:
    return replace(box, x=box.x + box.vx * dt + accel * dt**2 / 2, vx=box.vx + accel * dt)


def test_a_car_ahead_by_hand() -> None:
    """10 m/s behind 4 m/s, 20 m apart, for 2 s: 8 m remain, 8/6 s to the collision, 36/16 m/s² to avoid it."""
    measurer = Measurer()
    for tick in range(41):
        measurer.look(tick * 0.05, moved(EGO, tick * 0.05), {"a": moved(AHEAD, tick * 0.05)})
    found = measurer.found
    for worst, value in ((found.distance_m, 8.0), (found.ttc_s, 8 / 6), (found.headway_s, 0.8)):
        assert worst is not None
        assert worst == pytest.approx((value, 2.0, worst.actor))
        assert worst.actor == "a"
    assert found.drac_mps2 is not None
    assert found.drac_mps2.value == pytest.approx(36 / 16)
    assert found.btn == pytest.approx(36 / 16 / BRAKING_MPS2)
    # TTC is (20 - 6 t) / 6, below 1.5 s from 11/6 s on: at four looks, 0.05 s each.
    assert found.tet_s == pytest.approx(4 * 0.05)
    assert found.tit_s2 == pytest.approx(0.05 * sum(1.5 - (20 - 6 * t) / 6 for t in (1.85, 1.9, 1.95, 2.0)))


def test_who_was_touched_counts_no_more_and_others_do() -> None:
    measurer = Measurer()
    measurer.look(0.0, EGO, {"a": replace(AHEAD, x=4.5), "b": replace(AHEAD, y=8.0)})
    assert measurer.found.distance_m == (0.0, 0.0, "a")
    measurer.look(0.1, EGO, {"a": replace(AHEAD, x=4.5), "b": replace(AHEAD, x=9.0)})
    headway = measurer.found.headway_s
    assert headway is not None
    assert headway.actor == "b"
    assert headway.value == pytest.approx(0.44)
    assert measurer.found.drac_mps2 is not None


def test_nothing_to_measure_is_none() -> None:
    measurer = Measurer()
    measurer.look(0.0, EGO, {})
    assert measurer.found == Measures()
    assert measurer.found.btn is None
    measurer.look(0.1, EGO, {"behind": replace(AHEAD, x=-30.0, vx=2.0)})
    found = measurer.found
    assert (found.ttc_s, found.headway_s, found.drac_mps2) == (None, None, None)
    assert found.distance_m is not None


numbers = st.floats(-20.0, 20.0)


@given(x=numbers, y=numbers, vx=numbers, vy=numbers, turn=st.floats(-3.0, 3.0), yaw=st.floats(-3.0, 3.0))
def test_where_the_world_begins_does_not_matter(
    x: float, y: float, vx: float, vy: float, turn: float, yaw: float
) -> None:
    other = Box(x, y, yaw, 4.4, 1.8, vx, vy)
    c, s = cos(turn), sin(turn)

    def seen(box: Box) -> Box:
        place = 100.0 + c * box.x - s * box.y, s * box.x + c * box.y
        velocity = c * box.vx - s * box.vy, s * box.vx + c * box.vy
        return Box(*place, box.yaw + turn, box.length_m, box.width_m, *velocity)

    here, there = Measurer(), Measurer()
    here.look(0.0, EGO, {"a": other})
    there.look(0.0, seen(EGO), {"a": seen(other)})
    for name in ("distance_m", "headway_s"):
        one, two = getattr(here.found, name), getattr(there.found, name)
        if one is not None and two is not None and one.value > 1e-6:
            assert two.value == pytest.approx(one.value, rel=1e-6, abs=1e-6)
    if here.found.ttc_s is not None and here.found.ttc_s.value > 1e-6 and there.found.ttc_s is not None:
        assert there.found.ttc_s.value == pytest.approx(here.found.ttc_s.value, rel=1e-3)
