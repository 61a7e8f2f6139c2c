"""A body's pose through time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avrec.errors import DataError
from avrec.geometry.transforms import exp_so3, log_so3, transform_from

__all__ = ["Trajectory"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

_US_PER_S = 1e6
# Rotation matrices written with few digits are repaired up to this deviation of R^T R from identity.
_RIGID_TOLERANCE = 1e-3


@dataclass(frozen=True, eq=False)
class Trajectory:
    """Poses at strictly increasing times, interpolated in between.

    Attributes:
        timestamps_us: int64 [N], N >= 1.
        poses: float64 [N, 4, 4], world_from_body. Rotations that are off by rounding are replaced by the nearest
            proper rotation. Both arrays are kept as read-only copies.

    Raises:
        DataError: nothing given, shapes that do not fit, times that do not increase, poses that are not finite or not
            rigid.
    """

    timestamps_us: Int64
    poses: Float64

    def __post_init__(self) -> None:
        times = _checked_times(self.timestamps_us)
        poses = _checked_poses(self.poses, len(times))
        times.setflags(write=False)
        poses.setflags(write=False)
        object.__setattr__(self, "timestamps_us", times)
        object.__setattr__(self, "poses", poses)

    def __len__(self) -> int:
        return len(self.timestamps_us)

    @property
    def span_us(self) -> tuple[int, int]:
        """First and last timestamp."""
        return int(self.timestamps_us[0]), int(self.timestamps_us[-1])

    def at(
        self,
        times_us: ArrayLike,
        *,
        interpolation: Literal["linear", "hermite"] = "linear",
        outside: Literal["raise", "hold", "extrapolate"] = "raise",
    ) -> Float64:
        """Poses at any times.

        Args:
            times_us: [...] integers or floats, microseconds.
            interpolation: ``"linear"`` moves straight and turns at a constant rate (slerp) between knots.
                ``"hermite"`` also has a continuous velocity: cubic positions with three-point finite-difference
                tangents, and the rotation curve of Kim, Kim and Shin (1995) with the same kind of tangents.
                Both pass exactly through the knots.
            outside: what to do before the first and after the last knot. ``"extrapolate"`` goes on at the velocity
                that the curve has there; a trajectory of one pose has none and stays.

        Returns:
            float64 [..., 4, 4].

        Raises:
            DataError: times that are not numbers, or outside the span with ``outside="raise"``.
        """
        if interpolation not in ("linear", "hermite"):
            raise DataError(f"Unknown interpolation {interpolation!r}. Use 'linear' or 'hermite'.")
        if outside not in ("raise", "hold", "extrapolate"):
            raise DataError(f"Unknown choice outside={outside!r}. Use 'raise', 'hold' or 'extrapolate'.")
        seconds = self._seconds(times_us)
        end = self._knots_s[-1]
        if outside == "raise" and seconds.size and (seconds.min() < 0.0 or seconds.max() > end):
            first, last = self.span_us
            low, high = (first + round(s * _US_PER_S) for s in (seconds.min(), seconds.max()))
            raise DataError(
                f"Poses were asked for from {low} to {high} us, but this trajectory covers {first} to {last} us. "
                "Ask inside that span, or choose outside='hold' or 'extrapolate'."
            )
        if outside == "hold":
            seconds = np.clip(seconds, 0.0, end)
        flat = seconds.reshape(-1)
        rotation, position = self._linear(flat) if interpolation == "linear" else self._hermite(flat)[:2]
        return transform_from(rotation, position).reshape(*seconds.shape, 4, 4)

    def velocity_at(self, times_us: ArrayLike) -> tuple[Float64, Float64]:
        """Velocity of the Hermite curve at times [...]; outside the span the velocity at its nearer end.

        Returns:
            Linear velocity float64 [..., 3] in metres per second and angular velocity [..., 3] in radians per second,
            both in world axes. NaN for a trajectory of one pose, whose velocity is unknown.
        """
        seconds = self._seconds(times_us)
        if len(self) == 1:
            return np.full((*seconds.shape, 3), np.nan), np.full((*seconds.shape, 3), np.nan)
        _, _, linear, angular = self._hermite(np.clip(seconds.reshape(-1), 0.0, self._knots_s[-1]))
        return linear.reshape(*seconds.shape, 3), angular.reshape(*seconds.shape, 3)

    def transformed(self, left: ArrayLike) -> Trajectory:
        """The same motion seen from another world: ``left`` [4, 4] (new_world_from_world) times every pose."""
        return Trajectory(self.timestamps_us, np.asarray(left, dtype=np.float64) @ self.poses)

    def body_shifted(self, right: ArrayLike) -> Trajectory:
        """The motion of a frame fixed to the body: every pose times ``right`` [4, 4] (body_from_new_body)."""
        return Trajectory(self.timestamps_us, self.poses @ np.asarray(right, dtype=np.float64))

    # Times run in seconds since the first knot; float64 keeps whole microseconds exact over centuries.
    @cached_property
    def _knots_s(self) -> Float64:
        return np.asarray((self.timestamps_us - self.timestamps_us[0]) / _US_PER_S, dtype=np.float64)

    @cached_property
    def _segments(self) -> tuple[Float64, Float64, Float64]:
        """Duration [N], velocity [N, 3] and body rotation rate [N, 3] from each knot to the next.

        The last row repeats the last segment, so that a query at or behind the last knot starts from that knot.
        """
        if len(self) == 1:
            return np.ones(1), np.zeros((1, 3)), np.zeros((1, 3))
        duration = np.diff(self._knots_s)
        rotation, position = self.poses[:, :3, :3], self.poses[:, :3, 3]
        velocity = np.diff(position, axis=0) / duration[:, None]
        rate = log_so3(np.swapaxes(rotation[:-1], 1, 2) @ rotation[1:]) / duration[:, None]
        return tuple(np.concatenate([rows, rows[-1:]]) for rows in (duration, velocity, rate))  # type: ignore[return-value]

    @cached_property
    def _tangents(self) -> tuple[Float64, Float64]:
        """Velocity [N, 3] and body rotation rate [N, 3] at the knots."""
        duration, velocity, rate = self._segments
        if len(self) <= 2:
            return velocity, rate
        return _three_point(duration[:-1], velocity[:-1]), _three_point(duration[:-1], rate[:-1])

    def _seconds(self, times_us: ArrayLike) -> Float64:
        times = np.asarray(times_us)
        if times.dtype.kind not in "iuf" or (times.dtype.kind == "f" and not np.all(np.isfinite(times))):
            raise DataError("A time is not a finite number of microseconds. Check the times that poses are asked for.")
        if times.dtype.kind == "f":
            return np.asarray((times.astype(np.float64) - float(self.timestamps_us[0])) / _US_PER_S)
        return np.asarray((times.astype(np.int64) - self.timestamps_us[0]) / _US_PER_S, dtype=np.float64)

    def _locate(self, seconds: Float64) -> tuple[Int64, Float64]:
        """Index of the knot each time starts from, and the time since that knot."""
        knot = np.clip(np.searchsorted(self._knots_s, seconds, side="right") - 1, 0, len(self) - 1)
        return knot, seconds - self._knots_s[knot]

    def _linear(self, seconds: Float64) -> tuple[Float64, Float64]:
        knot, since = self._locate(seconds)
        _, velocity, rate = self._segments
        rotation = self.poses[knot, :3, :3] @ exp_so3(rate[knot] * since[:, None])
        return rotation, self.poses[knot, :3, 3] + velocity[knot] * since[:, None]

    def _hermite(self, seconds: Float64) -> tuple[Float64, Float64, Float64, Float64]:
        """Rotation, position, velocity and angular velocity in world axes."""
        knot, since = self._locate(seconds)
        duration, mean_velocity, mean_rate = self._segments
        velocity, rate = self._tangents
        following = np.minimum(knot + 1, len(self) - 1)
        h = duration[knot][:, None]
        inside = (since >= 0.0) & (knot < len(self) - 1)
        u = np.where(inside, since, 0.0)[:, None] / h
        v0, v1, mean = velocity[knot], velocity[following], mean_velocity[knot]
        bend, twist = 3.0 * mean - 2.0 * v0 - v1, v0 + v1 - 2.0 * mean
        position = self.poses[knot, :3, 3] + h * u * (v0 + u * (bend + u * twist))
        speed = v0 + u * (2.0 * bend + 3.0 * u * twist)

        # R(u) = R0 exp(b1 w1) exp(b2 w2) exp(b3 w3) with the cumulative cubic Bernstein basis b.
        w1, w3 = rate[knot] * h / 3.0, rate[following] * h / 3.0
        w2 = log_so3(exp_so3(-w1) @ exp_so3(mean_rate[knot] * h) @ exp_so3(-w3))
        e2, e3 = exp_so3(u**2 * (3.0 - 2.0 * u) * w2), exp_so3(u**3 * w3)
        rotation = self.poses[knot, :3, :3] @ exp_so3((1.0 - (1.0 - u) ** 3) * w1) @ e2 @ e3
        first = np.einsum("nji,nj->ni", e2, 3.0 * (1.0 - u) ** 2 * w1) + 6.0 * u * (1.0 - u) * w2
        turning = (np.einsum("nji,nj->ni", e3, first) + 3.0 * u**2 * w3) / h

        # Beyond the ends: straight on at the end's velocity.
        beyond = np.where(inside, 0.0, since)[:, None]
        rotation = np.where((beyond != 0.0)[..., None], rotation @ exp_so3(turning * beyond), rotation)
        return rotation, position + speed * beyond, speed, np.einsum("nij,nj->ni", rotation, turning)


def _three_point(duration: Float64, rates: Float64) -> Float64:
    """Rates at N knots from the mean rates [N-1, 3] of the segments; exact for parabolas on any spacing."""
    before, after = duration[:-1, None], duration[1:, None]
    inner = (after * rates[:-1] + before * rates[1:]) / (before + after)
    first = rates[:1] + (rates[:1] - rates[1:2]) * duration[0] / (duration[0] + duration[1])
    last = rates[-1:] + (rates[-1:] - rates[-2:-1]) * duration[-1] / (duration[-1] + duration[-2])
    return np.concatenate([first, inner, last])


def _checked_times(timestamps_us: ArrayLike) -> Int64:
    times = np.array(timestamps_us)
    if times.ndim != 1 or times.size == 0:
        raise DataError(
            f"A trajectory needs a list of at least one timestamp; found shape {times.shape}. Give one time per pose."
        )
    if times.dtype.kind not in "iuf" or (times.dtype.kind == "f" and np.any(times != np.round(times))):
        raise DataError("Trajectory timestamps are not whole numbers. Give integer microseconds.")
    times = times.astype(np.int64)
    backwards = np.flatnonzero(np.diff(times) <= 0)
    if backwards.size:
        i = int(backwards[0])
        raise DataError(
            f"Trajectory timestamps do not increase: entry {i + 1} is {times[i + 1]} us after {times[i]} us. "
            "Sort the poses by time and drop repeated times."
        )
    return times


def _checked_poses(poses: ArrayLike, count: int) -> Float64:
    matrices = np.array(poses, dtype=np.float64)
    if matrices.shape != (count, 4, 4):
        raise DataError(
            f"A trajectory of {count} timestamps needs poses of shape ({count}, 4, 4); found {matrices.shape}. "
            "Give one 4x4 matrix per time."
        )
    broken = np.flatnonzero(~np.isfinite(matrices).all(axis=(1, 2)))
    if broken.size:
        raise DataError(
            f"Pose {int(broken[0])} of the trajectory holds NaN or infinity ({broken.size} of {count} poses do). "
            "Remove these poses or repair them at the source."
        )
    rotation = matrices[:, :3, :3]
    deviation = np.abs(np.swapaxes(rotation, 1, 2) @ rotation - np.eye(3)).max(axis=(1, 2))
    bottom = np.abs(matrices[:, 3] - (0.0, 0.0, 0.0, 1.0)).max(axis=1)
    rigid = (deviation <= _RIGID_TOLERANCE) & (np.linalg.det(rotation) > 0.0) & (bottom <= 1e-6)
    if not rigid.all():
        i = int(np.flatnonzero(~rigid)[0])
        raise DataError(
            f"Pose {i} of the trajectory is not rigid: its rotation is scaled, sheared or mirrored "
            f"(off by {deviation[i]:.3g}, determinant {np.linalg.det(rotation[i]):.3g}), or its last row is not "
            "0 0 0 1. Give world_from_body matrices made of a rotation and a translation."
        )
    repair = deviation > 1e-12
    if repair.any():
        left, _, right = np.linalg.svd(rotation[repair])
        matrices[repair, :3, :3] = left @ right
    matrices[:, 3] = (0.0, 0.0, 0.0, 1.0)
    return matrices
