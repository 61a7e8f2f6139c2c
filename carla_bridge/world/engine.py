"""Engines and gearboxes."""

from __future__ import annotations

import numpy as np

from carla_bridge.world.fleet import Fleet
from carla_bridge.world.motion import Float64
from carla_bridge.world.physics import RPM_PER_RADPS

__all__ = ["pull_of_engines"]

# Arrays without axes: with a few vehicles numpy takes twice as long for a step with a Python number.
IDLE_RPM = np.array(800.0)
LAUNCH_RPM = np.array(700.0)
"""What a full throttle adds while the clutch slips."""
SYNCHRONISED_RPM = np.array(50.0)
"""Wheels slower than this, times the final ratio, take a gear without waiting."""
HYSTERESIS = np.array(0.9)
"""A lower gear is taken so far below where it would be left again, or close gears would follow each other for ever."""
TURNS = np.array(RPM_PER_RADPS)
NOTHING, ONE, FIRST, BACK = np.array(0.0), np.array(1), np.array(1.0), np.array(-1.0)


def pull_of_engines(fleet: Fleet, forward: Float64, dt: float) -> Float64:
    """Choose gears, turn engines, and give the acceleration along each vehicle: float64 [V] m/s².

    Args:
        fleet: engine speed, gear and shifting time are updated.
        forward: float64 [V] m/s.
        dt: seconds since the last call.
    """
    p, s, fixed = fleet.p, fleet.s, fleet.constants
    gear, shift, throttle, highest = s["gear"], s["shift"], s["throttle"], p["max_rpm"]
    at_axle = np.abs(forward) * fixed.axle_rpm  # engine speed per gear ratio
    step = np.array(dt)
    shift[:] = np.maximum(shift - step, NOTHING)
    chosen = _chosen_gear(fleet, at_axle)
    changed = chosen != gear
    if np.count_nonzero(changed):
        shift[:] = np.where(changed & (at_axle > SYNCHRONISED_RPM), p["switch_s"], shift)
        gear[:] = chosen

    ratio = fleet.ratio.take(fleet.gear_row + chosen.astype(np.int64))
    size = np.abs(ratio)
    geared = at_axle * size
    free = (size == NOTHING) | (shift > NOTHING)  # the clutch is open
    some_free = np.count_nonzero(free) > 0
    rpm = np.minimum(np.maximum(geared, IDLE_RPM + throttle * LAUNCH_RPM), highest)
    if some_free:
        rpm = np.where(free, np.minimum(np.maximum(s["rpm"], IDLE_RPM), highest), rpm)
    torque = _torque(fleet, rpm) * throttle
    if some_free:  # the engine turns by itself: an implicit step of moi w' = torque - damping w
        radps = (rpm / TURNS * p["moi"] + torque * step) / (p["moi"] + p["free_damping"] * step)
        rpm = np.where(free, np.minimum(np.maximum(radps * TURNS, IDLE_RPM), highest), rpm)
    # A clutch passes on its strength times its slip, which is most with the engine at its highest speed.
    most = p["clutch"] * np.maximum(highest - geared, NOTHING) / TURNS
    torque = np.minimum(torque * (geared < highest), most)
    clutched = np.minimum(np.maximum(rpm, geared + torque * TURNS / fixed.clutch), highest)
    s["rpm"][:] = np.where(free, rpm, clutched) if some_free else clutched
    drag = (p["coast_damping"] + fixed.damping_rise * throttle) * geared / TURNS
    lever = size * p["final"] / p["radius"]
    force = (torque * np.sign(ratio) - drag * np.sign(forward)) * lever
    turned = p["moi"] * lever * lever * (geared >= IDLE_RPM)  # mass of the engine as the wheels feel it
    return np.asarray(force * (shift <= NOTHING) / (p["mass"] + turned))


def _torque(fleet: Fleet, rpm: Float64) -> Float64:
    """Nm of a full throttle."""
    place = rpm * fleet.constants.torque_place
    low = np.floor(place)
    entry = fleet.table_row + low.astype(np.int64)
    below = fleet.torque.take(entry)
    return np.asarray(below + (fleet.torque.take(entry + ONE) - below) * (place - low))


def _chosen_gear(fleet: Fleet, at_axle: Float64) -> Float64:
    """The gear each gearbox wants, or was told: -1, 0, 1, ..."""
    p, s = fleet.p, fleet.s
    gear = s["gear"]
    entry = fleet.gear_row + gear.astype(np.int64)
    share = at_axle / p["max_rpm"]
    now = share * fleet.ratio.take(entry)
    ready = (s["shift"] <= NOTHING) & (gear >= FIRST)
    up = ready & (now > fleet.up.take(entry)) & (gear < p["gears"])
    down = ready & (now < fleet.down.take(entry)) & (gear > FIRST)
    wanted = np.maximum(gear, np.sign(s["throttle"]))
    if np.count_nonzero(up) or np.count_nonzero(down):
        lower = np.maximum(entry - ONE, fleet.gear_row - ONE)
        fits = share * np.abs(fleet.ratio.take(lower)) < HYSTERESIS * fleet.up.take(lower)
        wanted = wanted + up - (down & fits)
    wanted = np.where(s["reverse"] > NOTHING, BACK, np.maximum(wanted, NOTHING))
    told = (s["manual"] > NOTHING) | (p["autobox"] == NOTHING)
    if np.count_nonzero(told):
        manual = np.where(s["reverse"] > NOTHING, BACK, np.minimum(s["wanted_gear"], p["gears"]))
        wanted = np.where(told, manual, wanted)
    return wanted
