"""One step of all vehicles in the world: driving in the plane, standing on the ground or falling to it."""

from __future__ import annotations

import numpy as np

from carla_bridge.world.driving import Plane, drive
from carla_bridge.world.fleet import Fleet
from carla_bridge.world.ground import Ground
from carla_bridge.world.motion import Float64

__all__ = ["FASTEST_MPS", "step_vehicles"]

STICK_M = 0.1
"""A wheel on the ground follows it down by up to this in a step; deeper drops are flown."""
FULL_TURN = 2 * np.pi
FASTEST_MPS, FASTEST_RADPS = 1000.0, 50.0
"""Clients may ask for more; the equations would not stay finite, or gain energy from turns of a radian in a step."""


def step_vehicles(fleet: Fleet, motion: Float64, ground: Ground, gravity: float, dt: float, steps: int) -> None:
    """Move all vehicles by ``dt`` seconds in ``steps`` equal parts; ``motion`` float64 [N, 15] changes in place."""
    if not fleet.count:
        return
    row, p = fleet.row, fleet.p
    before = motion[row].T
    x, y, z, roll, pitch, yaw, vx, vy, vz, _, _, turn = before[:12]
    pull = p["weight"] * gravity
    cos, sin = np.cos(yaw), np.sin(yaw)
    if fleet.pushed:
        vx, vy, vz = (v + force / p["mass"] * dt for v, force in zip((vx, vy, vz), fleet.push[:3], strict=True))
        turn = turn + fleet.push[3] / p["yaw_inertia"] * dt
        fleet.push[:] = 0.0
        fleet.pushed = False
    fastest = max(np.abs(vx).max(), np.abs(vy).max(), np.abs(vz).max(), np.abs(turn).max())
    if not fastest <= min(FASTEST_MPS, FASTEST_RADPS):
        vx, vy, vz = (np.clip(each, -FASTEST_MPS, FASTEST_MPS) for each in (vx, vy, vz))
        turn = np.clip(turn, -FASTEST_RADPS, FASTEST_RADPS)
    plane = Plane(x, y, yaw, vx * cos + vy * sin, vy * cos - vx * sin, turn, cos, sin)
    pressed = pull * fleet.grip
    along, across = fleet.slope
    drive(
        fleet,
        plane,
        (-pressed * (along * cos + across * sin), -pressed * (across * cos - along * sin)),
        pressed,
        dt,
        steps,
    )
    cos, sin, x, y = plane.cos, plane.sin, plane.x, plane.y
    vx, vy = plane.forward * cos - plane.left * sin, plane.forward * sin + plane.left * cos

    under = ground.at(x, y, z)
    along, across = fleet.slope[:] = under.slope_x, under.slope_y
    fleet.lane[:] = under.lane
    falling = vz - pull * dt
    fallen = z + falling * dt
    landed = (fallen <= under.z + STICK_M * fleet.grip) & (pull > 0.0)
    fleet.grip[:] = landed
    if landed.all():
        z, vz = under.z, along * vx + across * vy
        pitch, roll = -np.arctan(along * cos + across * sin), np.arctan(across * cos - along * sin)
    else:
        z = np.where(landed, under.z, fallen)
        vz = np.where(landed, along * vx + across * vy, falling)
        pitch = np.where(landed, -np.arctan(along * cos + across * sin), pitch)
        roll = np.where(landed, np.arctan(across * cos - along * sin), roll)
    yaw = plane.yaw - FULL_TURN * np.rint(plane.yaw / FULL_TURN)
    still = np.zeros_like(x)
    after = np.array([x, y, z, roll, pitch, yaw, vx, vy, vz, still, still, plane.turn])
    moving = p["moving"] > 0.0
    if moving.all():
        motion[row, :12] = after.T
    else:
        motion[row, :12] = np.where(moving, after, before[:12]).T
