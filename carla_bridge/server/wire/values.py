"""Structs of the protocol, from and to plain msgpack values; inside, vectors and poses are in avrec's frame.

Readers take what the client sent and raise `ValueError` or `TypeError` where it is not what it should be; writers
return lists.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Any

from carla_bridge.frames import plain_axial, plain_point, plain_rotation_to_carla, plain_rpy_from_carla
from carla_bridge.world.physics import Gear, VehicleControl, VehiclePhysics, Wheel
from carla_bridge.world.pose import Pose, Vector, compose, unrotate

__all__ = [
    "Value",
    "axial_in",
    "box_out",
    "control_in",
    "numbers_in",
    "physics_in",
    "physics_out",
    "pose_in",
    "pose_out",
    "vector_in",
    "vector_out",
]

Value = Any
"""What msgpack holds: numbers, text, bytes, lists."""

MAX_ABS = 1e9
"""No sensible metre, speed or force is larger."""


def numbers_in(value: Value, count: int) -> list[float]:
    """``count`` finite numbers.

    Raises:
        ValueError: too few of them, or one that is not finite or beyond all measure.
    """
    found = [float(item) for item in value[:count]]
    if len(found) < count:
        raise ValueError(f"{len(found)} numbers where {count} are needed")
    for number in found:
        if not (isfinite(number) and abs(number) <= MAX_ABS):
            raise ValueError(f"the number {number} is out of range")
    return found


def vector_in(value: Value) -> Vector:
    """A location, velocity or force."""
    return plain_point(numbers_in(value, 3))


def vector_out(vector: Sequence[float]) -> list[float]:
    """A location, velocity or force."""
    return list(plain_point(vector))


def axial_in(value: Value) -> Vector:
    """An angular velocity (still in degrees) or a torque."""
    return plain_axial(numbers_in(value, 3))


def pose_in(value: Value) -> Pose:
    """A transform."""
    return Pose(*plain_point(numbers_in(value[0], 3)), *plain_rpy_from_carla(numbers_in(value[1], 3)))


def pose_out(pose: Pose) -> list[list[float]]:
    """A transform."""
    return [list(plain_point(pose)), list(plain_rotation_to_carla(pose[3:]))]


def box_out(center: Vector, half: Vector, actor_id: int = 0, yaw: float = 0.0) -> list[Value]:
    """A bounding box; clients before 0.9.16 ignore the last item."""
    return [vector_out(center), list(half), list(plain_rotation_to_carla((0.0, 0.0, yaw))), actor_id]


def control_in(value: Value) -> VehicleControl:
    """A vehicle's control."""
    throttle, steer, brake = numbers_in(value, 3)
    hand_brake, reverse, manual, gear = value[3:7]
    return VehicleControl(throttle, steer, brake, bool(hand_brake), bool(reverse), bool(manual), int(gear))


def physics_in(value: Value, pose: Pose, radius_scale: float = 0.01) -> VehiclePhysics:
    """A vehicle's physics; wheel positions are in the world and in centimetres there."""
    return VehiclePhysics(
        torque_curve=tuple((x, y) for x, y in (numbers_in(item, 2) for item in value[0])),
        max_rpm=_one(value[1]),
        moi=_one(value[2]),
        damping_full_throttle=_one(value[3]),
        damping_clutch_engaged=_one(value[4]),
        damping_clutch_disengaged=_one(value[5]),
        autobox=bool(value[6]),
        gear_switch_s=_one(value[7]),
        clutch_strength=_one(value[8]),
        final_ratio=_one(value[9]),
        gears=tuple(Gear(*numbers_in(item, 3)) for item in value[10]),
        mass_kg=_one(value[11]),
        drag_coefficient=_one(value[12]),
        center_of_mass=vector_in(value[13]),
        steering_curve=tuple((x, y) for x, y in (numbers_in(item, 2) for item in value[14])),
        wheels=tuple(_wheel_in(item, pose, radius_scale) for item in value[15]),
        sweep_wheels=bool(value[16]) if len(value) > 16 else False,
    )


def _one(value: Value) -> float:
    return numbers_in([value], 1)[0]


def _wheel_in(value: Value, pose: Pose, scale: float) -> Wheel:
    friction, damping, steer, radius, brake, hand, load, lat, long = numbers_in(value, 9)
    x, y, z = vector_in(value[9])
    place = unrotate(pose, (x * scale - pose.x, y * scale - pose.y, z * scale - pose.z))
    return Wheel(place, radius * scale, friction, damping, steer, brake, hand, lat, load, long)


def physics_out(physics: VehiclePhysics, pose: Pose) -> list[Value]:
    """A vehicle's physics."""
    wheels = []
    for wheel in physics.wheels:
        at = compose(pose, Pose(*wheel.position))
        wheels.append(
            [
                wheel.friction,
                wheel.damping_rate,
                wheel.max_steer_deg,
                wheel.radius_m * 100,
                wheel.max_brake_nm,
                wheel.max_handbrake_nm,
                wheel.lat_max_load,
                wheel.lat_stiffness,
                wheel.long_stiffness,
                [each * 100 for each in plain_point(at)],
            ]
        )
    return [
        [list(point) for point in physics.torque_curve],
        physics.max_rpm,
        physics.moi,
        physics.damping_full_throttle,
        physics.damping_clutch_engaged,
        physics.damping_clutch_disengaged,
        physics.autobox,
        physics.gear_switch_s,
        physics.clutch_strength,
        physics.final_ratio,
        [[gear.ratio, gear.down_ratio, gear.up_ratio] for gear in physics.gears],
        physics.mass_kg,
        physics.drag_coefficient,
        vector_out(physics.center_of_mass),
        [list(point) for point in physics.steering_curve],
        wheels,
        physics.sweep_wheels,
    ]
