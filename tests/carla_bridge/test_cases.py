"""Edge cases through the official client, closed loop: who looks at nobody collides, who brakes for others does not."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import scenarios
from avrec.errors import AvrecError
from avrec.geometry import Trajectory
from avrec.rendering import render
from avrec.scenario import Appear, Director, EgoState, ElapsedTime, Scenario, rehearse, replay
from carla_bridge.replay import Collision, ReplaySession
from carla_bridge.replay.player import Driver
from tests.carla_bridge.drivers import Blind, Careful
from tests.scenarios.street import START_US, street_scene

carla = pytest.importorskip("carla", reason="needs CARLA's client: pip install 'avrec[carla]'")

SECONDS = 6.0


def quiet_street(seconds: float) -> Scenario:
    """The street without those who come from ahead and without the car before the ego."""
    scene = street_scene(SECONDS)
    for track in scene.tracks:
        if track.label == "car" and track.moving:
            scene = scene.without_actor(track.id)
    return replay(scene, end_us=START_US + round(seconds * 1e6))


def cut_in() -> Scenario:
    return scenarios.cut_in(quiet_street(5.0), gap_m=6.0, at_s=0.5, overtaking=True)


def hard_brake() -> Scenario:
    return scenarios.hard_brake(replay(street_scene(SECONDS), end_us=START_US + 4_000_000))


def dart_out() -> Scenario:
    return scenarios.pedestrian_dart_out(quiet_street(4.5), place_m=20.0)


CASES: dict[str, tuple[Callable[[], Scenario], str]] = {
    "cut_in": (cut_in, "added_car_1"),
    "hard_brake": (hard_brake, "car_18"),
    "pedestrian_dart_out": (dart_out, "added_person_1"),
}


def drive(
    client: Any, case: Scenario, driver: type[Blind], after: Callable[[ReplaySession], None] = lambda _: None
) -> tuple[Collision, ...]:
    with ReplaySession(client, case) as session:
        session.tick()
        agent = driver(session, carla)
        while session.tick():
            agent.step()
            after(session)
        time.sleep(0.2)  # for what the sensor tells
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
    base = street_scene(SECONDS)
    return scenarios.hard_brake(replay(base, end_us=START_US + round(seconds * 1e6)), at_s=0.3)


def test_a_recorded_ego_runs_into_it_and_the_others_keep_to_the_recording(client: Any) -> None:
    case = recorded_brake(2.2)
    scene = case.scene
    plan = Director(case)
    with ReplaySession(client, case) as session:
        while session.tick():
            now = EgoState(scene.ego.at(session.time_us), scene.ego.velocity_at(session.time_us)[0])
            for key, state in plan.step(session.time_us, now).items():
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


def test_the_same_case_again_is_the_same_bit_for_bit(client: Any) -> None:
    def poses() -> list[bytes]:
        found = []
        with ReplaySession(client, recorded_brake(1.5)) as session:
            session.tick()
            agent = Careful(session, carla)
            while session.tick():
                agent.step()
                found += [session.ego_pose().tobytes(), session.actor_pose("car_18").tobytes()]
        return found

    assert poses() == poses()


def test_pictures_show_the_case(client: Any) -> None:
    case = scenarios.pedestrian_dart_out(quiet_street(2.6))
    actor, images, seen = "added_person_1", [], {}
    with ReplaySession(client, case) as session:
        session.add_camera("front", images.append)
        seen[session.time_us] = session.actor_pose(actor)
        while session.tick():
            seen[session.time_us] = session.actor_pose(actor)
    image = images[28]  # the person is on the road, the ego not yet there
    truth = Trajectory(np.array(list(seen)), np.stack(list(seen.values())))
    wanted = render(case.scene.with_actor_path(actor, truth), "front", image.time_us).rgb_uint8
    assert (np.abs(image.rgb.astype(int) - wanted).max(-1) <= 2).mean() >= 0.999
    without = render(case.scene.without_actor(actor), "front", image.time_us).rgb_uint8
    assert (image.rgb != without).any(-1).sum() > 10
    standing = render(case.scene, "front", image.time_us).rgb_uint8
    assert (image.rgb != standing).any(-1).sum() > 10


def test_who_appears_is_away_until_then(client: Any) -> None:
    case = quiet_street(1.0).when(ElapsedTime(0.5), Appear(), actor="pedestrian_01")
    with ReplaySession(client, case) as session:
        while session.tick():
            there = any(
                actor.attributes.get("role_name") == "track pedestrian_01" for actor in session.world.get_actors()
            )
            assert there == ("pedestrian_01" in session.track_ids) == (session.seconds >= 0.5)


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
    with pytest.raises(AvrecError, match="oncoming"):
        ReplaySession(client, street_scene(SECONDS), case=scenarios.cut_in)
    session = ReplaySession(client, street_scene(SECONDS), case=scenarios.hard_brake)
    assert session.case.name == "hard_brake"
    assert session.collisions == ()
