"""The official client against the server: session, map, time, settings."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

import carla_bridge
from avrec.errors import AvrecError
from tests.carla_bridge.support import LIMIT_KMH, WAIT_S, loop_map, synchronous

carla = pytest.importorskip("carla", reason="needs CARLA's client: pip install 'avrec[carla]'")


def test_versions_agree(client: Any) -> None:
    assert client.get_server_version() == client.get_client_version()


def test_the_map_arrives_and_clients_find_their_way_on_it(world: Any) -> None:
    found = world.get_map()
    assert found.name.endswith("OpenDriveMap")
    assert found.to_opendrive().encode() == loop_map()
    for spawn in found.get_spawn_points():
        waypoint = found.get_waypoint(spawn.location)
        assert waypoint.lane_type == carla.LaneType.Driving
        assert waypoint.transform.location.distance(spawn.location) < 0.31
        assert waypoint.transform.get_forward_vector().dot(spawn.get_forward_vector()) > 0.999
    assert len(found.get_crosswalks()) == 5
    assert len(found.get_topology()) == 8
    assert found.get_waypoint(carla.Location(50, 1.75, 0)).next(10.0)
    assert len(found.generate_waypoints(5.0)) > 100


def test_ticks_are_frames_and_seconds(world: Any) -> None:
    first = world.get_snapshot()
    heard: list[int] = []
    listener = world.on_tick(lambda snapshot: heard.append(snapshot.frame))
    frames = [world.tick() for _ in range(10)]
    last = world.get_snapshot()
    deadline = time.monotonic() + WAIT_S
    while not set(frames) <= set(heard) and time.monotonic() < deadline:
        time.sleep(0.01)  # callbacks run in threads of the client, in any order
    world.remove_on_tick(listener)
    assert frames == list(range(frames[0], frames[0] + 10))
    assert last.frame == frames[-1]
    assert last.timestamp.delta_seconds == pytest.approx(0.05)
    assert last.timestamp.elapsed_seconds - first.timestamp.elapsed_seconds == pytest.approx(0.05 * 10)
    assert set(frames) <= set(heard)


def test_a_world_without_synchrony_runs_by_itself(client: Any) -> None:
    world = client.reload_world()
    first = world.wait_for_tick()
    later = [world.wait_for_tick() for _ in range(3)]
    assert [snapshot.frame > first.frame for snapshot in later] == [True] * 3
    assert world.tick() >= later[-1].frame
    settings = world.get_settings()
    assert not settings.synchronous_mode
    settings.fixed_delta_seconds = 0.02
    world.apply_settings(settings)
    assert world.wait_for_tick().timestamp.delta_seconds == pytest.approx(0.02)


def test_settings_and_weather_come_back(world: Any) -> None:
    settings = world.get_settings()
    assert settings.synchronous_mode
    assert settings.fixed_delta_seconds == pytest.approx(0.05)
    settings.no_rendering_mode = True
    settings.max_substeps = 16
    settings.tile_stream_distance = 1234.0
    world.apply_settings(settings)
    found = world.get_settings()
    assert found.no_rendering_mode
    assert found.max_substeps == 16
    assert found.tile_stream_distance == 1234.0
    fresh = world.get_weather()
    assert (fresh.cloudiness, fresh.sun_altitude_angle, fresh.precipitation) == (25.0, 38.0, 0.0)
    weather = carla.WeatherParameters.ClearSunset
    world.set_weather(weather)
    assert world.get_weather() == weather
    world.set_weather(carla.WeatherParameters(cloudiness=33.0, sun_azimuth_angle=12.0, precipitation=5.0))
    assert world.get_weather().cloudiness == 33.0


def test_maps_can_be_loaded_by_name_and_sent(client: Any, world: Any) -> None:
    before = world.id
    assert any(name.endswith("OpenDriveMap") for name in client.get_available_maps())
    synchronous(world)
    assert client.load_world("OpenDriveMap").id > before
    here = client.get_world().id
    assert client.get_world().get_map().name == "Carla/Maps/OpenDriveMap"
    client.load_world_if_different("OpenDriveMap")
    assert client.get_world().id == here
    other = loop_map().replace(b'name="loop"', b'name="other"')
    sent = client.generate_opendrive_world(other.decode(), carla.OpendriveGenerationParameters(wall_height=0.0))
    assert sent.get_map().to_opendrive().encode() == other
    with pytest.raises(RuntimeError, match="not found"):
        client.load_world("Town99")
    with pytest.raises(RuntimeError):
        client.generate_opendrive_world("<OpenDRIVE/>")
    client.generate_opendrive_world(loop_map().decode())


def test_a_second_client_sees_the_same_world(server: carla_bridge.Server, world: Any) -> None:
    second = carla.Client(server.host, server.port)
    second.set_timeout(WAIT_S)
    other = second.get_world()
    assert other.id == world.id
    car = world.spawn_actor(
        world.get_blueprint_library().find("vehicle.audi.tt"), world.get_map().get_spawn_points()[0]
    )
    seen: list[Any] = []
    waiting = threading.Thread(target=lambda: seen.append(other.wait_for_tick(WAIT_S)))
    waiting.start()
    while waiting.is_alive():
        frame = world.tick()
        time.sleep(0.01)
    assert seen[0].frame <= frame
    twin = other.get_actor(car.id)
    assert twin.type_id == "vehicle.audi.tt"
    assert twin.get_location().distance(car.get_location()) < 1e-3
    assert other.tick() == frame + 1


def test_rays_meet_the_road_and_cars(world: Any) -> None:
    lane = carla.Location(50, 1.75, 5)
    ground = world.ground_projection(lane, 10.0)
    assert ground.location.z == pytest.approx(0.0, abs=1e-6)
    assert ground.label == carla.CityObjectLabel.Roads
    world.spawn_actor(
        world.get_blueprint_library().find("vehicle.tesla.model3"),
        carla.Transform(carla.Location(50, 1.75, 0)),
    )
    world.tick()
    hit = world.cast_ray(lane, lane - carla.Location(0, 0, 10))
    assert hit[0].label == carla.CityObjectLabel.Car
    assert hit[0].location.z == pytest.approx(2 * 0.744, abs=0.01)
    assert world.project_point(lane, carla.Vector3D(0, 0, 1), 50.0) is None
    assert len(world.get_level_bbs(carla.CityObjectLabel.Car)) == 1


def test_many_fresh_clients_find_the_world(server: carla_bridge.Server) -> None:
    """A short form of the soak in ``bench``."""
    for _ in range(40):
        fresh = carla.Client(server.host, server.port)
        fresh.set_timeout(WAIT_S)
        assert fresh.get_world().get_settings() is not None


def test_a_taken_port_and_a_bad_map_are_said(server: carla_bridge.Server, tmp_path: Path) -> None:
    with pytest.raises(AvrecError, match=r"[Pp]ort"):
        carla_bridge.serve(loop_map(), port=server.port)
    with pytest.raises(AvrecError, match="could not be"):
        carla_bridge.serve(tmp_path / "none.xodr", port=0)
    with pytest.raises(AvrecError, match="OpenDRIVE"):
        carla_bridge.serve(b"<nothing/>", port=0)


def test_a_server_that_does_not_begin_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("carla_bridge.server.process.START_S", 0.0)
    with pytest.raises(AvrecError, match="did not begin within"):
        carla_bridge.serve(loop_map(), port=0)


def test_the_speed_limit_is_the_lanes(world: Any) -> None:
    car = world.spawn_actor(
        world.get_blueprint_library().find("vehicle.audi.a2"), world.get_map().get_spawn_points()[3]
    )
    world.tick()
    assert car.get_speed_limit() == pytest.approx(LIMIT_KMH)
