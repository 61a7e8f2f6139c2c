"""How vehicles move in the plane: a dynamic bicycle.

Each axle is one wheel. Side forces grow with the slip of the wheel and saturate at what friction leaves beside the
force along the wheel (friction ellipse, load per axle at rest). The side motion is stepped implicitly with the secant
stiffness of the tyres, which stays stable at any speed and becomes the kinematic bicycle as the car slows down: the
stiff part of the equations (R. Rajamani, Vehicle Dynamics and Control, chapter 2) is linear in side speed and yaw
rate, so the implicit step is a 2x2 solve. The two axles are the first axis of most arrays here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from carla_bridge.world.engine import pull_of_engines
from carla_bridge.world.fleet import TABLE, TOP_SPEED_KMH, Fleet
from carla_bridge.world.motion import Float64

__all__ = ["Plane", "drive"]

ROLLING = 0.012
"""Rolling resistance over weight."""
CREEP_MPS = 0.3
"""Wheel speed below which slip is measured as if the wheel turned this fast."""
LOCKED_GRIP = 0.3
"""Share of the side force that is left on an axle with a pulled hand brake."""
LEAST_GRIP = 0.2
"""Share of the side force that is left beside any force along the wheel."""


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
    p, s = fleet.p, fleet.s
    mass, inertia, ahead, moving = p["mass"], p["yaw_inertia"], p["ahead"], p["moving"]
    lf, lr = p["front"], p["rear"]
    place = np.minimum(np.abs(plane.forward) * (3.6 * (TABLE - 1) / TOP_SPEED_KMH), TABLE - 1).astype(np.int64)
    angle = -s["steer"] * p["lock"] * fleet.steering[fleet.index, place]
    s["angle"][:] = angle

    limit = p["friction"] * weight  # m/s² that friction can give
    pull = pull_of_engines(fleet, plane.forward, dt)
    pull = np.minimum(np.maximum(pull, -limit), limit)
    s["pull"][:] = pull * mass
    pedal = s["brake"] * p["brake"] / mass
    hand = s["hand_brake"] > 0.0
    drag = ROLLING * weight * (s["throttle"] <= 0.0) + p["wheel_drag"] / mass * np.abs(plane.forward)
    stop = np.minimum(pedal + hand * p["handbrake"] / mass + drag, limit)
    used = np.minimum((np.abs(pull) + pedal) / np.maximum(limit, 1e-9), 1.0)
    share = np.maximum(np.sqrt(1.0 - used * used), LEAST_GRIP)
    load = weight * mass / (lf + lr)
    most = np.array(
        [p["grip_front"] * lr * share, p["grip_rear"] * lf * np.where(hand, LOCKED_GRIP, share)],
    ) * (limit * mass / (lf + lr))
    cos, tan = np.cos(angle), np.tan(angle)
    ones = np.ones_like(cos)
    across = np.array([cos, ones])
    stiff = np.array([p["stiff_front"] * load * lr, p["stiff_rear"] * load * lf]) * across
    per_slip = stiff / np.maximum(most, 1e-9)  # of the axle's own side slip
    stiff = stiff * across
    arm = np.array([lf, -lr])

    part = dt / steps
    part_stop, part_drag = stop * part, p["drag"] / mass
    part_mass, part_moving = mass * part, moving * part
    cruising = bool(fleet.cruising.any())
    speed, turn, side = plane.forward, plane.turn, plane.left + plane.turn * ahead  # of the centre of mass
    for _ in range(steps):
        # Air drag is implicit: an explicit step of it would overshoot zero at speeds that only a client can set.
        speed = (speed + (pull + downhill[0] + turn * side) * part) / (1.0 + part_drag * np.abs(speed) * part)
        fast = np.maximum(np.abs(speed) - part_stop, 0.0)
        speed = np.copysign(fast, speed)
        rolling = np.maximum(fast, CREEP_MPS)
        aimed = speed * tan
        slip = side + arm * turn
        slip[0] -= aimed
        ratio = np.maximum(np.abs(slip) * per_slip / rolling, 1e-9)
        force = stiff * (np.tanh(ratio) / ratio) * (part / rolling)  # N s per m/s of side slip
        moment = force * arm

        # (side', turn') of the implicit step, f and r the axles' forces per slip:
        #   m side' + f (side' + lf turn' - v tan) + r (side' - lr turn') + dt m v turn' = m side + dt m downhill
        #   I turn' + lf f (side' + lf turn' - v tan) - lr r (side' - lr turn')          = I turn
        a11 = mass + force[0] + force[1]
        a21 = moment[0] + moment[1]
        a12 = a21 + part_mass * speed
        second = moment * arm
        a22 = inertia + second[0] + second[1]
        aim = force[0] * aimed
        b1 = mass * side + aim + part_mass * downhill[1] * (fast > 0.0)
        b2 = inertia * turn + lf * aim
        scale = 1.0 / (a11 * a22 - a12 * a21)
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
    fleet.told[0:2] = slip / rolling
    fleet.told[2:4] = -force * slip / part
