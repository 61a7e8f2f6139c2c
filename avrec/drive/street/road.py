"""The street's reference line (straights and arcs) and the cross-section hung on it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

__all__ = ["CROSS_SECTION", "CrossSection", "Piece", "Road", "build_road"]

Array = NDArray[np.floating]


@dataclass(frozen=True)
class CrossSection:
    """Distances from the centre line, metres; the street is symmetric and traffic keeps right.

    Attributes:
        lane_width: width of each of the two driving lanes.
        kerb: where the kerb face stands; between lane and kerb lies the parking strip.
        pavement: outer end of the pavement; houses begin here.
        kerb_height: height of the pavement above the road.
    """

    lane_width: float = 3.4
    kerb: float = 5.7
    pavement: float = 9.0
    kerb_height: float = 0.12

    @property
    def lane_center(self) -> float:
        """Distance of a lane's centre from the centre line."""
        return self.lane_width / 2


CROSS_SECTION = CrossSection()


@dataclass(frozen=True)
class Piece:
    """One straight (curvature 0) or arc of the reference line, starting at ``station`` metres."""

    station: float
    curvature: float
    x: float
    y: float
    heading: float


@dataclass(frozen=True)
class Road:
    """A reference line that is tangent-continuous; its first and last pieces run on for ever.

    Station ``s`` is measured along the line, offset ``d`` to its left.
    """

    pieces: tuple[Piece, ...]

    @cached_property
    def _table(self) -> NDArray[np.float64]:
        return np.array([[p.station, p.curvature, p.x, p.y, p.heading] for p in self.pieces])

    def place(self, s: Array | float, d: Array | float = 0.0) -> tuple[Array, Array, Array]:
        """World x, y and heading (radians) at station ``s`` and offset ``d``; any matching shapes."""
        s, d = np.broadcast_arrays(np.asarray(s, np.float64), np.asarray(d, np.float64))
        which = np.clip(np.searchsorted(self._table[:, 0], s, side="right") - 1, 0, None)
        start, curvature, x0, y0, h0 = np.moveaxis(self._table[which], -1, 0)
        run = s - start
        heading = h0 + curvature * run
        half = 0.5 * curvature * run
        chord = run * np.sinc(half / np.pi)
        x = x0 + chord * np.cos(h0 + half) - d * np.sin(heading)
        y = y0 + chord * np.sin(h0 + half) + d * np.cos(heading)
        return x, y, heading

    def locate(self, x: Array, y: Array) -> tuple[Array, Array]:
        """Station and offset of world points; the dtype of ``x`` is kept.

        Exact while the point is nearer to the line than the centre of the arc it lies beside.
        """
        x, y = np.asarray(x), np.asarray(y)
        which = np.zeros(x.shape, np.int8)
        for piece in self.pieces[1:]:
            # plain floats keep the arrays' own precision
            cos, sin = float(np.cos(piece.heading)), float(np.sin(piece.heading))
            which += ((x - piece.x) * cos + (y - piece.y) * sin) > 0
        s, d = np.empty_like(x), np.empty_like(x)
        for index, piece in enumerate(self.pieces):
            inside = which == index
            if not inside.any():
                continue
            cos, sin = float(np.cos(piece.heading)), float(np.sin(piece.heading))
            dx, dy = x[inside] - piece.x, y[inside] - piece.y
            along, across = dx * cos + dy * sin, dy * cos - dx * sin
            if piece.curvature:
                # the circle's centre lies at offset 1/curvature beside the piece's start
                k = piece.curvature
                turn = np.arctan2(k * along, 1 - k * across)
                s[inside] = turn / k + piece.station
                d[inside] = _arc_offset(k, along, across)
            else:
                s[inside] = along + piece.station
                d[inside] = across
        return s, d


def _arc_offset(k: float, along: Array, across: Array) -> Array:
    """Signed distance left of an arc of curvature ``k``, without cancellation for gentle arcs."""
    square = along * along + across * across
    root = np.sqrt(np.maximum(1 - 2 * k * across + k * k * square, 0))
    result: Array = (2 * across - k * square) / (1 + root)
    return result


def build_road(length_m: float) -> Road:
    """A straight, then gentle bends left and right in turn until ``length_m`` metres are covered."""
    pieces = [Piece(0.0, 0.0, 0.0, 0.0, 0.0)]
    station, sign, straight = 22.0, 1.0, True
    while station < length_m:
        x, y, heading = (float(v) for v in Road(tuple(pieces)).place(station))
        straight = not straight
        curvature = 0.0 if straight else sign / 120.0
        pieces.append(Piece(station, curvature, x, y, heading))
        station += 18.0 if straight else 34.0
        sign = sign if not straight else -sign
    return Road(tuple(pieces))
