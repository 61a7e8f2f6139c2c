"""Whom the ego ran into."""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from carla_bridge.replay.sightings import KEPT, Sightings
from carla_bridge.replay.stage import EGO, Cast

__all__ = ["Collision", "Touches"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Collision:
    """The ego touched somebody.

    Attributes:
        other: id of the track, or what the simulator calls it.
        time_us: first time, of the recording.
        speed_mps: of the two against each other, just before.
        by_boxes: the recorded box of the actor and the ego's overlapped at a tick, or would have if physics had not
            parted them.
        by_sensor: a ``sensor.other.collision`` on the ego told of it; it does so where physics move the ego.
    """

    other: str
    time_us: int
    speed_mps: float
    by_boxes: bool
    by_sensor: bool


class Touches:
    """Collects what boxes and a collision sensor on the ego tell.

    Args:
        carla: the client's module.
        cast: with the ego in it.
        seen: where everybody was.
        start_us: of the replay.
    """

    def __init__(self, carla: Any, cast: Cast, seen: Sightings, start_us: int) -> None:
        self._seen, self._start_us = seen, start_us
        self._found: dict[str, Collision] = {}
        self._felt: deque[tuple[int, int, str]] = deque()
        self._times: dict[int, int] = {}
        self._names: dict[int, str] = {}
        blueprint = cast.world.get_blueprint_library().find("sensor.other.collision")
        self._sensor = cast.world.spawn_actor(blueprint, carla.Transform(), attach_to=cast.players[EGO].actor)
        self._sensor.listen(self._feel)

    def saw(self, time_us: int, frame: int, cast: Cast) -> None:
        """Remember the time of a frame, and whose actors are whose."""
        self._times[frame] = time_us
        self._times.pop(frame - KEPT, None)
        self._names.update({player.actor.id: key for key, player in cast.players.items()})

    def _feel(self, event: Any) -> None:
        """A sensor's event, in the client's own thread."""
        self._felt.append((int(event.frame), int(event.other_actor.id), str(event.other_actor.type_id)))

    def note(self, key: str, time_us: int, *, by_boxes: bool = False, by_sensor: bool = False) -> None:
        """The ego touched somebody."""
        known = self._found.get(key)
        if known is not None:
            self._found[key] = replace(
                known,
                time_us=min(known.time_us, time_us),
                by_boxes=known.by_boxes or by_boxes,
                by_sensor=known.by_sensor or by_sensor,
            )
            return
        speed = float(np.linalg.norm(self._seen.velocity(EGO, time_us) - self._seen.velocity(key, time_us)))
        self._found[key] = Collision(key, time_us, speed, by_boxes, by_sensor)
        log.info("The ego touched %s after %.2f s at %.1f m/s.", key, (time_us - self._start_us) / 1e6, speed)

    @property
    def found(self) -> tuple[Collision, ...]:
        """Whom the ego touched so far, by time."""
        while self._felt:
            frame, actor, kind = self._felt.popleft()
            time_us = self._times.get(frame, self._seen.last_us(EGO))
            self.note(self._names.get(actor, kind), time_us, by_sensor=True)
        return tuple(sorted(self._found.values(), key=lambda found: (found.time_us, found.other)))

    def close(self) -> None:
        """Take the sensor away."""
        self._sensor.stop()
        self._sensor.destroy()
