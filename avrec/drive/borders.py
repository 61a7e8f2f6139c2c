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
    wanted = np.linspace(0.0, along[-1], count)
    return np.stack([np.interp(wanted, along, line[:, axis]) for axis in range(line.shape[1])], axis=1)


def pair_borders(
    left: Float64, right: Float64, step_m: float = 1.0, *, refine: int = 3
) -> tuple[Float64, Float64, Float64]:
    """Centre line and borders of a lane at common cross sections, each float64 [N, 3].

    The cross sections start as equal fractions of both borders and are then turned square to the centre line, but for
    the first and the last, which connect the borders' ends.

    Args:
        left, right: float64 [_, 3] in driving direction, any number of points.
        step_m: distance between cross sections, about.
        refine: rounds of turning.
    """
    length = max(arc_lengths(left)[-1], arc_lengths(right)[-1])
    count = max(int(np.ceil(length / step_m)) + 1, 2)
    lefts, rights = resampled(left, count), resampled(right, count)
    for _ in range(refine if count > 2 else 0):
        center = (lefts + rights) / 2
        along = center[2:, :2] - center[:-2, :2]
        along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
        for line, points in ((left, lefts), (right, rights)):
            points[1:-1] = _crossings(line, center[1:-1, :2], along, points[1:-1])
    return (lefts + rights) / 2, lefts, rights


def _crossings(line: Float64, origins: Float64, along: Float64, before: Float64) -> Float64:
    """Where the normals at some points cross a polyline, nearest to where they did before; that where they do not."""
    ahead = (line[None, :, :2] - origins[:, None]) @ along[:, :, None]
    first, last = ahead[:, :-1, 0], ahead[:, 1:, 0]
    crossing = (first <= 0) & (last > 0)
    share = np.where(crossing, -first / np.where(crossing, last - first, 1.0), 0.0)
    points = line[None, :-1] + share[..., None] * np.diff(line, axis=0)[None]
    distance = np.where(crossing, np.linalg.norm(points[..., :2] - before[:, None, :2], axis=2), np.inf)
    best = np.argmin(distance, axis=1)
    rows = np.arange(len(origins))
    return np.where((distance[rows, best] < 2.0)[:, None], points[rows, best], before)
