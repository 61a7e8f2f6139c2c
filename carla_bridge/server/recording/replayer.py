"""Plays a recording in a world: its actors come again and move as they did."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from carla_bridge.server.recording.log_file import MOTION, Birth, Frame, Recording
from carla_bridge.world.actor import ActorError
from carla_bridge.world.motion import Float64
from carla_bridge.world.physics import VehicleControl
from carla_bridge.world.pose import ORIGIN, Pose, compose
from carla_bridge.world.traffic_lights import LightState
from carla_bridge.world.world import World

__all__ = ["ReplayOptions", "Replayer"]

ANGLES = slice(3, 6)
NOT_REPLAYED = ("spectator", "traffic.", "controller.")
Spawn = Callable[[Birth, Pose, int], int]
Destroy = Callable[[int], object]


@dataclass
class ReplayOptions:
    """How to play.

    Attributes:
        start_s: where to begin; below 0 counts from the end.
        duration_s: how much to play, 0 for all.
        follow: recorded id of the actor that the spectator follows, 0 for none; ``offset`` in its frame.
        sensors: whether sensors come again too.
        factor: of time.
        ignore_hero, ignore_spectator: leave those alone.
    """

    start_s: float = 0.0
    duration_s: float = 0.0
    follow: int = 0
    sensors: bool = False
    offset: Pose = ORIGIN
    factor: float = 1.0
    ignore_hero: bool = False
    ignore_spectator: bool = True


class Replayer:
    """One recording being played in one world.

    Attributes:
        actors: id of today by recorded id.
        time_s: place in the recording.
    """

    def __init__(
        self,
        recording: Recording,
        world: World,
        options: ReplayOptions,
        spawn: Spawn,
        destroy: Destroy,
        spectator: int,
    ) -> None:
        self._frames = recording.frames
        self._times = [frame.time_s for frame in recording.frames]
        self._world, self.options = world, options
        self._spawn, self._destroy = spawn, destroy
        self._spectator = spectator
        self.actors: dict[int, int] = {}
        self._births = {birth.id: birth for frame in recording.frames for birth in frame.births}
        self._recorded_spectator = next((one for one, b in self._births.items() if b.type_id == "spectator"), 0)
        start = options.start_s if options.start_s >= 0 else recording.duration_s + options.start_s
        self.time_s = min(max(start, 0.0), recording.duration_s)
        last = recording.duration_s
        self.end_s = min(self.time_s + options.duration_s, last) if options.duration_s > 0 else last
        self._done = -1
        self._show()

    @property
    def over(self) -> bool:
        """Whether the end was reached."""
        return self.time_s >= self.end_s - 1e-9

    def step(self, dt: float) -> None:
        """Play on by ``dt`` seconds of the world."""
        self.time_s = min(self.time_s + dt * self.options.factor, self.end_s)
        self._show()

    def stop(self, *, keep: bool) -> None:
        """End: the actors stay as ordinary ones, or go."""
        for actor_id in self.actors.values():
            actor = self._world.actors.get(actor_id)
            if actor is None:
                continue
            if keep:
                self._world.set_physics_on(actor, True)
                self._world.set_collides(actor, True)
                if actor.slot >= 0:
                    self._world.control(actor, VehicleControl(brake=1.0))
            else:
                self._destroy(actor_id)
        self.actors = {}

    def _show(self) -> None:
        """Put everything where it was at ``time_s``."""
        index = max(bisect_right(self._times, self.time_s + 1e-9) - 1, 0)
        for number in range(self._done + 1, index + 1):
            self._catch_up(self._frames[number])
        self._done = max(self._done, index)
        frame = self._frames[index]
        after = self._frames[min(index + 1, len(self._frames) - 1)]
        span = after.time_s - frame.time_s
        share = min(max((self.time_s - frame.time_s) / span, 0.0), 1.0) if span > 0 else 0.0
        places = self._places(frame, after, share)
        for recorded, row in places.items():
            actor = self._world.actors.get(self.actors.get(recorded, 0))
            if actor is not None and actor.parent == 0:
                self._world.motion[actor.row, :MOTION] = row
        self._controls(frame)
        follow = self._world.actors.get(self.actors.get(self.options.follow, 0))
        spectator = self._world.actors.get(self._spectator)
        if spectator is not None:
            if follow is not None:
                self._world.set_pose(spectator, compose(self._world.pose(follow), self.options.offset))
            elif not self.options.ignore_spectator and self._recorded_spectator in places:
                self._world.motion[spectator.row, :MOTION] = places[self._recorded_spectator]

    def _catch_up(self, frame: Frame) -> None:
        for recorded in frame.deaths:
            if recorded in self.actors:
                self._destroy(self.actors.pop(recorded))
        where = dict(zip(frame.ids.tolist(), frame.motion, strict=True))
        for birth in frame.births:
            if not self._wanted(birth) or (birth.parent and birth.parent not in self.actors):
                continue
            pose = birth.pose if birth.parent or birth.id not in where else Pose(*where[birth.id][:6].tolist())
            try:
                actor_id = self._spawn(birth, pose, self.actors.get(birth.parent, 0))
            except (ActorError, ValueError):
                continue  # its place is taken by somebody of today, or its blueprint is gone
            self.actors[birth.id] = actor_id
            actor = self._world.actors[actor_id]
            self._world.set_physics_on(actor, False)

    def _wanted(self, birth: Birth) -> bool:
        if birth.type_id.startswith(NOT_REPLAYED):
            return False
        if birth.type_id.startswith("sensor.") and not self.options.sensors:
            return False
        return not (self.options.ignore_hero and birth.attributes.get("role_name") == "hero")

    def _controls(self, frame: Frame) -> None:
        for recorded, row in zip(frame.drivers.tolist(), frame.controls.tolist(), strict=True):
            actor = self._world.actors.get(self.actors.get(recorded, 0))
            if actor is not None and actor.slot >= 0:
                throttle, steer, brake, hand, reverse, gear = row
                self._world.control(actor, VehicleControl(throttle, steer, brake, bool(hand), bool(reverse)))
                self._world.fleet.s["gear"][actor.slot] = gear
                actor.lights = frame.lamps.get(recorded, 0)
        for light in self._world.signals.lights:
            if light.signal in frame.lights and frame.lights[light.signal] in range(5):
                light.state = LightState(frame.lights[light.signal])

    @staticmethod
    def _places(frame: Frame, after: Frame, share: float) -> dict[int, Float64]:
        """Motion of everybody between two frames, angles the short way round."""
        now = dict(zip(frame.ids.tolist(), frame.motion, strict=True))
        if share <= 0.0:
            return now
        for one, row in zip(after.ids.tolist(), after.motion, strict=True):
            if one in now:
                step = row - now[one]
                step[ANGLES] -= 2 * np.pi * np.rint(step[ANGLES] / (2 * np.pi))
                now[one] = now[one] + share * step
        return now
