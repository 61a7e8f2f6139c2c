"""Boxes of moving actors: which points lie inside, which rays hit them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from avrec.drive.drive import Track

__all__ = ["alive", "entry_distance", "into_box", "moving_tracks"]

Float64 = NDArray[np.float64]
Bool = NDArray[np.bool_]

# A track is trusted this long beyond its first and last pose: half a lidar revolution.
_SLACK_US = 60_000


def moving_tracks(tracks: Sequence[Track]) -> list[Track]:
    """The actors that need a layer of their own."""
    return [track for track in tracks if track.moving]


def alive(track: Track, times_us: NDArray[np.number]) -> Bool:
    """Whether the track says where the actor is at times [N]."""
    first, last = track.world_from_box.span_us
    return np.asarray((times_us >= first - _SLACK_US) & (times_us <= last + _SLACK_US), dtype=np.bool_)


def into_box(track: Track, points_world: Float64, times_us: NDArray[np.number]) -> Float64:
    """World points [N, 3] at times [N] in the axes of the actor's box, float64 [N, 3]."""
    poses = track.world_from_box.at(times_us, outside="extrapolate")
    return np.asarray(np.einsum("nji,nj->ni", poses[:, :3, :3], points_world - poses[:, :3, 3]))


def entry_distance(
    tracks: Sequence[Track], origins: Float64, directions: Float64, times_us: Float64, *, margin_m: float = 0.2
) -> Float64:
    """Distance at which rays enter the nearest actor's box.

    Args:
        tracks: the actors.
        origins: [N, 3] world.
        directions: [N, 3] unit, world.
        times_us: [N].
        margin_m: boxes grow by this much on each side.

    Returns:
        float64 [N] metres, 0 for rays that start inside, infinity for rays that hit none.
    """
    nearest = np.full(len(origins), np.inf)
    for track in tracks:
        reach = float(np.linalg.norm(track.size_m)) / 2 + margin_m
        now = np.flatnonzero(alive(track, times_us))
        if not now.size:
            continue
        # A sphere around the box at the middle time rules out most rays; it grows by the way moved meanwhile.
        times = times_us[now]
        centers = track.world_from_box.at(
            np.array([times.min(), (times.min() + times.max()) / 2, times.max()]), outside="extrapolate"
        )[:, :3, 3]
        reach += float(np.linalg.norm(centers - centers[1], axis=1).max())
        to_center = centers[1] - origins[now]
        along = np.einsum("ni,ni->n", to_center, directions[now])
        off_axis2 = np.einsum("ni,ni->n", to_center, to_center) - along**2
        now = now[(off_axis2 < reach**2) & (along > -reach)]
        if not now.size:
            continue
        poses = track.world_from_box.at(times_us[now], outside="extrapolate")
        start = np.einsum("nji,nj->ni", poses[:, :3, :3], origins[now] - poses[:, :3, 3])
        toward = np.einsum("nji,nj->ni", poses[:, :3, :3], directions[now])
        half = track.size_m / 2 + margin_m
        with np.errstate(divide="ignore", invalid="ignore"):
            first, second = (-half - start) / toward, (half - start) / toward
        enter = np.nan_to_num(np.minimum(first, second), nan=-np.inf).max(axis=1)
        leave = np.nan_to_num(np.maximum(first, second), nan=np.inf).min(axis=1)
        hit = leave > np.maximum(enter, 0.0)
        nearest[now[hit]] = np.minimum(nearest[now[hit]], np.maximum(enter[hit], 0.0))
    return nearest
