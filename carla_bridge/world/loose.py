"""Things that were set loose: they fall, are pushed along, and rub until they lie still."""

from __future__ import annotations

import numpy as np

from carla_bridge.world.actor import ActorSpec
from carla_bridge.world.ground import Ground
from carla_bridge.world.motion import Float64

__all__ = ["mass_of_thing", "slide"]

FRICTION = 0.6
SPIN_STOP_S = 0.5
"""Time in which rubbing takes most of a thing's turning."""


def slide(motion: Float64, row: int, raised_m: float, ground: Ground, gravity: float, dt: float) -> None:
    """Move one thing that slides on its foot.

    Args:
        motion: float64 [N, 15] of the world, changed in place.
        row: of the thing.
        raised_m: height of its origin above its foot.
        ground: to lie on.
        gravity: m/s², 0 to float.
        dt: seconds.
    """
    x, y, z, _, _, yaw, vx, vy, vz, _, _, turn = motion[row, :12].tolist()
    x, y, yaw = x + vx * dt, y + vy * dt, yaw + turn * dt
    vz -= gravity * dt
    z += vz * dt
    floor = ground.height(x, y, z - raised_m) + raised_m
    if gravity > 0.0 and z <= floor:
        z, vz = floor, 0.0
        speed = float(np.hypot(vx, vy))
        left = max(speed - FRICTION * gravity * dt, 0.0) / max(speed, 1e-9)
        vx, vy = vx * left, vy * left
        turn *= float(np.exp(-dt / SPIN_STOP_S)) if left > 0.0 else 0.0
    yaw -= 2 * np.pi * round(yaw / (2 * np.pi))
    motion[row, [0, 1, 2, 5, 6, 7, 8, 11]] = x, y, z, yaw, vx, vy, vz, turn


def mass_of_thing(spec: ActorSpec) -> float:
    """Of a box of 100 kg per cubic metre, in kg: cones and bins are hollow."""
    x, y, z = spec.half
    return min(max(800.0 * x * y * z, 0.5), 500.0)
