"""Convex polygons over the sidewalks and crossings of a map, joined along whole edges.

A sidewalk is cut across at its cross sections and at the sides of each crossing that meets it, so that a crossing is
one polygon between two whole edges of sidewalks.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from avrec.drive.lane_graph import Crosswalk, Lane, LaneGraph
from carla_bridge.navigation.verges import Standing, verges

__all__ = ["Area", "WalkMesh", "walk_mesh"]

Float64 = NDArray[np.float64]

WALKED = frozenset({"sidewalk", "walking"})
LONGEST_M = 8.0
"""Of a polygon along the sidewalk."""
SHORTEST_M = 0.05
REACH_M = 8.0
"""How far the end of a crossing may be from the sidewalk it leads to."""
WELD_M = 0.05
MAX_POLYGONS = 32_000
"""What a tile of the clients' mesh holds."""


class Area(IntEnum):
    """What people walk on; the numbers are CARLA's."""

    SIDEWALK = 1
    CROSSWALK = 2


@dataclass(frozen=True)
class WalkMesh:
    """Polygons of three or four corners, counter-clockwise from above.

    Attributes:
        points: float64 [P, 3] metres in the world.
        polygons: corners as rows of ``points``.
        neighbours: for each polygon and edge the polygon behind it, -1 for none.
        areas: kind of each polygon.
    """

    points: Float64
    polygons: tuple[tuple[int, ...], ...]
    neighbours: tuple[tuple[int, ...], ...]
    areas: tuple[Area, ...]


class _Strip:
    """A sidewalk with the stretches where crossings meet it, as distances along its middle."""

    def __init__(self, lane: Lane) -> None:
        steps = np.linalg.norm(np.diff(lane.center, axis=0), axis=1)
        self.at = np.concatenate([[0.0], np.cumsum(steps)])
        self.left, self.right = lane.left, lane.right
        self.met: list[tuple[float, float]] = []

    def free(self, low: float, high: float) -> bool:
        """Whether no crossing meets a stretch yet."""
        return all(high < a - SHORTEST_M or low > b + SHORTEST_M for a, b in self.met)

    def lines(self) -> tuple[Float64, Float64, Float64]:
        """Distances [N] of the cross sections, left and right points [N, 3]."""
        end = self.at[-1]
        cuts = np.array([0.0, end, *(each for stretch in self.met for each in stretch)])
        knots = np.unique(np.concatenate([self.at, cuts]))
        for low, high in self.met:  # a crossing needs a whole edge
            knots = knots[(knots <= low) | (knots >= high)]
        # Cross sections next to a cut or to each other are left out; cuts and ends stay.
        kept = [knots[0]]
        for knot in knots[1:]:
            own = np.abs(cuts - knot).min() < 1e-9
            if own and knot - kept[-1] < SHORTEST_M and np.abs(cuts - kept[-1]).min() >= 1e-9:
                kept[-1] = knot
            elif knot - kept[-1] >= SHORTEST_M or own:
                kept.append(knot)
        pieces = [np.array([kept[0]])]
        for a, b in pairwise(kept):
            pieces.append(np.linspace(a, b, int(np.ceil((b - a) / LONGEST_M)) + 1)[1:])
        where = np.concatenate(pieces)
        return where, self.point(self.left, where), self.point(self.right, where)

    def point(self, line: Float64, where: Float64) -> Float64:
        """Points [N, 3] of one side at distances [N]."""
        return np.stack([np.interp(where, self.at, line[:, axis]) for axis in range(3)], axis=1)


def walk_mesh(graph: LaneGraph, standing: Standing | None = None) -> WalkMesh:
    """The mesh of a map's sidewalks and crosswalks; on a map without sidewalks, of strips beside its roads.

    Args:
        graph: the map.
        standing: tells where something stands, which such strips leave out (see `verges`).
    """
    lanes = tuple(graph.lanes.values())
    if not any(lane.kind in WALKED for lane in lanes):
        lanes = verges(graph, standing)
    strips = [
        _Strip(lane)
        for lane in lanes
        if lane.kind in WALKED and lane.length_m > 0.2 and float(lane.widths_m.max()) > 0.3
    ]
    crossings = [found for walk in graph.crosswalks if (found := _crossing(walk, strips)) is not None]
    corners: list[Float64] = []
    areas: list[Area] = []
    for strip in strips:
        _, left, right = strip.lines()
        for i in range(len(left) - 1):
            for polygon in _convex(np.array([right[i], right[i + 1], left[i + 1], left[i]])):
                corners.append(polygon)
                areas.append(Area.SIDEWALK)
    for crossing in crossings:
        for polygon in _convex(np.array(crossing)):
            corners.append(polygon)
            areas.append(Area.CROSSWALK)
    return _joined(corners[:MAX_POLYGONS], areas[:MAX_POLYGONS])


def _crossing(walk: Crosswalk, strips: list[_Strip]) -> Float64 | None:
    """Four corners of a crossing on the edges of two sidewalks, which are marked to be cut there."""
    polygon = np.unique(np.round(walk.polygon, 3), axis=0)
    if len(polygon) < 3 or not strips:
        return None
    centre = polygon.mean(axis=0)
    _, _, axes = np.linalg.svd(polygon[:, :2] - centre[:2])
    found = []
    for axis in axes:  # people cross along one of the two, where there are sidewalks
        along = (polygon[:, :2] - centre[:2]) @ axis
        across = (polygon[:, :2] - centre[:2]) @ np.array([-axis[1], axis[0]])
        half = float(np.clip(np.ptp(across) / 2, 0.5, 4.0))
        ends = [_landing(strips, centre, side * axis, float(np.ptp(along)) / 2, half) for side in (1.0, -1.0)]
        if ends[0] is not None and ends[1] is not None and ends[0][0] is not ends[1][0]:
            found.append((ends[0][4] + ends[1][4], ends[0], ends[1]))
    if not found:
        return None
    _, first, second = min(found, key=lambda item: item[0])
    corners = []
    for strip, line, low, high, _ in (first, second):
        strip.met.append((low, high))
        corners += list(strip.point(line, np.array([low, high])))
    # Around the crossing: the second pair may have to be turned.
    if np.dot(corners[1] - corners[0], corners[3] - corners[2]) > 0:
        corners[2], corners[3] = corners[3], corners[2]
    return np.array(corners)


def _landing(
    strips: Iterable[_Strip], centre: Float64, way: Float64, length: float, half: float
) -> tuple[_Strip, Float64, float, float, float] | None:
    """The sidewalk edge that a crossing leads to: strip, its line, from and to where, and the distance."""
    best = None
    end = centre[:2] + way * length
    for strip in strips:
        for line in (strip.left, strip.right):
            low, high = line[:, :2].min(axis=0) - REACH_M, line[:, :2].max(axis=0) + REACH_M
            if not ((low <= end) & (end <= high)).all():
                continue
            where = np.arange(0.0, strip.at[-1] + 0.1, 0.25)
            points = strip.point(line, where)[:, :2]
            ahead = (points - centre[:2]) @ way
            away = np.linalg.norm(points - end, axis=1) + np.where(ahead > 0.0, 0.0, np.inf)
            index = int(away.argmin())
            if away[index] < REACH_M and (best is None or away[index] < best[4]):
                a, b = max(where[index] - half, 0.0), min(where[index] + half, float(strip.at[-1]))
                if b - a > 0.4 and strip.free(float(a), float(b)):
                    best = (strip, line, float(a), float(b), float(away[index]))
    return best


def _convex(corners: Float64) -> list[Float64]:
    """A quadrilateral as one or two convex polygons, counter-clockwise; nothing where it has no area."""
    if _area(corners) < 0.0:
        corners = corners[::-1]
    turns = [_area(np.array([corners[i - 1], corners[i], corners[(i + 1) % 4]])) for i in range(4)]
    if min(turns) > 1e-4:
        return [corners]
    cut = int(np.argmin(turns))  # from the corner that bends inward to the one across
    order = [corners[(cut + k) % 4] for k in range(4)]
    triangles = [np.array([order[0], order[1], order[2]]), np.array([order[0], order[2], order[3]])]
    return [triangle for triangle in triangles if _area(triangle) > 1e-4]


def _area(corners: Float64) -> float:
    x, y = corners[:, 0], corners[:, 1]
    return float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2


def _joined(corners: list[Float64], areas: list[Area]) -> WalkMesh:
    """Weld corners that lie together and find who shares an edge."""
    if not corners:
        return WalkMesh(np.zeros((0, 3)), (), (), ())
    points = np.concatenate(corners)
    pairs = cKDTree(points).query_pairs(WELD_M, output_type="ndarray")
    links = coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(len(points),) * 2)
    count, label = connected_components(links, directed=False)
    size = np.bincount(label, minlength=count)
    welded = np.stack([np.bincount(label, points[:, axis], count) / size for axis in range(3)], axis=1)
    polygons: list[tuple[int, ...]] = []
    kept_areas: list[Area] = []
    start = 0
    for polygon, area in zip(corners, areas, strict=True):
        indices = tuple(int(each) for each in label[start : start + len(polygon)])
        start += len(polygon)
        indices = tuple(each for place, each in enumerate(indices) if each != indices[place - 1])
        if len(set(indices)) >= 3 and len(set(indices)) == len(indices):
            polygons.append(indices)
            kept_areas.append(area)
    owner: dict[tuple[int, int], int] = {}
    for number, indices in enumerate(polygons):
        for place, corner in enumerate(indices):
            owner.setdefault((corner, indices[(place + 1) % len(indices)]), number)
    neighbours = tuple(
        tuple(owner.get((indices[(place + 1) % len(indices)], corner), -1) for place, corner in enumerate(indices))
        for indices in polygons
    )
    return WalkMesh(welded, tuple(polygons), neighbours, tuple(kept_areas))
