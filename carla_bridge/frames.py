"""The only place where CARLA's left-handed frame meets avrec's right-handed one.

CARLA: x forward or east, y **right**, z up, rotations ``(pitch, yaw, roll)`` in degrees, yaw from x towards y, pitch
nose up, roll right side down. avrec: x, y **left**, z up, ``(roll, pitch, yaw)`` in radians with
``R = Rz(yaw) Ry(pitch) Rx(roll)``. Mirroring y turns one into the other: points and velocities change the sign of y,
rotation vectors (angular velocity, torque) those of x and z, and of the angles yaw and pitch.

Arrays are float64 and batched over leading axes; ``plain_*`` functions take and give single numbers, for places that
meet one vector at a time, where arrays would be slow. What maps three numbers to three numbers is its own inverse,
except for the unit of the angles.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import degrees, radians

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avrec.geometry import matrix_from_rpy, rpy_from_matrix, transform_from

__all__ = [
    "flip_axial",
    "flip_points",
    "matrix_from_carla",
    "matrix_to_carla",
    "motion_to_carla",
    "plain_axial",
    "plain_point",
    "plain_rotation_to_carla",
    "plain_rpy_from_carla",
    "rotation_to_carla",
    "rpy_from_carla",
]

Float64 = NDArray[np.float64]

_POLAR = np.array([1.0, -1.0, 1.0])
_AXIAL = np.array([-1.0, 1.0, -1.0])
_ANGLES = np.degrees([-1.0, -1.0, 1.0])
_MOTION_ORDER = np.array([0, 1, 2, 4, 5, 3, 6, 7, 8, 9, 10, 11, 12, 13, 14])
_MOTION_SCALE = np.concatenate([_POLAR, _ANGLES, _POLAR, np.degrees(_AXIAL), _POLAR])


def flip_points(points: ArrayLike) -> Float64:
    """Points, velocities, forces [..., 3] from either frame to the other."""
    return np.asarray(np.asarray(points, dtype=np.float64) * _POLAR)


def flip_axial(vectors: ArrayLike) -> Float64:
    """Angular velocities and torques [..., 3] from either frame to the other; the unit stays."""
    return np.asarray(np.asarray(vectors, dtype=np.float64) * _AXIAL)


def rpy_from_carla(rotation_deg: ArrayLike) -> Float64:
    """``(pitch, yaw, roll)`` degrees [..., 3] of CARLA as ``(roll, pitch, yaw)`` radians [..., 3]."""
    angles = np.radians(np.asarray(rotation_deg, dtype=np.float64))
    return np.stack([angles[..., 2], -angles[..., 0], -angles[..., 1]], axis=-1)


def rotation_to_carla(rpy_rad: ArrayLike) -> Float64:
    """``(roll, pitch, yaw)`` radians [..., 3] as CARLA's ``(pitch, yaw, roll)`` degrees [..., 3]."""
    angles = np.degrees(np.asarray(rpy_rad, dtype=np.float64))
    return np.stack([-angles[..., 1], -angles[..., 2], angles[..., 0]], axis=-1)


def matrix_from_carla(location: ArrayLike, rotation_deg: ArrayLike) -> Float64:
    """A CARLA transform as ``world_from_body`` [..., 4, 4]; the body's frame is x forward, y left, z up."""
    roll, pitch, yaw = np.moveaxis(rpy_from_carla(rotation_deg), -1, 0)
    return transform_from(matrix_from_rpy(roll, pitch, yaw), flip_points(location))


def matrix_to_carla(world_from_body: ArrayLike) -> tuple[Float64, Float64]:
    """CARLA's location [..., 3] in metres and rotation [..., 3] in degrees of rigid transforms [..., 4, 4]."""
    matrix = np.asarray(world_from_body, dtype=np.float64)
    rpy = np.stack(rpy_from_matrix(matrix[..., :3, :3]), axis=-1)
    return flip_points(matrix[..., :3, 3]), rotation_to_carla(rpy)


def motion_to_carla(motion: Float64) -> Float64:
    """Rows of the embedded world's motion [N, 15] (see `carla_bridge.world.motion`) in CARLA's frame and units.

    Metres; pitch, yaw, roll in degrees; m/s; degrees/s; m/s².
    """
    return np.asarray(motion[:, _MOTION_ORDER] * _MOTION_SCALE)


def plain_point(vector: Sequence[float]) -> tuple[float, float, float]:
    """`flip_points` of one vector."""
    return vector[0], -vector[1], vector[2]


def plain_axial(vector: Sequence[float]) -> tuple[float, float, float]:
    """`flip_axial` of one vector."""
    return -vector[0], vector[1], -vector[2]


def plain_rpy_from_carla(rotation_deg: Sequence[float]) -> tuple[float, float, float]:
    """`rpy_from_carla` of one rotation."""
    pitch, yaw, roll = rotation_deg
    return radians(roll), -radians(pitch), -radians(yaw)


def plain_rotation_to_carla(rpy_rad: Sequence[float]) -> tuple[float, float, float]:
    """`rotation_to_carla` of one rotation."""
    roll, pitch, yaw = rpy_rad
    return -degrees(pitch), -degrees(yaw), degrees(roll)
