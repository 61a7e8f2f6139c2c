"""Lines that actors move along, and how one goes over into another."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.signal import savgol_filter

from avrec.errors import AvrecError

__all__ = ["Guide", "blended", "guide_of", "smooth_step", "thinned"]

Float64 = NDArray[np.float64]

SPACING_M = 0.5
SMOOTH_M = 7.0


def smooth_step(share: ArrayLike) -> Float64:
    """The polynomial of degree five from 0 to 1 whose first and second derivatives vanish at both ends.

    10 u^3 - 15 u^4 + 6 u^5, the minimum-jerk motion of Flash and Hogan (1985). Its steepest slope is 1.875, and its
    second derivative reaches 10 / sqrt(3).
    """
    u = np.clip(np.asarray(share, np.float64), 0.0, 1.0)
    return np.asarray(u * u * u * (10.0 - 15.0 * u + 6.0 * u * u))


@dataclass(frozen=True, eq=False)
class Guide:
    """A line on the ground; beyond its ends it goes straight on.

    Attributes:
        points: float64 [N, 2] world metres, N >= 2, no two in a row alike.
    """

    points: Float64

    @cached_property
    def along(self) -> Float64:
        """Metres from the start at each point, [N]."""
        return np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(self.points, axis=0), axis=1))])

    @cached_property
    def headings(self) -> Float64:
        """Radians at each point, [N], without jumps: the mean of the directions before and after."""
        way = np.diff(self.points, axis=0)
        turned = np.unwrap(np.arctan2(way[:, 1], way[:, 0]))
        return np.concatenate([turned[:1], (turned[:-1] + turned[1:]) / 2, turned[-1:]])

    @property
    def length_m(self) -> float:
        """From the first to the last point."""
        return float(self.along[-1])

    def at(self, along_m: ArrayLike) -> tuple[Float64, Float64]:
        """Points [..., 2] and headings [...] at distances [...] from the start."""
        s = np.asarray(along_m, np.float64)
        inside = np.clip(s, 0.0, self.length_m)
        heading = np.interp(inside, self.along, self.headings)
        point = np.stack([np.interp(inside, self.along, self.points[:, axis]) for axis in (0, 1)], -1)
        ahead = np.stack([np.cos(heading), np.sin(heading)], -1)
        return point + ahead * (s - inside)[..., None], heading

    def since(self, along_m: float) -> Guide:
        """The same line, from a place on it (or before it) on."""
        start = self.at(along_m)[0]
        rest = self.points[self.along > along_m + 1e-3]
        if not len(rest):
            rest = self.at(max(along_m, self.length_m) + np.array([SPACING_M]))[0]
        return Guide(np.concatenate([start[None], rest]))

    @property
    def smooth(self) -> Guide:
        """The line as a car takes it, without the small steps that maps have where lanes join.

        For lines that are resampled evenly: each point moves to the parabola fitted to `SMOOTH_M` of line on both sides
        (Savitzky and Golay, 1964), which keeps bends.
        """
        spacing = self.length_m / (len(self.points) - 1)
        window = min(2 * round(SMOOTH_M / spacing) + 1, (len(self.points) - 1) // 2 * 2 + 1)
        if window < 5:
            return self
        return Guide(savgol_filter(self.points, window, 2, axis=0))

    @property
    def reversed(self) -> Guide:
        """The same line, run through from its end."""
        return Guide(self.points[::-1])

    def nearest(self, xy: ArrayLike) -> tuple[Float64, Float64]:
        """Distances along the line [...] of the places nearest to points [..., 2], and offsets to its left [...]."""
        points = np.asarray(xy, np.float64)
        flat = points.reshape(-1, 2)
        way = np.diff(self.points, axis=0)
        length = np.linalg.norm(way, axis=1)
        since = flat[:, None] - self.points[:-1]
        share = (since * way).sum(-1) / length**2
        low, high = np.zeros(len(way)), np.ones(len(way))
        low[0], high[-1] = -np.inf, np.inf  # straight on at both ends
        share = np.clip(share, low, high)
        away2 = ((since - share[..., None] * way) ** 2).sum(-1)
        best = away2.argmin(1)
        row = np.arange(len(flat))
        found = self.along[best] + share[row, best] * length[best]
        aside = since[row, best]
        left = (way[best, 0] * aside[:, 1] - way[best, 1] * aside[:, 0]) / length[best]
        return found.reshape(points.shape[:-1]), left.reshape(points.shape[:-1])


def guide_of(points: ArrayLike, spacing_m: float = SPACING_M) -> Guide:
    """A line through points [N, 2] or [N, 3], resampled evenly.

    Raises:
        AvrecError: fewer than two places, or values that are not finite.
    """
    line = np.asarray(points, np.float64)
    if line.ndim != 2 or line.shape[1] not in (2, 3) or not np.isfinite(line).all():
        raise AvrecError(f"A path needs finite points [N, 2] or [N, 3], found the shape {line.shape}.")
    line = line[:, :2]
    line = line[np.concatenate([[True], np.linalg.norm(np.diff(line, axis=0), axis=1) > 1e-6])]
    if len(line) < 2:
        raise AvrecError("A path needs at least two places that differ. Add one.")
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    even = np.linspace(0.0, along[-1], max(int(np.ceil(along[-1] / spacing_m)), 1) + 1)
    return Guide(np.stack([np.interp(even, along, line[:, axis]) for axis in (0, 1)], -1))


def thinned(points: Float64, least_m: float) -> NDArray[np.intp]:
    """Indices of points [N, D] of which each is at least so far from the one before; the first is always among them.

    What stands still jitters: only its way tells where it is going.
    """
    kept = [0]
    for index in range(1, len(points)):
        if np.linalg.norm(points[index] - points[kept[-1]]) >= least_m:
            kept.append(index)
    return np.array(kept)


def blended(start: Guide, from_m: float, goal: Guide, length_m: float) -> tuple[Guide, float]:
    """The line that leaves ``start`` at ``from_m`` and has gone over into ``goal`` after ``length_m`` of way.

    Its offset follows :func:`smooth_step`, so that heading and curvature are continuous.

    Returns:
        The line, beginning at ``from_m``, and the distance along it at which it is on the goal.
    """
    span = length_m
    for _ in range(4):  # the way across is longer than the way ahead
        ahead = np.linspace(0.0, span, max(int(np.ceil(span / SPACING_M)), 8) + 1)
        own, _ = start.at(from_m + ahead)
        there, _ = goal.nearest(own)
        weight = smooth_step(ahead / span)[:, None]
        line = (1.0 - weight) * own + weight * goal.at(there)[0]
        way = float(np.linalg.norm(np.diff(line, axis=0), axis=1).sum())
        span *= length_m / max(way, 1e-9)
    rest = max(goal.length_m - float(there[-1]), 0.0) + 50.0
    after = goal.at(float(there[-1]) + np.arange(SPACING_M, rest, SPACING_M))[0]
    return Guide(np.concatenate([line, after])), way
