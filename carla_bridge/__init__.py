"""CARLA, with or without Unreal: an embedded world that the official client connects to.

``serve(map)`` starts a headless, CARLA-compatible server in a process of its own; ``carla.Client(host, port)`` of the
unmodified client package then works as with CARLA itself. The server needs neither CARLA nor a GPU.
``Traffic(client)`` keeps vehicles and people on its roads.
``ReplaySession(client, scene)`` plays a recorded drive in it, or in a real CARLA server, with neural cameras.
"""

from typing import TYPE_CHECKING, Any

from carla_bridge.connect import connect, own_world
from carla_bridge.server import Server, serve
from carla_bridge.traffic import Traffic

if TYPE_CHECKING:
    from carla_bridge.replay import ReplaySession

__all__ = ["ReplaySession", "Server", "Traffic", "connect", "own_world", "serve"]


def __getattr__(name: str) -> Any:
    if name == "ReplaySession":  # brings the rasteriser, which a server of a bare map does not need
        from carla_bridge.replay import ReplaySession

        return ReplaySession
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
