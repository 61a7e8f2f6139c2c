"""Where the ego turns off: added cars keep beside it if their lane leads there, else a sentence says so."""

from __future__ import annotations

import numpy as np
import pytest

import scenarios
from avrec.errors import AvrecError
from avrec.scenario import Director, Scenario, ego_state, rehearse
from avrec.scenario.onward import ego_way
from tests.scenarios.fork import WIDTH_M, fork_scene


def aside(case: Scenario) -> np.ndarray:
    """How far to the left of the recorded way the added car is, at every step."""
    director, way = Director(case), ego_way(case.scene)
    found = []
    for time_us in range(case.start_us, case.end_us + 1, 50_000):
        state = director.step(time_us, ego_state(case, time_us))["added_car_1"]
        found.append(float(way.nearest(state.world_from_box[:2, 3])[1]))
    return np.array(found)


@pytest.mark.parametrize("turns", [True, False])
def test_a_car_that_cuts_in_turns_with_the_ego(turns: bool) -> None:
    """Before the lane change, on the bend, it is one lane to the left; after it on the ego's way, turn or not."""
    case = scenarios.cut_in(fork_scene(turns=turns, seconds=12.0), gap_m=8.0, at_s=8.6, duration_s=2.0, brake_mps2=1.0)
    found = aside(case)
    assert found[:172] == pytest.approx(WIDTH_M, abs=0.3)
    assert found[-24:] == pytest.approx(0.0, abs=0.2)
    assert rehearse(case).begun[1] is not None


def test_a_cut_in_before_the_fork_goes_on_round_the_bend() -> None:
    case = scenarios.cut_in(fork_scene(), gap_m=6.0, at_s=0.5, duration_s=2.0, brake_mps2=0.0)
    assert aside(case)[60:] == pytest.approx(0.0, abs=0.2)


def test_a_lane_that_does_not_turn_is_told_of() -> None:
    with pytest.raises(AvrecError, match=r"beside the ego's way.*turns off where the car's lane does not lead"):
        scenarios.cut_in(fork_scene(both_turn=False), gap_m=8.0, at_s=2.2, duration_s=2.5)
    early = scenarios.cut_in(fork_scene(both_turn=False), gap_m=6.0, at_s=0.3, duration_s=2.0, brake_mps2=1.0)
    assert abs(aside(early)[-1]) < 0.2


def test_a_car_ahead_turns_with_an_ego_that_speeds_up() -> None:
    """Its track at the ego's first speed ends before the bend; its way does not."""
    case = scenarios.hard_brake(fork_scene(), gap_m=10.0, at_s=6.0)
    assert np.abs(aside(case)).max() < 0.2
    assert rehearse(case).ego_hit is not None
