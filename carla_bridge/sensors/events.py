"""Sensors that tell of other actors: collisions and obstacles ahead."""

from __future__ import annotations

import msgpack
import numpy as np

from carla_bridge.sensors.caster import cast
from carla_bridge.sensors.rack import Sensor, SensorRack
from carla_bridge.world.actor import Kind
from carla_bridge.world.pose import rotate

__all__ = ["collisions", "obstacle"]

SPREAD = ((0.0, 0.0), (1.0, 0.0), (-1.0, 0.0), (0.0, 1.0), (0.0, -1.0))


def collisions(rack: SensorRack, sensor: Sensor) -> list[bytes]:
    """One message for each actor that the sensor's parent touched in the last step."""
    parent = sensor.actor.parent
    found = []
    for contact in rack.world.collisions:
        if contact.actor == parent and contact.other in rack.descriptions:
            x, y, z = contact.impulse
            found.append(msgpack.packb([rack.descriptions[parent], rack.descriptions[contact.other], [x, -y, z]]))
    return found


def obstacle(rack: SensorRack, sensor: Sensor) -> list[bytes]:
    """The nearest actor ahead, within a tube that five rays stand for."""
    reach, radius = sensor.number_of("distance"), sensor.number_of("hit_radius")
    dynamic_only = sensor.actor.spec.attributes["only_dynamics"].lower() in ("true", "1")
    pose = rack.pose(sensor)
    ignore = frozenset({sensor.actor.id, sensor.actor.parent})
    ahead = np.array(rotate(pose, (1.0, 0.0, 0.0)))[None, :]
    best, other = np.inf, 0
    for left, up in SPREAD:
        offset = np.array(rotate(pose, (0.0, left * radius, up * radius)))
        distance, _, owner, _ = cast(rack.view(), np.array(pose.position) + offset, ahead, reach, ignore)
        if owner[0] and distance[0] < best:
            movable = rack.world.actors[int(owner[0])].kind in (Kind.VEHICLE, Kind.WALKER)
            if movable or not dynamic_only:
                best, other = float(distance[0]), int(owner[0])
    if not other or sensor.actor.parent not in rack.descriptions:
        return []
    return [msgpack.packb([rack.descriptions[sensor.actor.parent], rack.descriptions[other], best])]
