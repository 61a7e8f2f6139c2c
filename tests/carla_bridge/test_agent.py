"""The route-following agent: its network of lanes, its routes, and its drives through the official client."""

from __future__ import annotations

import os
from collections.abc import Iterator
from math import pi
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import carla_bridge
from avrec.errors import AvrecError
from tests.carla_bridge.support import LANE_M, RADIUS_M, STRAIGHT_M, loop_map
from tests.rendering.scenes import straight_path, tiny_scene

carla = pytest.importorskip("carla", reason="needs CARLA's client: pip install 'avrec[carla]'")

from carla_bridge import example_route_agent  # noqa: E402
from carla_bridge.route_agent import LaneNetwork, Route, RouteAgent  # noqa: E402

LANE_BAR_M = 0.8
INNER_LAP_M = 2 * STRAIGHT_M + 2 * pi * (RADIUS_M - LANE_M / 2)
OUTER_LAP_M = 2 * STRAIGHT_M + 2 * pi * (RADIUS_M + LANE_M / 2)


@pytest.fixture(scope="module")
def loop() -> Any:
    return carla.Map("loop", loop_map().decode())


def town_file(name: str) -> Path:
    data = os.environ.get("AVREC_DEV_DATA")
    if not data:
        pytest.skip("AVREC_DEV_DATA names no folder with CARLA's towns")
    return Path(data) / "maps" / "carla_towns" / "OpenDrive" / f"{name}.xodr"


@pytest.fixture(scope="module")
def town() -> Any:
    return carla.Map("Town03", town_file("Town03").read_text())


def test_a_route_measures_itself_and_what_is_beside_it() -> None:
    route = Route.of_line([(0, 0, 0), (10, 0, 0), (10, 10, 0)])
    assert route.length_m == pytest.approx(20.0, abs=0.3)  # the corner is cut by half a step
    assert np.linalg.norm(np.diff(route.points, axis=0), axis=1).max() <= 0.5 + 1e-9
    place = route.locate(4.0, 1.5)
    assert (place.along_m, place.right_m) == pytest.approx((4.0, 1.5))  # y is to the right in CARLA
    assert route.locate(4.0, -1.5).right_m == pytest.approx(-1.5)
    assert route.locate(9.0, 9.0, 0.0, 8.0).along_m == pytest.approx(8.0)  # not where it comes past later
    np.testing.assert_allclose(route.point_at(route.length_m + 5.0), (10, 15, 0), atol=1e-6)


@given(radius=st.floats(8.0, 200.0), right=st.booleans())
@settings(max_examples=25, deadline=None)
def test_curvature_of_a_circle(radius: float, right: bool) -> None:
    angle = np.linspace(0.0, pi / 2, 200)
    side = 1.0 if right else -1.0
    line = np.stack([radius * np.sin(angle), side * radius * (1 - np.cos(angle)), 0 * angle], axis=1)
    route = Route.of_line(line)
    np.testing.assert_allclose(route.curvature[6:-6], side / radius, rtol=0.05, atol=1e-3)
    assert route.length_m == pytest.approx(radius * pi / 2, rel=0.01)


def test_the_shortest_way_round_the_loop(loop: Any) -> None:
    """A goal 10 m behind the vehicle is a whole lap ahead; lanes of the other direction are out of reach."""
    lanes = LaneNetwork(loop)
    start = carla.Location(50, LANE_M / 2, 0)
    assert lanes.plan(start, carla.Location(70, LANE_M / 2, 0)).length_m == pytest.approx(20.0, abs=0.01)
    assert lanes.plan(start, carla.Location(40, LANE_M / 2, 0)).length_m == pytest.approx(OUTER_LAP_M - 10, abs=1.0)
    back = carla.Location(50, -LANE_M / 2, 0)
    there = carla.Location(60, -LANE_M / 2, 0)
    assert lanes.plan(back, there).length_m == pytest.approx(INNER_LAP_M - 10, abs=1.0)
    with pytest.raises(AvrecError, match="No way"):
        lanes.plan(start, back)


def test_routes_through_a_town_follow_its_lanes(town: Any) -> None:
    lanes, spots = LaneNetwork(town), town.get_spawn_points()
    assert not spots  # a map without a server knows none
    places = [each.transform.location for each in town.generate_waypoints(40.0)][::7]
    planned, gaps = 0, []
    for number, start in enumerate(places[:40]):
        try:
            route = lanes.plan(start, places[-1 - number])
        except AvrecError:
            continue
        planned += 1
        assert np.linalg.norm(np.diff(route.points, axis=0), axis=1).max() < 0.51
        assert np.abs(route.curvature).max() < 0.5  # 2 m: no jumps, no kinks
        for along in np.arange(0.0, route.length_m, 10.0):
            if any(first - 1 <= along <= last + 1 for first, last in route.changes):
                continue
            x, y, z = (float(value) for value in route.point_at(along))
            middle = town.get_waypoint(carla.Location(x, y, z)).transform
            right = middle.get_right_vector()  # along the lane the map's answer is up to 0.3 m off in bends
            gaps.append(abs((middle.location.x - x) * right.x + (middle.location.y - y) * right.y))
    assert planned > 20
    assert np.percentile(gaps, 95) < 0.02
    assert max(gaps) < 0.5  # where lanes overlap the map may find another one


def test_no_other_way_is_shorter(town: Any) -> None:
    """Against Dijkstra over the map's topology without lane changes, which A* may only undercut."""
    lanes = LaneNetwork(town)
    pieces = sorted(lanes._entries)[::60]
    start = pieces[0]
    cost = {start: 0.0}
    fringe = [start]
    while fringe:
        here = min(fringe, key=cost.__getitem__)
        fringe.remove(here)
        for after in lanes._next.get(here, ()):
            if after in lanes._entries:
                gap = float(np.linalg.norm(lanes._line(after)[0][0] - lanes._line(here)[0][-1]))
                reached = cost[here] + lanes._metres(here) + gap
                if reached < cost.get(after, np.inf) - 1e-9:
                    cost[after] = reached
                    fringe.append(after)
    compared = 0
    for goal in pieces[1:]:
        if goal in cost:
            route = lanes._route(lanes._way((start, 0.0), (goal, 0.0)))
            assert route.length_m <= cost[goal] + 0.6
            compared += 1
    assert compared > 5


def test_it_drives_twice_round_the_loop(world: Any) -> None:
    """Past the lights, which switch as they do."""
    with example_route_agent.vehicle_at(world, world.get_map().get_spawn_points(), "vehicle.tesla.model3") as vehicle:
        route = LaneNetwork(world.get_map()).wander(vehicle.get_location(), 700.0, seed=1)
        assert route.length_m >= 700.0
        outcome = example_route_agent.drive(RouteAgent(world, vehicle, route))
        end = route.points[-1]
        assert vehicle.get_location().distance(carla.Location(*map(float, end))) < 1.5
    assert outcome.arrived
    assert outcome.lane_error_m <= LANE_BAR_M


@pytest.mark.parametrize("name", ["Town01", "Town03"])
def test_it_finds_its_way_through_towns(name: str) -> None:
    with carla_bridge.serve(town_file(name), port=0, version=carla.Client("127.0.0.1", 1).get_client_version()) as here:
        world = carla_bridge.connect(here.host, here.port).get_world()
        town = world.get_map()
        spot = town.get_spawn_points()[40]
        with (
            example_route_agent.synchronous(world),
            example_route_agent.vehicle_at(world, [spot], "vehicle.audi.tt") as vehicle,
        ):
            route = LaneNetwork(town).wander(vehicle.get_location(), 500.0, seed=4)
            agent = RouteAgent(world, vehicle, route)
            outcome = example_route_agent.drive(agent)
        assert not world.get_settings().synchronous_mode
    assert outcome.arrived
    assert outcome.lane_error_m <= LANE_BAR_M


@pytest.fixture
def car(world: Any) -> Iterator[Any]:
    spot = carla.Transform(carla.Location(20, LANE_M / 2, 0.3))
    with example_route_agent.vehicle_at(world, [spot], "vehicle.lincoln.mkz_2020") as found:
        yield found


def run(agent: RouteAgent, ticks: int) -> None:
    for _ in range(ticks):
        agent.vehicle.apply_control(agent.step())
        agent.world.tick()


def test_it_waits_at_a_red_light_before_the_line(world: Any, car: Any) -> None:
    light = world.get_traffic_light_from_opendrive_id("50")
    light.set_state(carla.TrafficLightState.Red)
    world.freeze_all_traffic_lights(True)
    world.tick()
    line = light.get_stop_waypoints()[0].transform.location.x
    route = LaneNetwork(world.get_map()).plan(car.get_location(), carla.Location(110, LANE_M / 2, 0))
    agent = RouteAgent(world, car, route)
    run(agent, 300)
    front = car.get_location().x + car.bounding_box.extent.x
    assert car.get_velocity().length() < 0.05
    assert line - 3.0 < front < line
    assert agent.waits_for == "light"
    light.set_state(carla.TrafficLightState.Green)
    run(agent, 100)
    assert car.get_location().x > line + 5.0
    assert agent.waits_for == ""


def test_it_stops_behind_what_stands_on_its_route_and_follows_what_moves(world: Any, car: Any) -> None:
    world.freeze_all_traffic_lights(True)
    for light in world.get_actors().filter("traffic.traffic_light"):
        light.set_state(carla.TrafficLightState.Green)
    library = world.get_blueprint_library()
    lane, oncoming = LANE_M / 2, -LANE_M / 2
    other = world.spawn_actor(library.find("vehicle.volkswagen.t2"), carla.Transform(carla.Location(60, lane, 0.3)))
    world.spawn_actor(library.find("vehicle.audi.tt"), carla.Transform(carla.Location(40, oncoming, 0.3)))
    world.tick()
    route = LaneNetwork(world.get_map()).plan(car.get_location(), carla.Location(119, lane, 0))
    agent = RouteAgent(world, car, route)
    run(agent, 200)
    gap = other.get_location().x - other.bounding_box.extent.x - car.get_location().x - car.bounding_box.extent.x
    assert car.get_velocity().length() < 0.05
    assert 1.5 < gap < 5.0
    assert agent.waits_for == "traffic"
    other.enable_constant_velocity(carla.Vector3D(4, 0, 0))
    run(agent, 200)
    assert car.get_velocity().length() == pytest.approx(4.0, abs=0.8)
    person = world.spawn_actor(
        library.find("walker.pedestrian.0001"),
        carla.Transform(car.get_location() + carla.Location(12, 0.5, 1.0)),
    )
    other.destroy()
    run(agent, 120)
    assert person.get_location().distance(car.get_location()) > car.bounding_box.extent.x + 1.0
    assert car.get_velocity().length() < 0.05


def test_it_starts_where_the_road_is_long_enough(loop: Any) -> None:
    """And says so where none is."""
    lanes = LaneNetwork(loop)
    spots = [carla.Transform(carla.Location(x, LANE_M / 2, 0)) for x in (10, 50, 90)]
    goal = carla.Location(60, LANE_M / 2, 0)

    def near(start: Any) -> Route:
        route = lanes.plan(start, goal)
        if route.length_m > 100:
            raise AvrecError("too long")
        return route

    assert [spot.location.x for spot in example_route_agent.starts(spots, near)] == [10, 50]
    with pytest.raises(AvrecError, match="From none of"):
        list(example_route_agent.starts(spots[2:], near))


def refuse(host: str, port: int) -> Any:
    raise AvrecError(f"No CARLA server answers at {host}:{port}.")


def test_the_command(client: Any, server: carla_bridge.Server, tmp_path: Path, caplog: Any, monkeypatch: Any) -> None:
    """On the server that is there; on one of its own; and what it says when it cannot."""
    client.reload_world()
    caplog.set_level("INFO")
    address = ["--host", server.host, "--port", str(server.port)]
    assert example_route_agent.main([*address, "--length", "150", "--move-spectator"]) == 0
    assert "Arrived" in caplog.text
    assert not client.get_world().get_actors().filter("vehicle.*")
    assert not client.get_world().get_settings().synchronous_mode
    assert example_route_agent.main([*address, "--vehicle", "vehicle.none"]) == 2
    assert "has no blueprint" in caplog.text
    path = tmp_path / "loop.usdz"
    tiny_scene(map_xodr=loop_map(), ego=straight_path(4.0, 0.0)).save(path)
    assert example_route_agent.main(["--port", "9", "--map", str(path), "--length", "60"]) == 0
    assert "embedded world is started" in caplog.text
    monkeypatch.setattr(carla_bridge, "connect", refuse)  # a client gives up after seconds only
    assert example_route_agent.main(["--port", "9"]) == 2
    assert "--map FILE.xodr" in caplog.text
