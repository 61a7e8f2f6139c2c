"""What programs rely on beyond single calls: physics round trips, terminal speeds, and the same run twice.

The topics are those of CARLA's own smoke tests.
"""

from __future__ import annotations

import queue
from collections.abc import Callable
from itertools import pairwise
from math import sqrt
from typing import Any

import numpy as np
import pytest

from tests.carla_bridge.support import WAIT_S, synchronous

carla = pytest.importorskip("carla", reason="needs CARLA's client: pip install 'avrec[carla]'")

STEP_S = 0.05


def spawn(world: Any, name: str, x: float, y: float = 1.75, z: float = 0.05, yaw: float = 0.0) -> Any:
    place = carla.Transform(carla.Location(x, y, z), carla.Rotation(0, yaw, 0))
    return world.spawn_actor(world.get_blueprint_library().find(name), place)


def ticks(world: Any, count: int) -> None:
    for _ in range(count):
        world.tick()


def numbers_of(physics: Any) -> dict[str, Any]:
    """Every plain number of a physics control, its wheels' and its curves' included."""
    found: dict[str, Any] = {}
    for name in dir(physics):
        value = getattr(physics, name)
        if name.startswith("_") or callable(value):
            continue
        if isinstance(value, bool | int | float):
            found[name] = value
        elif name == "wheels":
            for index, wheel in enumerate(value):
                found |= {f"wheel {index} {key}": number for key, number in numbers_of(wheel).items()}
        elif name == "forward_gears":
            for index, gear in enumerate(value):
                found |= {f"gear {index} {key}": number for key, number in numbers_of(gear).items()}
        elif name.endswith("curve"):
            found[name] = tuple((point.x, point.y) for point in value)
    return found


def test_every_number_of_the_physics_control_comes_back(world: Any) -> None:
    """Changed one by one, by the call and by the batch command; nothing else changes with it."""
    car = spawn(world, "vehicle.tesla.model3", 20.0)
    ticks(world, 5)
    before = numbers_of(car.get_physics_control())
    assert len(before) > 40
    physics = car.get_physics_control()
    plain = [name for name, value in before.items() if isinstance(value, float) and " " not in name]
    assert len(plain) >= 8
    for name in plain:
        setattr(physics, name, getattr(physics, name) * 1.25 + 0.125)
    wheels = physics.wheels
    turned = [name.removeprefix("wheel 0 ") for name, value in before.items()
              if name.startswith("wheel 0 ") and isinstance(value, float)]  # fmt: skip
    for index, wheel in enumerate(wheels):
        for name in turned:
            setattr(wheel, name, getattr(wheel, name) * 1.125 + 0.25 * index)
    physics.wheels = wheels
    wanted = numbers_of(physics)
    car.apply_physics_control(physics)
    ticks(world, 2)
    found = numbers_of(car.get_physics_control())
    assert list(found) == list(wanted)
    for name, value in wanted.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-5, err_msg=name)


def test_physics_controls_of_a_batch(client: Any, world: Any) -> None:
    cars = [spawn(world, "vehicle.audi.tt", x) for x in (20.0, 40.0)]
    ticks(world, 2)
    commands = []
    for index, car in enumerate(cars):
        physics = car.get_physics_control()
        physics.mass, physics.drag_coefficient = 1000.0 + 500.0 * index, 0.9
        commands.append(carla.command.ApplyVehiclePhysicsControl(car.id, physics))
    assert not any(answer.error for answer in client.apply_batch_sync(commands, True))
    for index, car in enumerate(cars):
        physics = car.get_physics_control()
        assert (physics.mass, physics.drag_coefficient) == pytest.approx((1000.0 + 500.0 * index, 0.9))


def test_without_drag_and_friction_a_speed_is_kept(world: Any) -> None:
    """100 km/h in the air stays 100 km/h without drag; with drag it falls as the formula says."""
    start = 100.0 / 3.6
    speeds = {}
    for drag in (0.0, 0.6):
        car = spawn(world, "vehicle.tesla.model3", 0.0, z=200.0)
        ticks(world, 1)
        physics = car.get_physics_control()
        physics.drag_coefficient, physics.mass = drag, 1500.0
        car.apply_physics_control(physics)
        car.set_enable_gravity(False)
        car.set_target_velocity(carla.Vector3D(start, 0, 0))
        ticks(world, 100)
        speeds[drag] = car.get_velocity().x
        extent = car.bounding_box.extent
        car.destroy()
    assert speeds[0.0] == pytest.approx(start, abs=1e-3)
    area = 0.85 * 4 * extent.y * extent.z
    rate = 0.5 * 1.2 * 0.6 * area / 1500.0  # v' = -rate v², solved: 1/v = 1/v0 + rate t
    assert speeds[0.6] == pytest.approx(1.0 / (1.0 / start + rate * 100 * STEP_S), rel=0.01)


def test_on_ice_and_in_a_vacuum_a_speed_is_kept(world: Any) -> None:
    """100 km/h on the road, with no drag and tyres that do not grip."""
    car = spawn(world, "vehicle.tesla.model3", -4000.0)
    ticks(world, 5)
    physics = car.get_physics_control()
    physics.drag_coefficient = 0.0
    wheels = physics.wheels
    for wheel in wheels:
        wheel.tire_friction = 0.0
    physics.wheels = wheels
    car.apply_physics_control(physics)
    car.set_target_velocity(carla.Vector3D(100.0 / 3.6, 0, 0))
    ticks(world, 100)
    assert car.get_velocity().x == pytest.approx(100.0 / 3.6, abs=1e-3)


def test_the_last_speed_is_where_the_engine_and_the_air_agree(world: Any) -> None:
    """More drag, less speed: the ratio is that of the root of the drags where the pull is the same."""
    last = []
    for drag in (3.0, 6.0):
        car = spawn(world, "vehicle.tesla.model3", -4000.0, 1.75)  # level ground goes on off the map
        ticks(world, 1)
        physics = car.get_physics_control()
        physics.drag_coefficient = drag
        car.apply_physics_control(physics)
        car.apply_control(carla.VehicleControl(throttle=1.0))
        ticks(world, 1200)
        means = []
        for _ in range(2):  # the gears hunt around it
            speeds = []
            for _ in range(300):
                world.tick()
                speeds.append(car.get_velocity().x)
            means.append(float(np.mean(speeds)))
        assert means[1] == pytest.approx(means[0], rel=0.02)  # it is the last speed
        last.append(means[1])
        car.destroy()
    assert last[1] < last[0] < 70.0
    assert last[0] / last[1] == pytest.approx(sqrt(2.0), rel=0.35)  # gears and engine differ somewhat


@pytest.mark.parametrize("names", [("vehicle.tesla.model3", "vehicle.audi.tt"), ("vehicle.audi.tt", "walker")])
def test_collisions_are_the_same_in_every_run(client: Any, names: tuple[str, str]) -> None:
    """Bit for bit: a head-on crash, or a person who is hit."""

    def crash() -> list[float]:
        world = client.reload_world()
        synchronous(world)
        first = spawn(world, names[0], 20.0)
        second = (
            spawn(world, "walker.pedestrian.0001", 40.0, 1.9, 1.0)
            if names[1] == "walker"
            else spawn(world, names[1], 45.0, 2.3, yaw=180.0)
        )
        hits: queue.Queue[Any] = queue.Queue()
        sensor = world.spawn_actor(
            world.get_blueprint_library().find("sensor.other.collision"), carla.Transform(), attach_to=first
        )
        sensor.listen(hits.put)
        first.set_target_velocity(carla.Vector3D(20, 0, 0))
        if names[1] != "walker":
            second.set_target_velocity(carla.Vector3D(-12, 0, 0))
        found: list[float] = []
        for _ in range(60):
            world.tick()
            for each in (first, second):
                place, turn, speed = each.get_location(), each.get_transform().rotation, each.get_velocity()
                found += [place.x, place.y, place.z, turn.yaw, speed.x, speed.y]
        event = hits.get(timeout=WAIT_S)
        assert event.other_actor.id == second.id
        return [*found, event.normal_impulse.x, event.normal_impulse.y]

    runs = [crash() for _ in range(3)]
    assert runs[0] == runs[1] == runs[2]
    assert abs(runs[0][-2]) > 10.0


def test_a_car_does_not_drive_into_another_that_is_heavier(world: Any) -> None:
    """The momentum along the road is that from before, and neither car is inside the other."""
    first, second = spawn(world, "vehicle.audi.tt", 20.0), spawn(world, "vehicle.carlamotors.firetruck", 40.0)
    ticks(world, 5)
    mass = [each.get_physics_control().mass for each in (first, second)]
    first.set_target_velocity(carla.Vector3D(15, 0, 0))
    before = mass[0] * 15.0
    for _ in range(40):
        world.tick()
        gap = second.get_location().x - first.get_location().x
        assert gap > (first.bounding_box.extent.x + second.bounding_box.extent.x) - 0.3
        momentum = sum(m * each.get_velocity().x for m, each in zip(mass, (first, second), strict=True))
        assert momentum <= before * 1.02
    assert second.get_velocity().x >= 0.0


SENSORS: dict[str, tuple[dict[str, Any], Callable[[Any], Any]]] = {
    "sensor.lidar.ray_cast": (
        {"points_per_second": 20_000, "noise_stddev": 0.05, "noise_seed": 3}, lambda each: bytes(each.raw_data)
    ),
    "sensor.lidar.ray_cast_semantic": (  # ids of actors grow from run to run
        {"points_per_second": 20_000},
        lambda each: [(p.point.x, p.point.y, p.point.z, p.cos_inc_angle, p.object_tag) for p in each],
    ),
    "sensor.other.radar": ({"points_per_second": 3000, "noise_seed": 3}, lambda each: bytes(each.raw_data)),
    "sensor.other.gnss": (
        {"noise_lat_stddev": 1e-5, "noise_lon_bias": 1e-6, "noise_seed": 5},
        lambda each: (each.latitude, each.longitude, each.altitude),
    ),
    "sensor.other.imu": (
        {"noise_accel_stddev_x": 0.1, "noise_gyro_stddev_z": 0.1, "noise_seed": 5},
        lambda each: (each.accelerometer.x, each.accelerometer.y, each.gyroscope.z, each.compass),
    ),
    "sensor.camera.rgb": ({"image_size_x": 64, "image_size_y": 48}, lambda each: bytes(each.raw_data)),
    "sensor.camera.depth": ({"image_size_x": 64, "image_size_y": 48}, lambda each: bytes(each.raw_data)),
}  # fmt: skip


@pytest.mark.parametrize("name", SENSORS)
def test_sensors_say_the_same_in_every_run(client: Any, name: str) -> None:
    values, content = SENSORS[name]

    def drive(ticks_before: int) -> list[Any]:
        world = client.reload_world()
        synchronous(world)
        ticks(world, ticks_before)  # what the clock says does not matter
        library = world.get_blueprint_library()
        car = spawn(world, "vehicle.tesla.model3", 20.0)
        spawn(world, "vehicle.audi.tt", 45.0)
        blueprint = library.find(name)
        for key, value in values.items():
            blueprint.set_attribute(key, str(value))
        sensor = world.spawn_actor(blueprint, carla.Transform(carla.Location(x=1.0, z=2.0)), attach_to=car)
        messages: queue.Queue[Any] = queue.Queue()
        sensor.listen(messages.put)
        car.apply_control(carla.VehicleControl(throttle=0.7, steer=0.05))
        found = []
        for _ in range(12):
            world.tick()
            found.append(content(messages.get(timeout=WAIT_S)))
        sensor.destroy()
        return found

    first, second = drive(0), drive(37)
    assert first == second
    assert sum(one != after for one, after in pairwise(first)) > 6  # it did say something


@pytest.mark.parametrize("step_s", [0.02, 0.05])
def test_sensor_tick_is_kept_over_many_messages(world: Any, step_s: float) -> None:
    """Four sensors with times of their own: each speaks when its time is over, and at no other tick."""
    synchronous(world, step_s)
    car = spawn(world, "vehicle.tesla.model3", 20.0)
    wanted = {0.0: 1, 0.05: {0.02: 0, 0.05: 1}[step_s], 0.1: round(0.1 / step_s), 1.0: round(1.0 / step_s)}
    heard: dict[float, queue.Queue[Any]] = {}
    sensors = []  # a sensor that nobody holds stops
    library = world.get_blueprint_library()
    for tick_s in wanted:
        blueprint = library.find("sensor.other.imu")
        blueprint.set_attribute("sensor_tick", str(tick_s))
        sensor = world.spawn_actor(blueprint, carla.Transform(), attach_to=car)
        sensors.append(sensor)
        heard[tick_s] = queue.Queue()
        sensor.listen(heard[tick_s].put)
    count = 120
    ticks(world, count)
    for tick_s, every in wanted.items():
        messages = [heard[tick_s].get(timeout=WAIT_S)]
        expected = count if tick_s == 0.0 else int(count * step_s / max(tick_s, step_s))
        while len(messages) < expected - 1:
            messages.append(heard[tick_s].get(timeout=WAIT_S))
        frames = np.diff([each.frame for each in messages])
        if every:  # 0.05 s is no multiple of 0.02 s
            assert (frames == every).all()
        else:
            assert frames.mean() * step_s == pytest.approx(tick_s, rel=0.1)


def test_synchrony_under_stress(world: Any) -> None:
    """Eight sensors of four kinds, 100 ticks: every message with its frame, none lost, none twice."""
    car = spawn(world, "vehicle.tesla.model3", 20.0)
    library = world.get_blueprint_library()
    kinds = ("sensor.other.imu", "sensor.other.gnss", "sensor.lidar.ray_cast", "sensor.camera.semantic_segmentation")
    heard: list[queue.Queue[int]] = []
    sensors = []
    for kind in kinds * 2:
        blueprint = library.find(kind)
        for name, value in (("image_size_x", "32"), ("image_size_y", "24"), ("points_per_second", "2000")):
            if blueprint.has_attribute(name):
                blueprint.set_attribute(name, value)
        sensor = world.spawn_actor(blueprint, carla.Transform(carla.Location(z=2.0)), attach_to=car)
        sensors.append(sensor)
        heard.append(queue.Queue())
        sensor.listen(lambda data, messages=heard[-1]: messages.put(data.frame))
    for _ in range(100):
        frame = world.tick()
        assert [messages.get(timeout=WAIT_S) for messages in heard] == [frame] * len(heard)
    assert all(messages.empty() for messages in heard)


def test_steps_of_many_lengths(world: Any) -> None:
    """Clocks keep in step whatever the step; the settings that were asked for are those that are used."""
    for step_s in (0.001, 0.01, 1 / 30, 0.1):
        synchronous(world, step_s)
        start = world.get_snapshot().timestamp
        ticks(world, 50)
        end = world.get_snapshot().timestamp
        assert end.frame - start.frame == 50
        assert end.elapsed_seconds - start.elapsed_seconds == pytest.approx(50 * step_s, rel=1e-5)
        assert end.delta_seconds == pytest.approx(step_s, rel=1e-6)
