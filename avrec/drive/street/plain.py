"""Simple materials: paint and stone, leaves, hedges, fences, roof tiles."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from avrec.drive.street.noise import pulse
from avrec.drive.street.surface import Hit, mix, noisy, noisy_round

__all__ = ["fence", "hedge", "leaves", "plain", "roof"]

Float32 = NDArray[np.float32]


def plain(hit: Hit) -> Float32:
    """The part's own colour, a little uneven."""
    octaves = ((1.5, 0.07), (5.0, 0.07))
    if hit.normal.shape[1] == 1:
        axis = int(np.argmax(np.abs(hit.normal[:, 0])))
        u, v = [a for a in range(3) if a != axis]
        return noisy(hit.color("wall"), hit, u, v, octaves)
    return noisy_round(hit, hit.color("wall"), octaves)


def leaves(hit: Hit) -> Float32:
    """A tree's crown: clumps of light and dark, brighter above."""
    height = hit.point[2] / np.float32(hit.part.half[2])
    base = hit.color("wall") * (0.95 + 0.13 * height)[:, None]
    return noisy_round(hit, base.astype(np.float32), ((0.8, 0.16), (2.1, 0.22), (5.0, 0.2)))


def roof(hit: Hit) -> Float32:
    """Rows of tiles up a sloped face."""
    rows = pulse(hit.point[2], hit.width(2), 0, 0.07, 0.24)
    base = hit.color("wall") * (1 - 0.25 * rows)[:, None]
    axis = int(np.argmax(np.abs(hit.normal[:2, 0])))
    return noisy(base.astype(np.float32), hit, 1 - axis, 2, ((0.5, 0.08), (2.2, 0.09), (6.0, 0.07)))


def hedge(hit: Hit) -> Float32:
    """Clipped leaves on a box."""
    axis = hit.face % 3
    u, v = [a for a in range(3) if a != axis]
    return noisy(hit.color("wall"), hit, u, v, ((0.6, 0.12), (2.0, 0.2), (5.0, 0.2)))


def fence(hit: Hit) -> Float32:
    """Pickets between rails, with something darker behind."""
    axis = hit.face % 3
    if axis == 2:
        return plain(hit)
    gaps = pulse(hit.point[1 - axis], hit.width(1 - axis), 0, hit.number("gap"), 0.26)
    gaps = gaps * (1 - pulse(hit.point[2], hit.width(2), 0, 0.08, 0.4))
    return mix(plain(hit), hit.color("behind"), gaps)
