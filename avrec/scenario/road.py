"""The lanes of a scene, as actors need them: where am I, what is beside me, how does it go on."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from avrec.drive.lane_graph import Lane, LaneGraph
from avrec.errors import AvrecError
from avrec.maps import read_opendrive
from avrec.scenario.guide import Guide, guide_of
from avrec.scene import Scene

__all__ = ["Place", "Road", "Side", "road_of"]

Float64 = NDArray[np.float64]
Side = Literal["left", "right"]

MOST_TURN_RAD = np.radians(60.0)
BESIDE_M = 0.6
"""How far outside a lane's borders one still counts as being on it."""
LOOK_AHEAD_M = 25.0
"""So far behind a fork lanes may run side by side before they part."""
REACH_M = 6.0
"""Lanes whose points are all farther away than this are not looked at."""


@dataclass(frozen=True)
class Place:
    """On a lane: distance along its centre line and offset to its left, metres; ``against`` its direction or with."""

    lane: Lane
    along_m: float
    left_m: float
    against: bool = False


@dataclass(frozen=True, eq=False)
class Road:
    """The lanes of a map."""

    graph: LaneGraph

    @cached_property
    def _lines(self) -> dict[str, Guide]:
        return {name: guide_of(lane.center) for name, lane in self.graph.lanes.items()}

    def place(self, xy: Float64, yaw: float, *, drivable: bool = True, against: bool = False) -> Place | None:
        """The lane under a point [2], of those that run along a heading; ``against`` allows the opposite one too."""
        found: list[tuple[float, float, Place]] = []
        for name, lane in self.graph.lanes.items():
            if drivable and not lane.drivable:
                continue
            line = self._lines[name]
            if not ((xy >= line.points.min(0) - REACH_M) & (xy <= line.points.max(0) + REACH_M)).all():
                continue
            along, left = (float(value) for value in line.nearest(xy))
            turn = abs(_wrapped(float(line.at(along)[1]) - yaw))
            reverse = turn > np.pi / 2
            beyond = max(-along, along - line.length_m, 0.0)
            outside = max(abs(left) - self._width(lane, along) / 2, 0.0) + beyond
            fits = outside <= BESIDE_M and min(turn, np.pi - turn) <= MOST_TURN_RAD
            if fits and (against or not reverse):
                found.append((round(outside, 2), turn, Place(lane, along, left, reverse)))
        return min(found, key=lambda entry: entry[:2])[2] if found else None

    def driven(self, xy: Float64, margin_m: float = 0.0) -> NDArray[np.bool_]:
        """Which of some points [N, 2] lie on lanes that are driven on, or so near to them."""
        found = np.zeros(len(xy), bool)
        for name, lane in self.graph.lanes.items():
            line = self._lines[name]
            low, high = line.points.min(0) - REACH_M, line.points.max(0) + REACH_M
            if not lane.drivable or not ((xy >= low) & (xy <= high)).all(1).any():
                continue
            along, left = line.nearest(xy)
            wide = np.interp(along, self._since[name], lane.widths_m) / 2
            inside = (along >= -margin_m) & (along <= line.length_m + margin_m)
            found |= inside & (np.abs(left) <= wide + margin_m)
        return found

    @cached_property
    def _since(self) -> dict[str, Float64]:
        """Way from the start of each lane to its cross sections."""
        return {name: _ways(lane.center) for name, lane in self.graph.lanes.items()}

    def _width(self, lane: Lane, along_m: float) -> float:
        return float(np.interp(along_m, self._since[lane.id], lane.widths_m))

    def beside(self, place: Place, side: Side) -> tuple[Lane, bool] | None:
        """The lane beside, and whether it runs in the same direction; None where there is none."""
        lane = place.lane
        other = lane.left_neighbor if (side == "left") != place.against else lane.right_neighbor
        if other is None or other.lane not in self.graph.lanes:
            return None
        return self.graph.lanes[other.lane], other.same_direction != place.against

    def line(
        self,
        lane: Lane,
        *,
        against: bool = False,
        along: Guide | None = None,
        back_m: float = 60.0,
        ahead_m: float = 400.0,
    ) -> Guide:
        """A lane's centre line with what comes before and after it.

        Args:
            lane: to begin with.
            against: turn the line round; what is ahead is then what comes before the lane.
            along: where lanes part, the one that keeps beside this way is taken; None takes the straightest.
            back_m, ahead_m: how far the line goes on from the lane.
        """
        points = [lane.center]
        for first in (False, True):
            length, here, seen = 0.0, lane, {lane.id}
            while length < (ahead_m if first == against else back_m):
                known = self._next(here, first, seen)
                if not known:
                    break
                here = min(known, key=self._astray(here, first, along))
                seen.add(here.id)
                points = [here.center, *points] if first else [*points, here.center]
                length += here.length_m
        line = guide_of(np.concatenate(points)).smooth
        return line.reversed if against else line

    def _next(self, lane: Lane, first: bool, seen: Collection[str]) -> list[Lane]:
        """The lanes before a lane, or after it, that are known and new."""
        names = lane.predecessors if first else lane.successors
        return [self.graph.lanes[name] for name in names if name in self.graph.lanes and name not in seen]

    def _astray(self, here: Lane, first: bool, along: Guide | None) -> Callable[[Lane], tuple[float, float]]:
        """How far a next lane leads away from a way, and how much it turns."""

        def cost(other: Lane) -> tuple[float, float]:
            turn = _turn(other, here) if first else _turn(here, other)
            if along is None:
                return 0.0, turn
            joint = here.center[0] if first else here.center[-1]
            return round(self._off(other, first, along, float(along.nearest(joint[:2])[1]), LOOK_AHEAD_M), 1), turn

        return cost

    def _off(self, lane: Lane, first: bool, along: Guide, left_m: float, ahead_m: float) -> float:
        """How far from keeping ``left_m`` beside a way one gets on a lane and the best of those behind it."""
        off = float(np.abs(along.nearest(lane.center[:, :2])[1] - left_m).max())
        more = self._next(lane, first, (lane.id,)) if lane.length_m < ahead_m else []
        rest = [self._off(other, first, along, left_m, ahead_m - lane.length_m) for other in more]
        return max(off, min(rest, default=0.0))

    def height(self, xy: Float64) -> float:
        """Of the lane nearest to a point [2]; NaN where none is within 10 m."""
        best, found = 10.0, float("nan")
        for lane in self.graph.lanes.values():
            away = np.linalg.norm(lane.center[:, :2] - xy, axis=1)
            index = int(away.argmin())
            if away[index] < best:
                best, found = float(away[index]), float(lane.center[index, 2])
        return found


def road_of(scene: Scene) -> Road:
    """The lanes of a scene.

    Raises:
        AvrecError: it has no map.
    """
    if scene.map_xodr is None:
        raise AvrecError(
            f"The scene {scene.name} has no map, so that no lane is known. Reconstruct it with one, or let actors "
            "follow paths of your own."
        )
    return _read(scene.map_xodr)


@lru_cache(maxsize=4)
def _read(text: bytes) -> Road:
    return Road(read_opendrive(text))


def _ways(points: Float64) -> Float64:
    """Way from the first of some points [N, D] to each, [N]."""
    return np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])


def _turn(before: Lane, after: Lane) -> float:
    """Angle between the end of one lane and the chord of the next."""
    end, way = before.center[-1] - before.center[-2], after.center[-1] - after.center[0]
    return abs(_wrapped(float(np.arctan2(way[1], way[0]) - np.arctan2(end[1], end[0]))))


def _wrapped(angle: float) -> float:
    return float((angle + np.pi) % (2 * np.pi) - np.pi)
