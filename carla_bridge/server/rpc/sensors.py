"""Calls to sensors, beyond their streams."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from carla_bridge.server.rpc.registry import RpcError, RpcGroup

if TYPE_CHECKING:
    from carla_bridge.server.host import Host

__all__ = ["rpc"]

rpc = RpcGroup()


@rpc.nothing("enable_gbuffers")
def enable_gbuffers(host: Host, actor_id: int, on: bool) -> None:
    """The inner pictures of a game engine, which is not here."""
    if on:
        raise RpcError("this server has no G-buffers")


@rpc.value("are_gbuffers_enabled")
def are_gbuffers_enabled(host: Host, actor_id: int) -> bool:
    """Never."""
    return False


@rpc.value("get_gbuffer_token")
def get_gbuffer_token(host: Host, actor_id: int, buffer: int) -> bytes:
    """There are none."""
    raise RpcError("this server has no G-buffers")


@rpc.nothing("set_ignored_vehicles", "send", "enable_sensor_for_ros", "disable_sensor_for_ros")
def other_systems(host: Host, *arguments: Any) -> None:
    """Bridges to other systems, which are not here."""


@rpc.value("is_sensor_enabled_for_ros")
def is_sensor_enabled_for_ros(host: Host, stream: int) -> bool:
    """Never."""
    return False
