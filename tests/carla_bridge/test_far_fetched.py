"""Numbers that the protocol allows and no world can follow: time goes on, and nothing is infinite afterwards."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from carla_bridge.server.host import Host
from carla_bridge.server.profiles import profile_of
from carla_bridge.server.rpc import METHODS
from carla_bridge.world import RoadMap, read_road_map
from carla_bridge.world.actor import SpawnError
from carla_bridge.world.labels import Label
from carla_bridge.world.pose import Pose
from tests.carla_bridge.support import loop_map

HUGE = 1e9


@pytest.fixture(scope="module")
def loop() -> RoadMap:
    return read_road_map(loop_map())


@pytest.fixture
def host(loop: RoadMap) -> Host:
    found = Host(loop, profile_of("0.9.16"))
    found.settings = replace(found.settings, synchronous=True, fixed_delta_s=0.05)
    return found


def call(host: Host, name: str, *arguments: Any) -> Any:
    return METHODS[name].call(host, *arguments)


def spawn(host: Host, blueprint: str, **attributes: str) -> int:
    pose = host.road_map.spawn_points[0]
    description = [0, blueprint, [[name, 3, value] for name, value in attributes.items()]]
    return int(call(host, "spawn_actor", description, [[pose.x, -pose.y, pose.z], [0.0, 0.0, 0.0]])[0])


def goes_on(host: Host, ticks: int = 40) -> None:
    for _ in range(ticks):
        host.tick()
    assert np.isfinite(host.world.motion).all()


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("set_actor_target_velocity", [[1e6, -1e6, 0.0]]),
        ("set_actor_target_angular_velocity", [[0.0, 0.0, HUGE]]),
        ("add_actor_impulse", [[HUGE, HUGE, HUGE]]),
        ("add_actor_angular_impulse", [[0.0, 0.0, HUGE]]),
        ("add_actor_force", [[HUGE, -HUGE, HUGE]]),
        ("add_actor_force_at_location", [[HUGE, -HUGE, HUGE], [HUGE, HUGE, 0.0]]),
        ("enable_actor_constant_velocity", [[HUGE, HUGE, 0.0]]),
        ("set_actor_location", [[HUGE, -HUGE, HUGE]]),
    ],
)
def test_a_vehicle_that_is_sent_off(host: Host, method: str, arguments: list[Any]) -> None:
    car = spawn(host, "vehicle.tesla.model3")
    call(host, "set_actor_target_velocity", car, [30.0, 5.0, 0.0])
    call(host, method, car, *arguments)
    goes_on(host)


def filled(value: Any, number: float) -> Any:
    if isinstance(value, list):
        return [filled(each, number) for each in value]
    return value if isinstance(value, bool) else number


@pytest.mark.parametrize("number", [HUGE, -HUGE, 0.0, 1e-9])
def test_a_data_sheet_of_one_number(host: Host, number: float) -> None:
    car = spawn(host, "vehicle.tesla.model3")
    call(host, "apply_physics_control", car, filled(call(host, "get_physics_control", car), number))
    call(host, "apply_control_to_vehicle", car, [1.0, 1.0, 0.0, False, False, False, 0])
    goes_on(host)


def test_brakes_that_push(host: Host) -> None:
    car = spawn(host, "vehicle.tesla.model3")
    sheet = call(host, "get_physics_control", car)
    for wheel in sheet[15]:
        wheel[4] = wheel[5] = -HUGE
    call(host, "apply_physics_control", car, sheet)
    call(host, "apply_control_to_vehicle", car, [0.0, 0.0, 1.0, True, False, False, 0])
    goes_on(host)


def test_what_spins_in_the_air_gains_no_speed(host: Host) -> None:
    car = spawn(host, "vehicle.tesla.model3")
    goes_on(host, 20)
    call(host, "add_actor_impulse", car, [0.0, 0.0, 2e5])
    call(host, "set_actor_target_velocity", car, [10.0, 0.0, 20.0])
    call(host, "set_actor_target_angular_velocity", car, [0.0, 0.0, HUGE])
    for _ in range(40):
        host.tick()
        vx, vy, _ = host.world.velocity(host.world.actors[car])
        assert np.hypot(vx, vy) < 30.0


def test_ground_that_holds_anything(host: Host) -> None:
    car = spawn(host, "vehicle.tesla.model3")
    extents = {f"extent_{axis}": "1e9" for axis in "xyz"}
    spawn(host, "static.trigger.friction", friction="1e308", **extents)
    call(host, "set_actor_enable_gravity", car, False)
    call(host, "add_actor_impulse", car, [0.0, 0.0, 1e5])
    goes_on(host)


def test_steps_and_ticks_too_short_for_a_clock(host: Host) -> None:
    settings = call(host, "get_episode_settings")
    with pytest.raises(ValueError, match="out of range; choose 1e-06 to 10 s"):
        call(host, "set_episode_settings", [*settings[:2], [True, 1e-310], *settings[3:]])
    with pytest.raises(ValueError, match="0 for every step, or 1e-06 and more"):
        spawn(host, "sensor.other.imu", sensor_tick="1e-320")
    spawn(host, "sensor.other.imu", sensor_tick="1e-6")
    goes_on(host, 3)


def test_actors_on_actors_on_actors(host: Host) -> None:
    last = spawn(host, "vehicle.tesla.model3")
    nothing, place = [0, "util.actor.empty", []], [[0.0, 0.0, 0.1], [0.0, 0.0, 0.0]]
    for _ in range(31):
        last = call(host, "spawn_actor_with_parent", nothing, place, last)[0]
    with pytest.raises(SpawnError, match="chain of 32 actors; attach to an earlier one"):
        call(host, "spawn_actor_with_parent", nothing, place, last)
    goes_on(host, 3)


def test_one_impossible_command_does_not_spoil_a_batch(host: Host) -> None:
    car = spawn(host, "vehicle.tesla.model3")
    wrong = [2, [car, [0.0, 0.0, 0.0, False, False, False, float("inf")]]]
    right = [2, [car, [1.0, 0.0, 0.0, False, False, False, 1]]]
    first, second = call(host, "apply_batch", [[wrong], [right]], False)
    assert first[0][0] == 0
    assert "infinity" in first[0][1][0]
    assert second == [[1, car]]


@pytest.mark.parametrize(
    "kind", ["sensor.camera.optical_flow", "sensor.camera.instance_segmentation", "sensor.other.radar"]
)
def test_a_traffic_light_whose_actor_was_destroyed_still_stands(host: Host, kind: str) -> None:
    light = host.world.signals.lights[0]
    pose = host.world.pose(host.world.actors[light.actor])
    call(host, "destroy_actor", light.actor)
    host.streams.wanted = lambda stream: True  # type: ignore[method-assign]
    place = [[pose.x, -pose.y + 4.0, pose.z], [0.0, -90.0, 0.0]]
    sensor = call(host, "spawn_actor", [0, kind, []], place)[0]
    goes_on(host, 2)
    assert not host.rack._sensors[sensor].broken
    met = host.rack.cast(Pose(pose.x, pose.y - 4.0, pose.z + 0.3), np.array([[0.0, 1.0, 0.0]]), 20.0)
    assert met[0][0] < 6.0
    assert met[1][0] in (Label.TRAFFIC_LIGHT, Label.POLE)
    assert met[2][0] == 0
