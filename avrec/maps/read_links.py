"""Which lane leads into which: OpenDRIVE's road links, lane links and junction connections as one relation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

from avrec.errors import DataError
from avrec.maps.source_road import SourceRoad
from avrec.maps.xml_text import Element, identifier, integer, text

__all__ = ["LaneKey", "successors_of"]

MAX_LINKS = 1_000_000


class LaneKey(NamedTuple):
    """A lane of the file: road, number of the section, OpenDRIVE lane id."""

    road: str
    section: int
    lane: int


End = tuple[LaneKey, str]
Contact = tuple[End, End]


def successors_of(roads: Mapping[str, SourceRoad], junctions: Iterable[Element]) -> dict[LaneKey, list[LaneKey]]:
    """Successors of each lane in driving direction, in the file's order.

    Whether a link is told by one lane, by the other or by a junction does not matter. Links to lanes that are not
    there, and between lanes that both leave or both enter, are dropped. Sections too short to keep are passed through.

    Raises:
        DataError: more links than a map can have.
    """
    after: dict[LaneKey, dict[LaneKey, None]] = {}
    before: dict[LaneKey, dict[LaneKey, None]] = {}
    passed = 0
    for (first, first_end), (second, second_end) in _contacts(roads, junctions):
        out_first, out_second = _exit(roads, first) == first_end, _exit(roads, second) == second_end
        if out_first == out_second:
            continue
        source, target = (first, second) if out_first else (second, first)
        after.setdefault(source, {})[target] = None
        before.setdefault(target, {})[source] = None
    for road in roads.values():
        for index, section in enumerate(road.sections):
            if section.kept:
                continue
            for lane in section.lanes:
                key = LaneKey(road.id, index, lane)
                passed += len(before.get(key, ())) * len(after.get(key, ()))
                if passed > MAX_LINKS:
                    raise DataError(f"Road {road.id} ties more than {MAX_LINKS} lanes together. Export the map again.")
                _pass_through(key, after, before)
    return {lane: list(targets) for lane, targets in after.items() if targets}


def _pass_through(
    key: LaneKey, after: dict[LaneKey, dict[LaneKey, None]], before: dict[LaneKey, dict[LaneKey, None]]
) -> None:
    """Connect what leads to a lane with what follows it and forget the lane."""
    sources, targets = before.pop(key, {}), after.pop(key, {})
    for source in sources:
        after.get(source, {}).pop(key, None)
        for target in targets:
            after.setdefault(source, {})[target] = None
            before.setdefault(target, {})[source] = None
    for target in targets:
        before.get(target, {}).pop(key, None)


def _exit(roads: Mapping[str, SourceRoad], key: LaneKey) -> str:
    """The end of the lane's section at which its traffic leaves."""
    along = (key.lane > 0) == roads[key.road].left_hand
    return "end" if along else "start"


def _contacts(roads: Mapping[str, SourceRoad], junctions: Iterable[Element]) -> Iterable[Contact]:
    for road in roads.values():
        last = len(road.sections) - 1
        for index, section in enumerate(road.sections):
            for lane in section.lanes.values():
                if lane.id == 0:
                    continue
                here = LaneKey(road.id, index, lane.id)
                for end, targets in (("start", lane.predecessors), ("end", lane.successors)):
                    for target in targets:
                        if 0 <= index + (1 if end == "end" else -1) <= last:
                            there = LaneKey(road.id, index + (1 if end == "end" else -1), target)
                            yield from _contact(roads, (here, end), (there, "start" if end == "end" else "end"))
                        else:
                            yield from _across(roads, (here, end), road, target)
    for junction in junctions:
        for connection in junction.findall("connection"):
            yield from _connection(roads, text(junction, "id"), connection)


def _across(roads: Mapping[str, SourceRoad], here: End, road: SourceRoad, target: int) -> Iterable[Contact]:
    """Contact with a lane of the road that is linked at one end."""
    kind, other, contact = road.links.get("successor" if here[1] == "end" else "predecessor", ("", "", ""))
    if kind == "road" and other in roads and contact in ("start", "end"):
        yield from _contact(roads, here, (_edge(roads[other], contact, target), contact))


def _connection(roads: Mapping[str, SourceRoad], junction: str, connection: Element) -> Iterable[Contact]:
    incoming = roads.get(text(connection, "incomingRoad"))
    linked = identifier(connection, "connectingRoad") or text(connection, "linkedRoad")
    connecting, contact = roads.get(linked), text(connection, "contactPoint", "start")
    if incoming is None or connecting is None or contact not in ("start", "end"):
        return
    end = _end_at(incoming, junction, connecting, contact)
    for link in connection.findall("laneLink"):
        source = _edge(incoming, end, integer(link, "from"))
        yield from _contact(roads, (source, end), (_edge(connecting, contact, integer(link, "to")), contact))


def _end_at(incoming: SourceRoad, junction: str, connecting: SourceRoad, contact: str) -> str:
    """The end of a road at which it meets a junction; the nearer one where both do."""
    ends = [
        end
        for end, side in (("start", "predecessor"), ("end", "successor"))
        if incoming.links.get(side, ("", "", ""))[:2] == ("junction", junction)
    ]
    if len(ends) == 1:
        return ends[0]
    meeting = connecting.reference.at([0.0 if contact == "start" else connecting.reference.length])[0]
    points = incoming.reference.at([0.0, incoming.reference.length])[0]
    return "start" if np.linalg.norm(points[0] - meeting[0]) < np.linalg.norm(points[1] - meeting[0]) else "end"


def _edge(road: SourceRoad, end: str, lane: int) -> LaneKey:
    return LaneKey(road.id, 0 if end == "start" else len(road.sections) - 1, lane)


def _contact(roads: Mapping[str, SourceRoad], first: End, second: End) -> Iterable[Contact]:
    if all(key.lane in roads[key.road].sections[key.section].lanes and key.lane != 0 for key, _ in (first, second)):
        yield first, second
