"""Calls to sensors, beyond their streams: parts of CARLA that are not here say so."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from carla_bridge.server.rpc.registry import RpcError, RpcGroup

if TYPE_CHECKING:
    from carla_bridge.server.host import Host

__all__ = ["rpc"]

log = logging.getLogger(__name__)
rpc = RpcGroup()

NO_GBUFFERS = "this server has no G-buffers, which are a game engine's; depth, classes and normals have cameras here"


@rpc.nothing("enable_gbuffers")
def enable_gbuffers(host: Host, actor_id: int, on: bool) -> None:
    """The inner pictures of a game engine, which is not here."""
    if on:
        raise RpcError(NO_GBUFFERS)


@rpc.value("are_gbuffers_enabled")
def are_gbuffers_enabled(host: Host, actor_id: int) -> bool:
    """Never."""
    return False


@rpc.value("get_gbuffer_token")
def get_gbuffer_token(host: Host, actor_id: int, buffer: int) -> bytes:
    """There are none."""
    raise RpcError(NO_GBUFFERS)


@rpc.nothing("set_ignored_vehicles")
def set_ignored_vehicles(host: Host, actor_id: int, vehicles: list[Any]) -> None:
    """Of the Cosmos sensor."""
    raise RpcError("set_ignored_vehicles belongs to the Cosmos camera, which this server does not have")


@rpc.nothing("send")
def send(host: Host, actor_id: int, message: str) -> None:
    """Of V2X sensors; the client waits for no answer."""
    log.warning("Sensor %s sent a V2X message, but this server has no V2X sensors.", actor_id)


@rpc.nothing("enable_sensor_for_ros", "disable_sensor_for_ros")
def publish_to_ros(host: Host, stream: int) -> None:
    """The client waits for no answer, so the log tells."""
    log.warning("Stream %s is not published to ROS: this server has no ROS of its own. Use the ROS bridge.", stream)


@rpc.value("is_sensor_enabled_for_ros")
def is_sensor_enabled_for_ros(host: Host, stream: int) -> bool:
    """Never."""
    return False
