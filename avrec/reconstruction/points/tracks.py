"""Matches joined into tracks, one keypoint per picture each."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["join_matches"]

Int64 = NDArray[np.int64]


def join_matches(matches: Int64, likeness: NDArray[np.float32], view: Int64) -> Int64:
    """Track of each keypoint by union-find, surest matches first.

    A match that would put two keypoints of one picture into a track is refused: one wrong match would otherwise chain
    hundreds of points together.

    Args:
        matches: int64 [M, 2] keypoints.
        likeness: [M], higher is surer.
        view: int64 [K] picture of each keypoint.

    Returns:
        int64 [K] number of the track, -1 for keypoints without a match.
    """
    parent = np.arange(len(view)).tolist()
    pictures = {int(key): 1 << int(view[key]) for key in np.unique(matches)}

    def root(key: int) -> int:
        while parent[key] != key:
            parent[key] = parent[parent[key]]
            key = parent[key]
        return key

    order = np.argsort(-likeness.astype(np.float64), kind="stable")
    for one, two in matches[order].tolist():
        a, b = root(one), root(two)
        if a == b or pictures[a] & pictures[b]:
            continue
        low, high = min(a, b), max(a, b)
        parent[high] = low
        pictures[low] |= pictures[high]
    track = np.full(len(view), -1, dtype=np.int64)
    used = np.unique(matches)
    roots = np.array([root(int(key)) for key in used], dtype=np.int64)
    _, track[used] = np.unique(roots, return_inverse=True)
    return track
