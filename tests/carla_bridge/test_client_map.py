"""What clients get of a map: lanes without road marks kill their lane invasion sensors."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from lxml import etree

import carla_bridge
from avrec.errors import DataError
from avrec.maps import read_opendrive
from carla_bridge.world.client_map import text_for_clients
from tests.carla_bridge.conformance.stage import junction_map
from tests.carla_bridge.support import loop_map
from tests.processes import LIMIT_S

CROSSING = """
import sys, carla
client = carla.Client("127.0.0.1", int(sys.argv[1]))
client.set_timeout(60.0)
world = client.get_world()
settings = world.get_settings()
settings.synchronous_mode, settings.fixed_delta_seconds = True, 0.05
world.apply_settings(settings)
library = world.get_blueprint_library()
for yaw in (-20.0, 20.0):
    car = world.spawn_actor(library.find("vehicle.tesla.model3"), carla.Transform(carla.Location(15, 1.75, 0)))
    sensor = world.spawn_actor(library.find("sensor.other.lane_invasion"), carla.Transform(), attach_to=car)
    sensor.listen(lambda event: None)
    car.set_transform(carla.Transform(carla.Location(15, 1.75, 0), carla.Rotation(0, yaw, 0)))
    car.enable_constant_velocity(carla.Vector3D(8, 0, 0))
    for _ in range(60):
        world.tick()
    assert abs(car.get_location().y - 1.75) > 4.0
    sensor.destroy()
    car.destroy()
print("alive")
"""


def test_a_map_with_all_marks_stays_as_it_is() -> None:
    assert text_for_clients(loop_map()).encode() == loop_map()


def test_lanes_without_marks_get_the_mark_none() -> None:
    text = text_for_clients(junction_map().encode())
    lanes = list(etree.fromstring(text).iterfind(".//laneSection/*/lane"))
    assert len(lanes) == 10
    for lane in lanes:
        assert [mark.get("type") for mark in lane.findall("roadMark")] == ["none"]
        assert lane[-1].tag == "roadMark"  # after link and width
    assert text_for_clients(text.encode()) == text
    before, after = read_opendrive(junction_map().encode()), read_opendrive(text.encode())
    assert list(before.lanes) == list(after.lanes)
    for name, lane in before.lanes.items():
        assert (lane.center == after.lanes[name].center).all()
        assert lane.successors == after.lanes[name].successors


def test_what_is_no_map_is_refused() -> None:
    with pytest.raises(DataError):
        text_for_clients(b"<nothing/>")


def test_clients_survive_lanes_without_marks() -> None:
    """In a process of its own: without the marks, it dies."""
    carla = pytest.importorskip("carla", reason="needs CARLA's client: pip install 'avrec[carla]'")
    version = carla.Client("127.0.0.1", 1).get_client_version()
    with carla_bridge.serve(junction_map().encode(), port=0, version=version) as server:
        done = subprocess.run(
            [sys.executable, "-c", CROSSING, str(server.port)],
            capture_output=True, text=True, timeout=LIMIT_S, check=False,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(part for part in sys.path if part)},
            cwd=Path(__file__).parents[2],
        )  # fmt: skip
    assert done.returncode == 0, done.stderr[-500:]
    assert "alive" in done.stdout
