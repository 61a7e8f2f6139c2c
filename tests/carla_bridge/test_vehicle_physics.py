"""What a vehicle's data sheet, a push and a collision do, in numbers."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carla_bridge.server.blueprints import catalogue, spec_of
from carla_bridge.world import RoadMap, World, read_road_map
from carla_bridge.world.actor import Actor
from carla_bridge.world.bumping import Bumper
from carla_bridge.world.contacts import Box, contact_between, impulse_between
from carla_bridge.world.fleet import Fleet
from carla_bridge.world.forces import kick
from carla_bridge.world.physics import VehicleControl, VehiclePhysics, Wheel
from carla_bridge.world.pose import Pose
from tests.carla_bridge.support import loop_map

CAR = "vehicle.lincoln.mkz_2017"
STEP_S = 0.05


@pytest.fixture(scope="module")
def loop() -> RoadMap:
    return read_road_map(loop_map())


def a_car(loop: RoadMap, speed: float = 0.0, name: str = CAR, **changes: object) -> tuple[World, Actor]:
    """A car on the road, rolling, with some numbers of its data sheet changed."""
    world = World(loop)
    car = world.spawn(spec_of(catalogue()[name], {}), Pose(5.0, -1.75, 0.0))
    if changes:
        world.set_physics(car, replace(sheet(car), **changes))  # type: ignore[arg-type]
    world.step(STEP_S)
    world.motion[car.row, 6] = speed
    return world, car


def sheet(car: Actor) -> VehiclePhysics:
    assert car.spec.physics is not None
    return car.spec.physics


def run(world: World, car: Actor, seconds: float, **control: object) -> float:
    """Speed along the road afterwards."""
    world.control(car, VehicleControl(**control))  # type: ignore[arg-type]
    for _ in range(round(seconds / STEP_S)):
        world.step(STEP_S)
    return world.velocity(car)[0]


def test_all_vehicles_keep_up_in_town_and_lorries_are_no_racing_cars(loop: RoadMap) -> None:
    world = World(loop)
    names = [name for name in catalogue() if name.startswith("vehicle.")]
    all_ = {
        name: world.spawn(spec_of(catalogue()[name], {}), Pose(500.0, -1000.0 - 30.0 * n, 0.0))
        for n, name in enumerate(names)
    }
    for each in all_.values():
        world.control(each, VehicleControl(throttle=1.0))
    for _ in range(round(12.0 / STEP_S)):
        world.step(STEP_S)
    kmh = {name: world.velocity(each)[0] * 3.6 for name, each in all_.items()}
    bicycles = {name for name in names if catalogue()[name].defaults["base_type"] == "bicycle"}
    assert bicycles
    for name, speed in kmh.items():
        assert (25.0 < speed < 60.0) if name in bicycles else speed > 45.0, (name, speed)
    assert kmh["vehicle.carlamotors.european_hgv"] < kmh["vehicle.carlamotors.carlacola"] < 110.0


def test_gearboxes_do_not_hunt_between_two_gears(loop: RoadMap) -> None:
    """At full throttle on the level no vehicle ever shifts down; on the overrun none ever shifts up."""
    world = World(loop)
    names = [name for name in catalogue() if name.startswith("vehicle.")]
    fleet = [
        world.spawn(spec_of(catalogue()[name], {}), Pose(500.0, -1000.0 - 30.0 * n, 0.0))
        for n, name in enumerate(names)
    ]
    for throttle, way in ((1.0, 1.0), (0.0, -1.0)):
        for each in fleet:
            world.control(each, VehicleControl(throttle=throttle))
        gears = []
        for _ in range(round(25.0 / STEP_S)):
            world.step(STEP_S)
            gears.append(world.fleet.s["gear"].copy())
        assert (np.diff(gears[1:], axis=0) * way >= 0.0).all()
        assert gears[-1].max() >= (5.0 if throttle else 0.0)


def test_a_heavier_car_is_slower(loop: RoadMap) -> None:
    light = run(*a_car(loop), 3.0, throttle=1.0)
    heavy = run(*a_car(loop, mass_kg=sheet(a_car(loop)[1]).mass_kg * 2), 3.0, throttle=1.0)
    assert 0.5 * light < heavy < 0.75 * light


def test_a_heavy_engine_and_a_weak_clutch_take_their_share(loop: RoadMap) -> None:
    usual = run(*a_car(loop), 3.0, throttle=1.0)
    assert run(*a_car(loop, moi=2.0), 3.0, throttle=1.0) < 0.8 * usual
    assert run(*a_car(loop, clutch_strength=0.2), 3.0, throttle=1.0) < 0.6 * usual
    assert run(*a_car(loop, clutch_strength=0.0), 3.0, throttle=1.0) == 0.0
    assert run(*a_car(loop, final_ratio=2.0), 1.0, throttle=1.0) < 0.7 * run(*a_car(loop), 1.0, throttle=1.0)


def test_an_engine_without_a_gear_turns_freely(loop: RoadMap) -> None:
    world, car = a_car(loop)
    s = world.fleet.s
    assert run(world, car, 0.5, throttle=1.0, manual=True, gear=0) == 0.0
    soon = float(s["rpm"][0])
    run(world, car, 3.0, throttle=1.0, manual=True, gear=0)
    assert 1000.0 < soon < float(s["rpm"][0]) <= sheet(car).max_rpm
    # moi w' = -damping w without throttle: down to a half in ln 2 moi / damping seconds
    world.set_physics(car, replace(sheet(car), moi=1.0, damping_clutch_disengaged=0.5, max_rpm=6000.0))
    s["rpm"][0] = 4000.0
    run(world, car, 1.4, manual=True, gear=0)
    assert float(s["rpm"][0]) == pytest.approx(4000.0 * np.exp(-0.7), rel=0.03)


def test_air_slows_by_its_formula(loop: RoadMap) -> None:
    def after(coefficient: float) -> float:
        wheels = tuple(replace(wheel, damping_rate=0.0) for wheel in sheet(a_car(loop)[1]).wheels)
        world, car = a_car(loop, 40.0, drag_coefficient=coefficient, wheels=wheels, damping_clutch_engaged=0.0)
        world.control(car, VehicleControl(manual=True, gear=0))
        world.step(STEP_S)
        return world.velocity(car)[0]

    _, car = a_car(loop)
    area = 0.85 * (2 * car.spec.half[1]) * (2 * car.spec.half[2])
    lost = 0.5 * 1.2 * 0.5 * area * 40.0**2 / sheet(car).mass_kg * STEP_S
    assert after(0.0) - after(0.5) == pytest.approx(lost, rel=0.01)


def test_without_friction_and_air_a_car_keeps_its_speed(loop: RoadMap) -> None:
    wheels = tuple(replace(wheel, friction=0.0) for wheel in sheet(a_car(loop)[1]).wheels)
    world, car = a_car(loop, 100 / 3.6, wheels=wheels, drag_coefficient=0.0)
    assert run(world, car, 3.0, brake=1.0, steer=0.5) == pytest.approx(100 / 3.6, abs=1e-9)


@pytest.mark.parametrize(("axle", "grows"), [("front", False), ("rear", True)])
def test_bald_tyres_on_one_axle_under_or_oversteer(loop: RoadMap, axle: str, grows: bool) -> None:
    def turned(friction: float) -> float:
        wheels = tuple(
            replace(wheel, friction=friction) if (wheel.position[0] > 0) == (axle == "front") else wheel
            for wheel in sheet(a_car(loop)[1]).wheels
        )
        world, car = a_car(loop, 20.0, wheels=wheels)
        run(world, car, 1.0, steer=0.25)
        return abs(world.pose(car).yaw)

    assert (turned(0.5) > turned(3.5) * 1.1) if grows else (turned(0.5) < turned(3.5) * 0.9)


def test_brakes_and_hand_brake_have_the_torque_they_are_given(loop: RoadMap) -> None:
    weak = tuple(replace(wheel, max_brake_nm=100.0, damping_rate=0.0) for wheel in sheet(a_car(loop)[1]).wheels)
    world, car = a_car(loop, 15.0, wheels=weak, drag_coefficient=0.0, damping_clutch_engaged=0.0)
    world.control(car, VehicleControl(brake=1.0, manual=True, gear=0))
    world.step(STEP_S)
    rolling = 0.012 * 9.81
    slower = 400.0 / weak[0].radius_m / sheet(car).mass_kg + rolling
    assert 15.0 - world.velocity(car)[0] == pytest.approx(slower * STEP_S, rel=0.01)


def test_cars_stand_on_slopes_with_the_hand_brake_and_roll_without() -> None:
    tilted = loop_map().replace(
        b"<elevationProfile/>", b'<elevationProfile><elevation s="0" a="0" b="0.1" c="0" d="0"/></elevationProfile>'
    )
    ramp = read_road_map(tilted)

    def rolled(**control: object) -> float:
        world = World(ramp)
        car = world.spawn(spec_of(catalogue()[CAR], {}), Pose(60.0, -1.75, 6.1))
        for _ in range(4):
            world.step(STEP_S)
        start = world.pose(car).x
        run(world, car, 3.0, **control)
        assert world.pose(car).pitch == pytest.approx(-np.arctan(0.1), abs=2e-3)  # nose up
        return world.pose(car).x - start

    assert abs(rolled(hand_brake=True)) < 0.02
    assert abs(rolled(brake=1.0)) < 0.02
    assert rolled(manual=True, gear=0) < -1.5


def test_a_kick_upwards_lifts_and_gravity_brings_down(loop: RoadMap) -> None:
    world, car = a_car(loop)
    kick(world, car, (0.0, 0.0, 3.0 * car.mass_kg))
    highest = 0.0
    for _ in range(30):
        world.step(0.01)
        highest = max(highest, world.pose(car).z)
    assert highest == pytest.approx(3.0**2 / (2 * 9.81), abs=0.03)
    for _ in range(60):
        world.step(0.01)
    assert world.pose(car).z == pytest.approx(0.0, abs=1e-9)


speeds = st.floats(-30.0, 30.0)
masses = st.floats(50.0, 20_000.0)
angles = st.floats(-3.14, 3.14)


@settings(max_examples=200, deadline=None)
@given(masses, masses, speeds, speeds, speeds, speeds, angles, angles, st.floats(-1.0, 1.0), st.floats(-1.0, 1.0))
def test_impulses_conserve_momentum_and_add_no_energy(
    m1: float, m2: float, vx1: float, vy1: float, vx2: float, vy2: float, yaw1: float, yaw2: float, dx: float, dy: float
) -> None:
    def box(x: float, y: float, yaw: float, vx: float, vy: float, mass: float) -> Box:
        return Box(x, y, 0.8, 2.3, 0.9, 0.8, yaw, vx, vy, 0.2, 1 / mass, 3 / (mass * (2.3**2 + 0.9**2)))

    a, b = box(0.0, 0.0, yaw1, vx1, vy1, m1), box(2.0 * dx, 2.0 * dy, yaw2, vx2, vy2, m2)

    def momentum() -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        spin = sum(
            (o.x - x0) * o.vy / o.inverse_mass - (o.y - y0) * o.vx / o.inverse_mass + o.turn / o.inverse_inertia
            for o, (x0, y0) in zip((a, b), moved, strict=True)
        )
        return np.array([sum(o.vx / o.inverse_mass for o in (a, b)), sum(o.vy / o.inverse_mass for o in (a, b)), spin])

    def energy() -> float:
        return sum((o.vx**2 + o.vy**2) / o.inverse_mass / 2 + o.turn**2 / o.inverse_inertia / 2 for o in (a, b))

    moved = [(0.0, 0.0), (0.0, 0.0)]
    contact = contact_between(a, b)
    if contact is None:
        return
    before, start = momentum(), [(a.x, a.y), (b.x, b.y)]
    had = energy()
    impulse_between(a, b, contact)
    moved = [(o.x - x, o.y - y) for o, (x, y) in zip((a, b), start, strict=True)]  # pushed apart, without a speed
    scale = float(np.abs(before).max()) + 1.0
    np.testing.assert_allclose(momentum() / scale, before / scale, atol=1e-9)
    assert energy() <= had * (1 + 1e-9)


def test_a_changed_mass_counts_in_collisions(loop: RoadMap) -> None:
    world, car = a_car(loop, 10.0)
    other = world.spawn(car.spec, Pose(5.0 + 2 * car.spec.half[0] + 0.05, -1.75, 0.0))
    world.set_physics(other, replace(sheet(other), mass_kg=10 * car.mass_kg))
    world.motion[car.row, :3] = 5.1, -1.75, 0.0
    hits = Bumper(world.actors).resolve(world.motion)
    assert {hit.actor for hit in hits} == {car.id, other.id}
    first, second = (world.velocity(each)[0] for each in (car, other))
    assert car.mass_kg * first + other.mass_kg * second == pytest.approx(car.mass_kg * 10.0)
    assert second == pytest.approx(10.0 * 1.1 / 11, rel=1e-6)  # (1 + restitution) m1 / (m1 + m2)
    mine = next(hit for hit in hits if hit.actor == car.id)
    assert mine.impulse[0] == pytest.approx(car.mass_kg * (first - 10.0))


def test_a_tyre_is_stiffest_at_its_highest_load() -> None:
    physics = sheet(a_car(read_road_map(loop_map()))[1])

    def stiffness(most: float) -> float:
        fleet = Fleet()
        wheels = tuple(replace(wheel, lat_stiffness=20.0, lat_max_load=most) for wheel in physics.wheels)
        fleet.add(0, replace(physics, wheels=wheels), (2.0, 1.0, 0.7))
        return float(fleet.p["stiff_front"][0])

    assert stiffness(1.0) == pytest.approx(20.0)
    assert stiffness(2.0) == pytest.approx(17.5)
    assert stiffness(3.0) == pytest.approx(20.0 * (1 - 1 / 3 + 1 / 27))


SHEET = {
    "torque_curve": ((0.0, 100.0), (6000.0, 120.0)), "max_rpm": 3000.0, "moi": 1.0, "damping_full_throttle": 0.4,
    "damping_clutch_engaged": 2.0, "damping_clutch_disengaged": 3.0, "autobox": False, "gear_switch_s": 0.6,
    "clutch_strength": 0.5, "final_ratio": 3.0, "mass_kg": 900.0, "drag_coefficient": 3.0,
    "center_of_mass": (0.3, 0.0, 0.5), "steering_curve": ((0.0, 0.5), (120.0, 0.2)),
}  # fmt: skip
WHEEL = {
    "radius_m": 0.45, "friction": 1.0, "damping_rate": 5.0, "max_steer_deg": 30.0, "max_brake_nm": 100.0,
    "max_handbrake_nm": 50.0, "lat_stiffness": 8.0, "lat_max_load": 6.0,
}  # fmt: skip
IDLE_SHEET = {"sweep_wheels": False, "center_of_mass": (0.0, 0.3, 0.9)}
IDLE_WHEEL = {"long_stiffness": 5.0}
"""What docs/carla_calls.md says has no effect."""


def a_drive(loop: RoadMap, physics: VehiclePhysics) -> bytes:
    """Launch, steer, roll in neutral, brake, and pull the hand brake in a bend: all motion and engine speeds."""
    world, car = a_car(loop)
    world.set_physics(car, physics)
    told = []
    for seconds, control in (
        (2.5, VehicleControl(throttle=1.0, manual=False, gear=1)),
        (0.5, VehicleControl(throttle=0.3, steer=0.2, gear=2)),
        (0.5, VehicleControl(manual=True, gear=0)),
        (0.5, VehicleControl(gear=1)),
        (0.5, VehicleControl(brake=1.0)),
        (0.5, VehicleControl(steer=0.6, hand_brake=True)),
    ):
        world.control(car, control)
        for _ in range(round(seconds / STEP_S)):
            world.step(STEP_S)
            told += [world.motion[car.row].tobytes(), world.fleet.s["rpm"].tobytes()]
    return b"".join(told)


def with_wheels(physics: VehiclePhysics, **changes: float) -> VehiclePhysics:
    """The front wheels stay the only ones that steer, the rear ones the only ones with a hand brake."""
    wheels = []
    for wheel in physics.wheels:
        left_out = {name for name in ("max_steer_deg", "max_handbrake_nm") if getattr(wheel, name) == 0.0}
        wheels.append(replace(wheel, **{name: value for name, value in changes.items() if name not in left_out}))
    return replace(physics, wheels=tuple(wheels))


def test_every_number_of_the_data_sheet_is_felt_or_said_not_to_be(loop: RoadMap) -> None:
    usual = sheet(a_car(loop)[1])
    drive = a_drive(loop, usual)
    assert drive == a_drive(loop, usual)
    felt = [replace(usual, **{name: value}) for name, value in SHEET.items()]  # type: ignore[arg-type]
    felt += [with_wheels(usual, **{name: value}) for name, value in WHEEL.items()]
    felt.append(replace(usual, gears=tuple(replace(gear, up_ratio=0.4) for gear in usual.gears)))
    named = [*SHEET, *WHEEL, "gears"]
    assert [name for name, each in zip(named, felt, strict=True) if a_drive(loop, each) == drive] == []
    idle = [replace(usual, **{name: value}) for name, value in IDLE_SHEET.items()]  # type: ignore[arg-type]
    idle += [with_wheels(usual, **{name: value}) for name, value in IDLE_WHEEL.items()]
    assert all(a_drive(loop, each) == drive for each in idle)
    known = {*SHEET, *IDLE_SHEET, "gears", "wheels"}
    assert known == {each.name for each in fields(VehiclePhysics)}
    assert {*WHEEL, *IDLE_WHEEL, "position"} == {each.name for each in fields(Wheel)}
