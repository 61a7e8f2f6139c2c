"""Sorting lanes into roads: same-direction neighbours side by side, junctions where lanes fork, merge or cross.

OpenDRIVE wants what lane graphs do not have: roads whose ends are square to their course, ends that meet exactly one
other road or a junction, and inside a junction one road per way through it. So lanes are cut anew where they meet
(square instead of along a slanted stop line), and where lanes fork outside a junction, the first metres after the fork
become connecting roads.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from avrec.drive.borders import pair_borders
from avrec.drive.lane_graph import Junction, Lane, LaneGraph, Road
from avrec.maps.square_cuts import STEP_M, Cut, clip, context, square_cut

__all__ = ["assign_roads"]

Float64 = NDArray[np.float64]


@dataclass
class _Strip:
    """Lanes side by side from left to right that become one road."""

    lanes: list[Lane]
    connecting: bool
    cuts: dict[str, Cut] = field(default_factory=dict)


def assign_roads(graph: LaneGraph) -> LaneGraph:
    """The same lanes in roads.

    Roads are one-way, their lanes to the right of the reference line; where two of opposite directions share a border
    and neither leads anywhere, they become one. Lanes keep their ids; what is cut off at forks is named ``from>to``.
    Lanes whose ``junction`` is set become connecting roads where each end leads to one lane. Road ids are new.
    """
    strips = _strips(graph)
    place = {lane.id: (index, slot) for index, strip in enumerate(strips) for slot, lane in enumerate(strip.lanes)}
    nodes = _Nodes(strips, place)
    forks = nodes.forks()
    for strip in strips:
        if not strip.connecting:
            for end in ("start", "end"):
                here = (place[strip.lanes[0].id][0], end)
                if here in nodes.partners or len(strip.lanes) > 1:  # side by side, lanes end at one station
                    strip.cuts[end] = square_cut(strip.lanes, end, moved=forks.get(here, False))
    ordered = sorted(strips, key=lambda strip: strip.connecting)  # connecting roads end where others begin
    recut = {id(strip): _recut(graph, strip, nodes) for strip in ordered}
    built = [recut[id(strip)] for strip in strips]
    pieces = [
        _piece(graph, source, target, strips[place[source][0]].cuts["end"], strips[place[target][0]].cuts["start"])
        for source, target in nodes.split_links
    ]
    return _joined(graph, strips, built, pieces, nodes)


class _Nodes:
    """Where strips meet."""

    def __init__(self, strips: list[_Strip], place: dict[str, tuple[int, int]]) -> None:
        self.strips, self.place = strips, place
        self.links = [
            (lane.id, other) for strip in strips for lane in strip.lanes for other in lane.successors if other in place
        ]
        partners: dict[tuple[int, str], set[tuple[int, str]]] = {}
        ways: dict[tuple[str, str], int] = {}
        for source, target in self.links:
            out, into = (place[source][0], "end"), (place[target][0], "start")
            partners.setdefault(out, set()).add(into)
            partners.setdefault(into, set()).add(out)
            ways[source, "end"] = ways.get((source, "end"), 0) + 1
            ways[target, "start"] = ways.get((target, "start"), 0) + 1
        self.partners = partners
        self.plain = {
            (source, target)
            for source, target in self.links
            if ways[source, "end"] == ways[target, "start"] == 1
            and partners[place[source][0], "end"] == {(place[target][0], "start")}
            and partners[place[target][0], "start"] == {(place[source][0], "end")}
        }
        for source, target in list(self.plain):  # one crooked lane makes the whole meeting a junction
            mine = [link for link in self.links if place[link[0]][0] == place[source][0]]
            if any(link not in self.plain for link in mine):
                self.plain.discard((source, target))
        self.split_links = [
            (source, target)
            for source, target in self.links
            if (source, target) not in self.plain
            and not strips[place[source][0]].connecting
            and not strips[place[target][0]].connecting
        ]

    def forks(self) -> dict[tuple[int, str], bool]:
        """Strip ends that give up some metres to connecting roads: of each link the longer strip's."""
        found: dict[tuple[int, str], bool] = {}
        for source, target in self.split_links:
            out, into = (self.place[source][0], "end"), (self.place[target][0], "start")
            if found.get(out) or found.get(into):
                found[into if found.get(into) else out] = True
                continue
            lengths = [min(lane.length_m for lane in self.strips[index].lanes) for index, _ in (out, into)]
            found[into if lengths[1] >= lengths[0] else out] = True
        for source, target in self.split_links:  # a link whose strip did not give must have a partner that did
            out, into = (self.place[source][0], "end"), (self.place[target][0], "start")
            if not (found.get(out) or found.get(into)):
                found[into] = True
        return found


def _strips(graph: LaneGraph) -> list[_Strip]:
    """Lanes side by side; lanes through junctions on their own."""
    lanes = graph.lanes
    connecting: set[str] = set()
    for lane in lanes.values():
        sides = [[other for other in group if other in lanes] for group in (lane.predecessors, lane.successors)]
        one_way = lane.junction is not None and all(len(side) <= 1 for side in sides) and any(sides)
        if one_way and not any(other in connecting for side in sides for other in side):
            connecting.add(lane.id)
    strips = []
    done: set[str] = set()
    for lane in lanes.values():
        if lane.id in done:
            continue
        if lane.junction is not None:
            strips.append(_Strip([lane], lane.id in connecting))
            done.add(lane.id)
            continue
        members = [lane]
        while (beside := _beside(graph, members[0], "left")) is not None and beside.id not in done:
            if beside.id in {member.id for member in members}:
                break
            members.insert(0, beside)
        while (beside := _beside(graph, members[-1], "right")) is not None and beside.id not in done:
            if beside.id in {member.id for member in members}:
                break
            members.append(beside)
        done |= {member.id for member in members}
        strips.append(_Strip(members, False))
    return strips


def _beside(graph: LaneGraph, lane: Lane, side: str) -> Lane | None:
    """The neighbour that drives the same way, from and to the same places, outside junctions."""
    neighbor = lane.left_neighbor if side == "left" else lane.right_neighbor
    if neighbor is None or not neighbor.same_direction or neighbor.lane not in graph.lanes:
        return None
    other = graph.lanes[neighbor.lane]
    mine, facing = (lane.left, other.right) if side == "left" else (lane.right, other.left)
    close = np.linalg.norm(mine[[0, -1], :2] - facing[[0, -1], :2], axis=1).max() < 0.5
    return other if close and other.junction is None else None


def _recut(graph: LaneGraph, strip: _Strip, nodes: _Nodes) -> list[Lane]:
    """The strip's lanes between its cuts. Where one strip leads to one other, both end at the first one's cut."""
    for end, shared in (("start", "end"), ("end", "start")):
        for lane in strip.lanes:
            others = lane.predecessors if end == "start" else lane.successors
            for name in others:
                link = (name, lane.id) if end == "start" else (lane.id, name)
                if name in nodes.place and (strip.connecting or (end == "start" and link in nodes.plain)):
                    cut = nodes.strips[nodes.place[name][0]].cuts.get(shared)
                    strip.cuts |= {} if cut is None else {end: cut}
    lanes = []
    for lane in strip.lanes:
        sides = [
            clip(*context(graph, lane, side), strip.cuts.get("start"), strip.cuts.get("end"))
            for side in ("left", "right")
        ]
        center, left, right = pair_borders(sides[0], sides[1], STEP_M)
        lanes.append(replace(lane, center=center, left=left, right=right))
    return lanes


def _piece(graph: LaneGraph, source: str, target: str, start: Cut, end: Cut) -> Lane:
    """The way from one lane to another between the cuts of their roads."""
    before, after = graph.lanes[source], graph.lanes[target]
    sides = []
    for side in ("left", "right"):
        line = np.concatenate([getattr(before, side)[:-1], getattr(after, side)])
        joint = len(getattr(before, side)) - 1
        sides.append(clip(line, joint, joint, start, end))
    center, left, right = pair_borders(sides[0], sides[1], STEP_M)
    return replace(
        after,
        id=f"{source}>{target}",
        center=center,
        left=left,
        right=right,
        predecessors=(source,),
        successors=(target,),
        left_neighbor=None,
        right_neighbor=None,
        left_marks=(),
        right_marks=(),
        confidence=min(before.confidence, after.confidence),
    )


def _joined(
    graph: LaneGraph, strips: list[_Strip], built: list[list[Lane]], pieces: list[Lane], nodes: _Nodes
) -> LaneGraph:
    """Name roads and junctions and lead links through the pieces."""
    junctions = _junctions(graph, strips, nodes)
    split = set(nodes.split_links)
    lanes: dict[str, Lane] = {}
    roads: dict[str, Road] = {}

    def add(members: list[Lane], junction: str | None, cuts: dict[str, Cut], against: list[Lane] | None = None) -> None:
        name = str(len(roads) + 1)
        # In a tight turn the inner border may shrink to a point; the centre line does not.
        reference = members[0].center if len(members) == 1 and not against else members[0].left
        headings = np.full(len(reference), np.nan)
        for end, index in (("start", 0), ("end", -1)):
            if end in cuts:
                headings[index] = cuts[end].heading
        roads[name] = Road(name, reference, junction=junction, headings=headings)
        for slot, lane in enumerate(members):
            lanes[lane.id] = replace(lane, road=name, section=0, slot=-1 - slot, junction=junction)
        for slot, lane in enumerate(against or ()):
            lanes[lane.id] = replace(lane, road=name, section=0, slot=1 + slot, junction=junction)

    opposite = _opposite(strips, nodes)
    for index, (strip, members) in enumerate(zip(strips, built, strict=True)):
        renamed = [
            replace(
                lane,
                successors=tuple(
                    f"{lane.id}>{other}" if (lane.id, other) in split else other for other in lane.successors
                ),
                predecessors=tuple(
                    f"{other}>{lane.id}" if (other, lane.id) in split else other for other in lane.predecessors
                ),
            )
            for lane in members
        ]
        if index in opposite.values():
            continue
        across = built[opposite[index]] if index in opposite else None
        add(renamed, junctions.get((index, "start"), "0") if strip.connecting else None, strip.cuts, across)
    for piece in pieces:
        source, target = piece.predecessors[0], piece.successors[0]
        cuts = {
            "start": strips[nodes.place[source][0]].cuts["end"],
            "end": strips[nodes.place[target][0]].cuts["start"],
        }
        add([piece], junctions[nodes.place[source][0], "end"], cuts)
    names = dict.fromkeys(road.junction for road in roads.values() if road.junction is not None)
    return graph.with_changes(
        lanes=lanes, roads=roads, junctions={name: graph.junctions.get(name, Junction(name)) for name in names}
    )


def _opposite(strips: list[_Strip], nodes: _Nodes) -> dict[int, int]:
    """Strips that lead nowhere, by the strip of the other direction beyond their left border."""
    found: dict[int, int] = {}
    for index, strip in enumerate(strips):
        beside = strip.lanes[0].left_neighbor
        if beside is None or beside.same_direction or beside.lane not in nodes.place:
            continue
        other, slot = nodes.place[beside.lane]
        back = strips[other].lanes[0].left_neighbor
        mutual = slot == 0 and back is not None and back.lane == strip.lanes[0].id and other not in found
        if mutual and not any((side, end) in nodes.partners for side in (index, other) for end in ("start", "end")):
            found[index] = other
    return found


def _junctions(graph: LaneGraph, strips: list[_Strip], nodes: _Nodes) -> dict[tuple[int, str], str]:
    """Junction of each strip end: ends that connecting roads tie together share one."""
    leader: dict[object, object] = {}

    def root(key: object) -> object:
        leader.setdefault(key, key)
        while leader[key] != key:
            leader[key] = leader[leader[key]]
            key = leader[key]
        return key

    def tie(first: object, second: object) -> None:
        leader[root(first)] = root(second)

    for index, strip in enumerate(strips):
        if strip.connecting:
            tie((index, "start"), (index, "end"))
            if strip.lanes[0].junction is not None:
                tie((index, "start"), strip.lanes[0].junction)
    for source, target in nodes.links:
        if (source, target) not in nodes.plain or any(
            strips[nodes.place[name][0]].connecting for name in (source, target)
        ):
            tie((nodes.place[source][0], "end"), (nodes.place[target][0], "start"))
    ends = [(index, end) for index in range(len(strips)) for end in ("start", "end")]
    numbers: dict[object, str] = {}
    return {end: numbers.setdefault(root(end), str(len(numbers) + 1)) for end in ends}
