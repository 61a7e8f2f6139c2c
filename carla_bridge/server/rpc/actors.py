"""Coming and going of actors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from carla_bridge.server.rpc import vehicles, walkers
from carla_bridge.server.rpc.registry import RpcError, RpcGroup
from carla_bridge.server.wire.values import Value, box_out, pose_in, pose_out
from carla_bridge.world.actor import Actor, Kind
from carla_bridge.world.pose import ORIGIN, Pose, compose
from carla_bridge.world.skeleton import Bone
from carla_bridge.world.spring_arm import SpringArm
from carla_bridge.world.walls import NOBODY

if TYPE_CHECKING:
    from carla_bridge.server.host import Host

__all__ = ["rpc", "spawn"]

rpc = RpcGroup()

SPRING_ARM, SPRING_ARM_GHOST = 1, 2
ROOT = "root"
IDLE = {
    "terramechanics": "roads here are hard",
    "use_wheelchair": "people are drawn as they were recorded, or as boxes",
}
"""Attributes that a client may switch on without an effect, and why."""


@rpc.value("get_spectator")
def get_spectator(host: Host) -> Any:
    """The viewer's camera."""
    return host.descriptions[host.spectator.id]


@rpc.value("get_actors_by_id")
def get_actors_by_id(host: Host, ids: list[int]) -> list[Any]:
    """Descriptions of those that are there; nobody has the number 0, which means "none" to clients."""
    return [host.descriptions[actor_id] for actor_id in ids if actor_id != NOBODY and actor_id in host.descriptions]


def spawn(host: Host, description: Value, transform: Value, parent: int = 0) -> Actor:
    """Spawn from a description as clients send it.

    Raises:
        RpcError: no such blueprint.
    """
    name = description[1]
    blueprint = host.blueprints.get(name)
    if blueprint is None:
        raise RpcError(f"there is no blueprint {name!r}")
    attributes = {str(item[0]): str(item[2]) for item in description[2]}
    for attribute, text in IDLE.items():
        if attributes.get(attribute, "false").lower() in ("true", "1"):
            host.warn_once(attribute, f"The attribute {attribute} has no effect: {text}.")
    return host.spawn(blueprint, attributes, pose_in(transform), parent)


@rpc.value("spawn_actor")
def spawn_actor(host: Host, description: Value, transform: Value) -> Any:
    """Spawn in the world."""
    return host.descriptions[spawn(host, description, transform).id]


@rpc.value("spawn_actor_with_parent")
def spawn_actor_with_parent(
    host: Host, description: Value, transform: Value, parent: int, attachment: int = 0, socket: str = ""
) -> Any:
    """Spawn on another actor, rigidly or on a spring arm. Clients before 0.9.16 send no socket name."""
    if socket:
        raise RpcError(f"there is no socket {socket!r}: actors have none here; attach without a socket name")
    actor = spawn(host, description, transform, parent)
    if int(attachment) in (SPRING_ARM, SPRING_ARM_GHOST):
        host.world.hold(actor, SpringArm(retracts=int(attachment) == SPRING_ARM))
    return host.descriptions[actor.id]


@rpc.value("destroy_actor")
def destroy_actor(host: Host, actor_id: int) -> bool:
    """Take it away, with what is attached to it."""
    if actor_id == host.spectator.id:
        return False
    return host.destroy(actor_id)


@rpc.value("get_actor_bounding_box")
def get_actor_bounding_box(host: Host, actor_id: int) -> Any:
    """Its box; an empty one where it is gone, because an error would end the Traffic Manager's process."""
    actor = host.world.actors.get(actor_id)
    if actor is None:
        return box_out((0.0, 0.0, 0.0), (0.0, 0.0, 0.0))
    return box_out(actor.spec.box_center, actor.spec.half, actor_id)


@rpc.value("get_actor_component_names")
def get_actor_component_names(host: Host, actor_id: int) -> list[str]:
    """Actors here are one piece."""
    host.world.actor(actor_id)
    return [ROOT]


@rpc.value("get_actor_component_world_transform")
def get_actor_component_world_transform(host: Host, actor_id: int, name: str) -> Any:
    """The one piece is where the actor is."""
    _component(name)
    return pose_out(host.world.pose(host.world.actor(actor_id)))


@rpc.value("get_actor_component_relative_transform")
def get_actor_component_relative_transform(host: Host, actor_id: int, name: str) -> Any:
    """The one piece is not displaced."""
    _component(name)
    host.world.actor(actor_id)
    return pose_out(ORIGIN)


def _component(name: str) -> None:
    if name != ROOT:
        raise RpcError(f"there is no component {name!r}: actors here have one, {ROOT!r}")


def _bones(host: Host, actor_id: int) -> list[Bone]:
    """Bones of walkers, wheels of vehicles, none of anything else."""
    actor = host.world.actor(actor_id)
    if actor.kind is Kind.WALKER:
        return walkers.bones_of_walker(host, actor_id)
    if actor.slot < 0:
        return []
    pose = host.world.pose(actor)
    found = [Bone("Vehicle_Base", pose, ORIGIN, ORIGIN)]
    for wheel in host.physics_of(actor).wheels:
        x, y, z = wheel.position
        place = Pose(x, y, z, 0.0, 0.0, vehicles.steer_angle(host, actor, wheel))
        side = "" if y == 0.0 else "_Left" if y > 0.0 else "_Right"
        name = f"Wheel_{'Front' if x > 0.0 else 'Rear'}{side}"
        found.append(Bone(name, compose(pose, place), place, place))
    return found


@rpc.value("get_actor_bone_names")
def get_actor_bone_names(host: Host, actor_id: int) -> list[str]:
    """Of a walker's skeleton, or a vehicle's wheels."""
    return [bone.name for bone in _bones(host, actor_id)]


def _bone_world_transforms(host: Host, actor_id: int) -> list[Any]:
    """In the order of the names."""
    return [pose_out(bone.world) for bone in _bones(host, actor_id)]


rpc.value("get_actor_bone_world_transforms")(_bone_world_transforms)
rpc.value("get_vehicle_bone_world_transforms")(_bone_world_transforms)


@rpc.value("get_actor_bone_relative_transforms")
def get_actor_bone_relative_transforms(host: Host, actor_id: int) -> list[Any]:
    """In their parent bones, in the order of the names."""
    return [pose_out(bone.relative) for bone in _bones(host, actor_id)]


def _no_sockets(host: Host, actor_id: int) -> list[Any]:
    """Actors here have no sockets."""
    host.world.actor(actor_id)
    return []


for _name in ("get_actor_socket_names", "get_actor_socket_world_transforms", "get_actor_socket_relative_transforms"):
    rpc.value(_name)(_no_sockets)
