"""Session, map, time, settings, weather, recorder, debug shapes."""

from __future__ import annotations

import queue
import threading
import time
from math import asin, atan2, cos, cosh, degrees, exp, log, pi, radians, sin, sinh, tan
from pathlib import Path

import numpy as np
import pytest

from tests.carla_bridge.conformance.stage import LANE_Y, STEP_S, Stage, call, junction_map, pixels, xyz
from tests.carla_bridge.support import LATITUDE, LONGITUDE, WAIT_S, free_port, loop_map, traffic_manager

ABOVE = (30.0, LANE_Y, 8.0)


def look_down(stage: Stage) -> np.ndarray:
    """The road from above, as numbers that can be subtracted."""
    place = stage.carla.Transform(stage.carla.Location(*ABOVE), stage.carla.Rotation(-90.0, 0.0, 0.0))
    return pixels(stage.picture("rgb", place)).astype(int)[..., :3]


@call("get_world")
def get_world(stage: Stage) -> None:
    other = stage.carla.Client(*stage.address)
    other.set_timeout(WAIT_S)
    assert other.get_world().id == stage.client.get_world().id == stage.world.id


@call("set_timeout")
def set_timeout(stage: Stage) -> None:
    """A client of nobody gives up in the time it was given."""
    lonely = stage.carla.Client("127.0.0.1", 1)
    lonely.set_timeout(0.4)
    start = time.monotonic()
    with pytest.raises(RuntimeError, match="time-out of 400ms"):
        lonely.get_server_version()
    assert time.monotonic() - start > 0.3


@call("get_map")
def get_map(stage: Stage) -> None:
    town = stage.world.get_map()
    assert town.name.rpartition("/")[2] == "OpenDriveMap"
    assert town.to_opendrive().encode() == loop_map()


@call("get_waypoint")
def get_waypoint(stage: Stage) -> None:
    town, carla = stage.world.get_map(), stage.carla
    found = town.get_waypoint(carla.Location(30.0, 2.5, 0.0))
    assert (found.road_id, found.lane_id) == (0, -1)
    assert xyz(found.transform.location) == pytest.approx((30.0, LANE_Y, 0.0), abs=0.01)
    assert found.lane_width == pytest.approx(3.5)
    assert town.get_waypoint(carla.Location(30.0, 30.0, 0.0), project_to_road=False) is None
    walk = town.get_waypoint(carla.Location(30.0, 2.5, 0.0), lane_type=carla.LaneType.Sidewalk)
    assert (walk.lane_id, walk.lane_type) == (-2, carla.LaneType.Sidewalk)


@call("get_waypoint_xodr")
def get_waypoint_xodr(stage: Stage) -> None:
    town = stage.world.get_map()
    found = town.get_waypoint_xodr(0, -1, 30.0)
    assert xyz(found.transform.location) == pytest.approx((30.0, LANE_Y, 0.0), abs=0.01)
    assert town.get_waypoint_xodr(99, -1, 30.0) is None


@call("get_left_lane")
def get_left_lane(stage: Stage) -> None:
    lane = stage.world.get_map().get_waypoint_xodr(0, -1, 30.0)
    left = lane.get_left_lane()
    assert left.lane_id == 1  # the oncoming one
    assert abs((left.transform.rotation.yaw - lane.transform.rotation.yaw) % 360) == pytest.approx(180.0, abs=1e-3)


@call("get_right_lane")
def get_right_lane(stage: Stage) -> None:
    lane = stage.world.get_map().get_waypoint_xodr(0, -1, 30.0)
    right = lane.get_right_lane()
    assert (right.lane_id, right.lane_type) == (-2, stage.carla.LaneType.Sidewalk)
    assert right.transform.location.y == pytest.approx(3.5 + 1.0, abs=0.01)
    assert right.get_right_lane() is None


@call("get_junction")
def get_junction(stage: Stage) -> None:
    world = stage.client.generate_opendrive_world(junction_map())
    try:
        town = world.get_map()
        inside, outside = (town.get_waypoint(stage.carla.Location(x, LANE_Y, 0.0)) for x in (45.0, 20.0))
        assert inside.is_junction
        assert not outside.is_junction
        assert outside.get_junction() is None
        junction = inside.get_junction()
        assert junction.id == 100
        assert junction.bounding_box.location.x == pytest.approx(45.0, abs=2.0)
        ends = [tuple(round(xyz(end.transform.location)[0]) for end in pair)
                for pair in junction.get_waypoints(stage.carla.LaneType.Driving)]  # fmt: skip
        assert sorted(ends) == [(40, 50), (50, 40)]
    finally:
        stage.client.generate_opendrive_world(loop_map().decode())


@call("get_spawn_points")
def get_spawn_points(stage: Stage) -> None:
    """Each can be spawned at, above its lane and along it."""
    town = stage.world.get_map()
    spots = town.get_spawn_points()
    assert len(spots) == 34
    for spot in spots[::5]:
        car = stage.world.try_spawn_actor(stage.library.find("vehicle.audi.tt"), spot)
        assert car is not None
        lane = town.get_waypoint(spot.location).transform
        assert lane.get_forward_vector().dot(spot.get_forward_vector()) > 0.999
        assert lane.location.distance(spot.location) < 0.35


@call("transform_to_geolocation")
def transform_to_geolocation(stage: Stage) -> None:
    """The client's own formula on a sphere, from the map's origin; the gnss sensor says the same there."""
    town, carla = stage.world.get_map(), stage.carla
    origin = town.transform_to_geolocation(carla.Location())
    assert (origin.latitude, origin.longitude) == pytest.approx((LATITUDE, LONGITUDE), abs=1e-9)
    found = town.transform_to_geolocation(carla.Location(1000.0, 2000.0, 30.0))
    radius, north = 6_378_137.0, radians(LATITUDE)
    if stage.client.get_client_version() == "0.9.15":
        scale = cos(north)
        y = scale * radius * log(tan(pi / 4 + north / 2)) - 2000.0
        wanted = degrees(2 * _atan(exp(y / (scale * radius))) - pi / 2), LONGITUDE + degrees(1000.0 / (scale * radius))
    else:
        d, x = 2000.0 / (0.9996 * radius) + north, 1000.0 / (0.9996 * radius)
        wanted = degrees(asin(sin(d) / cosh(x))), LONGITUDE + degrees(atan2(sinh(x), cos(d)))
    assert (found.latitude, found.longitude) == pytest.approx(wanted, abs=1e-8)
    assert found.altitude == pytest.approx(30.0)
    _sensor, fixes = stage.hear("sensor.other.gnss", carla.Transform())
    stage.ticks()
    fix = fixes.get(timeout=WAIT_S)
    assert (fix.latitude, fix.longitude) == pytest.approx((origin.latitude, origin.longitude), abs=1e-9)


def _atan(value: float) -> float:
    return atan2(value, 1.0)


@call("tick")
def tick(stage: Stage) -> None:
    first, start = stage.world.tick(), stage.world.get_snapshot().timestamp.elapsed_seconds
    assert [stage.world.tick() for _ in range(4)] == [first + number for number in (1, 2, 3, 4)]
    assert stage.world.get_snapshot().timestamp.elapsed_seconds - start == pytest.approx(4 * STEP_S)


@call("get_snapshot")
def get_snapshot(stage: Stage) -> None:
    car = stage.car()
    car.set_target_velocity(stage.carla.Vector3D(5.0, 0.0, 0.0))
    frame = stage.ticks(3)
    snapshot = stage.world.get_snapshot()
    assert (snapshot.frame, snapshot.timestamp.delta_seconds) == (frame, pytest.approx(STEP_S))
    assert snapshot.has_actor(car.id)
    assert xyz(snapshot.find(car.id).get_transform().location) == xyz(car.get_location())
    assert xyz(snapshot.find(car.id).get_velocity()) == xyz(car.get_velocity())
    assert {each.id for each in snapshot} == {each.id for each in stage.world.get_actors()}


@call("wait_for_tick")
def wait_for_tick(stage: Stage) -> None:
    found: queue.Queue[int] = queue.Queue()
    waiting = threading.Thread(target=lambda: found.put(stage.world.wait_for_tick(WAIT_S).frame))
    waiting.start()
    ticked = []
    while waiting.is_alive():
        ticked.append(stage.world.tick())
        time.sleep(0.01)
    assert found.get(timeout=WAIT_S) in ticked


@call("on_tick")
def on_tick(stage: Stage) -> None:
    heard: queue.Queue[int] = queue.Queue()
    listener = stage.world.on_tick(lambda snapshot: heard.put(snapshot.frame))
    ticked = {stage.world.tick() for _ in range(5)}
    frames = {heard.get(timeout=WAIT_S) for _ in range(5)}
    stage.world.remove_on_tick(listener)
    assert frames == ticked
    stage.ticks(3)
    time.sleep(0.05)
    assert heard.empty()


@call("get_settings")
def get_settings(stage: Stage) -> None:
    settings = stage.world.get_settings()
    assert settings.synchronous_mode
    assert settings.fixed_delta_seconds == pytest.approx(STEP_S)
    assert not settings.no_rendering_mode


@call("apply_settings")
def apply_settings(stage: Stage) -> None:
    """The next tick has the new step."""
    settings = stage.world.get_settings()
    settings.fixed_delta_seconds = 0.02
    before = stage.world.get_snapshot().frame
    assert stage.world.apply_settings(settings) >= before
    stage.ticks()
    assert stage.world.get_snapshot().timestamp.delta_seconds == pytest.approx(0.02)


@call("set_weather")
def set_weather(stage: Stage) -> None:
    noon = stage.carla.WeatherParameters.ClearNoon
    night = stage.carla.WeatherParameters(sun_altitude_angle=-40.0, cloudiness=90.0)
    stage.world.set_weather(noon)
    bright = look_down(stage).mean()
    stage.world.set_weather(night)
    assert stage.world.get_weather() == night
    assert look_down(stage).mean() < bright


@call("load_world")
def load_world(stage: Stage) -> None:
    car = stage.car()
    world = stage.client.load_world("OpenDriveMap")
    assert world.id != stage.world.id
    assert world.get_map().to_opendrive().encode() == loop_map()
    assert car.id not in [each.id for each in world.get_actors()]
    with pytest.raises(RuntimeError, match="not found"):
        stage.client.load_world("Town98")


@call("reload_world")
def reload_world(stage: Stage) -> None:
    stage.car()
    kept = stage.client.reload_world(False)
    assert not kept.get_actors().filter("vehicle.*")
    assert kept.get_settings().synchronous_mode  # the settings stay when asked
    assert not stage.client.reload_world().get_settings().synchronous_mode


@call("load_map_layer")
def load_map_layer(stage: Stage) -> None:
    """A world that has no layers to show: the picture stays as it is, and so does the world."""
    before, world = look_down(stage), stage.client.get_world().id
    stage.world.unload_map_layer(stage.carla.MapLayer.All)
    stage.world.load_map_layer(stage.carla.MapLayer.Buildings)
    assert stage.client.get_world().id == world
    np.testing.assert_array_equal(look_down(stage), before)


@call("draw_point")
def draw_point(stage: Stage) -> None:
    """It can be seen where it was put, in its colour, as long as it lives."""
    carla = stage.carla
    plain = look_down(stage)
    stage.world.debug.draw_point(carla.Location(30.0, LANE_Y, 1.0), 0.3, carla.Color(255, 0, 0), 0.2)
    drawn = look_down(stage)
    rows, columns = np.nonzero(np.abs(drawn - plain).max(axis=-1) > 40)
    assert len(rows) > 3
    assert (rows.mean(), columns.mean()) == pytest.approx((24, 32), abs=4)
    blue, _green, red = drawn[round(rows.mean()), round(columns.mean())]
    assert red > 150 > blue
    stage.ticks(5)
    np.testing.assert_array_equal(look_down(stage), plain)


@call("draw_string")
def draw_string(stage: Stage) -> None:
    plain = look_down(stage)
    stage.world.debug.draw_string(
        stage.carla.Location(30.0, LANE_Y, 1.0), "here", False, stage.carla.Color(255, 255, 0), 10.0
    )
    assert (np.abs(look_down(stage) - plain).max(axis=-1) > 40).sum() > 5


@call("start_recorder")
def start_recorder(stage: Stage) -> None:
    car = stage.car()
    path = stage.client.start_recorder("conformance_start.log", True)
    stage.ticks(20)
    stage.client.stop_recorder()
    told = stage.client.show_recorder_file_info(Path(path).name, True)
    assert f"Create {car.id}: vehicle.tesla.model3" in told
    assert "Frames: 2" in told  # 20 or 21: the first is the state at the start


@call("stop_recorder")
def stop_recorder(stage: Stage) -> None:
    path = Path(stage.client.start_recorder("conformance_stop.log"))
    stage.ticks(5)
    stage.client.stop_recorder()
    stage.world.get_settings()  # waits until the server has heard it
    size = path.stat().st_size
    assert size > 0
    stage.ticks(20)
    assert path.stat().st_size == size


@call("get_trafficmanager")
def get_trafficmanager(stage: Stage) -> None:
    """Another client finds the one that runs, by its port."""
    port = free_port()
    manager = stage.client.get_trafficmanager(port)
    try:
        assert manager.get_port() == port
        other = stage.carla.Client(*stage.address)
        other.set_timeout(WAIT_S)
        assert other.get_trafficmanager(port).get_port() == port
    finally:
        manager.shut_down()


@call("set_synchronous_mode")
def set_synchronous_mode(stage: Stage) -> None:
    """In step with the world, it drives the same way twice."""
    runs = []
    for _ in range(2):
        stage.world = stage.client.reload_world(False)
        with traffic_manager(stage.client) as manager:
            manager.set_synchronous_mode(True)
            manager.set_random_device_seed(7)
            car = stage.car(20.0)
            car.set_autopilot(True, manager.get_port())
            places = []
            for _ in range(100):
                stage.ticks()
                places.append(car.get_location().x)
            runs.append(places)
    assert runs[0][-1] > 25.0
    assert max(abs(a - b) for a, b in zip(*runs, strict=True)) < 0.5
