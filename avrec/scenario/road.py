"""The lanes of a scene, as actors need them: where am I, what is beside me, how does it go on."""

from __future__ import annotations

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

    def _width(self, lane: Lane, along_m: float) -> float:
        since = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(lane.center, axis=0), axis=1))])
        return float(np.interp(along_m, since, lane.widths_m))

    def beside(self, place: Place, side: Side) -> tuple[Lane, bool] | None:
        """The lane beside, and whether it runs in the same direction; None where there is none."""
        lane = place.lane
        other = lane.left_neighbor if (side == "left") != place.against else lane.right_neighbor
        if other is None or other.lane not in self.graph.lanes:
            return None
        return self.graph.lanes[other.lane], other.same_direction != place.against

    def line(self, lane: Lane, *, against: bool = False, back_m: float = 60.0, ahead_m: float = 400.0) -> Guide:
        """A lane's centre line with what comes before and after it, straightest first; ``against`` turns it round."""
        points = [lane.center]
        for names, first in ((lane.successors, False), (lane.predecessors, True)):
            length, here, seen = 0.0, lane, {lane.id}
            while names and length < (back_m if first else ahead_m):
                known = [self.graph.lanes[name] for name in names if name in self.graph.lanes and name not in seen]
                if not known:
                    break
                turns = [_turn(other, here) if first else _turn(here, other) for other in known]
                here = known[int(np.argmin(turns))]
                seen.add(here.id)
                points = [here.center, *points] if first else [*points, here.center]
                length += here.length_m
                names = here.predecessors if first else here.successors
        line = np.concatenate(points)
        return guide_of(line[::-1] if against else line)

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


def _turn(before: Lane, after: Lane) -> float:
    """Angle between the end of one lane and the chord of the next."""
    end, way = before.center[-1] - before.center[-2], after.center[-1] - after.center[0]
    return abs(_wrapped(float(np.arctan2(way[1], way[0]) - np.arctan2(end[1], end[0]))))


def _wrapped(angle: float) -> float:
    return float((angle + np.pi) % (2 * np.pi) - np.pi)
