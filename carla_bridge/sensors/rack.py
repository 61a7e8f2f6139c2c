"""All sensors of a world: when each measures, and its message on its stream.

A sensor is a function from the world's state to the bytes of one measurement. Noise is drawn from generators seeded
by the server's seed, the sensor's own seed, its number in the episode and the steps since it was made, so that it
does not matter who listens when.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from carla_bridge.frames import motion_to_carla
from carla_bridge.sensors.attributes import check, unused
from carla_bridge.sensors.caster import cast
from carla_bridge.sensors.rendering import RayRenderer, SensorRenderer, WorldView
from carla_bridge.server.profiles import Profile
from carla_bridge.server.snapshot import HEADER
from carla_bridge.server.streaming.streams import Streams
from carla_bridge.world.actor import Actor
from carla_bridge.world.motion import SPIN, VELOCITY, Float64
from carla_bridge.world.pose import Pose, rows
from carla_bridge.world.world import World

if TYPE_CHECKING:
    from numpy.random import Generator

__all__ = ["Sensor", "SensorRack"]

log = logging.getLogger(__name__)

TOLERANCE_S = 1e-6
Measure = Callable[["SensorRack", "Sensor"], "list[bytes]"]


@dataclass(slots=True)
class Sensor:
    """A sensor at work.

    Attributes:
        stream_type: number of its messages' kind.
        number: in this episode, from 0; it does not depend on other actors.
        every_s: time between measurements, 0 for every step.
        measure: gives the bodies of this step's messages.
        memory: what it keeps from one measurement to the next.
        due_s: time of its next measurement; the first one, in the step after its birth, sets the phase.
        waited_s: since it was due last, as the sum of the steps: the same bits whatever the clock says.
        elapsed_s: from the last time that it was due to this one.
        age_s: the sum of these.
        in_a_row: it measured the last time that it was due, so its memory is that old.
    """

    actor: Actor
    stream: int
    stream_type: int
    number: int
    every_s: float
    measure: Measure
    picture: bool
    memory: dict[str, Any]
    born: int
    due_s: float = -inf
    waited_s: float = 0.0
    elapsed_s: float = 0.0
    age_s: float = 0.0
    in_a_row: bool = False
    broken: bool = False

    def number_of(self, name: str) -> float:
        """An attribute as a number."""
        return float(self.actor.spec.attributes[name])


def _looks(sensor: Sensor) -> bool:
    return sensor.picture


class SensorRack:
    """The sensors of one episode."""

    def __init__(
        self, world: World, streams: Streams, profile: Profile, seed: int, renderer: SensorRenderer | None
    ) -> None:
        self.world = world
        self.streams = streams
        self.profile = profile
        self.seed = seed
        self.renderer = renderer
        self.weather: list[float] = [0.0] * 14
        self.imu_gravity = world.gravity
        self.descriptions: dict[int, list[Any]] = {}
        self.steps = 0
        self.step_s = 0.05
        self._sensors: dict[int, Sensor] = {}
        self._told: set[tuple[str, str]] = set()
        self._count = 0

    def add(self, actor: Actor, stream: int, usual: Mapping[str, str] | None = None) -> None:
        """Switch a sensor on.

        Args:
            actor: the sensor.
            stream: where its messages go.
            usual: its attributes' usual values; the log tells once of others that do nothing.

        Raises:
            ValueError: an attribute that cannot be honoured.
        """
        from carla_bridge.sensors.kinds import KINDS

        kind = KINDS[actor.spec.type_id]
        check(actor.spec.attributes)
        for name, reason in unused(actor.spec.attributes, usual or {}):
            if (actor.spec.type_id, name) not in self._told:
                self._told.add((actor.spec.type_id, name))
                log.warning("%s of %s does nothing: %s.", name, actor.spec.type_id, reason)
        self.streams.open(stream)
        every = float(actor.spec.attributes.get("sensor_tick", "0") or 0.0)
        number = self.profile.sensor_types[kind.stream_type]
        self._sensors[actor.id] = Sensor(
            actor, stream, number, self._count, every, kind.measure, kind.picture, {}, self.steps
        )
        self._count += 1

    def remove(self, actor_id: int) -> None:
        """Switch a sensor off and end its stream."""
        sensor = self._sensors.pop(actor_id, None)
        if sensor is not None:
            self.streams.close(sensor.stream)

    def close(self) -> None:
        """Switch all sensors off."""
        for actor_id in list(self._sensors):
            self.remove(actor_id)

    def step(self, dt: float, *, no_rendering: bool) -> None:
        """Measure after a step of the world; one failing sensor does not stop the others."""
        self.steps += 1
        self.step_s = dt
        poses = None
        for sensor in sorted(self._sensors.values(), key=_looks):  # pictures show what the others drew
            if sensor.broken or not self._due(sensor):
                continue
            if sensor.picture and (no_rendering or not self.streams.wanted(sensor.stream)):
                sensor.in_a_row = False  # nobody looks
                continue
            try:
                bodies = sensor.measure(self, sensor)
            except Exception:  # one broken sensor must not stop the world
                sensor.broken = True
                log.exception("Sensor %d (%s) failed and is off.", sensor.actor.id, sensor.actor.spec.type_id)
                continue
            if bodies and poses is None:
                poses = motion_to_carla(self.world.motion)[:, :6].astype(np.float32)
            sensor.in_a_row = True
            for body in bodies:
                row = poses[sensor.actor.row].tolist() if poses is not None else [0.0] * 6
                head = HEADER.pack(sensor.stream_type, self.world.frame, self.world.time_s, *row)
                self.streams.publish(sensor.stream, head + body)

    def _due(self, sensor: Sensor) -> bool:
        """Whether a sensor measures now; if so, when it does next."""
        now, every = self.world.time_s, sensor.every_s
        sensor.waited_s += self.step_s
        if now < sensor.due_s - TOLERANCE_S:
            return False
        first = sensor.due_s == -inf
        sensor.elapsed_s = max(every, self.step_s) if first else sensor.waited_s
        sensor.waited_s = 0.0
        sensor.age_s += sensor.elapsed_s
        if every > 0.0:
            due = now if first else sensor.due_s
            sensor.due_s = due + every * (1 + int((now - due + TOLERANCE_S) / every))
        else:
            sensor.due_s = now
        return True

    def view(self) -> WorldView:
        """The world to look at."""
        return WorldView(self.world, tuple(self.weather))

    def cast(
        self, pose: Pose, ways: Float64, reach: float, ignore: frozenset[int] = frozenset()
    ) -> tuple[Float64, NDArray[np.int64], NDArray[np.int64], Float64]:
        """Nearest hits of rays from one point.

        Args:
            pose: of that point.
            ways: unit vectors [R, 3] in the pose's own frame.
            reach: metres.
            ignore: ids of actors that are looked through.

        Returns:
            Distance [R] (infinite where nothing is hit), class [R], actor [R] (0 for none), normal [R, 3] in the world.
        """
        renderer: object = self.renderer
        if isinstance(renderer, RayRenderer):
            return renderer.cast(self.view(), pose, ways, reach, ignore)
        return cast(self.view(), np.array(pose.position), ways @ np.array(rows(pose)).T, reach, ignore)

    def pose(self, sensor: Sensor) -> Pose:
        """Where a sensor is."""
        return self.world.pose(sensor.actor)

    def velocity(self, sensor: Sensor) -> Float64:
        """How fast a sensor moves, float64 [3] m/s in the world, turning with what it is mounted on."""
        row = self.world.motion[sensor.actor.row]
        carrier = self.world.actors.get(sensor.actor.parent)
        if carrier is None:
            return np.asarray(row[VELOCITY])
        arm = row[:3] - self.world.motion[carrier.row, :3]
        return np.asarray(row[VELOCITY] + np.cross(row[SPIN], arm))

    def noise(self, sensor: Sensor) -> Generator:
        """Random numbers of this sensor in this step."""
        own = int(float(sensor.actor.spec.attributes.get("noise_seed", "0")))
        return np.random.default_rng([self.seed, abs(own), sensor.number, self.steps - sensor.born])
