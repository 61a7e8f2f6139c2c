"""The Traffic Manager that ships in the client drives the server's vehicles."""

from __future__ import annotations

import socket
from typing import Any

import pytest

carla = pytest.importorskip("carla", reason="needs CARLA's client: pip install 'avrec[carla]'")

CARS = 16
SECONDS = 60
STEP_S = 0.05


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_the_traffic_manager_drives_without_accidents(client: Any, world: Any) -> None:
    library = world.get_blueprint_library()
    cars = [each for each in library.filter("vehicle.*") if each.get_attribute("base_type").as_str() == "car"]
    spots = world.get_map().get_spawn_points()[::2][:CARS]
    port = free_port()
    manager = client.get_trafficmanager(port)
    manager.set_synchronous_mode(True)
    manager.set_random_device_seed(3)
    world.freeze_all_traffic_lights(True)
    for light in world.get_actors().filter("traffic.*"):
        light.set_state(carla.TrafficLightState.Green)
    command = carla.command
    answers = client.apply_batch_sync(
        [
            command.SpawnActor(cars[5 * number % len(cars)], spot).then(
                command.SetAutopilot(command.FutureActor, True, port)
            )
            for number, spot in enumerate(spots)
        ],
        True,
    )
    assert not [answer.error for answer in answers if answer.error]
    driven = [world.get_actor(answer.actor_id) for answer in answers]
    hits: list[Any] = []
    sensors = []
    for each in driven:
        sensor = world.spawn_actor(library.find("sensor.other.collision"), carla.Transform(), attach_to=each)
        sensor.listen(hits.append)
        sensors.append(sensor)
    town = world.get_map()
    lengths = dict.fromkeys((each.id for each in driven), 0.0)
    errors = []
    for step in range(round(SECONDS / STEP_S)):
        world.tick()
        for each in driven:
            lengths[each.id] += each.get_velocity().length() * STEP_S
            if step > 60 and step % 20 == 0:
                place = each.get_location()
                errors.append(town.get_waypoint(place).transform.location.distance(place))
    for each in driven:
        each.set_autopilot(False, port)
    manager.shut_down()  # before the world is loaded again, or it crashes the client
    for sensor in sensors:
        sensor.destroy()
    assert min(lengths.values()) > 120.0
    assert not hits
    assert sorted(errors)[int(len(errors) * 0.95)] < 0.8


def test_a_car_waits_at_a_red_light(client: Any, world: Any) -> None:
    port = free_port()
    manager = client.get_trafficmanager(port)
    manager.set_synchronous_mode(True)
    light = world.get_traffic_light_from_opendrive_id("50")
    light.set_state(carla.TrafficLightState.Red)
    world.freeze_all_traffic_lights(True)
    car = world.spawn_actor(
        world.get_blueprint_library().find("vehicle.tesla.model3"),
        carla.Transform(carla.Location(20, 1.75, 0.3)),
    )
    world.tick()
    car.set_autopilot(True, port)
    for _ in range(300):
        world.tick()
    assert car.get_velocity().length() < 0.1
    assert 60.0 < car.get_location().x < 82.0
    light.set_state(carla.TrafficLightState.Green)
    for _ in range(100):
        world.tick()
    assert car.get_location().x > 85.0
    car.set_autopilot(False, port)
    manager.shut_down()  # before the world is loaded again, or it crashes the client
