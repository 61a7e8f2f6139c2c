"""One step of all vehicles in the world: driving in the plane, standing on the ground or falling to it."""

from __future__ import annotations

import numpy as np

from carla_bridge.world.driving import Plane, drive
from carla_bridge.world.fleet import Fleet
from carla_bridge.world.ground import Ground
from carla_bridge.world.motion import Float64

__all__ = ["FASTEST_MPS", "step_vehicles"]

# Arrays without axes: with a few vehicles numpy takes twice as long for a step with a Python number.
STICK_M = np.array(0.1)
"""A wheel on the ground follows it down by up to this in a step; deeper drops are flown."""
NOTHING = np.array(0.0)
FULL_TURN = np.array(2 * np.pi)
FASTEST_MPS, FASTEST_RADPS = 1000.0, 50.0
"""Clients may ask for more; the equations would not stay finite, or gain energy from turns of a radian in a step."""


def step_vehicles(fleet: Fleet, motion: Float64, ground: Ground, gravity: float, dt: float, steps: int) -> None:
    """Move all vehicles by ``dt`` seconds in ``steps`` equal parts; ``motion`` float64 [N, 15] changes in place."""
    if not fleet.count:
        return
    row, p = fleet.row, fleet.p
    before = np.ascontiguousarray(motion.take(row, axis=0).T[:12])
    x, y, z, roll, pitch, yaw = before[:6]
    vx, vy, vz, turn = _speeds(fleet, before[6:], dt)
    pull = p["weight"] * np.array(gravity)
    cos, sin = np.cos(yaw), np.sin(yaw)
    plane = Plane(x, y, yaw, vx * cos + vy * sin, vy * cos - vx * sin, turn, cos, sin)
    pressed = pull * fleet.grip
    along, across = fleet.slope
    downhill = -pressed * (along * cos + across * sin), -pressed * (across * cos - along * sin)
    drive(fleet, plane, downhill, pressed, dt, steps)
    cos, sin, x, y = plane.cos, plane.sin, plane.x, plane.y
    vx, vy = plane.forward * cos - plane.left * sin, plane.forward * sin + plane.left * cos

    under = ground.at(x, y, z)
    along[:], across[:], fleet.lane[:] = under.slope_x, under.slope_y, under.lane
    step = np.array(dt)
    falling = vz - pull * step
    fallen = z + falling * step
    landed = (fallen <= under.z + STICK_M * fleet.grip) & (pull > NOTHING)
    fleet.grip[:] = landed
    lean = -np.arctan(along * cos + across * sin), np.arctan(across * cos - along * sin)
    after = np.zeros_like(before)
    after[0], after[1], after[5] = x, y, plane.yaw - FULL_TURN * np.rint(plane.yaw / FULL_TURN)
    after[6], after[7], after[11] = vx, vy, plane.turn
    if np.count_nonzero(landed) == fleet.count:
        after[2], after[8] = under.z, along * vx + across * vy
        after[4], after[3] = lean
    else:
        after[2] = np.where(landed, under.z, fallen)
        after[8] = np.where(landed, along * vx + across * vy, falling)
        after[4], after[3] = np.where(landed, lean[0], pitch), np.where(landed, lean[1], roll)
    if np.count_nonzero(p["moving"]) < fleet.count:
        after = np.where(p["moving"] > NOTHING, after, before)
    motion[row, :12] = after.T


def _speeds(fleet: Fleet, motion: Float64, dt: float) -> tuple[Float64, Float64, Float64, Float64]:
    """Velocity and turn after this step's pushes, within bounds, of ``motion`` float64 [6, V]."""
    p = fleet.p
    vx, vy, vz, _, _, turn = motion
    if fleet.pushed:
        vx, vy, vz = (v + force / p["mass"] * dt for v, force in zip((vx, vy, vz), fleet.push[:3], strict=True))
        turn = turn + fleet.push[3] / p["yaw_inertia"] * dt
        fleet.push[:] = 0.0
        fleet.pushed = False
    fastest = np.abs(np.array((vx, vy, vz, turn))).max()
    if not fastest <= min(FASTEST_MPS, FASTEST_RADPS):
        vx, vy, vz = (np.clip(each, -FASTEST_MPS, FASTEST_MPS) for each in (vx, vy, vz))
        turn = np.clip(turn, -FASTEST_RADPS, FASTEST_RADPS)
    return vx, vy, vz, turn
