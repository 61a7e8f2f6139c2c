"""An edge case in a session: its director, and who the ego ran into."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import hypot
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from avrec.errors import AvrecError
from avrec.scenario import ActorState, Director, EgoShape, EgoState, Measurer, Measures, Scenario, overlap, replay
from avrec.scenario.boxes import box_of_pose
from avrec.scene import Scene
from carla_bridge.replay.meeting import LEVEL_M, Course, course_of, will_touch
from carla_bridge.replay.player import Driver, Player
from carla_bridge.replay.stage import EGO, Cast

__all__ = ["CaseRun", "CaseSource", "Collision", "scenario_of"]

log = logging.getLogger(__name__)

Float64 = NDArray[np.float64]
CaseSource = Scenario | Callable[[Scenario], Scenario]

KEPT = 1000
"""Ticks that are remembered for what sensors tell late."""
PLANNED = (Driver.RECORDING, Driver.CASE)
"""Who takes an actor back so that it jumps."""


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


def scenario_of(
    scene: str | Path | Scene | Scenario, case: CaseSource | None, start_us: int | None, end_us: int | None
) -> Scenario:
    """What a session plays.

    Raises:
        AvrecError: the case is of another scene, or cannot happen in it; or times outside the recording.
    """
    if isinstance(case, Scenario):
        given = scene.scene if isinstance(scene, Scenario) else scene
        if not isinstance(given, Scene) or given.static is not case.scene.static:
            raise AvrecError(
                f"The case {case.name} was made from another scene. Give the one that it was made from, or "
                "ReplaySession(client, case) alone."
            )
        return replay(case, start_us=start_us, end_us=end_us)
    if case is not None and not callable(case):
        raise AvrecError(
            f"{case!r} is no case. Give a Scenario, or a function that makes one, such as scenarios.cut_in."
        )
    played = replay(
        scene if isinstance(scene, Scene | Scenario) else Scene.open(scene), start_us=start_us, end_us=end_us
    )
    made = played if case is None else case(played)
    if not isinstance(made, Scenario):
        raise AvrecError(f"The function of the case returned {type(made).__name__}. Let it return a Scenario.")
    return made


class _Sight(NamedTuple):
    """Where an actor was seen at a tick, and who moved it there."""

    time_us: int
    pose: Float64
    driver: Driver


class CaseRun:
    """Steps the director with the ego that the client sees, and listens for collisions.

    Args:
        carla: the client's module.
        case: what happens.
        cast: with the ego in it.

    Attributes:
        struck: ids of those who touched somebody and are left to physics, and whom.
    """

    def __init__(self, carla: Any, case: Scenario, cast: Cast) -> None:
        self.case = case
        self.cast = cast
        ego = cast.players[EGO]
        self.shape = _shape(ego)
        self.director = Director(case, self.shape)
        self.struck: dict[str, str] = {}
        self._measurer = Measurer()
        self._beside: dict[str, set[str]] = {}
        self._seen: dict[str, deque[_Sight]] = {}
        self._found: dict[str, Collision] = {}
        self._felt: deque[tuple[int, int, str]] = deque()
        self._times: dict[int, int] = {}
        self._names: dict[int, str] = {}
        blueprint = cast.world.get_blueprint_library().find("sensor.other.collision")
        self._sensor = cast.world.spawn_actor(blueprint, carla.Transform(), attach_to=ego.actor)
        self._sensor.listen(self._feel)

    def step(self, time_us: int) -> dict[str, ActorState]:
        """Where the case's actors are to be at a time; the ego is taken to go on as it was last seen."""
        ego = self.cast.players[EGO]
        if ego.driver is Driver.RECORDING or EGO not in self._seen:
            pose, velocity = ego.recorded_pose(time_us), ego.planned_velocity(time_us)
        else:
            seen = self._seen[EGO][-1]
            velocity = self._velocity(EGO)
            pose = seen.pose.copy()
            pose[:3, 3] += velocity * (time_us - seen.time_us) / 1e6
        states = self.director.step(time_us, EgoState(pose, velocity))
        self._part(time_us, pose, states)
        self.cast.absent = self.director.absent
        return {key: state for key, state in states.items() if key not in self.struck}

    def _part(self, time_us: int, ego_pose: Float64, states: Mapping[str, ActorState]) -> None:
        """Leave those who would touch somebody by the next tick to physics, while they are still apart."""
        then = {key: state.world_from_box for key, state in states.items()} | {EGO: ego_pose}
        for key in self.case.actors:
            player = self.cast.players.get(key)
            if player is None or key not in self._seen or player.driver not in PLANNED:
                continue
            mine = self._course(key, time_us, then)
            ego = self._course(EGO, time_us, then)
            if will_touch(mine, ego):
                self._note(key, time_us, by_boxes=True)
            met = {EGO} if will_touch(self._course(key, time_us, then, as_spawned=True), ego) else set()
            others = {
                other
                for other in self.cast.players
                if other not in (key, EGO)
                and other in self._seen
                and will_touch(mine, self._course(other, time_us, then))
            }
            for other in sorted(met | others - self._beside.setdefault(key, others)):
                self._let_go(key, other, time_us)
                if other != EGO and self.cast.players[other].driver in PLANNED:
                    self._let_go(other, key, time_us)

    def _course(self, key: str, time_us: int, then: Mapping[str, Float64], *, as_spawned: bool = False) -> Course:
        """Of the recorded box, or of one that holds the blueprint's as well."""
        player, seen = self.cast.players[key], self._seen[key][-1]
        dt = (time_us - seen.time_us) / 1e6
        later = then.get(key)
        if player.driver not in PLANNED and key != EGO:
            later = seen.pose.copy()
            later[:3, 3] += self._velocity(key) * dt
        elif later is None:
            later = player.recorded_pose(time_us)
        if key == EGO:
            middle = np.eye(4)
            middle[0, 3] = self.shape.ahead_m
            return course_of(seen.pose @ middle, later @ middle, dt, (self.shape.length_m, self.shape.width_m))
        length, width = (float(side) for side in self.case.scene.track(key).size_m[:2])
        if as_spawned:
            extent = player.actor.bounding_box.extent
            length, width = max(length, 2 * extent.x), max(width, 2 * extent.y)
        return course_of(seen.pose, later, dt, (length, width))

    def _let_go(self, key: str, other: str, time_us: int) -> None:
        log.info("%s is about to touch %s, %.2f s; physics have it.", key, other, (time_us - self.case.start_us) / 1e6)
        self.struck.setdefault(key, other)
        if key in self.case.actors:
            self.director.let_go(key)
        self.cast.let_go(self.cast.players[key], self._seen[key][-1].time_us)

    def saw(self, time_us: int, frame: int) -> None:
        """Look at where everybody is after a tick."""
        self._times[frame] = time_us
        self._times.pop(frame - KEPT, None)
        for key, player in self.cast.players.items():
            self._seen.setdefault(key, deque(maxlen=KEPT)).append(_Sight(time_us, player.pose, player.driver))
            self._names[player.actor.id] = key
        self._look(time_us)
        self._measure(time_us)

    def _measure(self, time_us: int) -> None:
        sizes = {key: self.case.scene.track(key).size_m for key in self.case.actors if key in self.cast.players}
        others = {
            key: box_of_pose(self._seen[key][-1].pose, float(size[0]), float(size[1]), self._velocity(key))
            for key, size in sizes.items()
            if abs(self.cast.players[key].pose[2, 3] - self._seen[EGO][-1].pose[2, 3]) < LEVEL_M
        }
        ego = EgoState(self._seen[EGO][-1].pose, self._velocity(EGO)).box(self.shape)
        self._measurer.look((time_us - self.case.start_us) / 1e6, ego, others)

    @property
    def measures(self) -> Measures:
        """How critical it became so far."""
        return self._measurer.found

    def _look(self, time_us: int) -> None:
        ego = EgoState(self._seen[EGO][-1].pose, np.zeros(3))
        box = ego.box(self.shape)
        for key, player in self.cast.players.items():
            if key == EGO or abs(player.pose[2, 3] - ego.world_from_rig[2, 3]) > LEVEL_M:
                continue
            size = self.case.scene.track(key).size_m
            there = box_of_pose(player.pose, float(size[0]), float(size[1]))
            if hypot(there.x - box.x, there.y - box.y) < 20.0 and overlap(box, there):
                self._note(key, time_us, by_boxes=True)

    def _feel(self, event: Any) -> None:
        """A sensor's event, in the client's own thread."""
        self._felt.append((int(event.frame), int(event.other_actor.id), str(event.other_actor.type_id)))

    def _note(self, key: str, time_us: int, *, by_boxes: bool = False, by_sensor: bool = False) -> None:
        known = self._found.get(key)
        if known is not None:
            self._found[key] = replace(
                known,
                time_us=min(known.time_us, time_us),
                by_boxes=known.by_boxes or by_boxes,
                by_sensor=known.by_sensor or by_sensor,
            )
            return
        speed = float(np.linalg.norm(self._velocity(EGO, time_us) - self._velocity(key, time_us)))
        self._found[key] = Collision(key, time_us, speed, by_boxes, by_sensor)
        log.info("The ego touched %s after %.2f s at %.1f m/s.", key, (time_us - self.case.start_us) / 1e6, speed)

    def _velocity(self, key: str, before_us: int | None = None) -> Float64:
        """Velocity [3] as it was last seen, or at the last tick before a time, when physics had stopped nobody yet."""
        known = [sight for sight in self._seen.get(key, ()) if before_us is None or sight.time_us < before_us][-2:]
        player = self.cast.players.get(key)
        jumped = len(known) == 2 and known[1].driver in PLANNED and known[0].driver not in PLANNED
        if len(known) < 2 or jumped:
            return np.zeros(3) if player is None or not known else player.planned_velocity(known[-1].time_us)
        early, late = known
        return np.asarray((late.pose[:3, 3] - early.pose[:3, 3]) / ((late.time_us - early.time_us) / 1e6))

    @property
    def collisions(self) -> tuple[Collision, ...]:
        """Whom the ego touched so far, by time."""
        while self._felt:
            frame, actor, kind = self._felt.popleft()
            self._note(
                self._names.get(actor, kind), self._times.get(frame, self._seen[EGO][-1].time_us), by_sensor=True
            )
        return tuple(sorted(self._found.values(), key=lambda found: (found.time_us, found.other)))

    def close(self) -> None:
        """Take the sensor away."""
        self._sensor.stop()
        self._sensor.destroy()


def _shape(ego: Player) -> EgoShape:
    """The ego's box in its rig's frame."""
    box = ego.actor.bounding_box
    ahead = float((ego.body_from_actor @ [box.location.x, -box.location.y, box.location.z, 1.0])[0])
    return EgoShape(2 * box.extent.x, 2 * box.extent.y, 2 * box.extent.z, ahead)
