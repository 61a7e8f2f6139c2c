"""What is wrong with a map: for routing, for simulators and for readers of its projection."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from avrec.drive.borders import arc_lengths
from avrec.drive.finding import Finding
from avrec.drive.lane_graph import Lane, LaneGraph
from avrec.maps.read_opendrive import read_opendrive
from avrec.maps.write_links import link_roads

__all__ = ["check_map", "check_opendrive"]

GAP_M = 0.1
"""Lanes that follow one another may be this far apart."""
TURN_DEG = 30.0
WIDTHS_M = (1.8, 8.0)
FOLD_M = 0.3
"""Borders may run against their lane's course by this much in all, as on the inside of a tight turn."""
_SHOWN = 8


def check_opendrive(path: str | Path | bytes) -> tuple[Finding, ...]:
    """Read an OpenDRIVE file and look for problems.

    Raises:
        DataError: the file cannot be read at all.
    """
    return check_map(read_opendrive(path))


def check_map(graph: LaneGraph) -> tuple[Finding, ...]:
    """All problems of a map, the worst first; of one kind at most eight."""
    if not any(lane.drivable for lane in graph.lanes.values()):
        return (Finding("error", "no lane to drive on", graph.name or "map", "Map the road, or set the lanes' kinds."),)
    checks: tuple[Callable[[LaneGraph], Iterator[Finding]], ...] = (
        _links, _contacts, _widths, _courses, _folds, _neighbors, _roads, _controls, _projection, _ways, _inferred,
    )  # fmt: skip
    found: list[Finding] = []
    for check in checks:
        mine = list(check(graph))
        found += mine[:_SHOWN]
        if len(mine) > _SHOWN:
            rest = mine[_SHOWN]
            found.append(
                Finding(rest.severity, f"{len(mine) - _SHOWN} more: {rest.what}", "further places", rest.remedy)
            )
    order = {"error": 0, "warning": 1, "note": 2}
    return tuple(sorted(found, key=lambda finding: order[finding.severity]))


def _drivable(graph: LaneGraph) -> Iterator[Lane]:
    return (lane for lane in graph.lanes.values() if lane.drivable)


def _links(graph: LaneGraph) -> Iterator[Finding]:
    after = {lane.id: frozenset(lane.successors) for lane in graph.lanes.values()}
    before = {lane.id: frozenset(lane.predecessors) for lane in graph.lanes.values()}
    for lane in graph.lanes.values():
        for there, back, word in (
            (lane.successors, before, "successor"),
            (lane.predecessors, after, "predecessor"),
        ):
            for name in there:
                other = graph.lanes.get(name)
                if other is None:
                    yield Finding("error", f"{word} {name} does not exist", f"lane {lane.id}", "Remove the link.")
                elif lane.id not in back[name]:
                    remedy = "Name the link on both lanes."
                    yield Finding("warning", f"{word} {name} does not lead back", f"lane {lane.id}", remedy)


def _contacts(graph: LaneGraph) -> Iterator[Finding]:
    for lane in _drivable(graph):
        for name in lane.successors:
            other = graph.lanes.get(name)
            if other is None:
                continue
            gap = float(np.linalg.norm(lane.center[-1] - other.center[0]))
            if gap > GAP_M:
                what = f"{gap:.2f} m from the start of {name}"
                remedy = "Let the lanes meet, or remove the link."
                yield Finding("error" if gap > 1.0 else "warning", what, f"end of lane {lane.id}", remedy)
            turn = _turn(lane.center[-2:], other.center[:2])
            if turn > TURN_DEG:
                remedy = "Check the direction of both lanes."
                yield Finding(
                    "warning", f"{name} starts turned by {turn:.0f} degrees", f"end of lane {lane.id}", remedy
                )


def _widths(graph: LaneGraph) -> Iterator[Finding]:
    for lane in _drivable(graph):
        width = _usual_width(lane)
        if not WIDTHS_M[0] <= width <= WIDTHS_M[1]:
            yield Finding("warning", f"{width:.2f} m wide", f"lane {lane.id}", "Check its borders or its kind.")
        course = np.gradient(lane.center[:, :2], axis=0)
        across = lane.left[:, :2] - lane.right[:, :2]
        side = course[:, 0] * across[:, 1] - course[:, 1] * across[:, 0]
        if np.median(side) < -1e-6:
            yield Finding("error", "left and right border are swapped", f"lane {lane.id}", "Swap them.")


def _usual_width(lane: Lane) -> float:
    """Median along the lane, whose cross sections may lie closer in some places."""
    along = arc_lengths(lane.center)
    return float(np.median(np.interp(np.linspace(0.0, along[-1], 101), along, lane.widths_m)))


def _courses(graph: LaneGraph) -> Iterator[Finding]:
    for lane in _drivable(graph):
        steps = np.diff(lane.center[:, :2], axis=0)
        steps = steps[np.linalg.norm(steps, axis=1) > 0.05]
        if len(steps) > 1:
            turns = np.degrees(np.abs(np.diff(np.unwrap(np.arctan2(steps[:, 1], steps[:, 0])))))
            if turns.max() > 60.0:
                what = f"its centre line turns by {turns.max():.0f} degrees at one point"
                yield Finding(
                    "warning", what, f"lane {lane.id}", "Check the lane's points for one that is out of place."
                )
        rise = np.abs(np.diff(lane.center[:, 2]))
        run = np.maximum(np.linalg.norm(np.diff(lane.center[:, :2], axis=0), axis=1), 0.5)
        if (rise / run).max() > 0.35:
            what = f"it climbs {100 * float((rise / run).max()):.0f} %"
            yield Finding("warning", what, f"lane {lane.id}", "Check its heights.")


def _folds(graph: LaneGraph) -> Iterator[Finding]:
    for lane in _drivable(graph):
        along = arc_lengths(lane.center)
        middle = (along[:-1] + along[1:]) / 2
        ends = (np.clip(middle + step, 0.0, along[-1]) for step in (-0.5, 0.5))
        behind, beyond = (
            np.stack([np.interp(end, along, lane.center[:, axis]) for axis in (0, 1)], axis=1) for end in ends
        )
        course = beyond - behind
        course /= np.maximum(np.linalg.norm(course, axis=1, keepdims=True), 1e-9)
        for word, line in (("left", lane.left), ("right", lane.right)):
            steps = (np.diff(line[:, :2], axis=0) * course).sum(axis=1)
            back = -float(steps[steps < 0].sum())
            if back > FOLD_M:
                remedy = "Let the road's reference line bend more gently than its lanes are wide."
                yield Finding("warning", f"its {word} border runs back by {back:.2f} m", f"lane {lane.id}", remedy)


def _neighbors(graph: LaneGraph) -> Iterator[Finding]:
    for lane in graph.lanes.values():
        for word, beside in (("left", lane.left_neighbor), ("right", lane.right_neighbor)):
            if beside is None:
                continue
            other = graph.lanes.get(beside.lane)
            if other is None:
                yield Finding(
                    "error", f"{word} neighbour {beside.lane} does not exist", f"lane {lane.id}", "Remove it."
                )
                continue
            back = {side.lane for side in (other.left_neighbor, other.right_neighbor) if side is not None}
            if lane.id not in back:
                remedy = "Name the neighbour on both lanes."
                yield Finding("warning", f"{beside.lane} is its neighbour, not the reverse", f"lane {lane.id}", remedy)


def _roads(graph: LaneGraph) -> Iterator[Finding]:
    for lane in graph.lanes.values():
        if lane.road is not None and lane.road not in graph.roads:
            yield Finding("error", f"its road {lane.road} does not exist", f"lane {lane.id}", "Sort the lanes anew.")
            return
    if not graph.roads or any(lane.road is None for lane in graph.lanes.values()):
        return
    for source, target in link_roads(graph).lost:
        remedy = "Let lanes that fork or merge meet in a junction."
        yield Finding("warning", f"OpenDRIVE cannot say that it leads to {target}", f"lane {source}", remedy)
    if any(road.left_hand for road in graph.roads.values()):
        remedy = "Use esmini for left-hand traffic."
        yield Finding("note", "CARLA drives left-hand roads on the wrong side", "left-hand roads", remedy)


def _controls(graph: LaneGraph) -> Iterator[Finding]:
    for signal in graph.signals:
        if signal.dynamic and not signal.lanes:
            yield Finding("warning", "it governs no lane", f"traffic light {signal.id}", "Name the lanes it is for.")
        for lane in signal.lanes:
            if lane not in graph.lanes:
                yield Finding("error", f"its lane {lane} does not exist", f"signal {signal.id}", "Remove it.")
    known = {signal.id for signal in graph.signals}
    for controller in graph.controllers:
        for name in controller.signals:
            if name not in known:
                yield Finding(
                    "warning", f"its signal {name} does not exist", f"controller {controller.id}", "Remove it."
                )
    for line in graph.stop_lines:
        if not line.lanes:
            yield Finding("note", "it is for no lane", f"stop line {line.id}", "Name the lanes that stop there.")


def _projection(graph: LaneGraph) -> Iterator[Finding]:
    text = graph.projection
    if not text:
        remedy = "Give the map an anchor; CARLA takes latitude 42, longitude 2 otherwise."
        yield Finding("note", "no projection", "header", remedy)
    elif graph.anchor is None:
        remedy = "Re-project it to a transverse Mercator at its own middle; CARLA only reads +lat_0 and +lon_0."
        yield Finding(
            "warning", f"its origin is not a point on Earth that all readers agree on: {text}", "header", remedy
        )


def _ways(graph: LaneGraph) -> Iterator[Finding]:
    lonely = [
        lane.id
        for lane in _drivable(graph)
        if not lane.successors and not lane.predecessors and lane.left_neighbor is None and lane.right_neighbor is None
    ]
    if lonely and len(graph.lanes) > 1:
        shown = ", ".join(lonely[:5])
        yield Finding(
            "note", f"{len(lonely)} lanes lead nowhere and come from nowhere: {shown}", "routes", "Link them."
        )


def _inferred(graph: LaneGraph) -> Iterator[Finding]:
    guessed = [lane for lane in graph.lanes.values() if lane.inferred]
    if guessed:
        least = min(lane.confidence for lane in guessed)
        what = f"{len(guessed)} lanes are inferred from a recording, confidence from {least:.2f}"
        yield Finding("note", what, "map", "Compare them with the images before a planner relies on them.")


def _turn(first: np.ndarray, second: np.ndarray) -> float:
    a, b = np.diff(first[:, :2], axis=0)[0], np.diff(second[:, :2], axis=0)[0]
    return float(np.degrees(abs(np.arctan2(a[0] * b[1] - a[1] * b[0], a @ b))))
