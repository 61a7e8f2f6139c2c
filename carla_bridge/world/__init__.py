"""The simulated world: state and its deterministic step, without sockets and without CARLA's frame.

Everything in here is in avrec's right-handed world (metres, radians, seconds, x forward, y left, z up).
"""

from carla_bridge.world.road_map import RoadMap, read_road_map
from carla_bridge.world.world import World

__all__ = ["RoadMap", "World", "read_road_map"]
