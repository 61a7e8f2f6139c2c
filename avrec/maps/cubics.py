"""Piecewise cubic functions of the station along a road, as OpenDRIVE writes offsets, widths and heights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Cubics", "fit_cubics", "longest"]

Float64 = NDArray[np.float64]

_STRAIGHT_M = 0.02


@dataclass(frozen=True)
class Cubics:
    """``a + b d + c d^2 + d d^3`` with d = s - start, from each start to the next.

    Attributes:
        starts: float64 [P], rising. Before the first start the function is 0.
        coefficients: float64 [P, 4].
    """

    starts: Float64
    coefficients: Float64

    @staticmethod
    def constant(value: float) -> Cubics:
        """The same value everywhere."""
        return Cubics(np.array([-np.inf if value == 0 else 0.0]), np.array([[value, 0.0, 0.0, 0.0]]))

    @staticmethod
    def of(records: list[tuple[float, float, float, float, float]]) -> Cubics:
        """From rows of start, a, b, c, d in any order; of two with one start the later counts."""
        if not records:
            return Cubics.constant(0.0)
        rows = np.array(sorted(records, key=lambda row: row[0]), dtype=np.float64)
        kept = np.append(np.diff(rows[:, 0]) > 0, True)
        return Cubics(rows[kept, 0], rows[kept, 1:])

    def at(self, s: ArrayLike, *, before: bool = False) -> Float64:
        """Values at stations [N], float64 [N]; ``before`` takes the piece that ends at a station, not the next."""
        stations = np.asarray(s, dtype=np.float64)
        piece = np.searchsorted(self.starts, stations, side="left" if before else "right") - 1
        start = self.starts[np.maximum(piece, 0)]
        offset = stations - np.where(np.isfinite(start), start, 0.0)
        a, b, c, d = self.coefficients[np.maximum(piece, 0)].T
        value = a + offset * (b + offset * (c + offset * d))
        return np.where(piece < 0, 0.0, value)

    def bend(self, start: Float64, end: Float64) -> Float64:
        """Largest second derivative [N] between stations [N] and [N] that no piece starts between."""
        piece = np.maximum(np.searchsorted(self.starts, 0.5 * (start + end), side="right") - 1, 0)
        origin = np.where(np.isfinite(self.starts), self.starts, 0.0)[piece]
        c, d = self.coefficients[piece, 2], self.coefficients[piece, 3]
        return np.asarray(np.maximum(np.abs(2 * c + 6 * d * (start - origin)), np.abs(2 * c + 6 * d * (end - origin))))


def fit_cubics(s: Float64, values: Float64, tolerance: float) -> Cubics:
    """Few cubic pieces through samples, continuous, each sample met within ``tolerance``.

    Pieces start and end on the samples' polyline; between, they are least squares. They stay as close to it at three
    places between any two samples, so that they do not swing where samples are few.

    Args:
        s: float64 [N], strictly rising.
        values: float64 [N].
        tolerance: in the unit of ``values``.
    """
    if np.ptp(values) <= tolerance / 2:
        return Cubics(s[:1].copy(), np.array([[float(np.mean(values)), 0.0, 0.0, 0.0]]))
    s, values = _quartered(s), _quartered(values)
    starts: list[float] = []
    rows: list[Float64] = []
    first, last = 0, len(s) - 1
    while first < last:

        def fits(end: int, first: int = first) -> bool:
            return _piece(s[first : end + 1], values[first : end + 1])[1] <= tolerance

        end = longest(first, last, fits)
        starts.append(float(s[first]))
        rows.append(_piece(s[first : end + 1], values[first : end + 1])[0])
        first = end
    return Cubics(np.array(starts), np.array(rows))


def longest(first: int, last: int, fits: Callable[[int], bool]) -> int:
    """The farthest end that fits, from ``first + 1`` (which always does) up to ``last``, by doubling and halving."""
    good, bad, step = first + 1, last + 1, 4
    while good < last:
        reach = min(good + step, last)
        if not fits(reach):
            bad = reach
            break
        good, step = reach, 2 * step
    while good < last and bad - good > 1:
        middle = (good + bad) // 2
        if fits(middle):
            good = middle
        else:
            bad = middle
    return good


def _quartered(rows: Float64) -> Float64:
    """With three equally spaced values between any two."""
    steps = rows[:-1, None] + np.diff(rows)[:, None] * np.array([0.0, 0.25, 0.5, 0.75])
    return np.append(steps.ravel(), rows[-1])


def _piece(s: Float64, values: Float64) -> tuple[Float64, float]:
    """Cubic through the first and last sample, least squares between, and its largest error."""
    span = s[-1] - s[0]
    u = (s - s[0]) / span
    line = values[0] + (values[-1] - values[0]) * u
    bows = np.stack([u * (1 - u), u * u * (1 - u)], axis=1)
    rest = values - line
    if span < _STRAIGHT_M:  # a step; its cubic would have coefficients of a billion
        weights = np.zeros(2)
    elif len(s) > 3:
        weights = np.linalg.lstsq(bows, rest, rcond=None)[0]
    elif len(s) == 3:
        weights = np.array([rest[1] / bows[1, 0], 0.0])
    else:
        weights = np.zeros(2)
    between, ends = (u[:-1] + u[1:]) / 2, (rest[:-1] + rest[1:]) / 2
    swing = between * (1 - between) * (weights[0] + weights[1] * between) - ends
    error = float(max(np.abs(bows @ weights - rest).max(), np.abs(swing).max()))
    p, q = weights
    unit = np.array([values[0], values[-1] - values[0] + p, q - p, -q])
    return unit / span ** np.arange(4), error
