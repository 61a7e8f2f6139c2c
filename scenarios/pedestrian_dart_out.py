"""A person runs across the road in front of the ego."""

from __future__ import annotations

from math import isfinite
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray

from avrec.drive import Track
from avrec.errors import AvrecError
from avrec.scenario import (
    AllOf,
    ElapsedTime,
    Guide,
    Rehearsal,
    Scenario,
    Situation,
    SpeedTo,
    TimeToReach,
    WalkAcross,
    checked,
    replay,
    time_to_reach,
    with_person,
)
from avrec.scene import Scene
from scenarios.checks import box_at, ego_box, ego_path, one_of, times_of, track_of_kind
from scenarios.parameters import Within, in_range

__all__ = ["pedestrian_dart_out"]

Float64 = NDArray[np.float64]

ACCEL_MPS2 = 5.0
LEAST_FROM_M, USUAL_FROM_M = 1.5, 3.5
BESIDE_LANES_M = 0.4
"""Who stands at the roadside is so far from the lanes that are driven on."""
EARLY_S = 0.3
"""Between the start of the scenario and the person's, so that they are seen to stand."""
MOST_PLACES = 80
LATE_S = 0.3
"""Between a blind car's arrival and the end of the recording."""
SOON_S = 0.01
"""So that what is to hold at a step does, whatever rounding says."""


def pedestrian_dart_out(
    scene: Scene | Scenario,
    *,
    side: Literal["left", "right"] = "right",
    speed_mps: Annotated[float, Within(0.5, 8.0, "m/s")] = 2.5,
    from_m: Annotated[float | None, Within(1.5, 15.0, "m")] = None,
    place_m: Annotated[float | None, Within(1.0, 1000.0, "m")] = None,
    late_s: Annotated[float, Within(-3.0, 3.0, "s")] = 0.0,
    beyond_m: Annotated[float, Within(0.0, 30.0, "m")] = 3.0,
    actor: str | None = None,
) -> Scenario:
    """A person at the roadside runs across when the ego has just the time to hit them.

    They begin when the ego, at the speed that it has, needs as long to where they are as they need to the middle of
    its way. A car that drives more slowly is met as well.

    Args:
        scene: to happen in; a scenario is forked.
        side: of the ego's way on which they stand.
        speed_mps: how fast they run; they reach it at 5 m/s².
        from_m: distance of the place where they stand from the middle of the ego's way; None takes the roadside, where
            no lane is driven on (3.5 m where the map does not tell).
        place_m: how far along the recorded way they stand, from the ego's front at the start; None takes the first
            place that works.
        late_s: how much later they begin; negative earlier.
        beyond_m: how far past the ego's side they run.
        actor: id of a recorded person who is near the ego's way; None adds one.

    Raises:
        AvrecError: it cannot happen in this recording; the text says what could.
    """
    case = replay(scene).fork(
        "pedestrian_dart_out",
        tags=("pedestrian", "crossing"),
        kpis=("collision", "minimum distance", "TTC", "BTN"),
        side=side,
        speed_mps=in_range(pedestrian_dart_out, "speed_mps", speed_mps),
        from_m=None if from_m is None else in_range(pedestrian_dart_out, "from_m", from_m),
        place_m=place_m,
        late_s=in_range(pedestrian_dart_out, "late_s", late_s),
        beyond_m=in_range(pedestrian_dart_out, "beyond_m", beyond_m),
        actor=actor,
    )
    one_of("side", side, "left", "right")
    path = ego_path(case)
    if actor is not None:
        if place_m is not None:
            raise AvrecError("place_m is of an added person, actor names a recorded one. Give one of the two.")
        return _recorded(case, path, track_of_kind(case, actor, person=True))
    if place_m is not None:
        return _at_place(case, path, in_range(pedestrian_dart_out, "place_m", place_m))
    blocked = "There is not enough time: choose a higher speed_mps, a smaller from_m or a longer part of the recording."
    for place in np.arange(4.0, path.length_m, max(1.0, path.length_m / MOST_PLACES)).tolist():
        try:
            if not _too_early_or_late(case, path, place, _crossing_s(from_m or LEAST_FROM_M, speed_mps) - late_s):
                return _at_place(case, path, place)
        except AvrecError as error:
            blocked = f"At the last place that is in time: {error}"
    raise AvrecError(
        f"Nowhere along the {path.length_m:.0f} m of the recorded way can a person dart out on the {side}. {blocked}"
    )


def _front_m(case: Scenario) -> float:
    """The ego's front ahead of its rig."""
    return case.ego_shape.ahead_m + case.ego_shape.length_m / 2


def _crossing_s(distance_m: float, speed_mps: float) -> float:
    """Time to run a distance from standing: d / v + v / 2a, or sqrt(2 d / a) where the speed is not reached."""
    if distance_m < speed_mps**2 / (2 * ACCEL_MPS2):
        return float(np.sqrt(2 * distance_m / ACCEL_MPS2))
    return distance_m / speed_mps + speed_mps / (2 * ACCEL_MPS2)


def _arrival_s(case: Scenario, path: Guide, along_m: float) -> float:
    """When the recorded ego's front reaches a place of its way; infinite where it does not."""
    times = times_of(case)
    fronts = path.nearest(case.scene.ego.at(times, outside="hold")[:, :2, 3])[0] + _front_m(case)
    reached = np.flatnonzero(fronts >= along_m)
    return float(times[reached[0]] - case.start_us) / 1e6 if len(reached) else float("inf")


def _too_early_or_late(case: Scenario, path: Guide, place_m: float, crossing_s: float) -> str:
    """Why the recorded ego cannot be met at a place; empty where it can."""
    arrives = _arrival_s(case, path, _front_m(case) + place_m)
    if arrives + LATE_S > case.seconds:
        return (
            f"The recorded ego does not reach {place_m:g} m early enough before the recording ends. Choose place_m "
            f"below {path.length_m - _front_m(case):.0f}."
        )
    if arrives - crossing_s < EARLY_S:
        return (
            f"The recorded ego is at {place_m:g} m after {arrives:.1f} s already, but the person needs "
            f"{crossing_s:.1f} s. Choose a larger place_m, a higher speed_mps or a smaller from_m."
        )
    return ""


def _roadside_m(case: Scenario, point: Float64, aside: Float64) -> float:
    """How far from the middle of the ego's way no lane is driven on any more.

    Raises:
        AvrecError: that is too far.
    """
    if case.scene.map_xodr is None or not case.road.driven(point[None])[0]:
        return USUAL_FROM_M
    away = np.arange(LEAST_FROM_M, 15.0, 0.1)
    driven = case.road.driven(point + away[:, None] * aside, BESIDE_LANES_M)
    free = np.flatnonzero(~driven)
    if not len(free):
        raise AvrecError("Lanes are driven on for 15 m beside the ego's way, too far to run. Choose from_m.")
    return float(round(away[free[0]], 1))


def _at_place(case: Scenario, path: Guide, place_m: float) -> Scenario:
    """The case with a person at a place.

    Raises:
        AvrecError: it does not work there.
    """
    along = _front_m(case) + place_m
    sign = 1.0 if case.parameters["side"] == "left" else -1.0
    point, heading = path.at(along)
    aside = np.array([-np.sin(heading), np.cos(heading)]) * sign
    if case.parameters["from_m"] is None:
        case = case.fork(case.name, from_m=_roadside_m(case, point, aside))
    crossing_s = _crossing_s(case.parameters["from_m"], case.parameters["speed_mps"]) - case.parameters["late_s"]
    why = _too_early_or_late(case, path, place_m, crossing_s)
    if why:
        raise AvrecError(why)
    here = point + aside * case.parameters["from_m"]
    case, actor = with_person(case, here, float(np.arctan2(-aside[1], -aside[0])))
    begins_us = case.start_us + round((_arrival_s(case, path, along) - crossing_s) * 1e6)
    return _darts(case, actor, begins_us, crossing_s, 0.0, "Choose another place_m.")


def _darts(case: Scenario, actor: str, begins_us: int, crossing_s: float, at_s: float, advice: str) -> Scenario:
    """The case in which a person runs when the ego is as near, in time, as the recorded one is at ``begins_us``.

    Raises:
        AvrecError: it cannot happen, or a car that looks at nobody would not hit a person who is not late.
    """
    near_s = time_to_reach(Situation(0.0, ego_box(case, begins_us), box_at(case.scene.track(actor), begins_us)))
    if not isfinite(near_s):
        raise AvrecError(f"The recorded ego stands, or is past them, when {actor} would have to begin. {advice}")
    speed = SpeedTo(case.parameters["speed_mps"], accel_mps2=ACCEL_MPS2)
    when = AllOf(ElapsedTime(at_s), TimeToReach(below_s=near_s + SOON_S))
    case = case.when(when, WalkAcross(case.parameters["beyond_m"]), speed, actor=actor)

    def why_not(found: Rehearsal) -> str:
        if case.parameters["late_s"] != 0.0 or (found.ego_hit is not None and found.ego_hit.actor == actor):
            return ""
        return f"the recorded ego would miss {actor} by {found.least_m:.1f} m, for it changes its speed or its way."

    return checked(case, advice=advice, expect=why_not)


def _recorded(case: Scenario, path: Guide, track: Track) -> Scenario:
    """The case with a recorded person, who turns at the first time from which they would meet the ego.

    Raises:
        AvrecError: they never could.
    """
    first, last = track.world_from_box.span_us
    speed, late = float(case.parameters["speed_mps"]), float(case.parameters["late_s"])
    for time in times_of(case)[6:].tolist():
        if not first <= time <= last:
            continue
        along, left = (float(value) for value in path.nearest(track.world_from_box.at(time)[:2, 3]))
        seconds = (time - case.start_us) / 1e6
        arrives = _arrival_s(case, path, along)
        needs = _crossing_s(abs(left), speed) - late
        if 1.0 < abs(left) < 15.0 and needs > 0.0 and arrives + LATE_S <= case.seconds and arrives - seconds <= needs:
            if needs - (arrives - seconds) > 0.3:
                break  # the ego was too near from the start
            case = case.fork(case.name, side="left" if left > 0 else "right", from_m=abs(left))
            return _darts(case, track.id, time, needs, seconds, "Choose another person.")
    people = ", ".join(other.id for other in case.scene.tracks if other.label == track.label and other.id != track.id)
    raise AvrecError(
        f"{track.id} is never where they could run into the recorded ego's way in time. Choose another speed_mps or "
        f"person ({people[:200] or 'there is no other'}), or let one be added by naming no actor."
    )
