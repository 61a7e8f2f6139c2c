"""Edge cases through the official client, closed loop: who looks at nobody collides, who brakes for others does not."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import carla_bridge
import scenarios
from avrec.cli import main
from avrec.errors import AvrecError
from avrec.geometry import Trajectory
from avrec.rendering import render
from avrec.scenario import (
    Appear,
    Box,
    Director,
    EgoState,
    ElapsedTime,
    FollowPath,
    Hold,
    Scenario,
    Situation,
    distance,
    rehearse,
    replay,
)
from carla_bridge.replay import Collision, ReplaySession
from carla_bridge.replay.player import Driver
from tests.carla_bridge.drivers import Blind, Careful, box_of
from tests.carla_bridge.support import WAIT_S
from tests.scenarios.street import START_US, street_scene
from tests.scene.complete import complete_scene

carla = pytest.importorskip("carla", reason="needs CARLA's client: pip install 'avrec[carla]'")

SECONDS = 6.0


def street(seconds: float, *moving: str) -> Scenario:
    """The street with its parked cars; of those who move only some."""
    case = replay(street_scene(SECONDS), end_us=START_US + round(seconds * 1e6))
    for track in case.scene.tracks:
        if track.moving and track.id not in moving:
            case = case.without_actor(track.id)
    return case


def cut_in() -> Scenario:
    return scenarios.cut_in(street(4.5), gap_m=5.0, at_s=0.2, brake_mps2=8.0, overtaking=True)


def hard_brake() -> Scenario:
    return scenarios.hard_brake(street(3.5, "car_18"), at_s=0.3)


def dart_out() -> Scenario:
    return scenarios.pedestrian_dart_out(street(4.0), place_m=18.0)


CASES: dict[str, tuple[Callable[[], Scenario], str]] = {
    "cut_in": (cut_in, "added_car_1"),
    "hard_brake": (hard_brake, "car_18"),
    "pedestrian_dart_out": (dart_out, "added_person_1"),
}


def drive(
    client: Any, case: Scenario, driver: type[Blind], after: Callable[[ReplaySession], None] = lambda _: None
) -> tuple[Collision, ...]:
    with ReplaySession(client, case, step_s=0.1) as session:
        session.tick()
        agent = driver(session, carla)
        while session.tick():
            agent.step()
            after(session)
        for _ in range(round(WAIT_S / 0.05) if driver is Blind else 4):  # for what the sensor tells
            if any(hit.by_sensor for hit in session.collisions):
                break
            time.sleep(0.05)
        return session.collisions


@pytest.mark.parametrize("name", CASES)
def test_who_looks_at_nobody_collides(client: Any, name: str) -> None:
    make, actor = CASES[name]
    found = drive(client, make(), Blind)
    assert actor in [hit.other for hit in found]
    (hit,) = [hit for hit in found if hit.other == actor]
    assert hit.by_sensor
    assert hit.speed_mps > 1.0
    assert START_US + 1_000_000 < hit.time_us < START_US + SECONDS * 1e6


@pytest.mark.parametrize("name", CASES)
def test_who_brakes_for_others_does_not(client: Any, name: str) -> None:
    make, _ = CASES[name]
    assert drive(client, make(), Careful) == ()


def recorded_brake(seconds: float) -> Scenario:
    return scenarios.hard_brake(street(seconds, "car_18", "pedestrian_05"), at_s=0.3)


def test_a_recorded_ego_runs_into_it_and_the_others_keep_to_the_recording(client: Any) -> None:
    case = recorded_brake(2.2)
    scene = case.scene
    plan = Director(case)
    with ReplaySession(client, case) as session:
        while session.tick():
            now = EgoState(scene.ego.at(session.time_us), scene.ego.velocity_at(session.time_us)[0])
            planned = plan.step(session.time_us, now)
            assert session.struck == {} or session.seconds > 1.5
            for key, state in {} if session.struck else planned.items():
                seen = session.actor_pose(key)
                np.testing.assert_allclose(seen[:3, 3], state.world_from_box[:3, 3], atol=0.002)
                velocity = session.actor(key).get_velocity()
                assert np.hypot(velocity.x, velocity.y) == pytest.approx(state.speed_mps, abs=0.01)
            for key in session.track_ids:
                if key != "car_18":
                    wanted = scene.track(key).world_from_box.at(session.time_us)
                    np.testing.assert_allclose(session.actor_pose(key), wanted, atol=0.001)
        (hit,) = session.collisions
    assert (hit.other, hit.by_boxes) == ("car_18", True)
    found = rehearse(case)
    assert found.ego_hit is not None
    assert (hit.time_us - START_US) / 1e6 == pytest.approx(found.ego_hit.time_s, abs=0.3)


def test_who_was_hit_is_left_to_physics(client: Any) -> None:
    """The car ahead brakes; a blind car runs into it, and then brakes: both come to rest, the one ahead pushed on."""
    case = scenarios.hard_brake(street(5.5, "car_18"), at_s=0.3)
    speeds: list[tuple[float, float]] = []
    with ReplaySession(client, case) as session:
        session.tick()
        agent = Blind(session, carla)
        other = session.actor("car_18")
        while session.tick():
            if session.struck:
                agent.vehicle.apply_control(carla.VehicleControl(brake=1.0))
                seen = [actor.get_velocity() for actor in (agent.vehicle, other)]
                speeds.append((np.hypot(seen[0].x, seen[0].y), np.hypot(seen[1].x, seen[1].y)))
            else:
                agent.step()
        assert session.struck == {"car_18": "ego"}
        assert session.cast.players["car_18"].driver is Driver.NOBODY
        with pytest.raises(AvrecError, match="touched ego"):
            session.release_actor("car_18")
        (hit,) = session.collisions
        masses = [actor.get_physics_control().mass for actor in (agent.vehicle, other)]
        measures = session.measures
    assert measures is not None
    assert measures.distance_m is not None
    assert (measures.distance_m.actor, measures.ttc_s is not None) == ("car_18", True)
    assert measures.tet_s > 0.3
    together = hit.speed_mps * masses[0] / sum(masses)  # the one ahead stood, or nearly so
    assert speeds[1][1] == pytest.approx(together, rel=0.35)
    assert speeds[1][1] >= speeds[1][0] - 0.1
    assert speeds[-1] == pytest.approx((0.0, 0.0), abs=0.05)
    assert hit.by_sensor
    found = rehearse(case)
    assert found.ego_hit is not None
    assert (hit.time_us - START_US) / 1e6 == pytest.approx(found.ego_hit.time_s, abs=0.2)


def test_actors_that_run_into_each_other_are_left_to_physics(client: Any) -> None:
    """A recorded car is led into a parked one: neither goes on as planned, nor through the other."""
    base = street(4.0, "car_18")
    ahead = base.scene.track("car_18").world_from_box.at(START_US)
    parked = min(
        (track for track in base.scene.tracks if not track.moving and track.label == "car"),
        key=lambda track: abs(float((np.linalg.inv(ahead) @ track.world_from_box.poses[0])[0, 3]) - 14.0),
    )
    goal = parked.world_from_box.poses[0, :2, 3]
    way = FollowPath((ahead[:2, 3] + 3.0 * ahead[:2, 0], goal, goal + 20.0 * ahead[:2, 0]))
    case = base.when(ElapsedTime(0.1), way, actor="car_18")
    found = rehearse(case)
    assert found.in_the_way is not None
    assert found.in_the_way.other == parked.id
    with ReplaySession(client, case) as session:
        while session.tick():
            if session.struck:
                mine, other = (box_of(session.actor(key)) for key in ("car_18", parked.id))
                assert distance(shrunk(mine), shrunk(other)) > 0.0
        assert dict(session.struck) == {"car_18": parked.id, parked.id: "car_18"}
        speeds = [session.actor(key).get_velocity() for key in session.struck]
        assert [float(np.hypot(v.x, v.y)) for v in speeds] == pytest.approx([0.0, 0.0], abs=0.05)
        pushed = np.linalg.norm(session.actor_pose(parked.id)[:2, 3] - goal)
    assert 0.05 < pushed < 5.0


def shrunk(box: Box) -> Box:
    """Without 0.3 m at each side: what one step of a contact may overlap."""
    return replace(box, length_m=box.length_m - 0.6, width_m=box.width_m - 0.6)


@pytest.mark.parametrize(("driver", "seconds"), [(Careful, 1.0), (Blind, 2.8)])
def test_the_same_case_again_is_the_same_bit_for_bit(client: Any, driver: type[Blind], seconds: float) -> None:
    """Through a collision, too."""

    def poses() -> tuple[list[bytes], Any, Any]:
        found = []
        with ReplaySession(client, recorded_brake(seconds), step_s=0.1) as session:
            session.tick()
            agent = driver(session, carla)
            while session.tick():
                agent.step()
                found += [session.ego_pose().tobytes(), session.actor_pose("car_18").tobytes()]
            assert bool(session.struck) == (driver is Blind)
            return found, session.measures, dict(session.struck)

    assert poses() == poses()


def test_pictures_show_the_case(client: Any) -> None:
    case = scenarios.pedestrian_dart_out(street(2.6, "pedestrian_05"))
    actor, images, seen = "added_person_1", [], {}
    with ReplaySession(client, case) as session:
        seen[session.time_us] = session.actor_pose(actor)
        while not images and session.tick():
            seen[session.time_us] = session.actor_pose(actor)
            if session.seconds > 1.39:
                session.add_camera("front", images.append)
    (image,) = images  # the person is on the road, the ego not yet there
    truth = Trajectory(np.array(list(seen)), np.stack(list(seen.values())))
    wanted = render(case.scene.with_actor_path(actor, truth), "front", image.time_us).rgb_uint8
    assert (np.abs(image.rgb.astype(int) - wanted).max(-1) <= 2).mean() >= 0.999
    without = render(case.scene.without_actor(actor), "front", image.time_us).rgb_uint8
    assert (image.rgb != without).any(-1).sum() > 10
    standing = render(case.scene, "front", image.time_us).rgb_uint8
    assert (image.rgb != standing).any(-1).sum() > 10


def test_who_appears_is_away_until_then(client: Any) -> None:
    case = street(0.7, "pedestrian_01").when(ElapsedTime(0.3), Appear(), actor="pedestrian_01")
    with ReplaySession(client, case) as session:
        while session.tick():
            there = any(
                actor.attributes.get("role_name") == "track pedestrian_01" for actor in session.world.get_actors()
            )
            assert there == ("pedestrian_01" in session.track_ids) == (session.seconds >= 0.3)


def test_a_user_may_take_an_actor_of_a_case(client: Any) -> None:
    with ReplaySession(client, recorded_brake(2.0)) as session:
        while session.seconds < 0.6:
            session.tick()
        car = session.control_actor("car_18")
        before = session.actor_pose("car_18")
        for _ in range(10):
            car.apply_control(carla.VehicleControl(throttle=1.0))
            session.tick()
        moved = float(np.linalg.norm(session.actor_pose("car_18")[:3, 3] - before[:3, 3]))
        assert moved > 0.5 * 0.8 * 6.0  # it goes on with the speed that it had
        session.release_actor("car_18")
        session.tick()
        assert session.cast.players["car_18"].driver is Driver.CASE


def test_what_is_no_case_of_the_scene_is_refused(client: Any) -> None:
    case = recorded_brake(2.0)
    with pytest.raises(AvrecError, match="another scene"):
        ReplaySession(client, street_scene(SECONDS, seed=1), case=case)
    with pytest.raises(AvrecError, match="has its times already"):
        ReplaySession(client, case, start_us=START_US)
    with pytest.raises(AvrecError, match="another scene"):
        ReplaySession(client, "street.usdz", case=case)
    with pytest.raises(AvrecError, match="is no case"):
        ReplaySession(client, case.scene, case="hard_brake")  # type: ignore[arg-type]
    with pytest.raises(AvrecError, match="returned int"):
        ReplaySession(client, case.scene, case=lambda _: 3)  # type: ignore[arg-type, return-value]
    with pytest.raises(AvrecError, match="oncoming"):
        ReplaySession(client, street_scene(SECONDS), case=scenarios.cut_in)
    session = ReplaySession(client, street_scene(SECONDS), case=scenarios.hard_brake)
    assert session.case.name == "hard_brake"
    assert session.collisions == ()


def test_who_is_taken_back_does_not_fly_there(client: Any) -> None:
    """The ego stands for a second and then is where the recording has it at once: no trigger sees it race there."""
    watched: list[tuple[float, float, float]] = []

    class Watch:
        def holds(self, now: Situation) -> bool:
            watched.append((now.time_s, now.ego.x, float(np.hypot(now.ego.vx, now.ego.vy))))
            return False

    case = street(2.0, "car_18").when(Watch(), Hold(), actor="car_18")
    with ReplaySession(client, case, step_s=0.1) as session:
        car = session.take_over_ego()
        while session.seconds < 1.3:
            car.apply_control(carla.VehicleControl(brake=1.0))
            session.tick()
        stood_m = float(session.ego_pose()[0, 3])
        session.release_ego()
        while session.tick():
            pass
    assert max(speed for _, _, speed in watched) < 12.0
    ahead_m = case.ego_shape.ahead_m
    for seconds, x, _ in watched[-5:]:
        recorded = case.scene.ego.at(START_US + round(seconds * 1e6))
        assert x == pytest.approx(recorded[0, 3] + recorded[0, 0] * ahead_m, abs=0.3)
        assert x > stood_m + 3.0


def test_who_was_destroyed_is_gone_from_pictures_too(client: Any) -> None:
    with ReplaySession(client, street(1.0, "car_18")) as session:
        session.tick()
        there = session.cast.tracks_during(session.time_us, session.time_us)
        session.actor("car_18").destroy()
        session.tick()
        left = session.cast.tracks_during(session.time_us, session.time_us)
    assert {track.id for track in there} - {track.id for track in left} == {"car_18"}


def test_the_command_tells_whom_the_ego_hit(
    client: Any, server: carla_bridge.Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scene = complete_scene(n=40, degree=0)
    short = {name: times[times < times[0] + 3_600_000] for name, times in scene.frames.items()}
    replace(scene, frames=short, held_out={}).save(tmp_path / "road.usdz", checkpoint=False)
    words = ["carla", "replay", str(tmp_path / "road.usdz"), "--host", server.host, "--port", str(server.port)]
    words += ["--case", "hard_brake,brake_mps2=9", "--step", "0.1", "--without"]
    assert main([*words, "parked", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert [hit["other"] for hit in facts["collisions"]] == ["7"]
    assert main([*words, "nobody"]) == 2
