"""The Traffic Manager that ships in the client drives the server's vehicles."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

import carla_bridge
from avrec.maps import read_opendrive
from bench.carla_traffic import drive
from carla_bridge.tick_guard import tick
from carla_bridge.traffic import Traffic
from carla_bridge.world.traffic_lights import lights_of_map
from tests.carla_bridge.conftest import client_version
from tests.carla_bridge.support import STRAIGHT_M, loop_map, synchronous, traffic_manager
from tests.processes import LIMIT_S

carla = pytest.importorskip("carla", reason="needs CARLA's client: pip install 'avrec[carla]'")

STEP_S = 0.05
SECOND_M = 5.25
"""Middle of the second lane of `wide_map`, metres beside the centre line."""


@pytest.fixture
def manager(client: Any, world: Any) -> Iterator[Any]:
    """A Traffic Manager in step with the world."""
    with traffic_manager(client) as found:
        found.set_synchronous_mode(True)
        found.set_random_device_seed(3)
        yield found


def spawn(world: Any, x: float, y: float = 1.75, yaw: float = 0.0) -> Any:
    blueprint = world.get_blueprint_library().find("vehicle.tesla.model3")
    return world.spawn_actor(blueprint, carla.Transform(carla.Location(x, y, 0.3), carla.Rotation(yaw=yaw)))


def green(world: Any) -> None:
    world.freeze_all_traffic_lights(True)
    for light in world.get_actors().filter("traffic.traffic_light"):
        light.set_state(carla.TrafficLightState.Green)


def test_twenty_vehicles_and_people_for_a_minute(client: Any, world: Any) -> None:
    """The bench does it for ten minutes on more maps."""
    found = drive(client, 1.0, vehicles=20, people=8)
    assert len(found.driven) == 20
    assert min(found.driven.values()) > 50.0
    assert not found.stuck
    assert not found.hits
    assert found.crossings > 5
    assert not found.red_runs
    assert (found.left, found.entered) == (0, 0)
    assert sorted(found.lane_errors)[int(len(found.lane_errors) * 0.95)] < 0.8
    assert sorted(found.walked.values())[len(found.walked) // 2] > 30.0
    tick(world)
    assert not world.get_actors().filter("vehicle.*")  # all taken off the road
    assert not world.get_actors().filter("walker.*")
    assert not world.get_actors().filter("controller.*")


def test_traffic_goes_on_where_roads_end(recordings: Path) -> None:
    """On a street of 120 m every vehicle is soon at its end; others come instead."""
    text = loop_map().decode()
    street = text[: text.index('<road name="r1"')] + "</OpenDRIVE>"
    start = street.index("<link>")
    street = street[:start] + street[street.index("</link>", start) + len("</link>") :]
    with carla_bridge.serve(street.encode(), port=0, version=client_version(), recordings=recordings) as server:
        client = carla_bridge.connect(server.host, server.port)
        found = drive(client, 0.75, vehicles=6, people=0)
    assert found.left >= 6
    assert found.entered >= 6
    assert not found.hits
    assert max(found.driven.values()) > 70.0


def test_a_car_waits_at_a_red_light(world: Any, manager: Any) -> None:
    light = world.get_traffic_light_from_opendrive_id("50")
    light.set_state(carla.TrafficLightState.Red)
    world.freeze_all_traffic_lights(True)
    car = spawn(world, 20)
    tick(world)
    car.set_autopilot(True, manager.get_port())
    for _ in range(300):
        tick(world)
    assert car.get_velocity().length() < 0.1
    assert 70.0 < car.get_location().x + car.bounding_box.extent.x < 80.5  # the line is at 80 m
    light.set_state(carla.TrafficLightState.Green)
    for _ in range(100):
        tick(world)
    assert car.get_location().x > 85.0


def test_lights_for_people_stop_no_car() -> None:
    """Maps often say for all lanes of the road; here both kinds are beside each other."""
    text = loop_map().decode().replace('type="1000001"', 'type="1000002"', 1)
    lights, _ = lights_of_map(read_opendrive(text.encode()))
    assert [each.zone_half[0] > 0.0 for each in lights] == [False, True]


def test_a_car_told_to_ignore_lights_runs_one(world: Any, manager: Any) -> None:
    world.get_traffic_light_from_opendrive_id("50").set_state(carla.TrafficLightState.Red)
    world.freeze_all_traffic_lights(True)
    car = spawn(world, 50)
    tick(world)
    car.set_autopilot(True, manager.get_port())
    manager.ignore_lights_percentage(car, 100)
    for _ in range(160):
        tick(world)
    assert car.get_location().x > 85.0


@pytest.mark.parametrize("less", [0.0, 50.0])
def test_speed_differences_are_of_the_limit(world: Any, manager: Any, less: float) -> None:
    green(world)
    car = spawn(world, 10)
    tick(world)
    car.set_autopilot(True, manager.get_port())
    manager.vehicle_percentage_speed_difference(car, less)
    speeds = []
    for _ in range(160):
        tick(world)
        speeds.append(car.get_velocity().length())
    assert max(speeds) == pytest.approx(car.get_speed_limit() * (1 - less / 100) / 3.6, rel=0.1)


def test_same_seed_same_traffic(client: Any, world: Any) -> None:
    """With the Traffic Manager in step as well, two runs are the same to the millimetre."""

    def places() -> list[tuple[float, float]]:
        synchronous(client.reload_world())
        with Traffic(client, vehicles=8, people=0, seed=5) as traffic:
            for _ in range(200):
                traffic.tick()
            return [(car.get_location().x, car.get_location().y) for car in traffic.vehicles.values()]

    first, second = places(), places()
    assert len(first) == 8
    for a, b in zip(first, second, strict=True):
        assert a == pytest.approx(b, abs=1e-3)


FREE = """
import sys, carla_bridge
client = carla_bridge.connect("127.0.0.1", int(sys.argv[1]))
world = client.get_world()
with carla_bridge.Traffic(client, vehicles=6, people=2, seed=1) as traffic:
    first = {each.id: each.get_location() for each in traffic.vehicles.values()}
    start = world.get_snapshot().timestamp.elapsed_seconds
    while world.get_snapshot().timestamp.elapsed_seconds < start + 4.0:
        world.wait_for_tick()
        traffic.step()
    moved = sorted(each.get_location().distance(first[each.id]) for each in traffic.vehicles.values())
    print(len(moved), moved[3], flush=True)
"""


def test_a_world_that_runs_by_itself(server: carla_bridge.Server, world: Any) -> None:
    """Neither the world nor the Traffic Manager waits for anybody; in a process of its own, as users have it."""
    settings = world.get_settings()
    settings.synchronous_mode = False
    world.apply_settings(settings)
    command = [sys.executable, "-c", FREE, str(server.port)]
    told = subprocess.run(command, capture_output=True, timeout=LIMIT_S, check=False)
    assert told.stdout, told.stderr[-2000:]
    count, moved = told.stdout.split()
    assert int(count) == 6
    assert float(moved) > 3.0


def test_hybrid_traffic_moves_far_vehicles_without_physics(world: Any, manager: Any) -> None:
    green(world)
    hero = world.spawn_actor(hero_of(world), carla.Transform(carla.Location(20, 1.75, 0.3)))
    far = spawn(world, 60, -51.75, 180.0)
    tick(world)
    manager.set_hybrid_physics_mode(True)
    manager.set_hybrid_physics_radius(30.0)
    for car in (hero, far):
        car.set_autopilot(True, manager.get_port())
    start = {car.id: car.get_location() for car in (hero, far)}
    for _ in range(60):
        tick(world)
    for car in (hero, far):
        assert car.get_location().distance(start[car.id]) > 5.0
    assert abs(far.get_location().z) < 0.5


def hero_of(world: Any) -> Any:
    blueprint = world.get_blueprint_library().find("vehicle.audi.tt")
    blueprint.set_attribute("role_name", "hero")
    return blueprint


def wide_map() -> bytes:
    """The loop with two lanes that drive counter-clockwise and may be changed."""
    text = loop_map().decode()
    walk = text.index('<lane id="-2" type="sidewalk"')
    second = text[walk : text.index("</lane>", walk) + len("</lane>")]
    outer = second.replace('id="-2"', 'id="-3"')
    inner = second.replace('"sidewalk"', '"driving"').replace('a="2.0"', 'a="3.5"')
    text = text.replace(second, inner + outer)
    first = text.index('<lane id="-1" type="driving"')
    lane = text[first : text.index("</lane>", first) + len("</lane>")]
    broken = lane.replace('type="solid"', 'type="broken"').replace('laneChange="none"', 'laneChange="both"')
    return text.replace(lane, broken).encode()


def test_lane_changes_and_paths(recordings: Path) -> None:
    """A forced lane change is made; a path leads over its points."""
    with (
        carla_bridge.serve(wide_map(), port=0, version=client_version(), recordings=recordings) as server,
        ExitStack() as here,
    ):
        client = carla_bridge.connect(server.host, server.port)
        world = client.get_world()
        synchronous(world)
        green(world)
        manager = here.enter_context(traffic_manager(client))
        manager.set_synchronous_mode(True)
        changer, follower = spawn(world, 5, 1.75), spawn(world, 30, SECOND_M)
        tick(world)
        light = world.get_traffic_light_from_opendrive_id("50")
        assert sorted(stop.lane_id for stop in light.get_stop_waypoints()) == [-2, -1]  # one on each lane
        for car in (changer, follower):
            car.set_autopilot(True, manager.get_port())
            manager.auto_lane_change(car, False)
            manager.random_right_lanechange_percentage(car, 0)
        manager.set_path(follower, [carla.Location(x, SECOND_M, 0) for x in (50, 70, 90, 110)])
        manager.force_lane_change(changer, True)
        aside = []
        for _ in range(200):
            tick(world)
            if changer.get_location().x < STRAIGHT_M:
                aside.append(changer.get_location().y)
        assert max(aside) == pytest.approx(SECOND_M, abs=0.8)
        assert follower.get_location().distance(carla.Location(30, SECOND_M, 0)) > 50.0
