"""The catalogue on the synthetic street's truth: what can happen does, what cannot is refused with a way out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import scenarios
from avrec.errors import AvrecError
from avrec.gaussians import Gaussians
from avrec.geometry import Trajectory, transform_from
from avrec.mesh.mesh import Mesh
from avrec.scenario import Scenario, ego_state, rehearse, replay
from avrec.scene import Scene
from scenarios.by_name import case_named
from scenarios.parameters import parameters_of
from tests.scenarios.street import START_US, street_scene
from tests.scene.complete import complete_scene, road_map

SECONDS = 6.0
LEADER, ONCOMING = "car_18", "car_19"


@pytest.fixture(scope="module")
def street() -> Scene:
    """The synthetic street, where the ego follows a car in a lane beside oncoming traffic, parked cars at the kerb."""
    return street_scene(SECONDS)


@pytest.fixture(scope="module")
def empty(street: Scene) -> Scene:
    """The street without moving cars."""
    for track in street.tracks:
        if track.label == "car" and track.moving:
            street = street.without_actor(track.id)
    return street


@pytest.fixture(scope="module")
def highway() -> Scene:
    """A straight road with two lanes in the ego's direction; a car drives in the left one, at 6 m/s to the ego's 8."""
    scene = complete_scene(n=20, degree=0)
    lane = '<lane id="{0}" type="driving" level="false"><link/>'
    width = '<width sOffset="0" a="3.5" b="0" c="0" d="0"/></lane>'
    plain = road_map().decode().replace('y="1.75"', 'y="5.25"')
    head, _, tail = plain.partition("<right>")
    tail = tail.partition("</right>")[2]
    text = f"{head}<right>{lane.format(-1)}{width}{lane.format(-2)}{width}</right>{tail}".encode()
    slow = scene.track("7").world_from_box
    poses = slow.poses.copy()
    poses[:, 0, 3] = 26.0 + 6.0 * (slow.timestamps_us - START_US) / 1e6
    poses[:, 1, 3] = 3.5
    return replace(scene.with_actor_path("7", replace(slow, poses=poses)), map_xodr=text)


def test_cut_in_of_an_added_car(highway: Scene) -> None:
    case = scenarios.cut_in(highway.without_actor("7"), gap_m=9.0, duration_s=2.0, at_s=1.5)
    found = rehearse(case)
    assert case.actors == ("added_car_1",)
    assert found.fired_s[:2] == (0.0, 1.5)
    assert found.fired_s[2] == pytest.approx(3.5, abs=0.051)
    assert found.in_the_way is None
    # Both at 8 m/s; the car stops at 6 m/s²: the gap of 9 m and its 5.33 m last 1.79 s.
    assert found.ego_hit is not None
    assert found.ego_hit.time_s == pytest.approx(3.5 + (9.0 + 8.0**2 / 12.0) / 8.0, abs=0.15)
    assert case.parameters["gap_m"] == 9.0
    assert "cut-in" in case.tags
    assert "TTC" in case.kpis


def test_cut_in_of_a_recorded_car(highway: Scene) -> None:
    case = scenarios.cut_in(highway, actor="7", gap_m=8.0, brake_mps2=4.0)
    found = rehearse(case)
    # The gap is 26 - 2.25 - 3.8 - 2 t.
    assert found.fired_s[0] == pytest.approx((26.0 - 2.25 - 3.8 - 8.0) / 2.0, abs=0.051)
    assert found.ego_hit is not None
    with pytest.raises(AvrecError, match="never 25 m"):
        scenarios.cut_in(highway, actor="7", gap_m=25.0)
    with pytest.raises(AvrecError, match="needs a vehicle"):
        scenarios.cut_in(highway, actor="8")
    with pytest.raises(AvrecError, match=r"not drive in|not in the lane"):
        scenarios.cut_in(highway, actor="parked")


def test_cut_in_on_the_street(street: Scene, empty: Scene) -> None:
    with pytest.raises(AvrecError, match=r"oncoming traffic.*overtaking to true"):
        scenarios.cut_in(street)
    with pytest.raises(AvrecError, match="one for parking"):
        scenarios.cut_in(street, side="right")
    with pytest.raises(AvrecError, match=f"run into {ONCOMING}.*without_actor"):
        scenarios.cut_in(street, overtaking=True)
    found = rehearse(scenarios.cut_in(empty, overtaking=True))
    assert found.ego_hit is not None
    assert found.ego_hit.actor == "added_car_1"
    with pytest.raises(AvrecError, match="no tyre"):
        scenarios.cut_in(empty, overtaking=True, duration_s=1.2)
    with pytest.raises(AvrecError, match="recording lasts only"):
        scenarios.cut_in(empty, overtaking=True, at_s=5.0)


def test_hard_brake(street: Scene, empty: Scene) -> None:
    case = scenarios.hard_brake(street, brake_mps2=8.0)
    assert case.actors == (LEADER,)
    found = rehearse(case)
    assert found.fired_s == (1.0,)
    assert found.ego_hit is not None
    gentle = rehearse(scenarios.hard_brake(street, brake_mps2=1.0, to_mps=7.0))
    assert gentle.ego_hit is None
    added = scenarios.hard_brake(empty, gap_m=10.0)
    assert added.added == ("added_car_1",)
    assert rehearse(added).ego_hit is not None
    for wrong, text in (
        ({"actor": "car_00"}, "stands all the time"),
        ({"actor": ONCOMING}, "not ahead|run into|never comes"),
        ({"near_m": 3.0}, "near_m above"),
        ({"gap_m": 5.0, "actor": LEADER}, "one of the two"),
        ({"gap_m": 15.0}, LEADER),
        ({"brake_mps2": 50.0}, "out of range"),
        ({"at_s": 30.0}, "recording lasts only"),
    ):
        with pytest.raises(AvrecError, match=text):
            scenarios.hard_brake(street, **wrong)
    with pytest.raises(AvrecError, match="gap_m=15"):
        scenarios.hard_brake(empty)


@pytest.mark.parametrize("side", ["left", "right"])
def test_pedestrian_dart_out(empty: Scene, side: Any) -> None:
    case = scenarios.pedestrian_dart_out(empty, side=side, from_m=3.5)
    found = rehearse(case)
    assert found.ego_hit is not None
    assert found.ego_hit.actor == "added_person_1"
    # 3.5 m at 2.5 m/s, reached at 5 m/s²: 1.65 s; the box is met half the ego's width before.
    assert found.fired_s[0] is not None
    assert found.ego_hit.time_s - found.fired_s[0] == pytest.approx(1.65, abs=0.3)
    ego = ego_state(case, case.start_us).world_from_rig
    here = case.scene.track("added_person_1").world_from_box.poses[0, :3, 3]
    left = float((np.linalg.inv(ego) @ [*here, 1.0])[1])
    assert (left > 0) == (side == "left")


@pytest.mark.parametrize("side", ["left", "right"])
def test_people_wait_at_the_roadside(empty: Scene, side: Any) -> None:
    """Lanes are 3.4 m wide, the ego is near the middle of its own: 1.7 m to its right, 5.1 m to its left, and 0.4."""
    case = scenarios.pedestrian_dart_out(empty, side=side)
    here = case.scene.track("added_person_1").world_from_box.poses[0, :2, 3]
    assert not case.road.driven(here[None], 0.3)[0]
    assert case.road.driven(here[None], 0.6)[0]
    assert case.parameters["from_m"] == pytest.approx(2.1 if side == "right" else 5.5, abs=0.4)
    bare = scenarios.pedestrian_dart_out(replace(empty, map_xodr=None), side=side)
    assert bare.parameters["from_m"] == 3.5


def test_pedestrians_of_the_recording(street: Scene, empty: Scene) -> None:
    case = scenarios.pedestrian_dart_out(street, actor="pedestrian_05")
    assert case.added == ()
    assert rehearse(case).ego_hit is not None
    for wrong, text in (
        ({"actor": "car_00"}, "needs a person"),
        ({"actor": "pedestrian_03"}, "never where they could run"),
        ({"place_m": 3.0}, "larger place_m"),
        ({"place_m": 300.0}, "does not reach"),
        ({"side": "above"}, "left"),
        ({"from_m": 0.2}, "out of range"),
    ):
        with pytest.raises(AvrecError, match=text):
            scenarios.pedestrian_dart_out(empty, **wrong)
    # Where a car is parked nobody stands; the text says which.
    pose = street.ego.at(START_US) @ transform_from(np.eye(3), np.array([24.0, -2.9, 0.75]))
    blocked = empty.with_actor_path(
        "car_00", Trajectory(np.array([START_US, START_US + 6_000_000]), np.stack([pose] * 2))
    )
    with pytest.raises(AvrecError, match="car_00 is there"):
        scenarios.pedestrian_dart_out(blocked, place_m=24.0 - 3.8, from_m=2.9)
    free = scenarios.pedestrian_dart_out(blocked, from_m=2.9)  # another place is found
    assert rehearse(free).in_the_way is None


def test_what_stands_there_without_a_track_is_seen(empty: Scene) -> None:
    """A wall of the surface mesh, first where the person is to stand, then in the car's lane."""

    def walled(ahead_m: float, left_m: float) -> Scene:
        corners = np.array([[ahead_m, left_m - 1.0, z, 1.0] for z in (0.0, 2.0)] + [[ahead_m, left_m + 1.0, 1.0, 1.0]])
        points = (street_scene(SECONDS).ego.at(START_US) @ corners.T).T[:, :3]
        return replace(empty, mesh=Mesh(points, np.array([[0, 2, 1]], np.int32)))

    scenarios.pedestrian_dart_out(walled(24.0, 3.4), place_m=20.2, from_m=3.5)
    with pytest.raises(AvrecError, match="does not move stands there"):
        scenarios.pedestrian_dart_out(walled(24.0, -3.4), place_m=20.2, from_m=3.5)
    with pytest.raises(AvrecError, match="into something that does not move"):
        scenarios.pedestrian_dart_out(walled(24.0, -2.0), place_m=20.2, from_m=3.5)
    with pytest.raises(AvrecError, match="into something that does not move"):
        scenarios.cut_in(walled(20.0, 3.4), overtaking=True)


def test_looks_of_added_actors(street: Scene, caplog: pytest.LogCaptureFixture) -> None:
    case = scenarios.pedestrian_dart_out(street)
    assert any("looks like the recorded pedestrian" in note for note in case.notes)
    copied = next(id for id in street.actors if f"recorded {id}." in case.notes[0])
    assert case.scene.actors["added_person_1"] is street.actors[copied]
    alone = replay(street)
    for track in street.tracks:
        if track.label == "car" and track.moving:
            alone = alone.without_actor(track.id)
    assert "looks like the recorded car" in scenarios.hard_brake(alone, gap_m=10.0).notes[0]
    with pytest.raises(AvrecError, match="plays a part"):
        case.without_actor("added_person_1")
    bare = replace(street, actors={}, static=Gaussians.empty(1))
    case = scenarios.pedestrian_dart_out(bare)
    assert "plain grey" in case.notes[0]
    assert "plain grey" in caplog.text
    cloud = case.scene.actors["added_person_1"]
    size = case.scene.track("added_person_1").size_m
    assert len(cloud) > 50
    assert (np.abs(cloud.means) <= size / 2 + 1e-6).all()
    assert cloud.sh_degree == 1


def test_cases_build_on_cases(street: Scene) -> None:
    both = scenarios.pedestrian_dart_out(
        scenarios.hard_brake(street, brake_mps2=1.0, to_mps=7.5, at_s=0.2), place_m=30.0
    )
    assert set(both.actors) == {LEADER, "added_person_1"}
    assert {"brake_mps2", "place_m"} <= set(both.parameters)
    later = scenarios.hard_brake(replay(street, start_us=START_US + 1_000_000), at_s=0.5)
    assert rehearse(later).fired_s == (0.5,)


def test_every_case_is_fit_for_the_catalogue() -> None:
    for name, make in scenarios.CATALOGUE.items():
        assert make.__name__ == name
        assert make.__doc__
        assert "Raises:" in make.__doc__
        assert (Path(scenarios.__file__).parent / f"{name}.py").is_file()


def test_cases_by_name(street: Scene, tmp_path: Path) -> None:
    case = case_named("hard_brake, brake_mps2=8, actor=none", scenarios.CATALOGUE)(street)
    assert case.parameters["brake_mps2"] == 8.0
    own = tmp_path / "mine.py"
    own.write_text(
        "from avrec.scenario import ElapsedTime, SpeedTo, replay\n"
        "def stop(scene, *, at_s=1.0):\n"
        f"    return replay(scene).fork('stop').when(ElapsedTime(at_s), SpeedTo(0.0), actor='{LEADER}')\n"
        "def nothing(scene):\n    return 3\n",
        encoding="utf-8",
    )
    assert case_named(f"{own}:stop,at_s=2", scenarios.CATALOGUE)(street).name == "stop"
    own_trigger = tmp_path / "own_trigger.py"
    own_trigger.write_text(
        "from __future__ import annotations\n"
        "import dataclasses\n"
        "from avrec.scenario import SpeedTo, replay\n"
        "@dataclasses.dataclass(frozen=True)\n"
        "class Soon:\n"
        "    after_s: dataclasses.InitVar[float] = 1.0\n"
        "    def holds(self, now):\n        return now.time_s > 0.5\n"
        "def stop(scene, *others, firmly: bool = False, **more):\n"
        f"    return replay(scene).fork('stop', firmly=firmly).when(Soon(), SpeedTo(0.0), actor='{LEADER}')\n"
        "def stumbles(scene):\n    return {}['x']\n",
        encoding="utf-8",
    )
    assert rehearse(case_named(f"{own_trigger}:stop,firmly=TRUE", {})(street)).fired_s[0] is not None
    (tmp_path / "leaves.py").write_text("raise SystemExit(0)\n", encoding="utf-8")
    (tmp_path / "broken.py").write_text("import nothing_like_it\n", encoding="utf-8")
    wrong: list[tuple[str, str]] = [
        ("cut_out", "no case 'cut_out'"),
        ("cut_in,gap=8", "no parameter like 'gap=8'"),
        ("cut_in,gap_m", "no parameter like 'gap_m'"),
        ("cut_in,gap_m=near", "not a number"),
        ("cut_in,gap_m=3,gap_m=4", "given twice"),
        ("cut_in,overtaking=5", "neither true nor false"),
        ("", "no case ''"),
        (f"{own_trigger}:stop,more=1", "no parameter like 'more=1'"),
        (f"{own_trigger}:Soon", "no function Soon"),
        (f"{tmp_path / 'leaves.py'}:go", "could not be run"),
        (f"{own}:go", "no function go"),
        (f"{tmp_path / 'no.py'}:go", "no file"),
        (f"{tmp_path / 'broken.py'}:go", "could not be run"),
    ]
    for text, message in wrong:
        with pytest.raises(AvrecError, match=message):
            case_named(text, scenarios.CATALOGUE)
    with pytest.raises(AvrecError, match="returned int"):
        case_named(f"{own}:nothing", scenarios.CATALOGUE)(street)
    with pytest.raises(AvrecError, match=r"could not be made .KeyError: 'x'"):
        case_named(f"{own_trigger}:stumbles", scenarios.CATALOGUE)(street)


def test_numbers_that_are_none_are_refused(street: Scene) -> None:
    makes: list[Callable[[], Scenario]] = [
        lambda: scenarios.cut_in(street, gap_m=float("nan")),
        lambda: scenarios.hard_brake(street, at_s=float("inf")),
        lambda: scenarios.pedestrian_dart_out(street, speed_mps=-1.0),
    ]
    for make in makes:
        with pytest.raises(AvrecError, match="out of range"):
            make()


def test_the_docs_tell_every_parameter_with_its_bounds() -> None:
    text = (Path(__file__).parents[2] / "docs" / "scenarios.md").read_text(encoding="utf-8")
    for name, make in scenarios.CATALOGUE.items():
        table = text.partition(f"### `{name}`")[2].partition("###")[0].replace("−", "-")
        for each in parameters_of(make).values():
            row = table.partition(f"| `{each.name}` | ")[2].partition("\n")[0].split(" | ")
            assert row[0].strip('`"') == str(each.default)
            bounds = each.bounds
            assert bounds is None or row[1] == f"{bounds.low:g} to {bounds.high:g} {bounds.unit}"


def test_the_example_in_the_docs_works(empty: Scene) -> None:
    text = (Path(__file__).parents[2] / "docs" / "scenarios.md").read_text(encoding="utf-8")
    example = text.partition("# parked_car_opens_up.py")[2].partition("```")[0]
    space: dict[str, Any] = {}
    exec(example, space)
    ego = np.linalg.inv(empty.ego.at(START_US))
    parked = [
        track.id
        for track in empty.tracks
        if track.label == "car" and not track.moving
        for x, y, _, _ in [ego @ track.world_from_box.poses[0, :, 3]]
        if x > 30.0 and y < 0.0
    ]
    assert len(example.strip().splitlines()) < 20
    case = space["pulls_out"](empty, actor=parked[0], notice_s=2.5)
    found = rehearse(case)
    assert found.fired_s[0] is not None
    assert found.least_m < 3.0
