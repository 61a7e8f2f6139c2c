"""Cuts across lanes: where roads end square to their course, and lanes between two such cuts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avrec.drive.borders import arc_lengths, pair_borders
from avrec.drive.lane_graph import Lane, LaneGraph

__all__ = ["STEP_M", "Cut", "clip", "context", "square_cut"]

Float64 = NDArray[np.float64]

FORK_M = 8.0
"""Length of the connecting road that is made where lanes fork or merge outside a junction."""
STEP_M = 0.5
"""Between the cross sections of lanes that were cut anew; tight turns need them close."""
_SHARE = 0.3
_CONTEXT_M = 40.0
_CONTEXT_LANES = 4


@dataclass(frozen=True)
class Cut:
    """A line across lanes: a point on it and the heading of the traffic that crosses it."""

    point: Float64
    heading: float

    def ahead(self, points: Float64) -> Float64:
        """Distance [N] of points [N, >=2] beyond the line."""
        direction = np.array([np.cos(self.heading), np.sin(self.heading)])
        return np.asarray((points[:, :2] - self.point[:2]) @ direction)


def _heading(line: Float64, end: str) -> Float64:
    """Unit direction over the two metres at one end."""
    along = arc_lengths(line)
    reach = min(2.0, float(along[-1]))
    edge = along[-1] - reach if end == "end" else reach
    inner = np.array([np.interp(edge, along, line[:, axis]) for axis in range(2)])
    step = line[-1, :2] - inner if end == "end" else inner - line[0, :2]
    return _unit(step)


def square_cut(lanes: Sequence[Lane], end: str, *, moved: bool) -> Cut:
    """Square across all lanes, inside each of them, and further in where a fork takes some metres."""
    direction = np.array([_heading(lane.center, end) for lane in lanes]).sum(axis=0)
    heading = float(np.arctan2(direction[1], direction[0]))
    index = 0 if end == "start" else -1
    middle = (lanes[0].left[index] + lanes[-1].right[index]) / 2
    cut = Cut(middle, heading)
    corners = np.array([line[index] for lane in lanes for line in (lane.left, lane.right)])
    ahead = cut.ahead(corners)
    length = min(lane.length_m for lane in lanes)
    inward = float(ahead.max() if end == "start" else -ahead.min())
    inward = min(inward, 0.4 * length)
    if moved:
        return _cut_inside(lanes, end, inward + min(FORK_M, _SHARE * length))
    step = inward if end == "start" else -inward
    return Cut(middle + step * np.array([np.cos(heading), np.sin(heading), 0.0]), heading)


def _cut_inside(lanes: Sequence[Lane], end: str, inward: float) -> Cut:
    """Square to the strip at a distance from one end, along its middle: its course may have turned there."""
    middle, left, right = pair_borders(lanes[0].left, lanes[-1].right, STEP_M)
    along = arc_lengths(middle)
    place = inward if end == "start" else along[-1] - inward
    behind, point, beyond = (_at(middle, along, place + step) for step in (-STEP_M, 0.0, STEP_M))
    course = _unit((beyond - behind)[:2])
    across = _unit((_at(right, along, place) - _at(left, along, place))[:2])
    square = np.array([-across[1], across[0]])
    if course @ square > 0.7:  # half way to the line from border to border, where these face each other
        course = course + square
    return Cut(point, float(np.arctan2(course[1], course[0])))


def _unit(step: Float64) -> Float64:
    return np.asarray(step / max(float(np.hypot(*step)), 1e-9))


def _at(line: Float64, along: Float64, place: float) -> Float64:
    return np.array([np.interp(place, along, line[:, axis]) for axis in range(3)])


def context(graph: LaneGraph, lane: Lane, side: str) -> tuple[Float64, int, int]:
    """A border of the lane, led on into the lanes before and after it, and where its own first and last point are."""
    parts: list[Float64] = [getattr(lane, side)]
    first = 0
    for back in (True, False):
        at, led = lane, 0.0
        for _ in range(_CONTEXT_LANES):
            names = at.predecessors if back else at.successors
            beyond = next((graph.lanes[name] for name in names if name in graph.lanes), None)
            if beyond is None or led > _CONTEXT_M:
                break
            line: Float64 = getattr(beyond, side)
            if back:
                parts.insert(0, line[:-1])
                first += len(line) - 1
            else:
                parts.append(line[1:])
            at, led = beyond, led + beyond.length_m
    return np.concatenate(parts), first, first + len(getattr(lane, side)) - 1


def clip(line: Float64, first: int, last: int, start: Cut | None, end: Cut | None) -> Float64:
    """A border between two cuts, which are looked for near two of its points."""
    along = arc_lengths(line)
    edges = []
    for cut, edge in ((start, along[first]), (end, along[last])):
        place = edge
        if cut is not None:
            ahead = cut.ahead(line)
            crossing = np.flatnonzero((ahead[:-1] <= 0) & (ahead[1:] > 0))
            if len(crossing):
                share = -ahead[crossing] / (ahead[crossing + 1] - ahead[crossing])
                places = along[crossing] + share * np.diff(along)[crossing]
                points = line[crossing] + share[:, None] * np.diff(line, axis=0)[crossing]
                nearest = places[np.argmin(np.linalg.norm(points[:, :2] - cut.point[:2], axis=1))]
                if abs(nearest - edge) < _CONTEXT_M:
                    place = nearest
        edges.append(float(place))
    low, high = edges
    if high - low < 0.05:
        low, high = along[first], along[last]
    inside = along[(along > low + 1e-6) & (along < high - 1e-6)]
    wanted = np.concatenate([[low], inside, [high]])
    keep = np.append(True, np.diff(along) > 1e-9)
    return np.stack([np.interp(wanted, along[keep], line[keep, axis]) for axis in range(3)], axis=1)
