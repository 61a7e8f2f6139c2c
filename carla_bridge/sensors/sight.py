"""How far one sees in a world, for what keeps a clear view."""

from __future__ import annotations

import numpy as np

from carla_bridge.sensors.caster import cast
from carla_bridge.sensors.rendering import WorldView
from carla_bridge.world.pose import Vector
from carla_bridge.world.spring_arm import Sight
from carla_bridge.world.world import World

__all__ = ["sight_of"]

NO_WEATHER = (0.0,) * 14


def sight_of(world: World) -> Sight:
    """Lines of sight among the world's ground, surface and actors."""

    def sight(start: Vector, end: Vector, ignored: frozenset[int]) -> float:
        way = np.subtract(end, start)
        length = float(np.linalg.norm(way))
        if length < 1e-9:
            return length
        view = WorldView(world, NO_WEATHER)
        distance = cast(view, np.array(start), way[None] / length, length, ignored)[0]
        return float(distance[0])

    return sight
