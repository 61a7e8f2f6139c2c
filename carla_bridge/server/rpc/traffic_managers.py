"""Where Traffic Managers run: they live in clients and find each other here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from carla_bridge.server.rpc.registry import RpcGroup

if TYPE_CHECKING:
    from carla_bridge.server.host import Host

__all__ = ["rpc"]

rpc = RpcGroup()

MAX_MANAGERS = 1000


@rpc.value("is_traffic_manager_running")
def is_traffic_manager_running(host: Host, port: int) -> bool:
    """Whether one has said that it listens on a port."""
    return port in host.traffic_managers


@rpc.value("get_traffic_manager_running")
def get_traffic_manager_running(host: Host, port: int) -> list[object]:
    """Its address."""
    return list(host.traffic_managers.get(port, ("", 0))[:2])


@rpc.value("add_traffic_manager_running")
def add_traffic_manager_running(host: Host, address: list[object]) -> bool:
    """One says that it listens; false where the port is taken."""
    name, port = str(address[0]), int(str(address[1]))
    if port in host.traffic_managers or len(host.traffic_managers) >= MAX_MANAGERS:
        return False
    host.traffic_managers[port] = name, port, host.caller
    return True


@rpc.nothing("destroy_traffic_manager")
def destroy_traffic_manager(host: Host, port: int) -> None:
    """One says that it ends."""
    host.traffic_managers.pop(port, None)
