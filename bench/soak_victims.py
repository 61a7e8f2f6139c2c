"""Clients of a CARLA world that are meant to be killed: ``python -m bench.soak_victims KIND PORT SEED``.

Each kind works until it dies, in the middle of what the kind is about: ``driver`` ticks with cars and sensors,
``caller`` calls without end, ``batcher`` spawns and destroys in batches that tick, ``manager`` runs a Traffic Manager,
``people`` runs walker controllers, ``watcher`` only listens in a world that runs by itself, ``recorder`` records and
replays, ``slow`` reads a stream drop by drop, ``partial`` leaves requests half said, ``leaver`` goes by itself and
leaves its sensors behind, ``clumsy`` listens with callbacks that raise.
"""

from __future__ import annotations

import random
import socket
import struct
import sys
import time
from collections.abc import Callable
from typing import Any

from avrec.errors import require
from carla_bridge.tick_guard import tick, watched

__all__ = ["KINDS", "main"]

STEP_S = 0.05
SENSORS = ("sensor.camera.rgb", "sensor.other.imu", "sensor.lidar.ray_cast", "sensor.other.collision")


def main(arguments: list[str] | None = None) -> int:
    """Be one of them."""
    kind, port, seed = arguments or sys.argv[1:]
    random.seed(int(seed))
    KINDS[kind](int(port))
    return 0


def _world(port: int, synchronous: bool = True) -> tuple[Any, Any]:
    client = require("carla", "carla").Client("127.0.0.1", port)
    client.set_timeout(30.0)
    world = client.get_world()
    settings = world.get_settings()
    settings.synchronous_mode, settings.fixed_delta_seconds = synchronous, STEP_S
    world.apply_settings(settings)
    return client, world


def _cars(world: Any, count: int) -> list[Any]:
    library, spots = world.get_blueprint_library(), world.get_map().get_spawn_points()
    tried = [
        world.try_spawn_actor(random.choice(library.filter("vehicle.*")), spot)
        for spot in random.sample(spots, min(count, len(spots)))
    ]
    return [car for car in tried if car is not None]


def _sensor(world: Any, parent: Any, listener: Callable[[Any], None] = lambda data: None) -> Any:
    carla = require("carla", "carla")
    blueprint = world.get_blueprint_library().find(random.choice(SENSORS))
    if blueprint.has_attribute("image_size_x"):
        blueprint.set_attribute("image_size_x", "160")
        blueprint.set_attribute("image_size_y", "120")
    sensor = world.spawn_actor(blueprint, carla.Transform(carla.Location(z=2)), attach_to=parent)
    sensor.listen(listener)
    return sensor


def _driver(port: int) -> None:
    carla = require("carla", "carla")
    _, world = _world(port, random.random() < 0.5)
    cars = _cars(world, 4)
    kept = [_sensor(world, car) for car in cars]
    while kept or cars:
        for car in cars:
            car.apply_control(carla.VehicleControl(throttle=random.random(), steer=random.uniform(-1, 1)))
        world.tick()


def _caller(port: int) -> None:
    client, world = _world(port)
    while True:
        world.get_actors()
        world.get_blueprint_library()
        world.get_weather()
        client.get_available_maps()
        world.get_level_bbs()


def _batcher(port: int) -> None:
    command = require("carla", "carla").command
    client, world = _world(port)
    kinds = world.get_blueprint_library().filter("vehicle.*")
    spots = world.get_map().get_spawn_points()
    while True:
        answers = client.apply_batch_sync([command.SpawnActor(random.choice(kinds), spot) for spot in spots], True)
        client.apply_batch_sync([command.DestroyActor(each.actor_id) for each in answers if not each.error], True)


def _manager(port: int) -> None:
    client, world = _world(port)
    manager = client.get_trafficmanager(8000)  # all of them: the one before may just have died
    manager.set_synchronous_mode(True)
    for car in _cars(world, 10):
        car.set_autopilot(True, manager.get_port())
    with watched(manager.get_port()):
        while True:
            tick(world)


def _people(port: int) -> None:
    carla = require("carla", "carla")
    _, world = _world(port)
    library = world.get_blueprint_library()
    people = []
    for _ in range(8):
        spot = world.get_random_location_from_navigation()
        if spot is not None:
            people.append(world.try_spawn_actor(random.choice(library.filter("walker.*")), carla.Transform(spot)))
    world.tick()
    kind = library.find("controller.ai.walker")
    controllers = [world.spawn_actor(kind, carla.Transform(), each) for each in people if each is not None]
    world.tick()
    for controller in controllers:
        controller.start()
        controller.go_to_location(world.get_random_location_from_navigation())
    while True:
        world.tick()


def _watcher(port: int) -> None:
    _, world = _world(port, synchronous=False)
    world.on_tick(lambda snapshot: None)
    kept = [_sensor(world, car) for car in _cars(world, 3)]
    while True:
        world.wait_for_tick(30.0)
        kept = kept[-10:]


def _recorder(port: int) -> None:
    client, world = _world(port)
    name = f"soak{random.randrange(3)}.log"
    while True:
        client.start_recorder(name, True)
        _cars(world, 5)
        for _ in range(60):
            world.tick()
        client.stop_recorder()
        client.replay_file(name, 0.0, 0.0, 0)
        for _ in range(20):
            world.tick()
        client.stop_replayer(False)


def _slow(port: int) -> None:
    readers = []
    for _ in range(4):
        reader = socket.create_connection(("127.0.0.1", port + 1))
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader.sendall(struct.pack("<I", 1))
        readers.append(reader)
    _, world = _world(port)
    while True:
        for reader in readers:
            reader.recv(16)
        for _ in range(200):
            world.tick()
        time.sleep(0.05)


def _partial(port: int) -> None:
    request = b"\x94\x00\x01\xabapply_batch\x92\x91\xc2\xdd\x00\x01\x00\x00"  # a list of 65,536 commands begins
    while True:
        kept = [socket.create_connection(("127.0.0.1", port)) for _ in range(5)]
        for each in kept:
            each.sendall(request + b"\x92\x00" * random.randrange(1000))
        readers = [socket.create_connection(("127.0.0.1", port + 1)) for _ in range(5)]
        for each in readers:
            each.sendall(b"\x01\x00")
        time.sleep(random.uniform(0.1, 1.0))


def _leaver(port: int) -> None:
    _, world = _world(port)
    for car in _cars(world, 5):
        _sensor(world, car)
    for _ in range(50):
        world.tick()


def _clumsy(port: int) -> None:
    def fail(data: Any) -> None:
        raise ValueError("on purpose")

    _, world = _world(port)
    kept = [_sensor(world, car, fail) for car in _cars(world, 3)]
    while kept is not None:
        world.tick()


KINDS: dict[str, Callable[[int], None]] = {
    "driver": _driver,
    "caller": _caller,
    "batcher": _batcher,
    "manager": _manager,
    "people": _people,
    "watcher": _watcher,
    "recorder": _recorder,
    "slow": _slow,
    "partial": _partial,
    "leaver": _leaver,
    "clumsy": _clumsy,
}
"""What can be killed."""


if __name__ == "__main__":
    raise SystemExit(main())
