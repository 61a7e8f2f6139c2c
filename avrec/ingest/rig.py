"""The rig from camera poses alone: which way is forward, where the ground is, how each camera is mounted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avrec.geometry import Trajectory, exp_so3, invert, log_so3, transform_from

__all__ = [
    "CameraPath",
    "Mounting",
    "merge_ego",
    "mount",
    "reference_camera",
    "rig_from_reference",
]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

_LARGEST_AXIS_ANGLE = np.radians(20.0)  # a camera that looks this close to the motion counts as looking forward
_SHORTEST_STEP_M = 0.3  # below this, pose noise decides the direction of a step
_CLOSEST_KNOTS_US = 5_000  # pose noise over a shorter time would look like a jump in speed
_LONGEST_BRIDGE_US = 500_000  # interpolating the path over longer gaps says nothing about a mounting
_RIGID_M, _RIGID_DEG = 0.02, 0.1


@dataclass(frozen=True)
class CameraPath:
    """Poses of one camera as recorded.

    Attributes:
        times_us: int64 [N] strictly increasing.
        poses: float64 [N, 4, 4] world_from_camera, OpenCV axes.
    """

    times_us: Int64
    poses: Float64


@dataclass(frozen=True)
class Mounting:
    """How a camera sits on the rig, and how far single frames deviate from it.

    Attributes:
        rig_from_camera: float64 [4, 4], the median over frames.
        largest_m: largest deviation of a frame in position.
        largest_deg: and in direction.
    """

    rig_from_camera: Float64
    largest_m: float
    largest_deg: float

    @property
    def rigid(self) -> bool:
        """Whether all frames agree well enough for their poses to add knots to the ego's path."""
        return self.largest_m <= _RIGID_M and self.largest_deg <= _RIGID_DEG


def reference_camera(names: list[str]) -> str:
    """The camera whose poses carry the rig: the front one by name, else the first."""

    def rank(name: str) -> tuple[bool, bool, int]:
        words = name.lower()
        sideways = any(word in words for word in ("left", "right", "rear", "back", "tele", "side"))
        return "front" not in words, "front" in words and sideways, names.index(name)

    return min(names, key=rank)


def rig_from_reference(path: CameraPath, height_m: float) -> tuple[Float64, str]:
    """Mounting of the reference camera, and a sentence that says how forward was found.

    Forward is the camera's optical axis levelled, as a front camera is mounted straight; where the car moves in
    another direction than the camera looks, the direction of motion decides. Up is the world's up averaged over the
    path. The origin lies on the ground below the camera: nothing in the poses shows where the rear axle is.

    Args:
        path: poses of the reference camera.
        height_m: of the camera above the ground.

    Returns:
        rig_from_camera float64 [4, 4] and the sentence.
    """
    rotation = path.poses[:, :3, :3]
    up = rotation[:, 2, :].mean(axis=0)  # the world's z axis in camera axes
    up = up / np.linalg.norm(up) if np.linalg.norm(up) > 1e-6 else np.array([0.0, -1.0, 0.0])
    axis = _levelled(np.array([0.0, 0.0, 1.0]), up)
    motion = _motion_direction(path, up)
    if axis is not None and (motion is None or float(axis @ motion) > np.cos(_LARGEST_AXIS_ANGLE)):
        forward, how = axis, "forward is its optical axis, levelled"
    elif motion is not None:
        forward, how = motion, "forward is the direction of motion"
    else:
        fallback = _levelled(np.array([0.0, -1.0, 0.0]), up)
        forward = fallback if fallback is not None else np.array([1.0, 0.0, 0.0])
        how = "forward is a guess, as it looks straight up or down and does not move"
    left = np.cross(up, forward)
    return transform_from(np.stack([forward, left, up]), np.array([0.0, 0.0, height_m])), how


def mount(path: CameraPath, ego: Trajectory) -> Mounting:
    """The constant mounting that explains a camera's poses best, given the rig's path.

    Args:
        path: poses of the camera.
        ego: world_from_rig. Frames where its neighbouring knots are more than half a second apart count only when no
            others exist.
    """
    each = invert(ego.at(path.times_us, interpolation="hermite", outside="extrapolate")) @ path.poses
    usable = _near_knots(path.times_us, ego.timestamps_us)
    chosen = each[usable] if usable.any() else each
    start = chosen[0, :3, :3]
    for _ in range(2):  # the median direction needs a centre that is not an outlier itself
        start = start @ exp_so3(np.median(log_so3(start.T @ chosen[:, :3, :3]), axis=0))
    position = np.median(chosen[:, :3, 3], axis=0)
    turned = np.degrees(np.linalg.norm(log_so3(start.T @ chosen[:, :3, :3]), axis=-1))
    moved = np.linalg.norm(chosen[:, :3, 3] - position, axis=-1)
    return Mounting(transform_from(start, position), float(moved.max()), float(turned.max()))


def merge_ego(paths: Mapping[str, CameraPath], mountings: Mapping[str, Mounting], reference: str) -> Trajectory:
    """The rig's path with a knot at every exposure start and end of every rigidly mounted camera.

    Knots of the reference camera come first; others are added where no knot is within 5 ms.
    """
    order = [reference, *(name for name in paths if name != reference and mountings[name].rigid)]
    times = np.zeros(0, dtype=np.int64)
    poses = np.zeros((0, 4, 4))
    for name in order:
        path = paths[name]
        keep = np.ones(len(path.times_us), dtype=bool)
        if len(times):
            after = np.searchsorted(times, path.times_us)
            before = times[np.clip(after - 1, 0, None)]
            behind = times[np.clip(after, None, len(times) - 1)]
            gap = np.minimum(np.abs(path.times_us - before), np.abs(behind - path.times_us))
            keep = gap >= _CLOSEST_KNOTS_US
        times = np.concatenate([times, path.times_us[keep]])
        poses = np.concatenate([poses, path.poses[keep] @ invert(mountings[name].rig_from_camera)])
        order_in_time = np.argsort(times, kind="stable")
        times, poses = times[order_in_time], poses[order_in_time]
    return Trajectory(times, poses)


def _near_knots(times_us: Int64, knots_us: Int64) -> NDArray[np.bool_]:
    """Which times are knots, or lie between knots close enough to interpolate."""
    after = np.searchsorted(knots_us, times_us)
    inside = (after > 0) & (after < len(knots_us))
    bridge = (
        knots_us[np.clip(after, 1, len(knots_us) - 1)] - knots_us[np.clip(after - 1, 0, len(knots_us) - 2)]
        if len(knots_us) > 1
        else np.zeros(len(times_us), dtype=np.int64)
    )
    return np.isin(times_us, knots_us) | (inside & (bridge <= _LONGEST_BRIDGE_US))


def _levelled(direction: Float64, up: Float64) -> Float64 | None:
    """Unit ``direction`` made perpendicular to ``up``; None where they are nearly parallel."""
    level = direction - up * float(direction @ up)
    length = float(np.linalg.norm(level))
    return level / length if length > 0.3 else None


def _motion_direction(path: CameraPath, up: Float64) -> Float64 | None:
    """Median direction of travel in camera axes, perpendicular to ``up``; None where the camera hardly moves."""
    step = np.diff(path.poses[:, :3, 3], axis=0)
    far = np.linalg.norm(step, axis=1) >= _SHORTEST_STEP_M
    if not far.any():
        return None
    # In a turn the step points between the headings at its two ends, so both ends vote.
    ends = (path.poses[:-1, :3, :3][far], path.poses[1:, :3, :3][far])
    seen = np.concatenate([np.einsum("nji,nj->ni", rotation, step[far]) for rotation in ends])
    seen /= np.linalg.norm(seen, axis=1, keepdims=True)
    return _levelled(np.median(seen, axis=0), up)
