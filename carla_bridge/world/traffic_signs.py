"""Traffic signs of a map that CARLA has actors for: stop, yield, speed limits."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, sin

from avrec.drive.lane_graph import LaneGraph, Signal
from carla_bridge.world.pose import Pose, Vector
from carla_bridge.world.traffic_lights import is_light, zone_of

__all__ = ["TrafficSign", "signs_of_map"]

STOP, YIELD, LIMIT = "206", "205", "274"
"""Numbers that CARLA's client takes for these signs, whatever the country."""


@dataclass(slots=True)
class TrafficSign:
    """A sign; zone and pose are those of a `carla_bridge.world.traffic_lights.TrafficLight`."""

    signal: str
    type_id: str
    pose: Pose
    zone_center: Vector
    zone_half: Vector
    actor: int = 0


def signs_of_map(graph: LaneGraph) -> list[TrafficSign]:
    """The signs of a map in the order of its signals; other signals are only in the map."""
    found = []
    for signal in graph.signals:
        type_id = _type_of(signal)
        if type_id:
            x, y, z = (float(value) for value in signal.position)
            pose = Pose(x, y, z, 0.0, 0.0, signal.facing_rad)
            lanes = [graph.lanes[name] for name in signal.lanes if name in graph.lanes]
            center, half, _ = zone_of(signal, lanes)
            c, s = cos(pose.yaw), sin(pose.yaw)
            dx, dy = center[0] - x, center[1] - y
            local = (c * dx + s * dy, c * dy - s * dx, center[2] - z)
            found.append(TrafficSign(signal.id, type_id, pose, local, half))
    return found


def _type_of(signal: Signal) -> str:
    """The actor's type, empty for signals that have none."""
    if is_light(signal):
        return ""
    if signal.type == STOP:
        return "traffic.stop"
    if signal.type == YIELD:
        return "traffic.yield"
    if signal.type == LIMIT:
        limit = signal.value if signal.value is not None and signal.value > 0.0 else _number(signal.subtype)
        return f"traffic.speed_limit.{limit:.0f}" if limit > 0.0 else ""
    return ""


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        return 0.0
    return value if 0.0 < value < 1000.0 else 0.0
