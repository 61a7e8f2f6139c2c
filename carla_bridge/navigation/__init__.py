"""Where people walk: sidewalks and crossings as a mesh that the clients' walker controllers read."""

from carla_bridge.navigation.detour import navigation_file
from carla_bridge.navigation.mesh import Area, WalkMesh, walk_mesh

__all__ = ["Area", "WalkMesh", "navigation_file", "walk_mesh"]
