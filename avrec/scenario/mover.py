"""One actor that has left its recording: along a line, at a speed, on the ground."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import cos, exp, isfinite, pi, sin
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from avrec.geometry import matrix_from_rpy
from avrec.scenario.boxes import Box, box_of_pose
from avrec.scenario.guide import Guide, smooth_step
from avrec.scenario.heights import Heights
from avrec.scenario.triggers import Situation

__all__ = ["ActorState", "Cruise", "Mover", "SpeedPlan", "advanced"]

Float64 = NDArray[np.float64]

TURN_M = 5.0
"""Way on which a vehicle that was not quite in line comes into line."""
TURN_S = 0.5
"""Time in which a person turns to where they go."""
STEEPEST = 0.35
LEAN_M = 2.0
"""Way on which a vehicle comes to lean as the ground does, so that bumps of a mesh do not shake it."""
STOP_MPS2 = 3.0
"""How an actor comes to rest at the end of a path."""
SLIDE_MPS2 = 6.0
"""How whoever was hit comes to rest: locked tyres, and people on asphalt, slide with a friction of about 0.6."""


@dataclass(frozen=True, eq=False)
class ActorState:
    """Where an actor is, and how it moves.

    Attributes:
        world_from_box: float64 [4, 4].
        velocity_mps: float64 [3] of the box's middle, world.
        yaw_rate_radps: positive to the left.
        speed_mps: along its way.
    """

    world_from_box: Float64
    velocity_mps: Float64
    yaw_rate_radps: float
    speed_mps: float


class SpeedPlan(Protocol):
    """How fast an actor goes."""

    def step(self, speed_mps: float, dt: float, now: Situation) -> tuple[float, float]:
        """Speed after ``dt`` seconds, and the way made in them."""
        ...

    def done(self, speed_mps: float) -> bool:
        """Whether there is nothing left to reach."""
        ...


@dataclass(frozen=True)
class Cruise:
    """Go on at the speed that there is."""

    def step(self, speed_mps: float, dt: float, now: Situation) -> tuple[float, float]:
        """See `SpeedPlan`."""
        return speed_mps, speed_mps * dt

    def done(self, speed_mps: float) -> bool:
        """See `SpeedPlan`."""
        return True


@dataclass(frozen=True)
class Slide:
    """Come to rest after a collision."""

    def step(self, speed_mps: float, dt: float, now: Situation) -> tuple[float, float]:
        """See `SpeedPlan`."""
        return advanced(speed_mps, 0.0, SLIDE_MPS2, dt)

    def done(self, speed_mps: float) -> bool:
        """See `SpeedPlan`."""
        return False


def advanced(speed_mps: float, goal_mps: float, rate_mps2: float, dt: float) -> tuple[float, float]:
    """Speed and way after ``dt`` seconds of going to a speed at a constant rate, exact for any step."""
    change = goal_mps - speed_mps
    needed = abs(change) / rate_mps2
    if needed <= dt:
        return goal_mps, (speed_mps + goal_mps) / 2 * needed + goal_mps * (dt - needed)
    after = speed_mps + np.sign(change) * rate_mps2 * dt
    return float(after), float((speed_mps + after) / 2 * dt)


def _stopping(before_mps: float, speed_mps: float, way: float, left: float, dt: float) -> tuple[float, float]:
    """Speed and way of a step with ``left`` metres to where the way ends; a plan that brakes harder is left alone."""
    if left <= 1e-6:
        return 0.0, 0.0
    if before_mps**2 < 2 * STOP_MPS2 * left and way < left:
        return speed_mps, way
    if before_mps < 1e-3:
        return 0.0, min(way, left)
    slower, less = advanced(before_mps, 0.0, max(before_mps**2 / (2 * left), STOP_MPS2), dt)
    return (slower, less) if less < way else (speed_mps, way)


@dataclass
class Mover:
    """See the module.

    Attributes:
        pose: world_from_box now.
        size_m: of the box.
        speed_mps: along the guide, not negative.
        guide: the line.
        walks: a person, who may turn on the spot.
        heights: of the ground.
        along_m: place on the guide.
        plan: of the speed.
        busy_until_m: place on the guide where what was begun is finished; None where nothing was.
        stop_at_m: end of the way; None goes on.
    """

    pose: Float64
    size_m: Float64
    speed_mps: float
    guide: Guide
    walks: bool
    heights: Heights
    along_m: float = 0.0
    plan: SpeedPlan = field(default_factory=Cruise)
    busy_until_m: float | None = None
    stop_at_m: float | None = None
    idle_s: float = 0.0

    def __post_init__(self) -> None:
        self._first = self.pose
        self._first_yaw = self.yaw
        self._yaw_rate = 0.0
        self._velocity: Float64 = np.zeros(3)
        foot = self._foot
        ground = self.heights.at(float(self.pose[0, 3]), float(self.pose[1, 3]), foot)
        self._clearance_m = foot - ground if isfinite(ground) else 0.0
        self._level_rad = self._lean_rad = self._slope() or 0.0
        self._align()
        self._velocity[:2] = self.speed_mps * self._direction

    @property
    def yaw(self) -> float:
        """Heading of the box, radians."""
        return float(np.arctan2(self.pose[1, 0], self.pose[0, 0]))

    @property
    def box(self) -> Box:
        """Seen from above."""
        return box_of_pose(self.pose, float(self.size_m[0]), float(self.size_m[1]), self._velocity)

    @property
    def state(self) -> ActorState:
        """What it is and does now."""
        return ActorState(self.pose, self._velocity, self._yaw_rate, self.speed_mps)

    @property
    def busy(self) -> bool:
        """Whether it has not yet reached what it was told to."""
        if self.stop_at_m is not None and self.along_m >= self.stop_at_m - 0.01:
            return False  # the end of the way, whatever the speed was to be
        way = self.busy_until_m is not None and self.along_m < self.busy_until_m - 1e-6
        return way or not self.plan.done(self.speed_mps)

    @property
    def _foot(self) -> float:
        return float(self.pose[2, 3] - self.size_m[2] / 2)

    @property
    def _direction(self) -> Float64:
        heading = float(self.guide.at(self.along_m)[1])
        return np.array([cos(heading), sin(heading)])

    def go(
        self, guide: Guide, *, along_m: float = 0.0, until_m: float | None = None, stop_m: float | None = None
    ) -> None:
        """Take another line, which begins where the actor is.

        Args:
            guide: the line.
            along_m: place on it where the actor is.
            until_m: place on it where what is begun is finished.
            stop_m: place on it where the way ends.
        """
        self.guide, self.along_m, self.busy_until_m, self.stop_at_m = guide, along_m, until_m, stop_m
        self._align()

    def slide(self, velocity_mps: Float64) -> None:
        """It was hit: from a velocity [2] on it slides straight to rest, facing as it does."""
        self.speed_mps = float(np.hypot(*velocity_mps))
        ahead = velocity_mps / self.speed_mps if self.speed_mps > 1e-3 else self._direction
        here = self.pose[:2, 3]
        self.plan = Slide()
        self.go(Guide(np.stack([here, here + 100.0 * ahead])))
        self._stays_off = True

    def _align(self) -> None:
        """Remember how far the heading is off the line; it goes to nothing with the way, or the time."""
        off = (self.yaw - float(self.guide.at(self.along_m)[1]) + pi) % (2 * pi) - pi
        self._off_rad, self._turning = off, 0.0
        self._stays_off = not self.walks and abs(off) > pi / 2  # backing up

    def _slope(self) -> float | None:
        """Of the ground under a vehicle, radians; None for people and where it is not known."""
        if self.walks:
            return None
        (x, y), near_m = self.pose[:2, 3], self._foot - self._clearance_m
        found = self.heights.slope(float(x), float(y), self.yaw, float(self.size_m[0]), near_m)
        return found if isfinite(found) else None

    def step(self, dt: float, now: Situation) -> None:
        """Move on by ``dt`` seconds."""
        if dt <= 0.0:
            return
        before, yaw_before = self.pose, self.yaw
        before_mps = self.speed_mps
        self.speed_mps, way = self.plan.step(before_mps, dt, now)
        if self.stop_at_m is not None:
            self.speed_mps, way = _stopping(before_mps, self.speed_mps, way, self.stop_at_m - self.along_m, dt)
        self.along_m += way
        self._turning += dt / TURN_S if self.walks else way / TURN_M
        (x, y), heading = self.guide.at(self.along_m)
        off = self._off_rad * (1.0 if self._stays_off else 1.0 - float(smooth_step(self._turning)))
        yaw = float(heading) + off
        slope = self._slope()
        if slope is not None:
            self._lean_rad += (slope - self._lean_rad) * (1.0 - exp(-way / LEAN_M))
        upright = matrix_from_rpy(0.0, 0.0, -self._first_yaw) @ self._first[:3, :3]
        pose = np.eye(4)
        pose[:3, :3] = matrix_from_rpy(0.0, self._level_rad - self._lean_rad, yaw) @ upright
        pose[:3, 3] = x, y, before[2, 3]
        ground = self.heights.at(float(x), float(y), self._foot - self._clearance_m)
        if isfinite(ground):
            rise = ground + self._clearance_m + self.size_m[2] / 2 - before[2, 3]
            pose[2, 3] += np.clip(rise, -STEEPEST * way, STEEPEST * way)
        self.pose = pose
        self._velocity = np.append(self.speed_mps * self._direction, (pose[2, 3] - before[2, 3]) / dt)
        self._yaw_rate = ((yaw - yaw_before + pi) % (2 * pi) - pi) / dt
        self.idle_s = -1.0 if self.busy else max(self.idle_s, 0.0) + dt
