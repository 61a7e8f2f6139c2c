"""Play a scenario against the recorded ego, without a simulator, to see whether it can happen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import hypot, inf
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from avrec.drive import Track
from avrec.errors import AvrecError
from avrec.scenario.boxes import Box, EgoShape, box_of_pose, gap_ahead, overlap
from avrec.scenario.crash import after_hit, mass_of
from avrec.scenario.director import Director, EgoState
from avrec.scenario.measures import Measurer, Measures
from avrec.scenario.mover import ActorState
from avrec.scenario.numbers import number
from avrec.scenario.onward import ego_way
from avrec.scenario.scenario import Scenario
from avrec.scenario.still import MOST_M2, still_area

__all__ = ["STILL", "Beginning", "Meeting", "Rehearsal", "checked", "rehearse"]

Float64 = NDArray[np.float64]

STEP_S = 0.05
STILL = "something that does not move"
LOOK_EVERY_M = 0.5


class Meeting(NamedTuple):
    """Two boxes touched: seconds since the start, and the ids."""

    time_s: float
    actor: str
    other: str


class Beginning(NamedTuple):
    """How it was when an event began.

    Attributes:
        time_s: since the start.
        speed_mps: of the actor.
        gap_m: ahead of the ego.
        aside_m: how far to the left of the recorded ego's way the actor is.
    """

    time_s: float
    speed_mps: float
    gap_m: float
    aside_m: float


@dataclass(frozen=True)
class Rehearsal:
    """What would happen to a car that keeps to the recording.

    Attributes:
        begun: how each event of the case began, None where it never did.
        ego_hit: the first time that an actor of the case touches the ego.
        in_the_way: the first time before that, that an actor of the case touches somebody else whom it did not touch
            when it left the recording, or that an added one touches `STILL`, a thing of the surface mesh.
        measures: how critical it became.
    """

    begun: tuple[Beginning | None, ...]
    ego_hit: Meeting | None
    in_the_way: Meeting | None
    measures: Measures

    @property
    def least_m(self) -> float:
        """Smallest distance between the ego and an actor of the case; infinite where none was there."""
        return inf if self.measures.distance_m is None else self.measures.distance_m.value

    @property
    def least_s(self) -> float:
        """When that was."""
        return 0.0 if self.measures.distance_m is None else self.measures.distance_m.time_s

    @property
    def fired_s(self) -> tuple[float | None, ...]:
        """When each event began."""
        return tuple(None if event is None else event.time_s for event in self.begun)


def rehearse(case: Scenario, *, step_s: float = STEP_S, ego_shape: EgoShape | None = None) -> Rehearsal:
    """Play a scenario against the recorded ego, which keeps to its recording whatever it hits.

    Actors of the case that touch somebody are no longer directed: they slide to rest (see `after_hit`).

    Raises:
        AvrecError: an action cannot be begun where its actor is.
    """
    step_us = round(1e6 * number("", "step_s", step_s, 0.001, 0.5, "s"))
    shape = ego_shape or case.ego_shape
    director = Director(case, shape)
    times = np.arange(case.start_us, case.end_us + 1, step_us)
    others = _Others(case, times)
    poses = case.scene.ego.at(times, outside="hold")
    velocities = np.nan_to_num(case.scene.ego.velocity_at(times)[0])
    begun: dict[int, Beginning] = {}
    way = ego_way(case.scene)
    ego_hit = in_the_way = None
    measurer = Measurer()
    for index, time_us in enumerate(times.tolist()):
        ego = EgoState(poses[index], velocities[index])
        states = director.step(time_us, ego)
        seconds = (time_us - case.start_us) / 1e6
        ego_box = ego.box(shape)
        for _, event in director.fired[len(begun) :]:
            state = states[event.actor]
            box = others.box(event.actor, state)
            aside = float(way.nearest((box.x, box.y))[1])
            begun[id(event)] = Beginning(seconds, state.speed_mps, gap_ahead(ego_box, box), aside)
        there = others.at(index, states, director.absent)
        measurer.look(seconds, ego_box, {key: there[key] for key in case.actors if key in there})
        for key in case.actors:
            if key not in there:
                continue
            if overlap(ego_box, there[key]):
                ego_hit = ego_hit or Meeting(seconds, key, "ego")
                director.let_go(key, after_hit(there[key], ego_box))
            elif key in states or key in case.added:
                other = None if key in director.hit else others.touched_by(key, there, states)
                if other is not None:
                    in_the_way = in_the_way or (None if ego_hit else Meeting(seconds, key, other))
                    others.part(director, key, other, there)
    return Rehearsal(tuple(begun.get(id(event)) for event in case.events), ego_hit, in_the_way, measurer.found)


class _Others:
    """Where everybody of a case is at some times, and who touches whom."""

    def __init__(self, case: Scenario, times: NDArray[np.int64]) -> None:
        self.case = case
        self._tracks = {track.id: track for track in case.scene.tracks}
        self._recorded: dict[str, Float64] = {}
        self._there: dict[str, NDArray[np.bool_]] = {}
        for key, track in self._tracks.items():
            first, last = track.world_from_box.span_us
            poses = track.world_from_box.at(times, outside="hold")
            yaw = np.arctan2(poses[:, 1, 0], poses[:, 0, 0])
            velocity = np.nan_to_num(track.world_from_box.velocity_at(times)[0][:, :2])
            self._recorded[key] = np.column_stack([poses[:, :2, 3], yaw, velocity])
            self._there[key] = (times >= first) & (times <= last)
        self._touching: dict[str, set[str]] = {}
        self._looked: dict[str, tuple[float, float]] = {}

    def box(self, key: str, state: ActorState) -> Box:
        """Of an actor that has left its recording."""
        return box_of_pose(state.world_from_box, *_size(self._tracks[key]), state.velocity_mps)

    def at(self, index: int, states: Mapping[str, ActorState], absent: frozenset[str]) -> dict[str, Box]:
        """Everybody who is there at one of the times."""
        there = {}
        for key, track in self._tracks.items():
            if key in states:
                there[key] = self.box(key, states[key])
            elif self._there[key][index] and key not in absent:
                x, y, yaw, vx, vy = self._recorded[key][index].tolist()
                there[key] = Box(x, y, yaw, *_size(track), vx, vy)
        return there

    def part(self, director: Director, key: str, other: str, there: Mapping[str, Box]) -> None:
        """Two touched: those of them that play a part in the case slide to rest."""
        if other == STILL:
            director.let_go(key, np.zeros(2))
            return
        masses = {name: mass_of(self._tracks[name].size_m) for name in (key, other)}
        movable = other in self.case.actors
        share = masses[other] / sum(masses.values()) if movable else 1.0
        director.let_go(key, after_hit(there[key], there[other], share))
        if movable:
            director.let_go(other, after_hit(there[other], there[key], 1.0 - share))

    def touched_by(self, key: str, there: Mapping[str, Box], states: Mapping[str, ActorState]) -> str | None:
        """Whom, or what, an actor touches; recorded boxes that overlapped from the start do not count."""
        mine = there[key]
        reach = hypot(mine.length_m, mine.width_m) / 2
        touched = {
            other
            for other, box in there.items()
            if other != key
            and hypot(box.x - mine.x, box.y - mine.y) < reach + hypot(box.length_m, box.width_m) / 2
            and overlap(mine, box)
        }
        known = self._touching.setdefault(key, set() if key in self.case.added else touched)
        if touched - known:
            return min(touched - known)
        mesh = self.case.scene.mesh
        x, y = self._looked.get(key, (inf, inf))
        if mesh is None or key not in self.case.added or key not in states:
            return None
        if hypot(mine.x - x, mine.y - y) <= LOOK_EVERY_M:
            return None
        self._looked[key] = (mine.x, mine.y)
        foot_m = float(states[key].world_from_box[2, 3] - self._tracks[key].size_m[2] / 2)
        return STILL if still_area(mesh, mine, foot_m) > MOST_M2 else None


def _size(track: Track) -> tuple[float, float]:
    return float(track.size_m[0]), float(track.size_m[1])


def checked(
    case: Scenario, *, advice: str = "Change the case.", expect: Callable[[Rehearsal], str] | None = None
) -> Scenario:
    """The case, where it can happen against the recording: all of its events begin, and its actors run into nobody.

    Args:
        case: to check.
        advice: what would help, a sentence.
        expect: what else is to come about in the rehearsal: a function that says in a sentence why not, or nothing
            where it does (and where events have not begun, of which the text tells anyway).

    Raises:
        AvrecError: it cannot.
    """
    found = rehearse(case)
    if found.in_the_way is not None:
        time_s, actor, other = found.in_the_way
        out = "" if other == STILL else f" Or leave {other} out (--without {other}; scene.without_actor in Python)."
        raise AvrecError(f"In {case.name}, {actor} would run into {other} after {time_s:.1f} s. {advice}{out}")
    why = "" if expect is None else expect(found)
    if why:
        raise AvrecError(f"In {case.name}, {why} {advice}")
    for event, begun in zip(case.events, found.begun, strict=True):
        if begun is not None:
            continue
        what = " and ".join(map(str, event.actions))
        if found.ego_hit is not None and found.ego_hit.actor == event.actor:
            raise AvrecError(
                f"In {case.name}, the recorded ego hits {event.actor} after {found.ego_hit.time_s:.1f} s, before "
                f"it is to {what}. {advice}"
            )
        raise AvrecError(
            f"In {case.name}, {event.actor} never comes to {what} within the {case.seconds:.1f} s of the recording. It "
            f"waits for: {event.trigger}. {advice}"
        )
    return case
