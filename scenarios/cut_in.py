"""A car changes into the ego's lane, close ahead, and brakes."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np

from avrec.errors import AvrecError
from avrec.scenario import (
    AllOf,
    ElapsedTime,
    Gap,
    KeepSpeed,
    LaneChange,
    PaceEgo,
    Rehearsal,
    Scenario,
    SpeedTo,
    Then,
    Trigger,
    checked,
    ego_state,
    gap_ahead,
    replay,
    with_car,
)
from avrec.scenario.onward import ego_way
from avrec.scenario.ways import STEEPEST_SLOPE
from avrec.scene import Scene
from scenarios.checks import (
    box_at,
    can_brake,
    ego_box,
    ego_place,
    on_the_way,
    one_of,
    right_gap,
    times_of,
    track_of_kind,
    within,
)
from scenarios.parameters import Within, in_range

__all__ = ["cut_in"]

MOST_LATERAL_MPS2 = 6.0
"""What tyres hold on a dry road."""
SLOWEST = 1.875 / STEEPEST_SLOPE
"""Way of the steepest lane change, in offsets."""


def cut_in(
    scene: Scene | Scenario,
    *,
    gap_m: Annotated[float, Within(1.0, 100.0, "m")] = 8.0,
    side: Literal["left", "right"] = "left",
    duration_s: Annotated[float, Within(0.5, 10.0, "s")] = 2.0,
    brake_mps2: Annotated[float, Within(0.0, 10.0, "m/s²")] = 6.0,
    to_mps: Annotated[float, Within(0.0, 40.0, "m/s")] = 0.0,
    at_s: Annotated[float, Within(0.0, 600.0, "s")] = 1.0,
    actor: str | None = None,
    overtaking: bool = False,
) -> Scenario:
    """A car changes from the lane beside into the ego's, ``gap_m`` ahead of it, and then brakes.

    An added car paces the ego, as fast as that is, until it changes lanes; so the gap is right for any driver. A
    recorded one follows its recording until the gap is ``gap_m``.

    Args:
        scene: to happen in; a scenario is forked.
        gap_m: from the ego's front to the car's rear when the lane change begins.
        side: of the ego on which the car comes.
        duration_s: of the lane change.
        brake_mps2: deceleration once the lane is changed; 0 drives on.
        to_mps: speed to brake to.
        at_s: when the lane change begins (of a recorded car: the earliest time).
        actor: id of a recorded vehicle that is beside the ego; None adds a car.
        overtaking: the car may come from the lane of oncoming traffic, as one does that overtakes.

    Raises:
        AvrecError: it cannot happen in this recording and on this map; the text says what could.
    """
    case = replay(scene).fork(
        "cut_in",
        tags=("cut-in", "vehicle", "lane change"),
        kpis=("collision", "minimum distance", "TTC", "DRAC", "time headway"),
        gap_m=in_range(cut_in, "gap_m", gap_m),
        side=side,
        duration_s=in_range(cut_in, "duration_s", duration_s),
        brake_mps2=in_range(cut_in, "brake_mps2", brake_mps2),
        to_mps=in_range(cut_in, "to_mps", to_mps),
        at_s=in_range(cut_in, "at_s", at_s),
        actor=actor,
        overtaking=overtaking,
    )
    one_of("side", side, "left", "right")
    one_of("overtaking", overtaking, True, False)
    within(case, at_s, duration_s + 0.5)
    begins_us = case.start_us + round(at_s * 1e6)
    offset = _lane_beside(case, begins_us, side, overtaking)
    lateral = 10.0 / np.sqrt(3.0) * offset / duration_s**2
    if lateral > MOST_LATERAL_MPS2:
        least = np.sqrt(10.0 / np.sqrt(3.0) * offset / MOST_LATERAL_MPS2)
        raise AvrecError(
            f"A lane change over {offset:.1f} m in {duration_s:g} s takes {lateral:.1f} m/s² sideways, which no tyre "
            f"holds. Choose duration_s of at least {np.ceil(10 * least) / 10:.1f}."
        )
    begin: Trigger = ElapsedTime(at_s)
    if actor is None:
        case, actor = _added(case, side, gap_m, overtaking)
        case = case.when(ElapsedTime(0.0), PaceEgo(gap_m), actor=actor)
    else:
        begin = AllOf(begin, _recorded_gap(case, actor, side, gap_m, begins_us))
    change = len(case.events)
    case = case.when(begin, LaneChange("ego", duration_s), KeepSpeed(), actor=actor)
    if brake_mps2 > 0.0:
        case = case.when(Then(), SpeedTo(to_mps, decel_mps2=brake_mps2), actor=actor)

    def why_not(found: Rehearsal) -> str:
        begun = [event for event in found.begun[change:] if event is not None]
        if not begun:
            return ""
        needs_s = SLOWEST * offset / max(begun[0].speed_mps, 0.1)
        if needs_s > 1.05 * duration_s:
            return f"the car goes only {begun[0].speed_mps:.1f} m/s: choose duration_s of {needs_s + 0.05:.1f} or more."
        if begun[0].time_s + duration_s > case.seconds:
            return "the recording ends before the lane is changed."
        off = right_gap(begun[0], gap_m) or on_the_way(begun[0], offset)
        return off or (on_the_way(begun[1]) or can_brake(begun[1], to_mps) if len(begun) > 1 else "")

    return checked(case, advice="Try another gap_m, side or at_s.", expect=why_not)


def _lane_beside(case: Scenario, time_us: int, side: Literal["left", "right"], overtaking: bool) -> float:
    """How far the lane beside is from the ego's, metres.

    Raises:
        AvrecError: there is none that a car may come from.
    """
    place = ego_place(case, time_us)
    found = case.road.beside(place, side)
    other: Literal["left", "right"] = "right" if side == "left" else "left"
    there = case.road.beside(place, other)
    hint = f" There is one on the {other}." if there is not None and there[0].drivable and there[1] else ""
    if found is None:
        raise AvrecError(f"The map has no lane on the {side} of the ego.{hint}")
    lane, same = found
    if not lane.drivable:
        raise AvrecError(f"On the {side} of the ego is no lane to drive on but one for {lane.kind}.{hint}")
    if not same and not overtaking:
        raise AvrecError(
            f"The lane on the {side} of the ego is for oncoming traffic.{hint} A car that overtakes the ego comes from "
            "there: set overtaking to true."
        )
    box, own = ego_box(case, time_us), case.road.line(place.lane)
    here = own.at(own.nearest((box.x, box.y))[0])[0]
    return abs(float(case.road.line(lane, against=not same).nearest(here)[1]))


def _added(case: Scenario, side: Literal["left", "right"], gap_m: float, overtaking: bool) -> tuple[Scenario, str]:
    start = case.start_us
    place = ego_place(case, start)
    found = case.road.beside(place, side)
    if found is None or not found[0].drivable or not (found[1] or overtaking):
        raise AvrecError(
            f"The lane on the {side} begins only later, so that the car cannot be there from the start. Begin later "
            "(--start SECONDS; replay(scene, start_us=...) in Python)."
        )
    line = case.road.line(found[0], against=not found[1], along=ego_way(case.scene))
    box = ego_box(case, start)
    front = np.array([box.x, box.y]) + box.axes[0] * box.length_m / 2
    along = float(line.nearest(front)[0]) + gap_m
    return with_car(case, line, along, float(np.linalg.norm(ego_state(case, start).velocity_mps[:2])))


def _recorded_gap(case: Scenario, actor: str, side: str, gap_m: float, begins_us: int) -> Gap:
    """The trigger at which a recorded vehicle has the gap, coming nearer or getting ahead.

    Raises:
        AvrecError: it is not beside the ego, or never has that gap.
    """
    track = track_of_kind(case, actor, person=False)
    first, last = track.world_from_box.span_us
    times = [int(time) for time in times_of(case) if max(first, begins_us) <= time <= last]
    if not times:
        raise AvrecError(f"{actor} is not there after at_s={case.parameters['at_s']:g}. Choose an earlier at_s.")
    pairs = [(ego_box(case, time), box_at(track, time)) for time in times]
    gaps = np.array([gap_ahead(ego, box) for ego, box in pairs])
    if not gaps.min() <= gap_m <= gaps.max():
        raise AvrecError(
            f"The gap to {actor} is {gaps.min():.1f} to {gaps.max():.1f} m in the recording, never {gap_m:g} m. Choose "
            "gap_m within that."
        )
    nearer = bool(gaps[0] > gap_m)
    ego, box = pairs[int(np.argmax(gaps <= gap_m if nearer else gaps >= gap_m))]
    if np.cos(box.yaw - ego.yaw) < 0.7:
        raise AvrecError(f"{actor} does not drive in the ego's direction, so that it cannot cut in. Choose another.")
    left = float(ego.axes[1] @ (box.x - ego.x, box.y - ego.y))
    if not 1.5 < (left if side == "left" else -left) < 6.0:
        raise AvrecError(f"{actor} is not in the lane on the {side} of the ego. Choose another actor or side.")
    return Gap(below_m=gap_m) if nearer else Gap(above_m=gap_m)
