"""The embedded, headless server that CARLA's official client connects to."""

from carla_bridge.server.process import Server, serve

__all__ = ["Server", "serve"]
