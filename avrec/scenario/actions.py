"""What an actor does from some moment on. Speed and way are separate: actions of both kinds go together.

An action is anything with a method ``begin(actor, now, stage)``; it changes the :class:`~avrec.scenario.mover.Mover`.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from avrec.errors import AvrecError
from avrec.scenario.boxes import gap_ahead
from avrec.scenario.guide import Guide, blended, guide_of
from avrec.scenario.mover import Cruise, Mover, advanced
from avrec.scenario.road import Road, road_of
from avrec.scenario.triggers import Situation
from avrec.scene import Scene

__all__ = [
    "Action",
    "Appear",
    "FollowPath",
    "Hold",
    "KeepSpeed",
    "LaneChange",
    "PaceEgo",
    "SpeedTo",
    "Stage",
    "WalkAcross",
]

log = logging.getLogger(__name__)

Float64 = NDArray[np.float64]

STEEPEST_SLOPE = 0.5
"""Of a lane change against the lane; a car that is slow takes longer rather than going sideways."""
JOIN_S, LEAST_JOIN_M = 2.0, 8.0
CORNER_M = 0.4


@dataclass(frozen=True)
class Stage:
    """What actions may look at: the scene, and its lanes."""

    scene: Scene

    @property
    def road(self) -> Road:
        """The lanes.

        Raises:
            AvrecError: the scene has no map.
        """
        return road_of(self.scene)


class Action(Protocol):
    """Something to do."""

    def begin(self, actor: Mover, now: Situation, stage: Stage) -> None:
        """Change what the actor does."""
        ...


@dataclass(frozen=True)
class SpeedTo:
    """Go to a speed and keep it; ``accel_mps2`` where that means faster, ``decel_mps2`` where slower."""

    mps: float
    accel_mps2: float = 2.5
    decel_mps2: float = 6.0

    def __post_init__(self) -> None:
        if not (isfinite(self.mps) and self.mps >= 0.0):
            raise AvrecError(f"SpeedTo needs a speed of at least 0 m/s, found {self.mps}. Nobody reverses on command.")
        for name in ("accel_mps2", "decel_mps2"):
            if not 0.0 < getattr(self, name) <= 12.0:
                raise AvrecError(f"SpeedTo needs {name} above 0 and up to 12 m/s², found {getattr(self, name)}.")

    def begin(self, actor: Mover, now: Situation, stage: Stage) -> None:
        """See the class."""
        actor.plan = self

    def step(self, speed_mps: float, dt: float, now: Situation) -> tuple[float, float]:
        """See `SpeedPlan`."""
        return advanced(speed_mps, self.mps, self.accel_mps2 if self.mps > speed_mps else self.decel_mps2, dt)

    def done(self, speed_mps: float) -> bool:
        """See `SpeedPlan`."""
        return speed_mps == self.mps


@dataclass(frozen=True)
class KeepSpeed:
    """Go on at the speed that there is."""

    def begin(self, actor: Mover, now: Situation, stage: Stage) -> None:
        """See the class."""
        actor.plan = Cruise()


@dataclass(frozen=True)
class Hold:
    """Stop at once, as fast as people and cars can, and stay until told otherwise."""

    decel_mps2: float = 8.0

    def begin(self, actor: Mover, now: Situation, stage: Stage) -> None:
        """See the class."""
        actor.plan = SpeedTo(0.0, decel_mps2=self.decel_mps2)


@dataclass(frozen=True)
class PaceEgo:
    """Keep the rear ``gap_m`` ahead of the ego's front, as fast or slow as the ego is, until told otherwise.

    It counts as finished at once, so that `Then` does not wait for it.
    """

    gap_m: float
    accel_mps2: float = 4.0
    decel_mps2: float = 6.0

    PER_S = 1.0

    def begin(self, actor: Mover, now: Situation, stage: Stage) -> None:
        """See the class."""
        actor.plan = self

    def step(self, speed_mps: float, dt: float, now: Situation) -> tuple[float, float]:
        """See `SpeedPlan`."""
        gap = gap_ahead(now.ego, now.actor) + speed_mps * dt  # the ego is there already, the actor is yet to move
        wanted = max(now.ego_speed_mps - self.PER_S * (gap - self.gap_m), 0.0)
        return advanced(speed_mps, wanted, self.accel_mps2 if wanted > speed_mps else self.decel_mps2, dt)

    def done(self, speed_mps: float) -> bool:
        """See `SpeedPlan`."""
        return True


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
        if not 0.3 <= self.duration_s <= 30.0:
            raise AvrecError(f"A lane change takes 0.3 to 30 s, not {self.duration_s} s.")

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
                return stage.road.line(place.lane)
            log.warning("The ego is on no lane of the map; who changes into its lane takes the recorded path instead.")
            return guide_of(stage.scene.ego.poses[:, :2, 3])
        place = stage.road.place(actor.pose[:2, 3], actor.yaw, drivable=False, against=True)
        found = None if place is None else stage.road.beside(place, self.to)
        if found is None:
            x, y = actor.pose[:2, 3]
            raise AvrecError(
                f"There is no lane on the {self.to} of the actor at ({x:.1f}, {y:.1f}). Choose another way."
            )
        return stage.road.line(found[0], against=not found[1])


@dataclass(frozen=True)
class FollowPath:
    """Go along points of the world, ``((x, y), ...)`` in metres, and stop at the last one.

    A vehicle goes over to the path within two seconds of way, so let it begin beside or behind the path; a person
    goes to its first point.
    """

    points: Sequence[Sequence[float]]

    def begin(self, actor: Mover, now: Situation, stage: Stage) -> None:
        """See the class."""
        if actor.walks:
            _walk(actor, np.asarray(self.points, np.float64)[:, :2])
            return
        goal = guide_of(self.points)
        line, until = blended(actor.guide, actor.along_m, goal, max(JOIN_S * actor.speed_mps, LEAST_JOIN_M))
        end = float(line.nearest(goal.points[-1])[0])
        actor.go(line, until_m=max(end, until), stop_m=max(end, until))


@dataclass(frozen=True)
class WalkAcross:
    """Straight across the ego's way, and ``beyond_m`` past its side; together with `SpeedTo`."""

    beyond_m: float = 3.0

    def begin(self, actor: Mover, now: Situation, stage: Stage) -> None:
        """See the class."""
        left = now.ego.axes[1]
        here = actor.pose[:2, 3] + _corner(actor)
        aside = float(left @ (here - (now.ego.x, now.ego.y)))
        way = -left if aside > 0 else left
        _walk(actor, (here + way * (abs(aside) + now.ego.width_m / 2 + self.beyond_m))[None])


@dataclass(frozen=True)
class Appear:
    """Be there from now on; an actor that is told to appear is not there before."""

    def begin(self, actor: Mover, now: Situation, stage: Stage) -> None:
        """See the class; the director keeps the actor away until then."""


def _corner(actor: Mover) -> Float64:
    """How far ahead a person who walks begins to turn, [2]."""
    return np.array([np.cos(actor.yaw), np.sin(actor.yaw)]) * (CORNER_M if actor.speed_mps > 0.2 else 0.0)


def _walk(actor: Mover, points: Float64) -> None:
    """A person goes along points; who is walking turns in a small curve."""
    here = actor.pose[:2, 3]
    tip = here + _corner(actor)
    corner = []
    if (tip != here).any():
        there = tip + (points[0] - tip) / max(float(np.linalg.norm(points[0] - tip)), 1e-9) * CORNER_M
        for share in np.linspace(0.1, 1.0, 10):  # a parabola (a quadratic Bezier curve) round the tip
            corner.append((1 - share) ** 2 * here + 2 * share * (1 - share) * tip + share**2 * there)
    line = guide_of(np.stack([here, *corner, *points]), 0.1)
    actor.go(line, until_m=line.length_m, stop_m=line.length_m)
