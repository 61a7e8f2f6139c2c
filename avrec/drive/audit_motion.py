"""Audit of the ego's path: speeds, jumps, axes, and whether it covers the frames."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from avrec.drive.drive import Drive
from avrec.drive.finding import Finding

__all__ = ["check_coverage", "check_ego"]

Float64 = NDArray[np.float64]

_FASTEST_EGO_MPS = 70.0
_FASTEST_TURN_DEGPS = 120.0
_JUMP_M = 0.5


def check_ego(drive: Drive) -> Iterator[Finding]:
    """Speeds, jumps and direction of the ego's path."""
    where = "ego path"
    poses, times_us = drive.ego.poses, drive.ego.timestamps_us
    if len(times_us) < 2:
        yield Finding("error", "The path has a single pose", where, "Give poses over time.")
        return
    seconds = np.diff(times_us) / 1e6
    step = np.diff(poses[:, :3, 3], axis=0)
    length = np.linalg.norm(step, axis=1)
    # Noise of a centimetre between knots milliseconds apart is not a speed: judge over at least 50 ms.
    speed = length / np.maximum(seconds, 0.05)
    if length.sum() < 1.0:
        yield Finding(
            "warning", f"The ego moves only {length.sum():.2f} m", where, "New views need motion; choose a moving part."
        )
    fast = speed > _FASTEST_EGO_MPS
    usual = np.median(speed)
    jump = ~fast & (length - 2 * usual * seconds > _JUMP_M) & (seconds < 1.0)
    for wrong, what in ((fast, "an impossible speed"), (jump, "a jump")):
        if wrong.any():
            at = int(np.flatnonzero(wrong)[0])
            yield Finding(
                "warning",
                f"The path has {what} ({length[at]:.1f} m in {seconds[at]:.2f} s) at {times_us[at]} us"
                + (f" and {wrong.sum() - 1} more" if wrong.sum() > 1 else ""),
                where,
                "Check the poses there, or leave this part out with --frames.",
            )
    turned = np.einsum("nij,nij->n", poses[:-1, :3, :3], poses[1:, :3, :3])
    rate = np.degrees(np.arccos(np.clip((turned - 1) / 2, -1, 1))) / np.maximum(seconds, 0.05)
    if (rate > _FASTEST_TURN_DEGPS).any():
        at = int(np.argmax(rate))
        yield Finding(
            "warning",
            f"The ego turns by {rate[at]:.0f} deg/s at {times_us[at]} us",
            where,
            "Check the rotations there.",
        )
    yield from _check_heading(poses[:-1, :3, :3], step, length)


def _check_heading(rotation: Float64, step: Float64, length: Float64) -> Iterator[Finding]:
    """Whether x points forward and z up."""
    far = length > 0.2
    if not far.any():
        return
    in_rig = np.median(np.einsum("nji,nj->ni", rotation[far], step[far]) / length[far, None], axis=0)
    angle = float(np.degrees(np.arctan2(np.hypot(in_rig[1], in_rig[2]), in_rig[0])))
    if angle > 150:
        yield Finding("note", "The ego drives backwards", "ego path", "Nothing to do if that is what happened.")
    elif angle > 30:
        yield Finding(
            "warning",
            f"The ego moves at {angle:.0f} deg to its own forward axis",
            "ego path",
            "Check the axes of the poses (rig: x forward, y left, z up).",
        )
    tilt = float(np.degrees(np.arccos(np.clip(np.median(rotation[:, 2, 2]), -1, 1))))
    if tilt > 25:
        yield Finding(
            "warning",
            f"The rig is tilted by {tilt:.0f} deg to the world",
            "ego path",
            "The world's z axis must point up.",
        )


def check_coverage(drive: Drive) -> Iterator[Finding]:
    """Frames where the path is not known."""
    first, last = drive.ego.span_us
    knots = drive.ego.timestamps_us
    for name, frames in drive.frames.items():
        times = np.array([frame.timestamp_us for frame in frames], dtype=np.int64)
        outside = (times < first - 200_000) | (times > last + 200_000)
        if outside.any():
            yield Finding(
                "warning",
                f"{outside.sum()} of {len(times)} frames lie outside the ego's path in time",
                f"camera {name}",
                "Their poses are extrapolated; leave them out with --frames.",
            )
        after = np.clip(np.searchsorted(knots, times), 1, max(len(knots) - 1, 1))
        if len(knots) < 2:
            continue
        far = ~outside & ~np.isin(times, knots) & (knots[after] - knots[after - 1] > 1_000_000)
        if far.any():
            yield Finding(
                "warning",
                f"{far.sum()} of {len(times)} frames lie in gaps of more than 1 s of the ego's path",
                f"camera {name}",
                "Their poses are a guess; leave them out with --frames.",
            )
