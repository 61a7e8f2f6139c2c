"""How people move who are told a direction and a speed."""

from __future__ import annotations

from dataclasses import dataclass
from math import atan2, hypot

import numpy as np
from numpy.typing import NDArray

from carla_bridge.world.ground import Ground
from carla_bridge.world.pose import Vector

__all__ = ["Gait", "walk"]

Float64 = NDArray[np.float64]

JUMP_MPS = 4.2
MAX_SPEED_MPS = 20.0


@dataclass(slots=True)
class Gait:
    """What a walker was told: a direction in the world, a speed in m/s, and whether to jump."""

    direction: Vector = (1.0, 0.0, 0.0)
    speed: float = 0.0
    jump: bool = False


def walk(motion: Float64, row: int, gait: Gait, half_z: float, ground: Ground, gravity: float, dt: float) -> None:
    """Move one walker, whose origin is the middle of its box, and put it on the ground.

    Args:
        motion: float64 [N, 15] of the world, changed in place.
        row: of the walker.
        gait: what it does.
        half_z: half of its height, metres.
        ground: to stand on.
        gravity: m/s², 0 to float.
        dt: seconds.
    """
    x, y, z, _, _, yaw, vx, vy, vz = motion[row, :9].tolist()
    dx, dy, _ = gait.direction
    length = hypot(dx, dy)
    speed = min(max(gait.speed, 0.0), MAX_SPEED_MPS) if length > 1e-6 else 0.0
    new_vx, new_vy = (speed * dx / length, speed * dy / length) if speed else (0.0, 0.0)
    if speed:
        yaw = atan2(dy, dx)
    x, y = x + new_vx * dt, y + new_vy * dt
    floor = ground.height(x, y, z - half_z) + half_z
    standing = z <= floor + 0.05
    new_vz = 0.0
    if gravity > 0.0:
        if standing and gait.jump:
            new_vz = JUMP_MPS
        elif not standing:
            new_vz = vz - gravity * dt
        z = z + new_vz * dt
        if z <= floor or (standing and new_vz <= 0.0):
            z, new_vz = floor, 0.0
    motion[row, :9] = x, y, z, 0.0, 0.0, yaw, new_vx, new_vy, new_vz
    motion[row, 9:12] = 0.0
    motion[row, 12:15] = (new_vx - vx) / dt, (new_vy - vy) / dt, (new_vz - vz) / dt
