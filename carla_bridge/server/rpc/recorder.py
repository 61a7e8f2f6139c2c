"""Recorder and replayer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from avrec.errors import AvrecError
from carla_bridge.server.recording import Recorder, Replayer, ReplayOptions
from carla_bridge.server.recording.log_file import Birth, path_in, read_recording
from carla_bridge.server.recording.reports import blocked_actors, collisions, file_info
from carla_bridge.server.rpc.registry import RpcGroup
from carla_bridge.server.wire.values import Value, numbers_in, pose_in
from carla_bridge.world.pose import ORIGIN, Pose

if TYPE_CHECKING:
    from carla_bridge.server.host import Host

__all__ = ["rpc"]

rpc = RpcGroup()


@rpc.value("start_recorder")
def start_recorder(host: Host, name: str, additional_data: bool = False) -> str:
    """Begin a recording; returns its path, or why there is none."""
    stop_recorder(host)
    try:
        host.recorder = Recorder(path_in(host.recordings, name), host.world)
    except AvrecError as error:
        return str(error)
    return str(host.recorder.path.resolve())


@rpc.nothing("stop_recorder")
def stop_recorder(host: Host) -> None:
    """Complete the recording."""
    if host.recorder is not None:
        host.recorder.stop()
        host.recorder = None


@rpc.value("show_recorder_file_info")
def show_recorder_file_info(host: Host, name: str, show_all: bool = False) -> str:
    """What is in a recording."""
    try:
        return file_info(read_recording(path_in(host.recordings, name)), everything=bool(show_all))
    except AvrecError as error:
        return str(error)


@rpc.value("show_recorder_collisions")
def show_recorder_collisions(host: Host, name: str, first: Value, second: Value) -> str:
    """Who hit whom; the kinds come as numbers of letters."""
    letters = [chr(each) if isinstance(each, int) and 0 < each < 128 else str(each)[:1] for each in (first, second)]
    try:
        return collisions(read_recording(path_in(host.recordings, name)), *letters)
    except AvrecError as error:
        return str(error)


@rpc.value("show_recorder_actors_blocked")
def show_recorder_actors_blocked(host: Host, name: str, least_s: float, least_m: float) -> str:
    """Who stood still, in seconds and centimetres as CARLA counts them."""
    seconds, centimetres = numbers_in([least_s, least_m], 2)
    try:
        return blocked_actors(read_recording(path_in(host.recordings, name)), seconds, centimetres / 100)
    except AvrecError as error:
        return str(error)


@rpc.value("replay_file")
def replay_file(
    host: Host,
    name: str,
    start_s: float,
    duration_s: float,
    follow: int,
    sensors: bool = False,
    offset: Value = None,
) -> str:
    """Play a recording, on its own map if this server has it. Clients before 0.9.16 send no offset."""
    start, duration = numbers_in([start_s, duration_s], 2)
    try:
        recording = read_recording(path_in(host.recordings, name))
    except AvrecError as error:
        return str(error)
    if not recording.frames:
        return f"{name} holds no frames."
    stop_replayer(host, False)
    if recording.map_name != host.road_map.name:
        if recording.map_name not in host.maps:
            return f"The recording needs the map {recording.map_name}, which this server does not have."
        host.load(host.maps[recording.map_name], reset_settings=False)
    options = ReplayOptions(
        start_s=start,
        duration_s=duration,
        follow=int(follow),
        sensors=bool(sensors),
        offset=pose_in(offset) if offset else ORIGIN,
        factor=host.replay_factor,
        ignore_hero=host.replay_ignores[0],
        ignore_spectator=host.replay_ignores[1],
    )

    def spawn(birth: Birth, pose: Pose, parent: int) -> int:
        blueprint = host.blueprints.get(birth.type_id)
        if blueprint is None:
            raise ValueError(f"there is no blueprint {birth.type_id}")
        return host.spawn(blueprint, birth.attributes, pose, parent).id

    host.replayer = Replayer(recording, host.world, options, spawn, host.destroy, host.spectator.id)
    played = host.replayer.end_s - host.replayer.time_s
    return (
        f"Replaying File: {name}\nTotal time recorded: {recording.duration_s:.6g}\n"
        f"Replaying from {host.replayer.time_s:.6g} s during {played:.6g} s\n"
    )


@rpc.nothing("stop_replayer")
def stop_replayer(host: Host, keep_actors: bool = False) -> None:
    """End the replay."""
    if host.replayer is not None:
        host.replayer.stop(keep=bool(keep_actors))
        host.replayer = None


@rpc.nothing("set_replayer_time_factor")
def set_replayer_time_factor(host: Host, factor: float) -> None:
    """How fast time passes in replays."""
    host.replay_factor = max(numbers_in([factor], 1)[0], 0.0)
    if host.replayer is not None:
        host.replayer.options.factor = host.replay_factor


@rpc.nothing("set_replayer_ignore_hero")
def set_replayer_ignore_hero(host: Host, ignore: bool) -> None:
    """Whether recorded heroes stay away."""
    host.replay_ignores = (bool(ignore), host.replay_ignores[1])


@rpc.nothing("set_replayer_ignore_spectator")
def set_replayer_ignore_spectator(host: Host, ignore: bool) -> None:
    """Whether the spectator stays where it is."""
    host.replay_ignores = (host.replay_ignores[0], bool(ignore))
