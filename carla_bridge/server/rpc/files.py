"""Files that clients fetch: where people walk. Everything else they make from the map's text themselves."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from carla_bridge.server.rpc.registry import RpcGroup

if TYPE_CHECKING:
    from carla_bridge.server.host import Host

__all__ = ["rpc"]

rpc = RpcGroup()

NAVIGATION = "Nav"


def _navigation_name(host: Host) -> str:
    """A name of its own for each content, because clients keep files for ever and look only at the name."""
    digest = sha256(host.road_map.navigation).hexdigest()[:16]
    return f"Carla/Maps/Nav/avrec_{digest}.bin"


@rpc.value("get_required_files")
def get_required_files(host: Host, folder: str = "") -> list[str]:
    """Names of files of a folder (``''``, ``'Nav'``, ``'TM'``)."""
    if folder == NAVIGATION and host.road_map.navigation:
        return [_navigation_name(host)]
    return []


@rpc.value("request_file")
def request_file(host: Host, name: str) -> bytes:
    """A file's content; nothing for a name that was not offered."""
    return host.road_map.navigation if name == _navigation_name(host) else b""


@rpc.value("get_navigation_mesh")
def get_navigation_mesh(host: Host) -> bytes:
    """The same as a value; clients fetch the file instead."""
    return host.road_map.navigation
