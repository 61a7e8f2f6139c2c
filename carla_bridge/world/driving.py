"""How vehicles move: a dynamic bicycle with a drive line.

Each axle is one wheel. Side forces grow with the slip of the wheel and saturate at what friction leaves beside the
force along the wheel (friction ellipse, load per axle at rest). The side motion is stepped implicitly with the secant
stiffness of the tyres, which stays stable at any speed and becomes the kinematic bicycle as the car slows down: the
stiff part of the equations (R. Rajamani, Vehicle Dynamics and Control, chapter 2) is linear in side speed and yaw
rate, so the implicit step is a 2x2 solve.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from carla_bridge.world.fleet import TABLE, TOP_SPEED_KMH, Fleet
from carla_bridge.world.physics import RPM_PER_RADPS

__all__ = ["drive"]

Float64 = NDArray[np.float64]

IDLE_RPM = 800.0
ROLLING = 0.012
"""Rolling resistance over weight."""
CREEP_MPS = 0.3
"""Wheel speed below which slip is measured as if the wheel turned this fast."""


def drive(
    fleet: Fleet,
    forward: Float64,
    left: Float64,
    turn: Float64,
    downhill: Float64,
    grip: Float64,
    gravity: Float64,
    dt: float,
) -> tuple[Float64, Float64, Float64]:
    """One step of all vehicles in their own frames.

    Args:
        fleet: parameters and state; engine speed, gear and wheel angle are updated.
        forward, left: float64 [V] m/s, velocity of the origin.
        turn: float64 [V] rad/s, yaw rate, positive to the left.
        downhill: float64 [2, V] m/s², pull of the slope forward and left.
        grip: float64 [V] 1 on the ground, 0 in the air.
        gravity: float64 [V] m/s².
        dt: seconds.

    Returns:
        ``forward``, ``left`` and ``turn`` after the step.
    """
    p, s = fleet.p, fleet.s
    mass, lf, lr = p["mass"], p["front"], p["rear"]
    side = left + turn * p["ahead"]  # of the centre of mass
    speed_kmh = np.abs(forward) * 3.6
    share = np.minimum(speed_kmh * ((TABLE - 1) / TOP_SPEED_KMH), TABLE - 1).astype(np.int64)
    angle = -s["steer"] * p["lock"] * fleet.steering[fleet.index, share]
    s["angle"][:] = angle

    engine = _engine(fleet, forward, dt)
    weight = mass * gravity
    limit = p["friction"] * weight * grip
    pull = np.clip(engine, -limit, limit)
    along = pull - p["drag"] * forward * np.abs(forward)
    speed = forward + (along / mass + downhill[0] + turn * side) * dt
    held = s["hand_brake"] * p["handbrake"]
    stop = np.minimum(s["brake"] * p["brake"] + held, limit) + ROLLING * weight * grip * (s["throttle"] <= 0.0)
    drop = np.minimum(stop / mass * dt, np.abs(speed))
    speed = speed - np.sign(speed) * drop

    # Side forces: what friction leaves, half of the force along on each axle; the hand brake is on the rear one.
    used = (np.abs(pull) + s["brake"] * p["brake"]) / np.maximum(limit, 1e-9)
    front_load, rear_load = weight * lr / (lf + lr) * grip, weight * lf / (lf + lr) * grip
    left_over = np.sqrt(np.maximum(1.0 - np.minimum(used, 1.0) ** 2, 0.04))
    rear_over = np.where(s["hand_brake"] > 0.0, 0.3, left_over)
    rolling = np.maximum(np.abs(speed), CREEP_MPS)
    cos, tan = np.cos(angle), np.tan(angle)
    front_slip = (side + lf * turn - speed * tan) * cos / rolling
    rear_slip = (side - lr * turn) / rolling
    front = _secant(front_slip, p["stiff_front"] * front_load, p["friction"] * front_load * left_over) * cos * cos
    rear = _secant(rear_slip, p["stiff_rear"] * rear_load, p["friction"] * rear_load * rear_over)
    front, rear = front / rolling, rear / rolling

    # (side', turn') of the implicit step:
    #   m side' + dt [f (side' + lf turn' - v tan) + r (side' - lr turn')] + dt m v turn' = m side + dt F
    #   I turn' + dt [lf f (side' + lf turn' - v tan) - lr r (side' - lr turn')]          = I turn
    inertia = p["yaw_inertia"]
    a11 = mass + dt * (front + rear)
    a12 = dt * (front * lf - rear * lr + mass * speed)
    a21 = dt * (front * lf - rear * lr)
    a22 = inertia + dt * (front * lf * lf + rear * lr * lr)
    aim = dt * front * speed * tan
    b1 = mass * side + dt * mass * downhill[1] * (speed != 0.0) + aim
    b2 = inertia * turn + lf * aim
    scale = 1.0 / (a11 * a22 - a12 * a21)
    side = (b1 * a22 - a12 * b2) * scale
    turn = (a11 * b2 - a21 * b1) * scale
    return speed, side - turn * p["ahead"], turn


def _secant(slip: Float64, stiffness: Float64, most: Float64) -> Float64:
    """Stiffness that gives the saturated force at a slip: ``most · tanh(stiffness · slip / most) / slip``."""
    ratio = np.abs(slip) * stiffness / np.maximum(most, 1e-9)
    return np.asarray(stiffness * np.where(ratio > 1e-6, np.tanh(ratio) / np.maximum(ratio, 1e-6), 1.0))


def _engine(fleet: Fleet, forward: Float64, dt: float) -> Float64:
    """Force along the car, N, after choosing gears."""
    p, s = fleet.p, fleet.s
    index = fleet.index
    gear, shift = s["gear"], s["shift"]
    column = gear.astype(np.int64) + 1
    rpm_per_ratio = np.abs(forward) / p["radius"] * p["final"] * RPM_PER_RADPS
    rpm = rpm_per_ratio * np.abs(fleet.ratio[index, column])

    shift[:] = np.maximum(shift - dt, 0.0)
    settled = shift <= 0.0
    share = rpm / p["max_rpm"]
    upward = settled & (gear >= 1) & (gear < p["gears"]) & (share > fleet.up[index, column])
    downward = settled & (gear > 1) & (share < fleet.down[index, column])
    lower = np.maximum(column - 1, 0)
    fits = rpm_per_ratio * np.abs(fleet.ratio[index, lower]) < fleet.up[index, lower] * p["max_rpm"]
    auto = gear + upward - (downward & fits)
    auto = np.where(s["reverse"] > 0.0, -1.0, np.where((gear < 1) & (s["throttle"] > 0.0), 1.0, np.maximum(auto, 0.0)))
    manual = np.where(s["reverse"] > 0.0, -1.0, np.minimum(s["wanted_gear"], p["gears"]))
    chosen = np.where((s["manual"] > 0.0) | (p["autobox"] == 0.0), manual, auto)
    changed = chosen != gear
    # From rest into first gear or reverse nothing has to be synchronised.
    shift[:] = np.where(changed & (rpm_per_ratio > 50.0), p["switch_s"], shift)
    gear[:] = chosen

    ratio = fleet.ratio[index, chosen.astype(np.int64) + 1]
    geared = rpm_per_ratio * np.abs(ratio)
    throttle = s["throttle"]
    # Below idling speed the clutch slips.
    rpm = np.maximum(geared, IDLE_RPM + throttle * 700.0)
    s["rpm"][:] = np.minimum(rpm, p["max_rpm"])
    place = np.minimum(rpm / p["max_rpm"] * (TABLE - 1), TABLE - 1.001)
    low = place.astype(np.int64)
    part = place - low
    torque = fleet.torque[index, low] * (1 - part) + fleet.torque[index, low + 1] * part
    torque = torque * throttle * (geared < p["max_rpm"])
    damping = p["coast_damping"] + (p["drive_damping"] - p["coast_damping"]) * throttle
    drag = damping * geared / RPM_PER_RADPS
    force = (torque * np.sign(ratio) - drag * np.sign(forward)) * np.abs(ratio) * p["final"] / p["radius"]
    return np.where(shift > 0.0, 0.0, force)
