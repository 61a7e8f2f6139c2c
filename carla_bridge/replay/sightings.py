"""Where everybody was seen in the last ticks, how they move, and where they will be at the next one."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from avrec.scenario import Box, EgoShape, EgoState
from avrec.scenario.boxes import box_of_pose
from carla_bridge.replay.meeting import Course, course_of
from carla_bridge.replay.player import Driver, Player
from carla_bridge.replay.stage import EGO, Cast

__all__ = ["KEPT", "PLANNED", "Sightings"]

Float64 = NDArray[np.float64]

KEPT = 1000
"""Ticks that are remembered for what sensors tell late."""
PLANNED = (Driver.RECORDING, Driver.CASE)
"""Who takes an actor back so that it jumps."""


class _Sight(NamedTuple):
    """Where an actor was seen at a tick, and who moved it there."""

    time_us: int
    pose: Float64
    driver: Driver


class Sightings:
    """What the client saw of a cast, tick by tick.

    Attributes:
        shape: the ego's box in its rig's frame.
    """

    def __init__(self, cast: Cast) -> None:
        self._cast, self._scene = cast, cast.scene
        self._seen: dict[str, deque[_Sight]] = {}
        self.shape = _shape(cast.players[EGO])

    def __contains__(self, key: str) -> bool:
        return key in self._seen

    def saw(self, time_us: int) -> None:
        """Take over where everybody is after a tick."""
        for key, player in self._cast.players.items():
            self._seen.setdefault(key, deque(maxlen=KEPT)).append(_Sight(time_us, player.pose, player.driver))

    def last_us(self, key: str) -> int:
        """When somebody was last seen."""
        return self._seen[key][-1].time_us

    def velocity(self, key: str, before_us: int | None = None) -> Float64:
        """Velocity [3] as it was last seen, or at the last tick before a time, when physics had stopped nobody yet."""
        known = [sight for sight in self._seen.get(key, ()) if before_us is None or sight.time_us < before_us][-2:]
        player = self._cast.players.get(key)
        jumped = len(known) == 2 and known[1].driver in PLANNED and known[0].driver not in PLANNED
        if len(known) < 2 or jumped:
            return np.zeros(3) if player is None or not known else player.planned_velocity(known[-1].time_us)
        early, late = known
        return np.asarray((late.pose[:3, 3] - early.pose[:3, 3]) / ((late.time_us - early.time_us) / 1e6))

    def ego_at(self, time_us: int) -> EgoState:
        """The ego at the next tick: as recorded, or going on as it was last seen."""
        ego = self._cast.players[EGO]
        if ego.driver is Driver.RECORDING or EGO not in self._seen:
            return EgoState(ego.recorded_pose(time_us), ego.planned_velocity(time_us))
        return EgoState(self._gone_on(EGO, time_us), self.velocity(EGO))

    def box(self, key: str, *, as_spawned: bool = False) -> Box:
        """The box of somebody as last seen, with their velocity; of an actor the recorded one (see `course`)."""
        pose = self._seen[key][-1].pose
        if key == EGO:
            return EgoState(pose, self.velocity(EGO)).box(self.shape)
        length, width = self._size(key, as_spawned)
        return box_of_pose(pose, length, width, self.velocity(key))

    def height(self, key: str) -> float:
        """World z where somebody was last seen."""
        return float(self._seen[key][-1].pose[2, 3])

    def course(self, key: str, time_us: int, then: Mapping[str, Float64], *, as_spawned: bool = False) -> Course:
        """From where somebody was seen to the next tick.

        Args:
            key: of the player.
            time_us: of the next tick.
            then: poses that are known of it; others follow the recording, or go on as they were last seen.
            as_spawned: of a box that holds the blueprint's as well as the recorded one.
        """
        player, seen = self._cast.players[key], self._seen[key][-1]
        dt = (time_us - seen.time_us) / 1e6
        planned = player.driver in PLANNED
        if key in then and (planned or key == EGO):
            later = then[key]
        else:
            later = player.recorded_pose(time_us) if planned else self._gone_on(key, time_us)
        now = later if planned and seen.driver not in PLANNED else seen.pose  # who is taken back jumps
        if key == EGO:
            middle = np.eye(4)
            middle[0, 3] = self.shape.ahead_m
            return course_of(now @ middle, later @ middle, dt, (self.shape.length_m, self.shape.width_m))
        return course_of(now, later, dt, self._size(key, as_spawned))

    def _size(self, key: str, as_spawned: bool) -> tuple[float, float]:
        size = self._scene.track(key).size_m
        length, width = float(size[0]), float(size[1])
        if as_spawned:
            extent = self._cast.players[key].actor.bounding_box.extent
            length, width = max(length, 2 * extent.x), max(width, 2 * extent.y)
        return length, width

    def _gone_on(self, key: str, time_us: int) -> Float64:
        seen = self._seen[key][-1]
        pose = seen.pose.copy()
        pose[:3, 3] += self.velocity(key) * (time_us - seen.time_us) / 1e6
        return pose


def _shape(ego: Player) -> EgoShape:
    """The ego's box in its rig's frame."""
    box = ego.actor.bounding_box
    ahead = float((ego.body_from_actor @ [box.location.x, -box.location.y, box.location.z, 1.0])[0])
    return EgoShape(2 * box.extent.x, 2 * box.extent.y, 2 * box.extent.z, ahead)
