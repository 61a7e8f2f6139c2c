"""How vehicles move in the plane: a dynamic bicycle.

Each axle is one wheel. Side forces grow with the slip of the wheel and saturate at what friction leaves beside the
force along the wheel (friction ellipse, load per axle at rest). The side motion is stepped implicitly with the secant
stiffness of the tyres, which stays stable at any speed and becomes the kinematic bicycle as the car slows down: the
stiff part of the equations (R. Rajamani, Vehicle Dynamics and Control, chapter 2) is linear in side speed and yaw
rate, so the implicit step is a 2x2 solve. The two axles are the first axis of most arrays here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from carla_bridge.world.engine import pull_of_engines
from carla_bridge.world.fleet import TABLE, TOP_SPEED_KMH, Fleet
from carla_bridge.world.motion import Float64

__all__ = ["Plane", "drive"]

# Arrays without axes: with a few vehicles numpy takes twice as long for a step with a Python number.
ROLLING = np.array(0.012)
"""Rolling resistance over weight."""
CREEP_MPS = np.array(0.3)
"""Wheel speed below which slip is measured as if the wheel turned this fast."""
LOCKED_GRIP = np.array(0.3)
"""Share of the side force that is left on an axle with a pulled hand brake."""
LEAST_GRIP = np.array(0.2)
"""Share of the side force that is left beside any force along the wheel."""
NOTHING, TINY, ONE = np.array(0.0), np.array(1e-9), np.array(1.0)
PLACE_PER_MPS, LAST_PLACE = np.array(3.6 * (TABLE - 1) / TOP_SPEED_KMH), np.array(TABLE - 1.0)
"""Of the steering table."""


@dataclass(slots=True)
class Plane:
    """Where vehicles are and how they move in the plane: float64 [V] each.

    Metres and radians in the world; ``forward`` and ``left`` m/s of the origin in the vehicle's own frame, ``turn``
    rad/s to the left; ``cos`` and ``sin`` of the heading.
    """

    x: Float64
    y: Float64
    yaw: Float64
    forward: Float64
    left: Float64
    turn: Float64
    cos: Float64
    sin: Float64


class _Tyres(NamedTuple):
    """What the wheels do during a call, float64 [V], or [2, V] for the two axles: m/s², newtons, radians.

    ``pull`` and ``stop`` of engine and brakes, ``aim`` the tangent of the wheels' angle, ``stiff`` the axles' side
    force over their side slip, ``per_slip`` the same over the most that friction gives.
    """

    pull: Float64
    stop: Float64
    aim: Float64
    stiff: Float64
    per_slip: Float64


def drive(
    fleet: Fleet, plane: Plane, downhill: tuple[Float64, Float64], weight: Float64, dt: float, steps: int
) -> None:
    """Move all vehicles by ``dt`` seconds in equal steps; ``plane``, gears and wheel angles change in place.

    Args:
        fleet: parameters, controls, state.
        plane: positions and velocities.
        downhill: float64 [V] m/s² each, pull of the slope forward and left.
        weight: float64 [V] m/s² that presses the wheels onto the ground, 0 in the air.
        dt: seconds.
        steps: how many.
    """
    p, fixed = fleet.p, fleet.constants
    mass, inertia, ahead, front = p["mass"], p["yaw_inertia"], p["ahead"], p["front"]
    tyres = _tyres(fleet, plane.forward, weight, dt)
    part = np.array(dt / steps)
    part_stop, part_mass, part_moving = tyres.stop * part, mass * part, p["moving"] * part
    push, side_push = tyres.pull + downhill[0], part_mass * downhill[1]
    cruising = np.count_nonzero(fleet.cruising) > 0
    speed, turn, side = plane.forward, plane.turn, plane.left + plane.turn * ahead  # of the centre of mass
    for _ in range(steps):
        # Air drag is implicit: an explicit step of it would overshoot zero at speeds that only a client can set.
        speed = (speed + (push + turn * side) * part) / (ONE + fixed.drag * np.abs(speed) * part)
        fast = np.maximum(np.abs(speed) - part_stop, NOTHING)
        speed = np.copysign(fast, speed)
        rolling = np.maximum(fast, CREEP_MPS)
        aimed = speed * tyres.aim
        rolls = np.array((rolling, rolling))
        slip = np.array((side, side)) + fixed.arm * np.array((turn, turn))
        slip[0] -= aimed
        ratio = np.maximum(np.abs(slip) * tyres.per_slip / rolls, TINY)
        force = tyres.stiff * (np.tanh(ratio) / ratio) * (part / rolls)  # N s per m/s of side slip
        moment = force * fixed.arm

        # (side', turn') of the implicit step, f and r the axles' forces per slip:
        #   m side' + f (side' + lf turn' - v tan) + r (side' - lr turn') + dt m v turn' = m side + dt m downhill
        #   I turn' + lf f (side' + lf turn' - v tan) - lr r (side' - lr turn')          = I turn
        force_front, force_rear = force
        a11 = mass + force_front + force_rear
        a21 = moment[0] + moment[1]
        a12 = a21 + part_mass * speed
        second = moment * fixed.arm
        a22 = inertia + second[0] + second[1]
        aim = force_front * aimed
        b1 = mass * side + aim + side_push * np.sign(fast)
        b2 = inertia * turn + front * aim
        scale = ONE / (a11 * a22 - a12 * a21)
        side = (b1 * a22 - a12 * b2) * scale
        turn = (a11 * b2 - a21 * b1) * scale

        left = side - turn * ahead
        if cruising:
            speed = np.where(fleet.cruising > 0.0, fleet.cruise[0], speed)
            left = np.where(fleet.cruising > 0.0, fleet.cruise[1], left)
            side = left + turn * ahead
        plane.yaw = plane.yaw + turn * part_moving
        plane.cos, plane.sin = np.cos(plane.yaw), np.sin(plane.yaw)
        plane.x = plane.x + (speed * plane.cos - left * plane.sin) * part_moving
        plane.y = plane.y + (speed * plane.sin + left * plane.cos) * part_moving
    plane.forward, plane.left, plane.turn = speed, side - turn * ahead, turn
    fleet.told[0:2] = slip / rolls
    fleet.told[2:4] = -force * slip / part


def _tyres(fleet: Fleet, forward: Float64, weight: Float64, dt: float) -> _Tyres:
    """Turn wheels, engines and brakes as the controls say; ``forward`` m/s and ``weight`` m/s² are float64 [V]."""
    p, s, fixed = fleet.p, fleet.s, fleet.constants
    mass, speed = p["mass"], np.abs(forward)
    place = np.minimum(speed * PLACE_PER_MPS, LAST_PLACE).astype(np.int64)
    s["angle"][:] = angle = -s["steer"] * p["lock"] * fleet.steering.take(fleet.table_row + place)

    limit = p["friction"] * weight  # m/s² that friction can give
    pull = np.minimum(np.maximum(pull_of_engines(fleet, forward, dt), -limit), limit)
    s["pull"][:] = pull * mass
    pedal = s["brake"] * p["brake"] / mass
    drag = ROLLING * weight * (s["throttle"] <= NOTHING) + fixed.wheel_drag * speed
    stop = np.minimum(pedal + s["hand_brake"] * fixed.hand_brake + drag, limit)
    used = np.minimum((np.abs(pull) + pedal) / np.maximum(limit, TINY), ONE)
    share = np.maximum(np.sqrt(ONE - used * used), LEAST_GRIP)
    held = np.where(s["hand_brake"] > NOTHING, LOCKED_GRIP, share)
    most = limit * mass / fixed.base
    most = fixed.grip * np.array((share, held)) * np.array((most, most))
    load = weight * mass / fixed.base
    across = np.array((np.cos(angle), np.ones(fleet.count)))
    stiff = fixed.stiff * np.array((load, load)) * fixed.lever * across
    per_slip = stiff / np.maximum(most, TINY)  # of the axle's own side slip
    return _Tyres(pull, stop, np.tan(angle), stiff * across, per_slip)
