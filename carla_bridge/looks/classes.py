"""Which class and which colour a lane takes."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from avrec.drive.lane_graph import DRIVABLE, Lane
from avrec.mesh.painted import Kind
from carla_bridge.world.labels import Label

__all__ = ["OFF_ROAD", "Look", "lane_labels", "lane_look"]


Look = tuple[Label, tuple[float, float, float], Kind, float]
"""Class, linear colour, kind, and how far the surface lies below the road where both lie, in metres."""

ASPHALT = (0.105, 0.105, 0.112)
GRASS = (0.105, 0.155, 0.045)
_SIDEWALK: Look = (Label.SIDEWALK, (0.34, 0.325, 0.30), Kind.CONCRETE, 0.004)
_GREEN: Look = (Label.TERRAIN, GRASS, Kind.GRASS, 0.008)
_LOOKS: dict[str, Look] = {
    "sidewalk": _SIDEWALK,
    "walking": _SIDEWALK,
    "curb": _SIDEWALK,
    "none": _GREEN,
    "median": _GREEN,
    "restricted": _GREEN,
    "shoulder": (Label.ROAD, (0.125, 0.123, 0.122), Kind.ASPHALT, 0.002),
    "biking": (Label.ROAD, (0.20, 0.075, 0.06), Kind.ASPHALT, 0.002),
    "rail": (Label.RAIL, (0.09, 0.08, 0.07), Kind.ASPHALT, 0.002),
    "tram": (Label.RAIL, (0.09, 0.08, 0.07), Kind.ASPHALT, 0.002),
}
_ROAD: Look = (Label.ROAD, ASPHALT, Kind.ASPHALT, 0.0)
_BESIDE: Look = (Label.ROAD, (0.12, 0.118, 0.115), Kind.ASPHALT, 0.002)


def lane_look(lane: Lane) -> Look:
    """Of a lane by its OpenDRIVE type; what is not known is paved, and so is what has lines painted beside it."""
    if lane.kind in DRIVABLE:
        return _ROAD
    if lane.kind == "none" and any(mark.kind in _PAINTED for mark in (*lane.left_marks, *lane.right_marks)):
        return _BESIDE
    return _LOOKS.get(lane.kind, _BESIDE)


_PAINTED = frozenset({"solid", "broken", "solid solid", "solid broken", "broken solid", "broken broken"})
OFF_ROAD: Look = _GREEN


def lane_labels(lanes: Iterable[Lane]) -> NDArray[np.int64]:
    """Class of each lane, and one more at the end: that of the land off the lanes, whose index is -1."""
    return np.array([*(int(lane_look(lane)[0]) for lane in lanes), int(OFF_ROAD[0])], dtype=np.int64)
