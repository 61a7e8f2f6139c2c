"""One step of all vehicles in the world: driving in the plane, standing on the ground or falling to it."""

from __future__ import annotations

import numpy as np

from carla_bridge.world.driving import drive
from carla_bridge.world.fleet import Fleet
from carla_bridge.world.ground import Ground
from carla_bridge.world.motion import Float64

__all__ = ["step_vehicles"]

STICK_M = 0.1
"""A wheel on the ground follows it down by up to this in a step; deeper drops are flown."""


def step_vehicles(fleet: Fleet, motion: Float64, ground: Ground, gravity: float, dt: float, steps: int) -> None:
    """Move all vehicles by ``dt`` seconds in ``steps`` equal parts; ``motion`` float64 [N, 15] changes in place."""
    if not fleet.count:
        return
    row, p = fleet.row, fleet.p
    before = motion[row]
    x, y, z, _, _, yaw, vx, vy, vz, _, _, turn, *_ = np.ascontiguousarray(before.T)
    moving = p["moving"]
    weight = p["weight"] * gravity
    grip = fleet.grip
    cos, sin = np.cos(yaw), np.sin(yaw)
    downhill = (
        -weight
        * grip
        * np.stack([fleet.slope[0] * cos + fleet.slope[1] * sin, fleet.slope[1] * cos - fleet.slope[0] * sin])
    )
    if fleet.pushed:
        vx = vx + fleet.push[0] / p["mass"] * dt
        vy = vy + fleet.push[1] / p["mass"] * dt
        turn = turn + fleet.push[3] / p["yaw_inertia"] * dt
        vz = vz + fleet.push[2] / p["mass"] * dt
        fleet.push[:] = 0.0
        fleet.pushed = False
    forward, left = vx * cos + vy * sin, vy * cos - vx * sin
    part = dt / steps
    cruising = bool(fleet.cruising.any())
    for _ in range(steps):
        forward, left, turn = drive(fleet, forward, left, turn, downhill, grip, weight, part)
        if cruising:
            forward = np.where(fleet.cruising > 0.0, fleet.cruise[0], forward)
            left = np.where(fleet.cruising > 0.0, fleet.cruise[1], left)
        yaw = yaw + turn * (part * moving)
        cos, sin = np.cos(yaw), np.sin(yaw)
        vx, vy = forward * cos - left * sin, forward * sin + left * cos
        x = x + vx * (part * moving)
        y = y + vy * (part * moving)

    under = ground.at(x, y, z)
    fleet.slope[0], fleet.slope[1] = under.slope_x, under.slope_y
    fleet.lane[:] = under.lane
    falling = vz - weight * dt
    fallen = z + falling * dt
    landed = (fallen <= under.z + STICK_M * grip) & (weight > 0.0)
    z = np.where(landed, under.z, fallen)
    vz = np.where(landed, under.slope_x * vx + under.slope_y * vy, falling)
    fleet.grip[:] = landed
    pitch = np.where(landed, -np.arctan(under.slope_x * cos + under.slope_y * sin), before[:, 4])
    roll = np.where(landed, np.arctan(under.slope_y * cos - under.slope_x * sin), before[:, 3])

    after = np.empty_like(before)
    still = np.zeros_like(x)
    for column, values in enumerate(
        (x, y, z, roll, pitch, _wrapped(yaw), vx, vy, vz, still, still, turn, still, still, still)
    ):
        after[:, column] = values
    motion[row] = np.where(moving[:, None] > 0.0, after, before)


def _wrapped(angle: Float64) -> Float64:
    return angle - 2 * np.pi * np.round(angle / (2 * np.pi))
