"""The ground beside a path where nothing was measured: as a plain road would go on."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

__all__ = ["PlainRoad"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

# The path's direction and rise are taken over this far before and after each place.
_SPAN_M = 3.0
# Points of the path are at most a metre apart; what is farther apart is not driven in one go.
_JUMP_M, _APART_M = 2.0, 1000.0
# Roads fall to a side by 2 to 8 %, and climb by up to 25 %.
_STEEPEST_ACROSS, _STEEPEST_ALONG = 0.08, 0.25
# The slope across changes slowly, over some of its standard deviations in metres.
_SMOOTH_M = 8.0
# As much as points 2 m to the side of a metre of the path, for no slope at all.
_LEVEL = 4.0


@dataclass(frozen=True, eq=False)
class PlainRoad:
    """Places beside a path, in the path's own terms.

    Attributes:
        which: int64 [M], the point of the path nearest to each place.
        level_m: float64 [M], the path's height there, led on at the path's rise beyond its ends.
        left_m: float64 [M], how far to the left of the path.
        bins: int64 [P], metre of the way of each point of the path.
    """

    which: Int64
    level_m: Float64
    left_m: Float64
    bins: Int64

    @staticmethod
    def along(path: Float64, places: Float64, which: Int64) -> PlainRoad:
        """Of places [M, 2] and the points of the path [P, 3] nearest to them, [M]."""
        steps = np.linalg.norm(np.diff(path[:, :2], axis=0), axis=1)
        moved = np.concatenate([[0.0], np.cumsum(np.where(steps > _JUMP_M, _APART_M, steps))])
        first = np.concatenate([[0], np.flatnonzero(steps > _JUMP_M) + 1, [len(path)]])
        ahead = np.zeros((len(path), 3))
        for begin, end in pairwise(first):
            run, piece = moved[begin:end], path[begin:end]
            low, high = np.clip(run - _SPAN_M, run[0], run[-1]), np.clip(run + _SPAN_M, run[0], run[-1])
            ahead[begin:end] = np.column_stack(
                [np.interp(high, run, piece[:, axis]) - np.interp(low, run, piece[:, axis]) for axis in range(3)]
            )
        long = np.linalg.norm(ahead[:, :2], axis=1)
        known = long > _SPAN_M / 3  # a car that stands still has no direction
        ahead = np.where(known[:, None], ahead / np.maximum(long, 1e-9)[:, None], 0.0)
        rise = np.clip(ahead[:, 2], -_STEEPEST_ALONG, _STEEPEST_ALONG)
        rest = places - path[which, :2]
        onward = (rest * ahead[which, :2]).sum(axis=1)
        left = rest[:, 1] * ahead[which, 0] - rest[:, 0] * ahead[which, 1]
        return PlainRoad(which, path[which, 2] + rise[which] * onward, left, np.floor(moved).astype(np.int64))

    def cross_slopes(self, heights: Float64, weights: Float64) -> Float64:
        """Rise to the left at each point of the path, [P], of weighted heights [M] at the places."""
        values, bins = np.unique(self.bins, return_inverse=True)
        cell = bins.reshape(-1)[self.which]
        raised = np.bincount(cell, weights * self.left_m * (heights - self.level_m), minlength=len(values))
        lever = np.bincount(cell, weights * self.left_m**2, minlength=len(values))
        slopes = np.zeros(len(values))
        for run in np.split(np.arange(len(values)), np.flatnonzero(np.diff(values) > _APART_M / 2) + 1):
            total, share = (gaussian_filter1d(each[run], _SMOOTH_M, mode="nearest") for each in (raised, lever))
            slopes[run] = total / (share + _LEVEL)
        return np.asarray(np.clip(slopes, -_STEEPEST_ACROSS, _STEEPEST_ACROSS)[bins.reshape(-1)], np.float64)

    def heights(self, slopes: Float64) -> Float64:
        """Height at each place, [M], for slopes across [P]."""
        return self.level_m + slopes[self.which] * self.left_m
