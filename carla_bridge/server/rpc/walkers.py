"""People."""

from __future__ import annotations

from math import hypot
from typing import TYPE_CHECKING, Any

from carla_bridge.server.rpc.registry import RpcError, RpcGroup
from carla_bridge.server.wire.values import Value, numbers_in, pose_in, pose_out, vector_in
from carla_bridge.world.actor import Actor, Kind
from carla_bridge.world.pose import Pose
from carla_bridge.world.skeleton import BONES, Bone, Posture, bones_of, walking_pose
from carla_bridge.world.walking import Gait

if TYPE_CHECKING:
    from carla_bridge.server.host import Host

__all__ = ["bones_of_walker", "rpc"]

rpc = RpcGroup()


@rpc.nothing("apply_control_to_walker")
def apply_control_to_walker(host: Host, actor_id: int, control: Value) -> None:
    """Direction, speed, jump."""
    if actor_id not in host.world.gaits:
        raise RpcError(f"actor {actor_id} is no walker")
    host.world.gaits[actor_id] = Gait(vector_in(control[0]), numbers_in([control[1]], 1)[0], bool(control[2]))


@rpc.value("get_bones_transform")
def get_bones_transform(host: Host, actor_id: int) -> list[Any]:
    """Every bone: its name, and its pose in the world, in the body and in its parent bone."""
    bones = bones_of_walker(host, actor_id)
    return [[[each.name, *map(pose_out, (each.world, each.component, each.relative))] for each in bones]]


def bones_of_walker(host: Host, actor_id: int) -> list[Bone]:
    """The bones of a walker as they are now.

    Raises:
        RpcError: it is no walker.
    """
    actor = _walker(host, actor_id)
    height = 2 * actor.spec.half[2]
    posture = host.world.postures.get(actor_id, Posture())
    return bones_of(host.world.pose(actor), height, _animation(host, actor, height), posture)


@rpc.nothing("set_bones_transform")
def set_bones_transform(host: Host, actor_id: int, bones: Value) -> None:
    """Pose bones in their parents; ``blend_pose`` says how much that counts."""
    posture = _posture(host, actor_id)
    posed = {str(name): pose_in(transform) for name, transform in bones[0]}
    unknown = sorted(set(posed) - set(BONES))
    if unknown:
        host.warn_once("bones", f"Walkers have no bone {unknown[0]!r}; get_bones() tells which there are.")
    posture.posed.update({name: pose for name, pose in posed.items() if name in BONES})
    host.warn_once("poses", "Bones are kept and told back, but pictures do not show people bent.")


@rpc.nothing("blend_pose")
def blend_pose(host: Host, actor_id: int, share: float) -> None:
    """From 0, as people walk, to 1, as the client posed them."""
    _posture(host, actor_id).share = min(max(numbers_in([share], 1)[0], 0.0), 1.0)


@rpc.nothing("get_pose_from_animation")
def get_pose_from_animation(host: Host, actor_id: int) -> None:
    """Take how they walk now for what the client posed."""
    actor = _walker(host, actor_id)
    _posture(host, actor_id).posed = _animation(host, actor, 2 * actor.spec.half[2])


def _walker(host: Host, actor_id: int) -> Actor:
    actor = host.world.actor(actor_id)
    if actor.kind is not Kind.WALKER:
        raise RpcError(f"actor {actor_id} is no walker")
    return actor


def _posture(host: Host, actor_id: int) -> Posture:
    return host.world.postures.setdefault(_walker(host, actor_id).id, Posture())


def _animation(host: Host, actor: Actor, height_m: float) -> dict[str, Pose]:
    x, y, _ = host.world.velocity(actor)
    return walking_pose(hypot(x, y), host.world.time_s, height_m)
