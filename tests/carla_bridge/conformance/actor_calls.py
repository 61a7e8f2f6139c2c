"""Actors: blueprints, spawning, motion, controls, lamps, sensors' messages, vectors."""

from __future__ import annotations

import queue
from math import cos, radians, sin

import cv2
import numpy as np
import pytest

from tests.carla_bridge.conformance.stage import LANE_Y, STEP_S, Stage, call, pixels, xyz
from tests.carla_bridge.support import LIMIT_KMH, WAIT_S, traffic_manager


@call("get_blueprint_library")
def get_blueprint_library(stage: Stage) -> None:
    library = stage.world.get_blueprint_library()
    assert len(library) > 150
    assert len(library.filter("vehicle.*")) == 41
    assert library.find("vehicle.tesla.model3").has_tag("tesla")
    with pytest.raises(IndexError):
        library.find("vehicle.nobody.built")


@call("set_attribute")
def set_attribute(stage: Stage) -> None:
    """What is set is what is spawned; what cannot be set is refused."""
    blueprint = stage.library.find("vehicle.tesla.model3")
    blueprint.set_attribute("role_name", "hero")
    assert stage.world.spawn_actor(blueprint, stage.at(30.0)).attributes["role_name"] == "hero"
    with pytest.raises(ValueError, match="read-only"):
        blueprint.set_attribute("number_of_wheels", "3")


@call("get_attribute")
def get_attribute(stage: Stage) -> None:
    blueprint = stage.library.find("sensor.camera.rgb")
    assert blueprint.get_attribute("fov").as_float() == 90.0
    assert blueprint.get_attribute("image_size_x").as_int() == 800
    assert blueprint.get_attribute("enable_postprocess_effects").as_bool() is True
    assert stage.library.find("vehicle.bh.crossbike").get_attribute("base_type").as_str() == "bicycle"


@call("has_attribute")
def has_attribute(stage: Stage) -> None:
    cars = stage.library.filter("vehicle.*")
    assert all(each.has_attribute("number_of_wheels") for each in cars)
    assert not any(each.has_attribute("image_size_x") for each in cars)


@call("spawn_actor")
def spawn_actor(stage: Stage) -> None:
    """Where it was asked for, with its parent, and not into another."""
    blueprint = stage.library.find("vehicle.tesla.model3")
    car = stage.world.spawn_actor(blueprint, stage.at(30.0, yaw=90.0))
    mount = stage.carla.Transform(stage.carla.Location(x=2.0, z=1.5), stage.carla.Rotation(yaw=-90.0))
    eye = stage.world.spawn_actor(stage.library.find("sensor.camera.rgb"), mount, attach_to=car)
    stage.ticks()
    assert xyz(car.get_location()) == pytest.approx((30.0, LANE_Y, 0.0), abs=0.03)
    assert xyz(eye.get_location()) == pytest.approx((30.0, LANE_Y + 2.0, 1.5), abs=0.05)
    assert eye.get_transform().rotation.yaw == pytest.approx(0.0, abs=0.01)
    assert eye.parent.id == car.id
    with pytest.raises(RuntimeError, match="collision"):
        stage.world.spawn_actor(blueprint, stage.at(31.0))


@call("try_spawn_actor")
def try_spawn_actor(stage: Stage) -> None:
    blueprint = stage.library.find("vehicle.audi.tt")
    assert stage.world.try_spawn_actor(blueprint, stage.at(30.0)) is not None
    assert stage.world.try_spawn_actor(blueprint, stage.at(30.5)) is None
    assert stage.world.try_spawn_actor(blueprint, stage.at(40.0)) is not None


@call("destroy")
def destroy(stage: Stage) -> None:
    car = stage.car()
    eye = stage.spawn("sensor.other.imu", None, car)
    assert car.destroy()
    stage.ticks()
    left = {each.id for each in stage.world.get_actors()}
    assert not left & {car.id, eye.id}  # what is mounted on it goes too
    assert not car.is_alive
    assert stage.world.try_spawn_actor(stage.library.find("vehicle.audi.tt"), stage.at(30.0)) is not None


@call("get_actors")
def get_actors(stage: Stage) -> None:
    first, second = stage.car(30.0), stage.car(50.0, "vehicle.audi.tt")
    actors = stage.world.get_actors()
    assert {each.id for each in actors.filter("vehicle.*")} == {first.id, second.id}
    assert [each.id for each in actors.filter("*audi*")] == [second.id]
    assert actors.find(first.id).type_id == "vehicle.tesla.model3"
    assert [each.id for each in stage.world.get_actors([second.id])] == [second.id]
    assert len(actors.filter("traffic.traffic_light")) == 2


@call("get_actor")
def get_actor(stage: Stage) -> None:
    car = stage.car()
    assert stage.world.get_actor(car.id).type_id == car.type_id
    assert stage.world.get_actor(999_999) is None


@call("get_location")
def get_location(stage: Stage) -> None:
    car = stage.car()
    start = car.get_location()
    assert xyz(start) == pytest.approx((30.0, LANE_Y, 0.0), abs=0.03)
    car.enable_constant_velocity(stage.carla.Vector3D(10.0, 0.0, 0.0))
    stage.ticks(20)
    assert car.get_location().x - start.x == pytest.approx(10.0, abs=0.05)


@call("get_transform")
def get_transform(stage: Stage) -> None:
    car = stage.spawn("vehicle.audi.tt", stage.at(30.0, yaw=120.0))
    stage.ticks()
    place = car.get_transform()
    assert place.rotation.yaw == pytest.approx(120.0, abs=0.01)
    ahead = place.transform(stage.carla.Location(x=2.0))  # a point of the car in the world
    assert xyz(ahead)[:2] == pytest.approx((30.0 - 1.0, LANE_Y + 3**0.5), abs=0.03)


@call("get_velocity")
def get_velocity(stage: Stage) -> None:
    """What the places say, m/s in the world."""
    car = stage.car()
    car.apply_control(stage.carla.VehicleControl(throttle=0.8))
    stage.ticks(40)
    before = car.get_location()
    stage.ticks()
    moved = (car.get_location() - before) * (1.0 / STEP_S)
    assert car.get_velocity().x > 2.0
    assert xyz(car.get_velocity()) == pytest.approx(xyz(moved), abs=0.25)


@call("get_angular_velocity")
def get_angular_velocity(stage: Stage) -> None:
    """Degrees a second, to the right: what the headings say."""
    car = stage.car()
    car.set_target_velocity(stage.carla.Vector3D(6.0, 0.0, 0.0))
    car.apply_control(stage.carla.VehicleControl(throttle=0.4, steer=0.3))
    stage.ticks(10)
    before = car.get_transform().rotation.yaw
    stage.ticks()
    turned = (car.get_transform().rotation.yaw - before) / STEP_S
    assert turned > 5.0
    assert car.get_angular_velocity().z == pytest.approx(turned, rel=0.1)


@call("get_forward_vector")
def get_forward_vector(stage: Stage) -> None:
    car = stage.spawn("vehicle.audi.tt", stage.at(30.0, yaw=37.0))
    stage.ticks()
    forward = car.get_transform().get_forward_vector()
    assert xyz(forward) == pytest.approx((cos(radians(37)), sin(radians(37)), 0.0), abs=1e-3)


@call("get_right_vector")
def get_right_vector(stage: Stage) -> None:
    car = stage.spawn("vehicle.audi.tt", stage.at(30.0, yaw=37.0))
    stage.ticks()
    right = car.get_transform().get_right_vector()
    assert xyz(right) == pytest.approx((-sin(radians(37)), cos(radians(37)), 0.0), abs=1e-3)


@call("get_inverse_matrix")
def get_inverse_matrix(stage: Stage) -> None:
    carla = stage.carla
    eye = stage.spawn("sensor.camera.rgb", carla.Transform(carla.Location(3, 4, 5), carla.Rotation(10, 50, -20)))
    stage.ticks()
    place = eye.get_transform()
    np.testing.assert_allclose(
        np.array(place.get_inverse_matrix()), np.linalg.inv(np.array(place.get_matrix())), atol=1e-5
    )


@call("set_transform")
def set_transform(stage: Stage) -> None:
    car = stage.car()
    car.set_transform(stage.at(60.0, -LANE_Y, yaw=180.0))
    stage.ticks()
    assert xyz(car.get_location()) == pytest.approx((60.0, -LANE_Y, 0.0), abs=0.03)
    assert abs(car.get_transform().rotation.yaw) == pytest.approx(180.0, abs=0.01)


@call("set_location")
def set_location(stage: Stage) -> None:
    car = stage.spawn("vehicle.audi.tt", stage.at(30.0, yaw=20.0))
    car.set_location(stage.carla.Location(70.0, LANE_Y, 0.0))
    stage.ticks()
    assert xyz(car.get_location()) == pytest.approx((70.0, LANE_Y, 0.0), abs=0.03)
    assert car.get_transform().rotation.yaw == pytest.approx(20.0, abs=0.01)  # as it was


@call("set_simulate_physics")
def set_simulate_physics(stage: Stage) -> None:
    car = stage.car()
    car.apply_control(stage.carla.VehicleControl(throttle=1.0))
    car.set_simulate_physics(False)
    still = xyz(car.get_location())
    stage.ticks(20)
    assert xyz(car.get_location()) == still
    car.set_simulate_physics(True)
    stage.ticks(20)
    assert car.get_location().x > still[0] + 0.5


@call("set_target_velocity")
def set_target_velocity(stage: Stage) -> None:
    car = stage.car()
    start = car.get_location().x
    car.set_target_velocity(stage.carla.Vector3D(8.0, 0.0, 0.0))
    stage.ticks()
    assert car.get_velocity().x == pytest.approx(8.0, abs=0.2)
    assert car.get_location().x - start == pytest.approx(8.0 * STEP_S, abs=0.02)


@call("set_target_angular_velocity")
def set_target_angular_velocity(stage: Stage) -> None:
    """Degrees a second; off the ground nothing slows it."""
    box = stage.spawn("vehicle.audi.tt", stage.at(30.0, z=20.0))
    stage.ticks()
    box.set_target_angular_velocity(stage.carla.Vector3D(0.0, 0.0, 40.0))
    stage.ticks(5)
    assert box.get_transform().rotation.yaw == pytest.approx(40.0 * 5 * STEP_S, abs=1.0)


@call("disable_constant_velocity")
def disable_constant_velocity(stage: Stage) -> None:
    car = stage.car()
    car.enable_constant_velocity(stage.carla.Vector3D(7.0, 0.0, 0.0))
    stage.ticks(10)
    assert car.get_velocity().x == pytest.approx(7.0, abs=1e-3)
    car.disable_constant_velocity()
    car.apply_control(stage.carla.VehicleControl(brake=1.0))
    stage.ticks(40)
    assert car.get_velocity().length() < 0.05


@call("apply_control")
def apply_control(stage: Stage) -> None:
    """Vehicles take pedals, people a direction."""
    carla, car = stage.carla, stage.car()
    person = stage.spawn("walker.pedestrian.0001", stage.at(60.0, 4.5, 1.0))
    car.apply_control(carla.VehicleControl(throttle=0.7))
    person.apply_control(carla.WalkerControl(carla.Vector3D(1.0, 0.0, 0.0), 1.5))
    stage.ticks(40)
    assert car.get_velocity().x > 2.0
    assert person.get_velocity().x == pytest.approx(1.5, abs=0.01)
    car.apply_control(carla.VehicleControl(brake=1.0))
    stage.ticks(40)
    assert car.get_velocity().length() < 0.05


@call("get_control")
def get_control(stage: Stage) -> None:
    car = stage.car()
    car.apply_control(stage.carla.VehicleControl(throttle=0.4, steer=-0.2, brake=0.1, hand_brake=True))
    stage.ticks()
    told = car.get_control()
    assert (told.throttle, told.steer, told.brake) == pytest.approx((0.4, -0.2, 0.1))
    assert told.hand_brake
    assert not told.reverse


@call("get_speed_limit")
def get_speed_limit(stage: Stage) -> None:
    assert stage.car().get_speed_limit() == pytest.approx(LIMIT_KMH)


@call("get_physics_control")
def get_physics_control(stage: Stage) -> None:
    car = stage.car()
    physics = car.get_physics_control()
    assert 800 < physics.mass < 4000
    assert len(physics.wheels) == 4
    assert [wheel.max_steer_angle > 0 for wheel in physics.wheels] == [True, True, False, False]
    physics.mass = 4321.0
    car.apply_physics_control(physics)
    assert car.get_physics_control().mass == pytest.approx(4321.0)


@call("set_autopilot")
def set_autopilot(stage: Stage) -> None:
    """The Traffic Manager takes the car along its lane, and lets go of it."""
    car = stage.car()
    stage.world.freeze_all_traffic_lights(True)
    stage.world.get_traffic_light_from_opendrive_id("50").set_state(stage.carla.TrafficLightState.Green)
    with traffic_manager(stage.client) as manager:
        manager.set_synchronous_mode(True)
        car.set_autopilot(True, manager.get_port())
        stage.ticks(120)
        assert car.get_location().x > 45.0
        assert abs(car.get_location().y - LANE_Y) < 0.5
        car.set_autopilot(False, manager.get_port())
        car.apply_control(stage.carla.VehicleControl(brake=1.0))
        stage.ticks(100)
        assert car.get_velocity().length() < 0.05


@call("set_light_state")
def set_light_state(stage: Stage) -> None:
    car, lamps = stage.car(), stage.carla.VehicleLightState
    car.set_light_state(lamps(lamps.HighBeam | lamps.LeftBlinker))
    stage.ticks()
    told = stage.world.get_vehicles_light_states()[car.id]
    assert int(told) == int(lamps.HighBeam) | int(lamps.LeftBlinker)


@call("get_light_state")
def get_light_state(stage: Stage) -> None:
    car, lamps = stage.car(), stage.carla.VehicleLightState
    assert car.get_light_state() == lamps.NONE
    car.set_light_state(lamps(lamps.Position | lamps.Brake))
    stage.ticks()
    assert int(car.get_light_state()) == int(lamps.Position) | int(lamps.Brake)


@call("get_spectator")
def get_spectator(stage: Stage) -> None:
    eye = stage.world.get_spectator()
    eye.set_transform(stage.carla.Transform(stage.carla.Location(1, 2, 30), stage.carla.Rotation(-80, 10, 0)))
    stage.ticks()
    again = stage.world.get_spectator()
    assert again.id == eye.id
    assert xyz(again.get_location()) == pytest.approx((1.0, 2.0, 30.0))
    assert again.get_transform().rotation.pitch == pytest.approx(-80.0, abs=1e-3)


@call("apply_batch_sync")
def apply_batch_sync(stage: Stage) -> None:
    """An answer for each command, in order; what follows a spawn is about what was spawned."""
    command, blueprint = stage.carla.command, stage.library.find("vehicle.audi.tt")
    go = stage.carla.VehicleControl(throttle=1.0)
    answers = stage.client.apply_batch_sync(
        [
            command.SpawnActor(blueprint, stage.at(x)).then(command.ApplyVehicleControl(command.FutureActor, go))
            for x in (20.0, 40.0, 40.5)
        ],
        True,
    )
    assert [bool(answer.error) for answer in answers] == [False, False, True]
    stage.ticks(20)
    for answer, x in zip(answers[:2], (20.0, 40.0), strict=True):
        assert stage.world.get_actor(answer.actor_id).get_location().x > x + 0.5
    gone = stage.client.apply_batch_sync([command.DestroyActor(answer.actor_id) for answer in answers[:2]], True)
    assert not any(answer.error for answer in gone)
    assert not stage.world.get_actors().filter("vehicle.*")


@call("listen")
def listen(stage: Stage) -> None:
    """From the first tick on, one message a tick, in order; none after stop."""
    car = stage.car()
    sensor = stage.spawn("sensor.other.imu", None, car)
    messages: queue.Queue[int] = queue.Queue()
    sensor.listen(lambda data: messages.put(data.frame))
    frames = [stage.world.tick() for _ in range(10)]
    assert [messages.get(timeout=WAIT_S) for _ in range(10)] == frames
    sensor.stop()
    stage.ticks(3)
    assert messages.empty()


@call("convert")
def convert(stage: Stage) -> None:
    """Labels become colours: road as in Cityscapes."""
    down = stage.carla.Transform(stage.carla.Location(30.0, LANE_Y, 8.0), stage.carla.Rotation(-90.0, 0.0, 0.0))
    image = stage.picture("semantic_segmentation", down)
    assert pixels(image)[24, 32, 2] == 1
    image.convert(stage.carla.ColorConverter.CityScapesPalette)
    assert pixels(image)[24, 32, :3].tolist() == [128, 64, 128]


@call("save_to_disk")
def save_to_disk(stage: Stage) -> None:
    eye = stage.carla.Transform(stage.carla.Location(10.0, LANE_Y, 2.0))
    stage.car()
    image = stage.picture("rgb", eye)
    path = stage.folder / "picture.png"
    image.save_to_disk(str(path))
    np.testing.assert_array_equal(cv2.imread(str(path)), pixels(image)[..., :3])
