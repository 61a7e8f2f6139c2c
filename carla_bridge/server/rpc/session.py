"""The client's first calls: version, episode, map, blueprints, the tick."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from carla_bridge.server.rpc.registry import RpcError, RpcGroup
from carla_bridge.server.streaming.tokens import token
from carla_bridge.server.wire.values import pose_out
from carla_bridge.world import read_road_map

if TYPE_CHECKING:
    from carla_bridge.server.host import Host

rpc = RpcGroup()

FOLDER = "Carla/Maps/"
"""Before the name of a map; ``load_world_if_different`` looks for it there, and for no other."""
LISTED = "/Game/" + FOLDER
UPLOADED = "OpenDriveMap"


@rpc.value("version")
def version(host: Host) -> str:
    """The server's version; the client only compares."""
    return host.profile.version


@rpc.value("get_episode_info")
def get_episode_info(host: Host) -> list[Any]:
    """The episode and the stream of its snapshots."""
    return [host.episode, [token(1, host.streams.port)]]


@rpc.value("get_sensor_token")
def get_sensor_token(host: Host, stream: int) -> list[bytes]:
    """A stream's token; the client will connect to it now."""
    host.streams.expect(stream)
    return [token(stream, host.streams.port)]


@rpc.value("get_map_info")
def get_map_info(host: Host) -> list[Any]:
    """Name and spawn points."""
    return [FOLDER + host.road_map.name, [pose_out(pose) for pose in host.road_map.spawn_points]]


@rpc.value("get_map_data")
def get_map_data(host: Host) -> str:
    """The OpenDRIVE text."""
    return host.road_map.opendrive


@rpc.value("get_available_maps")
def get_available_maps(host: Host) -> list[str]:
    """Maps that can be loaded by name."""
    return [LISTED + name for name in host.maps]


@rpc.value("get_actor_definitions")
def get_actor_definitions(host: Host) -> list[Any]:
    """The blueprint library."""
    first = host.profile.first_attribute_type
    return [
        [
            host.numbers[name],
            name,
            blueprint.tags,
            [
                [
                    each.name,
                    int(each.kind) + first,
                    each.value,
                    list(each.recommended),
                    each.modifiable,
                    each.restricted,
                ]
                for each in blueprint.attributes
            ],
        ]
        for name, blueprint in host.blueprints.items()
    ]


@rpc.value("tick_cue", ticks=lambda arguments: True)
def tick_cue(host: Host) -> int:
    """One step, if the world waits for them."""
    return host.tick() if host.settings.synchronous else host.world.frame


@rpc.nothing("load_new_episode", restarts=True)
def load_new_episode(host: Host, name: str, reset_settings: bool = True, layers: int = 0) -> None:
    """Load a map by name, or the same one again. There are no layers to choose from."""
    host.streams.hush(0.0)
    wanted = name.rsplit("/", 1)[-1]
    if not wanted:
        host.load(host.road_map, reset_settings=bool(reset_settings))
    elif wanted == UPLOADED and host.uploaded is not None:
        host.load(host.uploaded, reset_settings=bool(reset_settings))
    elif wanted in host.maps:
        host.load(host.maps[wanted], reset_settings=bool(reset_settings))
    else:
        raise RpcError(f"map '{name}' not found; this server has: {', '.join(host.maps)}")
    if host.profile.subscribes_anew and host.streams.wanted(1):
        host.streams.hush()


@rpc.nothing("copy_opendrive_to_file")
def copy_opendrive_to_file(host: Host, opendrive: str, parameters: Any = None) -> None:
    """A map from the client, which it loads next; the map of a scene that is served keeps its scene."""
    sent = read_road_map(opendrive.encode("utf-8", errors="surrogateescape"), UPLOADED)
    known = next((each for each in host.maps.values() if each.scene and each.opendrive == sent.opendrive), None)
    host.uploaded = sent if known is None else replace(known, name=UPLOADED)


@rpc.nothing("load_map_layer", "unload_map_layer")
def map_layer(host: Host, layers: int) -> None:
    """Nothing to show or hide: neither maps from OpenDRIVE nor scenes come in layers."""
    host.warn_once("layers", "Map layers have no effect: neither OpenDRIVE maps nor scenes come in layers.")
