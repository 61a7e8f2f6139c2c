"""Drive a route in CARLA with an agent that uses nothing but the client's public calls.

The vehicle follows its lanes, keeps the speed limit, stops for red lights and behind whoever is on the route ahead.
If no CARLA server runs at the given address, an embedded world on --map takes its place.

    python carla_bridge/example_route_agent.py --map Town01.xodr --length 800 --seed 3
"""

from __future__ import annotations

import argparse
import logging
import random
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

if __package__ in (None, ""):  # run as a file
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import carla_bridge
from avrec.errors import AvrecError, require
from carla_bridge.route_agent import LaneNetwork, Route, RouteAgent
from carla_bridge.tick_guard import tick

__all__ = ["Outcome", "drive", "main", "starts", "synchronous", "vehicle_at"]

log = logging.getLogger("example")

REPORT_S = 5.0
PATIENCE_S = 120.0
"""Simulated seconds without getting on after which it gives up; a red light is shorter."""


@dataclass(frozen=True)
class Outcome:
    """How a drive went.

    Attributes:
        arrived: whether the vehicle stands at the end of the route.
        ticks: how many it took.
        lane_error_m: largest distance of the vehicle's origin from the middle of its lanes.
        length_m: of the route.
    """

    arrived: bool
    ticks: int
    lane_error_m: float
    length_m: float


def main(arguments: list[str] | None = None) -> int:
    """Run the example; returns the exit code: 0 when the goal was reached."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", default="127.0.0.1", help="of the CARLA server (default 127.0.0.1)")
    parser.add_argument("-p", "--port", type=int, default=2000, help="of the CARLA server (default 2000)")
    parser.add_argument("-m", "--map", type=Path, help="OpenDRIVE map or scene for the embedded world")
    parser.add_argument("-s", "--seed", type=int, default=0, help="of where it starts and goes (default 0)")
    parser.add_argument("-l", "--length", type=float, default=500.0, help="least metres of route (default 500)")
    parser.add_argument("--goal", type=float, nargs=2, metavar=("X", "Y"), help="drive there instead, the shortest way")
    parser.add_argument("--vehicle", default="vehicle.tesla.model3", help="blueprint (default vehicle.tesla.model3)")
    parser.add_argument("--move-spectator", action="store_true", help="the spectator follows the vehicle")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        outcome = _run(options)
    except AvrecError as error:
        log.error("%s", error)
        return 2
    except KeyboardInterrupt:
        log.info("Stopped.")
        return 130
    log.info(
        "%s after %d ticks and %.0f m; never more than %.2f m from the middle of its lane.",
        "Arrived" if outcome.arrived else "Gave up",
        outcome.ticks,
        outcome.length_m,
        outcome.lane_error_m,
    )
    return 0 if outcome.arrived else 1


def _run(options: argparse.Namespace) -> Outcome:
    carla = require("carla", "carla")
    with ExitStack() as stack:
        try:
            client = carla_bridge.connect(options.host, options.port)
        except AvrecError as error:
            if options.map is None:
                raise AvrecError(f"{error} Or name a map to drive on here: --map FILE.xodr") from error
            log.info("No CARLA server answers at %s:%d; an embedded world is started.", options.host, options.port)
            client = stack.enter_context(carla_bridge.own_world(options.map))
        world = client.get_world()
        town = world.get_map()
        spots = town.get_spawn_points()
        random.Random(options.seed).shuffle(spots)
        lanes = LaneNetwork(town)

        def route_from(start: Any) -> Route:
            if options.goal:
                return lanes.plan(start, carla.Location(options.goal[0], options.goal[1], start.z))
            return lanes.wander(start, options.length, options.seed)

        stack.enter_context(synchronous(world))
        vehicle = stack.enter_context(vehicle_at(world, starts(spots, route_from), options.vehicle))
        route = route_from(vehicle.get_location())
        log.info("%s drives %.0f m.", vehicle.type_id, route.length_m)
        return drive(RouteAgent(world, vehicle, route), move_spectator=options.move_spectator)


@contextmanager
def synchronous(world: Any, step_s: float = 0.05) -> Iterator[None]:
    """Let the world wait for this program's ticks; the settings come back afterwards."""
    before = world.get_settings()
    settings = world.get_settings()
    settings.synchronous_mode, settings.fixed_delta_seconds = True, step_s
    world.apply_settings(settings)
    try:
        yield
    finally:
        world.apply_settings(before)


def starts(spots: Iterable[Any], route_from: Callable[[Any], Route]) -> Iterator[Any]:
    """Those of some spots (`carla.Transform`) from which there is a route.

    Raises:
        AvrecError: there is none from any.
    """
    found = False
    for spot in spots:
        try:
            route_from(spot.location)
        except AvrecError:
            continue
        found = True
        yield spot
    if not found:
        raise AvrecError(
            "From none of the map's spawn points such a route leads along its lanes. Ask for a shorter one, or for "
            "another goal."
        )


@contextmanager
def vehicle_at(world: Any, spots: Iterable[Any], blueprint: str) -> Iterator[Any]:
    """A vehicle at the first free spot, standing on its wheels; destroyed afterwards.

    Raises:
        AvrecError: no such blueprint, or no free spot.
    """
    found = world.get_blueprint_library().filter(blueprint)
    if not found:
        raise AvrecError(f"This server has no blueprint {blueprint!r}. Name one, as vehicle.tesla.model3.")
    vehicle = next((each for spot in spots if (each := world.try_spawn_actor(found[0], spot)) is not None), None)
    if vehicle is None:
        raise AvrecError("No spawn point to start from is free. Destroy some vehicles first.")
    try:
        for _ in range(10):
            tick(world)
        yield vehicle
    finally:
        vehicle.destroy()


def drive(agent: RouteAgent, *, move_spectator: bool = False) -> Outcome:
    """Tick the world until the agent is at the end of its route, or does not get on any more."""
    world, vehicle = agent.world, agent.vehicle
    worst, ticks, best, waited_s = 0.0, 0, 0.0, 0.0
    since_report = 0.0
    while waited_s < PATIENCE_S:
        vehicle.apply_control(agent.step())
        worst = max(worst, abs(agent.place.right_m))
        if agent.done:
            break
        tick(world)
        ticks += 1
        step_s = world.get_snapshot().timestamp.delta_seconds
        waited_s = 0.0 if agent.place.along_m > best + 1.0 else waited_s + step_s
        best = max(best, agent.place.along_m) if waited_s == 0.0 else best
        since_report += step_s
        if since_report >= REPORT_S:
            since_report = 0.0
            log.info(
                "%5.0f m of %.0f m, %4.1f m/s%s",
                agent.place.along_m,
                agent.route.length_m,
                vehicle.get_velocity().length(),
                f", waits for {agent.waits_for}" if agent.waits_for else "",
            )
        if move_spectator:
            _follow(world, vehicle)
    return Outcome(agent.done, ticks, worst, agent.route.length_m)


def _follow(world: Any, vehicle: Any) -> None:
    """Look over the vehicle's roof."""
    carla = require("carla", "carla")
    place = vehicle.get_transform()
    eye = place.location - place.get_forward_vector() * 7.0 + carla.Location(z=4.0)
    world.get_spectator().set_transform(carla.Transform(eye, carla.Rotation(-20.0, place.rotation.yaw, 0.0)))


if __name__ == "__main__":
    sys.exit(main())
