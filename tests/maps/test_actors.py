from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from avrec.drive import Track
from avrec.geometry import Trajectory
from avrec.maps.infer.actors import Actors


def track(name: str, first_us: int, last_us: int, begin: tuple[float, float], end: tuple[float, float]) -> Track:
    poses = np.tile(np.eye(4), (2, 1, 1))
    poses[:, :2, 3] = begin, end
    return Track(name, "car", np.array([4.0, 2.0, 1.5]), Trajectory(np.array([first_us, last_us]), poses))


def test_who_is_there_and_near() -> None:
    passing = track("passing", 0, 1_000_000, (0.0, 0.0), (100.0, 0.0))
    parked = track("parked", 0, 9_000_000, (10.0, 5.0), (10.0, 5.0))
    actors = Actors((passing, parked))

    def names(time_us: int, *places: tuple[float, float]) -> list[str]:
        return [one.id for one, _ in actors.near(time_us, np.array(places), 8.0)]

    assert names(100_000, (10.0, 0.0)) == ["passing", "parked"]
    assert names(900_000, (10.0, 0.0)) == ["parked"]
    assert names(900_000, (10.0, 0.0), (90.0, 0.0)) == ["passing", "parked"]
    assert names(1_040_000, (100.0, 0.0)) == ["passing"]  # held half a period beyond its end
    assert names(1_060_000, (100.0, 0.0)) == []
    assert list(Actors(()).near(0, np.zeros((1, 2)), 8.0)) == []


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000), reach_m=st.floats(0.1, 60.0))
def test_the_same_as_asking_each(seed: int, reach_m: float) -> None:
    rng = np.random.default_rng(seed)
    tracks = [
        track(str(index), begin, begin + int(rng.integers(1, 2_000_000)), *rng.uniform(-100, 100, (2, 2)).tolist())
        for index, begin in enumerate(rng.integers(0, 3_000_000, 30).tolist())
    ]
    time_us, places = int(rng.integers(0, 5_000_000)), rng.uniform(-100, 100, (4, 2))
    expected = []
    for one in tracks:
        middle = one.world_from_box.at(time_us, outside="hold")[:2, 3]
        if one.covers(time_us) and np.linalg.norm(places - middle, axis=1).min() < reach_m:
            expected.append(one.id)
    found = dict((one.id, pose) for one, pose in Actors(tracks).near(time_us, places, reach_m))
    assert list(found) == expected
    for name, pose in found.items():
        np.testing.assert_array_equal(pose, tracks[int(name)].world_from_box.at(time_us, outside="hold"))
