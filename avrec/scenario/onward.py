"""The way ahead of somebody who leaves a recording."""

from __future__ import annotations

import numpy as np

from avrec.geometry import Trajectory
from avrec.scenario.guide import Guide, guide_of, thinned
from avrec.scenario.road import road_of
from avrec.scene import Scene

__all__ = ["ego_way", "onward"]

STEP_US = 50_000
STANDS_M = 0.4
STRAIGHT_ON_M = 300.0
FADE_M = 30.0
"""Way on which the offset from the lane's middle is lost."""


def ego_way(scene: Scene) -> Guide:
    """Where the recorded ego's rig goes; straight on from there, and where it hardly moves."""
    return onward(scene.ego, scene.ego.span_us[0], None)


def onward(path: Trajectory, time_us: int, lanes_of: Scene | None) -> Guide:
    """The rest of a recorded path, then the lane that it ends on, then straight on.

    Args:
        path: world_from_box, or world_from_rig.
        time_us: where the line begins.
        lanes_of: scene whose lanes are followed where the path ends; None (and a scene without a map) goes straight on.
    """
    times = np.unique([*np.arange(time_us, path.span_us[1], STEP_US), max(path.span_us[1], time_us)])
    poses = path.at(times, outside="hold")
    kept = poses[thinned(poses[:, :2, 3], STANDS_M), :2, 3]
    yaw = float(np.arctan2(poses[0, 1, 0], poses[0, 0, 0]))
    if len(kept) < 4:
        kept = kept[:1]
    else:
        way = kept[-1] - kept[-3]
        yaw = float(np.arctan2(way[1], way[0]))
    end = kept[-1]
    more = end + np.array([[1.0], [STRAIGHT_ON_M]]) * np.array([np.cos(yaw), np.sin(yaw)])
    if lanes_of is not None and lanes_of.map_xodr is not None:
        road = road_of(lanes_of)
        place = road.place(end, yaw, drivable=False, against=True)
        if place is not None:
            lane = road.line(place.lane, against=place.against)
            start, left = lane.nearest(end)
            rest = np.arange(1.0, max(lane.length_m - float(start), 0.0) + 100.0, 1.0)
            points, headings = lane.at(float(start) + rest)
            aside = np.stack([-np.sin(headings), np.cos(headings)], -1)
            more = points + aside * (float(left) * np.exp(-rest / FADE_M))[:, None]
    return guide_of(np.concatenate([kept, more]))
