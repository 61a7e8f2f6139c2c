"""Which lanes lie between the lines, row by row and then by stretches of the road."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from avrec.maps.infer.lines import Line
from avrec.maps.infer.paint import ROW_M

__all__ = ["Border", "Passing", "Stretch", "Strip", "stretches", "unified"]

Float64 = NDArray[np.float64]

NARROWEST_M, WIDEST_M = 2.4, 4.9
"""Lanes that cars drive on are between these."""
_SIDE_M = (0.7, 3.2)
"""How far a border of the driven lane lies from the driven path."""
_PARKING_M = (1.5, 2.75)
_SLACK_M = 0.7
_LANE_COST = 0.35
_GUESS_COST = 0.35
_SKIP_COST = 0.6
_KERB_SHARE = 0.8
_STOPS = 0.45
_SHORTEST_M = 16.0
_MOST_LANES = 6
_TRAFFIC = 0.3
_MEET_M = 1.0
_LEAD_M = 6.0


@dataclass(frozen=True)
class Border:
    """Between two lanes: a line, or (``line`` is None) a place guessed from a standard width.

    Attributes:
        beside: the border that a guess is made from; None for the driven path.
        away_m: offset of the guess from it.
    """

    line: int | None
    beside: int | None = None
    away_m: float = 0.0


@dataclass(frozen=True)
class Strip:
    """What lies between two borders."""

    kind: Literal["driving", "parking", "shoulder"]
    right: Border
    left: Border


@dataclass(frozen=True)
class Stretch:
    """Rows from ``first`` up to ``last`` with the same strips, from right to left.

    ``driven`` is the index of the strip the recording drove on.
    """

    first: int
    last: int
    strips: tuple[Strip, ...]
    driven: int


@dataclass(frozen=True)
class Passing:
    """Where another vehicle drove.

    Attributes:
        rows: int64 [N], rising.
        offsets: float64 [N], straightened.
        along: in the recording's own direction, or against it.
    """

    rows: NDArray[np.int64]
    offsets: Float64
    along: bool

    def at(self, row: int) -> float:
        """Offset at a row; held beyond the ends."""
        return float(np.interp(row, self.rows, self.offsets))


@dataclass(frozen=True)
class _Place:
    """A candidate for a border at one row."""

    offset: float
    evidence: float
    line: int
    kerb: bool


def stretches(
    lines: Sequence[Line], driven: Float64, *, width_m: float, traffic: Sequence[Passing] = ()
) -> list[Stretch]:
    """Sort the road into stretches.

    Args:
        lines: paint and kerbs in straightened coordinates.
        driven: float64 [R] offset of the driven path at each row, same coordinates.
        width_m: of a lane where nothing tells.
        traffic: where others drove.
    """
    # A long road has hundreds of lines and thousands of rows, and few lines at any row.
    lines_at, cars_at = (_by_row([item.rows for item in items], len(driven)) for items in (lines, traffic))
    chains = []
    for row, here in enumerate(driven):
        drove = [(float(traffic[index].at(row)), _TRAFFIC) for index in cars_at[row]]
        places = _places([(index, lines[index]) for index in lines_at[row]], row, float(here))
        chains.append(_chain(places, float(here), width_m, drove))
    found: list[Stretch] = []
    for row, (strips, index) in enumerate(chains):
        if found and found[-1].strips == strips:
            found[-1] = Stretch(found[-1].first, row + 1, strips, index)
        else:
            found.append(Stretch(row, row + 1, strips, index))
    return _without_short(found)


def _by_row(rows: Sequence[NDArray[np.int64]], count: int) -> list[list[int]]:
    """Which of some things are there at each row, from their first row to their last."""
    found: list[list[int]] = [[] for _ in range(count)]
    for index, own in enumerate(rows):
        for row in range(max(int(own[0]), 0), min(int(own[-1]) + 1, count)):
            found[row].append(index)
    return found


def _places(lines: Sequence[tuple[int, Line]], row: int, driven: float) -> list[_Place]:
    places = []
    for index, line in lines:
        evidence = line.evidence_at(row)
        if evidence > 0:
            offset = float(line.at(np.array([row]))[0])
            kerb = line.kind == "curb"
            places.append(_Place(offset, evidence * (_KERB_SHARE if kerb else 1.0), index, kerb))
    # A kerb ends the road; paint or bright stone beside it is a part of it.
    for side in (-1, 1):
        kerbs = [side * (p.offset - driven) for p in places if p.kerb and p.evidence > _STOPS]
        end = min((away for away in kerbs if away > _SIDE_M[0]), default=np.inf)
        kept = [p for p in places if side * (p.offset - driven) <= end]
        places = [p for p in kept if p.kerb or side * (p.offset - driven) < end - 0.35]
    return sorted(places, key=lambda place: place.offset)


def _chain(
    places: list[_Place], driven: float, width_m: float, traffic: Sequence[tuple[float, float]]
) -> tuple[tuple[Strip, ...], int]:
    """The best strips at one row, from right to left, and which of them was driven on."""
    near = [[p for p in places if _SIDE_M[0] < side * (p.offset - driven) < _SIDE_M[1]] for side in (-1, 1)]
    best: tuple[float, _Place | None, _Place | None] = (-np.inf, None, None)
    for right in (*near[0], None):
        for left in (*near[1], None):
            score = _own_score(places, driven, right, left, width_m)
            if score > best[0]:
                best = (score, right, left)
    _, right, left = best
    if right is not None and left is not None:
        own = Strip("driving", Border(right.line), Border(left.line))
    elif right is not None:
        own = Strip("driving", Border(right.line), Border(None, right.line, width_m))
    elif left is not None:
        own = Strip("driving", Border(None, left.line, -width_m), Border(left.line))
    else:
        own = Strip("driving", Border(None, None, -width_m / 2), Border(None, None, width_m / 2))
    to_left = _onward(places, left, 1, width_m, traffic) if left is not None else []
    to_right = _onward(places, right, -1, width_m, traffic) if right is not None else []
    return (*reversed(to_right), own, *to_left), len(to_right)


def _own_score(places: list[_Place], driven: float, right: _Place | None, left: _Place | None, width_m: float) -> float:
    score = sum(place.evidence if place is not None else -_GUESS_COST for place in (right, left))
    if right is not None and left is not None:
        score += _fit(left.offset - right.offset, width_m)
        low, high = right.offset, left.offset
    elif right is not None:
        low, high = right.offset, right.offset + width_m
        score += _fit_side(high - driven)
    elif left is not None:
        low, high = left.offset - width_m, left.offset
        score += _fit_side(driven - low)
    else:
        return score
    return score - _skipped(places, low, high)


def _fit(width: float, wanted: float) -> float:
    """Cost (negative) of a lane's width."""
    if not NARROWEST_M <= width <= WIDEST_M:
        return -10.0
    return -0.3 * ((width - wanted) / _SLACK_M) ** 2


def _fit_side(distance: float) -> float:
    return -10.0 if distance < _SIDE_M[0] else 0.0


def _skipped(places: list[_Place], low: float, high: float) -> float:
    """Cost of lines that lie inside a lane."""
    inside = [p for p in places if low + 0.6 < p.offset < high - 0.6]
    return sum((2.0 if p.kerb and p.evidence > _STOPS else _SKIP_COST) * p.evidence for p in inside)


def _onward(
    places: list[_Place], start: _Place, side: int, width_m: float, traffic: Sequence[tuple[float, float]]
) -> list[Strip]:
    """The best strips beyond a border, going outward; side 1 is left."""

    def strip(kind: Literal["driving", "parking", "shoulder"], near: _Place, far: _Place) -> Strip:
        inner, outer = Border(near.line), Border(far.line)
        return Strip(kind, inner, outer) if side > 0 else Strip(kind, outer, inner)

    def best(here: _Place, depth: int) -> tuple[float, list[Strip]]:
        top: tuple[float, list[Strip]] = (0.0, [])
        if (here.kerb and here.evidence > 0.2) or depth == _MOST_LANES:
            return top
        for place in places:
            width = side * (place.offset - here.offset)
            if not 0.4 < width <= WIDEST_M:
                continue
            low, high = sorted((place.offset, here.offset))
            missed = _skipped(places, low, high)
            drove = sum(weight for offset, weight in traffic if low < offset < high)
            if width >= NARROWEST_M:
                ahead = best(place, depth + 1)
                parks = place.kerb and width < _PARKING_M[1]
                value = place.evidence + _fit(width, width_m) - _LANE_COST - missed + min(drove, 0.5) + ahead[0]
                if value > top[0] and not (parks and drove < 0.2):
                    top = (value, [strip("driving", here, place), *ahead[1]])
            if place.kerb and width <= _PARKING_M[1]:
                value = place.evidence - 0.1 - missed
                kind: Literal["parking", "shoulder"] = "parking" if width >= _PARKING_M[0] else "shoulder"
                if value > top[0]:
                    top = (value, [strip(kind, here, place)])
        return top

    return best(start, 0)[1]


def unified(found: Sequence[Stretch], lines: Sequence[Line]) -> tuple[list[Stretch], list[Line]]:
    """Neighbouring stretches with strips of the same kinds made one, where their borders nearly meet.

    Each border then follows the line of the first stretch, leads over, and follows that of the second.
    """
    lines = list(lines)
    result = [found[0]]
    for item in found[1:]:
        before = result[-1]
        joined = _joined(before, item, lines)
        if joined is None:
            result.append(item)
        else:
            result[-1] = joined
    return result, lines


def _joined(before: Stretch, after: Stretch, lines: list[Line]) -> Stretch | None:
    """One stretch of two, with new lines appended to ``lines``; None where they do not go together."""
    if before.driven != after.driven or [s.kind for s in before.strips] != [s.kind for s in after.strips]:
        return None
    pairs: dict[Border, Border] = {}
    for old, new in zip(before.strips, after.strips, strict=True):
        pairs |= {old.right: new.right, old.left: new.left}
    borders: dict[Border, Border] = {}
    added: list[Line] = []
    cut = np.array([after.first])
    for one, other in pairs.items():
        if one == other:
            borders[one] = one
            continue
        if one.line is None or other.line is None:
            return None
        first, second = lines[one.line], lines[other.line]
        if abs(float(first.at(cut)[0] - second.at(cut)[0])) > _MEET_M:
            return None
        lead = round(_LEAD_M / ROW_M)
        early, late = first.rows < after.first - lead, second.rows >= after.first + lead
        if not early.any() or not late.any():
            keep = first if early.any() else second
            borders[one] = one if keep is first else other
            continue
        rows, offsets, evidence = (
            np.concatenate([getattr(first, name)[early], getattr(second, name)[late]])
            for name in ("rows", "offsets", "evidence")
        )
        whole = Line(
            first.kind, rows, offsets, evidence, first.lit | second.lit, first.seen | second.seen, first.yellow
        )
        borders[one] = Border(len(lines) + len(added))
        added.append(whole)
    lines += added
    strips = tuple(Strip(strip.kind, borders[strip.right], borders[strip.left]) for strip in before.strips)
    return Stretch(before.first, after.last, strips, before.driven)


def _without_short(found: list[Stretch]) -> list[Stretch]:
    """Short stretches given to the longer of their neighbours, the shortest first."""
    found = list(found)
    while len(found) > 1:
        lengths = [item.last - item.first for item in found]
        index = int(np.argmin(lengths))
        if lengths[index] * ROW_M >= _SHORTEST_M:
            break
        beside = [i for i in (index - 1, index + 1) if 0 <= i < len(found)]
        into = max(beside, key=lambda i: lengths[i])
        low, high = min(index, into), max(index, into)
        kept = found[into]
        found[low : high + 1] = [Stretch(found[low].first, found[high].last, kept.strips, kept.driven)]
        merged = [found[0]]
        for item in found[1:]:
            if item.strips == merged[-1].strips:
                merged[-1] = Stretch(merged[-1].first, item.last, item.strips, item.driven)
            else:
                merged.append(item)
        found = merged
    return found
