"""OpenDRIVE files as lane graphs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avrec.drive.lane_graph import Controller, Junction, Lane, LaneGraph, LaneMark, Neighbor, Road
from avrec.drive.move_lanes import move_lanes
from avrec.errors import DataError
from avrec.geometry import anchor_of_geo_reference
from avrec.maps.read_links import LaneKey, successors_of
from avrec.maps.read_signals import read_crosswalks, read_signals
from avrec.maps.sample_road import SampledLane, lane_ids, marks_along, sample_section
from avrec.maps.source_road import SourceRoad, SourceSection, read_road
from avrec.maps.xml_text import Element, identifier, number, parse_xml, text

__all__ = ["read_opendrive"]

Float64 = NDArray[np.float64]

MAX_POINTS = 10_000_000
MAX_LANES = 100_000
MAX_LENGTH_M = 5e6
"""Of all roads together."""


def read_opendrive(source: str | Path | bytes) -> LaneGraph:
    """Read an OpenDRIVE map, version 1.4 to 1.8.

    Lines, arcs, spirals, cubic polynomials; lane sections, offsets, widths, borders, heights, elevation and
    superelevation; road links, junctions, signals with controllers, stop lines and crosswalks. A header offset is
    applied. Not read: road shapes and crossfall, objects other than crosswalks, railways. Lane sections shorter than
    2 cm are passed through.

    Args:
        source: path of a ``.xodr`` file, or its content.

    Returns:
        Lanes named ``road.section.lane`` (or as avrec wrote them), sampled within 1 mm of the curves.

    Raises:
        DataError: not an OpenDRIVE file, a damaged one, or numbers that no road on Earth has.
    """
    root = parse_xml(source, "OpenDRIVE")
    roads: dict[str, SourceRoad] = {}
    total, count = 0.0, 0
    for element in root.findall("road"):
        road = read_road(element)
        if road.id in roads:
            raise DataError(f"Two roads have the id {road.id!r}. Give each road its own.")
        roads[road.id] = road
        total = total + road.reference.length
        count = count + sum(len(section.lanes) for section in road.sections)
        if total > MAX_LENGTH_M or count > MAX_LANES:
            raise DataError(
                f"The map has more than {MAX_LANES} lanes or {MAX_LENGTH_M / 1000:.0f} km of road. Cut it into parts."
            )
    if not roads:
        raise DataError("The map holds no road. Export it again.")
    header = root.find("header")
    graph = _graph(roads, root.findall("junction"), root.findall("controller"))
    projection = "" if header is None else (header.findtext("geoReference") or "").strip()
    graph = graph.with_changes(
        name="" if header is None else text(header, "name"),
        anchor=anchor_of_geo_reference(projection),
        geo_reference=projection,
        notes=_notes(root),
    )
    offset = None if header is None else header.find("offset")
    return graph if offset is None else _moved(graph, offset)


def _graph(roads: Mapping[str, SourceRoad], junctions: list[Element], controllers: list[Element]) -> LaneGraph:
    numbers = {road.id: {index: place for place, index in enumerate(road.kept)} for road in roads.values()}
    names: dict[LaneKey, str] = {}
    taken: set[str] = set()
    for road in roads.values():
        for index, section in enumerate(road.sections):
            if section.kept:
                for lane in lane_ids(section):
                    own = section.lanes[lane].notes.get("avrec.lane", "")
                    name = own if own and own not in taken else f"{road.id}.{numbers[road.id][index]}.{lane}"
                    while name in taken:
                        name += "'"
                    taken.add(name)
                    names[LaneKey(road.id, index, lane)] = name

    after = {
        names[key]: [names[target] for target in targets if target in names]
        for key, targets in successors_of(roads, junctions).items()
        if key in names
    }
    before: dict[str, list[str]] = {}
    for source, targets in after.items():
        for target in targets:
            before.setdefault(target, []).append(source)

    lanes: dict[str, Lane] = {}
    kept_roads: dict[str, Road] = {}
    points = 0
    for road in roads.values():
        pieces: list[Float64] = []
        bearings: list[Float64] = []
        for index, section in enumerate(road.sections):
            if not section.kept:
                continue
            reference, headings, sampled = sample_section(road, section, MAX_POINTS - points)
            shared = 1 if pieces else 0  # the point where the section before ends
            pieces.append(reference[shared:])
            bearings.append(headings[shared:])
            points += len(reference) * (3 * len(sampled) + 1)
            here = {lane_id: names[LaneKey(road.id, index, lane_id)] for lane_id in lane_ids(section)}
            for lane_id, name in here.items():
                lanes[name] = replace(
                    _lane(road, section, lane_id, here, sampled[lane_id]),
                    section=numbers[road.id][index],
                    successors=tuple(after.get(name, ())),
                    predecessors=tuple(before.get(name, ())),
                )
        if pieces:
            line, turns = np.concatenate(pieces), np.concatenate(bearings)
            kept_roads[road.id] = Road(road.id, line, road.name, road.junction, road.kind, road.left_hand, turns)
    signals, stop_lines = read_signals(roads, lambda r, section, lane: names.get(LaneKey(r, section, lane)))
    return LaneGraph(
        lanes=lanes,
        roads=kept_roads,
        junctions={
            identifier(junction): Junction(
                identifier(junction),
                text(junction, "name"),
                tuple(identifier(controller) for controller in junction.findall("controller")),
            )
            for junction in junctions
        },
        signals=signals,
        controllers=tuple(
            Controller(
                identifier(controller),
                text(controller, "name"),
                tuple(identifier(control, "signalId") for control in controller.findall("control")),
            )
            for controller in controllers
        ),
        stop_lines=stop_lines,
        crosswalks=tuple(crosswalk for road in roads.values() for crosswalk in read_crosswalks(road)),
    )


def _lane(
    road: SourceRoad, section: SourceSection, lane_id: int, names: Mapping[int, str], sampled: SampledLane
) -> Lane:
    """A lane in its driving direction, with the lanes beside it."""
    source = section.lanes[lane_id]
    along = (lane_id > 0) == road.left_hand
    line = slice(None) if along else slice(None, None, -1)
    sides = [sampled.inner[line], sampled.outer[line]]
    marks = list(_marks(section, lane_id, along))
    order = list(names)  # from left to right along the reference line
    place = order.index(lane_id)
    beside = [
        None
        if not 0 <= other < len(order)
        else Neighbor(names[order[other]], ((order[other] > 0) == road.left_hand) == along)
        for other in ((place - 1, place + 1) if along else (place + 1, place - 1))
    ]
    if (lane_id < 0) != along:  # the outer border is on the left
        sides.reverse()
        marks.reverse()
    return Lane(
        id=names[lane_id],
        kind=source.kind,
        center=sampled.center[line],
        left=sides[0],
        right=sides[1],
        left_marks=marks[0],
        right_marks=marks[1],
        left_neighbor=beside[0],
        right_neighbor=beside[1],
        speed_limit_mps=source.speed_mps if source.speed_mps is not None else road.speed_mps,
        road=road.id,
        slot=lane_id,
        junction=road.junction,
        confidence=_confidence(source.notes.get("avrec.confidence")),
        inferred=source.notes.get("avrec.inferred") == "yes",
    )


def _marks(section: SourceSection, lane: int, along: bool) -> tuple[tuple[LaneMark, ...], tuple[LaneMark, ...]]:
    """Marks on the inner and outer side of a lane; the inner one is written with its neighbour towards the centre."""
    length = section.end - section.start
    inward = max((other for other in section.lanes if other < lane), default=0) if lane > 0 else 0
    if lane < 0:
        inward = min((other for other in section.lanes if other > lane), default=0)
    inner = section.lanes[inward].marks if inward in section.lanes and inward * lane >= 0 else ()
    return marks_along(inner, length, along=along), marks_along(section.lanes[lane].marks, length, along=along)


def _confidence(found: str | None) -> float:
    try:
        return min(max(float(found or 1.0), 0.0), 1.0)
    except ValueError:
        return 1.0


def _notes(root: Element) -> tuple[str, ...]:
    """What the file holds that the graph does not."""
    left_out = {
        "road shapes": "road/lateralProfile/shape",
        "crossfall": "road/lateralProfile/crossfall",
        "railways": "road/railroad/switch",
    }
    return tuple(f"{what} not read" for what, path in left_out.items() if root.find(path) is not None)


def _moved(graph: LaneGraph, offset: Element) -> LaneGraph:
    """The graph with a header's offset applied."""
    heading = number(offset, "hdg", 0.0)
    cos, sin = np.cos(heading), np.sin(heading)
    shift = np.array([number(offset, key, 0.0) for key in "xyz"])
    turn = np.array([[cos, sin, 0.0], [-sin, cos, 0.0], [0.0, 0.0, 1.0]])

    def moved(points: Float64) -> Float64:
        return np.asarray(points @ turn + shift)

    return move_lanes(graph, moved, heading)
