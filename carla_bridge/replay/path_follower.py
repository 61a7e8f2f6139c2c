"""Driving along a path with pedals and wheel: pure pursuit and a proportional-integral speed controller."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avrec.errors import AvrecError
from avrec.geometry import Trajectory
from avrec.scenario.guide import thinned

__all__ = ["Path", "PathFollower", "Pedals", "checked_path", "path_of"]

Float64 = NDArray[np.float64]

LOOK_AHEAD_S = 0.6
LEAST_LOOK_AHEAD_M = 3.0
PER_MPS = 0.5
"""Throttle for a missing metre per second."""
PER_M = 0.4
BRAKE_PER_MPS = 0.25
COAST_MPS = 0.4
"""Faster than wanted by less than this, the car rolls."""


class Pedals(NamedTuple):
    """What to do: throttle and brake 0..1, steer -1 (left) to 1 (right)."""

    throttle: float
    steer: float
    brake: float


@dataclass(frozen=True, eq=False)
class Path:
    """Where to drive, and how fast.

    Attributes:
        points: float64 [N, 2] metres, N >= 2, at least a few centimetres apart.
        speeds_mps: float64 [N].
    """

    points: Float64
    speeds_mps: Float64


def path_of(trajectory: Trajectory, from_us: int, *, spacing_m: float = 0.25) -> Path:
    """The rest of a recorded path as a path to drive, at the recorded speeds.

    Raises:
        AvrecError: nothing is left of it.
    """
    last = trajectory.span_us[1]
    if last - from_us < 100_000:
        raise AvrecError("Less than 0.1 s is left of the recorded path. Give a path of your own, or start earlier.")
    times = np.arange(from_us, last + 1, 20_000)
    points = trajectory.at(times, outside="extrapolate")[:, :2, 3]
    speeds = np.linalg.norm(trajectory.velocity_at(times)[0][:, :2], axis=1)
    kept = thinned(points, spacing_m)
    if len(kept) < 2:
        raise AvrecError("The recorded path stands still from here on; there is nothing to follow.")
    return Path(points[kept], speeds[kept])


def checked_path(path: ArrayLike, speed_mps: float) -> Path:
    """A path that a user gives, [N, 2] or [N, 3], to be driven at one speed.

    Raises:
        AvrecError: too few points, or numbers that cannot be.
    """
    points = np.asarray(path, dtype=np.float64)
    if points.ndim != 2 or len(points) < 2 or points.shape[1] not in (2, 3) or not np.isfinite(points).all():
        raise AvrecError(f"A path needs at least two finite points [N, 2] or [N, 3], found the shape {points.shape}.")
    points = points[:, :2]
    kept = np.concatenate([[True], np.linalg.norm(np.diff(points, axis=0), axis=1) > 1e-3])
    if kept.sum() < 2 or not 0.1 <= speed_mps <= 100.0:
        raise AvrecError("A path needs two points that differ, and a speed of 0.1 to 100 m/s.")
    return Path(points[kept], np.full(int(kept.sum()), float(speed_mps)))


class PathFollower:
    """Follows one path with one vehicle; keeps the speed controller's state.

    Args:
        path: where to drive.
        wheelbase_m: between the axles.
        lock_rad: angle of the front wheels at full steer.
    """

    def __init__(self, path: Path, wheelbase_m: float, lock_rad: float) -> None:
        self.path = path
        self.wheelbase_m = max(wheelbase_m, 0.5)
        self.lock_rad = max(lock_rad, 0.05)
        self.done = False
        self._near = 0
        self._behind_m = 0.0
        steps = np.linalg.norm(np.diff(path.points, axis=0), axis=1)
        self._along = np.concatenate([[0.0], np.cumsum(steps)])

    def step(self, position: ArrayLike, yaw_rad: float, speed_mps: float, dt: float) -> Pedals:
        """What to do now.

        Args:
            position: of the rear axle [2] or [3], in the path's frame.
            yaw_rad: heading, positive to the left.
            speed_mps: forward.
            dt: seconds until the next call.
        """
        x, y = np.asarray(position, dtype=np.float64)[:2]
        self._advance(x, y)
        wanted = float(self.path.speeds_mps[self._near])
        ahead = max(LEAST_LOOK_AHEAD_M, LOOK_AHEAD_S * speed_mps)
        target = self._along[self._near] + ahead
        end = self._along[-1]
        goal = np.array([np.interp(target, self._along, self.path.points[:, axis]) for axis in (0, 1)])
        if target > end:  # straight on, behind the end
            way = self.path.points[-1] - self.path.points[-2]
            goal = self.path.points[-1] + way / np.linalg.norm(way) * (target - end)
        self.done = self._near == len(self._along) - 1
        if self.done:
            wanted = 0.0
        left = -(goal[0] - x) * np.sin(yaw_rad) + (goal[1] - y) * np.cos(yaw_rad)
        distance2 = max((goal[0] - x) ** 2 + (goal[1] - y) ** 2, 1e-6)
        angle = np.arctan(2.0 * left / distance2 * self.wheelbase_m)
        steer = float(np.clip(-angle / self.lock_rad, -1.0, 1.0))
        error = wanted - speed_mps
        self._behind_m = float(np.clip(self._behind_m + error * dt, -5.0, 5.0)) if wanted > 0.1 else 0.0
        push = PER_MPS * error + PER_M * self._behind_m
        if wanted < 0.1 or error < -COAST_MPS:
            return Pedals(0.0, steer, float(np.clip(0.2 + BRAKE_PER_MPS * -error, 0.0, 1.0)))
        return Pedals(float(np.clip(push, 0.0, 1.0)), steer, 0.0)

    def _advance(self, x: float, y: float) -> None:
        """Move on to the nearest point within reach; never back, so that loops and crossings do not confuse."""
        window = self.path.points[self._near : self._near + 80]
        self._near += int(np.argmin((window[:, 0] - x) ** 2 + (window[:, 1] - y) ** 2))
