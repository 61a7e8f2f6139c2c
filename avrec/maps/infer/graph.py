"""Stretches of lanes as roads of a lane graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from avrec.drive.lane_graph import Lane, LaneMark, Neighbor, Road
from avrec.maps.infer.course import smoothed
from avrec.maps.infer.directions import Directions, directions_of
from avrec.maps.infer.lanes import Border, Passing, Stretch, Strip
from avrec.maps.infer.lines import Line
from avrec.maps.infer.paint import ROW_M
from avrec.maps.infer.surface import Surface

__all__ = ["Findings", "road_of"]

Float64 = NDArray[np.float64]

POINT_M = 1.0
"""Between the cross sections of lanes."""
_PLANE_M = 0.25
_MOST_BEND = 0.85
_SURE_M = 10.0
"""So much of a line makes it sure."""


@dataclass(frozen=True)
class Findings:
    """What was found along one course.

    Attributes:
        surface: heights, and the course itself.
        swing: float64 [R] offset of the road beside the course at the rows.
        stations: float64 [R] of the rows.
        lines: paint and kerbs.
        stretches: lanes between them.
        traffic: other vehicles.
        side: that traffic keeps to.
        extent_m: stations from and to which the map goes.
    """

    surface: Surface
    swing: Float64
    stations: Float64
    lines: Sequence[Line]
    stretches: Sequence[Stretch]
    traffic: Sequence[Passing]
    side: Literal["right", "left"]
    extent_m: tuple[float, float]


@dataclass(frozen=True)
class _Frame:
    """The road's reference line at points along the course.

    Attributes:
        rows: float64 [N] place of each point in rows.
        plan: float64 [N, 2]; normal: float64 [N, 2] to the left.
        offset: float64 [N] of the reference in straightened coordinates; level: [N, 2] height there and rise to the
            left.
        reach: float64 [N, 2] offsets from the reference, right and left, beyond which a tight turn folds.
    """

    rows: Float64
    plan: Float64
    normal: Float64
    offset: Float64
    level: Float64
    reach: Float64

    def line(self, offsets: Float64, rows: slice) -> Float64:
        """A line at straightened offsets, float64 [n, 3]."""
        away = np.clip(offsets - self.offset[rows], self.reach[rows, 0], self.reach[rows, 1])
        z = self.level[rows, 0] + away * self.level[rows, 1]
        return np.column_stack([self.plan[rows] + away[:, None] * self.normal[rows], z])


def road_of(found: Findings, name: str) -> tuple[Road, dict[str, Lane]]:
    """One road with its lanes; road and lanes carry ``name`` in their ids."""
    low, high = found.extent_m
    count = max(round((high - low) / POINT_M), 2) + 1
    stations = np.linspace(low, high, count)
    rows = np.interp(stations, found.stations, np.arange(len(found.stations), dtype=np.float64))
    headed = [directions_of(stretch, found.lines, found.traffic, found.side) for stretch in found.stretches]
    cuts = _cuts(found.stretches, rows)
    kept = [index for index, (first, last) in enumerate(cuts) if last > first]
    frame = _frame(found, stations, rows, [headed[index] for index in kept], [found.stretches[index] for index in kept])
    lanes: dict[str, Lane] = {}
    sections: list[dict[int, Lane]] = []
    for number, index in enumerate(kept):
        section = _section(
            found, frame, found.stretches[index], headed[index], slice(cuts[index][0], cuts[index][1] + 1), name, number
        )
        sections.append(section)
    for before, after in pairwise(sections):
        _link(before, after, found.side)
    for section in sections:
        lanes |= {lane.id: lane for lane in section.values()}
    reference = frame.line(frame.offset, slice(None))
    return Road(name, reference, kind="town", left_hand=found.side == "left"), lanes


def _cuts(stretches: Sequence[Stretch], rows: Float64) -> list[tuple[int, int]]:
    """First and last point of each stretch; neighbours share one."""
    edges = [0]
    for stretch in stretches[:-1]:
        edges.append(max(int(np.searchsorted(rows, stretch.last - 0.5)), edges[-1]))
    edges.append(len(rows) - 1)
    # A stretch of less than two points gives its place to the one before.
    edges = [min(edge, len(rows) - 1) for edge in edges]
    return list(pairwise(edges))


def _offsets(border: Border, found: Findings, rows: Float64) -> Float64:
    """Straightened offsets of a border at rows."""
    if border.line is not None:
        line = found.lines[border.line]
        return np.asarray(np.interp(rows, line.rows, line.offsets))
    every = np.arange(len(found.swing), dtype=np.float64)
    base = (
        -np.interp(rows, every, found.swing) if border.beside is None else _offsets(Border(border.beside), found, rows)
    )
    return np.asarray(base + border.away_m)


def _middle(stretch: Stretch, headed: Directions, side: Literal["right", "left"]) -> tuple[Border, int]:
    """The border that the reference follows, and how many strips lie to its right."""
    along = headed.along if side == "right" else tuple(not each for each in headed.along)
    right = sum(1 for each in along if each)
    return (stretch.strips[right - 1].left if right else stretch.strips[0].right), right


def _frame(
    found: Findings, stations: Float64, rows: Float64, headed: Sequence[Directions], stretches: Sequence[Stretch]
) -> _Frame:
    lengths: dict[Border, int] = {}
    for stretch, directions in zip(stretches, headed, strict=True):
        border = _middle(stretch, directions, found.side)[0]
        lengths[border] = lengths.get(border, 0) + stretch.last - stretch.first
    offset = _offsets(max(lengths, key=lambda border: lengths[border]), found, rows)
    course = found.surface.course
    across = np.interp(stations, found.stations, found.swing)
    plan = course.place(stations, across + offset)[:, :2]
    plan = smoothed(plan, 1.5)
    step = np.gradient(plan, axis=0)
    step /= np.maximum(np.linalg.norm(step, axis=1, keepdims=True), 1e-9)
    normal = np.stack([-step[:, 1], step[:, 0]], axis=1)
    turn = np.gradient(np.unwrap(np.arctan2(step[:, 1], step[:, 0]))) / POINT_M
    tight = _MOST_BEND / np.maximum(np.abs(turn), 1e-4)
    reach = np.stack([np.where(turn < 0, -tight, -1e3), np.where(turn > 0, tight, 1e3)], axis=1)
    return _Frame(rows, plan, normal, offset, _level(found, stretches, stations, rows, across, offset), reach)


def _level(
    found: Findings, stretches: Sequence[Stretch], stations: Float64, rows: Float64, across: Float64, offset: Float64
) -> Float64:
    """Height at the reference and rise to the left, [N, 2]: the plane through the road's cross section."""
    lows, highs = np.full(len(rows), np.inf), np.full(len(rows), -np.inf)
    for stretch in stretches:
        inside = (rows >= stretch.first - 1) & (rows <= stretch.last)
        driving = [strip for strip in stretch.strips if strip.kind == "driving"]
        lows = np.where(inside, np.minimum(lows, _offsets(driving[0].right, found, rows)), lows)
        highs = np.where(inside, np.maximum(highs, _offsets(driving[-1].left, found, rows)), highs)
    lows, highs = (np.where(np.isfinite(edge), edge, offset) for edge in (lows, highs))
    share = np.linspace(0.0, 1.0, 2 + round(12.0 / _PLANE_M))
    places = (lows + 0.4)[:, None] + share * np.maximum(highs - lows - 0.8, 0.5)[:, None]
    z = found.surface.heights(np.broadcast_to(stations[:, None], places.shape), places + across[:, None])
    away = places - offset[:, None]
    middle, mean = away.mean(axis=1, keepdims=True), z.mean(axis=1)
    rise = ((away - middle) * (z - mean[:, None])).sum(axis=1) / ((away - middle) ** 2).sum(axis=1)
    rise = gaussian_filter1d(np.clip(rise, -0.12, 0.12), 6.0, mode="nearest")
    level = mean - middle[:, 0] * rise
    return np.stack([smoothed(level, 4.0), rise], axis=1)


def _section(
    found: Findings, frame: _Frame, stretch: Stretch, headed: Directions, points: slice, name: str, number: int
) -> dict[int, Lane]:
    """Lanes of one stretch by slot."""
    _, right = _middle(stretch, headed, found.side)
    rows = frame.rows[points]
    lanes: dict[int, Lane] = {}
    for index, (strip, along, sure) in enumerate(zip(stretch.strips, headed.along, headed.sure, strict=True)):
        slot = index - right if index < right else index - right + 1
        sides = [frame.line(_offsets(border, found, rows), points) for border in (strip.left, strip.right)]
        marks = [_marks(border, found, stretch) for border in (strip.left, strip.right)]
        if not along:
            sides, marks = [line[::-1] for line in sides[::-1]], marks[::-1]
        lanes[slot] = Lane(
            id=f"{name}.{number}.{slot}",
            center=(sides[0] + sides[1]) / 2,
            left=sides[0],
            right=sides[1],
            kind=strip.kind,
            left_marks=marks[0],
            right_marks=marks[1],
            road=name,
            section=number,
            slot=slot,
            confidence=_confidence(strip, found, stretch, index == stretch.driven, sure),
            inferred=True,
        )
    return _with_neighbors(lanes, headed.along)


def _with_neighbors(lanes: Mapping[int, Lane], along: Sequence[bool]) -> dict[int, Lane]:
    ordered = [lanes[slot] for slot in sorted(lanes)]
    found: dict[int, Lane] = {}
    for index, lane in enumerate(ordered):
        beside = [
            Neighbor(ordered[other].id, along[other] == along[index]) if 0 <= other < len(ordered) else None
            for other in (index + 1, index - 1)
        ]
        left, right = beside if along[index] else beside[::-1]
        found[lane.slot] = replace(lane, left_neighbor=left, right_neighbor=right)
    return found


def _marks(border: Border, found: Findings, stretch: Stretch) -> tuple[LaneMark, ...]:
    if border.line is None:
        return ()
    line = found.lines[border.line]
    kind = line.mark(stretch.first, stretch.last)
    if kind == "curb":
        return (LaneMark("curb"),)
    return (LaneMark(kind, "yellow" if line.yellow else "white", 0.12),)


def _confidence(strip: Strip, found: Findings, stretch: Stretch, driven: bool, sure: float) -> float:
    """0..1 from how well its borders show, whether somebody drove there, and how sure its direction is."""
    shown = [_shown(border, found, stretch) for border in (strip.right, strip.left)]
    used = 0.15 if driven else 0.0
    return round(min((0.1 + 0.7 * (min(shown) + max(shown)) / 2 + used) * sure, 0.95), 3)


def _shown(border: Border, found: Findings, stretch: Stretch) -> float:
    """0..1, how well a border shows; little where only a few metres of it do."""
    if border.line is None:
        return 0.0
    line = found.lines[border.line]
    mean = float(np.mean([line.evidence_at(row) for row in range(stretch.first, stretch.last)]))
    return mean * min(float(line.lit.sum()) * ROW_M / _SURE_M, 1.0)


def _link(before: dict[int, Lane], after: dict[int, Lane], side: Literal["right", "left"]) -> None:
    """Successors between sections: of each lane the nearest of the same kind and direction, where they meet."""
    for slot, lane in before.items():
        same = [other for other in after.values() if (other.slot < 0) == (slot < 0) and other.kind == lane.kind]
        onward = (slot < 0) == (side == "right")
        end, start = (-1, 0) if onward else (0, -1)
        near = sorted((float(np.linalg.norm(lane.center[end] - other.center[start])), other.slot) for other in same)
        if not near or near[0][0] > 1.0:
            continue
        other = after[near[0][1]]
        if other.predecessors if onward else other.successors:
            continue
        before[slot], after[other.slot] = (
            (replace(lane, successors=(other.id,)), replace(other, predecessors=(lane.id,)))
            if onward
            else (replace(lane, predecessors=(other.id,)), replace(other, successors=(lane.id,)))
        )
