"""How far a written map is from the one it was made of, by our own reader, CARLA's map class and ASAM's checker."""

from __future__ import annotations

import random
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from lxml import etree
from numpy.typing import NDArray

from avrec.drive.lane_graph import Lane, LaneGraph
from avrec.errors import AvrecError
from avrec.maps import shortest_route
from avrec.maps.numbers import file_numbers
from avrec.maps.write_links import link_roads

__all__ = ["Asam", "RoundTrip", "carla_deviation", "compare", "distances", "run_asam", "source_faults"]

Float64 = NDArray[np.float64]

ROUTES = 50
_ROUTE_SLACK_M = 0.05
_GAP_M = 0.009
"""The ASAM checker calls 1 cm a gap; what is written is within 1 mm of the graph at lane ends."""


@dataclass(frozen=True)
class RoundTrip:
    """What changed between two graphs of one map.

    Attributes:
        off_m: largest distance between the centre lines of one lane, both ways.
        signal_off_m: of signals, stop lines and crosswalks.
        changed: what differs, in words: lanes, successors, neighbours, signals, stop lines and so on.
        routes: of 50 random pairs, how many have a route.
        route_off: largest relative difference in length of a route.
    """

    off_m: float
    signal_off_m: float
    changed: tuple[str, ...]
    routes: int
    route_off: float


@dataclass(frozen=True)
class Asam:
    """Checks that ran to their end, those that did not, and the issues found: what, and the elements it names."""

    completed: int
    not_completed: tuple[str, ...]
    issues: tuple[tuple[str, tuple[str, ...]], ...]


def distances(points: Float64, line: Float64) -> Float64:
    """Distance [N] of points [N, D] from a polyline [M, D]."""
    start, step = line[:-1], np.diff(line, axis=0)
    length = np.maximum((step**2).sum(axis=1), 1e-12)
    found = []
    for block in np.array_split(points, max(len(points) * len(start) // 500_000, 1)):
        share = np.clip(((block[:, None] - start) * step).sum(axis=2) / length, 0.0, 1.0)
        gap = block[:, None] - start - share[..., None] * step
        found.append(np.sqrt((gap**2).sum(axis=2).min(axis=1)))
    return np.concatenate(found)


def compare(first: LaneGraph, second: LaneGraph, seed: int = 1) -> RoundTrip:
    """Lanes, links, neighbours, what governs them, and 50 routes."""
    changed: list[str] = []
    both = [name for name in first.lanes if name in second.lanes]
    if len(both) != len(first.lanes) or len(both) != len(second.lanes):
        changed.append(f"lanes {len(first.lanes)} -> {len(second.lanes)}")
    off = 0.0
    for name in both:
        a, b = first.lanes[name].center, second.lanes[name].center
        off = max(off, float(distances(a, b).max()), float(distances(b, a).max()))
    for what in ("successors", "predecessors", "left_neighbor", "right_neighbor", "kind", "junction"):
        wrong = [
            name
            for name in both
            if _plain(getattr(first.lanes[name], what)) != _plain(getattr(second.lanes[name], what))
        ]
        if wrong:
            changed.append(f"{what} of {len(wrong)} lanes ({wrong[0]})")
    signal_off = 0.0
    signals = {signal.id: signal for signal in second.signals}
    lines = {line.id: line for line in second.stop_lines}
    walks = {walk.id: walk for walk in second.crosswalks}
    for signal in first.signals:
        other = signals.get(signal.id)
        if other is None or (signal.type, signal.dynamic) != (other.type, other.dynamic):
            changed.append(f"signal {signal.id}")
            continue
        if set(signal.lanes) != set(other.lanes):
            changed.append(f"lanes of signal {signal.id}")
        signal_off = max(signal_off, float(np.linalg.norm(signal.position - other.position)))
    for line in first.stop_lines:
        found = lines.get(line.id)
        if found is None or set(line.lanes) != set(found.lanes):
            changed.append(f"stop line {line.id}")
        else:
            signal_off = max(signal_off, float(np.abs(line.line - found.line).max()))
    for walk in first.crosswalks:
        across = walks.get(walk.id)
        if across is None or across.polygon.shape != walk.polygon.shape:
            changed.append(f"crosswalk {walk.id}")
        else:
            signal_off = max(signal_off, float(np.abs(walk.polygon - across.polygon).max()))
    if first.controllers != second.controllers:
        changed.append("controllers")
    routes, route_off = _routes(first, second, seed, changed)
    return RoundTrip(off, signal_off, tuple(changed), routes, route_off)


def _routes(first: LaneGraph, second: LaneGraph, seed: int, changed: list[str]) -> tuple[int, float]:
    rng = random.Random(seed)
    drivable = [name for name, lane in first.lanes.items() if lane.drivable and name in second.lanes]
    count, worst = 0, 0.0
    for _ in range(ROUTES if drivable else 0):
        start, goal = rng.choice(drivable), rng.choice(drivable)
        mine, theirs = shortest_route(first, start, goal), shortest_route(second, start, goal)
        if (mine is None) != (theirs is None):
            changed.append(f"the route from {start} to {goal}")
        if mine is not None and theirs is not None:
            count += 1
            worst = max(worst, max(abs(mine.length_m - theirs.length_m) - _ROUTE_SLACK_M, 0.0) / mine.length_m)
    return count, worst


def carla_deviation(graph: LaneGraph, content: bytes, step_m: float = 2.0) -> tuple[int, float]:
    """Number of CARLA's waypoints and the largest distance, in plan view, of one from the graph's lanes.

    CARLA names lanes by road number and slot, and its y points the other way.

    Args:
        graph: with its lanes sorted into roads, as it was written.
        content: what was written.
        step_m: between waypoints.

    Raises:
        AvrecError: CARLA refuses the map, or finds no lane in it.
    """
    import carla

    number = file_numbers(graph).roads
    lanes: dict[tuple[str, int], list[Lane]] = {}
    for each in graph.lanes.values():
        lanes.setdefault((number.get(str(each.road), str(each.road)), each.slot), []).append(each)
    try:
        points = carla.Map("map", content.decode()).generate_waypoints(step_m)
    except RuntimeError as error:
        raise AvrecError(f"CARLA refuses the map: {error}.") from error
    if not points:
        raise AvrecError("CARLA finds no lane in the map.")
    places: dict[tuple[str, int], list[tuple[float, float]]] = {}
    for point in points:
        location = point.transform.location
        places.setdefault((str(point.road_id), point.lane_id), []).append((location.x, -location.y))
    worst = 0.0
    for key, mine in places.items():
        gaps = [distances(np.array(mine), each.center[:, :2]) for each in lanes[key]]
        worst = max(worst, float(np.min(gaps, axis=0).max()))
    return len(points), worst


def run_asam(python: str, content: bytes) -> Asam:
    """Check a map with ASAM's OpenDRIVE checker.

    Args:
        python: an interpreter that has ``asam-qc-opendrive``.
        content: the map.
    """
    with tempfile.TemporaryDirectory() as folder:
        path, result, config = (Path(folder) / name for name in ("map.xodr", "result.xqar", "config.xml"))
        path.write_bytes(content)
        config.write_text(
            f'<Config><Param name="InputFile" value="{path}"/><CheckerBundle application="xodrBundle">'
            f'<Param name="resultFile" value="{result}"/></CheckerBundle></Config>'
        )
        done = subprocess.run(
            [python, "-m", "qc_opendrive.main", "-c", str(config)],
            capture_output=True,
            text=True,
            cwd=folder,
            check=False,
        )
        if not result.is_file():
            raise AvrecError(f"The ASAM checker wrote no result: {done.stderr[-300:]}")
        report = etree.parse(result).getroot()
    checkers = [(checker.get("status", ""), checker.get("checkerId", "")) for checker in report.iter("Checker")]
    issues = [
        (issue.get("description", "").strip(), tuple(place.get("xpath", "") for place in issue.iter("XMLLocation")))
        for issue in report.iter("Issue")
    ]
    return Asam(
        completed=sum(status == "completed" for status, _ in checkers),
        not_completed=tuple(f"{name}: {status}" for status, name in checkers if status != "completed"),
        issues=tuple(issues),
    )


def source_faults(graph: LaneGraph, content: bytes, asam: Asam) -> list[str]:
    """Issues that are not in the graph already, which a faithful writer keeps: gaps, lanes of no width, missing links.

    Args:
        graph: what was written, as it was read.
        content: the file that the checker looked at.
        asam: what it found.
    """
    root = etree.fromstring(content)
    numbers = {written: name for name, written in file_numbers(graph).roads.items()}
    jumps = {road for road in graph.roads if _jumps(graph, road)}
    links = link_roads(graph).roads
    told = {(end.road, other[1]) for end, other in links.items() if other[0] == "road"}
    forked = {name for pair in told if pair[::-1] not in told for name in pair}  # two roads end where one begins
    ours: list[str] = []
    for what, places in asam.issues:
        elements = [element for place in places for element in root.xpath(place)]
        lanes = [graph.lanes[name] for name in (_lane_name(e, numbers) for e in elements) if name in graph.lanes]
        if "no gaps" in what:
            known = any(_gap(graph, lane) > _GAP_M or lane.road in jumps for lane in lanes)
        elif "width of zero" in what or "new lane appears" in what:
            known = any(min(lane.widths_m[0], lane.widths_m[-1]) < 1e-3 for lane in lanes)
        elif "Missing lane link" in what:
            known = any(not lane.successors or not lane.predecessors or lane.road in forked for lane in lanes)
        else:
            known = "ambiguous" in what
        if not known:
            ours.append(f"{what} {places}")
    return ours


def _lane_name(element: Any, roads: Mapping[str, str]) -> str:
    """The graph's name of a ``<lane>`` that avrec wrote."""
    own = element.find("userData[@code='avrec.lane']")
    if own is not None:
        return str(own.get("value"))
    road, section = next(element.iterancestors("road")), next(element.iterancestors("laneSection"))
    return f"{roads.get(road.get('id'))}.{road.findall('lanes/laneSection').index(section)}.{element.get('id')}"


def _gap(graph: LaneGraph, lane: Lane) -> float:
    """Largest distance between a lane's borders and those of the lanes before and after it."""
    pairs = [(lane, graph.lanes[name]) for name in lane.successors]
    pairs += [(graph.lanes[name], lane) for name in lane.predecessors]
    sides = [(a.left[-1], b.left[0]) for a, b in pairs] + [(a.right[-1], b.right[0]) for a, b in pairs]
    return max((float(np.linalg.norm((p - q)[:2])) for p, q in sides), default=0.0)


def _jumps(graph: LaneGraph, road: str) -> bool:
    """Whether the line between a road's two sides jumps where its sections change."""
    middles: dict[int, Float64] = {}
    for lane in graph.lanes_of(road):
        if abs(lane.slot) == 1:
            along = graph.roads[road].along(lane.slot)
            inner = lane.left if (lane.slot < 0) == along else lane.right
            middles[lane.section] = inner if along else inner[::-1]
    return any(
        section + 1 in middles and float(np.linalg.norm((line[-1] - middles[section + 1][0])[:2])) > _GAP_M
        for section, line in middles.items()
    )


def _plain(value: object) -> object:
    return set(value) if isinstance(value, tuple) else value
