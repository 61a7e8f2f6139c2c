"""Writes what happens in a world to a file, step by step."""

from __future__ import annotations

import logging
from datetime import datetime
from pathlib import Path
from typing import IO

import numpy as np

from avrec.errors import OutputError
from carla_bridge.server.recording.log_file import MOTION, Birth, Frame, pack_frame, pack_header
from carla_bridge.world.actor import Actor
from carla_bridge.world.world import World

__all__ = ["Recorder"]

log = logging.getLogger(__name__)


class Recorder:
    """One recording under way; the file has its name once it is complete.

    Raises:
        OutputError: the file cannot be written.
    """

    def __init__(self, path: Path, world: World) -> None:
        self.path = path
        self._partial = path.with_name(path.name + ".part")
        self._world = world
        self._known: set[int] = set()
        self._start_s = world.time_s
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file: IO[bytes] = self._partial.open("wb")
            self._file.write(pack_header(world.road_map.name, datetime.now().isoformat(timespec="seconds")))
            self.step()
        except OSError as error:
            raise OutputError(
                f"The recording {path} cannot be written ({error.strerror}). Choose another folder for recordings."
            ) from error

    def step(self) -> None:
        """Write the world as it is now."""
        self._file.write(pack_frame(self._frame()))

    def stop(self) -> None:
        """Complete the file; where that fails, the log says so, for what comes next must not fail with it."""
        if self._file.closed:
            return
        try:
            self._file.close()
            self._partial.replace(self.path)
        except OSError as error:
            log.error("The recording %s could not be completed: %s", self.path, error)

    def _frame(self) -> Frame:
        world = self._world
        actors = list(world.by_row())
        births = tuple(_birth(world, actor) for actor in world.actors.values() if actor.id not in self._known)
        deaths = tuple(sorted(self._known - world.actors.keys()))
        self._known = set(world.actors)
        drivers = [actor for actor in actors if actor.slot >= 0]
        slots = [actor.slot for actor in drivers]
        s = world.fleet.s
        names = ("throttle", "steer", "brake", "hand_brake", "reverse", "gear")
        return Frame(
            time_s=world.time_s - self._start_s,
            births=births,
            deaths=deaths,
            ids=np.array([actor.id for actor in actors], dtype=np.int64),
            motion=np.ascontiguousarray(world.motion[:, :MOTION]),
            drivers=np.array([actor.id for actor in drivers], dtype=np.int64),
            controls=np.array([s[name][slots] for name in names]).T.copy(),
            lights={light.signal: int(light.state) for light in world.signals.lights},
            lamps={actor.id: actor.lights for actor in drivers if actor.lights},
            collisions=tuple(sorted({(min(c.actor, c.other), max(c.actor, c.other)) for c in world.collisions})),
        )


def _birth(world: World, actor: Actor) -> Birth:
    pose = actor.mount if actor.parent else world.pose(actor)
    return Birth(actor.id, actor.spec.type_id, dict(actor.spec.attributes), actor.parent, pose)
