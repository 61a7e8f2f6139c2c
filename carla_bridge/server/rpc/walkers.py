"""People."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from carla_bridge.server.rpc.registry import RpcError, RpcGroup
from carla_bridge.server.wire.values import Value, numbers_in, vector_in
from carla_bridge.world.walking import Gait

if TYPE_CHECKING:
    from carla_bridge.server.host import Host

__all__ = ["rpc"]

rpc = RpcGroup()


@rpc.nothing("apply_control_to_walker")
def apply_control_to_walker(host: Host, actor_id: int, control: Value) -> None:
    """Direction, speed, jump."""
    if actor_id not in host.world.gaits:
        raise RpcError(f"actor {actor_id} is no walker")
    host.world.gaits[actor_id] = Gait(vector_in(control[0]), numbers_in([control[1]], 1)[0], bool(control[2]))


@rpc.value("get_bones_transform")
def get_bones_transform(host: Host, actor_id: int) -> list[Any]:
    """Walkers are boxes without bones."""
    host.world.actor(actor_id)
    return [[]]


@rpc.nothing("set_bones_transform", "blend_pose", "get_pose_from_animation")
def bones(host: Host, actor_id: int, *arguments: Any) -> None:
    """Walkers are boxes without bones."""
    host.world.actor(actor_id)
