"""The client's Traffic Manager and walker controllers in the embedded world, with a judge beside them.

``python -m bench.carla_traffic MAP [MAP ...] [--minutes 10]``: on each OpenDRIVE map or scene 20 vehicles and 20 people
for so many simulated minutes (`carla_bridge.Traffic`: for each vehicle that a road's end destroys, another enters).
Printed are what each vehicle drove, those that stood for two minutes at no red light, pairs that collided, lines of red
lights that were run, vehicles lost at road ends, the distance to the lane's middle and what each person walked. Exit
code 1 where a light was run, somebody collided, or a vehicle stood still for good.

The judge of red lights uses only the client's map: a vehicle runs a light if its front and then its middle pass the
light's stop line while it is red.
"""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import dataclass, field
from math import cos, hypot, radians, sin
from pathlib import Path
from typing import Any

import numpy as np

import carla_bridge
from avrec.errors import require
from carla_bridge.traffic import Traffic

__all__ = ["Judge", "Result", "drive", "main"]

STEP_S = 0.05
STUCK_S = 120.0
STUCK_M = 1.0
NEAR_LINE_M = 8.0


@dataclass
class Result:
    """What happened: metres by vehicle and person, and what should not happen."""

    driven: dict[int, float] = field(default_factory=dict)
    walked: dict[int, float] = field(default_factory=dict)
    seconds: dict[int, float] = field(default_factory=dict)
    lane_errors: list[float] = field(default_factory=list)
    hits: list[tuple[int, int, int]] = field(default_factory=list)
    red_runs: list[tuple[int, int, int]] = field(default_factory=list)
    crossings: int = 0
    stuck: set[int] = field(default_factory=set)
    left: int = 0
    entered: int = 0
    ticks_per_s: float = 0.0

    def pairs(self) -> set[frozenset[int]]:
        """Who collided with whom."""
        return {frozenset(hit[1:]) for hit in self.hits}


class Judge:
    """Watches lights through what any client can see."""

    def __init__(self, world: Any) -> None:
        lines = []
        lights = world.get_actors().filter("traffic.traffic_light")
        self.lights = [light for light in lights if light.trigger_volume.extent.x > 0.0]  # the rest is for people
        for number, light in enumerate(self.lights):
            for stop in light.get_stop_waypoints():
                place, yaw = stop.transform.location, radians(stop.transform.rotation.yaw)
                lines.append((number, place.x, place.y, place.z, cos(yaw), sin(yaw), stop.lane_width / 2))
        self.lines = np.array(lines).reshape(-1, 7)
        self._red: dict[tuple[int, int], bool] = {}
        self._before: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def look(self, frame: int, cars: dict[int, tuple[Any, Any, float]], result: Result) -> None:
        """One tick: ``cars`` gives transform and half length by id."""
        if not len(self.lines):
            return
        red = np.array([str(light.state) == "Red" for light in self.lights])[self.lines[:, 0].astype(int)]
        for actor_id, (pose, _, half) in cars.items():
            yaw = radians(pose.rotation.yaw)
            x, y = pose.location.x - self.lines[:, 1], pose.location.y - self.lines[:, 2]
            along = x * self.lines[:, 4] + y * self.lines[:, 5]
            across = y * self.lines[:, 4] - x * self.lines[:, 5]
            turn = cos(yaw) * self.lines[:, 4] + sin(yaw) * self.lines[:, 5]
            near = (np.abs(across) < self.lines[:, 6]) & (turn > 0.5) & (np.abs(along) < NEAR_LINE_M)
            near &= np.abs(pose.location.z - self.lines[:, 3]) < 3.0
            front = along + half
            before = self._before.get(actor_id)
            self._before[actor_id] = front, along
            if before is None:
                continue
            for line in np.nonzero(near & (before[0] < 0.0) & (front >= 0.0))[0]:
                self._red[actor_id, int(line)] = bool(red[line])
            for line in np.nonzero(near & (before[1] < 0.0) & (along >= 0.0))[0]:
                result.crossings += 1
                if self._red.get((actor_id, int(line)), False) and red[line]:
                    result.red_runs.append((frame, actor_id, self.lights[int(self.lines[line, 0])].id))


def drive(
    client: Any, minutes: float, *, vehicles: int = 20, people: int = 20, seed: int = 1, **manager: Any
) -> Result:
    """Traffic for some simulated minutes; ``manager`` are calls of the Traffic Manager by name and argument."""
    carla = require("carla", "carla")
    world = client.get_world()
    settings = world.get_settings()
    settings.synchronous_mode, settings.fixed_delta_seconds = True, STEP_S
    world.apply_settings(settings)
    world.tick()
    town, judge, result = world.get_map(), Judge(world), Result()
    kind = world.get_blueprint_library().find("sensor.other.collision")
    sensors: dict[int, Any] = {}
    places: dict[int, Any] = {}
    halves: dict[int, float] = {}
    rests: dict[int, tuple[Any, float]] = {}
    start, steps = time.perf_counter(), round(minutes * 60 / STEP_S)
    with Traffic(client, vehicles=vehicles, people=people, seed=seed) as traffic:
        for name, value in manager.items():
            getattr(traffic.manager, name)(value)
        for step in range(steps):
            frame = traffic.tick()
            snapshot = world.get_snapshot()
            cars = {}
            for actor_id, car in {**traffic.vehicles, **traffic.people}.items():
                seen = snapshot.find(actor_id)
                if seen is None or not car.is_alive:
                    continue
                pose = seen.get_transform()
                place, last = pose.location, places.get(actor_id)
                places[actor_id] = place
                table = result.driven if actor_id in traffic.vehicles else result.walked
                table[actor_id] = table.get(actor_id, 0.0) + (place.distance(last) if last is not None else 0.0)
                if actor_id in traffic.vehicles:
                    result.seconds[actor_id] = result.seconds.get(actor_id, 0.0) + STEP_S
                    if actor_id not in sensors:
                        sensors[actor_id] = world.spawn_actor(kind, carla.Transform(), attach_to=car)
                        sensors[actor_id].listen(
                            lambda event: result.hits.append((event.frame, event.actor.id, event.other_actor.id))
                        )
                        halves[actor_id] = car.bounding_box.extent.x
                    cars[actor_id] = pose, car, halves[actor_id]
            judge.look(frame, cars, result)
            if step % 20 == 0:
                for actor_id, (pose, car, _) in cars.items():
                    if step > 100:
                        middle = town.get_waypoint(pose.location).transform.location
                        result.lane_errors.append(hypot(middle.x - pose.location.x, middle.y - pose.location.y))
                    if _watch(rests, actor_id, pose.location, car, step * STEP_S):
                        result.stuck.add(actor_id)
        result.left, result.entered = traffic.left, traffic.entered
        result.ticks_per_s = steps / (time.perf_counter() - start)
        for sensor in sensors.values():
            if sensor.is_alive:
                sensor.destroy()
    return result


def _watch(rests: dict[int, tuple[Any, float]], actor_id: int, place: Any, car: Any, now_s: float) -> bool:
    """Whether a vehicle has stood still for too long, red lights left out."""
    if (
        actor_id not in rests
        or place.distance(rests[actor_id][0]) > STUCK_M
        or str(car.get_traffic_light_state()) == "Red"
    ):
        rests[actor_id] = place, now_s
    return now_s - rests[actor_id][1] > STUCK_S


def main(arguments: list[str] | None = None) -> int:
    """Measure and print; 1 where something happened that should not."""
    parser = argparse.ArgumentParser(prog="python -m bench.carla_traffic", description=__doc__)
    parser.add_argument("map", nargs="+", type=Path, help="OpenDRIVE maps or scenes")
    parser.add_argument("--minutes", type=float, default=10.0, help="of simulated traffic (default 10)")
    parser.add_argument("--vehicles", type=int, default=20)
    parser.add_argument("--people", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1, help="of vehicles, people and the Traffic Manager")
    options = parser.parse_args(arguments)
    failed = False
    for path in options.map:
        with carla_bridge.serve(path, port=0) as server:
            client = carla_bridge.connect(server.host, server.port)
            crowd = {"vehicles": options.vehicles, "people": options.people}
            found = drive(client, options.minutes, seed=options.seed, **crowd)
            _print(path.stem, options.minutes, found)
            failed = failed or bool(found.stuck or found.hits or found.red_runs)
    return int(failed)


def _print(name: str, minutes: float, found: Result) -> None:
    metres, walked = sorted(found.driven.values()), sorted(found.walked.values())
    speeds = [found.driven[each] / found.seconds[each] for each in found.driven if found.seconds[each] > 5.0]
    errors = sorted(found.lane_errors) or [0.0]
    print(
        f"{name}, {minutes:g} min: {len(metres)} vehicles drove {metres[0]:.0f} to {metres[-1]:.0f} m, median "
        f"{statistics.median(metres):.0f} m, {statistics.mean(speeds):.1f} m/s; {len(found.stuck)} stuck, "
        f"{len(found.pairs())} pairs collided, {len(found.red_runs)} red lights run in {found.crossings} passed; "
        f"{found.left} left at road ends, {found.entered} entered; "
        f"lane error 95 % {errors[int(len(errors) * 0.95)]:.2f} m; {found.ticks_per_s:.0f} ticks/s"
    )
    if walked:
        middle = statistics.median(walked)
        print(f"  {len(walked)} people walked {walked[0]:.0f} to {walked[-1]:.0f} m, median {middle:.0f}")
    for hit in found.hits[:5]:
        print(f"  frame {hit[0]}: {hit[1]} hit {hit[2]}")
    for run in found.red_runs[:5]:
        print(f"  frame {run[0]}: {run[1]} ran light {run[2]}")


if __name__ == "__main__":
    raise SystemExit(main())
