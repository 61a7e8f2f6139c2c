"""The official client against the server: everything that stands and moves."""

from __future__ import annotations

from typing import Any

import pytest

carla = pytest.importorskip("carla", reason="needs CARLA's client: pip install 'avrec[carla]'")

USED_BLUEPRINTS = (
    "sensor.camera.rgb", "sensor.lidar.ray_cast", "sensor.other.gnss", "sensor.camera.depth", "sensor.other.radar",
    "sensor.camera.semantic_segmentation", "sensor.other.imu", "sensor.other.collision",
    "sensor.camera.instance_segmentation", "sensor.camera.dvs", "sensor.other.lane_invasion",
    "sensor.lidar.ray_cast_semantic", "controller.ai.walker", "sensor.camera.optical_flow",
    "vehicle.diamondback.century", "vehicle.audi.tt", "vehicle.tesla.model3", "static.trigger.friction",
    "vehicle.nissan.patrol", "static.prop.dirtdebris01", "vehicle.lincoln.mkz_2017", "static.prop.streetbarrier",
    "vehicle.lincoln.mkz_2020", "sensor.camera.normals", "sensor.other.obstacle", "vehicle.volkswagen.t2",
    "vehicle.nissan.micra", "static.prop.warningaccident", "vehicle.carlamotors.carlacola", "vehicle.bh.crossbike",
    "vehicle.ford.mustang", "vehicle.kawasaki.ninja", "vehicle.gazelle.omafiets", "vehicle.dodge.charger_police_2020",
    "static.prop.container", "static.prop.vendingmachine", "static.prop.constructioncone", "static.prop.mesh",
)  # fmt: skip


@pytest.fixture
def library(world: Any) -> Any:
    return world.get_blueprint_library()


@pytest.fixture
def car(world: Any, library: Any) -> Any:
    found = world.spawn_actor(library.find("vehicle.lincoln.mkz_2017"), world.get_map().get_spawn_points()[2])
    world.tick()
    return found


def drive(world: Any, steps: int) -> None:
    for _ in range(steps):
        world.tick()


def test_blueprints_by_name_and_filter(library: Any) -> None:
    for name in USED_BLUEPRINTS:
        assert library.find(name).id == name
    assert len(library.filter("vehicle.*")) == 41
    assert len(library.filter("walker.pedestrian.*")) > 40
    assert {bp.id for bp in library.filter("*mkz*")} == {"vehicle.lincoln.mkz_2017", "vehicle.lincoln.mkz_2020"}
    two_wheels = library.filter("vehicle").filter_by_attribute("number_of_wheels", "2")
    assert len(two_wheels) == 7


def test_blueprint_attributes(library: Any) -> None:
    camera = library.find("sensor.camera.rgb")
    assert camera.get_attribute("image_size_x").as_int() == 800
    assert camera.get_attribute("fov").as_float() == 90.0
    camera.set_attribute("image_size_x", "1920")
    assert int(camera.get_attribute("image_size_x")) == 1920
    car = library.find("vehicle.tesla.model3")
    assert car.has_attribute("color")
    assert not car.has_attribute("image_size_x")
    assert len(car.get_attribute("color").recommended_values) > 2
    assert car.get_attribute("number_of_wheels").as_int() == 4
    assert not car.get_attribute("number_of_wheels").is_modifiable
    with pytest.raises(ValueError, match="read-only"):
        car.set_attribute("number_of_wheels", "3")


def test_an_actor_is_where_and_what_it_was_asked_to_be(world: Any, library: Any) -> None:
    blueprint = library.find("vehicle.tesla.model3")
    blueprint.set_attribute("role_name", "hero")
    blueprint.set_attribute("color", "1,2,3")
    place = carla.Transform(carla.Location(30, 1.75, 0.5), carla.Rotation(0, 10, 0))
    actor = world.spawn_actor(blueprint, place)
    world.tick()
    assert actor.type_id == "vehicle.tesla.model3"
    assert actor.attributes["role_name"] == "hero"
    assert actor.attributes["color"] == "1,2,3"
    assert actor.is_alive
    assert actor.parent is None
    assert list(actor.semantic_tags) == [14]
    assert actor.get_transform().rotation.yaw == pytest.approx(10.0, abs=1e-4)
    assert actor.get_location().distance(place.location) < 0.03
    assert actor.bounding_box.extent.x == pytest.approx(2.396)
    assert [each.id for each in world.get_actors().filter("vehicle.*")] == [actor.id]
    assert world.get_actor(actor.id).id == actor.id
    assert world.try_spawn_actor(blueprint, place) is None
    with pytest.raises(RuntimeError, match="collision"):
        world.spawn_actor(blueprint, place)
    assert actor.destroy()
    world.tick()
    assert actor.id not in [each.id for each in world.get_actors()]


def test_moving_by_hand(world: Any, car: Any) -> None:
    place = carla.Transform(carla.Location(60, -1.75, 0.0), carla.Rotation(0, 180, 0))
    car.set_transform(place)
    world.tick()
    assert car.get_transform().location.distance(place.location) < 0.02
    assert abs(car.get_transform().rotation.yaw) == pytest.approx(180.0, abs=1e-3)
    car.set_location(carla.Location(70, -1.75, 0.0))
    world.tick()
    assert car.get_location().x == pytest.approx(70.0, abs=0.02)
    car.set_target_velocity(carla.Vector3D(-8, 0, 0))
    world.tick()
    assert car.get_velocity().x == pytest.approx(-8.0, abs=0.2)
    assert car.get_location().x == pytest.approx(70.0 - 0.4, abs=0.05)
    car.set_target_angular_velocity(carla.Vector3D(0, 0, 20))
    yaw = car.get_transform().rotation.yaw
    world.tick()
    assert (car.get_transform().rotation.yaw - yaw) % 360 < 5.0  # to the right, then the tyres stop it
    car.set_simulate_physics(False)
    still = car.get_location()
    drive(world, 5)
    assert car.get_location() == still
    car.set_simulate_physics(True)
    car.set_enable_gravity(False)
    car.set_location(still + carla.Location(0, 0, 3))
    drive(world, 5)
    assert car.get_location().z > 2.9
    car.set_enable_gravity(True)
    drive(world, 40)
    assert car.get_location().z == pytest.approx(0.0, abs=0.01)


def test_forces_impulses_and_constant_velocity(world: Any, car: Any) -> None:
    drive(world, 10)
    mass = car.get_physics_control().mass
    car.add_impulse(carla.Vector3D(0, 0, 0) + car.get_transform().get_forward_vector() * mass * 5)
    world.tick()
    assert car.get_velocity().length() == pytest.approx(5.0, abs=0.3)
    car.set_target_velocity(carla.Vector3D())
    car.add_force(car.get_transform().get_forward_vector() * mass * 40)  # 40 m/s² for one step
    world.tick()
    assert car.get_velocity().length() == pytest.approx(2.0, abs=0.3)
    car.add_angular_impulse(carla.Vector3D(0, 0, 100))
    car.add_torque(carla.Vector3D(0, 0, 100))
    car.enable_constant_velocity(carla.Vector3D(7, 0, 0))
    drive(world, 20)
    assert car.get_velocity().length() == pytest.approx(7.0, abs=1e-3)
    car.disable_constant_velocity()
    car.apply_control(carla.VehicleControl(brake=1.0))
    drive(world, 60)
    assert car.get_velocity().length() == 0.0


def test_controls_drive_and_are_told_back(world: Any, car: Any) -> None:
    start = car.get_location()
    control = carla.VehicleControl(throttle=0.6, steer=0.1, brake=0.0)
    car.apply_control(control)
    drive(world, 40)
    told = car.get_control()
    assert (told.throttle, told.steer, told.brake) == pytest.approx((0.6, 0.1, 0.0))
    assert told.gear >= 1
    forward = car.get_transform().get_forward_vector()
    assert car.get_velocity().dot(forward) > 2.0
    assert car.get_location().distance(start) > 2.0
    assert car.get_wheel_steer_angle(carla.VehicleWheelLocation.FL_Wheel) > 0.0  # to the right
    assert car.get_angular_velocity().z > 0.0  # deg/s, to the right
    assert car.get_acceleration().length() > 0.1
    car.apply_control(carla.VehicleControl(throttle=0.5, reverse=True, hand_brake=False))
    drive(world, 120)
    assert car.get_control().reverse
    assert car.get_velocity().dot(car.get_transform().get_forward_vector()) < -0.5


def test_a_control_that_does_not_stick(world: Any, library: Any) -> None:
    blueprint = library.find("vehicle.tesla.model3")
    blueprint.set_attribute("sticky_control", "false")
    car = world.spawn_actor(blueprint, world.get_map().get_spawn_points()[5])
    world.tick()
    car.apply_control(carla.VehicleControl(throttle=1.0))
    world.tick()
    world.tick()
    assert car.get_control().throttle == 0.0


def test_ackermann_control_reaches_its_speed(world: Any, car: Any) -> None:
    car.apply_ackermann_control(carla.VehicleAckermannControl(speed=6.0, acceleration=3.0))
    drive(world, 160)
    assert car.get_velocity().length() == pytest.approx(6.0, abs=0.5)
    settings = car.get_ackermann_controller_settings()
    settings.speed_kp = 0.3
    car.apply_ackermann_controller_settings(settings)
    assert car.get_ackermann_controller_settings().speed_kp == pytest.approx(0.3)
    car.apply_ackermann_control(carla.VehicleAckermannControl(speed=0.0))
    drive(world, 120)
    assert car.get_velocity().length() == 0.0


def test_physics_control_is_kept_and_felt(world: Any, car: Any) -> None:
    physics = car.get_physics_control()
    assert len(physics.wheels) == 4
    assert len(physics.torque_curve) > 2
    assert physics.wheels[0].position.x / 100 == pytest.approx(car.get_location().x, abs=3.0)
    physics.mass *= 3
    physics.max_rpm = 5000.0
    wheels = physics.wheels
    for wheel in wheels:
        wheel.tire_friction = 0.2
    physics.wheels = wheels
    car.apply_physics_control(physics)
    found = car.get_physics_control()
    assert found.mass == pytest.approx(physics.mass)
    assert found.max_rpm == 5000.0
    assert found.wheels[1].tire_friction == pytest.approx(0.2)
    car.set_target_velocity(car.get_transform().get_forward_vector() * 10)
    car.apply_control(carla.VehicleControl(brake=1.0))
    drive(world, 20)
    assert car.get_velocity().length() > 8.0  # ice
    if hasattr(car, "get_telemetry_data"):  # not in 0.9.15
        assert car.get_telemetry_data().speed == pytest.approx(car.get_velocity().length(), abs=1e-3)


def test_ice_between_two_dry_stretches(world: Any, library: Any) -> None:
    """A friction trigger, with its extents in centimetres: brakes work before and behind it only."""
    ice = library.find("static.trigger.friction")
    for name, value in (("friction", "0.0"), ("extent_x", "1000"), ("extent_y", "500"), ("extent_z", "500")):
        ice.set_attribute(name, value)
    area = world.spawn_actor(ice, carla.Transform(carla.Location(50, 1.75, 0)))
    car = world.spawn_actor(library.find("vehicle.tesla.model3"), carla.Transform(carla.Location(42, 1.75, 0)))
    drive(world, 5)
    car.set_target_velocity(carla.Vector3D(10, 0, 0))
    car.apply_control(carla.VehicleControl(brake=1.0))
    drive(world, 20)  # 10 m on ice
    assert car.get_velocity().length() > 9.5
    drive(world, 40)
    assert car.get_velocity().length() == 0.0
    area.destroy()
    car.set_location(carla.Location(42, 1.75, 0))
    car.set_target_velocity(carla.Vector3D(10, 0, 0))
    drive(world, 20)
    assert car.get_velocity().length() < 2.0


def test_lamps_doors_and_failures(world: Any, car: Any) -> None:
    lamps = carla.VehicleLightState(carla.VehicleLightState.LowBeam | carla.VehicleLightState.LeftBlinker)
    car.set_light_state(lamps)
    world.tick()
    assert car.get_light_state() == lamps
    assert world.get_vehicles_light_states()[car.id] == lamps
    car.open_door(carla.VehicleDoor.All)
    car.close_door(carla.VehicleDoor.FL)
    car.show_debug_telemetry(True)
    assert car.get_failure_state() == carla.VehicleFailureState.NONE


def test_people_under_direct_control(world: Any, library: Any) -> None:
    start = carla.Transform(carla.Location(40, 4.5, 1.0))
    person = world.spawn_actor(library.find("walker.pedestrian.0001"), start)
    drive(world, 20)
    person.apply_control(carla.WalkerControl(carla.Vector3D(0, -1, 0), 1.5, False))
    drive(world, 20)
    assert person.get_velocity().y == pytest.approx(-1.5)
    assert person.get_location().y == pytest.approx(4.5 - 1.5, abs=0.01)
    assert person.get_transform().rotation.yaw == pytest.approx(-90.0)
    assert person.get_control().speed == pytest.approx(1.5)
    controller = world.spawn_actor(library.find("controller.ai.walker"), carla.Transform(), attach_to=person)
    assert controller.parent.id == person.id


def test_traffic_lights(world: Any, car: Any) -> None:
    lights = sorted(world.get_actors().filter("traffic.traffic_light"), key=lambda each: each.get_opendrive_id())
    assert [each.get_opendrive_id() for each in lights] == ["50", "51"]
    first = lights[0]
    assert world.get_traffic_light_from_opendrive_id("50").id == first.id
    assert first.get_state() == carla.TrafficLightState.Green
    assert len(first.get_affected_lane_waypoints()) > 0
    assert len(first.get_stop_waypoints()) > 0
    first.set_red_time(1.0)
    first.set_green_time(4.0)
    first.set_yellow_time(0.5)
    drive(world, 2)
    assert (first.get_green_time(), first.get_yellow_time(), first.get_red_time()) == pytest.approx((4.0, 0.5, 1.0))
    first.set_state(carla.TrafficLightState.Red)
    world.freeze_all_traffic_lights(True)
    car.set_transform(carla.Transform(carla.Location(77, 1.75, 0)))
    drive(world, 3)
    assert first.is_frozen()
    assert car.is_at_traffic_light()
    assert car.get_traffic_light().id == first.id
    assert car.get_traffic_light_state() == carla.TrafficLightState.Red
    world.freeze_all_traffic_lights(False)
    world.reset_all_traffic_lights()
    world.tick()
    assert first.get_state() == carla.TrafficLightState.Green
    assert [each.id for each in first.get_group_traffic_lights()] == [first.id]
    assert len(first.get_light_boxes()) == 1


def test_batches(client: Any, world: Any, library: Any) -> None:
    command = carla.command
    spots = world.get_map().get_spawn_points()[:4]
    blueprint = library.find("vehicle.audi.a2")
    spawned = client.apply_batch_sync(
        [
            command.SpawnActor(blueprint, spot).then(
                command.ApplyVehicleControl(command.FutureActor, carla.VehicleControl(throttle=0.5))
            )
            for spot in [*spots, spots[0]]
        ],
        True,
    )
    assert [bool(answer.error) for answer in spawned] == [False] * 4 + [True]
    ids = [answer.actor_id for answer in spawned[:4]]
    drive(world, 30)
    for each in world.get_actors(ids):
        assert each.get_velocity().length() > 1.0
    place = carla.Transform(carla.Location(90, 1.75, 0.1))
    zero = carla.Vector3D()
    answers = client.apply_batch_sync(
        [
            command.ApplyTransform(ids[0], place),
            command.ApplyTargetVelocity(ids[0], zero),
            command.ApplyTargetAngularVelocity(ids[0], zero),
            command.ApplyVehicleControl(ids[0], carla.VehicleControl(brake=1.0)),
            command.ApplyVehicleAckermannControl(ids[1], carla.VehicleAckermannControl(speed=2.0)),
            command.ApplyVehiclePhysicsControl(ids[1], world.get_actor(ids[1]).get_physics_control()),
            command.ApplyImpulse(ids[2], zero),
            command.ApplyForce(ids[2], zero),
            command.ApplyAngularImpulse(ids[2], zero),
            command.ApplyTorque(ids[2], zero),
            command.SetSimulatePhysics(ids[3], False),
            command.SetEnableGravity(ids[3], False),
            command.SetVehicleLightState(ids[3], carla.VehicleLightState.Brake),
            command.DestroyActor(ids[2]),
            command.DestroyActor(999_999),
        ],
        True,
    )
    assert [bool(answer.error) for answer in answers] == [False] * 14 + [True]
    assert world.get_actor(ids[0]).get_location().distance(place.location) < 0.2
    client.apply_batch([command.DestroyActor(each) for each in ids])
    world.tick()
    assert not world.get_actors().filter("vehicle.*")


def test_the_spectator_stays_and_moves(world: Any) -> None:
    spectator = world.get_spectator()
    assert spectator.type_id == "spectator"
    spectator.set_transform(carla.Transform(carla.Location(1, 2, 30), carla.Rotation(-90, 0, 0)))
    world.tick()
    assert spectator.get_transform().rotation.pitch == pytest.approx(-90.0, abs=1e-3)
    assert not spectator.destroy()
    world.tick()
    assert world.get_spectator().id == spectator.id


def test_away_from_lights_there_is_none(world: Any, car: Any) -> None:
    assert not car.is_at_traffic_light()
    assert car.get_traffic_light() is None
    assert world.get_actor(0) is None


def test_calls_about_destroyed_actors_do_no_harm(world: Any, car: Any) -> None:
    assert car.destroy()
    world.tick()
    for call in (car.get_light_state, car.get_physics_control, car.get_ackermann_controller_settings):
        with pytest.raises(RuntimeError, match=r"destroyed|no actor"):
            call()
    assert world.tick() > 0
