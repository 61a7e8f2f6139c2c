"""Road users as upright boxes seen from above: how far apart, whether they touch, when they will."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, inf, sin

import numpy as np
from numpy.typing import NDArray

__all__ = ["CAR_SHAPE", "Box", "EgoShape", "box_of_pose", "distance", "gap_ahead", "overlap", "time_to_collision"]

Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class Box:
    """A rectangle on the ground that moves straight.

    Attributes:
        x, y: its middle, world, metres.
        yaw: heading, radians.
        length_m, width_m: along the heading and across.
        vx, vy: velocity, metres per second.
    """

    x: float
    y: float
    yaw: float
    length_m: float
    width_m: float
    vx: float = 0.0
    vy: float = 0.0

    @property
    def axes(self) -> Float64:
        """Its own axes in the world, [2, 2]: forward, left."""
        c, s = cos(self.yaw), sin(self.yaw)
        return np.array([[c, s], [-s, c]])

    @property
    def corners(self) -> Float64:
        """Float64 [4, 2], counter-clockwise."""
        half = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]]) * (self.length_m / 2, self.width_m / 2)
        return np.asarray(half @ self.axes + (self.x, self.y))

    def reach_along(self, axis: Float64) -> float:
        """Half the length of its shadow on an axis [2]."""
        forward, left = np.abs(self.axes @ axis)
        return float(forward * self.length_m + left * self.width_m) / 2


@dataclass(frozen=True)
class EgoShape:
    """The ego's box: sizes, and how far its middle lies ahead of the rig's origin."""

    length_m: float = 4.8
    width_m: float = 1.9
    height_m: float = 1.6
    ahead_m: float = 1.4


CAR_SHAPE = EgoShape()
"""Of a car of ordinary size, where nothing better is known."""


def box_of_pose(world_from_box: Float64, length_m: float, width_m: float, velocity: Float64 | None = None) -> Box:
    """The box of a body [4, 4] whose origin is its middle; ``velocity`` float64 [2] or [3]."""
    yaw = float(np.arctan2(world_from_box[1, 0], world_from_box[0, 0]))
    vx, vy = (0.0, 0.0) if velocity is None else (float(velocity[0]), float(velocity[1]))
    return Box(float(world_from_box[0, 3]), float(world_from_box[1, 3]), yaw, length_m, width_m, vx, vy)


def overlap(a: Box, b: Box) -> bool:
    """Whether two boxes share a place (separating axes)."""
    away = np.array([b.x - a.x, b.y - a.y])
    return all(abs(away @ axis) < a.reach_along(axis) + b.reach_along(axis) for axis in (*a.axes, *b.axes))


def distance(a: Box, b: Box) -> float:
    """Metres between two boxes, 0 where they touch."""
    if overlap(a, b):
        return 0.0
    return min(_to_edges(a.corners, b.corners), _to_edges(b.corners, a.corners))


def _to_edges(points: Float64, corners: Float64) -> float:
    """Least distance of points [P, 2] from the edges of a closed polygon [N, 2]."""
    edge = np.roll(corners, -1, axis=0) - corners
    since = points[:, None] - corners
    length2 = np.maximum((edge**2).sum(-1), 1e-18)
    share = np.clip((since * edge).sum(-1) / length2, 0.0, 1.0)
    return float(np.linalg.norm(since - share[..., None] * edge, axis=-1).min())


def time_to_collision(a: Box, b: Box) -> float:
    """Seconds until two boxes touch if both go on at their velocity and heading; infinite where they never do.

    Swept separating axes: on each axis the shadows overlap during one interval of time; the boxes touch where all
    four intervals do.
    """
    away = np.array([b.x - a.x, b.y - a.y])
    towards = np.array([b.vx - a.vx, b.vy - a.vy])
    enter, leave = 0.0, inf
    for axis in (*a.axes, *b.axes):
        reach = a.reach_along(axis) + b.reach_along(axis)
        gap, speed = float(away @ axis), float(towards @ axis)
        if abs(speed) < 1e-12:
            if abs(gap) >= reach:
                return inf
            continue
        first, last = sorted(((-reach - gap) / speed, (reach - gap) / speed))
        enter, leave = max(enter, first), min(leave, last)
    return enter if enter <= leave else inf


def gap_ahead(ego: Box, other: Box) -> float:
    """Metres along the ego's heading from its front to the nearest part of the other; negative from there on back."""
    axis = ego.axes[0]
    return float(np.array([other.x - ego.x, other.y - ego.y]) @ axis) - ego.length_m / 2 - other.reach_along(axis)
