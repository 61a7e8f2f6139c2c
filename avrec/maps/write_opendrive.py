"""Lane graphs as OpenDRIVE files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
from lxml import etree

from avrec.drive.lane_graph import LaneGraph, LaneMark
from avrec.errors import DataError
from avrec.files import replacing
from avrec.maps.assign_roads import assign_roads
from avrec.maps.cubics import Cubics
from avrec.maps.lay_out import LaneLayout, RoadLayout, SectionLayout, lay_out
from avrec.maps.numbers import Numbers, file_numbers
from avrec.maps.reference_line import Arc, Line, ParamPoly3, Spiral
from avrec.maps.sample_road import marks_along
from avrec.maps.write_links import Links, RoadEnd, link_roads
from avrec.maps.write_signals import add_objects, add_signals, place_signals
from avrec.maps.xml_text import Element
from avrec.maps.xml_write import add, note

__all__ = ["write_opendrive"]

_TYPE_DEFAULT = "town"
_MARKS = {
    "none", "solid", "broken", "solid solid", "solid broken", "broken solid", "broken broken", "botts dots", "grass",
    "curb", "custom", "edge",
}  # fmt: skip
_COLORS = {"standard", "black", "blue", "green", "orange", "red", "violet", "white", "yellow"}
_LANES = {
    "shoulder", "border", "driving", "stop", "none", "restricted", "parking", "median", "biking", "shared", "sidewalk",
    "curb", "exit", "entry", "onRamp", "offRamp", "connectingRamp", "bidirectional", "special1", "special2",
    "special3", "roadWorks", "tram", "rail", "bus", "taxi", "HOV", "mwyEntry", "mwyExit", "walking", "slipLane",
}  # fmt: skip
_ROADS = {
    "unknown", "rural", "motorway", "town", "lowSpeed", "pedestrian", "bicycle", "townExpressway", "townCollector",
    "townArterial", "townPrivate", "townLocal", "townPlayStreet",
}  # fmt: skip


def write_opendrive(
    graph: LaneGraph,
    path: str | Path | None = None,
    *,
    tolerance_m: float = 0.02,
    version: Literal["1.4", "1.7", "1.8"] = "1.8",
    height_offset_m: float = 0.0,
) -> bytes:
    """Write a map.

    Roads consist of lines and cubics (``paramPoly3`` over arc length) with continuous heading; lane offset, widths,
    elevation and superelevation are piecewise cubic. Lanes right of a reference line have negative ids. Lanes that are
    not sorted into roads are first (`assign_roads`).

    Args:
        graph: the map.
        path: file to write; the content is returned in any case.
        tolerance_m: how far a lane's border may be from the graph's, metres.
        version: of the standard.
        height_offset_m: added to all heights. The anchor's altitude cannot be written (see
            `avrec.geometry.geo_reference`); this turns heights above the anchor into heights above the ellipsoid.

    Raises:
        DataError: an empty graph, or roads whose lanes contradict each other.
        OutputError: the file cannot be written.
    """
    if not graph.lanes:
        raise DataError("The map has no lanes. There is nothing to write.")
    if not graph.roads or any(lane.road not in graph.roads for lane in graph.lanes.values()):
        graph = assign_roads(graph)
    layouts = {
        road.id: lay_out(road, graph.lanes_of(road.id), tolerance_m)
        for road in graph.roads.values()
        if graph.lanes_of(road.id)
    }
    links = link_roads(graph)
    numbers = file_numbers(graph)
    root = etree.Element("OpenDRIVE")
    _header(root, graph, layouts, version)
    signs = place_signals(graph, layouts)
    for name, layout in layouts.items():
        element = _road(root, layout, links, numbers, height_offset_m)
        add_objects(element, layout, signs)
        add_signals(element, layout, graph, signs)
        if numbers.roads[name] != name:
            note(element, "avrec.road", name)
    for controller in graph.controllers:
        entry = add(root, "controller", id=controller.id, name=controller.name)
        for signal in controller.signals:
            add(entry, "control", signalId=signal, type="0")
    _junctions(root, graph, links, numbers)
    content: bytes = etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)
    if path is not None:
        with replacing(path, overwrite=True) as file:
            file.write(content)
    return content


def _header(root: Element, graph: LaneGraph, layouts: Mapping[str, RoadLayout], version: str) -> None:
    points = np.concatenate([np.concatenate([lane.left, lane.right]) for lane in graph.lanes.values()])
    major, minor = version.split(".")
    header = add(
        root, "header", revMajor=major, revMinor=minor, name=graph.name, version="1", vendor="avrec",
        north=points[:, 1].max(), south=points[:, 1].min(), east=points[:, 0].max(), west=points[:, 0].min(),
    )  # fmt: skip
    projection = graph.projection
    if projection:
        add(header, "geoReference").text = etree.CDATA(projection)


def _road(root: Element, layout: RoadLayout, links: Links, numbers: Numbers, height: float) -> Element:
    road = layout.road
    element = add(
        root, "road", name=road.name, length=layout.reference.length, id=numbers.roads[road.id],
        junction="-1" if road.junction is None else numbers.junctions[road.junction],
        rule="LHT" if road.left_hand else "RHT",
    )  # fmt: skip
    ends = [
        (side, links.roads.get(RoadEnd(road.id, end))) for side, end in (("predecessor", "start"), ("successor", "end"))
    ]
    if any(found for _, found in ends):
        link = add(element, "link")
        for side, found in ends:
            if found and found[0] == "road":
                add(link, side, elementType="road", elementId=numbers.roads[found[1]], contactPoint=found[2])
            elif found:
                add(link, side, elementType="junction", elementId=numbers.junctions[found[1]])
    add(element, "type", s=0.0, type=road.kind if road.kind in _ROADS else _TYPE_DEFAULT)
    _plan(add(element, "planView"), layout)
    _records(add(element, "elevationProfile"), "elevation", layout.elevation, shift=height)
    lateral = add(element, "lateralProfile")
    if np.any(layout.banking.coefficients):
        _records(lateral, "superelevation", layout.banking)
    lanes = add(element, "lanes")
    if np.any(layout.offset.coefficients):
        _records(lanes, "laneOffset", layout.offset)
    for index, section in enumerate(layout.sections):
        _section(lanes, layout, section, index, links)
    return element


def _plan(plan: Element, layout: RoadLayout) -> None:
    reference = layout.reference
    for start, end, (x, y, heading), curve in zip(
        reference.starts, reference.ends, reference.poses, reference.curves, strict=True
    ):
        geometry = add(plan, "geometry", s=start, x=x, y=y, hdg=heading, length=end - start)
        if isinstance(curve, Line):
            add(geometry, "line")
        elif isinstance(curve, Arc):
            add(geometry, "arc", curvature=curve.curvature)
        elif isinstance(curve, Spiral):
            add(geometry, "spiral", curvStart=curve.start, curvEnd=curve.end)
        elif isinstance(curve, ParamPoly3):
            u = {f"{key}U": value for key, value in zip("abcd", curve.u, strict=True)}
            v = {f"{key}V": value for key, value in zip("abcd", curve.v, strict=True)}
            add(geometry, "paramPoly3", pRange="arcLength", **u, **v)


def _section(lanes: Element, layout: RoadLayout, section: SectionLayout, index: int, links: Links) -> None:
    element = add(lanes, "laneSection", s=section.start)
    length = section.end - section.start
    left = [item for item in section.lanes if item.lane.slot > 0]
    right = [item for item in section.lanes if item.lane.slot < 0]
    if left:
        side = add(element, "left")
        for item in left:
            _lane(side, layout, item, index, length, links)
    center = add(add(element, "center"), "lane", id="0", type="none", level="false")
    beside = right[0] if right else left[-1]
    along = layout.road.along(beside.lane.slot)
    inner = beside.lane.left_marks if (beside.lane.slot < 0) == along else beside.lane.right_marks
    _marks(center, inner, length, along)
    if right:
        side = add(element, "right")
        for item in right:
            _lane(side, layout, item, index, length, links)


def _lane(side: Element, layout: RoadLayout, item: LaneLayout, index: int, length: float, links: Links) -> None:
    lane = item.lane
    along = layout.road.along(lane.slot)
    element = add(side, "lane", id=str(lane.slot), type=lane.kind if lane.kind in _LANES else "none", level="false")
    ends = [(which, slot) for which in ("predecessor", "successor") for slot in links.lanes.get((lane.id, which), ())]
    if ends:
        link = add(element, "link")
        for which, slot in ends:
            add(link, which, id=str(slot))
    _records(element, "width", item.width, "sOffset")
    _marks(element, lane.right_marks if (lane.slot < 0) == along else lane.left_marks, length, along)
    if lane.speed_limit_mps is not None:
        add(element, "speed", sOffset=0.0, max=lane.speed_limit_mps, unit="m/s")
    for start, inner, outer in item.heights:
        add(element, "height", sOffset=start, inner=inner, outer=outer)
    if lane.id != f"{layout.road.id}.{index}.{lane.slot}":
        note(element, "avrec.lane", lane.id)
    if lane.confidence < 1.0:
        note(element, "avrec.confidence", f"{lane.confidence:.4g}")
    if lane.inferred:
        note(element, "avrec.inferred", "yes")


def _marks(element: Element, marks: tuple[LaneMark, ...], length: float, along: bool) -> None:
    """Marks by distance along the reference line; lane changes are allowed across broken ones."""
    for mark in marks_along(marks, length, along=along):
        kind = mark.kind if mark.kind in _MARKS else "custom"
        color = mark.color if mark.color in _COLORS else "standard"
        change = {"broken": "both", "broken broken": "both", "none": "both"}.get(kind, "none")
        values: dict[str, str | float] = {"sOffset": mark.start_m, "type": kind, "weight": "standard", "color": color}
        if mark.width_m is not None:
            values["width"] = mark.width_m
        if kind not in ("solid broken", "broken solid"):
            values["laneChange"] = change
        add(element, "roadMark", **values)


def _junctions(root: Element, graph: LaneGraph, links: Links, numbers: Numbers) -> None:
    used = {road.junction for road in graph.roads.values() if road.junction is not None} | set(graph.junctions)
    for name in sorted(used, key=lambda junction: (len(junction), junction)):
        junction = graph.junctions.get(name)
        element = add(root, "junction", id=numbers.junctions[name], name="" if junction is None else junction.name)
        for number, connection in enumerate(links.connections.get(name, ())):
            entry = add(
                element, "connection", id=str(number), incomingRoad=numbers.roads[connection.incoming],
                connectingRoad=numbers.roads[connection.connecting], contactPoint=connection.contact,
            )  # fmt: skip
            for source, target in dict.fromkeys(connection.lanes):
                add(entry, "laneLink", **{"from": str(source), "to": str(target)})
        for controller in () if junction is None else junction.controllers:
            add(element, "controller", id=controller)


def _records(parent: Element, tag: str, cubics: Cubics, start: str = "s", shift: float = 0.0) -> None:
    for begin, (a, b, c, d) in zip(cubics.starts, cubics.coefficients, strict=True):
        begin = float(max(begin, 0.0)) if np.isfinite(begin) else 0.0
        add(parent, tag, **{start: begin}, a=a + shift, b=b, c=c, d=d)
