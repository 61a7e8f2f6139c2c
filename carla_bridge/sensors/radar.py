"""Radar: rays in a cone, with the speed of what they hit."""

from __future__ import annotations

import numpy as np

from carla_bridge.sensors.caster import cast
from carla_bridge.sensors.rack import Sensor, SensorRack
from carla_bridge.world.motion import VELOCITY
from carla_bridge.world.pose import rows

__all__ = ["radar"]

MAX_RAYS = 200_000


def radar(rack: SensorRack, sensor: Sensor) -> list[bytes]:
    """Detections: speed towards (negative) or away in m/s, azimuth and altitude in rad (right and up), depth in m."""
    number = sensor.number_of
    count = min(int(number("points_per_second") * rack.step_s), MAX_RAYS)
    random = rack.noise(sensor)
    # Evenly spread over the elliptic cone.
    radius, around = np.sqrt(random.random(count)), random.random(count) * 2 * np.pi
    azimuth = np.radians(number("horizontal_fov") / 2) * radius * np.cos(around)
    altitude = np.radians(number("vertical_fov") / 2) * radius * np.sin(around)
    ways = np.stack([np.cos(altitude) * np.cos(azimuth), -np.cos(altitude) * np.sin(azimuth), np.sin(altitude)], axis=1)
    pose = rack.pose(sensor)
    world_ways = ways @ np.array(rows(pose)).T
    ignore = frozenset({sensor.actor.id, sensor.actor.parent})
    distance, _, owner, _ = cast(rack.view(), np.array(pose.position), world_ways, number("range"), ignore)
    hit = np.isfinite(distance)
    motion = rack.world.motion
    speeds = np.zeros((len(distance), 3))
    for actor_id in np.unique(owner[owner > 0]):
        speeds[owner == actor_id] = motion[rack.world.actors[int(actor_id)].row, VELOCITY]
    relative = ((speeds - motion[sensor.actor.row, VELOCITY]) * world_ways).sum(1)
    rows_out = np.stack([relative, azimuth, altitude, np.where(hit, distance, 0.0)], axis=1)[hit]
    return [rows_out.astype("<f4").tobytes()]
