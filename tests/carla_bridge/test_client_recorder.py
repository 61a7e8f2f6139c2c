"""The official client against the server: recordings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

carla = pytest.importorskip("carla", reason="needs CARLA's client: pip install 'avrec[carla]'")


def replay(client: Any, *arguments: Any) -> str:
    """``replay_file`` with the arguments that this version has."""
    return str(client.replay_file(*arguments))


def motion_of(actor: Any) -> list[float]:
    place, turn, speed = actor.get_location(), actor.get_transform().rotation, actor.get_velocity()
    return [place.x, place.y, place.z, turn.yaw, speed.x, speed.y]


def test_a_drive_is_recorded_and_played_again(client: Any, world: Any, recordings: Path) -> None:
    library, spots = world.get_blueprint_library(), world.get_map().get_spawn_points()
    blueprint = library.find("vehicle.tesla.model3")
    blueprint.set_attribute("role_name", "hero")
    car = world.spawn_actor(blueprint, spots[0])
    other = world.spawn_actor(library.find("vehicle.audi.a2"), spots[4])
    car.apply_control(carla.VehicleControl(throttle=0.6, steer=-0.1))
    world.tick()
    path, begun = client.start_recorder("drive.log", True), car.get_location()
    assert Path(path).parent == recordings
    driven = []
    for step in range(60):
        if step == 40:
            other.destroy()
        world.tick()
        driven.append(motion_of(car))
    client.stop_recorder()  # does not wait for its answer, the next call does
    world.get_settings()
    assert Path(path).stat().st_size > 5000
    car.destroy()
    world.tick()

    told = client.show_recorder_file_info("drive.log", False)
    assert told.startswith("Version: 1\nMap: OpenDriveMap\nDate: ")
    assert f"Create {car.id}: vehicle.tesla.model3 (1) at ({begun.x * 100:.6g}, {begun.y * 100:.6g}, " in told
    assert "traffic.traffic_light (3) at" in told
    assert "Frames: 61" in told
    assert "Duration: 3 seconds" in told
    assert f"Destroy {other.id}" in told

    assert "Total time recorded: 3" in replay(client, "drive.log", 0.0, 0.0, 0, False)
    played, counts = [], []
    for _ in range(60):
        world.tick()
        cars = {each.type_id: each for each in world.get_actors().filter("vehicle.*")}
        counts.append(len(cars))
        played.append(motion_of(cars["vehicle.tesla.model3"]))
    np.testing.assert_allclose(played, driven, atol=2e-3)
    assert counts[0] == 2
    assert counts[-1] == 1
    twin = world.get_actors().filter("vehicle.*")[0]
    assert twin.attributes["role_name"] == "hero"
    for _ in range(5):
        world.tick()
    assert twin.get_control().brake == 1.0  # over: an ordinary car again
    client.stop_replayer(False)


def test_replays_from_the_middle_slowly_and_with_a_follower(client: Any, world: Any) -> None:
    library, spots = world.get_blueprint_library(), world.get_map().get_spawn_points()
    car = world.spawn_actor(library.find("vehicle.tesla.model3"), spots[0])
    world.tick()
    client.start_recorder("slow.log")
    car.enable_constant_velocity(carla.Vector3D(5, 0, 0))
    places = []
    for _ in range(60):
        world.tick()
        places.append(car.get_location())
    client.stop_recorder()
    recorded = car.id
    car.destroy()
    world.tick()
    client.set_replayer_time_factor(0.5)
    client.set_replayer_ignore_hero(False)
    replay(client, "slow.log", -1.0, 0.5, recorded, False)  # from 2 s to 2.5 s, following the car
    for _ in range(10):
        world.tick()
    twin = world.get_actors().filter("vehicle.*")[0]
    assert twin.get_location().distance(places[39]) == pytest.approx(0.25 * 5.0, abs=0.05)
    follower = world.get_spectator().get_location()
    assert follower.distance(twin.get_location()) < 15.0
    client.set_replayer_time_factor(1.0)
    client.stop_replayer(False)
    world.tick()
    assert not world.get_actors().filter("vehicle.*")


def test_reports_of_collisions_and_blocked_actors(client: Any, world: Any) -> None:
    library = world.get_blueprint_library()
    ego = library.find("vehicle.audi.a2")
    ego.set_attribute("role_name", "hero")
    first = world.spawn_actor(ego, carla.Transform(carla.Location(20, 1.75, 0)))
    second = world.spawn_actor(library.find("vehicle.audi.tt"), carla.Transform(carla.Location(30, 1.75, 0)))
    client.start_recorder("crash.log")
    second.apply_control(carla.VehicleControl(brake=1.0))
    first.set_target_velocity(carla.Vector3D(12, 0, 0))
    for _ in range(80):
        world.tick()
    client.stop_recorder()
    told = client.show_recorder_collisions("crash.log", "h", "v")
    row = next(line.split() for line in told.splitlines() if "audi" in line)
    assert row[1:] == ["h", "v", str(first.id), "vehicle.audi.a2", str(second.id), "vehicle.audi.tt"]
    assert "vehicle.audi.tt" not in client.show_recorder_collisions("crash.log", "w", "v")
    assert str(second.id) in client.show_recorder_actors_blocked("crash.log", 1.0, 100.0)
    client.start_recorder("gone.log")
    for _ in range(30):
        world.tick()
    second.destroy()
    for _ in range(60):
        world.tick()
    client.stop_recorder()
    told = client.show_recorder_actors_blocked("gone.log", 1.0, 100.0).splitlines()
    line = next(line.split() for line in told if "vehicle.audi.tt" in line)
    assert float(line[-1]) == pytest.approx(1.5, abs=0.11)  # until it was destroyed, not until the end


def test_names_of_recordings_lead_nowhere_else(client: Any, world: Any, recordings: Path) -> None:
    path = client.start_recorder("/../../tmp/../outside.log")
    world.tick()
    client.stop_recorder()
    world.get_settings()
    assert Path(path) == recordings / "outside.log"
    assert (recordings / "outside.log").exists()
    assert "not found" in client.show_recorder_file_info("nothing.log", True)
    assert "not found" in replay(client, "nothing.log", 0.0, 0.0, 0, False)
    (recordings / "broken.log").write_bytes((recordings / "outside.log").read_bytes()[:-7] + b"\xc1\xff")
    for damaged in (b"", b"CARLA_RECORDER", b"\x94\xa1x\x01\xa0\xa0"):
        (recordings / "damaged.log").write_bytes(damaged)
        assert "Record it" in client.show_recorder_file_info("damaged.log", True)
    assert client.show_recorder_file_info("broken.log", True)
    world.tick()
