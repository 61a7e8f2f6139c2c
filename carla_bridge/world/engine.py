"""Engines and gearboxes."""

from __future__ import annotations

import numpy as np

from carla_bridge.world.fleet import TABLE, Fleet
from carla_bridge.world.motion import Float64
from carla_bridge.world.physics import RPM_PER_RADPS

__all__ = ["pull_of_engines"]

IDLE_RPM = 800.0
LAUNCH_RPM = 700.0
"""What a full throttle adds while the clutch slips."""
SYNCHRONISED_RPM = 50.0
"""Wheels slower than this, times the final ratio, take a gear without waiting."""


def pull_of_engines(fleet: Fleet, forward: Float64, dt: float) -> Float64:
    """Choose gears, turn engines, and give the acceleration along each vehicle: float64 [V] m/s².

    Args:
        fleet: engine speed, gear and shifting time are updated.
        forward: float64 [V] m/s.
        dt: seconds since the last call.
    """
    p, s, index = fleet.p, fleet.s, fleet.index
    gear, shift = s["gear"], s["shift"]
    at_axle = np.abs(forward) * (RPM_PER_RADPS * p["final"] / p["radius"])  # engine speed per gear ratio
    shift[:] = np.maximum(shift - dt, 0.0)
    chosen = _chosen_gear(fleet, at_axle)
    if (chosen != gear).any():
        shift[:] = np.where((chosen != gear) & (at_axle > SYNCHRONISED_RPM), p["switch_s"], shift)
        gear[:] = chosen

    ratio = fleet.ratio[index, chosen.astype(np.int64) + 1]
    size = np.abs(ratio)
    geared = at_axle * size
    throttle = s["throttle"]
    free = (size == 0.0) | (shift > 0.0)  # the clutch is open
    rpm = np.minimum(np.maximum(geared, IDLE_RPM + throttle * LAUNCH_RPM), p["max_rpm"])
    if free.any():
        rpm = np.where(free, np.minimum(np.maximum(s["rpm"], IDLE_RPM), p["max_rpm"]), rpm)
    place = rpm * ((TABLE - 1.001) / p["max_rpm"])
    low = place.astype(np.int64)
    below = fleet.torque[index, low]
    torque = (below + (fleet.torque[index, low + 1] - below) * (place - low)) * throttle
    if free.any():  # the engine turns by itself: an implicit step of moi w' = torque - damping w
        radps = (rpm / RPM_PER_RADPS * p["moi"] + torque * dt) / (p["moi"] + p["free_damping"] * dt)
        rpm = np.where(free, np.minimum(np.maximum(radps * RPM_PER_RADPS, IDLE_RPM), p["max_rpm"]), rpm)
    # A clutch passes on its strength times its slip, which is most with the engine at its highest speed.
    most = p["clutch"] * np.maximum(p["max_rpm"] - geared, 0.0) / RPM_PER_RADPS
    torque = np.minimum(torque * (geared < p["max_rpm"]), most)
    slip = torque * RPM_PER_RADPS / np.maximum(p["clutch"], 1e-9)
    s["rpm"][:] = np.where(free, rpm, np.minimum(np.maximum(rpm, geared + slip), p["max_rpm"]))
    damping = p["coast_damping"] + (p["drive_damping"] - p["coast_damping"]) * throttle
    drag = damping * geared / RPM_PER_RADPS
    lever = size * p["final"] / p["radius"]
    force = (torque * np.sign(ratio) - drag * np.sign(forward)) * lever
    turned = p["moi"] * lever * lever * (geared >= IDLE_RPM)  # mass of the engine as the wheels feel it
    return np.asarray(force * (shift <= 0.0) / (p["mass"] + turned))


def _chosen_gear(fleet: Fleet, at_axle: Float64) -> Float64:
    """The gear each gearbox wants, or was told: -1, 0, 1, ..."""
    p, s, index = fleet.p, fleet.s, fleet.index
    gear = s["gear"]
    column = gear.astype(np.int64) + 1
    share = at_axle / p["max_rpm"]
    now = share * fleet.ratio[index, column]
    ready = (s["shift"] <= 0.0) & (gear >= 1.0)
    up = ready & (now > fleet.up[index, column]) & (gear < p["gears"])
    down = ready & (now < fleet.down[index, column]) & (gear > 1.0)
    wanted = np.maximum(gear, (s["throttle"] > 0.0) * 1.0)
    if up.any() or down.any():
        lower = np.maximum(column - 1, 0)
        fits = share * np.abs(fleet.ratio[index, lower]) < fleet.up[index, lower]
        wanted = wanted + up - (down & fits)
    wanted = np.where(s["reverse"] > 0.0, -1.0, np.maximum(wanted, 0.0))
    told = (s["manual"] > 0.0) | (p["autobox"] == 0.0)
    if told.any():
        manual = np.where(s["reverse"] > 0.0, -1.0, np.minimum(s["wanted_gear"], p["gears"]))
        wanted = np.where(told, manual, wanted)
    return wanted
