"""A road of a lane graph in OpenDRIVE's terms: a reference line, and lanes as functions of the station along it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from avrec.drive.lane_graph import DRIVABLE, Lane, Road
from avrec.errors import DataError
from avrec.maps.cubics import Cubics, fit_cubics
from avrec.maps.fit_reference import fit_reference
from avrec.maps.reference_line import ReferenceLine
from avrec.maps.source_road import SHORTEST_M

__all__ = ["LaneLayout", "RoadLayout", "SectionLayout", "Stations", "lay_out"]

Float64 = NDArray[np.float64]

FLAT_SLOPE = 2e-3
"""Roads that lean less than this across, everywhere, are written level."""
RAISED_M = 0.03
"""Lanes that lie this much above or below the plane of their road get heights of their own."""
_DENSE_M = 0.5
_CLOSEST_M = 5e-4
_SAMPLE_M = 0.25
_MAX_SAMPLES = 200_000
_ON_NORMAL_M = 0.02
"""Cross sections closer than this to the reference line's normals are taken for them."""


@dataclass(frozen=True)
class LaneLayout:
    """Width and height of a lane by distance from its section's start; heights are (distance, inner, outer)."""

    lane: Lane
    width: Cubics
    heights: tuple[tuple[float, float, float], ...]


@dataclass(frozen=True)
class SectionLayout:
    """Lanes between two stations, from left to right."""

    start: float
    end: float
    lanes: tuple[LaneLayout, ...]


@dataclass(frozen=True)
class RoadLayout:
    """A road ready to be written."""

    road: Road
    reference: ReferenceLine
    elevation: Cubics
    banking: Cubics
    offset: Cubics
    sections: tuple[SectionLayout, ...]


class Stations:
    """Finds stations along a reference line."""

    def __init__(self, reference: ReferenceLine) -> None:
        count = int(np.clip(np.ceil(reference.length / _SAMPLE_M), 4, _MAX_SAMPLES))
        self._reference = reference
        self._s = np.linspace(0.0, reference.length, count + 1)
        self._tree = cKDTree(reference.at(self._s)[0])

    def distance(self, point: Float64) -> float:
        """Distance of a point [2] from the reference line."""
        return float(self._tree.query(point)[0])

    def beside(self, s: Float64, points: Float64) -> tuple[Float64, Float64]:
        """Lateral position and distance from the normal at stations [N] of points [N, 2], float64 [N] each."""
        at, heading, _ = self._reference.at(s)
        rest = points - at
        along = rest[:, 0] * np.cos(heading) + rest[:, 1] * np.sin(heading)
        return rest[:, 1] * np.cos(heading) - rest[:, 0] * np.sin(heading), along

    def of(self, points: Float64) -> tuple[Float64, Float64, Float64]:
        """Station, lateral position and distance from the reference line's normal, float64 [N] each, of points [N, 2].

        Stations beyond the ends continue straight on.
        """
        s = self._s[self._tree.query(points)[1]]
        for _ in range(8):
            at, heading, curvature = self._reference.at(s)
            rest = points - at
            along = rest[:, 0] * np.cos(heading) + rest[:, 1] * np.sin(heading)
            across = rest[:, 1] * np.cos(heading) - rest[:, 0] * np.sin(heading)
            inside = (s >= 0) & (s <= self._reference.length)
            s = s + along / np.where(inside, np.maximum(1 - curvature * across, 0.1), 1.0)
        return s, *self.beside(s, points)


def lay_out(road: Road, lanes: tuple[Lane, ...], tolerance: float) -> RoadLayout:
    """Fit a road.

    Args:
        road: gives the reference line.
        lanes: the road's, by section and from left to right; slots without gaps.
        tolerance: largest distance between a lane's border and what is written, metres.

    Raises:
        DataError: slots or sections with gaps, or lanes that do not run along the reference line.
    """
    reference = fit_reference(road.reference[:, :2], tolerance / 4, _reach(road, lanes), road.headings)
    stations = Stations(reference)
    numbers = sorted({lane.section for lane in lanes})
    if numbers != list(range(len(numbers))) or not numbers:
        raise DataError(f"Road {road.id} has the lane sections {numbers}. Number them from 0 without gaps.")
    by_section = [tuple(lane for lane in lanes if lane.section == number) for number in numbers]
    own = stations.of(road.reference[:, :2])[0]
    rows = _rows(by_section, own)
    traced = [
        tuple(_trace(road, lane, stations, known) for lane in members)
        for members, known in zip(by_section, rows, strict=True)
    ]
    starts = [float(np.median([trace.inner[0, 0] for trace in members])) for members in traced]
    edges = np.array([0.0, *starts[1:], reference.length])
    for index in range(1, len(edges)):  # a reader passes over shorter ones
        edges[index] = max(edges[index], edges[index - 1] + 1.02 * SHORTEST_M)
    elevation = _fit(own, road.reference[:, 2], 0.0, reference.length, tolerance / 4)
    banking = _banking(traced, elevation, reference.length)
    offsets: list[Cubics] = []
    sections: list[SectionLayout] = []
    if edges[-1] > reference.length + SHORTEST_M / 10:
        raise DataError(f"Road {road.id} is {reference.length:.3f} m long, too short for its sections.")
    edges[-1] = reference.length
    for members, (start, end) in zip(traced, pairwise(edges), strict=True):
        offset, section = _section(road, members, elevation, banking, float(start), float(end), tolerance)
        offsets.append(offset)
        sections.append(section)
    joined = Cubics(
        np.concatenate([piece.starts for piece in offsets]), np.concatenate([piece.coefficients for piece in offsets])
    )
    return RoadLayout(road, reference, elevation, banking, _simple(joined), tuple(sections))


def _reach(road: Road, lanes: tuple[Lane, ...]) -> float:
    """Roughly how far lanes lie to the side of the reference line, metres."""
    tree = cKDTree(road.reference[:, :2])
    ends = np.array([line[index, :2] for lane in lanes for line in (lane.left, lane.right) for index in (0, -1)])
    return float(min(np.max(tree.query(ends)[0]), 20.0))


def _borders(road: Road, lane: Lane) -> tuple[Float64, Float64]:
    """Inner and outer border in the direction of the reference line."""
    along = road.along(lane.slot)
    inner, outer = (lane.left, lane.right) if (lane.slot < 0) == along else (lane.right, lane.left)
    return (inner, outer) if along else (inner[::-1], outer[::-1])


@dataclass(frozen=True)
class _Trace:
    """A lane's borders as rows of station, lateral position and height, stations rising: float64 [N, 3]."""

    lane: Lane
    inner: Float64
    outer: Float64


def _rows(sections: list[tuple[Lane, ...]], own: Float64) -> list[Float64 | None]:
    """Stations of the cross sections of each section's lanes, where they are those of the reference line's points."""
    counts = [{len(lane.center) for lane in members} for members in sections]
    if any(len(count) != 1 for count in counts) or sum(min(count) - 1 for count in counts) + 1 != len(own):
        return [None] * len(sections)
    ends = np.cumsum([0, *(min(count) - 1 for count in counts)])
    return [own[first : last + 1] for first, last in pairwise(ends)]


def _trace(road: Road, lane: Lane, stations: Stations, known: Float64 | None) -> _Trace:
    if known is not None and np.array_equal(road.reference, lane.center) and road.along(lane.slot):
        # The road is this lane: its cross sections, even where a tight turn lets borders meet.
        inner, outer = _borders(road, lane)
        sides = (
            np.stack([known, stations.beside(known, line[:, :2])[0], line[:, 2]], axis=1) for line in (inner, outer)
        )
        return _Trace(lane, *(_rising(rows) for rows in sides))
    inner, outer = (_traced_line(road, line, stations, known) for line in _borders(road, lane))
    return _Trace(lane, inner, outer)


def _traced_line(road: Road, line: Float64, stations: Stations, known: Float64 | None) -> Float64:
    """A border along the reference line; by its cross sections where those are the reference line's normals."""
    if known is not None:
        t, along = stations.beside(known, line[:, :2])
        if np.abs(along).max() < _ON_NORMAL_M:
            return _rising(np.stack([known, t, line[:, 2]], axis=1))
    points = _dense(line)
    s, t, along = stations.of(points[:, :2])
    far = np.abs(along) > 0.05 * np.maximum(np.abs(t), 1.0)
    if far.all():
        raise DataError(f"A lane of road {road.id} does not run along the road. Sort the lanes into roads anew.")
    rows = _rising(np.stack([s, t, points[:, 2]], axis=1)[~far])
    if known is None:
        return rows
    for index in (0, -1):
        t, along = stations.beside(known[[index]], line[[index], :2])
        if abs(along[0]) < _ON_NORMAL_M:  # the ends of a section are known better than where they project to
            own = np.array([[known[index], t[0], line[index, 2]]])
            rest = rows[rows[:, 0] > known[0] + 1e-3] if index == 0 else rows[rows[:, 0] < known[-1] - 1e-3]
            rows = np.concatenate([own, rest] if index == 0 else [rest, own])
    return rows


def _rising(rows: Float64) -> Float64:
    """Without rows that go back."""
    before = np.maximum.accumulate(np.concatenate([[-np.inf], rows[:-1, 0]]))
    return rows[rows[:, 0] > before + 1e-5]


def _dense(line: Float64) -> Float64:
    """With points at least every half metre."""
    lengths = np.linalg.norm(np.diff(line[:, :2], axis=0), axis=1)
    along = np.concatenate([[0.0], np.cumsum(lengths)])
    if along[-1] < 1e-9:
        return line
    keep = np.append(True, lengths > 1e-9)
    line, along = line[keep], along[keep]
    wanted = np.union1d(along, np.linspace(0.0, along[-1], int(np.clip(along[-1] / _DENSE_M, 1, _MAX_SAMPLES)) + 1))
    return np.stack([np.interp(wanted, along, line[:, axis]) for axis in range(3)], axis=1)


def _cut(rows: Float64, start: float, end: float) -> Float64:
    """Rows from start to end exactly."""
    inside = rows[(rows[:, 0] > start + 1e-5) & (rows[:, 0] < end - 1e-5)]
    ends = [[s, *(_at(rows, s, axis) for axis in (1, 2))] for s in (start, end)]
    return np.concatenate([ends[:1], inside, ends[1:]])


def _at(rows: Float64, s: float, axis: int) -> float:
    """Value at a station; straight on beyond the ends."""
    if len(rows) == 1 or rows[0, 0] <= s <= rows[-1, 0]:
        return float(np.interp(s, rows[:, 0], rows[:, axis]))
    if s < rows[0, 0]:
        origin, far = rows[0], rows[min(np.searchsorted(rows[:, 0], rows[0, 0] + 1.0), len(rows) - 1)]
    else:
        origin, far = rows[-1], rows[max(np.searchsorted(rows[:, 0], rows[-1, 0] - 1.0) - 1, 0)]
    slope = (far[axis] - origin[axis]) / (far[0] - origin[0])
    if abs(s - origin[0]) < 1e-2:
        slope = 0.0
    return float(origin[axis] + slope * (s - origin[0]))


def _fit(s: Float64, values: Float64, start: float, end: float, tolerance: float) -> Cubics:
    """Cubics through values given at rising stations, over the whole range."""
    keep = np.append(True, np.diff(np.maximum.accumulate(s)) > 1e-6)
    grid = np.union1d(s[keep], np.arange(start, end, 2.0))
    grid = np.concatenate([[start], grid[(grid > start + 1e-6) & (grid < end - 1e-6)], [end]])
    return _simple(fit_cubics(grid, np.interp(grid, s[keep], values[keep]), tolerance))


def _simple(cubics: Cubics) -> Cubics:
    """Without dust in the coefficients and without pieces that only continue the one before."""
    starts, rows = [cubics.starts[0]], [np.where(np.abs(cubics.coefficients[0]) < 1e-12, 0.0, cubics.coefficients[0])]
    for start, row in zip(cubics.starts[1:], cubics.coefficients[1:], strict=True):
        row = np.where(np.abs(row) < 1e-12, 0.0, row)
        a, b, c, d = rows[-1]
        x = start - starts[-1]
        moved = np.array([a + x * (b + x * (c + x * d)), b + x * (2 * c + 3 * x * d), c + 3 * x * d, d])
        if np.any(np.abs(moved - row) > (2e-6, 1e-8, 1e-9, 1e-9)):
            starts.append(start)
            rows.append(row)
    return Cubics(np.array(starts), np.array(rows))


def _banking(sections: list[tuple[_Trace, ...]], elevation: Cubics, length: float) -> Cubics:
    """Lean of the road across, radians, from the borders of the lanes that are driven on."""
    rows: list[Float64] = []
    for members in sections:
        for trace in [trace for trace in members if trace.lane.kind in DRIVABLE] or members:
            for line in (trace.inner, trace.outer):
                height = line[:, 2] - elevation.at(np.clip(line[:, 0], 0, length))
                rows.append(np.stack([line[:, 0], line[:, 1], height], axis=1))
    samples = np.concatenate(rows)
    samples = samples[np.abs(samples[:, 1]) > 0.5]
    if not len(samples):
        return Cubics.constant(0.0)
    order = np.argsort(samples[:, 0], kind="stable")
    s, t, z = samples[order].T
    s = np.clip(s, 0.0, length)
    # Least squares through the reference line, over a short stretch around each station.
    grid = np.unique(np.concatenate([[0.0], np.arange(0.0, length, 1.0), np.round(s, 3), [length]]))
    reach = 0.51
    low, high = np.searchsorted(s, grid - reach), np.searchsorted(s, grid + reach, side="right")
    tz, tt = (np.concatenate([[0.0], np.cumsum(values)]) for values in (t * z, t * t))
    weight = tt[high] - tt[low]
    known = weight > 0.25
    if not known.any():
        return Cubics.constant(0.0)
    slopes = np.arctan2((tz[high] - tz[low])[known], weight[known])
    if np.abs(slopes).max() < FLAT_SLOPE:
        return Cubics.constant(0.0)
    return _fit(grid[known], slopes, 0.0, length, 1e-3)


def _section(
    road: Road,
    traces: tuple[_Trace, ...],
    elevation: Cubics,
    banking: Cubics,
    start: float,
    end: float,
    tolerance: float,
) -> tuple[Cubics, SectionLayout]:
    slots = [trace.lane.slot for trace in traces]
    if max(abs(slot) for slot in slots) > len(slots) or slots != _without_gaps(slots):
        raise DataError(f"Section {traces[0].lane.section} of road {road.id} has the slots {slots}, with gaps.")
    lines = [(trace.lane, _cut(trace.inner, start, end), _cut(trace.outer, start, end)) for trace in traces]
    grid = np.unique(np.concatenate([curve[:, 0] for _, *pair in lines for curve in pair]))
    grid = np.union1d(grid, np.linspace(start, end, int((end - start) / 2.0) + 2))
    grid = grid[np.append(True, np.diff(grid) > _CLOSEST_M)]
    grid = np.concatenate([[start], grid[(grid > start + _CLOSEST_M) & (grid < end - _CLOSEST_M)], [end]])
    bank, base = banking.at(grid), elevation.at(grid)
    cos, sin = np.cos(bank), np.sin(bank)

    def surface(curve: Float64) -> tuple[Float64, Float64]:
        """Lateral position on the leaning road and height above it."""
        across = np.interp(grid, curve[:, 0], curve[:, 1])
        up = np.interp(grid, curve[:, 0], curve[:, 2]) - base
        return across * cos + up * sin, up * cos - across * sin

    first_right = next((pair for pair in lines if pair[0].slot == -1), None)
    middle = surface((first_right or next(pair for pair in lines if pair[0].slot == 1))[1])[0]
    layouts: dict[int, LaneLayout] = {}
    for side in (1, -1):
        edge = middle
        for lane, inner, outer in sorted((item for item in lines if item[0].slot * side > 0), key=_by_slot):
            border, outer_up = surface(outer)
            inner_up = surface(inner)[1]
            width = np.maximum((border - edge) * side, 0.0)
            width[width < 1e-6] = 0.0
            fitted = _simple(fit_cubics(grid - start, width, tolerance / 4))
            layouts[lane.slot] = LaneLayout(lane, fitted, _heights(grid - start, inner_up, outer_up))
            edge = edge + side * width
    return fit_cubics(grid, middle, tolerance / 4), SectionLayout(start, end, tuple(layouts[slot] for slot in slots))


def _without_gaps(slots: list[int]) -> list[int]:
    return [*range(max([0, *slots]), 0, -1), *range(-1, min([0, *slots]) - 1, -1)]


def _by_slot(item: tuple[Lane, Float64, Float64]) -> int:
    return abs(item[0].slot)


def _heights(d: Float64, inner: Float64, outer: Float64) -> tuple[tuple[float, float, float], ...]:
    """Steps that follow the borders' heights above the road within 2 cm; none where the lane lies on it."""
    if max(np.abs(inner).max(), np.abs(outer).max()) < RAISED_M:
        return ()
    steps: list[tuple[float, float, float]] = []
    first = 0
    for index in range(1, len(d) + 1):
        here = slice(first, index + 1)
        if index == len(d) or max(np.ptp(inner[here]), np.ptp(outer[here])) > 0.04:
            low, high = (float(v[first:index].min() + v[first:index].max()) / 2 for v in (inner, outer))
            steps.append((float(d[first]), round(low, 4), round(high, 4)))
            first = index
    return tuple(steps)
