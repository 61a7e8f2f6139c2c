"""Where people can walk on a map without sidewalks: a strip beside the outermost lanes, where nothing stands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from avrec.drive.lane_graph import Lane, LaneGraph

__all__ = ["Standing", "verges"]

Float64 = NDArray[np.float64]
Standing = Callable[[Float64, Float64, Float64], NDArray[np.int64]]

GAP_M = 0.3
"""Between the outermost lane and the strip."""
WIDTH_M = 1.5
STEP_M = 0.5
SHORTEST_M = 8.0
"""Of a strip between two things that stand in the way."""
LOW_M, HIGH_M = 0.35, 1.8


def verges(graph: LaneGraph, standing: Standing | None = None) -> tuple[Lane, ...]:
    """Strips beside the roads outside junctions, as lanes of the kind ``"sidewalk"``.

    Args:
        graph: the map.
        standing: what stands at points float64 [N, 2] between two heights [N] each, in metres; below 0 for nothing.
    """
    roads: dict[tuple[str, int], list[Lane]] = {}
    for lane in graph.lanes.values():
        if lane.road is not None and lane.junction is None:
            roads.setdefault((lane.road, lane.section), []).append(lane)
    found: list[Lane] = []
    for lanes in roads.values():
        lanes.sort(key=lambda lane: lane.slot)
        for lane, sign in ((lanes[0], -1), (lanes[-1], 1)):
            if lane.slot * sign > 0:  # the outermost lane of its side
                found += _beside(lane, graph.roads[lane.road or ""].along(lane.slot) == (lane.slot < 0), standing)
    return tuple(found)


def _beside(lane: Lane, right: bool, standing: Standing | None) -> list[Lane]:
    border, inner = (lane.right, lane.left) if right else (lane.left, lane.right)
    away = (border - inner) * [1.0, 1.0, 0.0]
    away /= np.maximum(np.linalg.norm(away, axis=1), 1e-9)[:, None]
    at = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(border, axis=0), axis=1))])
    where = np.linspace(0.0, at[-1], max(int(at[-1] / STEP_M), 1) + 1)
    near, far = (_at(border + away * out, at, where) for out in (GAP_M, GAP_M + WIDTH_M))
    clear = np.ones(len(where), dtype=bool)
    if standing is not None:
        for share in np.linspace(0.0, 1.0, 7):
            points = near + share * (far - near)
            clear &= standing(points[:, :2], points[:, 2] + LOW_M, points[:, 2] + HIGH_M) < 0
    edges = np.flatnonzero(np.diff(np.concatenate([[0], clear.view(np.int8), [0]])))
    left, outer = (near, far) if right else (far, near)
    return [
        replace(
            lane,
            id=f"{lane.id} verge {first}",
            kind="sidewalk",
            center=(left[first:end] + outer[first:end]) / 2,
            left=left[first:end],
            right=outer[first:end],
        )
        for first, end in zip(edges[::2], edges[1::2], strict=True)
        if where[end - 1] - where[first] >= SHORTEST_M
    ]


def _at(line: Float64, at: Float64, where: Float64) -> Float64:
    return np.stack([np.interp(where, at, line[:, axis]) for axis in range(3)], axis=1)
