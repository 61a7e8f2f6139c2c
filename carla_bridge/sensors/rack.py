"""All sensors of a world: when each measures, and its message on its stream.

A sensor is a function from the world's state to the bytes of one measurement. Noise is drawn from generators seeded
by the server's seed, the sensor's own seed, its number in the episode and the steps since it was made, so that it
does not matter who listens when.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from carla_bridge.sensors.rendering import SensorRenderer, WorldView
from carla_bridge.server.profiles import Profile
from carla_bridge.server.snapshot import HEADER, carla_motion
from carla_bridge.server.streaming.streams import Streams
from carla_bridge.world.actor import Actor
from carla_bridge.world.pose import Pose
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
    """

    actor: Actor
    stream: int
    stream_type: int
    number: int
    every_s: float
    measure: Measure
    picture: bool
    memory: dict[str, Any]
    next_s: float = 0.0
    born: int = 0
    broken: bool = False

    def number_of(self, name: str) -> float:
        """An attribute as a number."""
        return float(self.actor.spec.attributes[name])


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
        self._count = 0

    def add(self, actor: Actor, stream: int) -> None:
        """Switch a sensor on.

        Raises:
            ValueError: an attribute that cannot be honoured.
        """
        from carla_bridge.sensors.kinds import KINDS

        kind = KINDS[actor.spec.type_id]
        if kind.check is not None:
            kind.check(actor.spec.attributes)
        self.streams.open(stream)
        every = float(actor.spec.attributes.get("sensor_tick", "0") or 0.0)
        number = self.profile.sensor_types[kind.stream_type]
        self._sensors[actor.id] = Sensor(
            actor, stream, number, self._count, every, kind.measure, kind.picture, {}, self.world.time_s, self.steps
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
        for sensor in tuple(self._sensors.values()):
            if sensor.broken or (no_rendering and sensor.picture):
                continue
            if self.world.time_s < sensor.next_s - TOLERANCE_S:
                continue
            if sensor.every_s > 0.0:
                late = self.world.time_s - sensor.next_s
                sensor.next_s += sensor.every_s * (1 + int((late + TOLERANCE_S) / sensor.every_s))
            if not self.streams.wanted(sensor.stream) and sensor.picture:
                continue  # nobody looks
            try:
                bodies = sensor.measure(self, sensor)
            except Exception:  # one broken sensor must not stop the world
                sensor.broken = True
                log.exception("Sensor %d (%s) failed and is off.", sensor.actor.id, sensor.actor.spec.type_id)
                continue
            if bodies and poses is None:
                poses = carla_motion(self.world.motion)[:, :6].astype(np.float32)
            for body in bodies:
                row = poses[sensor.actor.row].tolist() if poses is not None else [0.0] * 6
                head = HEADER.pack(sensor.stream_type, self.world.frame, self.world.time_s, *row)
                self.streams.publish(sensor.stream, head + body)

    def view(self) -> WorldView:
        """The world to look at."""
        return WorldView(self.world, tuple(self.weather))

    def pose(self, sensor: Sensor) -> Pose:
        """Where a sensor is."""
        return self.world.pose(sensor.actor)

    def noise(self, sensor: Sensor) -> Generator:
        """Random numbers of this sensor in this step."""
        own = int(float(sensor.actor.spec.attributes.get("noise_seed", "0")))
        return np.random.default_rng([self.seed, abs(own), sensor.number, self.steps - sensor.born])
