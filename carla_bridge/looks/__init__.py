"""The plain look of a world without pictures of its own: surfaces of map and bodies, sky and lamps, for rays."""

from carla_bridge.looks.world_stage import WorldStage

__all__ = ["WorldStage"]
