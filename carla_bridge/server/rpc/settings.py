"""Settings of the episode, weather, gravity."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from carla_bridge.server.rpc.registry import RpcGroup
from carla_bridge.server.wire.settings import WEATHER_FIELDS, settings_in, settings_out
from carla_bridge.server.wire.values import numbers_in

if TYPE_CHECKING:
    from carla_bridge.server.host import Host

rpc = RpcGroup()


@rpc.value("get_episode_settings")
def get_episode_settings(host: Host) -> list[Any]:
    """As they are."""
    return settings_out(host.settings)


@rpc.value("set_episode_settings")
def set_episode_settings(host: Host, value: Any) -> int:
    """As a client wants them; from the next step on."""
    host.settings = settings_in(value)
    return host.world.frame


@rpc.value("get_weather_parameters")
def get_weather_parameters(host: Host) -> list[float]:
    """As they are."""
    return host.weather


@rpc.nothing("set_weather_parameters")
def set_weather_parameters(host: Host, value: Any) -> None:
    """Weather for the pictures, kept as it was sent."""
    wanted = numbers_in(value, WEATHER_FIELDS)
    if host.road_map.scene is not None:
        host.warn_once(
            "weather",
            "A scene looks as it was recorded: of the weather only fog has an effect on its pictures, not the sun.",
        )
    host.weather = wanted
    host.rack.weather = wanted


@rpc.value("get_imui_gravity")
def get_imui_gravity(host: Host) -> float:
    """Gravity as the IMUs see it."""
    return host.rack.imu_gravity


@rpc.nothing("set_imui_gravity")
def set_imui_gravity(host: Host, value: float) -> None:
    """Gravity as the IMUs see it."""
    host.rack.imu_gravity = numbers_in([value], 1)[0]
