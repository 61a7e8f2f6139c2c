"""Play a scenario against the recorded ego, without a simulator, to see whether it can happen."""

from __future__ import annotations

from dataclasses import dataclass
from math import hypot, inf
from typing import NamedTuple

import numpy as np

from avrec.errors import AvrecError
from avrec.scenario.added import ego_state
from avrec.scenario.boxes import EgoShape, box_of_pose, distance, overlap
from avrec.scenario.director import Director
from avrec.scenario.scenario import Scenario
from avrec.scenario.still import MOST_M2, still_area

__all__ = ["STILL", "Meeting", "Rehearsal", "checked", "rehearse"]

STEP_S = 0.05
STILL = "something that does not move"
LOOK_EVERY_M = 0.5


class Meeting(NamedTuple):
    """Two boxes touched: seconds since the start, and the ids."""

    time_s: float
    actor: str
    other: str


@dataclass(frozen=True)
class Rehearsal:
    """What would happen to a car that keeps to the recording.

    Attributes:
        fired_s: when each event of the case began, None where it never did.
        ego_hit: the first time that an actor of the case touches the ego.
        in_the_way: the first time before that, that an actor of the case touches somebody else, or that an added one
            touches `STILL`, a thing of the surface mesh.
        least_m, least_s: smallest distance between the ego and an actor of the case, and when.
    """

    fired_s: tuple[float | None, ...]
    ego_hit: Meeting | None
    in_the_way: Meeting | None
    least_m: float
    least_s: float


def rehearse(case: Scenario, *, step_s: float = STEP_S, ego_shape: EgoShape | None = None) -> Rehearsal:
    """Play a scenario against the recorded ego.

    Raises:
        AvrecError: an action cannot be begun where its actor is.
    """
    shape = ego_shape or case.ego_shape
    director = Director(case, shape)
    times = np.arange(case.start_us, case.end_us + 1, round(step_s * 1e6))
    recorded = {track.id: track.world_from_box.at(times, outside="hold") for track in case.scene.tracks}
    sizes = {track.id: (float(track.size_m[0]), float(track.size_m[1])) for track in case.scene.tracks}
    spans = {track.id: track.world_from_box.span_us for track in case.scene.tracks}
    ego_hit = in_the_way = None
    looked: dict[str, tuple[float, float]] = {}
    least, least_s = inf, 0.0
    for index, time_us in enumerate(times.tolist()):
        ego = ego_state(case, time_us)
        states = director.step(time_us, ego)
        seconds = (time_us - case.start_us) / 1e6
        there = {}
        for key, poses in recorded.items():
            if key in states:
                there[key] = box_of_pose(states[key].world_from_box, *sizes[key])
            elif spans[key][0] <= time_us <= spans[key][1] and key not in director.absent:
                there[key] = box_of_pose(poses[index], *sizes[key])
        ego_box = ego.box(shape)
        for key in case.actors:
            if key not in there:
                continue
            away = distance(ego_box, there[key])
            if away < least:
                least, least_s = away, seconds
            if away == 0.0 and ego_hit is None:
                ego_hit = Meeting(seconds, key, "ego")
            if in_the_way is None and ego_hit is None and (key in states or key in case.added):
                mine = there[key]
                for other, box in there.items():
                    if other != key and hypot(box.x - mine.x, box.y - mine.y) < 15.0 and overlap(mine, box):
                        in_the_way = Meeting(seconds, key, other)
                        break
                x, y = looked.get(key, (inf, inf))
                if key in case.added and key in states and hypot(mine.x - x, mine.y - y) > LOOK_EVERY_M:
                    looked[key] = (mine.x, mine.y)
                    foot_m = float(states[key].world_from_box[2, 3] - case.scene.track(key).size_m[2] / 2)
                    mesh = case.scene.mesh
                    if in_the_way is None and mesh is not None and still_area(mesh, mine, foot_m) > MOST_M2:
                        in_the_way = Meeting(seconds, key, STILL)
    begun = {id(event): (time_us - case.start_us) / 1e6 for time_us, event in director.fired}
    return Rehearsal(tuple(begun.get(id(event)) for event in case.events), ego_hit, in_the_way, least, least_s)


def checked(case: Scenario, *, advice: str = "Change the case.") -> Scenario:
    """The case, where it can happen against the recording: all of its events begin, and its actors run into nobody.

    Args:
        case: to check.
        advice: what would help, a sentence.

    Raises:
        AvrecError: it cannot.
    """
    found = rehearse(case)
    if found.in_the_way is not None:
        time_s, actor, other = found.in_the_way
        out = "" if other == STILL else f" Or leave {other} out with scene.without_actor({other!r})."
        raise AvrecError(f"In {case.name}, {actor} would run into {other} after {time_s:.1f} s. {advice}{out}")
    for event, begun in zip(case.events, found.fired_s, strict=True):
        if begun is None:
            raise AvrecError(
                f"In {case.name}, {event.actor} never comes to {', '.join(type(a).__name__ for a in event.actions)} "
                f"within the {case.seconds:.1f} s of the recording ({event.trigger!r} never holds). {advice}"
            )
    return case
