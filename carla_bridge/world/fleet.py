"""All vehicles of the world as columns of numbers, so that one step moves them together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from carla_bridge.world.constants import Constants, constants_of
from carla_bridge.world.physics import Curve, VehicleControl, VehiclePhysics, Wheel
from carla_bridge.world.pose import Vector

__all__ = ["Fleet"]

Float64 = NDArray[np.float64]

TABLE = 33
"""Entries of the torque and steering tables."""
MAX_GEARS = 14
TOP_SPEED_KMH = 240.0
"""Where the steering table ends."""
FRICTION_SCALE = 0.7
"""Coefficient of friction per unit of CARLA's tyre friction. Its usual 3.5 holds better than real tyres do: the Traffic
Manager counts on that in narrow bends, where it meets oncoming cars with less (bench/carla_traffic.py)."""
AIR_KGPM3 = 1.2

PARAMETERS = (
    "mass",
    "yaw_inertia",
    "front",  # from the centre of mass to the front axle
    "rear",
    "ahead",  # the centre of mass ahead of the actor's origin
    "friction",
    "dry",  # the friction of the tyres themselves
    "stiff_front",  # side force per radian and newton of load
    "stiff_rear",
    "drag",  # N s²/m²
    "brake",  # N
    "handbrake",  # N
    "lock",  # rad
    "final",
    "radius",
    "max_rpm",
    "drive_damping",  # Nm s of the engine with an open throttle
    "coast_damping",
    "free_damping",  # with the clutch open
    "moi",  # kg m² of the engine
    "clutch",  # Nm s that it passes on per rad/s of slip
    "wheel_drag",  # N s/m of the wheels' own damping
    "grip_front",  # friction of the front tyres over the mean
    "grip_rear",
    "switch_s",
    "autobox",
    "gears",
    "moving",  # 1 where the simulation moves it
    "weight",  # 1 where gravity pulls
)
STATES = (
    "throttle",
    "steer",
    "brake",
    "hand_brake",
    "reverse",
    "manual",
    "wanted_gear",
    "angle",
    "rpm",
    "gear",
    "shift",
    "pull",  # N of the engine along the vehicle
    "slip_front",  # rad, side slip of the axle
    "slip_rear",
    "side_front",  # N to the left
    "side_rear",
)


class Fleet:
    """Columns, one entry per vehicle, in the order the vehicles were added.

    ``p[name]`` and ``s[name]`` are views float64 [V] of the parameters and the state; ``row`` int64 [V] is each
    vehicle's row in the world's motion. Names are `PARAMETERS` and `STATES`. ``push`` float64 [4, V] are forces (x, y,
    z in the world, N) and a torque about z (Nm) for the next step; ``cruise`` float64 [2, V] is a velocity forward
    and left that is held where ``cruising``; ``slope``, ``grip`` and ``lane`` are what the last step found below;
    ``told`` float64 [4, V] are the side slip (rad) and side force (N) of both axles in the last step. ``table_row`` and
    ``gear_row`` int64 [V] are where each vehicle's tables begin, and its neutral gear, in the tables laid out flat.
    """

    def __init__(self) -> None:
        self.count = 0
        self._parameters = np.zeros((len(PARAMETERS), 16))
        self._states = np.zeros((len(STATES), 16))
        self._rows = np.zeros(16, dtype=np.int64)
        self._torque = np.zeros((16, TABLE))
        self._steering = np.zeros((16, TABLE))
        self._gears = np.zeros((3, 16, MAX_GEARS + 2))
        self._extra = np.zeros((10, 16))
        self._lane = np.full(16, -1, dtype=np.int64)
        self.pushed = False
        self.refresh()

    def refresh(self) -> None:
        """Make the views anew after the number of vehicles changed."""
        n = self.count
        self.p = {name: self._parameters[index, :n] for index, name in enumerate(PARAMETERS)}
        self.s = {name: self._states[index, :n] for index, name in enumerate(STATES)}
        self.states = self._states[:, :n]
        self.told = self.states[STATES.index("slip_front") :]
        self.row = self._rows[:n]
        self.torque, self.steering = self._torque[:n], self._steering[:n]
        self.ratio, self.up, self.down = (table[:n] for table in self._gears)
        self.push, self.cruise, self.slope = self._extra[0:4, :n], self._extra[4:6, :n], self._extra[6:8, :n]
        self.cruising, self.grip = self._extra[8, :n], self._extra[9, :n]
        self.lane = self._lane[:n]
        index = np.arange(n)
        self.table_row, self.gear_row = index * TABLE, index * (MAX_GEARS + 2) + 1
        self._constants: Constants | None = None

    @property
    def constants(self) -> Constants:
        """What follows from the data sheets."""
        if self._constants is None:
            self._constants = constants_of(self.p, TABLE)
        return self._constants

    def add(self, row: int, physics: VehiclePhysics, half: Vector) -> int:
        """Add a vehicle and return its slot."""
        slot = self.count
        if slot == len(self._rows):
            self._grow()
        self.count += 1
        self._states[:, slot] = 0.0
        self._extra[:, slot] = 0.0
        self._lane[slot] = -1
        self._rows[slot] = row
        self.refresh()
        self.p["moving"][slot] = self.p["weight"][slot] = 1.0
        self.set_physics(slot, physics, half)
        return slot

    def remove(self, slot: int) -> int:
        """Remove a vehicle; the last one takes its slot. Returns the slot that moved (itself if none did)."""
        last = self.count - 1
        for table in (self._parameters, self._states, self._extra):
            table[:, slot] = table[:, last]
        for column in (self._rows, self._lane):
            column[slot] = column[last]
        for table in (self._torque, self._steering):
            table[slot] = table[last]
        self._gears[:, slot] = self._gears[:, last]
        self.count = last
        self.refresh()
        return last

    def _grow(self) -> None:
        for name in ("_parameters", "_states", "_extra"):
            setattr(self, name, np.concatenate([getattr(self, name)] * 2, axis=1))
        for name in ("_rows", "_lane", "_torque", "_steering"):
            setattr(self, name, np.concatenate([getattr(self, name)] * 2))
        self._gears = np.concatenate([self._gears] * 2, axis=1)

    def set_control(self, slot: int, control: VehicleControl) -> None:
        """Pedals and wheel, kept until the next call."""
        s = self.s
        s["throttle"][slot] = min(max(control.throttle, 0.0), 1.0)
        s["steer"][slot] = min(max(control.steer, -1.0), 1.0)
        s["brake"][slot] = min(max(control.brake, 0.0), 1.0)
        s["hand_brake"][slot] = control.hand_brake
        s["reverse"][slot] = control.reverse
        s["manual"][slot] = control.manual
        s["wanted_gear"][slot] = min(max(control.gear, -1), MAX_GEARS)

    def set_physics(self, slot: int, physics: VehiclePhysics, half: Vector) -> None:
        """Turn a data sheet into numbers that the step uses."""
        p = self.p
        wheels = physics.wheels
        front = [wheel for wheel in wheels if wheel.position[0] > 0] or list(wheels[:1])
        rear = [wheel for wheel in wheels if wheel.position[0] <= 0] or list(wheels[-1:])
        ahead = min(max(physics.center_of_mass[0], -half[0]), half[0])
        reach_front = max(_mean([wheel.position[0] for wheel in front]) - ahead, 0.1)
        reach_rear = max(ahead - _mean([wheel.position[0] for wheel in rear]), 0.1)
        radius = max(_mean([wheel.radius_m for wheel in wheels]), 0.05)
        friction = max(_mean([wheel.friction for wheel in wheels]), 0.0)
        length, width = 2 * half[0], 2 * half[1]
        values = {
            "mass": max(physics.mass_kg, 1.0),
            "yaw_inertia": max(physics.mass_kg, 1.0) * (length**2 + width**2) / 12 + 1.0,
            "front": reach_front,
            "rear": reach_rear,
            "ahead": ahead,
            "friction": friction * FRICTION_SCALE,
            "grip_front": _mean([max(wheel.friction, 0.0) for wheel in front]) / max(friction, 1e-9),
            "grip_rear": _mean([max(wheel.friction, 0.0) for wheel in rear]) / max(friction, 1e-9),
            "stiff_front": max(_mean([_stiffness(wheel) for wheel in front]), 0.1),
            "stiff_rear": max(_mean([_stiffness(wheel) for wheel in rear]), 0.1),
            "drag": 0.5 * AIR_KGPM3 * max(physics.drag_coefficient, 0.0) * 0.85 * width * 2 * half[2],
            "brake": sum(max(wheel.max_brake_nm, 0.0) for wheel in wheels) / radius,
            "handbrake": sum(max(wheel.max_handbrake_nm, 0.0) for wheel in rear) / radius,
            "lock": _lock(wheels, reach_front + reach_rear),
            "final": physics.final_ratio,
            "radius": radius,
            "max_rpm": max(physics.max_rpm, 100.0),
            "drive_damping": physics.damping_full_throttle,
            "coast_damping": physics.damping_clutch_engaged,
            "free_damping": max(physics.damping_clutch_disengaged, 0.0),
            "moi": max(physics.moi, 1e-3),
            "clutch": max(physics.clutch_strength, 0.0),
            "wheel_drag": sum(max(wheel.damping_rate, 0.0) for wheel in wheels) / radius**2,
            "switch_s": max(physics.gear_switch_s, 0.0),
            "autobox": float(physics.autobox),
            "gears": float(min(len(physics.gears), MAX_GEARS)),
        }
        values["dry"] = values["friction"]
        for name, value in values.items():
            p[name][slot] = value
        self.torque[slot] = _table(physics.torque_curve, values["max_rpm"])
        self.steering[slot] = _table(physics.steering_curve, TOP_SPEED_KMH, empty=1.0)
        gears = physics.gears[:MAX_GEARS]
        self._gears[:, slot] = 0.0
        for index, gear in enumerate(gears):  # column 0 is reverse, column 1 neutral
            self._gears[:, slot, index + 2] = gear.ratio, gear.up_ratio, gear.down_ratio
        self._gears[0, slot, 0] = -gears[0].ratio if gears else 0.0
        self._constants = None


def _lock(wheels: Sequence[Wheel], base: float) -> float:
    """Angle in radians of the one wheel that stands for a steered axle, with the inner one at its lock (Ackermann)."""
    steered = [wheel for wheel in wheels if wheel.max_steer_deg > 0.0]
    if not steered:
        return 0.0
    inner = np.radians(min(max(wheel.max_steer_deg for wheel in steered), 85.0))
    sides = [wheel.position[1] for wheel in steered]
    return float(np.arctan2(np.tan(inner), 1.0 + np.tan(inner) * (max(sides) - min(sides)) / (2 * base)))


def _stiffness(wheel: Wheel) -> float:
    """Side force per radian of slip over the load, at rest.

    It grows with the load up to ``lat_max_load`` times the rest load and is level there (the smoothing polynomial of
    the PhysX vehicle guide, "Tire stiffness").
    """
    share = min(3.0 / max(wheel.lat_max_load, 1e-3), 3.0)
    return wheel.lat_stiffness * (share - share**2 / 3 + share**3 / 27)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def _table(curve: Curve, end: float, empty: float = 0.0) -> Float64:
    if not curve:
        return np.full(TABLE, empty)
    x, y = np.array(sorted(curve), dtype=np.float64).T
    return np.asarray(np.interp(np.linspace(0.0, end, TABLE), x, y))
