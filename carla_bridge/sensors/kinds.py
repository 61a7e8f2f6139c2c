"""Which function measures for which blueprint."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from carla_bridge.sensors import camera, events, inertial, lidar, radar
from carla_bridge.sensors.rack import Sensor, SensorRack

__all__ = ["KINDS", "SensorKind"]


class SensorKind(NamedTuple):
    """How a blueprint measures.

    Attributes:
        stream_type: name of its messages' kind in the profiles.
        measure: gives the bodies of a step's messages.
        picture: costly, and only measured for somebody.
    """

    stream_type: str
    measure: Callable[[SensorRack, Sensor], list[bytes]]
    picture: bool = False


def _nothing(rack: SensorRack, sensor: Sensor) -> list[bytes]:
    """The client computes lane invasions itself."""
    return []


KINDS: Mapping[str, SensorKind] = {
    "sensor.other.collision": SensorKind("collision", events.collisions),
    "sensor.other.obstacle": SensorKind("obstacle", events.obstacle),
    "sensor.other.lane_invasion": SensorKind("lane_invasion", _nothing),
    "sensor.other.gnss": SensorKind("gnss", inertial.gnss),
    "sensor.other.imu": SensorKind("imu", inertial.imu),
    "sensor.other.radar": SensorKind("radar", radar.radar, True),
    "sensor.lidar.ray_cast": SensorKind("lidar", lidar.lidar, True),
    "sensor.lidar.ray_cast_semantic": SensorKind("lidar_semantic", lidar.semantic_lidar, True),
    **{
        f"sensor.camera.{kind}": SensorKind(kind, camera.picture, True)
        for kind in ("rgb", "depth", "semantic_segmentation", "instance_segmentation", "normals", "optical_flow")
    },
    "sensor.camera.dvs": SensorKind("dvs", camera.events, True),
}
