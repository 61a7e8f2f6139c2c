"""Recordings: what happened in a world, to be looked through and played again."""

from carla_bridge.server.recording.recorder import Recorder
from carla_bridge.server.recording.replayer import Replayer, ReplayOptions

__all__ = ["Recorder", "ReplayOptions", "Replayer"]
