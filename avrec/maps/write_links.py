"""Lane successors as OpenDRIVE tells them: lane links, road links and junction connections."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from avrec.drive.lane_graph import DRIVABLE, Lane, LaneGraph

__all__ = ["Connection", "Links", "RoadEnd", "link_roads"]

_LOG = logging.getLogger(__name__)


class RoadEnd(NamedTuple):
    """One end of a road: ``start`` or ``end`` of its reference line."""

    road: str
    end: str


@dataclass
class Connection:
    """Lanes that lead from an incoming road into a connecting road, as (from, to) slots."""

    incoming: str
    connecting: str
    contact: str
    lanes: list[tuple[int, int]] = field(default_factory=list)


@dataclass(frozen=True)
class Links:
    """All links of a map.

    Attributes:
        roads: by road end: (``road``, id, contact point) or (``junction``, id, "").
        lanes: by lane id and end (``predecessor``, ``successor`` along the reference line): slots.
        connections: by junction id.
        lost: lane links (from, to) that OpenDRIVE has no place for.
    """

    roads: Mapping[RoadEnd, tuple[str, str, str]]
    lanes: Mapping[tuple[str, str], tuple[int, ...]]
    connections: Mapping[str, tuple[Connection, ...]]
    lost: tuple[tuple[str, str], ...]


def link_roads(graph: LaneGraph) -> Links:
    """Sort the successors of a graph whose lanes are sorted into roads."""
    sections = {road: max((lane.section for lane in graph.lanes_of(road)), default=0) for road in graph.roads}
    lane_links: dict[tuple[str, str], list[int]] = {}
    meetings: dict[tuple[RoadEnd, RoadEnd], list[tuple[Lane, Lane]]] = {}
    lost: list[tuple[str, str]] = []
    for source in graph.lanes.values():
        for name in source.successors:
            target = graph.lanes.get(name)
            if target is None:
                continue
            exit_, entry = _exit(graph, source), _entry(graph, target)
            if source.road == target.road and abs(source.section - target.section) == 1:
                lane_links.setdefault((source.id, _side(exit_)), []).append(target.slot)
                lane_links.setdefault((target.id, _side(entry)), []).append(source.slot)
                continue
            ends = ((source, exit_), (target, entry))
            if any(lane.section != (0 if end == "start" else sections[lane.road or ""]) for lane, end in ends):
                lost.append((source.id, target.id))
                continue
            key = (RoadEnd(source.road or "", exit_), RoadEnd(target.road or "", entry))
            meetings.setdefault(key, []).append((source, target))
    return _sorted(graph, meetings, lane_links, lost)


def _sorted(
    graph: LaneGraph,
    meetings: Mapping[tuple[RoadEnd, RoadEnd], list[tuple[Lane, Lane]]],
    lane_links: dict[tuple[str, str], list[int]],
    lost: list[tuple[str, str]],
) -> Links:
    partners: dict[RoadEnd, Counter[RoadEnd]] = {}
    for (out, into), pairs in meetings.items():
        weight = sum(10 if lane.kind in DRIVABLE else 1 for pair in pairs for lane in pair)
        partners.setdefault(out, Counter())[into] += weight
        partners.setdefault(into, Counter())[out] += weight
    road_links: dict[RoadEnd, tuple[str, str, str]] = {}
    for end, others in partners.items():
        junction = graph.roads[end.road].junction
        crossing = Counter(
            {graph.roads[other.road].junction: 0 for other in others if graph.roads[other.road].junction is not None}
        )
        for other, weight in others.items():
            if graph.roads[other.road].junction is not None:
                crossing[graph.roads[other.road].junction] += weight
        if junction is None and crossing:
            road_links[end] = ("junction", crossing.most_common(1)[0][0] or "", "")
        else:
            other = others.most_common(1)[0][0]
            road_links[end] = ("road", *other)
    connections: dict[str, dict[tuple[str, str, str], Connection]] = {}
    for (out, into), pairs in meetings.items():
        told = False
        for here, there in ((out, into), (into, out)):
            if road_links.get(here) == ("road", *there):
                for pair in pairs:
                    mine, facing = pair if here == out else pair[::-1]
                    lane_links.setdefault((mine.id, _side(here.end)), []).append(facing.slot)
                told = True
        told |= _connect(graph, out, into, pairs, road_links, connections)
        if not told:
            lost += [(source.id, target.id) for source, target in pairs]
    if lost:
        _LOG.warning("%d lane links have no place in OpenDRIVE's road links: %s", len(lost), lost[:5])
    return Links(
        roads=road_links,
        lanes={key: tuple(dict.fromkeys(slots)) for key, slots in lane_links.items()},
        connections={junction: tuple(found.values()) for junction, found in connections.items()},
        lost=tuple(lost),
    )


def _connect(
    graph: LaneGraph,
    out: RoadEnd,
    into: RoadEnd,
    pairs: list[tuple[Lane, Lane]],
    road_links: Mapping[RoadEnd, tuple[str, str, str]],
    connections: dict[str, dict[tuple[str, str, str], Connection]],
) -> bool:
    """Enter lanes that lead into a junction's road among its connections."""
    connecting = graph.roads[into.road]
    if connecting.junction is None or road_links.get(out) != ("junction", connecting.junction, ""):
        return False
    drives = any(target.kind in DRIVABLE for _, target in pairs)
    if not drives and any(lane.kind in DRIVABLE for lane in graph.lanes_of(into.road)):
        return False
    known = connections.setdefault(connecting.junction, {})
    entry = known.setdefault((out.road, into.road, into.end), Connection(out.road, into.road, into.end))
    entry.lanes += [(source.slot, target.slot) for source, target in pairs]
    return True


def _exit(graph: LaneGraph, lane: Lane) -> str:
    return "end" if graph.roads[lane.road or ""].along(lane.slot) else "start"


def _entry(graph: LaneGraph, lane: Lane) -> str:
    return "start" if graph.roads[lane.road or ""].along(lane.slot) else "end"


def _side(end: str) -> str:
    return "successor" if end == "end" else "predecessor"
