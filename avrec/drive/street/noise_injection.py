"""Errors laid on the recorded poses, as a real localisation would have; the images stay exact."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from avrec.geometry import Trajectory, exp_se3

__all__ = ["PoseNoise"]

Float64 = NDArray[np.float64]


class PoseNoise:
    """One rigid error per moment of exposure, shared by all cameras and rows of that moment, zero on average.

    Between exposures the error slides from one moment's to the next.

    Args:
        moments_us: int64 [F] exposure starts.
        hold_us: how long after its start a moment's error stays as it is.
        degrees: root mean square of the error's angle.
        metres: root mean square of the error's length.
        seed: of the errors.
    """

    def __init__(self, moments_us: NDArray[np.int64], hold_us: int, degrees: float, metres: float, seed: int) -> None:
        rng = np.random.default_rng([seed, 4242])
        error = rng.standard_normal((len(moments_us), 6))
        error -= error.mean(0)
        error /= np.sqrt(np.maximum((error**2).mean(0), 1e-12))
        scale = np.repeat([metres, np.deg2rad(degrees)], 3) / np.sqrt(3)
        knots = np.stack([moments_us - 1000, moments_us + hold_us + 1000], 1).reshape(-1)
        self._times = knots.astype(np.float64)
        self._twists = np.repeat(error * scale, 2, axis=0)

    def at(self, times_us: NDArray[np.int64]) -> Float64:
        """The error at any times, as rig-from-rig transforms [..., 4, 4] to be multiplied from the right."""
        times = np.asarray(times_us, np.float64)
        twists = np.stack([np.interp(times, self._times, column) for column in self._twists.T], -1)
        return exp_se3(twists)

    def on(self, path: Trajectory) -> Trajectory:
        """A path with the error laid on it."""
        return Trajectory(path.timestamps_us, path.poses @ self.at(path.timestamps_us))
