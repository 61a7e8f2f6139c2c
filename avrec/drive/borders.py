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
    for _ in range(refine if count > 2 else 0):
        center = (sides[0] + sides[1]) / 2
        course = center[2:, :2] - center[:-2, :2]
        course /= np.maximum(np.linalg.norm(course, axis=1, keepdims=True), 1e-9)
        for index, (line, along) in enumerate(zip((left, right), alongs, strict=True)):
            crossed = _crossings(line, along, center[1:-1, :2], course, places[index][1:-1])
            places[index][1:-1] = (places[index][1:-1] + crossed) / 2  # half way: tight turns would swing
            places[index] = np.clip(np.maximum.accumulate(places[index]), 0.0, along[-1])  # borders run one way
            sides[index] = _at(line, along, places[index])
    return (sides[0] + sides[1]) / 2, sides[0], sides[1]


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
