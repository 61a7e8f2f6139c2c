"""CARLA, with or without Unreal: an embedded world that the official client connects to.

``serve(map)`` starts a headless, CARLA-compatible server in a process of its own; ``carla.Client(host, port)`` of the
unmodified client package then works as with CARLA itself. The server needs neither CARLA nor a GPU.
"""

from carla_bridge.server import Server, serve

__all__ = ["Server", "serve"]
