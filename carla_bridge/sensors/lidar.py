"""Spinning lidars: which way each pulse goes, and what its return says."""

from __future__ import annotations

from dataclasses import dataclass
from struct import pack

import numpy as np
from numpy.typing import NDArray

from carla_bridge.frames import flip_points
from carla_bridge.sensors.rack import Sensor, SensorRack
from carla_bridge.world.pose import rows

__all__ = ["lidar", "pulses", "semantic_lidar"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

MAX_POINTS = 4_000_000
SEMANTIC = np.dtype([("xyz", "<f4", 3), ("cos", "<f4"), ("actor", "<u4"), ("label", "<u4")])


def lidar(rack: SensorRack, sensor: Sensor) -> list[bytes]:
    """Points x, y, z and intensity, grouped by channel, some of them dropped as the attributes say."""
    number = sensor.number_of
    random = rack.noise(sensor)
    ways, channel, angle = _ways(sensor)
    kept = random.random(len(ways)) >= number("dropoff_general_rate")
    hit = _hits(rack, sensor, ways[kept], channel[kept])
    distance = hit.distance
    intensity = np.exp(-number("atmosphere_attenuation_rate") * distance)
    limit, zero = number("dropoff_intensity_limit"), number("dropoff_zero_intensity")
    stays = np.ones(len(distance), bool)
    if limit > 0.0:
        chance = np.where(intensity > limit, 1.0, (zero / limit) * intensity + (1.0 - zero))
        stays = random.random(len(distance)) < chance
    if number("noise_stddev") > 0.0:
        distance = np.maximum(distance + random.standard_normal(len(distance)) * number("noise_stddev"), 0.0)
    points = np.empty((int(stays.sum()), 4), dtype="<f4")
    points[:, :3] = flip_points(hit.ways[stays] * distance[stays, None])
    points[:, 3] = intensity[stays]
    return [_head(angle, int(number("channels")), hit.channel[stays]) + points.tobytes()]


def semantic_lidar(rack: SensorRack, sensor: Sensor) -> list[bytes]:
    """Points with the cosine of incidence, the actor and its class."""
    ways, channel, angle = _ways(sensor)
    hit = _hits(rack, sensor, ways, channel)
    points = np.zeros(len(hit.distance), dtype=SEMANTIC)
    points["xyz"], points["cos"] = flip_points(hit.ways * hit.distance[:, None]), hit.cosine
    points["actor"], points["label"] = hit.owner, hit.label
    return [_head(angle, int(sensor.number_of("channels")), hit.channel) + points.tobytes()]


def pulses(
    channels: int, count: int, start_deg: float, turn_deg: float, opening_deg: float, lower_deg: float, upper_deg: float
) -> tuple[Float64, Int64]:
    """Directions of one measurement's pulses, channel after channel, the highest first.

    The beam goes over the opening once in each period of the rotation, clockwise seen from above, from the left edge of
    the opening (from the back, with a whole turn) to the right one.

    Args:
        channels: lasers, evenly spread from ``upper_deg`` to ``lower_deg``.
        count: pulses of each.
        start_deg: where the beam is, from the left edge of the opening.
        turn_deg: how far it goes.
        opening_deg: 360 for a whole turn.

    Returns:
        Unit vectors [channels * count, 3], x forward, y left, z up, and the channel of each.
    """
    across = (start_deg + np.arange(count) * (turn_deg / max(count, 1))) % opening_deg - opening_deg / 2
    side = np.radians(np.tile(across, channels))
    up = np.radians(np.repeat(np.linspace(upper_deg, lower_deg, channels), count))
    ways = np.stack([np.cos(up) * np.cos(side), -np.cos(up) * np.sin(side), np.sin(up)], axis=1)
    return ways, np.repeat(np.arange(channels), count)


def _ways(sensor: Sensor) -> tuple[Float64, Int64, float]:
    """Directions and channels of this measurement, and where the beam stands after it, radians."""
    number = sensor.number_of
    channels = int(number("channels"))
    count = int(number("points_per_second") * sensor.elapsed_s / channels + 0.5)
    opening = number("horizontal_fov")
    rate = number("rotation_frequency") * opening
    start, end = (rate * each % opening for each in (sensor.age_s - sensor.elapsed_s, sensor.age_s))
    count = min(count, MAX_POINTS // channels)
    turn = rate * sensor.elapsed_s
    ways, channel = pulses(channels, count, start, turn, opening, number("lower_fov"), number("upper_fov"))
    return ways, channel, float(np.radians(end))


@dataclass(frozen=True)
class _Hits:
    """Returns: direction in the sensor's frame, distance, class, actor, channel and cosine of incidence."""

    ways: Float64
    distance: Float64
    label: Int64
    owner: Int64
    channel: Int64
    cosine: Float64


def _hits(rack: SensorRack, sensor: Sensor, ways: Float64, channel: Int64) -> _Hits:
    pose = rack.pose(sensor)
    distance, label, owner, normal = rack.cast(pose, ways, sensor.number_of("range"), frozenset({sensor.actor.id}))
    hit = np.isfinite(distance)
    cosine = np.abs((normal[hit] * (ways[hit] @ np.array(rows(pose)).T)).sum(1))
    return _Hits(ways[hit], distance[hit], label[hit], owner[hit], channel[hit], cosine)


def _head(angle: float, channels: int, channel: Int64) -> bytes:
    counts = np.bincount(channel, minlength=channels).astype("<u4")
    return pack("<fI", angle, channels) + counts.tobytes()
