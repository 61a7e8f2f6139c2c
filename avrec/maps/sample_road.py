"""Lanes of an OpenDRIVE road as polylines in the world."""

from __future__ import annotations

from dataclasses import dataclass

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
MAX_STATIONS = 100_000
MAX_REACH_M = 1000.0
"""Lanes that are further to the side than this are no lanes."""
MAX_CLIMB_M = 1e5


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


@dataclass(frozen=True)
class _Surface:
    """The road's surface at stations: points [N, 2], heights, headings and banking of the reference line, [N] each."""

    points: Float64
    z: Float64
    headings: Float64
    bank: Float64

    def place(self, t: Float64, height: Float64 | float) -> Float64:
        across, up = np.cos(self.bank), np.sin(self.bank)
        aside = t * across - height * up
        x, y = self.points[:, 0] - aside * np.sin(self.headings), self.points[:, 1] + aside * np.cos(self.headings)
        return np.stack([x, y, self.z + t * up + height * across], axis=1)


def place(road: SourceRoad, s: Float64, t: Float64, height: Float64 | float = 0.0) -> Float64:
    """World points float64 [N, 3] at stations and lateral positions, ``height`` above the road's surface."""
    points, headings, _ = road.reference.at(s)
    return _Surface(points, road.elevation.at(s), headings, road.banking.at(s)).place(t, height)


def sample_section(
    road: SourceRoad, section: SourceSection, most_points: int = 1_000_000
) -> tuple[Float64, Float64, dict[int, SampledLane]]:
    """Reference line float64 [N, 3], its headings [N] and the lanes of one section at common stations.

    Args:
        road: the section's road.
        section: a kept one.
        most_points: that the lanes' three lines and the reference line may take together.

    Raises:
        DataError: a curve so bent that it would need more points, or lanes far from the road.
    """
    lines = 3 * len(lane_ids(section)) + 1
    stations = _stations(road, section, min(MAX_STATIONS, most_points // lines))
    points, headings, _ = road.reference.at(stations)
    surface = _Surface(points, _at(road.elevation, stations), headings, _at(road.banking, stations))
    if not np.abs(surface.z).max() <= MAX_CLIMB_M:
        raise DataError(f"Road {road.id} climbs to {np.abs(surface.z).max():.3g} m. Check its elevation profile.")
    offset = _at(road.offset, stations)
    lanes: dict[int, SampledLane] = {}
    for side in (1, -1):
        edge = offset
        for lane_id in sorted((lane for lane in section.lanes if lane * side > 0), key=abs):
            lane = section.lanes[lane_id]
            outer = _outer(lane, side, edge, offset, stations - section.start)
            if not np.abs(outer).max() <= MAX_REACH_M:
                raise DataError(f"Lane {lane_id} of road {road.id} reaches {np.abs(outer).max():.3g} m to the side.")
            inner_up, outer_up = _heights(lane, stations - section.start)
            lanes[lane_id] = SampledLane(surface.place(edge, inner_up), surface.place(outer, outer_up))
            edge = outer
    return surface.place(np.zeros(len(stations)), 0.0), headings, lanes


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


def _stations(road: SourceRoad, section: SourceSection, most: int) -> Float64:
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
    _check_count(road, len(edges), most)
    steps = _steps(road, shapes, _reach(road, section, edges), edges[:-1], edges[1:])
    _check_count(road, steps.sum(), most)
    counts = steps.astype(np.int64)
    first = np.cumsum(counts) - counts
    share = (np.arange(counts.sum()) - np.repeat(first, counts)) / np.repeat(counts, counts)
    return np.append(np.repeat(edges[:-1], counts) + share * np.repeat(np.diff(edges), counts), end)


def _check_count(road: SourceRoad, count: float, most: int) -> None:
    if not count <= most:
        raise DataError(
            f"Road {road.id} is so long or bent so sharply that it would take {count:.0f} cross sections to follow it; "
            f"at most {most} are taken here. Check its numbers, or cut the map into parts."
        )


def _steps(road: SourceRoad, shapes: list[tuple[Cubics, float]], reach: float, start: Float64, end: Float64) -> Float64:
    """Number of equal steps between breaks, float64 [K]."""
    span = (end - start)[:, None]
    near = np.clip(start[:, None] + span * np.linspace(0.0, 1.0, 7), start[:, None] + 1e-9, end[:, None] - 1e-9)
    curvature = np.abs(road.reference.at(near.ravel())[2]).reshape(near.shape).max(axis=1)
    bend = curvature * (1 + curvature * reach)
    for cubics, origin in shapes:
        factor = reach if cubics is road.banking else 1.0
        bend = bend + factor * cubics.bend(start - origin, end - origin)
    step = np.clip(np.sqrt(8 * CHORD_ERROR_M / np.maximum(bend, 1e-12)), SHORTEST_STEP_M, LONGEST_STEP_M)
    return np.asarray(np.maximum(np.ceil((end - start) / step), 1.0))


def _reach(road: SourceRoad, section: SourceSection, stations: Float64) -> float:
    """Farthest lateral position of a lane, metres."""
    total = np.abs(road.offset.at(stations))
    for lane in section.lanes.values():
        if lane.widths is not None:
            total = total + np.maximum(lane.widths.at(stations - section.start), 0.0)
        elif lane.borders is not None:
            total = np.maximum(total, np.abs(lane.borders.at(stations - section.start)))
    return float(min(total.max(), 200.0))
