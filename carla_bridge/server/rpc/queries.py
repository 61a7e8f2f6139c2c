"""Questions about the world's geometry and what stands in it."""

from __future__ import annotations

from math import hypot
from typing import TYPE_CHECKING, Any

import numpy as np

from carla_bridge.sensors.caster import cast
from carla_bridge.server.rpc.registry import RpcError, RpcGroup
from carla_bridge.server.wire.values import Value, box_out, numbers_in, pose_out, vector_in, vector_out
from carla_bridge.world.actor import SOLID
from carla_bridge.world.pose import Pose, compose

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
    """Boxes in the world of a class's solid actors, and of what stands in the map."""
    found = []
    for actor in host.world.actors.values():
        if actor.kind in SOLID and (label == ANY or label in actor.spec.labels):
            pose = compose(host.world.pose(actor), Pose(*actor.spec.box_center))
            found.append(box_out(pose.position, actor.spec.half, actor.id, pose.yaw))
    for piece in host.road_map.furniture:
        if label in (ANY, piece.label):
            found.append(box_out(piece.pose.position, piece.half, 0, piece.pose.yaw))
    return found


@rpc.value("get_environment_objects")
def get_environment_objects(host: Host, label: int) -> list[Any]:
    """What stands in the map besides actors: panels and poles of signals, parked cars, the surface's pieces."""
    return [
        [
            pose_out(piece.pose),
            box_out(piece.pose.position, piece.half, 0, piece.pose.yaw),
            piece.id,
            piece.name,
            piece.label,
        ]
        for piece in host.road_map.furniture
        if label in (ANY, piece.label)
    ]


@rpc.nothing("enable_environment_objects")
def enable_environment_objects(host: Host, ids: Value, on: bool) -> None:
    """Refused: they are parts of one surface and one cloud of Gaussians, or only numbers in a map."""
    text = "Environment objects cannot be hidden: pictures and collisions keep showing them."
    host.warn_once(text, text)
    raise RpcError(text)


@rpc.value("get_names_of_all_objects")
def get_names_of_all_objects(host: Host) -> list[str]:
    """Names of what stands in the map."""
    return [piece.name for piece in host.road_map.furniture]


@rpc.nothing("apply_color_texture_to_objects", "apply_float_color_texture_to_objects")
def apply_texture(host: Host, names: Value, material: int, texture: Value) -> None:
    """Refused: nothing here has textures."""
    raise RpcError("Textures cannot be changed: scenes are drawn from Gaussians and maps in plain colours.")


@rpc.nothing("set_annotations_traverse_translucency")
def set_annotations_traverse_translucency(host: Host, on: bool) -> None:
    """Annotations end at the first surface; there is no glass here."""
    if on:
        host.warn_once("glass", "Labels and depth always end at the first surface: nothing here is known to be glass.")
