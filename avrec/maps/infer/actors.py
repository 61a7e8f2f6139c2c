"""Which actors are around at a time, without asking each of them: long drives have thousands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from avrec.drive import Track
from avrec.drive.drive import TRACK_SLACK_US

__all__ = ["Actors"]

Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class Actors:
    """The tracks of a drive, by when and where they are."""

    tracks: Sequence[Track]

    def near(self, time_us: float, places: Float64, reach_m: float) -> Iterator[tuple[Track, Float64]]:
        """Tracks that are there at a time and whose middle lies within reach of any place, with pose [4, 4].

        Args:
            time_us: when; see :meth:`avrec.drive.Track.covers`.
            places: float64 [P, 2] world.
            reach_m: how far off the middle of an actor may be, seen from above.
        """
        here = self._here(time_us, places, reach_m)
        if not len(here):
            return
        poses = [self.tracks[index].world_from_box.at(time_us, outside="hold") for index in here]
        middles = np.array([pose[:2, 3] for pose in poses])
        close = np.isfinite(cKDTree(places).query(middles, distance_upper_bound=reach_m)[0])
        for index, pose, wanted in zip(here, poses, close, strict=True):
            if wanted:
                yield self.tracks[index], pose

    def _here(self, time_us: float, places: Float64, reach_m: float) -> NDArray[np.int64]:
        """Those that may be: at the time, and not far from all places on their whole way."""
        first, last, low, high = self._extents
        there = (first - TRACK_SLACK_US <= time_us) & (time_us <= last + TRACK_SLACK_US)
        close = (low < places.max(axis=0) + reach_m) & (high > places.min(axis=0) - reach_m)
        return np.flatnonzero(there & close.all(axis=1))

    @cached_property
    def _extents(self) -> tuple[NDArray[np.int64], NDArray[np.int64], Float64, Float64]:
        """First and last time of each track, [T], and the corners of what it passes, [T, 2]."""
        spans = np.array([track.world_from_box.span_us for track in self.tracks], np.int64).reshape(-1, 2)
        ways = [track.world_from_box.poses[:, :2, 3] for track in self.tracks]
        low, high = (np.array([pick(way, axis=0) for way in ways]).reshape(-1, 2) for pick in (np.min, np.max))
        return spans[:, 0], spans[:, 1], low, high
