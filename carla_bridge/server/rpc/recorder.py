"""Recorder and replayer, as far as they go: not yet. Calls say so instead of pretending."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from carla_bridge.server.rpc.registry import RpcGroup

if TYPE_CHECKING:
    from carla_bridge.server.host import Host

__all__ = ["rpc"]

rpc = RpcGroup()

MISSING = "This server does not record yet."


def _say(host: Host, *arguments: Any) -> str:
    return MISSING


for _name in (
    "start_recorder",
    "show_recorder_file_info",
    "show_recorder_collisions",
    "show_recorder_actors_blocked",
    "replay_file",
):
    rpc.value(_name)(_say)


@rpc.nothing(
    "stop_recorder",
    "stop_replayer",
    "set_replayer_time_factor",
    "set_replayer_ignore_hero",
    "set_replayer_ignore_spectator",
)
def nothing_to_do(host: Host, *arguments: Any) -> None:
    """Nothing runs that could be stopped or changed."""
