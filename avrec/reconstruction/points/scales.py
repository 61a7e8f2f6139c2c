"""How large a Gaussian at each point should start."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

__all__ = ["nearest_neighbour_scales"]


def nearest_neighbour_scales(
    xyz: ArrayLike, *, neighbours: int = 3, shortest_m: float = 0.005, longest_m: float = 3.0
) -> NDArray[np.float32]:
    """Mean distance to the nearest other points.

    Args:
        xyz: [N, 3] metres, any frame.
        neighbours: how many others to average over; fewer where there are fewer.
        shortest_m: distances are clipped from below.
        longest_m: and from above; also the answer for a lone point.

    Returns:
        float32 [N] metres.
    """
    points = np.asarray(xyz, dtype=np.float64).reshape(-1, 3)
    count = min(neighbours, len(points) - 1)
    if count < 1:
        return np.full(len(points), longest_m, dtype=np.float32)
    distances = cKDTree(points).query(points, k=count + 1, workers=-1)[0][:, 1:]
    return np.asarray(np.clip(distances.mean(axis=1), shortest_m, longest_m), dtype=np.float32)
