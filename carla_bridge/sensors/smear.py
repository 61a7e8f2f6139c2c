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
    length = np.hypot(way[..., 0], way[..., 1])
    longest = float(length.max(initial=0.0))
    if longest <= LEAST_PX:
        return linear
    height, width = ahead.shape
    grid_v, grid_u = np.mgrid[0:height, 0:width].astype(np.float32)
    colours, nearer = linear.reshape(-1, 3), (ahead * np.float32(1.0 - SAME_DEPTH)).reshape(-1)
    distance, darkest, brightest = ahead.reshape(-1), linear.min(), linear.max()
    movers = np.flatnonzero(length > LEAST_PX).astype(np.int32)
    movers = movers[np.argsort(-distance[movers], kind="stable")]  # the nearest last
    ways, start_u, start_v = way.reshape(-1, 2)[movers], grid_u.reshape(-1)[movers], grid_v.reshape(-1)[movers]
    moments = min(max(int(np.ceil(longest / STEP_PX)), 3) | 1, MOST_MOMENTS)
    light = linear.copy()  # the moment in the middle
    for moment in range(moments):
        share = np.float32((moment + 0.5) / moments - 0.5)
        if moment == moments // 2:
            continue
        u, v = grid_u - share * way[..., 0], grid_v - share * way[..., 1]
        seen = cv2.remap(linear, u, v, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        np.clip(seen, darkest, brightest, out=seen)
        depth = cv2.remap(ahead, u, v, cv2.INTER_NEAREST)
        unknown = (u < 0.0) | (v < 0.0) | (u > width - 1) | (v > height - 1)
        own = np.flatnonzero(unknown.reshape(-1) | (depth.reshape(-1) < nearer))
        flat = seen.reshape(-1, 3)
        flat[own] = colours[own]
        arrived = _arrived(movers, start_u + share * ways[:, 0], start_v + share * ways[:, 1], ahead.shape)
        taken = np.flatnonzero(arrived >= 0)
        taken = taken[distance[arrived[taken]] < nearer[taken]]
        flat[taken] = colours[arrived[taken]]
        light += seen
    return np.asarray(light / np.float32(moments), np.float32)


def _arrived(
    movers: NDArray[np.int32], u: NDArray[np.floating], v: NDArray[np.floating], shape: tuple[int, int]
) -> NDArray[np.int32]:
    """Which pixel is where each one was, of several the last of ``movers``, -1 for none; flat [H * W]."""
    height, width = shape
    column, row = np.rint(u).astype(np.int32), np.rint(v).astype(np.int32)
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    found = np.full(height * width + 1, -1, np.int32)
    found[np.where(inside, row * width + column, height * width)] = movers  # repeated places keep the last
    return found[:-1]
