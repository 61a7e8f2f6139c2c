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
        here = self._here(time_us)
        if not len(here):
            return
        poses = [self.tracks[index].world_from_box.at(time_us, outside="hold") for index in here]
        middles = np.array([pose[:2, 3] for pose in poses])
        close = np.isfinite(cKDTree(places).query(middles, distance_upper_bound=reach_m)[0])
        for index, pose, wanted in zip(here, poses, close, strict=True):
            if wanted:
                yield self.tracks[index], pose

    def _here(self, time_us: float) -> NDArray[np.int64]:
        first, last = self._spans_us
        return np.flatnonzero((first - TRACK_SLACK_US <= time_us) & (time_us <= last + TRACK_SLACK_US))

    @cached_property
    def _spans_us(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        spans = np.array([track.world_from_box.span_us for track in self.tracks], np.int64).reshape(-1, 2)
        return spans[:, 0], spans[:, 1]
