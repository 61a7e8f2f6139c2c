"""Height of a camera above the road, from lidar."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from avrec.drive import LidarPoints
from avrec.errors import DataError
from avrec.geometry import apply
from avrec.ingest.rig import CameraPath

__all__ = ["camera_height_m"]

_REACH_M = 12.0  # further away the road may have climbed
_LOWEST_M, _HIGHEST_M, _BIN_M = 0.6, 4.0, 0.05
_FEWEST_POINTS = 200


def camera_height_m(path: CameraPath, sweeps: Sequence[dict[str, Any]]) -> float | None:
    """Median over a few sweeps of the camera's height above the most frequent level below it.

    Args:
        path: poses of the camera.
        sweeps: tables with ``timestamp_us``, ``world_from_lidar`` and ``load``.

    Returns:
        Metres, or None where there is no lidar or it sees no ground.
    """
    heights = []
    for sweep in list(sweeps)[:: max(1, len(sweeps) // 5)]:
        try:
            points: LidarPoints = sweep["load"]()
        except DataError:
            continue  # the audit reports unreadable sweeps
        nearest = int(np.argmin(np.abs(path.times_us - sweep["timestamp_us"])))
        camera = path.poses[nearest, :3, 3]
        below = camera - apply(sweep["world_from_lidar"], points.xyz_lidar.astype(np.float64))
        near = np.linalg.norm(below[:, :2], axis=1) < _REACH_M
        depth = below[near, 2]
        depth = depth[(depth > _LOWEST_M) & (depth < _HIGHEST_M)]
        if len(depth) < _FEWEST_POINTS:
            continue
        counts, edges = np.histogram(depth, bins=np.arange(_LOWEST_M, _HIGHEST_M + _BIN_M, _BIN_M))
        level = edges[int(np.argmax(counts))] + _BIN_M / 2
        heights.append(float(np.median(depth[np.abs(depth - level) < 2 * _BIN_M])))
    return float(np.median(heights)) if heights else None
