"""Traffic lights and street lamps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from carla_bridge.server.rpc.registry import RpcError, RpcGroup
from carla_bridge.server.wire.values import Value, box_out, numbers_in
from carla_bridge.world.furniture import panel_of
from carla_bridge.world.traffic_lights import LightState, TrafficLight

if TYPE_CHECKING:
    from carla_bridge.server.host import Host

__all__ = ["rpc"]

rpc = RpcGroup()


def _light(host: Host, actor_id: int) -> TrafficLight:
    index = host.world.signals.of_actor(actor_id)
    if index < 0:
        raise RpcError(f"actor {actor_id} is no traffic light")
    return host.world.signals.lights[index]


@rpc.nothing("set_traffic_light_state")
def set_traffic_light_state(host: Host, actor_id: int, state: int) -> None:
    """Until its group switches again."""
    light = _light(host, actor_id)
    light.state, light.elapsed_s = LightState(int(state)), 0.0


@rpc.nothing("set_traffic_light_green_time")
def set_traffic_light_green_time(host: Host, actor_id: int, seconds: float) -> None:
    """Seconds of green."""
    for light in _switched_together(host, actor_id):
        light.green_s = _duration(seconds)


@rpc.nothing("set_traffic_light_yellow_time")
def set_traffic_light_yellow_time(host: Host, actor_id: int, seconds: float) -> None:
    """Seconds of yellow."""
    for light in _switched_together(host, actor_id):
        light.yellow_s = _duration(seconds)


@rpc.nothing("set_traffic_light_red_time")
def set_traffic_light_red_time(host: Host, actor_id: int, seconds: float) -> None:
    """Seconds of red before the next controller's green."""
    for light in _switched_together(host, actor_id):
        light.red_s = _duration(seconds)


def _switched_together(host: Host, actor_id: int) -> list[TrafficLight]:
    """The lights of one controller: times are the controller's."""
    chosen = _light(host, actor_id)
    lights = host.world.signals.lights
    return [light for light in lights if (light.group, light.pole) == (chosen.group, chosen.pole)]


def _duration(seconds: float) -> float:
    found = numbers_in([seconds], 1)[0]
    if found < 0.0:
        raise RpcError(f"a traffic light cannot show a colour for {found:g} s; give 0 or more")
    return found


@rpc.nothing("freeze_traffic_light")
def freeze_traffic_light(host: Host, actor_id: int, frozen: bool) -> None:
    """Let one light stay as it is."""
    _light(host, actor_id).frozen = bool(frozen)


@rpc.nothing("freeze_all_traffic_lights")
def freeze_all_traffic_lights(host: Host, frozen: bool) -> None:
    """Let all lights stay as they are."""
    for group in host.world.signals.groups:
        group.frozen = bool(frozen)


@rpc.nothing("reset_traffic_light_group")
def reset_traffic_light_group(host: Host, actor_id: int) -> None:
    """Begin a group's turns anew."""
    signals = host.world.signals
    signals.groups[_light(host, actor_id).group].restart(signals.lights)


@rpc.nothing("reset_all_traffic_lights")
def reset_all_traffic_lights(host: Host) -> None:
    """Begin all turns anew."""
    for group in host.world.signals.groups:
        group.restart(host.world.signals.lights)


@rpc.value("get_group_traffic_lights")
def get_group_traffic_lights(host: Host, actor_id: int) -> list[int]:
    """Lights that take turns with this one, itself included."""
    group = _light(host, actor_id).group
    return [light.actor for light in host.world.signals.lights if light.group == group]


@rpc.value("get_light_boxes")
def get_light_boxes(host: Host, actor_id: int) -> list[Any]:
    """The panel, in the world: its position in the map is its foot."""
    light = _light(host, actor_id)
    pose, half = panel_of(next(each for each in host.road_map.graph.signals if each.id == light.signal))
    return [box_out(pose.position, half, actor_id, pose.yaw)]


@rpc.value("query_lights_state")
def query_lights_state(host: Host, client: str) -> list[Any]:
    """Street lamps; an OpenDRIVE map has none."""
    return []


@rpc.nothing("update_lights_state", "update_day_night_cycle")
def update_lights(host: Host, client: str, *arguments: Value) -> None:
    """Street lamps: an OpenDRIVE map has none, so a client knows none to change."""
    host.warn_once("lamps", "There are no street lamps: OpenDRIVE maps and scenes bring none to switch.")
