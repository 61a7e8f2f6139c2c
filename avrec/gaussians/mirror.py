"""Clouds of things whose left and right look alike, seen from one side only."""

from __future__ import annotations

import numpy as np

from avrec.gaussians.cloud import Gaussians

__all__ = ["mirrored_in_y", "with_both_sides"]

_ODD_IN_Y = (1, 4, 5, 9, 10, 11)
"""Spherical harmonics that change their sign with y."""
FINE_M = 0.15
"""Blobs smaller than this draw what was seen, larger ones fill what was not."""
POOR = 0.7
"""A side with less than this share of the other's fine blobs was not seen as well."""


def mirrored_in_y(cloud: Gaussians) -> Gaussians:
    """What a mirror in the plane y = 0 shows: left and right exchanged, where y points to the left."""
    packed = cloud.packed.copy()
    packed[:, 1] *= -1.0
    packed[:, [4, 6]] *= -1.0  # a turn (w, x, y, z) mirrored in y is (w, -x, y, -z)
    for index in _ODD_IN_Y:
        if 11 + 3 * index < packed.shape[1]:
            packed[:, 11 + 3 * index : 14 + 3 * index] *= -1.0
    return Gaussians(packed)


def with_both_sides(cloud: Gaussians) -> Gaussians:
    """A cloud whose better seen side (of y > 0 and y < 0) stands for the other one, where that was seen much worse.

    A recording sees most actors from one side. The cloud itself comes back where it saw both.
    """
    left = cloud.means[:, 1] > 0.0
    fine = cloud.log_scales.max(axis=1, initial=-np.inf) < np.log(FINE_M)
    counts = int((fine & left).sum()), int((fine & ~left).sum())
    if min(counts) >= POOR * max(counts):
        return cloud
    seen = cloud.take(left if counts[0] > counts[1] else ~left)
    return Gaussians.concatenate([seen, mirrored_in_y(seen)])
