"""Spinning lidars over the plain world of boxes and ground."""

from __future__ import annotations

from collections.abc import Mapping
from struct import pack

import numpy as np
from numpy.typing import NDArray

from carla_bridge.sensors.caster import cast
from carla_bridge.sensors.rack import Sensor, SensorRack
from carla_bridge.world.pose import rows

__all__ = ["check", "lidar", "semantic_lidar"]

Float64 = NDArray[np.float64]

MAX_POINTS = 4_000_000
SEMANTIC = np.dtype([("xyz", "<f4", 3), ("cos", "<f4"), ("actor", "<u4"), ("label", "<u4")])


def check(attributes: Mapping[str, str]) -> None:
    """Refuse lidars that no machine could hold.

    Raises:
        ValueError: too many points or channels, or none.
    """
    channels, points = int(float(attributes["channels"])), float(attributes["points_per_second"])
    if not 1 <= channels <= 1024 or not 0 < points <= MAX_POINTS * 10:
        raise ValueError(f"a lidar of {channels} channels and {points:g} points per second is out of range")


def lidar(rack: SensorRack, sensor: Sensor) -> list[bytes]:
    """Points x, y, z and intensity, grouped by channel, some of them dropped as the attributes say."""
    hit = _Sweep(rack, sensor)
    number = sensor.number_of
    random = rack.noise(sensor)
    distance = hit.distance
    if number("noise_stddev") > 0.0:
        distance = np.maximum(distance + random.standard_normal(len(distance)) * number("noise_stddev"), 0.0)
    intensity = np.exp(-number("atmosphere_attenuation_rate") * distance)
    kept = random.random(len(distance)) >= number("dropoff_general_rate")
    limit, zero = number("dropoff_intensity_limit"), number("dropoff_zero_intensity")
    if limit > 0.0:
        chance = np.where(intensity > limit, 1.0, (zero / limit) * intensity + (1.0 - zero))
        kept &= random.random(len(distance)) < chance
    points = np.empty((int(kept.sum()), 4), dtype="<f4")
    points[:, :3] = hit.directions[kept] * distance[kept, None]
    points[:, 1] *= -1.0
    points[:, 3] = intensity[kept]
    return [_head(hit.angle, hit.channels, hit.channel[kept]) + points.tobytes()]


def semantic_lidar(rack: SensorRack, sensor: Sensor) -> list[bytes]:
    """Points with the cosine of incidence, the actor and its class."""
    hit = _Sweep(rack, sensor)
    points = np.zeros(len(hit.distance), dtype=SEMANTIC)
    xyz = hit.directions * hit.distance[:, None]
    xyz[:, 1] *= -1.0
    points["xyz"], points["cos"] = xyz, hit.cosine
    points["actor"], points["label"] = hit.owner, hit.label
    return [_head(hit.angle, hit.channels, hit.channel) + points.tobytes()]


class _Sweep:
    """Hits of one step: in the sensor's own frame (y left), by channel from the top."""

    def __init__(self, rack: SensorRack, sensor: Sensor) -> None:
        number = sensor.number_of
        self.channels = int(number("channels"))
        per_channel = min(int(number("points_per_second") * rack.step_s / self.channels), MAX_POINTS // self.channels)
        opening = min(max(number("horizontal_fov"), 0.0), 360.0)
        turn = number("rotation_frequency") * 360.0 * rack.step_s
        start = sensor.memory.get("angle", 0.0)
        sensor.memory["angle"] = (start + turn) % opening if opening > 0.0 else 0.0
        self.angle = float(np.radians(start))
        sideways = (start + np.arange(per_channel) * (turn / max(per_channel, 1))) % max(opening, 1e-9)
        if opening < 360.0:
            sideways = sideways - opening / 2
        upward = np.linspace(number("upper_fov"), number("lower_fov"), self.channels)
        side = np.radians(np.tile(sideways, self.channels))
        up = np.radians(np.repeat(upward, per_channel))
        self.channel = np.repeat(np.arange(self.channels), per_channel)
        # CARLA turns clockwise seen from above: angles grow to the right.
        ways = np.stack([np.cos(up) * np.cos(side), -np.cos(up) * np.sin(side), np.sin(up)], axis=1)
        pose = rack.pose(sensor)
        world_ways = ways @ np.array(rows(pose)).T
        ignore = frozenset({sensor.actor.id})
        distance, label, owner, normal = cast(rack.view(), np.array(pose.position), world_ways, number("range"), ignore)
        hit = np.isfinite(distance)
        self.distance, self.label, self.owner = distance[hit], label[hit], owner[hit]
        self.directions, self.channel = ways[hit], self.channel[hit]
        self.cosine: Float64 = np.abs((normal[hit] * world_ways[hit]).sum(1))


def _head(angle: float, channels: int, channel: NDArray[np.int64]) -> bytes:
    counts = np.bincount(channel, minlength=channels).astype("<u4")
    return pack("<fI", angle, channels) + counts.tobytes()
