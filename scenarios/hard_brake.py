"""The vehicle ahead brakes hard."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from avrec.errors import AvrecError
from avrec.scenario import (
    AllOf,
    Distance,
    ElapsedTime,
    PaceEgo,
    Rehearsal,
    Scenario,
    SpeedTo,
    checked,
    ego_state,
    gap_ahead,
    replay,
    with_car,
)
from avrec.scenario.onward import onward
from avrec.scene import Scene
from scenarios.checks import (
    ahead_in_lane,
    box_at,
    can_brake,
    ego_box,
    on_the_way,
    right_gap,
    track_of_kind,
    within,
)
from scenarios.parameters import Within, in_range

__all__ = ["hard_brake"]


def hard_brake(
    scene: Scene | Scenario,
    *,
    brake_mps2: Annotated[float, Within(0.5, 10.0, "m/s²")] = 6.0,
    to_mps: Annotated[float, Within(0.0, 40.0, "m/s")] = 0.0,
    at_s: Annotated[float, Within(0.0, 600.0, "s")] = 1.0,
    near_m: Annotated[float, Within(1.0, 200.0, "m")] = 30.0,
    gap_m: Annotated[float | None, Within(1.0, 100.0, "m")] = None,
    actor: str | None = None,
) -> Scenario:
    """The vehicle that drives ahead of the ego brakes, once the ego is near enough for that to matter.

    Args:
        scene: to happen in; a scenario is forked.
        brake_mps2: deceleration.
        to_mps: speed to brake to.
        at_s: earliest time.
        near_m: it brakes only when the ego is nearer than this.
        gap_m: add a car this far ahead of the ego instead, which paces it until it brakes.
        actor: id of the recorded vehicle; None takes the one ahead in the ego's lane.

    Raises:
        AvrecError: it cannot happen in this recording and on this map; the text says what could.
    """
    case = replay(scene).fork(
        "hard_brake",
        tags=("braking", "vehicle", "lead vehicle"),
        kpis=("collision", "minimum distance", "TTC", "DRAC", "time headway"),
        brake_mps2=in_range(hard_brake, "brake_mps2", brake_mps2),
        to_mps=in_range(hard_brake, "to_mps", to_mps),
        at_s=in_range(hard_brake, "at_s", at_s),
        near_m=in_range(hard_brake, "near_m", near_m),
        gap_m=gap_m,
        actor=actor,
    )
    within(case, at_s, 0.5)
    brake = SpeedTo(to_mps, decel_mps2=brake_mps2)
    if gap_m is not None:
        if actor is not None:
            raise AvrecError("gap_m adds a car, actor names a recorded one. Give one of the two.")
        if in_range(hard_brake, "gap_m", gap_m) >= near_m:
            raise AvrecError(
                f"A car {gap_m:g} m ahead is never nearer than near_m={near_m:g}. Choose near_m above gap_m."
            )
        case, actor = _added(case, gap_m)
        case = case.when(ElapsedTime(0.0), PaceEgo(gap_m), actor=actor)
    elif actor is None:
        actor = _leader(case, at_s, near_m)
    else:
        _checked_leader(case, actor, at_s)
    case = case.when(AllOf(ElapsedTime(at_s), Distance(below_m=near_m)), brake, actor=actor)

    def why_not(found: Rehearsal) -> str:
        begun = found.begun[-1]
        if begun is None:
            return ""
        off = "" if gap_m is None else right_gap(begun, gap_m) or on_the_way(begun)
        return off or can_brake(begun, to_mps)

    return checked(case, advice="Try another at_s, near_m or gap_m.", expect=why_not)


def _added(case: Scenario, gap_m: float) -> tuple[Scenario, str]:
    start = case.start_us
    line = onward(case.scene.ego, start, case.scene)  # where the ego will be
    box = ego_box(case, start)
    front = np.array([box.x, box.y]) + box.axes[0] * box.length_m / 2
    speed = float(np.linalg.norm(ego_state(case, start).velocity_mps[:2]))
    return with_car(case, line, float(line.nearest(front)[0]) + gap_m, speed)


def _leader(case: Scenario, at_s: float, near_m: float) -> str:
    """Id of the vehicle ahead.

    Raises:
        AvrecError: there is none.
    """
    found = ahead_in_lane(case, case.start_us + round(at_s * 1e6), within_m=200.0)
    if found is None:
        raise AvrecError(
            f"No recorded vehicle drives ahead of the ego {at_s:g} s after the start. Add one with gap_m=15, or choose "
            "another at_s."
        )
    track, gap = found
    if gap > near_m:
        raise AvrecError(
            f"The vehicle ahead, {track.id}, is {gap:.1f} m away at {at_s:g} s. Choose near_m above that, another "
            "at_s, or add a car with gap_m=15."
        )
    return track.id


def _checked_leader(case: Scenario, actor: str, at_s: float) -> None:
    track = track_of_kind(case, actor, person=False)
    time_us = case.start_us + round(at_s * 1e6)
    if not track.covers(time_us):
        raise AvrecError(f"{actor} is not there {at_s:g} s after the start. Choose another at_s.")
    if not track.moving:
        raise AvrecError(f"{actor} stands all the time, so that it cannot brake. Choose a vehicle that drives.")
    ego, box = ego_box(case, time_us), box_at(track, time_us)
    if gap_ahead(ego, box) < 0.0 or abs(float(ego.axes[1] @ (box.x - ego.x, box.y - ego.y))) > 6.0:
        raise AvrecError(f"{actor} is not ahead of the ego {at_s:g} s after the start. Choose one that is.")
