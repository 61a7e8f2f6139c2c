"""The only place where CARLA's left-handed frame meets avrec's right-handed one.

CARLA: x forward or east, y **right**, z up, rotations ``(pitch, yaw, roll)`` in degrees, yaw from x towards y, pitch
nose up, roll right side down. avrec: x, y **left**, z up, ``(roll, pitch, yaw)`` in radians with
``R = Rz(yaw) Ry(pitch) Rx(roll)``. Mirroring y turns one into the other: points and velocities change the sign of y,
rotation vectors (angular velocity, torque) those of x and z, and of the angles yaw and pitch.

Everything is float64 and batched over leading axes, and every function here that maps three numbers to three numbers
is its own inverse, except for the unit of the angles.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avrec.geometry import matrix_from_rpy, rpy_from_matrix, transform_from

__all__ = [
    "flip_axial",
    "flip_points",
    "matrix_from_carla",
    "matrix_to_carla",
    "rotation_to_carla",
    "rpy_from_carla",
]

Float64 = NDArray[np.float64]

_POLAR = np.array([1.0, -1.0, 1.0])
_AXIAL = np.array([-1.0, 1.0, -1.0])


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
