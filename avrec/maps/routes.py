"""Shortest ways through a lane graph."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from avrec.drive.lane_graph import Lane, LaneGraph
from avrec.errors import DataError

__all__ = ["Route", "shortest_route"]


@dataclass(frozen=True)
class Route:
    """Lanes to drive one after another; ``length_m`` counts the whole of each but those that a lane change leads to."""

    lanes: tuple[str, ...]
    length_m: float


def shortest_route(
    graph: LaneGraph, start: str, goal: str, *, lane_changes: bool = True, change_cost_m: float = 10.0
) -> Route | None:
    """The shortest way from the start of one lane to the end of another; ``None`` where there is none.

    Args:
        graph: the map.
        start, goal: lane ids.
        lane_changes: also to drivable neighbours of the same direction.
        change_cost_m: what a lane change costs in metres, so that routes do not weave.

    Raises:
        DataError: an unknown lane.
    """
    for name in (start, goal):
        if name not in graph.lanes:
            raise DataError(f"The map has no lane {name!r}. Its lanes are named like {next(iter(graph.lanes), '')!r}.")
    best = {start: graph.lanes[start].length_m}
    came: dict[str, str] = {}
    queue = [(best[start], start)]
    while queue:
        cost, name = heapq.heappop(queue)
        if cost > best[name]:
            continue
        if name == goal:
            lanes = [goal]
            while lanes[-1] != start:
                lanes.append(came[lanes[-1]])
            return _route(graph, tuple(reversed(lanes)))
        for other, more in _ways(graph, graph.lanes[name], lane_changes, change_cost_m):
            total = cost + more
            if total < best.get(other, float("inf")):
                best[other], came[other] = total, name
                heapq.heappush(queue, (total, other))
    return None


def _ways(graph: LaneGraph, lane: Lane, lane_changes: bool, change_cost_m: float) -> Iterator[tuple[str, float]]:
    for name in lane.successors:
        if name in graph.lanes:
            yield name, graph.lanes[name].length_m
    if not lane_changes:
        return
    for beside in (lane.left_neighbor, lane.right_neighbor):
        other = None if beside is None or not beside.same_direction else graph.lanes.get(beside.lane)
        if other is not None and lane.drivable and other.drivable:
            yield other.id, change_cost_m


def _route(graph: LaneGraph, lanes: tuple[str, ...]) -> Route:
    """With the lengths of the first lane and of those entered from behind."""
    entered = [lanes[0], *(after for name, after in pairwise(lanes) if after in graph.lanes[name].successors)]
    return Route(lanes, sum(graph.lanes[name].length_m for name in entered))
