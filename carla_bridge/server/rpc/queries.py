"""Questions about the world's geometry, and debug drawings."""

from __future__ import annotations

from math import hypot
from typing import TYPE_CHECKING, Any

import numpy as np

from carla_bridge.sensors.caster import cast
from carla_bridge.server.rpc.registry import RpcGroup
from carla_bridge.server.wire.values import Value, box_out, numbers_in, vector_in, vector_out
from carla_bridge.world.actor import SOLID

if TYPE_CHECKING:
    from carla_bridge.server.host import Host

__all__ = ["rpc"]

rpc = RpcGroup()

ANY = 255


def _hits(host: Host, start: tuple[float, float, float], direction: Any, reach: float) -> list[Any]:
    """What a ray meets, nearest first: points and classes."""
    found = []
    view = host.rack.view()
    distance, label, _, _ = cast(view, np.array(start), np.array(direction)[None, :], reach)
    if np.isfinite(distance[0]):
        point = np.array(start) + distance[0] * np.array(direction)
        found.append([vector_out([float(each) for each in point]), int(label[0])])
    return found


@rpc.value("cast_ray")
def cast_ray(host: Host, start: Value, end: Value) -> list[Any]:
    """The nearest thing between two points."""
    a, b = vector_in(start), vector_in(end)
    step = np.subtract(b, a)
    length = float(np.linalg.norm(step))
    return _hits(host, a, step / length, length) if length > 1e-9 else []


@rpc.value("project_point")
def project_point(host: Host, location: Value, direction: Value, reach: float) -> list[Any]:
    """The first thing a point meets on its way, if any."""
    start, way = vector_in(location), vector_in(direction)
    length = hypot(*way)
    found = _hits(host, start, np.array(way) / length, numbers_in([reach], 1)[0]) if length > 1e-9 else []
    return [True, found[0]] if found else [False, [[0.0, 0.0, 0.0], 0]]


@rpc.value("get_all_level_BBs")
def get_all_level_bbs(host: Host, label: int) -> list[Any]:
    """Boxes of the solid actors of a class, in the world. The map itself is lanes only."""
    found = []
    for actor in host.world.actors.values():
        if actor.kind in SOLID and (label == ANY or label in actor.spec.labels):
            pose = host.world.pose(actor)
            x, y, z = actor.spec.box_center
            found.append(box_out((pose.x + x, pose.y + y, pose.z + z), actor.spec.half, actor.id, pose.yaw))
    return found


@rpc.value("get_environment_objects")
def get_environment_objects(host: Host, label: int) -> list[Any]:
    """An OpenDRIVE map has no objects of its own."""
    return []


@rpc.nothing("enable_environment_objects")
def enable_environment_objects(host: Host, ids: Value, on: bool) -> None:
    """An OpenDRIVE map has no objects of its own."""


@rpc.value("get_names_of_all_objects")
def get_names_of_all_objects(host: Host) -> list[str]:
    """Names of things whose textures could be changed: none."""
    return []


@rpc.nothing("apply_color_texture_to_objects", "apply_float_color_texture_to_objects")
def apply_texture(host: Host, names: Value, material: int, texture: Value) -> None:
    """Nothing here has textures."""


@rpc.nothing("draw_debug_shape")
def draw_debug_shape(host: Host, shape: Value) -> None:
    """A drawing for the viewer; pictures do not show it."""


@rpc.nothing("clear_debug_shape", "clear_debug_string", "set_annotations_traverse_translucency")
def clear_debug(host: Host, *arguments: Any) -> None:
    """Nothing is kept of debug drawings."""
