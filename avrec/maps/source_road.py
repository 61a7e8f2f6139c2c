"""One ``<road>`` of an OpenDRIVE file as data, before it is sampled into lanes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from avrec.drive.lane_graph import LaneMark
from avrec.errors import DataError
from avrec.maps.cubics import Cubics
from avrec.maps.reference_line import Arc, Curve, Line, ParamPoly3, ReferenceLine, Spiral, poly3
from avrec.maps.xml_text import MAX_ID, Element, identifier, integer, number, text

__all__ = ["MAX_LANES", "SHORTEST_M", "SourceLane", "SourceRoad", "SourceSection", "read_road"]

SHORTEST_M = 0.02
"""Shorter lane sections are exporters' leftovers; lanes connect through them as if they were not there."""
MAX_ROAD_M = 2e5
MAX_TURN_RAD = 200.0
MAX_GAP_M = 100.0
MAX_LANES = 256
MAX_RECORDS = 20_000
"""Of one kind in a road or lane: geometries, widths, marks and so on."""
NOTES = {"avrec.lane", "avrec.confidence", "avrec.inferred"}
_FACTOR = {"km/h": 1 / 3.6, "mph": 0.44704, "m/s": 1.0, "": 1.0}


@dataclass(frozen=True)
class SourceLane:
    """A lane of one section; positions are distances from the section's start."""

    id: int
    kind: str
    widths: Cubics | None
    borders: Cubics | None
    heights: tuple[tuple[float, float, float], ...]
    marks: tuple[LaneMark, ...]
    speed_mps: float | None
    predecessors: tuple[int, ...]
    successors: tuple[int, ...]
    notes: Mapping[str, str]


@dataclass(frozen=True)
class SourceSection:
    """Lanes between two stations, by id; lane 0 carries only marks."""

    start: float
    end: float
    lanes: Mapping[int, SourceLane]

    @property
    def kept(self) -> bool:
        """Whether it is long enough to become lanes."""
        return self.end - self.start >= SHORTEST_M


@dataclass(frozen=True)
class SourceRoad:
    """A road. ``links`` maps ``predecessor`` and ``successor`` to element type, id and contact point."""

    id: str
    name: str
    junction: str | None
    kind: str
    left_hand: bool
    speed_mps: float | None
    reference: ReferenceLine
    elevation: Cubics
    banking: Cubics
    offset: Cubics
    sections: tuple[SourceSection, ...]
    links: Mapping[str, tuple[str, str, str]]
    element: Element

    @cached_property
    def kept(self) -> tuple[int, ...]:
        """Numbers of the sections that become lanes."""
        return tuple(index for index, section in enumerate(self.sections) if section.kept)


def read_road(road: Element) -> SourceRoad:
    """Parse one road.

    Raises:
        DataError: no geometry, no lanes, or numbers that cannot be.
    """
    name = identifier(road)
    length = number(road, "length", limit=MAX_ROAD_M)
    reference = _reference(road, name, length)
    junction = identifier(road, "junction") or "-1"
    speed = road.find("type/speed")
    links = {
        side: (text(link, "elementType", "road"), identifier(link, "elementId"), text(link, "contactPoint"))
        for side in ("predecessor", "successor")
        if (link := road.find(f"link/{side}")) is not None
    }
    kinds = road.findall("type")
    return SourceRoad(
        id=name,
        name=text(road, "name"),
        junction=None if junction in ("-1", "") else junction,
        kind=text(kinds[0], "type") if kinds else "",
        left_hand=text(road, "rule") == "LHT",
        speed_mps=None if speed is None else _speed(speed),
        reference=reference,
        elevation=_cubics(_records(road, "elevationProfile/elevation")),
        banking=_cubics(_records(road, "lateralProfile/superelevation")),
        offset=_cubics(_records(road, "lanes/laneOffset")),
        sections=_sections(road, name, reference.length),
        links=links,
        element=road,
    )


def _reference(road: Element, name: str, length: float) -> ReferenceLine:
    elements = sorted(_records(road, "planView/geometry"), key=lambda element: number(element, "s"))
    if not elements:
        raise DataError(f"Road {name} has no geometry in its plan view. Export the map again.")
    starts, poses, curves = [], [], []
    for element in elements:
        own = number(element, "length", limit=MAX_ROAD_M)
        if own <= 0:  # some editors leave empty elements
            continue
        starts.append(number(element, "s", limit=MAX_ROAD_M))
        poses.append([number(element, key) for key in ("x", "y", "hdg")])
        curves.append(_curve(element, own, name))
    if not starts or not length > 0:
        raise DataError(f"Road {name} has no length. Remove it from the map.")
    end = max(length, starts[-1] + 1e-9)
    keep = [index for index in range(len(starts)) if index == len(starts) - 1 or starts[index + 1] > starts[index]]
    line = ReferenceLine(
        np.array(starts)[keep], np.array(poses)[keep], tuple(curves[index] for index in keep), float(end)
    )
    _check_gaps(line, name)
    return line


def _check_gaps(line: ReferenceLine, name: str) -> None:
    """Elements follow one another, give or take what exporters leave."""
    if len(line.curves) == 1:
        return
    before = line.at(np.nextafter(line.starts[1:], 0.0))[0]
    gaps = np.linalg.norm(before - line.poses[1:, :2], axis=1)
    if not gaps.max() <= MAX_GAP_M:
        at = line.starts[1 + int(np.argmax(gaps))]
        raise DataError(f"The geometry of road {name} jumps by {gaps.max():.0f} m at s = {at:.1f}. Export it again.")


def _curve(element: Element, length: float, name: str) -> Curve:
    shape = next((child for child in element if child.tag in ("line", "arc", "spiral", "poly3", "paramPoly3")), None)
    if shape is None:
        raise DataError(f"Road {name} has a geometry without a known shape in line {element.sourceline}.")
    if shape.tag == "line":
        return Line()
    if shape.tag == "arc":
        curvature = number(shape, "curvature")
        _check_turn(curvature * length, name)
        return Arc(curvature)
    if shape.tag == "spiral":
        start, end = number(shape, "curvStart"), number(shape, "curvEnd")
        _check_turn(max(abs(start), abs(end)) * length, name)
        return Spiral(start, end)
    if shape.tag == "poly3":
        a, b, c, d = (number(shape, key) for key in "abcd")
        curve = poly3((a, b, c, d), length)
        if not abs(curve.arc_length - length) < 0.01 * length + 0.01:
            raise DataError(f"Road {name} has a wild poly3 in line {shape.sourceline}. Straighten it.")
        return curve
    u = tuple(number(shape, f"{key}U") for key in "abcd")
    v = tuple(number(shape, f"{key}V") for key in "abcd")
    span = length if text(shape, "pRange", "normalized") == "arcLength" else 1.0
    curve = ParamPoly3((u[0], u[1], u[2], u[3]), (v[0], v[1], v[2], v[3]), span)
    if not 0.2 * length < curve.arc_length < 5.0 * length:
        raise DataError(
            f"Road {name} has a paramPoly3 of {curve.arc_length:g} m where its length says {length:g} m "
            f"(line {shape.sourceline}). Check its pRange."
        )
    return curve


def _check_turn(turn: float, name: str) -> None:
    if not abs(turn) <= MAX_TURN_RAD:
        raise DataError(f"Road {name} has a curve that turns by {turn:.3g} rad. Check its curvature.")


def _cubics(elements: list[Element], start: str = "s") -> Cubics:
    return Cubics.of(
        [
            (
                number(element, start, 0.0),
                number(element, "a", 0.0),
                number(element, "b", 0.0),
                number(element, "c", 0.0, limit=1e9),
                number(element, "d", 0.0, limit=1e12),
            )
            for element in elements
        ]
    )


def _sections(road: Element, name: str, length: float) -> tuple[SourceSection, ...]:
    elements = sorted(_records(road, "lanes/laneSection"), key=lambda element: number(element, "s"))
    if not elements:
        raise DataError(f"Road {name} has no lane section. Export the map again.")
    starts = [min(max(number(element, "s"), 0.0), length) for element in elements]
    starts[0] = 0.0
    ends = [*starts[1:], length]
    sections = []
    for element, start, end in zip(elements, starts, ends, strict=True):
        lanes = {}
        for side in ("left", "center", "right"):
            for lane in element.findall(f"{side}/lane"):
                found = _lane(lane)
                lanes[found.id] = found
        if len(lanes) > MAX_LANES:
            raise DataError(f"Road {name} has {len(lanes)} lanes side by side; at most {MAX_LANES} are read.")
        sections.append(SourceSection(start, end, lanes))
    return tuple(sections)


def _lane(lane: Element) -> SourceLane:
    widths, borders = _records(lane, "width"), _records(lane, "border")
    speeds = lane.findall("speed")
    marks = []
    for mark in _records(lane, "roadMark"):
        width = number(mark, "width", -1.0)
        marks.append(
            LaneMark(
                kind=text(mark, "type", "none") or "none",
                color=text(mark, "color", "standard") or "standard",
                width_m=width if width > 0 else None,
                start_m=number(mark, "sOffset", 0.0),
            )
        )
    heights = [
        (number(height, "sOffset", 0.0), number(height, "inner", 0.0), number(height, "outer", 0.0))
        for height in _records(lane, "height")
    ]
    return SourceLane(
        id=integer(lane, "id"),
        kind=text(lane, "type", "none") or "none",
        widths=_cubics(widths, "sOffset") if widths else None,
        borders=_cubics(borders, "sOffset") if borders and not widths else None,
        heights=tuple(sorted(heights)),
        marks=tuple(sorted(marks, key=lambda mark: mark.start_m)),
        speed_mps=_speed(speeds[0]) if speeds else None,
        predecessors=tuple(integer(link, "id") for link in lane.findall("link/predecessor")),
        successors=tuple(integer(link, "id") for link in lane.findall("link/successor")),
        notes={
            text(data, "code"): text(data, "value")[:MAX_ID]
            for data in lane.findall("userData")
            if data.get("code") in NOTES
        },
    )


def _records(parent: Element, path: str) -> list[Element]:
    found: list[Element] = parent.findall(path)
    if len(found) > MAX_RECORDS:
        raise DataError(
            f"<{parent.tag}> in line {parent.sourceline} holds {len(found)} records of {path}; "
            f"at most {MAX_RECORDS} are read. Cut it into parts."
        )
    return found


def _speed(speed: Element) -> float | None:
    """In m/s; ``None`` for "no limit" and "undefined"."""
    try:
        value = float(text(speed, "max")[:40]) * _FACTOR.get(text(speed, "unit"), 1.0)
    except ValueError:
        return None
    return value if 0 < value < 200 else None
