"""Edge cases through the official client, closed loop: who looks at nobody collides, who brakes for others does not."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

import scenarios
from avrec.scenario import Scenario, replay
from carla_bridge.replay import Collision, ReplaySession
from tests.carla_bridge.drivers import Blind, Careful
from tests.scenarios.street import START_US, street_scene

carla = pytest.importorskip("carla", reason="needs CARLA's client: pip install 'avrec[carla]'")

SECONDS = 6.0


def quiet_street() -> Scenario:
    """The street without those who come from ahead and without the car before the ego."""
    scene = street_scene(SECONDS)
    for track in scene.tracks:
        if track.label == "car" and track.moving:
            scene = scene.without_actor(track.id)
    return replay(scene)


def cut_in() -> Scenario:
    return scenarios.cut_in(quiet_street(), gap_m=6.0, overtaking=True)


def hard_brake() -> Scenario:
    return scenarios.hard_brake(street_scene(SECONDS))


def dart_out() -> Scenario:
    return scenarios.pedestrian_dart_out(quiet_street(), place_m=20.0)


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
