"""Motion blur: what moves in the picture while the shutter is open is drawn out along its way.

The time in which the shutter is open is cut into moments. At each one every pixel is where its way has taken it, the
nearest covering what is behind. Where nothing nearer arrives, a pixel shows what passes on its own way, or, where its
own thing has moved off, what lies behind that.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["smeared"]

Float32 = NDArray[np.float32]

LEAST_PX = 0.5
"""Shorter ways stay within their pixel."""
STEP_PX = 1.0
MOST_MOMENTS = 17
SAME_DEPTH = 0.05
"""Things whose distances differ by less than this share are at the same one."""


def smeared(linear: Float32, way: Float32, ahead: Float32) -> Float32:
    """A picture in which each point has been on its way.

    Args:
        linear: light [H, W, 3].
        way: how each pixel moves while the shutter is open [H, W, 2], pixels, right and down; the picture shows the
            middle of it.
        ahead: distance of each pixel [H, W].

    Returns:
        Light [H, W, 3]; the same array where nothing moves.
    """
    longest = float(np.hypot(way[..., 0], way[..., 1]).max(initial=0.0))
    if longest <= LEAST_PX:
        return linear
    height, width = ahead.shape
    grid_v, grid_u = np.mgrid[0:height, 0:width].astype(np.float32)
    far_first = np.argsort(-ahead, axis=None, kind="stable").astype(np.int32)
    colours, distance = linear.reshape(-1, 3), ahead.reshape(-1)
    moments = min(max(int(np.ceil(longest / STEP_PX)), 3) | 1, MOST_MOMENTS)
    light = np.zeros_like(linear)
    for moment in range(moments):
        share = np.float32((moment + 0.5) / moments - 0.5)
        if moment == moments // 2:
            light += linear
            continue
        u, v = grid_u - share * way[..., 0], grid_v - share * way[..., 1]
        seen = cv2.remap(linear, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        depth = cv2.remap(ahead, u, v, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
        seen = np.where((depth < ahead * np.float32(1.0 - SAME_DEPTH))[..., None], linear, seen).reshape(-1, 3)
        arrived = _arrived(grid_u + share * way[..., 0], grid_v + share * way[..., 1], far_first)
        covered = np.flatnonzero((arrived >= 0) & (distance[arrived] < distance * np.float32(1.0 - SAME_DEPTH)))
        seen[covered] = colours[arrived[covered]]
        light += seen.reshape(linear.shape)
    return np.asarray(light / np.float32(moments), np.float32)


def _arrived(u: Float32, v: Float32, far_first: NDArray[np.int32]) -> NDArray[np.int32]:
    """Which pixel is where each one was, the nearest if several are, -1 for none; flat [H * W]."""
    height, width = u.shape
    column, row = np.rint(u).astype(np.int32).reshape(-1), np.rint(v).astype(np.int32).reshape(-1)
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    moved = far_first[inside[far_first]]
    found = np.full(height * width, -1, np.int32)
    found[row[moved] * width + column[moved]] = moved  # of several the last one counts
    return found
