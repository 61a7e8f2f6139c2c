"""Which pictures of several cameras belong to one time step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

__all__ = ["time_steps"]


def time_steps(times_us: Mapping[str, Sequence[int]]) -> tuple[Mapping[str, int], ...]:
    """Group the frames of a rig into time steps, each with at most one frame of a camera.

    The camera with the most frames sets the steps; every other frame joins the step that is nearest in time, if it is
    no farther than half the usual distance of two steps and no frame of the same camera is nearer. What finds no place
    that way makes steps of its own by the same rule. So a frame that a camera dropped leaves a gap in one step and
    shifts none of the later ones, and cameras that fire one after the other stay together.

    Args:
        times_us: per camera, exposure starts in rising order, microseconds.

    Returns:
        The steps in time order; each names the position of a frame in its camera's list, cameras in the order given.
    """
    steps: list[dict[str, int]] = []
    left = {camera: list(enumerate(int(time) for time in times)) for camera, times in times_us.items()}
    while any(left.values()):
        leader = max(left, key=lambda camera: len(left[camera]))
        at = np.array([time for _, time in left[leader]], np.int64)
        reach_us = float(np.median(np.diff(at))) / 2 if len(at) > 1 else np.inf
        opened: list[dict[str, int]] = [{leader: position} for position, _ in left.pop(leader)]
        for camera, frames in left.items():
            left[camera] = _join(camera, frames, opened, at, reach_us)
        steps += opened
    names = list(times_us)
    ordered = [{camera: step[camera] for camera in names if camera in step} for step in steps]
    return tuple(sorted(ordered, key=lambda step: min(int(times_us[camera][i]) for camera, i in step.items())))


def _join(
    camera: str,
    frames: Sequence[tuple[int, int]],
    opened: Sequence[dict[str, int]],
    at: np.ndarray[tuple[int], np.dtype[np.int64]],
    reach_us: float,
) -> list[tuple[int, int]]:
    """Add one camera's frames (position, time) to the nearest steps, nearest first; gives back those left over."""
    over: list[tuple[int, int]] = []
    wishes = []
    for position, time in frames:
        nearest = int(np.argmin(np.abs(at - time)))
        wishes.append((abs(int(at[nearest]) - time), nearest, position, time))
    for distance, nearest, position, time in sorted(wishes):
        if distance <= reach_us and camera not in opened[nearest]:
            opened[nearest][camera] = position
        else:
            over.append((position, time))
    return sorted(over)
