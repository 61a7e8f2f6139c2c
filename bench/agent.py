"""The route-following agent on a loop and on CARLA's towns: ``python -m bench.agent [FILE ...]``.

Drives routes of at least 500 m (three seeds each) on the tests' loop map, which has traffic lights, and on two of
CARLA's towns below ``$AVREC_DEV_DATA/maps/carla_towns``, or on the maps (``.xodr``) and scenes (``.usdz``) named. For
each: ticks, junctions passed, lane changes, and the largest distance of the vehicle's origin from the middle of its
route's lanes; beside it, as the judge that knows no route, the largest distance from the nearest lane's middle as
`carla.Map` gives it (lane changes left out). ``--others N`` puts vehicles of the Traffic Manager on the road; whom the
agent hits is counted. Exit code 1 where a goal is not reached, a lane error is above 0.8 m, or something is hit.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import carla_bridge
from avrec.errors import AvrecError, require
from carla_bridge.example_route_agent import drive, starts, synchronous, vehicle_at
from carla_bridge.route_agent import LaneNetwork, Route, RouteAgent
from carla_bridge.traffic import Traffic
from tests.carla_bridge.support import loop_map

__all__ = ["main"]

BAR_M = 0.8
TOWNS = ("Town01", "Town03")


@dataclass
class Watched(RouteAgent):
    """The agent, watched by the map."""

    judge_m: float = field(default=0.0, init=False)

    def step(self) -> Any:
        """Drive, and measure how far the nearest lane's middle is."""
        control = super().step()
        along = self.place.along_m
        if not any(start - 5.0 <= along <= end + 5.0 for start, end in self.route.changes):
            here = self.vehicle.get_location()
            middle = self.world.get_map().get_waypoint(here).transform
            right = middle.get_right_vector()  # along the lane the map's answer is up to 0.3 m off in bends
            off = (here.x - middle.location.x) * right.x + (here.y - middle.location.y) * right.y
            self.judge_m = max(self.judge_m, abs(off))
        return control


def main(arguments: list[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.agent", description=__doc__)
    parser.add_argument("maps", nargs="*", type=Path, help="maps or scenes (default: the loop and two towns)")
    parser.add_argument("--seeds", type=int, default=3, help="routes on each map (default 3)")
    parser.add_argument("--length", type=float, default=500.0, help="least metres of route (default 500)")
    parser.add_argument("--vehicle", default="vehicle.tesla.model3", help="blueprint")
    parser.add_argument("--others", type=int, default=0, help="vehicles of the Traffic Manager (default 0)")
    options = parser.parse_args(arguments)
    print(
        f"{'map':>16} {'seed':>4} {'route m':>8} {'junctions':>9} {'changes':>7} {'ticks':>6} {'ticks/s':>7} "
        f"{'lane error m':>12} {'map judge m':>11} {'hits':>4}  arrived"
    )
    try:
        return _measure(options)
    except AvrecError as error:
        print(error, file=sys.stderr)
        return 2


def _measure(options: argparse.Namespace) -> int:
    missed = 0
    with tempfile.TemporaryDirectory() as folder:
        for path in options.maps or _default_maps(Path(folder)):
            with carla_bridge.serve(path, port=0) as server:
                for seed in range(options.seeds):
                    missed += not _drive(server, path.stem, seed, options)
    return 1 if missed else 0


def _default_maps(folder: Path) -> list[Path]:
    loop = folder / "loop.xodr"
    loop.write_bytes(loop_map())
    data = os.environ.get("AVREC_DEV_DATA")
    if not data:
        raise AvrecError("AVREC_DEV_DATA names no folder with CARLA's towns. Set it, or name maps.")
    return [loop, *(Path(data) / "maps" / "carla_towns" / "OpenDrive" / f"{town}.xodr" for town in TOWNS)]


def _drive(server: carla_bridge.Server, name: str, seed: int, options: argparse.Namespace) -> bool:
    client = carla_bridge.connect(server.host, server.port)
    world = client.reload_world()
    town = world.get_map()
    spots = town.get_spawn_points()
    random.Random(seed).shuffle(spots)
    hits: list[int] = []
    with ExitStack() as stack:
        stack.enter_context(synchronous(world))
        lanes = LaneNetwork(town)

        def route_from(place: Any) -> Route:
            return lanes.wander(place, options.length, seed)

        vehicle = stack.enter_context(vehicle_at(world, starts(spots, route_from), options.vehicle))
        carla = require("carla", "carla")
        sensor = world.spawn_actor(
            world.get_blueprint_library().find("sensor.other.collision"), carla.Transform(), attach_to=vehicle
        )
        sensor.listen(lambda event: hits.append(event.other_actor.id))
        stack.callback(sensor.destroy)
        if options.others:
            stack.enter_context(Traffic(client, vehicles=options.others, people=0, seed=seed))
        route = route_from(vehicle.get_location())
        agent = Watched(world, vehicle, route)
        start = time.perf_counter()
        outcome = drive(agent)
        rate = outcome.ticks / (time.perf_counter() - start)
    others = len(set(hits))
    print(
        f"{name:>16} {seed:4d} {outcome.length_m:8.0f} {_junctions(town, route):9d} {len(route.changes):7d} "
        f"{outcome.ticks:6d} {rate:7.0f} {outcome.lane_error_m:12.2f} {agent.judge_m:11.2f} {others:4d}  "
        f"{'yes' if outcome.arrived else 'NO'}",
        flush=True,
    )
    return outcome.arrived and outcome.lane_error_m <= BAR_M and not others


def _junctions(town: Any, route: Route) -> int:
    """Junctions on a route."""
    carla = require("carla", "carla")
    found, before = 0, -1
    for x, y, z in route.points[::4]:
        waypoint = town.get_waypoint(carla.Location(float(x), float(y), float(z)))
        number = waypoint.junction_id if waypoint.is_junction else -1
        found += number not in (-1, before)
        before = number
    return found


if __name__ == "__main__":
    sys.exit(main())
