"""Actions that change where an actor goes."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from avrec.errors import AvrecError
from avrec.scenario.actions import Stage
from avrec.scenario.boxes import Box
from avrec.scenario.guide import Guide, blended, guide_of
from avrec.scenario.mover import Mover
from avrec.scenario.numbers import number
from avrec.scenario.triggers import Situation

__all__ = ["STEEPEST_SLOPE", "FollowPath", "LaneChange", "WalkAcross"]

log = logging.getLogger(__name__)

Float64 = NDArray[np.float64]

STEEPEST_SLOPE = 0.6
"""Of a lane change against the lane, the turning circle of a car; who is slow takes longer rather than sliding."""
JOIN_S, LEAST_JOIN_M = 2.0, 8.0
CORNER_M = 0.4
ON_THE_WAY_M = 2.5
"""So near to the recorded path the ego is taken to keep to it."""


@dataclass(frozen=True)
class LaneChange:
    """Go over into another lane within ``duration_s`` at the speed that there is when it begins.

    The offset follows a curve of degree five (see `smooth_step`), laid out over the way of that time: who brakes on
    it takes the same way more slowly. ``to`` is ``"left"``, ``"right"``, or ``"ego"`` for the lane the ego is in; off
    the map that is the path of the recorded ego.
    """

    to: Literal["left", "right", "ego"] = "ego"
    duration_s: float = 2.5

    def __post_init__(self) -> None:
        if self.to not in ("left", "right", "ego"):
            raise AvrecError(f"A lane change leads to 'left', 'right' or 'ego', not to '{self.to}'.")
        number("LaneChange", "duration_s", self.duration_s, 0.3, 30.0, "s")

    def __str__(self) -> str:
        where = "the ego's lane" if self.to == "ego" else f"the lane on the {self.to}"
        return f"go over into {where} in {self.duration_s:g} s"

    def begin(self, actor: Mover, now: Situation, stage: Stage) -> None:
        """See the class.

        Raises:
            AvrecError: there is no such lane, or the actor is a person.
        """
        if actor.walks:
            raise AvrecError("A person cannot change lanes. Use FollowPath or WalkAcross.")
        goal = self._goal(actor, now, stage)
        offset = abs(float(goal.nearest(actor.pose[:2, 3])[1]))
        least = 1.875 * offset / STEEPEST_SLOPE
        line, until = blended(actor.guide, actor.along_m, goal, max(actor.speed_mps * self.duration_s, least, 1.0))
        actor.go(line, until_m=until)

    def _goal(self, actor: Mover, now: Situation, stage: Stage) -> Guide:
        if self.to == "ego":
            place = stage.road.place(np.array([now.ego.x, now.ego.y]), now.ego.yaw)
            if place is not None:
                way, keeps = stage.ego_way, _keeps_to(stage.ego_way, now.ego)
                return _alike(stage.road.line(place.lane, along=way if keeps else None), actor)
            log.warning("The ego is on no lane of the map; who changes into its lane takes the recorded path instead.")
            return _alike(stage.ego_way, actor)
        place = stage.road.place(actor.pose[:2, 3], actor.yaw, drivable=False, against=True)
        found = None if place is None else stage.road.beside(place, self.to)
        if found is None:
            x, y = actor.pose[:2, 3]
            raise AvrecError(
                f"There is no lane on the {self.to} of the actor at ({x:.1f}, {y:.1f}). Choose another way."
            )
        return stage.road.line(found[0], against=not found[1], along=actor.guide)


@dataclass(frozen=True, eq=False)
class FollowPath:
    """Go along points of the world, ``((x, y), ...)`` in metres, and stop at the last one.

    A vehicle goes over to the path within two seconds of way, so let it begin beside or behind the path; a person
    goes to its first point.
    """

    points: Sequence[Sequence[float]]

    def __post_init__(self) -> None:
        try:
            points = np.asarray(self.points, np.float64)
        except (TypeError, ValueError):
            points = np.empty(0)
        if points.ndim != 2 or points.shape[1] not in (2, 3) or not len(points) or not np.isfinite(points).all():
            raise AvrecError("FollowPath needs points ((x, y), ...) of finite numbers. Give at least one.")
        object.__setattr__(self, "points", tuple(map(tuple, points.tolist())))

    def __str__(self) -> str:
        return f"follow a path of {len(self.points)} points"

    def begin(self, actor: Mover, now: Situation, stage: Stage) -> None:
        """See the class.

        Raises:
            AvrecError: a vehicle is to take a path of one point, or one that leads back.
        """
        if actor.walks:
            _walk(actor, np.asarray(self.points)[:, :2])
            return
        goal = guide_of(self.points)
        if _against(goal, actor):
            x, y = actor.pose[:2, 3]
            raise AvrecError(
                f"The path leads against the way of the vehicle at ({x:.1f}, {y:.1f}), which cannot turn round. "
                "Turn the path round."
            )
        line, until = blended(actor.guide, actor.along_m, goal, max(JOIN_S * actor.speed_mps, LEAST_JOIN_M))
        end = float(line.nearest(goal.points[-1])[0])
        actor.go(line, until_m=max(end, until), stop_m=max(end, until))


@dataclass(frozen=True)
class WalkAcross:
    """Straight across the ego's way, and ``beyond_m`` past its side; together with `SpeedTo`.

    The way is the recorded one while the ego keeps to it, and straight ahead of the ego elsewhere.
    """

    beyond_m: float = 3.0

    def __post_init__(self) -> None:
        number("WalkAcross", "beyond_m", self.beyond_m, 0.0, 100.0, "m")

    def __str__(self) -> str:
        return f"cross the ego's way, up to {self.beyond_m:g} m past its side"

    def begin(self, actor: Mover, now: Situation, stage: Stage) -> None:
        """See the class."""
        here = actor.pose[:2, 3] + _corner(actor)
        way, own_left = _way_of_ego(now, stage)
        along, left = (float(value) for value in way.nearest(here))
        heading = float(way.at(along)[1])
        aside = left - own_left
        across = np.array([-np.sin(heading), np.cos(heading)]) * (-1.0 if aside > 0 else 1.0)
        _walk(actor, (here + across * (abs(aside) + now.ego.width_m / 2 + self.beyond_m))[None])


def _against(goal: Guide, actor: Mover) -> bool:
    """Whether a line leads back where an actor comes from."""
    own = float(actor.guide.at(actor.along_m)[1])
    return bool(np.cos(float(goal.at(goal.nearest(actor.pose[:2, 3])[0])[1]) - own) < 0.0)


def _alike(goal: Guide, actor: Mover) -> Guide:
    """A line, turned round where an actor comes the other way."""
    return goal.reversed if _against(goal, actor) else goal


def _keeps_to(way: Guide, ego: Box) -> bool:
    """Whether the ego is on a way, and drives as it leads."""
    along, left = (float(value) for value in way.nearest((ego.x, ego.y)))
    return abs(left) < ON_THE_WAY_M and bool(np.cos(float(way.at(along)[1]) - ego.yaw) > 0.7)


def _way_of_ego(now: Situation, stage: Stage) -> tuple[Guide, float]:
    """Where the ego is going, and how far to the left of that line it keeps."""
    here = np.array([now.ego.x, now.ego.y])
    left = float(stage.ego_way.nearest(here)[1])
    if _keeps_to(stage.ego_way, now.ego):
        return stage.ego_way, left
    return Guide(np.stack([here, here + now.ego.axes[0]])), 0.0


def _corner(actor: Mover) -> Float64:
    """How far ahead a person who walks begins to turn, [2]."""
    return np.array([np.cos(actor.yaw), np.sin(actor.yaw)]) * (CORNER_M if actor.speed_mps > 0.2 else 0.0)


def _walk(actor: Mover, points: Float64) -> None:
    """A person goes along points; who is walking turns in a small curve."""
    here = actor.pose[:2, 3]
    tip = here + _corner(actor)
    corner = []
    if (tip != here).any():
        away = float(np.linalg.norm(points[0] - tip))
        there = tip + (points[0] - tip) / max(away, 1e-9) * min(CORNER_M, away)
        for share in np.linspace(0.1, 1.0, 10):  # a parabola (a quadratic Bezier curve) round the tip
            corner.append((1 - share) ** 2 * here + 2 * share * (1 - share) * tip + share**2 * there)
    line = guide_of(np.stack([here, *corner, *points]), 0.1)
    actor.go(line, until_m=line.length_m, stop_m=line.length_m)
