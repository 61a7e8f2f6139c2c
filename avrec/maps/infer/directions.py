"""Which way the lanes run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from avrec.maps.infer.lanes import Border, Passing, Stretch
from avrec.maps.infer.lines import Line

__all__ = ["Directions", "directions_of"]

_SOLID, _YELLOW, _CAR, _UNEVEN = 0.8, 1.5, 1.0, 0.5


class Directions(NamedTuple):
    """Of the strips of a stretch from right to left: whether each runs along the drive, and how sure that is (0..1)."""

    along: tuple[bool, ...]
    sure: tuple[float, ...]


def directions_of(
    stretch: Stretch, lines: Sequence[Line], traffic: Sequence[Passing], side: Literal["right", "left"]
) -> Directions:
    """Find where the oncoming lanes begin.

    Beyond the driven lane, away from the side that traffic keeps to, some border divides the directions, or none.
    Yellow or solid paint, what others did in the lanes, and a road with as many lanes one way as the other speak for
    it.
    """
    strips = stretch.strips if side == "right" else stretch.strips[::-1]
    own = stretch.driven if side == "right" else len(strips) - 1 - stretch.driven
    driving = [index for index, strip in enumerate(strips) if strip.kind == "driving"]
    votes = [_votes(strip.right, strip.left, stretch, lines, traffic) for strip in strips]
    scores: dict[int, float] = {}
    candidates = [index for index in driving if index > own] + [len(strips)]
    for first in candidates:
        score = sum(vote if index < first else -vote for index, vote in enumerate(votes) if index > own)
        before = sum(index < first for index in driving)
        score -= _UNEVEN * abs(before - len(driving) / 2)
        if first < len(strips):
            border = strips[first].right if side == "right" else strips[first].left
            score += _divides(border, stretch, lines)
        scores[first] = score
    best = max(scores, key=lambda first: (scores[first], first))
    others = [score for first, score in scores.items() if first != best]
    margin = scores[best] - max(others, default=scores[best] - 3.0)
    sure = [1.0 if index <= own else min(0.6 + 0.25 * margin, 1.0) for index in range(len(strips))]
    along = [index < best for index in range(len(strips))]
    # Parking beside the last lane belongs to the direction of that lane.
    if best == len(strips) and driving:
        along = [index <= driving[-1] for index in range(len(strips))]
    if side == "left":
        along, sure = along[::-1], sure[::-1]
    return Directions(tuple(along), tuple(sure))


def _votes(right: Border, left: Border, stretch: Stretch, lines: Sequence[Line], traffic: Sequence[Passing]) -> float:
    """Vehicles that drove between two borders along the drive, less those against it."""
    if right.line is None or left.line is None:
        return 0.0
    total = 0.0
    for car in traffic:
        inside = (car.rows >= stretch.first) & (car.rows < stretch.last)
        rows, offsets = car.rows[inside], car.offsets[inside]
        between = (offsets > lines[right.line].at(rows)) & (offsets < lines[left.line].at(rows))
        if len(rows) and between.mean() > 0.5:
            total += _CAR if car.along else -_CAR
    return total


def _divides(border: Border, stretch: Stretch, lines: Sequence[Line]) -> float:
    if border.line is None:
        return 0.0
    line = lines[border.line]
    solid = line.mark(stretch.first, stretch.last) == "solid"
    return (_YELLOW if line.yellow else 0.0) + (_SOLID if solid else 0.0)
