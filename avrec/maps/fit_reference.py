"""A smooth reference line along a polyline: straight lines and cubics, with continuous heading."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from avrec.maps.cubics import longest
from avrec.maps.reference_line import Curve, Line, ParamPoly3, ReferenceLine

__all__ = ["fit_reference"]

Float64 = NDArray[np.float64]

MAX_TURN_RAD = 0.5
"""One cubic turns no further, so that its parameter stays its arc length within millimetres."""
MAX_PIECE_M = 100.0
MAX_ASIDE_M = 0.1
"""How far the line may leave the points near an end whose heading is given."""
GENTLE = 0.5
"""Curvature there times the reach; at 1 the normals meet."""
_CLOSEST_M = 1e-3
_STRAIGHT_RAD = 1e-7


def fit_reference(
    points: Float64,
    tolerance: float,
    reach: float = 0.0,
    headings: Float64 | None = None,
) -> ReferenceLine:
    """Lines and cubics through the first and last point, every point within ``tolerance`` of them.

    Args:
        points: float64 [N, 2].
        tolerance: metres.
        reach: distance from the line up to which its normals must hit within ``tolerance``, metres: lanes far to the
            side are cut at a normal's end.
        headings: float64 [N] radians at the points; NaN, or ``None`` for all, where they follow from the points.
    """
    kept = _thinned(np.asarray(points, dtype=np.float64))
    free = headings is None or bool(np.isnan(headings[kept[1:-1]]).all())
    if free and headings is not None:
        kept = _eased(points, kept, headings, reach)
        kept = _eased(points[::-1], [len(points) - 1 - index for index in kept[::-1]], headings[::-1] + np.pi, reach)
        kept = [len(points) - 1 - index for index in kept[::-1]]
    line = points[kept]
    tangents = _tangents(line)
    guessed = np.arctan2(tangents[:, 1], tangents[:, 0])
    given = guessed if headings is None else np.where(np.isnan(headings[kept]), guessed, headings[kept])
    bearing = np.unwrap(given)
    chords = np.linalg.norm(np.diff(line, axis=0), axis=1)
    turns = np.diff(bearing)
    arcs = chords * (1 + turns**2 / 24)  # of a circle with that turn
    along = np.concatenate([[0.0], np.cumsum(arcs)])
    turned = np.concatenate([[0.0], np.cumsum(np.abs(turns))])

    pieces: list[tuple[float, float, float, float, Curve]] = []
    first, last = 0, len(line) - 1
    while first < last:
        limit = int(
            min(
                np.searchsorted(turned, turned[first] + MAX_TURN_RAD, side="right") - 1,
                np.searchsorted(along, along[first] + MAX_PIECE_M, side="right") - 1,
            )
        )

        def fits(end: int, first: int = first) -> bool:
            part = slice(first, end + 1)
            return _error(line[part], bearing[part], along[part], reach) <= tolerance

        good = longest(first, max(limit, first + 1), fits)
        if free:
            good = _gentlest(line, bearing, first, range(good, max(limit, good) + 1), reach)
        x, y = line[first]
        length, heading, curve = _curve(line[first], line[good], bearing[first], bearing[good])
        if pieces and isinstance(curve, Line) and isinstance(pieces[-1][4], Line):
            same = abs(np.sin(heading - pieces[-1][3])) < 1e-6
        else:
            same = False
        if same:
            x, y = pieces[-1][1:3]
            pieces.pop()
            length = float(np.hypot(*(line[good] - (x, y))))
            heading = float(np.arctan2(*(line[good] - (x, y))[::-1]))
        pieces.append((length, float(x), float(y), heading, curve))
        first = good
    lengths = np.array([piece[0] for piece in pieces])
    stations = np.concatenate([[0.0], np.cumsum(lengths)])
    poses = np.array([piece[1:4] for piece in pieces])
    return ReferenceLine(stations[:-1], poses, tuple(piece[4] for piece in pieces), float(stations[-1]))


def _thinned(points: Float64) -> list[int]:
    """Indices without points that nearly coincide; both ends are kept."""
    kept = [0]
    for index in range(1, len(points) - 1):
        if np.hypot(*(points[index] - points[kept[-1]])) > _CLOSEST_M:
            kept.append(index)
    while len(kept) > 1 and np.hypot(*(points[-1] - points[kept[-1]])) <= _CLOSEST_M:
        kept.pop()
    return [*kept, len(points) - 1]


def _eased(points: Float64, kept: list[int], headings: Float64, reach: float) -> list[int]:
    """Without the points just after the first, where the curve would turn into the heading given there too sharply.

    The curve leaves the points by some centimetres instead: normals that cross within reach would fold the lanes.
    """
    if np.isnan(headings[kept[0]]) or len(kept) < 4:
        return kept
    line = points[kept]
    tangents = _tangents(line)
    bearing = np.arctan2(tangents[:, 1], tangents[:, 0])
    bearing[0] = headings[kept[0]]
    return [kept[0], *kept[_gentlest(line, bearing, 0, range(1, len(kept) // 2), reach) :]]


def _gentlest(line: Float64, bearing: Float64, first: int, ends: range, reach: float) -> int:
    """Where a curve from the first point should end: at the first of the ends to which it bends gently.

    Where there is none, where it bends the least among those that it reaches near the points between.
    """
    best, least = ends[0], np.inf
    for end in ends:
        length, start, curve = _curve(line[first], line[end], bearing[first], bearing[end])
        x, y, _, curvature = curve.local(np.linspace(0.0, length, 8 * (end - first) + 9), length)
        sharpest = float(np.abs(curvature).max()) * reach
        if end > ends[0]:
            cos, sin = np.cos(start), np.sin(start)
            at = line[first] + np.stack([x * cos - y * sin, x * sin + y * cos], axis=1)
            if cKDTree(at).query(line[first : end + 1])[0].max() > MAX_ASIDE_M:
                break
        if sharpest < 0.9 * least:
            best, least = end, sharpest
        if sharpest < GENTLE:
            break
    return best


def _tangents(line: Float64) -> Float64:
    """Unit directions at the points: exact where they lie on a circle."""
    steps = np.diff(line, axis=0)
    lengths = np.linalg.norm(steps, axis=1)
    chords = steps / lengths[:, None]
    if len(chords) == 1:
        return np.repeat(chords, 2, axis=0)
    inner = chords[:-1] * lengths[1:, None] + chords[1:] * lengths[:-1, None]
    norms = np.linalg.norm(inner, axis=1, keepdims=True)
    inner = np.where(norms > 1e-9, inner / np.maximum(norms, 1e-9), chords[:-1])
    first = 2 * (inner[0] @ chords[0]) * chords[0] - inner[0]
    last = 2 * (inner[-1] @ chords[-1]) * chords[-1] - inner[-1]
    return np.concatenate([first[None], inner, last[None]])


def _curve(start: Float64, end: Float64, heading: float, end_heading: float) -> tuple[float, float, Curve]:
    """Length, start heading and shape from one point and heading to another."""
    chord = end - start
    distance = float(np.hypot(*chord))
    direction = float(np.arctan2(chord[1], chord[0]))
    lean = np.arctan2(np.sin(heading - direction), np.cos(heading - direction))
    turn = float(np.arctan2(np.sin(end_heading - heading), np.cos(end_heading - heading)))
    if abs(lean) < _STRAIGHT_RAD and abs(turn) < _STRAIGHT_RAD:
        return distance, direction, Line()
    u, v = distance * np.cos(lean), -distance * np.sin(lean)
    length = distance
    curve = _cubic(u, v, turn, length)
    for _ in range(20):  # the parameter runs over the curve's own arc length
        arc = curve.arc_length
        if abs(arc - length) < 1e-9:
            break
        length = arc
        curve = _cubic(u, v, turn, length)
    return length, float(heading), curve


def _cubic(u: float, v: float, turn: float, length: float) -> ParamPoly3:
    """Unit speed at both ends, at (u, v) and turned by ``turn`` after ``length``."""
    cos, sin = float(np.cos(turn)), float(np.sin(turn))
    return ParamPoly3(
        (0.0, 1.0, (3 * u - length * (2 + cos)) / length**2, (length * (1 + cos) - 2 * u) / length**3),
        (0.0, 0.0, (3 * v - length * sin) / length**2, (length * sin - 2 * v) / length**3),
        length,
    )


def _error(line: Float64, headings: Float64, along: Float64, reach: float) -> float:
    """Largest distance between points on the polyline's normals and on the curve's, up to ``reach`` to the side."""
    if np.hypot(*(line[-1] - line[0])) < _CLOSEST_M:  # back where it began
        return float("inf")
    length, start_heading, curve = _curve(line[0], line[-1], headings[0], headings[-1])
    d = (along - along[0]) * (length / (along[-1] - along[0]))
    x, y, turn, _ = curve.local(d, length)
    cos, sin = np.cos(start_heading), np.sin(start_heading)
    at = line[0] + np.stack([x * cos - y * sin, x * sin + y * cos], axis=1)
    lean = np.abs(np.sin(start_heading + turn - headings))
    return float((np.linalg.norm(at - line, axis=1) + reach * lean).max())
