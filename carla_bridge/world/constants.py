"""What follows from vehicles' data sheets alone and is the same in every step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from carla_bridge.world.motion import Float64
from carla_bridge.world.physics import RPM_PER_RADPS

__all__ = ["Constants", "constants_of"]


class Constants(NamedTuple):
    """float64 [V] each, but ``arm`` and ``share``, which are [2, V]: front axle, rear axle.

    Attributes:
        base: between the axles, metres.
        arm: of the axles ahead of the centre of mass, metres.
        lever: of the other axle's distance from the centre of mass, which decides the load, metres.
        grip: ``lever`` times the axle's friction over the mean, metres.
        stiff: side force per radian of slip and newton of load, of the axles.
        drag: of the air over the mass, 1/m.
        wheel_drag: of the wheels over the mass, 1/s.
        hand_brake: m/s² of the hand brake.
        axle_rpm: engine speed per gear ratio and m/s.
        torque_place: entries of the torque table per revolution per minute.
        damping_rise: what the throttle adds to the engine's damping, Nm s.
        clutch: its strength, but not 0, Nm s.
    """

    base: Float64
    arm: Float64
    lever: Float64
    grip: Float64
    stiff: Float64
    drag: Float64
    wheel_drag: Float64
    hand_brake: Float64
    axle_rpm: Float64
    torque_place: Float64
    damping_rise: Float64
    clutch: Float64


def constants_of(p: Mapping[str, Float64], table: int) -> Constants:
    """The constants of vehicles with the parameters ``p`` of a fleet and torque tables of ``table`` entries."""
    front, rear, mass = p["front"], p["rear"], p["mass"]
    return Constants(
        base=front + rear,
        arm=np.array([front, -rear]),
        lever=np.array([rear, front]),
        grip=np.array([p["grip_front"] * rear, p["grip_rear"] * front]),
        stiff=np.array([p["stiff_front"], p["stiff_rear"]]),
        drag=p["drag"] / mass,
        wheel_drag=p["wheel_drag"] / mass,
        hand_brake=p["handbrake"] / mass,
        axle_rpm=RPM_PER_RADPS * p["final"] / p["radius"],
        torque_place=(table - 1.001) / p["max_rpm"],
        damping_rise=p["drive_damping"] - p["coast_damping"],
        clutch=np.maximum(p["clutch"], 1e-9),
    )
