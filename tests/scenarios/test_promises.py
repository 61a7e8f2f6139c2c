"""Whatever is asked for, where: a case does what it says, or a sentence tells why it cannot. On bends and hills too.

The environment variable AVREC_EXAMPLES=500 makes the search longer.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

import scenarios
from avrec.errors import AvrecError
from avrec.scenario import ActorState, Beginning, Director, Scenario, ego_state, rehearse, replay
from avrec.scenario.heights import heights_of
from avrec.scene import Scene
from tests.scenarios.arc import arc_scene
from tests.scenarios.street import street_scene

SECONDS = 6.0
EXAMPLES = int(os.environ.get("AVREC_EXAMPLES", "10"))

bends = st.builds(
    arc_scene,
    curvature=st.sampled_from([0.0, 0.0, 0.01, -0.01, 0.028, -0.028]),
    grade=st.sampled_from([0.0, 0.08, -0.12]),
    rule=st.sampled_from(["RHT", "LHT"]),
    lane=st.sampled_from([1, 2]),
    speed_mps=st.floats(1.0, 14.0),
    accel_mps2=st.sampled_from([0.0, 0.0, -2.0, 1.5]),
)
streets = st.builds(lambda seed: without_traffic(street_scene(SECONDS, seed)), st.integers(0, 1))
places = st.one_of(bends, bends, streets)


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Without warnings of grey figures."""
    logging.disable(logging.WARNING)
    yield
    logging.disable(logging.NOTSET)


def without_traffic(scene: Scene) -> Scene:
    for track in scene.tracks:
        if track.moving and track.label == "car":
            scene = scene.without_actor(track.id)
    return scene


def made(make: Callable[..., Scenario], scene: Scene, **wanted: Any) -> Scenario | None:
    """The case, or None where it was refused in a sentence."""
    try:
        case = make(scene, **wanted)
    except AvrecError as error:
        text = str(error)
        assert text.endswith(".")
        assert "\n" not in text
        assert 20 < len(text) < 500
        event(f"refused: {text[:30]}")
        return None
    event("made")
    return case


def played(case: Scenario) -> tuple[np.ndarray, list[ActorState]]:
    """Seconds and states of the last event's actor, against the recorded ego."""
    director, actor = Director(case), case.events[-1].actor
    times = range(case.start_us, case.end_us + 1, 50_000)
    found = [(t, director.step(t, ego_state(case, t)).get(actor)) for t in times]
    rows = [((t - case.start_us) / 1e6, state) for t, state in found if state is not None]
    assert_on_the_ground(case, [state for _, state in rows])
    return np.array([t for t, _ in rows]), [state for _, state in rows]


def assert_on_the_ground(case: Scenario, states: list[ActorState]) -> None:
    heights, height_m = heights_of(case.scene), case.scene.track(case.events[-1].actor).size_m[2]
    for state in states[::10]:
        x, y, z = state.world_from_box[:3, 3]
        assert z - height_m / 2 == pytest.approx(heights.at(x, y, z), abs=0.05)


def assert_brakes(case: Scenario, begun: Beginning | None) -> None:
    """From the event on the speed falls by ``brake_mps2``, down to ``to_mps``."""
    assert begun is not None
    times, states = played(case)
    speeds, goal = np.array([state.speed_mps for state in states]), case.parameters["to_mps"]
    after = times >= begun.time_s - 1e-6
    wanted = np.maximum(begun.speed_mps - case.parameters["brake_mps2"] * (times - begun.time_s), goal)
    np.testing.assert_allclose(speeds[after], wanted[after], atol=1e-6)
    assert speeds[after][0] > goal


def assert_gap(case: Scenario, begun: Beginning | None) -> None:
    assert begun is not None
    assert abs(begun.gap_m - case.parameters["gap_m"]) <= max(0.5, 0.1 * case.parameters["gap_m"])


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    scene=places,
    gap_m=st.floats(2.0, 20.0),
    side=st.sampled_from(["left", "right"]),
    duration_s=st.floats(1.8, 3.0),
    brake_mps2=st.floats(1.0, 10.0),
    to_mps=st.sampled_from([0.0, 0.0, 3.0]),
    at_s=st.floats(0.0, 2.5),
)
def test_cut_ins(scene: Scene, **wanted: Any) -> None:
    case = made(scenarios.cut_in, scene, overtaking=True, **wanted)
    if case is None:
        return
    _, change, brake = rehearse(case).begun
    assert change is not None
    assert brake is not None
    assert_gap(case, change)
    assert change.time_s == pytest.approx(wanted["at_s"], abs=0.051)
    assert brake.time_s - change.time_s == pytest.approx(wanted["duration_s"], abs=0.11 + 0.05 * wanted["duration_s"])
    assert_brakes(case, brake)
    times, states = played(case)
    there = states[int(np.searchsorted(times, brake.time_s))].world_from_box
    ego = ego_state(case, case.start_us).world_from_rig
    own = case.road.place(ego[:2, 3], float(np.arctan2(ego[1, 0], ego[0, 0])))
    place = case.road.place(there[:2, 3], float(np.arctan2(there[1, 0], there[0, 0])))
    assert own is not None
    assert place is not None
    assert place.lane.id == own.lane.id
    assert abs(place.left_m) < 0.05


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    scene=places,
    gap_m=st.floats(2.0, 30.0),
    brake_mps2=st.floats(0.5, 10.0),
    to_mps=st.sampled_from([0.0, 0.0, 4.0, 12.0]),
    at_s=st.floats(0.0, 4.0),
)
def test_hard_braking(scene: Scene, **wanted: Any) -> None:
    case = made(scenarios.hard_brake, scene, near_m=40.0, **wanted)
    if case is not None:
        begun = rehearse(case).begun[-1]
        assert_gap(case, begun)
        assert_brakes(case, begun)


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    scene=places,
    side=st.sampled_from(["left", "right"]),
    speed_mps=st.floats(1.0, 5.0),
    from_m=st.floats(2.0, 6.0),
    place_m=st.one_of(st.none(), st.floats(5.0, 40.0)),
)
def test_dart_outs(scene: Scene, **wanted: Any) -> None:
    case = made(scenarios.pedestrian_dart_out, scene, **wanted)
    if case is not None:
        hit = rehearse(case).ego_hit
        assert hit is not None
        assert hit.actor == "added_person_1"
        _, states = played(case)
        assert max(state.speed_mps for state in states) <= wanted["speed_mps"] + 1e-9


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    lane=st.sampled_from([1, 2]),
    ahead_m=st.floats(14.0, 24.0),
    speed_mps=st.floats(5.0, 7.5),
    gap_m=st.floats(3.0, 9.0),
)
def test_recorded_cars(lane: int, ahead_m: float, speed_mps: float, gap_m: float) -> None:
    scene = arc_scene(curvature=0.005, lane=1, other=(lane, ahead_m, speed_mps))
    if lane == 1:
        case = made(scenarios.hard_brake, scene)
        if case is not None:
            assert_brakes(case, rehearse(case).begun[0])
        return
    case = made(scenarios.cut_in, scene, actor="other", gap_m=gap_m, side="right", brake_mps2=5.0)
    if case is not None:
        change, brake = rehearse(case).begun
        assert_gap(case, change)
        assert_brakes(case, brake)


NONSENSE = [float("nan"), float("inf"), -1.0, 1e300, 10**400, "8", "", True, [1.0], {}, b"x"]
NUMBERS = {
    "cut_in": ("gap_m", "duration_s", "brake_mps2", "to_mps", "at_s"),
    "hard_brake": ("brake_mps2", "to_mps", "at_s", "near_m", "gap_m"),
    "pedestrian_dart_out": ("speed_mps", "from_m", "place_m", "beyond_m"),
}


@pytest.mark.parametrize(("name", "key"), [(name, key) for name, keys in NUMBERS.items() for key in keys])
def test_nonsense_is_refused(name: str, key: str) -> None:
    scene = arc_scene(lane=2)
    for value in NONSENSE:
        with pytest.raises(AvrecError, match=f"{key}=.*(not a number|out of range)"):
            scenarios.CATALOGUE[name](scene, **{key: value})


@pytest.mark.parametrize("name", scenarios.CATALOGUE)
def test_nonsense_actors_and_scenes_are_refused(name: str) -> None:
    make = scenarios.CATALOGUE[name]
    for actor in ("", "nobody", 7, True, ["other"], "\x00"):
        with pytest.raises(AvrecError):
            make(arc_scene(lane=2), actor=actor)
    for scene in (None, "street.usdz", 3):
        with pytest.raises(AvrecError, match=r"Scene.open"):
            make(scene)
    with pytest.raises(AvrecError):
        make(arc_scene(speed_mps=0.0))


def test_traffic_that_keeps_left_overtakes_on_the_right() -> None:
    inner = arc_scene(rule="LHT", lane=1)
    with pytest.raises(AvrecError, match=r"right of the ego is for oncoming.*one on the left"):
        scenarios.cut_in(inner, side="right")
    assert scenarios.cut_in(inner, side="left").actors == ("added_car_1",)
    outer = arc_scene(rule="LHT", lane=2)
    assert scenarios.cut_in(outer, side="right").actors == ("added_car_1",)
    with pytest.raises(AvrecError, match=r"no lane on the left.*one on the right"):
        scenarios.cut_in(outer, side="left")


def test_a_case_can_be_made_at_a_later_part_of_the_recording() -> None:
    scene = arc_scene()
    part = replay(scene, start_us=scene.ego.span_us[0] + 1_230_000)
    case = scenarios.hard_brake(part, gap_m=8.0, at_s=0.5)
    assert rehearse(case).begun[-1] is not None
    assert scenarios.pedestrian_dart_out(part).start_us == part.start_us


def test_without_a_map_some_cases_work() -> None:
    bare = replace(arc_scene(curvature=0.01), map_xodr=None)
    assert rehearse(scenarios.hard_brake(bare, gap_m=8.0)).ego_hit is not None
    assert rehearse(scenarios.pedestrian_dart_out(bare)).ego_hit is not None
    with pytest.raises(AvrecError, match="has no map"):
        scenarios.cut_in(bare)
