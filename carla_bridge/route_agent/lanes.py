"""The lanes of a map as a network, and the shortest way through it (A*)."""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass
from itertools import count
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from avrec.errors import AvrecError, require
from carla_bridge.route_agent.route import STEP_M, Route

__all__ = ["LaneNetwork"]

Float64 = NDArray[np.float64]

CHANGE_M = 30.0
"""Length of a lane change, and of the shortest piece of lane on which there can be one."""
CHANGE_COST_M = 40.0
"""How long a detour is better than a lane change."""
MAX_TRIES = 60


class Piece(NamedTuple):
    """A lane between two lane sections of the map."""

    road: int
    section: int
    lane: int


class Stop(NamedTuple):
    """A piece as the search reaches it: from its start, or out of the lane beside it."""

    piece: Piece
    changed: bool


@dataclass(frozen=True)
class _Leg:
    """Part of a way: a piece from one distance along it to another; into ``beside`` where the lane is changed."""

    piece: Piece
    start_m: float
    end_m: float
    beside: Piece | None = None


class LaneNetwork:
    """What leads where on a `carla.Map`: pieces of lanes, each with its successors and neighbours."""

    def __init__(self, town: Any) -> None:
        self._carla = require("carla", "carla")
        self._town = town
        self._entries: dict[Piece, Any] = {}
        self._next: dict[Piece, list[Piece]] = {}
        self._lines: dict[Piece, tuple[Float64, Float64]] = {}
        for entry, following in town.get_topology():
            piece, successor = _piece(entry), _piece(following)
            self._entries.setdefault(piece, entry)
            after = self._next.setdefault(piece, [])
            if successor != piece:  # the end of a dead end stands for its successor
                after.append(successor)

    def plan(self, start: Any, goal: Any) -> Route:
        """The shortest route between two `carla.Location`, along the lanes nearest to them.

        Raises:
            AvrecError: no lane there, or no way.
        """
        return self._route(self._way(self._locate(start), self._locate(goal)))

    def wander(self, start: Any, length_m: float, seed: int = 0) -> Route:
        """A route of at least ``length_m`` metres: shortest ways between places drawn from the map's spawn points.

        Raises:
            AvrecError: no lane there, or no way that is so long.
        """
        generator = random.Random(seed)
        here, way = self._locate(start), list[_Leg]()
        goals = [self._locate(spot.location) for spot in self._town.get_spawn_points()]
        for _ in range(MAX_TRIES if goals else 0):
            goal = generator.choice(goals)
            try:
                found = self._way(here, goal)
            except AvrecError:
                continue
            length = sum(leg.end_m - leg.start_m for leg in [*way, *found])
            if length >= length_m:
                return self._route([*way, *found])
            if self._next.get(goal[0]):  # a dead end is nothing to go on with
                here, way = goal, [*way, *found]
        raise AvrecError(
            f"No route of {length_m:.0f} m was found from ({start.x:.1f}, {start.y:.1f}): the lanes end before. "
            "Ask for a shorter one, or start elsewhere."
        )

    def _locate(self, place: Any) -> tuple[Piece, float]:
        """The piece under a location and how far along it that is."""
        waypoint = self._town.get_waypoint(place)
        piece = _piece(waypoint) if waypoint is not None else None
        if piece is None or piece not in self._entries:
            raise AvrecError(f"No lane to drive on is near ({place.x:.1f}, {place.y:.1f}). Choose a place on the map.")
        return piece, min(abs(waypoint.s - self._entries[piece].s), self._length(piece))

    def _line(self, piece: Piece) -> tuple[Float64, Float64]:
        """Points [N, 3] along a piece, and how far along its road each is [N], from the piece's start."""
        if piece not in self._lines:
            entry = self._entries[piece]
            following = [each for each in entry.next_until_lane_end(STEP_M) if _piece(each) == piece]
            waypoints = [entry, *following]
            places = [each.transform.location for each in waypoints]
            stations = np.array([abs(each.s - entry.s) for each in waypoints])
            kept = np.concatenate([[True], np.diff(stations) > 1e-6])
            self._lines[piece] = np.array([[each.x, each.y, each.z] for each in places])[kept], stations[kept]
        return self._lines[piece]

    def _length(self, piece: Piece) -> float:
        """Of a piece, along its road."""
        return float(self._line(piece)[1][-1])

    def _metres(self, piece: Piece, from_m: float = 0.0) -> float:
        """Of a piece from so far along its road on, along the lane itself: longer outside in a bend."""
        points, stations = self._line(piece)
        rest = points[stations >= from_m]
        return float(np.linalg.norm(np.diff(rest, axis=0), axis=1).sum())

    def _beside(self, piece: Piece, from_m: float) -> list[Piece]:
        """Pieces into which the lane may be changed over the next `CHANGE_M` metres."""
        if self._length(piece) - from_m < CHANGE_M:
            return []
        kinds = self._carla.LaneChange
        found = []
        ahead = self._entries[piece].next(from_m + CHANGE_M / 2)
        for waypoint in ahead[:1]:
            for side, neighbour in (
                (kinds.Left, waypoint.get_left_lane()),
                (kinds.Right, waypoint.get_right_lane()),
            ):
                if (int(waypoint.lane_change) & int(side)) and neighbour is not None:
                    beside = _piece(neighbour)
                    if beside in self._entries and beside[:2] == piece[:2] and beside.lane * piece.lane > 0:
                        found.append(beside)
        return found

    def _way(self, start: tuple[Piece, float], goal: tuple[Piece, float]) -> list[_Leg]:
        """A*: from a place on a piece to a place on a piece."""
        (origin, from_m), (target, to_m) = start, goal
        if origin == target and to_m > from_m:
            return [_Leg(origin, from_m, to_m)]
        end = self._line(target)[0][0]
        order = count()
        first = Stop(origin, False)
        best: dict[Stop, float] = {}
        before: dict[Stop, Stop] = {}
        waiting: list[tuple[float, int, float, Stop, Stop | None]] = [(0.0, next(order), 0.0, first, None)]
        moved = False
        while waiting:
            _, _, cost, stop, previous = heapq.heappop(waiting)
            if stop in best:
                continue
            if moved:  # the start may be reached again, as any other piece
                best[stop] = cost
                if previous is not None:
                    before[stop] = previous
                if stop.piece == target and (not stop.changed or to_m > CHANGE_M):
                    return self._legs(stop, before, first, from_m, to_m)
            offset = 0.0 if moved else from_m
            source = stop if moved else None
            moved = True
            length = self._metres(stop.piece, offset)
            last = self._line(stop.piece)[0][-1]
            steps = [
                (Stop(each, False), length + float(np.linalg.norm(self._line(each)[0][0] - last)))
                for each in self._next.get(stop.piece, ())
                if each in self._entries
            ]
            if not stop.changed:
                steps += [(Stop(each, True), CHANGE_COST_M) for each in self._beside(stop.piece, offset)]
            for step, metres in steps:
                if step not in best:
                    gap = float(np.linalg.norm(self._line(step.piece)[0][0] - end))
                    heapq.heappush(waiting, (cost + metres + gap, next(order), cost + metres, step, source))
        place = self._line(target)[0][0]
        raise AvrecError(f"No way leads along the lanes to ({place[0]:.1f}, {place[1]:.1f}). Choose another goal.")

    def _legs(self, last: Stop, before: dict[Stop, Stop], first: Stop, from_m: float, to_m: float) -> list[_Leg]:
        chain = [last]
        while chain[-1] in before:
            chain.append(before[chain[-1]])
        chain = [first, *reversed(chain)]
        legs: list[_Leg] = []
        start_m = from_m
        for here, there in zip(chain, [*chain[1:], None], strict=True):
            if there is not None and there.changed:
                legs.append(_Leg(here.piece, start_m, start_m + CHANGE_M, there.piece))
                start_m += CHANGE_M
            else:
                end_m = self._length(here.piece) if there is not None else to_m
                if end_m > start_m:
                    legs.append(_Leg(here.piece, start_m, end_m))
                start_m = 0.0
        return legs

    def _route(self, way: list[_Leg]) -> Route:
        lines: list[Float64] = []
        changes: list[tuple[float, float]] = []
        so_far = 0.0
        for leg in way:
            points, stations = self._line(leg.piece)
            inner = stations[(stations > leg.start_m) & (stations < leg.end_m)]
            wanted = np.concatenate([[leg.start_m], inner, [leg.end_m]])
            line = _between(points, stations, wanted)
            if leg.beside is not None:
                share = (wanted - leg.start_m) / (leg.end_m - leg.start_m)
                share = share * share * (3.0 - 2.0 * share)
                line += share[:, None] * (_between(*self._line(leg.beside), wanted) - line)
            if lines:
                so_far += float(np.linalg.norm(line[0] - lines[-1][-1]))
            length = float(np.linalg.norm(np.diff(line, axis=0), axis=1).sum())
            if leg.beside is not None:
                changes.append((so_far, so_far + length))
            so_far += length
            lines.append(line)
        return Route.of_line(np.concatenate(lines), tuple(changes))


def _piece(waypoint: Any) -> Piece:
    return Piece(waypoint.road_id, waypoint.section_id, waypoint.lane_id)


def _between(points: Float64, stations: Float64, wanted: Float64) -> Float64:
    return np.stack([np.interp(wanted, stations, points[:, axis]) for axis in range(3)], axis=1)
