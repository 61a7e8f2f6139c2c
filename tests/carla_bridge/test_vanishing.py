"""Clients that die in the middle of everything: the others go on."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import carla_bridge
from bench.carla_soak import fresh_worlds, sample_process, soak
from tests.carla_bridge.support import WAIT_S, loop_map
from tests.processes import started

pytest.importorskip("carla", reason="needs CARLA's client: pip install 'avrec[carla]'")

CLIENT = """
import sys, carla
client = carla.Client("127.0.0.1", int(sys.argv[1]))
client.set_timeout(60.0)
world = client.get_world()
settings = world.get_settings()
settings.synchronous_mode, settings.fixed_delta_seconds = True, 0.05
world.apply_settings(settings)
library = world.get_blueprint_library()
car = world.try_spawn_actor(library.find("vehicle.audi.a2"), world.get_map().get_spawn_points()[int(sys.argv[2])])
blueprint = library.find("sensor.camera.rgb")
blueprint.set_attribute("image_size_x", "160")
blueprint.set_attribute("image_size_y", "120")
camera = world.spawn_actor(blueprint, carla.Transform(carla.Location(z=2)), attach_to=car)
camera.listen(lambda image: None)
print("driving", flush=True)
while True:
    world.tick()
"""
DEATHS = 4


def test_clients_that_are_killed_leave_a_working_world(server: carla_bridge.Server, client: Any, world: Any) -> None:
    for number in range(DEATHS):
        command = [sys.executable, "-c", CLIENT, str(server.port), str(3 * number)]
        with started(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"driving\n"
            time.sleep(0.2)
        frame = world.tick()
        assert world.tick() == frame + 1
    assert len(world.get_actors().filter("vehicle.*")) == DEATHS
    fresh = client.reload_world()
    assert not fresh.get_actors().filter("vehicle.*")


def test_a_minute_of_dying_clients(tmp_path: Path) -> None:
    """Clients of several kinds that die; the bench does it for half an hour."""
    with carla_bridge.serve(loop_map(), port=0, recordings=tmp_path) as own:
        fresh_worlds(own, 5)
        before = sample_process(own.pid)
        found = soak(own, 1.0, seed=4)
        assert found.alive
        assert found.slowest_s < WAIT_S
        assert found.deaths.total() >= 3
        assert fresh_worlds(own, 60) < WAIT_S
        for _ in range(round(WAIT_S / 0.05)):  # connections that were just closed
            after = sample_process(own.pid)
            if after.files <= found.samples[0].files:
                break
            time.sleep(0.05)
        assert after.files <= found.samples[0].files
        assert after.threads <= before.threads + 4  # what draws pictures may keep some
        assert after.memory_mib < before.memory_mib + 60.0
