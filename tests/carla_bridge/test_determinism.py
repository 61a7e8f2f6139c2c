"""Same seed and same calls: two servers in processes of their own send the same bits."""

from __future__ import annotations

import contextlib
import socket
import struct
from pathlib import Path
from typing import Any

import carla_bridge
from tests.carla_bridge.support import WAIT_S, loop_map
from tests.carla_bridge.test_hostile import Caller

STEPS = 40
WORLD = 1
SENSORS = {
    "sensor.camera.rgb": {"image_size_x": "64", "image_size_y": "48"},
    "sensor.camera.instance_segmentation": {"image_size_x": "64", "image_size_y": "48"},
    "sensor.lidar.ray_cast": {"noise_stddev": "0.1", "channels": "8", "range": "60"},
    "sensor.other.imu": {"noise_accel_stddev_x": "0.5", "noise_gyro_stddev_z": "0.1"},
    "sensor.other.gnss": {"noise_lat_stddev": "0.001"},
    "sensor.other.radar": {},
    "sensor.other.collision": {},
}


def spawn(caller: Caller, name: str, place: tuple[float, float, float], yaw: float = 0.0, **attributes: str) -> Any:
    description = [0, name, [[key, 3, value] for key, value in attributes.items()]]
    return caller.value("spawn_actor", description, [list(place), [0.0, yaw, 0.0]])


def mount(caller: Caller, name: str, parent: int, attributes: dict[str, str]) -> Any:
    description = [0, name, [[key, 3, value] for key, value in attributes.items()]]
    return caller.value("spawn_actor_with_parent", description, [[0.0, 0.0, 2.0], [0.0, 0.0, 0.0]], parent, 0, "")


def read(connection: socket.socket, last: int) -> list[bytes]:
    """Messages up to a frame, without its number, which counts steps before the first call too."""
    connection.settimeout(WAIT_S)
    stream, found, frame = connection.makefile("rb"), [], -1
    while frame < last:
        message = stream.read(struct.unpack("<I", stream.read(4))[0])
        frame = struct.unpack_from("<Q", message, 8)[0]
        found.append(message[:8] + message[16:])
    assert frame == last
    return found


def read_events(connection: socket.socket) -> list[bytes]:
    """The same of a sensor that does not speak in every frame."""
    connection.settimeout(1.0)  # the last tick was answered after it had sent everything
    found = []
    with contextlib.suppress(TimeoutError):
        while head := connection.recv(4, socket.MSG_WAITALL):
            message = connection.recv(struct.unpack("<I", head)[0], socket.MSG_WAITALL)
            found.append(message[:8] + message[16:])
    return found


def told(folder: Path, seed: int) -> dict[str, list[bytes]]:
    """What a fresh server sends in a scene with a crash, people, and sensors with noise."""
    with carla_bridge.serve(loop_map(), port=0, seed=seed, recordings=folder) as server, Caller(server) as caller:
        caller.call("set_episode_settings", [True, False, [True, 0.05], True, 0.01, 10, 0.0, True, 0.0, 0.0, True])
        caller.call("load_new_episode", "", False, 0)
        cars = [
            spawn(caller, name, place, yaw)[0]
            for name, place, yaw in (
                ("vehicle.tesla.model3", (20.0, 1.75, 0.3), 0.0),
                ("vehicle.audi.tt", (50.0, 1.75, 0.3), 180.0),
                ("vehicle.kawasaki.ninja", (35.0, -1.75, 0.3), 180.0),
            )
        ]
        walker = spawn(caller, "walker.pedestrian.0005", (30.0, 6.0, 1.0))[0]
        port = struct.unpack_from("<H", caller.value("get_sensor_token", WORLD)[0], 4)[0]
        streams = {"world": WORLD}
        for name, attributes in SENSORS.items():
            streams[name] = struct.unpack_from("<I", mount(caller, name, cars[0], attributes)[5])[0]
        readers = {}
        for name, stream in streams.items():
            caller.value("get_sensor_token", stream)
            readers[name] = socket.create_connection((server.host, port))
            readers[name].sendall(struct.pack("<I", stream))
        for step in range(STEPS):
            for car in cars:
                caller.call("apply_control_to_vehicle", car, [0.9, 0.02, 0.0, False, False, False, 0])
            caller.call("apply_control_to_walker", walker, [[0.0, -1.0, 0.0], 1.5 + step / 100, step == 10])
            frame = caller.value("tick_cue")
        events = "sensor.other.collision"
        found = {name: read(reader, frame) for name, reader in readers.items() if name != events}
        found[events] = read_events(readers[events])
        for reader in readers.values():
            reader.close()
    # The world's messages carry the clock of the machine from byte 56 on, which is 48 without the frame.
    found["world"] = [message[:48] + message[56:] for message in found["world"]]
    return found


def test_two_servers_send_the_same_bits(tmp_path: Path) -> None:
    first, second = told(tmp_path, 3), told(tmp_path, 3)
    assert first.keys() == second.keys() == {"world", *SENSORS}
    for name, messages in first.items():
        assert messages == second[name], name
        assert len(messages) >= (1 if name == "sensor.other.collision" else STEPS), name
    other = told(tmp_path, 4)
    assert other["world"] == first["world"]
    assert other["sensor.lidar.ray_cast"] != first["sensor.lidar.ray_cast"]
    assert other["sensor.other.imu"] != first["sensor.other.imu"]
