"""Signals, stop lines and crosswalks of an OpenDRIVE road."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from avrec.drive.lane_graph import DRIVABLE, Crosswalk, Signal, StopLine
from avrec.errors import DataError
from avrec.maps.sample_road import place
from avrec.maps.source_road import MAX_LANES, SourceRoad, SourceSection
from avrec.maps.xml_text import Element, identifier, integer, number, text

__all__ = ["read_crosswalks", "read_signals"]

Float64 = NDArray[np.float64]
LaneName = Callable[[str, int, int], str | None]

STOP_LINE = "294"
"""Number of the stop line in the German catalogue, which OpenDRIVE files everywhere use for it."""
_TAGS = ("signal", "signalReference")
MAX_CORNERS = 10_000
MAX_SIGNALS = 20_000
"""In a map, references counted; the largest city has some thousands."""


def read_signals(roads: Mapping[str, SourceRoad], name: LaneName) -> tuple[tuple[Signal, ...], tuple[StopLine, ...]]:
    """All signals, with the lanes of other roads that refer to them, and the stop lines among them.

    Args:
        roads: of the file, by id.
        name: the lane graph's name of a road's lane: ``name(road, section, lane)``.
    """
    signals: dict[str, Signal] = {}
    stop_lines: list[StopLine] = []
    taken: dict[str, int] = {}
    governed: dict[str, dict[str, None]] = {}
    count = sum(len(road.element.findall(f"signals/{tag}")) for road in roads.values() for tag in _TAGS)
    if count > MAX_SIGNALS:
        raise DataError(f"The map holds {count} signals; at most {MAX_SIGNALS} are read. Cut it into parts.")
    for road in roads.values():
        for element in road.element.findall("signals/signal"):
            s = min(max(number(element, "s"), 0.0), road.reference.length)
            index, section = _section_at(road, s)
            lanes = _lanes(element, road, section)
            names = tuple(found for lane in lanes if (found := name(road.id, index, lane)) is not None)
            if text(element, "type") == STOP_LINE:
                line = _across(road, section, s, lanes, number(element, "t", 0.0), number(element, "width", 0.0))
                stop_lines.append(StopLine(id=_own_id(element, taken), line=line, lanes=names, road=road.id))
                continue
            signal = _signal(element, road, s, names, _own_id(element, taken))
            signals[signal.id] = signal
            governed[signal.id] = dict.fromkeys(names)
    for road in roads.values():
        for element in road.element.findall("signals/signalReference"):
            known = governed.get(identifier(element))
            if known is None:
                continue
            index, section = _section_at(road, min(max(number(element, "s"), 0.0), road.reference.length))
            lanes = _lanes(element, road, section)
            known.update((found, None) for lane in lanes if (found := name(road.id, index, lane)) is not None)
    return tuple(replace(signal, lanes=tuple(governed[id_])) for id_, signal in signals.items()), tuple(stop_lines)


def read_crosswalks(road: SourceRoad) -> Iterable[Crosswalk]:
    """Objects of type crosswalk, with their outline or the rectangle of their length and width."""
    walks = [item for item in road.element.findall("objects/object") if text(item, "type").lower() == "crosswalk"]
    if len(walks) > MAX_SIGNALS:
        raise DataError(f"Road {road.id} has {len(walks)} crosswalks; at most {MAX_SIGNALS} are read.")
    for index, element in enumerate(walks):
        s, t = number(element, "s"), number(element, "t", 0.0)
        outline = element.find("outlines/outline")
        if outline is None:
            outline = element.find("outline")
        corners = [] if outline is None else outline.findall("cornerRoad")[:MAX_CORNERS]
        if len(corners) >= 3:
            along = np.array([number(corner, "s") for corner in corners])
            across = np.array([number(corner, "t") for corner in corners])
            polygon = place(road, along, across, np.array([number(corner, "dz", 0.0) for corner in corners]))
        else:
            locals_ = [] if outline is None else outline.findall("cornerLocal")[:MAX_CORNERS]
            if len(locals_) >= 3:
                uvz = np.array([[number(c, "u"), number(c, "v"), number(c, "z", 0.0)] for c in locals_])
            else:
                u, v = number(element, "length", 0.0) / 2, number(element, "width", 0.0) / 2
                if u <= 0 or v <= 0:
                    continue
                uvz = np.array([[-u, -v, 0.0], [u, -v, 0.0], [u, v, 0.0], [-u, v, 0.0]])
            heading = float(road.reference.at([s])[1][0]) + number(element, "hdg", 0.0)
            origin = place(road, np.array([s]), np.array([t]), number(element, "zOffset", 0.0))[0]
            cos, sin = np.cos(heading), np.sin(heading)
            turned = uvz @ np.array([[cos, sin, 0.0], [-sin, cos, 0.0], [0.0, 0.0, 1.0]])
            polygon = origin + turned
        yield Crosswalk(id=identifier(element) or f"{road.id}.{index}", polygon=polygon, road=road.id)


def _own_id(element: Element, taken: dict[str, int]) -> str:
    """The signal's id; with a number behind it where another signal has it already."""
    wanted = identifier(element) or "signal"
    name = wanted
    while name in taken:
        taken[wanted] += 1
        name = f"{wanted}_{taken[wanted]}"
    taken[name] = 1
    return name


def _signal(element: Element, road: SourceRoad, s: float, lanes: tuple[str, ...], name: str) -> Signal:
    heading = float(road.reference.at([s])[1][0])
    against = text(element, "orientation") == "-"
    turn = np.pi if against else 0.0
    position = place(road, np.array([s]), np.array([number(element, "t", 0.0)]), number(element, "zOffset", 0.0))[0]
    value = element.get("value")
    return Signal(
        id=name,
        position=position,
        heading_rad=_wrapped(heading + turn),
        facing_rad=_wrapped(heading + turn + number(element, "hOffset", 0.0)),
        lanes=lanes,
        dynamic=text(element, "dynamic") == "yes",
        type=_code(element, "type"),
        subtype=_code(element, "subtype"),
        country=text(element, "country"),
        value=number(element, "value") if value and value.strip() else None,
        unit=text(element, "unit"),
        text=text(element, "text"),
        name=text(element, "name"),
        height_m=number(element, "height", 0.0),
        width_m=number(element, "width", 0.0),
        both_directions=text(element, "orientation") not in ("+", "-"),
        road=road.id,
    )


def _lanes(element: Element, road: SourceRoad, section: SourceSection) -> list[int]:
    """Lanes a signal speaks to: those it names, else the drivable ones of its direction."""
    named = element.findall("validity")[:MAX_LANES]
    if named:
        ranges = [sorted((integer(v, "fromLane"), integer(v, "toLane"))) for v in named]
        return [lane for lane in sorted(section.lanes) if lane and any(low <= lane <= high for low, high in ranges)]
    orientation = text(element, "orientation")
    found = []
    for lane in sorted(section.lanes):
        along = (lane > 0) == road.left_hand
        if lane and section.lanes[lane].kind in DRIVABLE and orientation != ("-" if along else "+"):
            found.append(lane)
    return found


def _across(road: SourceRoad, section: SourceSection, s: float, lanes: list[int], t: float, width: float) -> Float64:
    """The line from one side of the lanes to the other at a station."""
    offset = float(road.offset.at([s])[0])
    edges: list[float] = []
    for side in (1, -1):
        edge = offset
        for lane in sorted((lane for lane in section.lanes if lane * side > 0), key=abs):
            widths = section.lanes[lane].widths
            outer = edge + side * (0.0 if widths is None else max(float(widths.at([s - section.start])[0]), 0.0))
            if lane in lanes:
                edges += [edge, outer]
            edge = outer
    if not edges or max(edges) - min(edges) < 0.1:
        edges = [t - max(width, 1.0) / 2, t + max(width, 1.0) / 2]
    return place(road, np.array([s, s]), np.array([max(edges), min(edges)]))


def _section_at(road: SourceRoad, s: float) -> tuple[int, SourceSection]:
    """The section at a station, the first kept one where there is any."""
    here = bisect_right(road.kept, s, key=lambda index: road.sections[index].start) - 1
    for index in road.kept[max(here - 1, 0) : here + 1]:
        if road.sections[index].end >= s:
            return index, road.sections[index]
    index = max(bisect_right(road.sections, s, key=lambda section: section.start) - 1, 0)
    return index, road.sections[index]


def _code(element: Element, name: str) -> str:
    """A number of the catalogue; empty for OpenDRIVE's words for none."""
    found = text(element, name)
    return "" if found in ("-1", "none") else found


def _wrapped(angle: float) -> float:
    return float(np.arctan2(np.sin(angle), np.cos(angle)))
