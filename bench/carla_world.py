"""The embedded CARLA world under the official client: ``python -m bench.carla_world [PART ...] --map FILE.xodr``.

``ticks``: ticks per second with an ego and 20 vehicles that all move, without sensors, and round trips of a call.
``images``: pictures of 800 x 600 per second through the stream, from a renderer that only copies and from the plain
one. Without a name all run. The best and the median of several rounds are printed; the best is what an idle machine
gives. Beside them stands the processor time of server and client for each, on Linux: it says more on a busy machine,
though there it is more than on an idle one, too (shared cores and caches).
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import queue
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

import carla_bridge
from avrec.errors import require
from carla_bridge.sensors.rendering import CameraRequest, WorldView
from carla_bridge.server.host import Host
from carla_bridge.server.profiles import profile_of
from carla_bridge.server.server import run_server
from carla_bridge.world import read_road_map

__all__ = ["main"]

VEHICLES = 21
STEP_S = 0.05


def main(arguments: list[str] | None = None) -> int:
    """Measure and print."""
    parts = {"ticks": ticks, "images": images}
    parser = argparse.ArgumentParser(prog="python -m bench.carla_world", description=__doc__)
    parser.add_argument("part", nargs="*", choices=[*parts, []], help="what to measure (default: all)")
    parser.add_argument("--map", type=Path, required=True, help="an OpenDRIVE map with 21 spawn points")
    options = parser.parse_args(arguments)
    for name in options.part or parts:
        with carla_bridge.serve(options.map, port=0) as server:
            parts[name](server, options)
    return 0


def _connect(server: Any) -> tuple[Any, Any]:
    client = require("carla", "carla").Client(server.host, server.port)
    client.set_timeout(30.0)
    world = client.get_world()
    settings = world.get_settings()
    settings.synchronous_mode, settings.fixed_delta_seconds = True, STEP_S
    world.apply_settings(settings)
    return client, world


def _rate(pid: int, call: Callable[[], object], calls: int, rounds: int = 12) -> str:
    rates = []
    server, client = _cpu_s(pid), time.process_time()
    for _ in range(rounds):
        start = time.perf_counter()
        for _ in range(calls):
            call()
        rates.append(calls / (time.perf_counter() - start))
    each_ms = 1000 / (calls * rounds)
    server, client = (_cpu_s(pid) - server) * each_ms, (time.process_time() - client) * each_ms
    return (
        f"{max(rates):8.0f} /s best {statistics.median(rates):8.0f} /s median "
        f"{server:8.3f} ms CPU of the server {client:8.3f} ms of the client"
    )


def _cpu_s(pid: int) -> float:
    """Seconds that a process has computed, in steps of about 0.01; not a number where the system does not tell."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return float("nan")
    return (int(fields[11]) + int(fields[12])) / float(os.sysconf("SC_CLK_TCK"))


def ticks(server: carla_bridge.Server, options: argparse.Namespace) -> None:
    """Ticks and round trips per second."""
    carla = require("carla", "carla")
    _, world = _connect(server)
    print(f"ticks, empty world          {_rate(server.pid, world.tick, 500)}")
    blueprint = world.get_blueprint_library().find("vehicle.tesla.model3")
    for number, spot in enumerate(world.get_map().get_spawn_points()[:VEHICLES]):
        car = world.spawn_actor(blueprint, spot)
        car.apply_control(carla.VehicleControl(throttle=0.3, steer=0.1 + number / 200))
    print(f"ticks, ego and 20 vehicles  {_rate(server.pid, world.tick, 200)}")
    print(f"round trips of a call       {_rate(server.pid, world.get_settings, 500)}")


def images(server: carla_bridge.Server, options: argparse.Namespace) -> None:
    """Pictures per second."""
    _print_pictures("plain", server)
    context = multiprocessing.get_context("spawn")
    ports: Any = context.Queue()
    process = context.Process(target=_serve_copies, args=(options.map, ports), daemon=True)
    process.start()
    try:
        _print_pictures("copied", SimpleNamespace(host="127.0.0.1", port=ports.get(timeout=60.0), pid=process.pid))
    finally:
        process.terminate()
        process.join()


class _Copier:
    """Stands for a renderer that costs nothing."""

    def camera(self, view: WorldView, request: CameraRequest) -> NDArray[np.uint8]:
        return np.full((request.height, request.width, 4), view.world.frame & 255, dtype=np.uint8)


def _serve_copies(path: Path, ports: Any) -> None:
    host = Host(read_road_map(path), profile_of("0.9.16"), renderer=_Copier())
    run_server(host, port=0, ready=ports.put)


def _print_pictures(name: str, server: Any) -> None:
    carla = require("carla", "carla")
    _, world = _connect(server)
    blueprint = world.get_blueprint_library().find("sensor.camera.rgb")
    camera = world.spawn_actor(blueprint, carla.Transform(carla.Location(z=3)))
    pictures: queue.Queue[Any] = queue.Queue()
    camera.listen(pictures.put)

    def one() -> None:
        world.tick()
        pictures.get(timeout=30.0)

    print(f"pictures 800 x 600, {name:6}  {_rate(server.pid, one, 5 if name == 'plain' else 50, 6)}")
    camera.destroy()


if __name__ == "__main__":
    raise SystemExit(main())
