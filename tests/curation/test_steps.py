"""Which frames belong to one time step."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from avrec.curation.steps import time_steps


def test_by_hand() -> None:
    assert time_steps({"a": [0, 100, 200], "b": [5, 105, 205]}) == (
        {"a": 0, "b": 0},
        {"a": 1, "b": 1},
        {"a": 2, "b": 2},
    )
    assert time_steps({}) == ()
    assert time_steps({"a": []}) == ()
    assert time_steps({"a": [7], "b": [9]}) == ({"a": 0, "b": 0},)


def test_a_dropped_frame_shifts_nothing() -> None:
    # Cameras fire a third of a period apart; b lost its second frame and c its last.
    steps = time_steps({"a": [0, 99, 198, 297], "b": [33, 231, 330], "c": [66, 165, 264]})
    assert steps == (
        {"a": 0, "b": 0},
        {"a": 1, "c": 0},  # 66 is nearer to 99 than to 0
        {"a": 2, "b": 1, "c": 1},
        {"a": 3, "b": 2, "c": 2},
    )


def test_a_slower_camera_joins_where_it_can() -> None:
    assert time_steps({"slow": [0, 300], "fast": [0, 100, 200, 300]}) == (
        {"slow": 0, "fast": 0},
        {"fast": 1},
        {"fast": 2},
        {"slow": 1, "fast": 3},
    )


def test_what_is_far_from_every_step_stands_alone() -> None:
    steps = time_steps({"a": [0, 100, 200], "b": [0, 900], "c": [910]})
    assert steps == ({"a": 0, "b": 0}, {"a": 1}, {"a": 2}, {"b": 1, "c": 0})


@given(
    st.dictionaries(
        st.sampled_from("abcd"),
        st.lists(st.integers(0, 2000), max_size=30, unique=True).map(sorted),
    )
)
def test_every_frame_is_in_one_step_and_steps_are_in_order(times: dict[str, list[int]]) -> None:
    steps = time_steps(times)
    found = sorted((camera, position) for step in steps for camera, position in step.items())
    assert found == sorted((camera, position) for camera, own in times.items() for position in range(len(own)))
    starts = [min(times[camera][position] for camera, position in step.items()) for step in steps]
    assert starts == sorted(starts)
    assert all(list(step) == [camera for camera in times if camera in step] for step in steps)


@given(st.integers(2, 20), st.lists(st.integers(-49, 49), min_size=1, max_size=5), st.integers(0, 10**15))
def test_a_synchronous_rig_gives_one_step_a_trigger(count: int, lags: list[int], start: int) -> None:
    """Whatever the lag of each camera, below half a period."""
    times = {"leader": [start + 100 * i for i in range(count)]}
    times |= {f"c{n}": [start + 100 * i + lag for i in range(count)] for n, lag in enumerate(lags)}
    assert time_steps(times) == tuple({camera: i for camera in times} for i in range(count))
