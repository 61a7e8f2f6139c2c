"""Radar: rays in a cone, with the speed of what they hit."""

from __future__ import annotations

import numpy as np

from carla_bridge.sensors.rack import Sensor, SensorRack
from carla_bridge.world.motion import SPIN, VELOCITY
from carla_bridge.world.pose import rows

__all__ = ["radar"]

MAX_RAYS = 200_000


def radar(rack: SensorRack, sensor: Sensor) -> list[bytes]:
    """Detections: speed towards (negative) or away in m/s, azimuth and altitude in rad (right and up), depth in m.

    The speed is that of the point that was hit, so the near side of a turning car differs from its far one.
    """
    number = sensor.number_of
    count = min(int(number("points_per_second") * sensor.elapsed_s + 0.5), MAX_RAYS)
    random = rack.noise(sensor)
    # Denser around the middle, as a beam in polar coordinates is.
    radius, around = random.random(count), random.random(count) * 2 * np.pi
    azimuth = np.radians(number("horizontal_fov") / 2) * radius * np.cos(around)
    altitude = np.radians(number("vertical_fov") / 2) * radius * np.sin(around)
    ways = np.stack([np.cos(altitude) * np.cos(azimuth), -np.cos(altitude) * np.sin(azimuth), np.sin(altitude)], axis=1)
    pose = rack.pose(sensor)
    world_ways = ways @ np.array(rows(pose)).T
    ignore = frozenset({sensor.actor.id, sensor.actor.parent})
    origin = np.array(pose.position)
    distance, _, owner, _ = rack.cast(pose, ways, number("range"), ignore)
    hit = np.isfinite(distance)
    world_ways, distance, owner = world_ways[hit], distance[hit], owner[hit]
    motion = rack.world.motion
    speeds = np.zeros((len(distance), 3))
    for actor_id in np.unique(owner[owner > 0]).tolist():
        body, mine = motion[rack.world.actors[actor_id].row], owner == actor_id
        arm = origin + world_ways[mine] * distance[mine, None] - body[:3]
        speeds[mine] = body[VELOCITY] + np.cross(body[SPIN], arm)
    relative = ((speeds - rack.velocity(sensor)) * world_ways).sum(1)
    return [np.stack([relative, azimuth[hit], altitude[hit], distance], axis=1).astype("<f4").tobytes()]
