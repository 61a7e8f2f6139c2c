"""What the lidar sees of the ground along the driven path, and what lies evenly along that path."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from avrec.drive import Drive
from avrec.geometry import Trajectory
from avrec.reconstruction.checks import moving_tracks
from avrec.reconstruction.points.lidar import static_and_boxed

__all__ = [
    "GROUND_REACH_M",
    "MOST_POINTS",
    "corridor_m2",
    "driven_path",
    "length_m",
    "lidar_near",
    "spread_over",
    "thinned",
]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

GROUND_REACH_M = 12.0
MOST_POINTS = 8_000_000
"""Points that a ground is made of."""
_SWEEP_EVERY_M, _LEAST_SWEEPS, _MOST_SWEEPS = 0.5, 120, 1000
# Time counts as a little way, so that a car that stands still is seen at some times too.
_STANDING_MPS = 0.2


def driven_path(ego: Trajectory, span_us: tuple[int, int]) -> Float64:
    """Where the rig drove in a span of time, on the ground, float64 [P, 3], ten places a second."""
    first, last = span_us
    times = np.linspace(first, last, max(2, (last - first) // 100_000 + 1))
    return np.asarray(ego.at(times, outside="extrapolate")[:, :3, 3])


def length_m(path: Float64) -> float:
    """Length of a path [P, 3] seen from above."""
    return float(np.linalg.norm(np.diff(path[:, :2], axis=0), axis=1).sum())


def corridor_m2(path: Float64) -> float:
    """Area of the ground beside a path [P, 3], about."""
    return 2 * GROUND_REACH_M * length_m(path) + np.pi * GROUND_REACH_M**2


def spread_over(ego: Trajectory, times_us: Int64, count: int) -> Int64:
    """Indices of at most ``count`` of the times [T], in order, that lie evenly along the way that was driven."""
    if len(times_us) <= count:
        return np.arange(len(times_us))
    places = ego.at(times_us, outside="extrapolate")[:, :3, 3]
    steps = np.linalg.norm(np.diff(places, axis=0), axis=1) + _STANDING_MPS * np.diff(times_us) / 1e6
    way = np.concatenate([[0.0], np.cumsum(steps)])
    wanted = (np.arange(count) + 0.5) * way[-1] / count
    after = np.clip(np.searchsorted(way, wanted), 1, len(way) - 1)
    return np.unique(after - (wanted - way[after - 1] < way[after] - wanted))


def thinned(points: Float64, most: int) -> Float64:
    """At most so many of the points [N, 3], evenly chosen from their order."""
    if len(points) <= most:
        return points
    return points[(np.arange(most) * (len(points) / most)).astype(np.int64)]


def lidar_near(drive: Drive, ego: Trajectory, path: Float64) -> tuple[Float64, int]:
    """Returns near the path that belong to nothing moving, in the world of ``ego``, float64 [N, 3]; sweeps used."""
    if not drive.sweeps:
        return np.zeros((0, 3)), 0
    refined = replace(drive, ego=ego)
    moving = moving_tracks(drive)
    count = int(np.clip(length_m(path) / _SWEEP_EVERY_M, _LEAST_SWEEPS, _MOST_SWEEPS))
    times = np.array([sweep.timestamp_us for sweep in drive.sweeps], np.int64)
    chosen = spread_over(ego, times, count)
    most = MOST_POINTS // len(chosen)
    tree = cKDTree(path[:, :2])
    low, high = path[:, :2].min(axis=0) - GROUND_REACH_M, path[:, :2].max(axis=0) + GROUND_REACH_M
    near = []
    for index in chosen:
        points = static_and_boxed(refined, drive.sweeps[index], moving)[0]
        points = points[((points[:, :2] > low) & (points[:, :2] < high)).all(axis=1)]
        if len(points) > most:  # on a winding path the box around it holds much that is not beside it
            away = tree.query(points[:, :2], distance_upper_bound=GROUND_REACH_M + 2.0)[0]
            points = thinned(points[np.isfinite(away)], most)
        near.append(points)
    return np.concatenate(near), len(chosen)
