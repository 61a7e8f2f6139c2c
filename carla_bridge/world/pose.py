"""Position and attitude of one body as six plain numbers, for the places where a matrix would be too slow."""

from __future__ import annotations

from math import asin, atan2, cos, sin
from typing import NamedTuple

__all__ = ["ORIGIN", "Pose", "Rows", "Vector", "compose", "rotate", "rows", "unrotate"]

Vector = tuple[float, float, float]
Rows = tuple[Vector, Vector, Vector]


class Pose(NamedTuple):
    """``world_from_body``: metres, and radians with ``R = Rz(yaw) Ry(pitch) Rx(roll)``; x forward, y left, z up."""

    x: float = 0.0
    y: float = 0.0
    z: float = 0.0
    roll: float = 0.0
    pitch: float = 0.0
    yaw: float = 0.0

    @property
    def position(self) -> Vector:
        """x, y and z."""
        return self[0], self[1], self[2]


ORIGIN = Pose()


def rows(pose: Pose) -> Rows:
    """The three rows of the rotation matrix."""
    cr, sr = cos(pose.roll), sin(pose.roll)
    cp, sp = cos(pose.pitch), sin(pose.pitch)
    cy, sy = cos(pose.yaw), sin(pose.yaw)
    return (
        (cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr),
        (sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr),
        (-sp, cp * sr, cp * cr),
    )


def rotate(pose: Pose, vector: Vector) -> Vector:
    """A vector of the body's frame in the world's."""
    x, y, z = vector
    a, b, c = rows(pose)
    return (
        a[0] * x + a[1] * y + a[2] * z,
        b[0] * x + b[1] * y + b[2] * z,
        c[0] * x + c[1] * y + c[2] * z,
    )


def unrotate(pose: Pose, vector: Vector) -> Vector:
    """A vector of the world's frame in the body's."""
    x, y, z = vector
    a, b, c = rows(pose)
    return (
        a[0] * x + b[0] * y + c[0] * z,
        a[1] * x + b[1] * y + c[1] * z,
        a[2] * x + b[2] * y + c[2] * z,
    )


def compose(parent: Pose, child: Pose) -> Pose:
    """World pose of a body that is mounted on another one with pose ``child`` in the parent's frame."""
    if child[3:] == (0.0, 0.0, 0.0):
        x, y, z = rotate(parent, child.position)
        return Pose(parent.x + x, parent.y + y, parent.z + z, parent.roll, parent.pitch, parent.yaw)
    p, c = rows(parent), rows(child)
    x, y, z = rotate(parent, child.position)
    m = [[p[i][0] * c[0][j] + p[i][1] * c[1][j] + p[i][2] * c[2][j] for j in range(3)] for i in range(3)]
    return Pose(
        parent.x + x,
        parent.y + y,
        parent.z + z,
        atan2(m[2][1], m[2][2]),
        -asin(min(max(m[2][0], -1.0), 1.0)),
        atan2(m[1][0], m[0][0]),
    )
