"""Rays against the world: the map's or the scene's surface, what stands beside the road, and the actors' shapes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from carla_bridge.looks.classes import lane_labels
from carla_bridge.sensors.rendering import WorldView

__all__ = ["cast", "ground_labels"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]


def cast(
    view: WorldView,
    origin: Float64,
    directions: Float64,
    reach: float,
    ignore: frozenset[int] = frozenset(),
    *,
    width: int = 0,
) -> tuple[Float64, Int64, Int64, Float64]:
    """Nearest hits of rays from one point.

    Args:
        view: the world.
        origin: float64 [3].
        directions: float64 [R, 3] of unit length.
        reach: metres.
        ignore: ids of actors that are looked through; so are those in whose box the origin lies.
        width: of the picture whose rows the rays are, for speed; 0 for none.

    Returns:
        Distance [R] in metres (infinite where nothing is hit), class [R], actor id [R] (0 for none), and the surface's
        normal [R, 3].
    """
    seen = view.world.road_map.stage.trace(view.world, origin, directions, reach, ignore, width)
    return seen.distance, seen.label, seen.owner, seen.normal


def ground_labels(view: WorldView, points: Float64) -> Int64:
    """Road, sidewalk or terrain at points [N, 3]."""
    road_map = view.world.road_map
    return lane_labels(road_map.lanes)[road_map.ground.lane_at(points[:, 0], points[:, 1])]
