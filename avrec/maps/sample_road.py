"""Lanes of an OpenDRIVE road as polylines in the world."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from avrec.drive.lane_graph import LaneMark
from avrec.errors import DataError
from avrec.maps.cubics import Cubics
from avrec.maps.source_road import SourceLane, SourceRoad, SourceSection

__all__ = ["SampledLane", "lane_ids", "marks_along", "place", "sample_section"]

Float64 = NDArray[np.float64]

CHORD_ERROR_M = 0.001
"""How far a sampled polyline may leave the true curve."""
LONGEST_STEP_M = 10.0
SHORTEST_STEP_M = 0.02
MAX_STATIONS = 200_000


@dataclass(frozen=True)
class SampledLane:
    """A lane's lines along the reference line, not yet in driving direction: float64 [N, 3] each."""

    inner: Float64
    outer: Float64

    @property
    def center(self) -> Float64:
        """Halfway between the borders."""
        return (self.inner + self.outer) / 2


def lane_ids(section: SourceSection) -> tuple[int, ...]:
    """Lanes of a section from left to right, without the reference line."""
    return tuple(sorted((lane for lane in section.lanes if lane != 0), reverse=True))


def place(road: SourceRoad, s: Float64, t: Float64, height: Float64 | float = 0.0, *, before: bool = False) -> Float64:
    """World points float64 [N, 3] at stations and lateral positions, ``height`` above the road's surface."""
    points, headings, _ = road.reference.at(s)
    bank = road.banking.at(s, before=before)
    z = road.elevation.at(s, before=before)
    across, up = np.cos(bank), np.sin(bank)
    return np.stack(
        [
            points[:, 0] - (t * across - height * up) * np.sin(headings),
            points[:, 1] + (t * across - height * up) * np.cos(headings),
            z + t * up + height * across,
        ],
        axis=1,
    )


def sample_section(road: SourceRoad, section: SourceSection) -> tuple[Float64, Float64, dict[int, SampledLane]]:
    """Reference line float64 [N, 3], its headings [N] and the lanes of one section at common stations.

    Raises:
        DataError: a curve so bent that it would need millions of points.
    """
    stations = _stations(road, section)
    offset = _at(road.offset, stations)
    lanes: dict[int, SampledLane] = {}
    for side in (1, -1):
        edge = offset
        for lane_id in sorted((lane for lane in section.lanes if lane * side > 0), key=abs):
            lane = section.lanes[lane_id]
            outer = _outer(lane, side, edge, offset, stations - section.start)
            inner_up, outer_up = _heights(lane, stations - section.start)
            lanes[lane_id] = SampledLane(
                _place(road, stations, edge, inner_up), _place(road, stations, outer, outer_up)
            )
            edge = outer
    flat = np.zeros(len(stations))
    return _place(road, stations, flat, flat), road.reference.at(stations)[1], lanes


def marks_along(marks: tuple[LaneMark, ...], length: float, *, along: bool) -> tuple[LaneMark, ...]:
    """Marks by distance in driving direction."""
    marks = tuple(mark for mark in marks if mark.start_m < length)
    if along or not marks:
        return marks
    ends = [*(mark.start_m for mark in marks[1:]), length]
    turned = [
        LaneMark(mark.kind, mark.color, mark.width_m, max(length - end, 0.0))
        for mark, end in zip(marks, ends, strict=True)
    ]
    return tuple(reversed(turned))


def _at(cubics: Cubics, s: Float64) -> Float64:
    """Values at the stations of a section; the last belongs to the piece before it."""
    values = cubics.at(s)
    values[-1] = cubics.at(s[-1:], before=True)[0]
    return values


def _place(road: SourceRoad, s: Float64, t: Float64, height: Float64) -> Float64:
    points = place(road, s, t, height)
    points[-1] = place(road, s[-1:], t[-1:], height[-1:], before=True)[0]
    return points


def _outer(lane: SourceLane, side: int, edge: Float64, offset: Float64, d: Float64) -> Float64:
    """Lateral position of the lane's outer border."""
    if lane.borders is not None:
        reach = np.abs(_at(lane.borders, d))
        return np.asarray(offset + side * np.maximum(reach, (edge - offset) * side))
    width = np.zeros(len(d)) if lane.widths is None else np.maximum(_at(lane.widths, d), 0.0)
    return np.asarray(edge + side * width)


def _heights(lane: SourceLane, d: Float64) -> tuple[Float64, Float64]:
    """Height of the inner and outer border above the road, constant from record to record."""
    if not lane.heights:
        return np.zeros(len(d)), np.zeros(len(d))
    rows = np.array([(-np.inf, 0.0, 0.0), *lane.heights])
    index = np.searchsorted(rows[:, 0], d + 1e-9, side="right") - 1
    index[-1] = np.searchsorted(rows[:, 0], d[-1] - 1e-9, side="right") - 1
    return rows[index, 1], rows[index, 2]


def _stations(road: SourceRoad, section: SourceSection) -> Float64:
    """Where to sample: close together where anything bends, at every place where a polynomial starts."""
    start, end = section.start, section.end
    widths = [lane.widths or lane.borders for lane in section.lanes.values()]
    shapes = [(cubics, start) for cubics in widths if cubics is not None]
    shapes += [(cubics, 0.0) for cubics in (road.offset, road.elevation, road.banking)]
    jumps = [height[0] + start for lane in section.lanes.values() for height in lane.heights]
    breaks = [np.array([start, end]), road.reference.starts, np.array(jumps)]
    for cubics, origin in shapes:
        places = cubics.starts[np.isfinite(cubics.starts)]
        breaks.append(places + origin)
        gaps = np.abs(cubics.at(places) - cubics.at(places, before=True)) > 1e-3
        jumps += list(places[gaps] + origin)
    breaks.append(np.array(jumps) - 1e-3)
    inside = np.unique(np.concatenate(breaks))
    inside = inside[(inside > start + 1e-6) & (inside < end - 1e-6)]
    edges = np.concatenate([[start], inside, [end]])
    reach = _reach(road, section, edges)
    counts = np.array([_steps(road, shapes, reach, a, b) for a, b in pairwise(edges)])
    if counts.sum() > MAX_STATIONS:
        raise DataError(f"Road {road.id} is bent so sharply that it would take {counts.sum():.0f} points to follow it.")
    pieces = [np.linspace(a, b, n, endpoint=False) for a, b, n in zip(edges[:-1], edges[1:], counts, strict=True)]
    return np.append(np.concatenate(pieces), end)


def _steps(road: SourceRoad, shapes: list[tuple[Cubics, float]], reach: float, start: float, end: float) -> int:
    """Number of equal steps between two breaks."""
    inner = np.linspace(start, end, 7)[1:-1]
    near = np.array([start + 1e-9, *inner, end - 1e-9])
    curvature = float(np.abs(road.reference.at(near)[2]).max())
    bend = curvature * (1 + curvature * reach)
    for cubics, origin in shapes:
        factor = reach if cubics is road.banking else 1.0
        bend += factor * cubics.bend(start - origin, end - origin)
    step = float(np.clip(np.sqrt(8 * CHORD_ERROR_M / max(bend, 1e-12)), SHORTEST_STEP_M, LONGEST_STEP_M))
    return max(int(np.ceil((end - start) / step)), 1)


def _reach(road: SourceRoad, section: SourceSection, stations: Float64) -> float:
    """Farthest lateral position of a lane, metres."""
    total = np.abs(road.offset.at(stations))
    for lane in section.lanes.values():
        if lane.widths is not None:
            total = total + np.maximum(lane.widths.at(stations - section.start), 0.0)
        elif lane.borders is not None:
            total = np.maximum(total, np.abs(lane.borders.at(stations - section.start)))
    return float(min(total.max(), 200.0))
