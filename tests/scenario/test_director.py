"""Actors that leave their recording: smoothly, by the numbers, and the same each time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avrec.drive import Track
from avrec.errors import AvrecError
from avrec.geometry import Trajectory, matrix_from_rpy, transform_from
from avrec.mesh.mesh import Mesh
from avrec.scenario import (
    ActorState,
    AllOf,
    Appear,
    Director,
    Distance,
    EgoState,
    ElapsedTime,
    FollowPath,
    Gap,
    Hold,
    KeepSpeed,
    LaneChange,
    PaceEgo,
    ReachedPoint,
    Scenario,
    SpeedTo,
    Then,
    TimeToCollision,
    TimeToReach,
    WalkAcross,
    rehearse,
    replay,
)
from avrec.scenario.guide import blended, guide_of, smooth_step
from avrec.scene import Scene
from tests.scene.complete import complete_scene
from tests.scene.scenes import START_US

# The scene: the ego drives east along y = 0 at 8 m/s from x = 0, in the right one of two lanes (y -1.75 to 1.75);
# "7" is a car 20 m ahead at the same speed, "8" a person at y = 5 who walks at 1 m/s, "parked" stands at (40, -4).


@pytest.fixture(scope="module")
def scene() -> Scene:
    return complete_scene(n=20, degree=0)


def play(
    case: Scenario, seconds: float, step_s: float = 0.05, speed_mps: float = 8.0
) -> list[tuple[float, dict[str, ActorState]]]:
    """States from the start on, with an ego of constant speed."""
    director = Director(case)
    found = []
    for tick in range(round(seconds / step_s) + 1):
        pose = np.eye(4)
        pose[0, 3] = speed_mps * tick * step_s
        ego = EgoState(pose, np.array([speed_mps, 0.0, 0.0]))
        found.append((tick * step_s, director.step(START_US + round(tick * step_s * 1e6), ego)))
    return found


def of(
    found: list[tuple[float, dict[str, ActorState]]], actor: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Times, positions, headings and speeds of an actor."""
    rows = [(t, states[actor]) for t, states in found if actor in states]
    poses = np.stack([state.world_from_box for _, state in rows])
    yaw = np.unwrap(np.arctan2(poses[:, 1, 0], poses[:, 0, 0]))
    return np.array([t for t, _ in rows]), poses[:, :3, 3], yaw, np.array([state.speed_mps for _, state in rows])


@pytest.mark.parametrize("step_s", [0.05, 0.03, 0.1])
def test_braking_takes_v_squared_over_2a(scene: Scene, step_s: float) -> None:
    case = replay(scene).when(ElapsedTime(0.6), SpeedTo(0.0, decel_mps2=6.0), actor="7")
    times, places, _, speeds = of(play(case, 4.2, step_s), "7")
    assert speeds[0] == pytest.approx(8.0)
    assert speeds[-1] == 0.0
    assert places[-1, 0] - places[0, 0] == pytest.approx(8.0**2 / (2 * 6.0), abs=1e-6)
    assert times[np.argmax(speeds == 0.0)] - times[0] == pytest.approx(8.0 / 6.0, abs=step_s)


def test_a_lane_change_is_half_done_at_half_time(scene: Scene) -> None:
    case = replay(scene).when(ElapsedTime(0.0), LaneChange("left", 2.0), KeepSpeed(), actor="7")
    times, places, yaw, speeds = of(play(case, 4.0), "7")
    offset = places[:, 1] - places[0, 1]
    # The lanes of the map are 3.5 m wide, and their middles at y = 0 and y = 3.5.
    assert np.interp(1.0, times, offset) == pytest.approx(1.75, abs=0.02)
    assert np.interp(0.5, times, offset) == pytest.approx(3.5 * float(smooth_step(0.25)), abs=0.05)
    assert offset[times >= 2.0] == pytest.approx(3.5, abs=0.01)
    np.testing.assert_allclose(speeds, 8.0, atol=1e-9)
    # tan of the largest heading: 1.875 d / (v T)
    assert np.tan(yaw.max()) == pytest.approx(1.875 * 3.5 / 16.0, rel=0.05)
    assert yaw[times >= 2.1] == pytest.approx(0.0, abs=0.005)


def test_who_brakes_in_a_lane_change_takes_the_same_way(scene: Scene) -> None:
    base = replay(scene)
    free = of(play(base.when(ElapsedTime(0.0), LaneChange("left", 2.0), actor="7"), 4.0), "7")[1]
    slow = of(play(base.when(ElapsedTime(0.0), LaneChange("left", 2.0), SpeedTo(2.0), actor="7"), 4.0), "7")[1]
    np.testing.assert_allclose(np.interp(slow[:, 0], free[:, 0], free[:, 1]), slow[:, 1], atol=0.01)


def test_pacing_keeps_the_gap(scene: Scene) -> None:
    case = replay(scene).when(ElapsedTime(0.0), PaceEgo(10.0), actor="7")
    for speed in (8.0, 6.0):
        times, places, _, speeds = of(play(case, 8.0, speed_mps=speed), "7")
        gap = places[-1, 0] - 2.25 - (speed * times[-1] + 1.4 + 2.4)
        assert gap == pytest.approx(10.0, abs=0.1)
        assert speeds[-1] == pytest.approx(speed, abs=0.1)


def test_a_person_crosses_and_stops(scene: Scene) -> None:
    case = replay(scene).when(TimeToReach(below_s=2.0), WalkAcross(2.0), SpeedTo(2.5, accel_mps2=5.0), actor="8")
    found = play(case, 8.0)
    times, places, yaw, speeds = of(found, "8")
    # At 30 + t the person is 2 s ahead of the ego's front 8 t + 3.8: 26.2 - 7 t < 16.
    assert times[0] == pytest.approx((26.2 - 16.0) / 7.0, abs=0.05)
    assert places[-1, 1] == pytest.approx(-0.95 - 2.0, abs=0.05)
    assert speeds[-1] < 0.2
    assert yaw[-1] == pytest.approx(-np.pi / 2, abs=0.02)
    assert places[:, 2] == pytest.approx(0.9, abs=1e-9)  # on the flat ground


def test_holding_appearing_and_paths(scene: Scene) -> None:
    case = (
        replay(scene)
        .when(ElapsedTime(1.0), Hold(), actor="8")
        .when(Then(after_s=0.5), FollowPath(((31.5, 0.0), (36.0, 0.0))), SpeedTo(1.5), actor="8")
        .when(Distance(below_m=30.0), Appear(), actor="parked")
    )
    director = Director(case)
    assert director.absent == {"parked"}
    found = play(case, 12.0)
    times, places, _, speeds = of(found, "8")
    assert speeds[np.searchsorted(times, 1.4)] == 0.0
    assert places[-1, :2] == pytest.approx([36.0, 0.0], abs=0.05)
    assert speeds[-1] < 0.3
    first = next(t for t, states in found if "parked" in states)
    # Boxes: the ego's front at 8 t + 3.8, its side at y -0.95; the car's rear at 37.75, its side at y -3.1.
    assert 37.75 - (8 * first + 3.8) < np.sqrt(30.0**2 - (3.1 - 0.95) ** 2) < 37.75 - (8 * (first - 0.05) + 3.8)


def test_then_waits_for_the_event_before(scene: Scene) -> None:
    case = (
        replay(scene).when(ElapsedTime(1.0), LaneChange("left", 2.0), actor="7").when(Then(), SpeedTo(0.0), actor="7")
    )
    director = Director(case)
    for tick in range(100):
        pose = np.eye(4)
        director.step(START_US + tick * 50_000, EgoState(pose, np.zeros(3)))
    (first, _), (second, _) = director.fired
    assert (first - START_US) / 1e6 == pytest.approx(1.0)
    assert (second - START_US) / 1e6 == pytest.approx(3.0, abs=0.051)


def test_triggers(scene: Scene) -> None:
    """Each trigger at the moment that one works out by hand, for the car that stands 40 m ahead at y = -4."""
    expected = {
        ElapsedTime(1.25): 1.25,
        Gap(below_m=20.0): (37.75 - 3.8 - 20.0) / 8.0,
        ReachedPoint(17.4, 0.0, within_m=4.0): (17.4 - 4.0 - 1.4) / 8.0,
        TimeToReach(below_s=3.0): (40.0 - 3.8) / 8.0 - 3.0,
        AllOf(ElapsedTime(2.0), Gap(below_m=20.0)): 2.0,
        TimeToCollision(below_s=9.0): None,  # it is beside the ego's way
    }
    for trigger, moment in expected.items():
        case = replay(scene).when(trigger, SpeedTo(3.0), actor="parked")
        begun = [t for t, states in play(case, 6.0) if states]
        if moment is None:
            assert begun == []
        else:
            assert begun[0] == pytest.approx(moment, abs=0.051)
            assert begun[0] >= moment - 1e-6


@settings(max_examples=15, deadline=None)
@given(
    actor=st.sampled_from(["7", "8", "parked"]),
    at_s=st.floats(0.0, 2.0),
    duration_s=st.floats(1.5, 4.0),
    mps=st.floats(0.0, 12.0),
    decel=st.floats(1.0, 9.0),
    turn=st.floats(-0.3, 0.3),
    step_s=st.sampled_from([0.02, 0.05, 0.1]),
)
def test_motion_is_continuous(
    scene: Scene, actor: str, at_s: float, duration_s: float, mps: float, decel: float, turn: float, step_s: float
) -> None:
    """Whatever is asked for: no jumps of place, heading or speed, from the recording on; nobody goes sideways."""
    tilted = turned(scene, actor, turn)
    way = FollowPath(((45.0, 2.0), (60.0, 4.0), (90.0, 4.0))) if actor == "8" else LaneChange("ego", duration_s)
    case = (
        replay(tilted)
        .when(ElapsedTime(at_s), way, SpeedTo(mps, decel_mps2=decel), actor=actor)
        .when(ElapsedTime(at_s + 1.0), SpeedTo(3.0, decel_mps2=decel), actor=actor)
    )
    times, places, yaw, speeds = of(play(case, 6.0, step_s), actor)
    recorded = tilted.track(actor).world_from_box.at(START_US + round(times[0] * 1e6))
    np.testing.assert_allclose(places[0], recorded[:3, 3], atol=1e-9)
    assert yaw[0] == pytest.approx(np.arctan2(recorded[1, 0], recorded[0, 0]), abs=1e-9)
    steps = np.linalg.norm(np.diff(places[:, :2], axis=0), axis=1)
    fastest = np.maximum(speeds[1:], speeds[:-1])
    slowest = np.minimum(speeds[1:], speeds[:-1])
    limit = max(decel, 2.5, 3.0)
    assert (steps <= (fastest + limit * step_s) * step_s + 1e-6).all()
    assert (steps >= (slowest - limit * step_s) * step_s * 0.98 - 1e-3).all()
    assert (np.abs(np.diff(speeds)) <= limit * step_s * 2 + 1e-6).all()
    assert (np.abs(np.diff(yaw)) <= (8.0 if actor == "8" else 0.9) * step_s + 1e-9).all()
    if actor != "8":
        moved = steps > 0.02
        course = np.arctan2(*np.diff(places[:, :2], axis=0)[moved].T[::-1])
        late = times[1:][moved] > times[0] + 2.5
        off = (course - (yaw[1:] + yaw[:-1])[moved] / 2 + np.pi) % (2 * np.pi) - np.pi
        assert (np.abs(off[late]) < 0.35).all()


def turned(scene: Scene, actor: str, yaw: float) -> Scene:
    """The scene with an actor whose box does not quite point where it goes."""
    path = scene.track(actor).world_from_box
    return scene.with_actor_path(actor, path.body_shifted(transform_from(matrix_from_rpy(0.0, 0.0, yaw), np.zeros(3))))


def test_the_same_again_bit_for_bit(scene: Scene) -> None:
    case = (
        replay(scene)
        .when(ElapsedTime(0.3), PaceEgo(12.0), LaneChange("left", 2.0), actor="7")
        .when(Gap(below_m=14.0), SpeedTo(1.0), actor="7")
        .when(TimeToReach(below_s=2.0), WalkAcross(), SpeedTo(2.0), actor="8")
    )
    first, second = play(case, 6.0), play(case, 6.0)
    for (_, one), (_, two) in zip(first, second, strict=True):
        assert one.keys() == two.keys()
        for key in one:
            assert one[key].world_from_box.tobytes() == two[key].world_from_box.tobytes()
            assert one[key].velocity_mps.tobytes() == two[key].velocity_mps.tobytes()


def test_heights_follow_the_ground(scene: Scene) -> None:
    """A slope of 5 % from x = 40 on."""
    corners = np.array([[-50.0, -50, 0], [40, -50, 0], [40, 50, 0], [-50, 50, 0], [240, -50, 10], [240, 50, 10]])
    faces = np.array([[0, 1, 2], [0, 2, 3], [1, 4, 5], [1, 5, 2]], np.int32)
    sloped = replace(scene, ground=Mesh(corners, faces))
    case = replay(sloped).when(ElapsedTime(0.0), KeepSpeed(), actor="7")
    _, places, _, _ = of(play(case, 6.0), "7")
    np.testing.assert_allclose(places[:, 2], 0.75 + 0.05 * np.maximum(places[:, 0] - 40.0, 0.0), atol=1e-6)
    poses = [states["7"].world_from_box for _, states in play(case, 6.0)]
    lean = np.array([np.arcsin(pose[2, 0]) for pose in poses])
    assert lean[places[:, 0] < 38.0] == pytest.approx(0.0, abs=1e-9)
    assert lean[places[:, 0] > 55.0] == pytest.approx(np.arctan(0.05), abs=1e-3)  # nose up
    assert (np.diff(lean) > -1e-9).all()


def test_an_actor_goes_on_where_its_recording_ends(scene: Scene) -> None:
    track = scene.track("7")
    short = Trajectory(track.world_from_box.timestamps_us[:20], track.world_from_box.poses[:20])
    case = replay(scene.with_actor_path("7", short)).when(ElapsedTime(1.0), KeepSpeed(), actor="7")
    times, places, _, _ = of(play(case, 6.0), "7")
    np.testing.assert_allclose(places[:, 0], 20.0 + 8.0 * times, atol=0.02)
    assert np.abs(places[:, 1]).max() < 0.05


def test_blending_lasts_as_long_as_asked() -> None:
    start, goal = guide_of([[0.0, 0.0], [200.0, 0.0]]), guide_of([[0.0, 3.5], [200.0, 3.5]])
    line, until = blended(start, 10.0, goal, 16.0)
    assert until == pytest.approx(16.0, abs=1e-3)
    assert line.at(0.0)[0] == pytest.approx([10.0, 0.0])
    assert line.at(until)[0][1] == pytest.approx(3.5, abs=1e-6)


def oncoming(scene: Scene) -> Scene:
    """The scene with "7" coming towards the ego, in the lane beside."""
    times = scene.track("7").world_from_box.timestamps_us
    poses = np.stack([transform_from(matrix_from_rpy(0.0, 0.0, np.pi), np.array([90.0, 3.5, 0.75]))] * len(times))
    poses[:, 0, 3] -= 8.0 * (times - START_US) / 1e6
    return scene.with_actor_path("7", Trajectory(times, poses))


def test_who_comes_the_other_way_stays_so(scene: Scene) -> None:
    case = replay(oncoming(scene)).when(ElapsedTime(0.5), LaneChange("ego", 2.0), actor="7")
    times, places, yaw, _ = of(play(case, 5.0), "7")
    assert (np.diff(places[:, 0]) < -0.3).all()
    assert places[times > 2.6, 1] == pytest.approx(0.0, abs=0.02)
    assert np.cos(yaw[-1]) == pytest.approx(-1.0, abs=1e-3)
    back = case.when(ElapsedTime(1.0), FollowPath(((20.0, 0.0), (200.0, 0.0))), actor="7")
    with pytest.raises(AvrecError, match="cannot turn round"):
        play(back, 2.0)


def test_who_appears_does_nothing_before(scene: Scene) -> None:
    case = (
        replay(scene)
        .when(ElapsedTime(0.2), SpeedTo(0.0), actor="7")
        .when(ElapsedTime(1.0), Appear(), KeepSpeed(), actor="7")
    )
    begun = [t for t, states in play(case, 2.0) if "7" in states]
    assert begun[0] == pytest.approx(1.0)


def test_events_that_are_alike_are_two(scene: Scene) -> None:
    """Paths may be arrays; two events of the same words both happen."""
    path = FollowPath(np.array([[31.0, 5.0], [33.0, 5.0]]))
    case = replay(scene)
    for _ in range(2):
        case = case.when(ElapsedTime(0.5), path, SpeedTo(1.0), actor="8")
    director = Director(case)
    for tick in range(20):
        director.step(START_US + tick * 50_000, EgoState(np.eye(4), np.zeros(3)))
    assert len(director.fired) == 2


def test_across_a_bend_is_across_the_way(scene: Scene) -> None:
    """The recorded ego turns left along a circle of 20 m; a person at its outside goes to the inside."""
    times = scene.ego.timestamps_us
    turn = 8.0 / 20.0 * (times - START_US) / 1e6
    middle = np.stack([20.0 * np.sin(turn), 20.0 * (1.0 - np.cos(turn)), 0.0 * turn], -1)
    ego = Trajectory(times, transform_from(matrix_from_rpy(0.0 * turn, 0.0 * turn, turn), middle))
    angle = 1.0
    outward = np.array([np.sin(angle), -np.cos(angle)])
    here = np.array([0.0, 20.0]) + 23.0 * outward
    stands = transform_from(matrix_from_rpy(0.0, 0.0, 0.0), np.array([*here, 0.9]))
    person = Trajectory(times[[0, -1]], np.stack([stands, stands]))
    case = replay(replace(scene, ego=ego).with_actor_path("8", person))
    case = case.when(ElapsedTime(0.0), WalkAcross(2.0), SpeedTo(3.0), actor="8")
    director = Director(case)
    for tick in range(100):
        director.step(START_US + 50_000 * tick, EgoState(ego.at(START_US), np.array([8.0, 0.0, 0.0])))
    (state,) = director.step(START_US + 5_000_000, EgoState(ego.at(START_US), np.zeros(3))).values()
    ended = state.world_from_box[:2, 3]
    assert np.linalg.norm(ended - (0.0, 20.0)) == pytest.approx(20.0 - 0.95 - 2.0, abs=0.1)


def test_what_cannot_be_is_refused(scene: Scene) -> None:
    case = replay(scene)
    with pytest.raises(AvrecError, match="No actor 'x'"):
        case.when(ElapsedTime(1.0), SpeedTo(0.0), actor="x")
    with pytest.raises(AvrecError, match="needs actions"):
        case.when(ElapsedTime(1.0), actor="7")
    with pytest.raises(AvrecError, match="no trigger"):
        case.when(1.0, SpeedTo(0.0), actor="7")  # type: ignore[arg-type]
    for wrong in (
        lambda: SpeedTo(-1.0),
        lambda: SpeedTo(1.0, decel_mps2=30.0),
        lambda: LaneChange("up"),  # type: ignore[arg-type]
        lambda: LaneChange("left", 0.0),
        lambda: ElapsedTime(float("nan")),
        lambda: Distance(-1.0),
        lambda: SpeedTo("fast"),  # type: ignore[arg-type]
        lambda: SpeedTo(float("inf")),
        lambda: PaceEgo(float("nan")),
        lambda: Hold(decel_mps2=-1.0),
        lambda: Gap(above_m=3.0, below_m=2.0),
        lambda: Gap(below_m=float("nan")),
        lambda: AllOf(),
        lambda: AllOf(1.0),  # type: ignore[arg-type]
        lambda: WalkAcross(-5.0),
        lambda: FollowPath(()),
        lambda: FollowPath((1.0, 2.0)),  # type: ignore[arg-type]
        lambda: FollowPath(((0.0, float("nan")),)),
        lambda: ReachedPoint(float("nan"), 0.0),
        lambda: replay("street.usdz"),  # type: ignore[arg-type]
        lambda: rehearse(case, step_s=0.0),
        lambda: ReachedPoint(0.0, 0.0, who="car"),
        lambda: case.fork(""),
        lambda: replay(scene, start_us=0),
        lambda: replay(case, start_us=START_US),
    ):
        with pytest.raises(AvrecError):
            wrong()
    with pytest.raises(AvrecError, match="no lane on the right"):
        play(case.when(ElapsedTime(0.0), LaneChange("right"), actor="7"), 1.0)
    with pytest.raises(AvrecError, match="person"):
        play(case.when(ElapsedTime(0.0), LaneChange("left"), actor="8"), 1.0)
    with pytest.raises(AvrecError, match="no map"):
        play(replay(replace(scene, map_xodr=None)).when(ElapsedTime(0.0), LaneChange("left"), actor="7"), 1.0)
    director = Director(case)
    director.step(START_US + 50_000, EgoState(np.eye(4), np.zeros(3)))
    with pytest.raises(AvrecError, match="cannot go back"):
        director.step(START_US, EgoState(np.eye(4), np.zeros(3)))


def test_a_case_leaves_its_origin_alone(scene: Scene) -> None:
    base = replay(scene)
    case = base.fork("x", tags=("a",), gap_m=3.0).when(ElapsedTime(1.0), Hold(), actor="7")
    added = case.with_actor(Track("new", "car", np.array([4.0, 2.0, 1.5]), scene.track("7").world_from_box), None)
    assert (base.events, base.name, base.tags, dict(base.parameters)) == ((), "replay", (), {})
    assert case.actors == ("7",)
    assert added.actors == ("new", "7")
    assert "new" not in [track.id for track in scene.tracks]
    assert "new" not in added.scene.actors
    assert replay(case) is case
