"""What a vehicle's drive line, tyres and steering are made of, in SI units and the vehicle's own frame."""

from __future__ import annotations

from dataclasses import dataclass

from carla_bridge.world.pose import Vector

__all__ = ["Gear", "VehicleControl", "VehiclePhysics", "Wheel", "default_physics"]

Curve = tuple[tuple[float, float], ...]

RPM_PER_RADPS = 30.0 / 3.141592653589793


@dataclass(frozen=True)
class Gear:
    """One forward gear; the shift points are shares of the highest engine speed."""

    ratio: float
    down_ratio: float = 0.5
    up_ratio: float = 0.65


@dataclass(frozen=True)
class Wheel:
    """One wheel.

    Attributes:
        position: of its centre in the vehicle's frame, metres.
        radius_m: unloaded.
        friction: CARLA's number; 3.5 is usual (see `FRICTION_SCALE` in the fleet).
        damping_rate: of its free spin, kg m²/s.
        max_steer_deg: 0 where it does not steer.
        max_brake_nm, max_handbrake_nm: torques.
        lat_stiffness: side force per radian of slip over the load, where the load is at its most.
        lat_max_load: load over the rest load from which on the stiffness no longer grows.
        long_stiffness: N per unit of slip along the wheel and m/s²; only what telemetry tells follows from it.
    """

    position: Vector
    radius_m: float = 0.35
    friction: float = 3.5
    damping_rate: float = 0.25
    max_steer_deg: float = 0.0
    max_brake_nm: float = 1500.0
    max_handbrake_nm: float = 0.0
    lat_stiffness: float = 20.0
    lat_max_load: float = 2.0
    long_stiffness: float = 1000.0


@dataclass(frozen=True)
class VehiclePhysics:
    """A vehicle's data sheet; curves are pairs (x, y) of rising x.

    Attributes:
        torque_curve: engine torque, Nm over revolutions per minute.
        steering_curve: share of the steering lock over speed in km/h.
        drag_coefficient: of the air, over the frontal area of the box.
        center_of_mass: metres in the vehicle's frame, from its origin; only x has an effect, bodies do not lean.
        moi: kg m² of the engine; damping rates: Nm s of the engine at full throttle, and without throttle with the
            clutch engaged and open.
        clutch_strength: Nm that the clutch passes on per rad/s of slip.
    """

    torque_curve: Curve
    max_rpm: float
    moi: float
    damping_full_throttle: float
    damping_clutch_engaged: float
    damping_clutch_disengaged: float
    autobox: bool
    gear_switch_s: float
    clutch_strength: float
    final_ratio: float
    gears: tuple[Gear, ...]
    mass_kg: float
    drag_coefficient: float
    center_of_mass: Vector
    steering_curve: Curve
    wheels: tuple[Wheel, ...]
    sweep_wheels: bool = True


@dataclass(frozen=True)
class VehicleControl:
    """Pedals, wheel and stick. ``steer`` -1..1 is positive to the **right**, as in CARLA."""

    throttle: float = 0.0
    steer: float = 0.0
    brake: float = 0.0
    hand_brake: bool = False
    reverse: bool = False
    manual: bool = False
    gear: int = 0


def default_physics(half: Vector, mass_kg: float, wheels: int, max_steer_deg: float = 70.0) -> VehiclePhysics:
    """A plausible data sheet for a vehicle of a given size.

    Engine torque and brakes grow with the mass, so that cars reach about 3 to 5 m/s² and all brake at the tyres' limit.
    Lorries have engines of some 350 kW whatever they weigh; what is lighter than a car has an engine as light, and
    bicycles are geared for 40 km/h. Wheels stand at 0.6 of the length and 0.8 of the width.
    """
    axle, track = half[0] * 0.6, half[1] * 0.8
    radius = min(max(half[2] * 0.45, 0.25), 0.5)
    pedals = wheels == 2 and mass_kg < 120.0
    final = 24.0 if pedals else 4.0
    light = min(mass_kg / 1500.0, 1.0)
    engine = light * (4.0 / final) ** 2
    strength = 0.4 if pedals else min(3000.0 / mass_kg, 1.0) ** 1.2
    torque = mass_kg * 0.2 * strength * radius / 0.35 * 4.0 / final
    brake = mass_kg * 11.0 * radius / wheels
    places = [(axle, track), (axle, -track), (-axle, track), (-axle, -track)]
    if wheels == 2:
        places = [(axle, 0.0), (-axle, 0.0)]
    return VehiclePhysics(
        torque_curve=((0.0, torque * 0.8), (1500.0, torque), (4000.0, torque), (6000.0, torque * 0.75)),
        max_rpm=6000.0,
        moi=0.2 * engine,
        damping_full_throttle=0.15 * engine,
        damping_clutch_engaged=2.0 * mass_kg / 8000.0 * (4.0 / final) ** 2,
        damping_clutch_disengaged=0.35 * engine,
        autobox=True,
        gear_switch_s=0.2,
        clutch_strength=10.0,
        final_ratio=final,
        gears=(Gear(3.6), Gear(2.2), Gear(1.5), Gear(1.1), Gear(0.85), Gear(0.7)),
        mass_kg=mass_kg,
        drag_coefficient=0.3,
        center_of_mass=(0.0, 0.0, half[2] * 0.6),
        steering_curve=((0.0, 1.0), (20.0, 0.9), (60.0, 0.8), (120.0, 0.7)),
        wheels=tuple(
            Wheel(
                position=(x, y, radius),
                radius_m=radius,
                damping_rate=0.25 * light,
                max_steer_deg=max_steer_deg if x > 0 else 0.0,
                max_brake_nm=brake,
                max_handbrake_nm=0.0 if x > 0 else brake * 2,
            )
            for x, y in places
        ),
    )
