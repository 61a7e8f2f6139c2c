"""Attachments that follow smoothly: level, turning after their parent, drawn in where something is in the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import exp, pi

from carla_bridge.world.pose import Pose, Vector, compose

__all__ = ["Sight", "SpringArm", "follow"]

LAG_PER_S = 8.0
"""Share of the missing angle that the arm turns per second."""
CLEARANCE_M = 0.12
"""Kept between the arm's end and what is in its way."""

Sight = Callable[[Vector, Vector, frozenset[int]], float]
"""``sight(start, end, ignored actors)``: metres that are free from ``start`` towards ``end``, infinite if all are."""


@dataclass(slots=True)
class SpringArm:
    """An arm from its parent to an attached actor.

    Attributes:
        retracts: comes nearer where something is between the two; CARLA's ``SpringArm``, not its ``SpringArmGhost``.
        yaw: of the arm now, radians; ``None`` before the first step.
    """

    retracts: bool
    yaw: float | None = None


def follow(
    arm: SpringArm, parent: Pose, pivot_m: float, mount: Pose, dt: float, sight: Callable[[Vector, Vector], float]
) -> Pose:
    """Where the arm's end is now.

    Args:
        arm: its yaw changes in place.
        parent: pose of the parent in the world; only its heading is followed.
        pivot_m: height of the arm's root above the parent's origin, metres.
        mount: of the end, relative to the parent.
        dt: seconds since the last call.
        sight: metres that are free between two points.
    """
    if arm.yaw is None:
        arm.yaw = parent.yaw
    missing = (parent.yaw - arm.yaw + pi) % (2 * pi) - pi
    arm.yaw += missing * (1.0 - exp(-LAG_PER_S * dt))
    end = compose(Pose(parent.x, parent.y, parent.z, 0.0, 0.0, arm.yaw), mount)
    if not arm.retracts:
        return end
    root = (parent.x, parent.y, parent.z + pivot_m)
    way = (end.x - root[0], end.y - root[1], end.z - root[2])
    length = (way[0] ** 2 + way[1] ** 2 + way[2] ** 2) ** 0.5
    free = sight(root, end.position)
    if length < 1e-6 or free >= length:
        return end
    share = max(free - CLEARANCE_M, 0.0) / length
    return end._replace(x=root[0] + way[0] * share, y=root[1] + way[1] * share, z=root[2] + way[2] * share)
