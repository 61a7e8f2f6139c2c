"""Pose refinement: a correction of the ego's pose at every recorded moment and of each camera's mounting.

The corrected pose of line l is ``W_l C(t_l) X K``: recorded world_from_rig, ego correction in the rig frame,
recorded rig_from_camera, mounting correction in the camera frame. Corrections are six numbers,
rotation vector then translation, with ``C = [exp(phi), rho]``. In time C is constant about each knot (see `HOLD_US`)
and linear in between.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avrec.geometry import Trajectory, exp_so3, transform_from

__all__ = ["PoseCorrection", "PoseStep", "between_knots"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

HOLD_US = 16_000.0
"""A recorded pose is off as a whole: its correction holds this long before and after it, about a readout in all."""
METRES_PER_RADIAN = 5.0
"""A learning rate of r radians goes with one of 5 r metres: what moves a pixel at 5 m by as much."""


@dataclass(frozen=True)
class PoseStep:
    """Corrected poses of one picture's lines and what the gradient needs of them."""

    rotation: Float64  # [L, 3, 3] world_from_camera
    origin: Float64  # [L, 3]
    low: Int64  # [L] knot before each line
    share: Float64  # [L] weight of the knot after it
    rig: Float64  # [L, 4, 4] recorded world_from_rig
    ego: Float64  # [L, 4, 4] correction
    camera: str


def between_knots(knots_us: Int64, times_us: Float64) -> tuple[Int64, Int64, Float64]:
    """Knots before and after each time [L], and the weight of the later one; see `HOLD_US`."""
    if len(knots_us) == 1:
        zero = np.zeros(len(times_us), np.int64)
        return zero, zero, np.zeros(len(times_us))
    low = np.clip(np.searchsorted(knots_us, times_us, side="right") - 1, 0, len(knots_us) - 2)
    gap = knots_us[low + 1] - knots_us[low]
    hold = _hold_us(gap)
    share = np.clip((times_us - knots_us[low] - hold) / (gap - 2 * hold), 0.0, 1.0)
    return low, low + 1, share


def _hold_us(gap_us: Int64) -> Float64:
    return np.asarray(np.minimum(HOLD_US, 0.45 * gap_us))


class PoseCorrection:
    """Knots of the ego's correction, one per recorded moment, and a correction per camera."""

    def __init__(self, knots_us: Int64, cameras: dict[str, Float64], *, smoothness: float) -> None:
        self.knots_us = np.unique(knots_us)
        self.mounting = dict(cameras)
        self.values = np.zeros((len(self.knots_us), 6))
        self.offsets = {name: np.zeros(6) for name in cameras}
        self._smoothness = smoothness
        self._start = np.zeros_like(self.values)
        self._moments = {key: np.zeros((2, *np.shape(value))) for key, value in self._parameters().items()}
        self._steps = {key: np.zeros(np.shape(value)[:-1], np.int64) for key, value in self._parameters().items()}

    def begin_at(self, ego: Float64, offsets: Mapping[str, Float64]) -> None:
        """Take over corrections found otherwise: float64 [K, 6] of the knots and [6] of each camera.

        Smoothness is asked of what is added to them: they may hold the independent errors of each moment.
        """
        self.values[:] = self._start[:] = ego
        for name, offset in offsets.items():
            self.offsets[name][:] = offset

    def _parameters(self) -> dict[str, Float64]:
        return {"ego": self.values, **{f"camera:{name}": value for name, value in self.offsets.items()}}

    def at(self, times_us: Float64) -> tuple[Float64, Int64, Float64]:
        """Ego correction float64 [L, 4, 4] at some times, with the knots and weights it comes from."""
        low, high, share = between_knots(self.knots_us, times_us)
        value = (1 - share)[:, None] * self.values[low] + share[:, None] * self.values[high]
        return transform_from(exp_so3(value[:, :3]), value[:, 3:]), low, share

    def rig_from_camera(self, camera: str) -> Float64:
        """Corrected mounting of a camera, float64 [4, 4]."""
        offset = self.offsets[camera]
        return self.mounting[camera] @ transform_from(exp_so3(offset[:3]), offset[3:])

    def corrected(self, ego: Trajectory) -> Trajectory:
        """The ego's path with the correction applied at its own knots and at the correction's."""
        first, last = ego.span_us
        hold = _hold_us(np.diff(self.knots_us)).astype(np.int64)
        corners = np.concatenate([self.knots_us, self.knots_us[:-1] + hold, self.knots_us[1:] - hold])
        inside = corners[(corners >= first) & (corners <= last)]
        times = np.unique(np.concatenate([ego.timestamps_us, inside]))
        return Trajectory(times, ego.at(times) @ self.at(times.astype(np.float64))[0])

    def pose(self, camera: str, times_us: Float64, rig: Float64) -> PoseStep:
        """Corrected camera poses at the times of a picture's lines, given the recorded world_from_rig [L, 4, 4]."""
        ego, low, share = self.at(times_us)
        pose = rig @ ego @ self.rig_from_camera(camera)
        return PoseStep(pose[:, :3, :3], pose[:, :3, 3], low, share, rig, ego, camera)

    def descend(
        self, step: PoseStep, lines: NDArray[np.float32], rate: float, *, mounting_rate: float | None = None
    ) -> None:
        """One Adam step on the knots and the mounting behind a picture.

        Args:
            step: what `pose` gave.
            lines: float32 [L, 12], dL/d rotation (9) and dL/d origin (3) of each line.
            rate: learning rate in radians, of the ego's pose.
            mounting_rate: of the mounting; a third of the ego's by default.
        """
        v_rotation, v_origin = lines[:, :9].reshape(-1, 3, 3).astype(np.float64), lines[:, 9:].astype(np.float64)
        rig_rotation = step.rig[:, :3, :3]
        mounted = self.rig_from_camera(step.camera)
        # Seen from the recorded rig: rotation B = E X, position p = E x + rho.
        turned = step.ego[:, :3, :3] @ mounted[:3, :3]
        position = step.ego[:, :3, :3] @ mounted[:3, 3]
        in_rig = np.swapaxes(rig_rotation, 1, 2)
        v_turned = in_rig @ v_rotation
        v_position = np.einsum("lij,lj->li", in_rig, v_origin)
        ego = np.concatenate([_twist(v_turned, turned) + np.cross(position, v_position), v_position], axis=1)
        gradient = np.zeros_like(self.values)
        np.add.at(gradient, step.low, (1 - step.share)[:, None] * ego)
        if len(self.knots_us) > 1:
            np.add.at(gradient, step.low + 1, step.share[:, None] * ego)
        self._smooth(gradient)
        seen = np.unique(np.concatenate([step.low, np.minimum(step.low + 1, len(self.values) - 1)]))
        self._adam("ego", self.values, gradient, seen, rate)

        # The mounting's correction turns about the camera's own axes.
        base = self.mounting[step.camera]
        outer = rig_rotation @ step.ego[:, :3, :3] @ base[:3, :3]
        inner = np.swapaxes(outer, 1, 2)
        small = transform_from(exp_so3(self.offsets[step.camera][:3]), np.zeros(3))[:3, :3]
        twist = _twist(inner @ v_rotation, np.broadcast_to(small, v_rotation.shape)).sum(axis=0)
        shift = np.einsum("lij,lj->i", inner, v_origin)
        offset = self.offsets[step.camera]
        # Mountings are known better than poses: a pull to the recorded ones also fixes what both could explain.
        pull = 1e-2 * offset * np.r_[np.ones(3), np.full(3, 1 / METRES_PER_RADIAN**2)]
        mounting_rate = 0.3 * rate if mounting_rate is None else mounting_rate
        self._adam(f"camera:{step.camera}", offset, np.r_[twist, shift] + pull, None, mounting_rate)
        self._centre_mountings()

    def _centre_mountings(self) -> None:
        """Take out what all mountings moved by together: the ego's path explains that just as well."""
        turns = {name: mounting[:3, :3] for name, mounting in self.mounting.items()}
        for part in (slice(0, 3), slice(3, 6)):
            common = sum(turns[name] @ offset[part] for name, offset in self.offsets.items()) / len(self.offsets)
            for name, offset in self.offsets.items():
                offset[part] -= turns[name].T @ common

    def _smooth(self, gradient: Float64) -> None:
        if self._smoothness <= 0 or len(self.values) < 3:
            return
        added = self.values - self._start
        bend = (added[:-2] - 2 * added[1:-1] + added[2:]) * self._smoothness
        gradient[:-2] += bend
        gradient[1:-1] -= 2 * bend
        gradient[2:] += bend

    def _adam(self, key: str, values: Float64, gradient: Float64, rows: Int64 | None, rate: float) -> None:
        at: Int64 | slice = slice(None) if rows is None else rows
        moments, steps = self._moments[key], self._steps[key]
        steps[at if rows is not None else ...] += 1
        first, second = moments[0], moments[1]
        first[at] += 0.1 * (gradient[at] - first[at])
        second[at] += 0.01 * (gradient[at] ** 2 - second[at])
        count = steps[at if rows is not None else ...][..., None]
        rates = rate * np.r_[np.ones(3), np.full(3, METRES_PER_RADIAN)]
        values[at] -= rates * (first[at] / (1 - 0.9**count)) / (np.sqrt(second[at] / (1 - 0.99**count)) + 1e-12)

    def state(self) -> dict[str, NDArray[np.generic]]:
        """Everything that changes, as named arrays."""
        out: dict[str, NDArray[np.generic]] = {}
        for key, value in self._parameters().items():
            out |= {f"{key}:value": value, f"{key}:moments": self._moments[key], f"{key}:steps": self._steps[key]}
        return out

    def restore(self, state: dict[str, NDArray[np.generic]]) -> None:
        """Take up the arrays of `state`."""
        for key, value in self._parameters().items():
            value[...] = state[f"{key}:value"]
            self._moments[key][...] = state[f"{key}:moments"]
            self._steps[key][...] = state[f"{key}:steps"]


def _twist(v_matrix: Float64, matrix: Float64) -> Float64:
    """Gradient by a small left rotation d of ``exp(d) matrix``, from the gradient by the matrix; [L, 3]."""
    m = v_matrix @ np.swapaxes(matrix, 1, 2)
    return np.stack([m[:, 2, 1] - m[:, 1, 2], m[:, 0, 2] - m[:, 2, 0], m[:, 1, 0] - m[:, 0, 1]], axis=1)
