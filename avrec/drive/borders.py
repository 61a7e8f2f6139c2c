"""A lane's centre line and cross sections from its two borders."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["arc_lengths", "pair_borders", "resampled"]

Float64 = NDArray[np.float64]


def arc_lengths(line: Float64) -> Float64:
    """Distance along a polyline [N, D] at its points, in the plane, float64 [N]."""
    return np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line[:, :2], axis=0), axis=1))])


def resampled(line: Float64, count: int) -> Float64:
    """A polyline at ``count`` points equally spaced along it, float64 [count, 3]."""
    along = arc_lengths(line)
    return _at(line, along, np.linspace(0.0, along[-1], count))


def pair_borders(
    left: Float64, right: Float64, step_m: float = 1.0, *, refine: int = 6
) -> tuple[Float64, Float64, Float64]:
    """Centre line and borders of a lane at common cross sections, each float64 [N, 3].

    The cross sections start as equal fractions of both borders and are then turned square to the centre line, but for
    the first and the last, which connect the borders' ends.

    Args:
        left, right: float64 [_, 3] in driving direction, any number of points.
        step_m: distance between cross sections, about.
        refine: rounds of turning.
    """
    alongs = [arc_lengths(left), arc_lengths(right)]
    count = max(int(np.ceil(max(along[-1] for along in alongs) / step_m)) + 1, 2)
    places = [np.linspace(0.0, along[-1], count) for along in alongs]
    sides = [_at(line, along, place) for line, along, place in zip((left, right), alongs, places, strict=True)]
    # A cross section that swings moves the centre line, which swings its neighbours: no less than a lane's width of the
    # course says what is square to it, or short steps would never settle.
    width = float(np.median(np.linalg.norm(sides[0][:, :2] - sides[1][:, :2], axis=1)))
    whole = max(round(width / 2 / _step(alongs, count)), 1)
    rows = np.arange(1, count - 1)
    reach = np.minimum(np.minimum(rows, count - 1 - rows), whole)
    pull = reach / (2 * whole)  # half way at most: tight turns would swing
    for _ in range(refine if count > 2 else 0):
        center = (sides[0] + sides[1]) / 2
        course = center[rows + reach, :2] - center[rows - reach, :2]
        course /= np.maximum(np.linalg.norm(course, axis=1, keepdims=True), 1e-9)
        for index, (line, along) in enumerate(zip((left, right), alongs, strict=True)):
            crossed = _crossings(line, along, center[1:-1, :2], course, places[index][1:-1])
            places[index][1:-1] += pull * (crossed - places[index][1:-1])
            places[index] = _evened(places[index], whole)
            places[index] = np.clip(np.maximum.accumulate(places[index]), 0.0, along[-1])  # borders run one way
            sides[index] = _at(line, along, places[index])
    return (sides[0] + sides[1]) / 2, sides[0], sides[1]


def _evened(places: Float64, whole: int) -> Float64:
    """Moving means over at most 2 ``whole`` + 1 values, fewer towards the ends, which stay."""
    sums = np.concatenate([[0.0], np.cumsum(places)])
    rows = np.arange(len(places))
    reach = np.minimum(np.minimum(rows, len(places) - 1 - rows), whole)
    return np.asarray((sums[rows + reach + 1] - sums[rows - reach]) / (2 * reach + 1))


def _step(alongs: list[Float64], count: int) -> float:
    """Mean distance between cross sections."""
    return max(float(sum(along[-1] for along in alongs)) / 2 / (count - 1), 1e-6)


def _at(line: Float64, along: Float64, places: Float64) -> Float64:
    return np.stack([np.interp(places, along, line[:, axis]) for axis in range(line.shape[1])], axis=1)


def _crossings(line: Float64, along: Float64, origins: Float64, course: Float64, before: Float64) -> Float64:
    """Distances along a polyline where normals cross it, nearest to where they did before; that where they do not."""
    ahead = ((line[None, :, :2] - origins[:, None]) @ course[:, :, None])[..., 0]
    first, last = ahead[:, :-1], ahead[:, 1:]
    crossing = (first <= 0) & (last > 0)
    share = np.where(crossing, -first / np.where(crossing, last - first, 1.0), 0.0)
    places = along[:-1] + share * np.diff(along)
    distance = np.where(crossing, np.abs(places - before[:, None]), np.inf)
    best = np.argmin(distance, axis=1)
    rows = np.arange(len(origins))
    return np.where(distance[rows, best] < 2.0, places[rows, best], before)
