"""Who is where in a scenario: a state machine that a simulator steps."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avrec.drive import Track
from avrec.drive.kinds import kind_of
from avrec.errors import AvrecError
from avrec.scenario.actions import Stage
from avrec.scenario.boxes import Box, EgoShape, box_of_pose
from avrec.scenario.heights import Heights, heights_of
from avrec.scenario.mover import ActorState, Mover
from avrec.scenario.onward import onward
from avrec.scenario.scenario import Event, Scenario
from avrec.scenario.triggers import Situation

__all__ = ["Director", "EgoState", "is_person"]

log = logging.getLogger(__name__)

Float64 = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class EgoState:
    """Where the ego is: world_from_rig [4, 4], and its velocity [3] in the world, metres per second."""

    world_from_rig: Float64
    velocity_mps: Float64

    def box(self, shape: EgoShape) -> Box:
        """Seen from above."""
        pose = self.world_from_rig.copy()
        pose[:3, 3] = self.world_from_rig[:3, 0] * shape.ahead_m + self.world_from_rig[:3, 3]
        return box_of_pose(pose, shape.length_m, shape.width_m, self.velocity_mps)


def is_person(track: Track) -> bool:
    """Whether an actor walks, by its class, or by its size where the class is unknown."""
    return kind_of(track.label, track.size_m) == "person"


class Director:
    """Plays one scenario; the same steps give the same states, bit for bit.

    Args:
        case: what happens.
        ego_shape: of the ego's box, where it is not the recording car's.

    Attributes:
        fired: times and events that have begun.
        hit: actors that were hit; nobody directs them any more.
    """

    def __init__(self, case: Scenario, ego_shape: EgoShape | None = None) -> None:
        self.case = case
        self.ego_shape = ego_shape or case.ego_shape
        self.fired: list[tuple[int, Event]] = []
        self.hit: set[str] = set()
        self._stage = Stage(case.scene)
        self._heights: Heights = heights_of(case.scene)
        self._movers: dict[str, Mover] = {}
        self._waiting = list(case.events)
        self._last_us: int | None = None

    @property
    def absent(self) -> frozenset[str]:
        """Actors that have not appeared yet."""
        return self.case.appearing - set(self._movers) - self.hit

    def step(self, time_us: int, ego: EgoState) -> dict[str, ActorState]:
        """Go on to a time.

        Args:
            time_us: of the recording; the first call begins the scenario, later ones go on in time.
            ego: as it was last seen.

        Returns:
            The actors that have left their recording. All others, but for those that are ``absent``, follow it.

        Raises:
            AvrecError: time runs backwards, or an action cannot be begun where the actor is.
        """
        if self._last_us is not None and time_us < self._last_us:
            raise AvrecError(f"A scenario cannot go back from {self._last_us} to {time_us} us. Make a new Director.")
        dt = 0.0 if self._last_us is None else (time_us - self._last_us) / 1e6
        seconds = (time_us - self.case.start_us) / 1e6
        box = ego.box(self.ego_shape)
        for mover in self._movers.values():
            mover.step(dt, Situation(seconds, box, mover.box, mover.idle_s))
        self._last_us = time_us
        for event in tuple(self._waiting):
            self._consider(event, time_us, seconds, box)
        return {key: mover.state for key, mover in self._movers.items()}

    def let_go(self, actor: str, velocity_mps: Float64 | None = None) -> None:
        """An actor was hit: nobody directs it any more, and what it was still to do does not begin.

        Args:
            actor: id of a track.
            velocity_mps: [2] after the collision: from there on it slides to rest. None leaves it to a simulator's
                physics, and `step` tells of it no more.
        """
        self.hit.add(actor)
        if velocity_mps is None:
            self._movers.pop(actor, None)
            return
        if actor not in self._movers:
            time_us = self.case.start_us if self._last_us is None else self._last_us
            self._movers[actor] = self._taken_over(self.case.scene.track(actor), time_us)
        self._movers[actor].slide(velocity_mps)

    def _consider(self, event: Event, time_us: int, seconds: float, ego: Box) -> None:
        mover = self._movers.get(event.actor)
        if event.actor in self.hit or (event.actor in self.absent and not event.appears):
            return
        track = self.case.scene.track(event.actor)
        if mover is None:
            first, last = track.world_from_box.span_us
            if not first <= time_us <= last:
                return
            pose, velocity = _recorded(track, time_us)
            body, idle = box_of_pose(pose, float(track.size_m[0]), float(track.size_m[1]), velocity), -1.0
        else:
            body, idle = mover.box, mover.idle_s
        earlier = self._waiting[: self._waiting.index(event)]
        if any(other.actor == event.actor for other in earlier):
            idle = -1.0  # what it was to do before has not even begun
        now = Situation(seconds, ego, body, idle)
        if not event.trigger.holds(now):
            return
        if mover is None:
            mover = self._movers[event.actor] = self._taken_over(track, time_us)
        for action in event.actions:
            action.begin(mover, now, self._stage)
        mover.idle_s = -1.0 if mover.busy else 0.0
        self._waiting.remove(event)
        self.fired.append((time_us, event))
        log.info("%.2f s: %s: %s", seconds, event.actor, ", ".join(type(action).__name__ for action in event.actions))

    def _taken_over(self, track: Track, time_us: int) -> Mover:
        pose, velocity = _recorded(track, time_us)
        walks = is_person(track)
        guide, along = self.case.ways.get(track.id), 0.0
        if guide is None:
            guide = onward(track.world_from_box, time_us, None if walks else self.case.scene)
        else:
            along = _made_m(track, time_us)
        return Mover(
            pose=pose,
            size_m=track.size_m,
            speed_mps=float(np.hypot(*velocity[:2])),
            guide=guide,
            walks=walks,
            heights=self._heights,
            along_m=along,
        )


def _made_m(track: Track, time_us: int) -> float:
    """Way since the beginning of a track."""
    path = track.world_from_box
    times = path.timestamps_us[path.timestamps_us < time_us]
    places = path.at([*times, time_us], outside="hold")[:, :2, 3]
    return float(np.linalg.norm(np.diff(places, axis=0), axis=1).sum())


def _recorded(track: Track, time_us: int) -> tuple[Float64, Float64]:
    """Pose and velocity of a recorded actor; the velocity is the one between the knots around the time."""
    path = track.world_from_box
    pose = path.at(time_us, outside="hold")
    first, last = path.span_us
    if last - first < 1000:
        return pose, np.zeros(3)
    early = min(max(time_us - 50_000, first), last - 1000)
    late = max(min(time_us + 50_000, last), early + 1000)
    begin, end = path.at([early, late], outside="hold")[:, :3, 3]
    return pose, np.asarray((end - begin) / ((late - early) / 1e6))
