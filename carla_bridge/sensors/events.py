"""Sensors that tell of other actors: collisions and obstacles ahead."""

from __future__ import annotations

from math import inf

import msgpack
import numpy as np
from numpy.typing import NDArray

from carla_bridge.frames import plain_point
from carla_bridge.sensors.caster import cast
from carla_bridge.sensors.rack import Sensor, SensorRack
from carla_bridge.world.actor import SOLID, Kind
from carla_bridge.world.drawings import Shape, line
from carla_bridge.world.labels import GROUND, Label
from carla_bridge.world.pose import Pose, compose, rotate, rows
from carla_bridge.world.walls import NOBODY

__all__ = ["collisions", "obstacle", "swept_ball"]

Float64 = NDArray[np.float64]

MOVABLE = frozenset({Kind.VEHICLE, Kind.WALKER})
PASSED = (*GROUND, Label.NONE, Label.SKY)
"""Classes that are no obstacles."""
SPREAD = ((0.0, 0.0), (0.7, 0.7), (-0.7, 0.7), (0.7, -0.7), (-0.7, -0.7))
"""Rays that stand for the ball against the still world, left and up in radii."""
HALVINGS = 40
TRACE_M = 0.05
RED, GREEN = (0, 0, 255), (0, 255, 0)


def collisions(rack: SensorRack, sensor: Sensor) -> list[bytes]:
    """One message for each actor that the sensor's parent touched in the last step."""
    parent = sensor.actor.parent
    found = []
    for contact in rack.world.collisions:
        if contact.actor == parent and contact.other in rack.descriptions:
            actor, other = rack.descriptions[parent], rack.descriptions[contact.other]
            found.append(msgpack.packb([actor, other, plain_point(contact.impulse)]))
    return found


def obstacle(rack: SensorRack, sensor: Sensor) -> list[bytes]:
    """The nearest thing that a ball meets which flies ahead; the distance is to the point where it touches.

    With ``debug_linetrace`` this step's pictures show the ball's way: green, and red up to where it met something.
    """
    reach, radius = sensor.number_of("distance"), sensor.number_of("hit_radius")
    dynamic_only = sensor.actor.spec.attributes["only_dynamics"].lower() in ("true", "1")
    pose = rack.pose(sensor)
    origin, ahead = np.array(pose.position), np.array(rotate(pose, (1.0, 0.0, 0.0)))
    best: float = np.inf
    other: int | None = None
    for actor in rack.world.actors.values():
        wanted = actor.kind in (MOVABLE if dynamic_only else SOLID)
        if wanted and actor.id not in (sensor.actor.parent, sensor.actor.id):
            box = compose(rack.world.pose(actor), Pose(*actor.spec.box_center))
            found = swept_ball(origin, ahead, reach, radius, box, np.array(actor.spec.half))
            if found < best:
                best, other = found, actor.id
    if not dynamic_only and NOBODY in rack.descriptions:
        everybody = frozenset(rack.world.actors)
        for left, up in SPREAD:
            start = compose(pose, Pose(0.0, left * radius, up * radius))
            distance, label, owner, _ = cast(rack.view(), np.array(start.position), ahead[None], reach, everybody)
            if distance[0] < best and not owner[0] and int(label[0]) not in PASSED:
                best, other = float(distance[0]), NOBODY
    if sensor.actor.spec.attributes["debug_linetrace"].lower() in ("true", "1"):
        end = compose(pose, Pose(min(best, reach))).position
        rack.world.drawings.add(
            Shape(line(pose.position, end, TRACE_M), RED if best < inf else GREEN, until_frame=rack.world.frame)
        )
    if other not in rack.descriptions or sensor.actor.parent not in rack.descriptions:
        return []
    return [msgpack.packb([rack.descriptions[sensor.actor.parent], rack.descriptions[other], best])]


def swept_ball(origin: Float64, ahead: Float64, reach: float, radius: float, box: Pose, half: Float64) -> float:
    """How far along its way a flying ball touches a box: that of the point it touches, infinite for a miss.

    Args:
        origin: where the ball's centre starts, [3].
        ahead: unit vector of its way, [3].
        reach: how far the centre flies.
        radius: of the ball.
        box: pose of the box's centre.
        half: its half sizes, [3].
    """
    turn = np.array(rows(box))
    start, way = (origin - np.array(box.position)) @ turn, ahead @ turn
    bound = float(np.linalg.norm(half)) + radius
    middle = float(-start @ way)
    if not -bound <= middle <= reach + bound or float(start @ start) - middle * middle > bound * bound:
        return np.inf

    def gap(t: float) -> float:
        away = np.maximum(np.abs(start + way * t) - half, 0.0)
        return float(np.sqrt(away @ away)) - radius

    # The distance to a convex body is convex along a line: find where it is least, then where it first is small enough.
    low, high = 0.0, reach
    for _ in range(HALVINGS):
        third = (high - low) / 3
        low, high = (low + third, high) if gap(low + third) > gap(high - third) else (low, high - third)
    nearest = (low + high) / 2
    if gap(nearest) > 0.0:
        return np.inf
    low, high = 0.0, nearest
    if gap(0.0) <= 0.0:
        high = 0.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if gap(middle) > 0.0 else (low, middle)
    center = start + way * high
    touched = np.clip(center, -half, half)
    return max(float((touched - start) @ way), 0.0)
