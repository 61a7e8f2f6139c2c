"""What a collision does: speeds by hand, momentum, and who slides to rest."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avrec.scenario import Box, Director, ElapsedTime, Scenario, SpeedTo, Then, ego_state, replay
from avrec.scenario.crash import after_hit, mass_of
from avrec.scenario.mover import SLIDE_MPS2
from tests.scenarios.arc import arc_scene
from tests.scenarios.street import START_US

SIZE = np.array([4.4, 1.8, 1.5])


def car(x: float, speed_mps: float, y: float = 0.0) -> Box:
    return Box(x, y, 0.0, 4.4, 1.8, speed_mps, 0.0)


def test_speeds_by_hand() -> None:
    """10 m/s into 4 m/s: alike, both end near 7, 0.6 apart; what gives way to nobody pushes the other to 10.6."""
    behind, ahead = car(0.0, 10.0), car(4.3, 4.0)
    assert after_hit(ahead, behind, 0.5) == pytest.approx([7.3, 0.0])
    assert after_hit(behind, ahead, 0.5) == pytest.approx([6.7, 0.0])
    assert after_hit(ahead, behind) == pytest.approx([10.6, 0.0])
    assert after_hit(car(4.3, 12.0), behind) == pytest.approx([12.0, 0.0])  # it gets away
    from_the_side = Box(1.0, -1.7, 0.0, 4.4, 1.8, 5.0, 3.0)
    assert after_hit(car(0.0, 5.0), from_the_side) == pytest.approx([5.0, 3.3])
    assert mass_of(SIZE) == pytest.approx(1307, abs=1)


speeds = st.floats(-20.0, 20.0)


@given(x=st.floats(0.2, 3.0), y=st.floats(-1.5, -0.1), yaw=st.floats(-3.0, 3.0), v=st.tuples(*[speeds] * 4))
def test_momentum_is_kept_and_nobody_goes_faster(x: float, y: float, yaw: float, v: tuple[float, ...]) -> None:
    a, b = Box(0.0, 0.0, 0.0, 4.4, 1.8, v[0], v[1]), Box(x, y, yaw, 0.6, 0.5, v[2], v[3])
    share = 60.0 / 1360.0
    new_a, new_b = after_hit(a, b, share), after_hit(b, a, 1.0 - share)
    old_a, old_b = np.array(v[:2]), np.array(v[2:])
    assert 1300.0 * new_a + 60.0 * new_b == pytest.approx(1300.0 * old_a + 60.0 * old_b, abs=1e-6)
    before = 1300.0 * old_a @ old_a + 60.0 * old_b @ old_b
    assert 1300.0 * new_a @ new_a + 60.0 * new_b @ new_b <= before + 1e-6


def braking() -> Scenario:
    case = replay(arc_scene(other=(1, 12.0, 6.0))).when(ElapsedTime(0.5), SpeedTo(2.0), actor="other")
    return case.when(Then(2.0), SpeedTo(9.0), actor="other")


def test_who_was_hit_slides_to_rest_and_does_no_more() -> None:
    case = braking()
    director = Director(case)
    xs, yaws = [], []
    for time_us in range(START_US, START_US + 5_000_000, 50_000):
        states = director.step(time_us, ego_state(case, time_us))
        if time_us == START_US + 1_000_000:
            director.let_go("other", np.array([8.0, 3.0]))
        if time_us >= START_US + 1_000_000:
            xs.append(states["other"].world_from_box[:2, 3])
            yaws.append(float(np.arctan2(states["other"].world_from_box[1, 0], states["other"].world_from_box[0, 0])))
    way = xs[-1] - xs[0]
    assert np.linalg.norm(way) == pytest.approx((64.0 + 9.0) / (2 * SLIDE_MPS2), abs=1e-6)
    assert way[1] / way[0] == pytest.approx(3.0 / 8.0)
    assert np.ptp(yaws) < 1e-9
    assert director.hit == {"other"}
    assert len(director.fired) == 1


def test_who_is_left_to_physics_is_told_of_no_more() -> None:
    case = braking()
    director = Director(case)
    there = []
    for time_us in range(START_US, START_US + 3_000_000, 50_000):
        there.append("other" in director.step(time_us, ego_state(case, time_us)))
        if time_us == START_US + 1_000_000:
            director.let_go("other")
    assert there == [10 <= tick <= 20 for tick in range(60)]
