"""What is painted on the road, and its kerb stones, as triangles: lane marks, stop lines, crossings."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from avrec.drive.lane_graph import Crosswalk, Lane, LaneGraph, LaneMark, StopLine
from avrec.mesh.painted import Kind, Surface
from carla_bridge.looks.roads import KERB, strip
from carla_bridge.world.ground import Ground
from carla_bridge.world.labels import Label

__all__ = ["DASH_M", "GAP_M", "paint_surfaces"]

Float64 = NDArray[np.float64]

PAINT_M = 0.006
"""Of paint above the road, so that rays meet it first."""
STACK_M = 0.004
"""Stop lines and crossings lie above lane marks by this."""
DASH_M, GAP_M = 3.0, 4.5
PAIR_M = 0.12
"""Middle to middle of a double line, beyond the line's width."""
STANDARD_M = 0.13
KERB_M = 0.16
STOP_LINE_M = 0.4
STRIPE_M = 0.5
NEAREST_STEPS = 16
MAX_DASHES = 200_000
_COLOURS = {
    "yellow": (0.66, 0.40, 0.035),
    "orange": (0.70, 0.26, 0.03),
    "red": (0.55, 0.05, 0.04),
    "blue": (0.05, 0.12, 0.5),
    "green": (0.05, 0.35, 0.10),
}
WHITE = (0.68, 0.68, 0.66)
_LINES = {"solid": "s", "broken": "b", "edge": "s", "botts dots": "b"}


def paint_surfaces(graph: LaneGraph, ground: Ground) -> list[Surface]:
    """Lane marks, kerb stones, stop lines and crossings."""
    found = [surface for lane in graph.lanes.values() for surface in _marks_of(lane, graph)]
    found += [surface for line in graph.stop_lines if (surface := _stop_line(line)) is not None]
    traffic = _Traffic(graph.lanes.values()) if graph.crosswalks else None
    for walk in graph.crosswalks:
        found += _crossing(walk, traffic, ground) if traffic is not None else []
    return found


def _marks_of(lane: Lane, graph: LaneGraph) -> list[Surface]:
    """Marks on a lane's outer side; lane -1, or 1 where there is no such, draws the middle of the road too."""
    road = graph.roads.get(lane.road or "")
    outer_right = road is None or (lane.slot < 0) == road.along(lane.slot)
    sides = [(lane.right, lane.left, lane.right_marks), (lane.left, lane.right, lane.left_marks)]
    outer, inner = sides if outer_right else sides[::-1]
    found = _marks(*outer)
    first = {other.slot for other in graph.lanes_of(lane.road or "") if other.section == lane.section}
    if road is None or lane.slot == -1 or (lane.slot == 1 and -1 not in first):
        found += _marks(*inner)
    return found


def _marks(border: Float64, other: Float64, marks: tuple[LaneMark, ...]) -> list[Surface]:
    """Paint along a border; ``other`` is the lane's far side, which tells how the road leans."""
    found = []
    ends = [mark.start_m for mark in marks[1:]]
    for mark, end in zip(marks, [*ends, np.inf], strict=False):
        words = mark.kind.split()
        if not words or mark.kind in ("none", "custom", "grass"):
            continue
        if mark.kind in ("curb", "edge"):
            kerb = _band(border, other, mark.start_m, end, -KERB_M / 2, KERB_M, "s")
            if kerb is not None:
                found.append(Surface.of(*kerb, KERB, Label.SIDEWALK, Kind.CONCRETE))
            continue
        patterns = [_LINES.get(word, "s") for word in words] if mark.kind not in _LINES else [_LINES[mark.kind]]
        width = min(max(mark.width_m or STANDARD_M, 0.05), 1.0)
        if len(patterns) > 1 and width > 0.25:
            width = 0.12  # the width of the pair, as some editors write it
        for number, pattern in enumerate(patterns[:2]):
            # The first of a pair is the one towards the road's middle.
            offset = 0.0 if len(patterns) == 1 else (width / 2 + PAIR_M / 2) * (1.0 if number == 0 else -1.0)
            band = _band(border, other, mark.start_m, end, offset, width, pattern)
            if band is not None:
                found.append(Surface.of(*band, _COLOURS.get(mark.color, WHITE), Label.ROAD_LINE))
    return found


def _band(
    border: Float64, other: Float64, start_m: float, end_m: float, inward_m: float, width_m: float, pattern: str
) -> tuple[Float64, NDArray[np.int64]] | None:
    """A painted line between two stations; ``inward_m`` moves it towards the other side of the lane."""
    steps = np.linalg.norm(np.diff(border, axis=0), axis=1)
    along = np.concatenate([[0.0], np.cumsum(steps)])
    end_m = min(end_m, along[-1])
    if end_m - start_m < 0.05:
        return None
    cuts = [along[(along > start_m) & (along < end_m)], np.array([start_m, end_m])]
    if pattern == "b":
        count = int(np.ceil((end_m - start_m) / (DASH_M + GAP_M))) + 1
        if count > MAX_DASHES:
            return None
        starts = start_m + np.arange(count) * (DASH_M + GAP_M) + GAP_M / 2
        cuts += [starts[starts < end_m], (starts + DASH_M)[starts + DASH_M < end_m]]
    stations: Float64 = np.unique(np.concatenate(cuts))
    middle = (stations[1:] + stations[:-1]) / 2
    drawn = np.ones(len(middle), dtype=bool)
    if pattern == "b":
        phase = (middle - start_m - GAP_M / 2) % (DASH_M + GAP_M)
        drawn = (phase < DASH_M) & (middle > start_m + GAP_M / 2)
    across = _across(border, other, steps)
    at = np.stack([np.interp(stations, along, border[:, k]) for k in range(3)], axis=1)
    side = np.stack([np.interp(stations, along, across[:, k]) for k in range(3)], axis=1)
    lift = np.array([0.0, 0.0, PAINT_M])
    one, two = at + side * (inward_m - width_m / 2) + lift, at + side * (inward_m + width_m / 2) + lift
    vertices, faces = strip(one, two)
    return vertices, faces[np.tile(drawn, 2)]


def _across(border: Float64, other: Float64, steps: Float64) -> Float64:
    """Unit vectors from a border into the lane, [N, 3]; by the line's own direction where the lane has no width."""
    way = other - border
    width = np.linalg.norm(way, axis=1)
    ahead = np.gradient(border, axis=0) if len(border) > 2 else np.repeat(np.diff(border, axis=0), 2, axis=0)
    flat = np.stack([-ahead[:, 1], ahead[:, 0], np.zeros(len(ahead))], axis=1)
    flat /= np.maximum(np.linalg.norm(flat, axis=1), 1e-9)[:, None]
    wide = width > 0.3
    sign = 1.0
    if wide.any():
        sign = float(np.sign((flat[wide] * way[wide]).sum(1).mean())) or 1.0
    rise = np.where(wide, way[:, 2] / np.maximum(width, 1e-9), 0.0)
    side = sign * flat * np.sqrt(np.maximum(1.0 - rise**2, 0.0))[:, None]
    side[:, 2] = rise
    return np.asarray(side)


def _stop_line(line: StopLine) -> Surface | None:
    points = line.line
    way = points[-1, :2] - points[0, :2]
    length = float(np.linalg.norm(way))
    if length < 0.1:
        return None
    aside = np.array([-way[1], way[0], 0.0]) / length * STOP_LINE_M / 2
    lift = np.array([0.0, 0.0, PAINT_M + STACK_M])
    return Surface.of(*strip(points + aside + lift, points - aside + lift), WHITE, Label.ROAD_LINE)


def _crossing(walk: Crosswalk, traffic: _Traffic, ground: Ground) -> list[Surface]:
    """Stripes along the traffic."""
    polygon = walk.polygon
    if len(polygon) > 1 and np.allclose(polygon[0], polygon[-1]):
        polygon = polygon[:-1]
    if len(polygon) < 3:
        return []
    middle = polygon.mean(0)
    turn = traffic.at(middle)
    local = (polygon[:, :2] - middle[:2]) @ turn
    low, high = float(local[:, 1].min()), float(local[:, 1].max())
    count = int((high - low + STRIPE_M) // (2 * STRIPE_M))
    found = []
    for number in range(min(count, 500)):
        start = (low + high) / 2 + (number - (count - 1) / 2) * 2 * STRIPE_M - STRIPE_M / 2
        stripe = _cut(_cut(local, start, 1.0), start + STRIPE_M, -1.0)
        if len(stripe) < 3:
            continue
        fine = _refined(stripe)
        xy = fine @ turn.T + middle[:2]
        z = ground.at(xy[:, 0], xy[:, 1], np.full(len(xy), middle[2])).z + PAINT_M + STACK_M
        index = np.arange(1, len(fine) - 1)
        faces = np.stack([np.zeros_like(index), index, index + 1], axis=1)
        found.append(Surface.of(np.column_stack([xy, z]), faces, WHITE, Label.ROAD_LINE))
    return found


class _Traffic:
    """Where the nearest driving lane leads."""

    def __init__(self, lanes: Iterable[Lane]) -> None:
        driven = [lane.center[:, :2] for lane in lanes if lane.drivable]
        self._start = np.concatenate([line[:-1] for line in driven] or [np.zeros((1, 2))])
        self._step = np.concatenate([np.diff(line, axis=0) for line in driven] or [np.array([[1.0, 0.0]])])
        self._tree = cKDTree(self._start + self._step / 2)

    def at(self, point: Float64) -> Float64:
        """Columns: along it and across it, [2, 2]."""
        near = np.atleast_1d(self._tree.query(point[:2], k=min(NEAREST_STEPS, len(self._start)))[1])
        start, step = self._start[near], self._step[near]
        square = np.maximum((step**2).sum(1), 1e-12)
        share = np.clip(((point[:2] - start) * step).sum(1) / square, 0.0, 1.0)
        best = int(np.linalg.norm(start + share[:, None] * step - point[:2], axis=1).argmin())
        ahead = step[best] / np.sqrt(square[best])
        return np.array([[ahead[0], -ahead[1]], [ahead[1], ahead[0]]])


def _cut(polygon: Float64, level: float, sign: float) -> Float64:
    """The part of a polygon [N, 2] on one side of a level of its second coordinate."""
    found = []
    for a, b in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        up, down = sign * (a[1] - level), sign * (b[1] - level)
        if up >= 0:
            found.append(a)
        if up * down < 0:
            found.append(a + (b - a) * (up / (up - down)))
    return np.array(found).reshape(-1, 2)


def _refined(polygon: Float64) -> Float64:
    """A convex polygon with further corners along its sides, so that it can follow the road."""
    found = []
    for a, b in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        parts = max(int(np.linalg.norm(b - a) // 1.0), 1)
        found.append(a + (b - a) * (np.arange(parts) / parts)[:, None])
    return np.concatenate(found)
