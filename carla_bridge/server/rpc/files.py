"""Files that clients may fetch. There are none: clients then parse the map's text themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from carla_bridge.server.rpc.registry import RpcGroup

if TYPE_CHECKING:
    from carla_bridge.server.host import Host

rpc = RpcGroup()


@rpc.value("get_required_files")
def get_required_files(host: Host, folder: str = "") -> list[str]:
    """Names of files of a folder (``''``, ``'Nav'``, ``'TM'``)."""
    return []


@rpc.value("request_file")
def request_file(host: Host, name: str) -> bytes:
    """A file's content."""
    return b""


@rpc.value("get_navigation_mesh")
def get_navigation_mesh(host: Host) -> bytes:
    """Clients fetch it as a file instead."""
    return b""
