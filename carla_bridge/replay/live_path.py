"""The true path of a body that follows a recording until somebody else drives it."""

from __future__ import annotations

from collections import deque
from math import floor

import numpy as np
from numpy.typing import NDArray

from avrec.geometry import Trajectory

__all__ = ["LivePath"]

Float64 = NDArray[np.float64]

KEPT = 256
"""Ticks that are remembered; more than the longest exposure or sweep lasts."""


class LivePath:
    """A recorded path, and what the simulator made of it.

    While the body follows the recording its poses are the recording's own, so that pictures are the same bit for bit.
    While a simulator drives it, they are those that the client saw, moving straight from tick to tick.

    Attributes:
        recorded: world_from_body.
        free: True while a simulator drives.
    """

    def __init__(self, recorded: Trajectory) -> None:
        self.recorded = recorded
        self.free = False
        self._knots: deque[tuple[int, Float64]] = deque(maxlen=KEPT)

    def release(self, time_us: int, world_from_body: Float64) -> None:
        """From now on a simulator drives; until ``time_us`` the path is the recording's."""
        self.free = True
        self._knots.clear()
        self._knots.append((time_us, world_from_body))

    def follow(self) -> None:
        """From now on the path is the recording's again."""
        self.free = False
        self._knots.clear()

    def saw(self, time_us: int, world_from_body: Float64) -> None:
        """The client saw the body there; ignored while it follows the recording."""
        if self.free and time_us > self._knots[-1][0]:
            self._knots.append((time_us, world_from_body))

    def during(self, first_us: float) -> Trajectory:
        """The path from a time in the near past until now: the recording itself where it was followed all along."""
        if not self.free:
            return self.recorded
        begun = self._knots[0][0]
        if first_us >= begun:
            times = np.array([time for time, _ in self._knots])
            return Trajectory(times, np.stack([pose for _, pose in self._knots]))
        # The recording moves straight between its knots: these, and the ends, give the same curve.
        known = self.recorded.timestamps_us
        start = floor(first_us)
        before = np.unique(np.concatenate([[start], known[(known > start) & (known < begun)]]))
        times = np.concatenate([before, [time for time, _ in self._knots]])
        poses = [*self.recorded.at(before, outside="extrapolate"), *(pose for _, pose in self._knots)]
        return Trajectory(times, np.stack(poses))
