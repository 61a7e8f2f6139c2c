"""The official client against the server: calls that people use less often do what they say, or say they cannot."""

from __future__ import annotations

import queue
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.carla_bridge.support import WAIT_S, loop_map, synchronous

carla = pytest.importorskip("carla", reason="needs CARLA's client: pip install 'avrec[carla]'")

WIDTH, HEIGHT = 240, 160
NEWER = pytest.mark.skipif(not hasattr(carla.Vehicle, "get_telemetry_data"), reason="CARLA 0.9.16 and later")


@pytest.fixture
def library(world: Any) -> Any:
    return world.get_blueprint_library()


@pytest.fixture
def car(world: Any, library: Any) -> Any:
    found = world.spawn_actor(
        library.find("vehicle.lincoln.mkz_2017"), carla.Transform(carla.Location(40, 1.75, 0.1), carla.Rotation())
    )
    run(world, 4)
    return found


def run(world: Any, steps: int) -> None:
    for _ in range(steps):
        world.tick()


@pytest.fixture
def look(world: Any, library: Any) -> Any:
    """Take a picture after a tick, from 15 m behind the car: colours [H, W, 3]."""
    blueprint = library.find("sensor.camera.rgb")
    for name, value in {"image_size_x": WIDTH, "image_size_y": HEIGHT, "fov": 60}.items():
        blueprint.set_attribute(name, str(value))
    for name in ("enable_postprocess_effects",):
        blueprint.set_attribute(name, "false")
    camera = world.spawn_actor(blueprint, carla.Transform(carla.Location(25, 1.75, 1.0)))
    images: queue.Queue[Any] = queue.Queue()
    camera.listen(images.put)

    def picture() -> Any:
        frame = world.tick()
        while True:
            image = images.get(timeout=WAIT_S)
            if image.frame == frame:
                return np.frombuffer(image.raw_data, np.uint8).reshape(HEIGHT, WIDTH, 4)[..., 2::-1].astype(int)

    yield picture
    camera.destroy()


def pixel_of(place: Any) -> tuple[int, int]:
    """Column and row at which the camera of ``look`` sees a place."""
    focal = WIDTH / 2 / np.tan(np.radians(30))
    ahead = place.x - 25
    return int(WIDTH / 2 + (place.y - 1.75) / ahead * focal), int(HEIGHT / 2 - (place.z - 1.0) / ahead * focal)


def count(picture: Any, colour: tuple[int, int, int]) -> int:
    return int((np.abs(picture - colour).max(-1) < 3).sum())


MAGENTA = (255, 0, 255)


@pytest.mark.parametrize(
    "draw",
    [
        lambda d, at, **more: d.draw_point(at, 0.4, **more),
        lambda d, at, **more: d.draw_line(at - carla.Location(0, 2, 0), at + carla.Location(0, 2, 0), 0.2, **more),
        lambda d, at, **more: d.draw_arrow(at - carla.Location(0, 2, 0), at, 0.2, 0.5, **more),
        lambda d, at, **more: d.draw_string(at, "WORD", False, **more),
    ],
    ids=["point", "line", "arrow", "string"],
)
def test_debug_shapes_are_seen_where_they_are(world: Any, look: Callable[[], Any], draw: Any) -> None:
    at = carla.Location(35.0, 1.0, 1.5)
    assert count(look(), MAGENTA) == 0
    draw(world.debug, at, color=carla.Color(*MAGENTA), life_time=0.12)
    for _ in range(2):
        seen = look()
        u, v = pixel_of(at)
        assert count(seen[max(v - 12, 0) : v + 8, u - 6 : u + 40], MAGENTA) > 3
        assert count(seen, MAGENTA) == count(seen[v - 30 : v + 30, :], MAGENTA)
    run(world, 2)
    assert count(look(), MAGENTA) == 0


def test_shapes_last_for_a_step_or_for_ever(world: Any, look: Callable[[], Any]) -> None:
    at, colour = carla.Location(35.0, 1.0, 1.5), carla.Color(*MAGENTA)
    world.debug.draw_point(at, 0.4, colour)  # the usual life time is one step
    assert count(look(), MAGENTA) > 0
    assert count(look(), MAGENTA) == 0
    world.debug.draw_point(at, 0.4, colour, 0)
    run(world, 40)
    assert count(look(), MAGENTA) > 0
    if hasattr(world.debug, "clear_debug_shape"):
        world.debug.draw_string(at, "WORD", False, colour, 0)
        both = count(look(), MAGENTA)
        world.debug.clear_debug_shape()
        word = count(look(), MAGENTA)
        world.debug.clear_debug_string()
        assert both > word > 0 == count(look(), MAGENTA)


def test_boxes_are_drawn_around_cars(world: Any, car: Any, look: Callable[[], Any]) -> None:
    """The corners of the near face, projected by hand, are next to a pixel of the drawing; the car hides the others."""
    box, pose = car.bounding_box, car.get_transform()
    at = pose.transform(carla.Location(box.location))  # it changes its argument
    middle = carla.BoundingBox(at, box.extent)
    world.debug.draw_box(middle, pose.rotation, 0.02, carla.Color(*MAGENTA), 0.5)
    seen = np.abs(look() - MAGENTA).max(-1) < 60
    for corner in box.get_world_vertices(pose):
        u, v = pixel_of(corner)
        found = seen[v - 2 : v + 3, u - 2 : u + 3].any()
        if corner.x < at.x:
            assert found, (u, v)
    lower = [corner for corner in box.get_world_vertices(pose) if corner.x > at.x and corner.z < at.z]
    (u0, v0), (u1, _) = sorted(pixel_of(corner) for corner in lower)
    assert not seen[v0 - 1 : v0 + 2, u0 + 3 : u1 - 2].any()


def test_strokes_are_hidden_by_cars_and_words_are_not(world: Any, car: Any, look: Callable[[], Any]) -> None:
    colour, behind = carla.Color(*MAGENTA), carla.Location(50.0, 1.75, 0.7)
    before = carla.Location(34.0, 1.75, 0.7)
    for draw, there in (
        (lambda at: world.debug.draw_point(at, 0.2, colour, 0.12), False),
        (lambda at: world.debug.draw_line(at, at + carla.Location(0, 0.4, 0), 0.1, colour, 0.12), False),
        (lambda at: world.debug.draw_string(at, "WORD", False, colour, 0.12), True),
    ):
        for at, shown in ((before, True), (behind, there)):
            draw(at)
            assert (count(look(), MAGENTA) > 3) == shown
            run(world, 3)
            assert count(look(), MAGENTA) == 0
    # Into the car and out of its roof.
    start, end = carla.Location(34.0, 1.75, 0.5), carla.Location(60.0, 1.75, 2.84)  # rises 9 cm a metre
    world.debug.draw_line(start, end, 0.4, colour, 0.12)
    seen = look()
    for at in (carla.Location(58.0, 1.75, 2.66), carla.Location(35.0, 1.75, 0.59)):
        u, v = pixel_of(at)
        assert count(seen[v - 2 : v + 3, u - 2 : u + 3], MAGENTA) > 0
    u, v = pixel_of(carla.Location(40.0, 1.75, 1.04))
    inside = seen[v - 1 : v + 2, u - 1 : u + 2]
    assert count(inside, MAGENTA) == 0


def test_shapes_behind_the_camera_or_through_it_do_no_harm(world: Any, look: Callable[[], Any]) -> None:
    colour = carla.Color(*MAGENTA)
    world.debug.draw_point(carla.Location(20.0, 1.75, 1.0), 0.4, colour, 0.1)
    world.debug.draw_string(carla.Location(20.0, 1.75, 1.0), "x" * 5000, True, colour, 0.1)
    world.debug.draw_line(carla.Location(25.0, 1.75, 1.0), carla.Location(25.0, 1.75, 1.0), 1e6, colour, 0.1)
    assert count(look(), MAGENTA) == 0
    world.debug.draw_line(carla.Location(-1e6, 1.5, 0.5), carla.Location(1e6, 1.5, 0.5), 0.1, colour, 0.1)
    assert count(look(), MAGENTA) > 20


def test_the_map_s_furniture(world: Any, car: Any) -> None:
    label = carla.CityObjectLabel
    lights, poles = (world.get_environment_objects(each) for each in (label.TrafficLight, label.Poles))
    assert sorted(each.name.split("_")[1] for each in lights) == ["50", "51"]
    assert len({each.id for each in world.get_environment_objects()}) == 4
    assert set(world.get_names_of_all_objects()) == {each.name for each in (*lights, *poles)}
    light = min(lights, key=lambda each: each.transform.location.x)
    # s = 80, t = -5, its foot 3 m above the road, 1 m tall
    assert (light.transform.location.x, light.transform.location.y, light.transform.location.z) == pytest.approx(
        (80.0, 5.0, 3.5), abs=1e-3
    )
    assert (light.bounding_box.extent.y, light.bounding_box.extent.z) == pytest.approx((0.2, 0.5))
    pole = min(poles, key=lambda each: each.transform.location.x)
    assert pole.transform.location.z == pytest.approx(1.5, abs=0.05)
    actor = world.get_traffic_light_from_opendrive_id("50")
    (panel,) = actor.get_light_boxes()
    assert panel.location.distance(light.transform.location) < 1e-3
    assert len(world.get_level_bbs(label.TrafficLight)) == 2
    (box,) = world.get_level_bbs(label.Car)
    at = car.get_transform().transform(carla.Location(car.bounding_box.location))  # it changes its argument
    assert box.location.distance(at) < 1e-3
    assert len(world.get_level_bbs()) == 5


def test_signs_are_actors(client: Any) -> None:
    signs = "".join(
        f'<signal id="{number}" name="sign{number}" s="{s}" t="-5" zOffset="2" hOffset="0" dynamic="no" '
        f'orientation="+" type="{kind}" subtype="{subtype}" country="OpenDRIVE" value="{value}" width="1" height="1"/>'
        for number, s, kind, subtype, value in (
            (60, 20, 206, -1, -1), (61, 30, 205, -1, -1), (62, 50, 274, 30, 30),
            (63, 55, 274, 60, -1), (64, 60, 101, -1, -1),
        )
    )  # fmt: skip
    text = loop_map().decode().replace("<signals>", "<signals>" + signs, 1)
    world = client.generate_opendrive_world(text)
    try:
        synchronous(world)
        found = {each.type_id: each for each in world.get_actors().filter("traffic.*")}
        kinds = {"traffic.stop", "traffic.yield", "traffic.speed_limit.30", "traffic.speed_limit.60"}
        assert set(found) == kinds | {"traffic.traffic_light"}
        stop = found["traffic.stop"]
        assert stop.get_location().distance(carla.Location(20, 5, 2)) < 1e-3
        volume = stop.trigger_volume
        assert abs(stop.get_transform().transform(volume.location).x - 20.0) < 3.0
        landmarks = world.get_map().get_all_landmarks_of_type("206")
        assert world.get_traffic_sign(landmarks[0]).id == stop.id
        assert len(world.get_environment_objects(carla.CityObjectLabel.TrafficSigns)) == 5
    finally:
        client.generate_opendrive_world(loop_map().decode())


def test_lights_of_a_controller_share_their_times(client: Any) -> None:
    together = (
        loop_map()
        .decode()
        .replace(
            '<control signalId="50" type="0"/>', '<control signalId="50" type="0"/><control signalId="51" type="0"/>'
        )
    )
    world = client.generate_opendrive_world(together)
    try:
        synchronous(world)
        run(world, 2)
        first, second = (world.get_traffic_light_from_opendrive_id(name) for name in ("50", "51"))
        second.set_green_time(0.5)
        second.set_yellow_time(0.25)
        second.set_red_time(0.25)
        second.set_red_time(-1.0)  # refused
        world.reset_all_traffic_lights()
        run(world, 1)
        assert first.get_green_time() == pytest.approx(0.5)
        assert second.get_red_time() == pytest.approx(0.25)
        seen = []
        for _ in range(60):
            world.tick()
            assert first.get_state() == second.get_state()
            seen.append(first.get_state())
        state = carla.TrafficLightState
        share = [seen.count(each) for each in (state.Green, state.Yellow, state.Red)]
        assert share == pytest.approx([30, 15, 15], abs=2)
        assert first.get_pole_index() == second.get_pole_index() == 0
    finally:
        client.generate_opendrive_world(loop_map().decode())


def test_what_cannot_be_done_is_said(world: Any) -> None:
    texture = carla.TextureColor(2, 2)
    with pytest.raises(RuntimeError, match="Textures cannot be changed"):
        world.apply_color_texture_to_object("Pole_50_2", carla.MaterialParameter.Diffuse, texture)
    world.load_map_layer(carla.MapLayer.Buildings)
    world.unload_map_layer(carla.MapLayer.All)
    manager = world.get_lightmanager()
    assert manager.get_all_lights() == []
    manager.turn_on(manager.get_all_lights())
    world.tick()


@NEWER
def test_refusals_about_vehicles(world: Any, car: Any) -> None:
    with pytest.raises(RuntimeError, match="pitch angle"):
        car.get_wheel_pitch_angle(carla.VehicleWheelLocation.FL_Wheel)
    with pytest.raises(RuntimeError, match="no component"):
        car.get_component_world_transform("VehicleMesh")
    assert car.get_component_names() == ["root"]
    assert car.get_component_world_transform("root").location.distance(car.get_location()) < 1e-5
    assert car.get_socket_names() == []
    car.enable_chrono_physics(1, 0.01, "", "", "", "")
    car.enable_carsim("")
    world.tick()


def test_wheels_turn_as_the_steering_does(world: Any, car: Any) -> None:
    place = carla.VehicleWheelLocation
    car.apply_control(carla.VehicleControl(steer=1.0, hand_brake=True))
    run(world, 2)
    left, right, back = (car.get_wheel_steer_angle(each) for each in (place.FL_Wheel, place.FR_Wheel, place.BR_Wheel))
    assert right == pytest.approx(car.get_physics_control().wheels[1].max_steer_angle, abs=0.01)  # the inner one
    assert 20.0 < left < right
    assert back == 0.0
    if hasattr(car, "get_vehicle_bone_world_transforms"):
        bones = dict(zip(car.get_bone_names(), car.get_bone_world_transforms(), strict=True))
        yaw = bones["Wheel_Front_Right"].rotation.yaw - car.get_transform().rotation.yaw
        assert yaw == pytest.approx(right, abs=1e-3)
        assert len(car.get_vehicle_bone_world_transforms()) == 5
    car.set_simulate_physics(False)
    car.set_wheel_steer_direction(place.FL_Wheel, 12.5)
    world.tick()
    assert car.get_wheel_steer_angle(place.FL_Wheel) == pytest.approx(12.5)


@NEWER
def test_telemetry_tells_what_happens(world: Any, car: Any) -> None:
    car.apply_control(carla.VehicleControl(throttle=0.6))
    run(world, 20)
    told, speed = car.get_telemetry_data(), car.get_velocity().length()
    mass, wheels = car.get_physics_control().mass, car.get_physics_control().wheels
    assert told.speed == pytest.approx(speed, rel=1e-4)
    assert told.engine_rpm > 1000.0
    assert [each.omega for each in told.wheels] == pytest.approx([speed / (wheels[0].radius / 100)] * 4, rel=1e-3)
    assert sum(each.tire_load for each in told.wheels) == pytest.approx(mass * 9.81, rel=1e-3)
    along = sum(each.long_force for each in told.wheels)
    assert along == pytest.approx(mass * car.get_acceleration().length(), rel=0.15)
    car.apply_control(carla.VehicleControl(throttle=0.3, steer=0.3))
    run(world, 10)
    told = car.get_telemetry_data()
    right = car.get_transform().get_right_vector()
    side = sum(each.lat_force for each in told.wheels)
    assert side == pytest.approx(mass * car.get_acceleration().dot(right), rel=0.25)
    assert side > 0.0
    car.apply_control(carla.VehicleControl(brake=1.0))
    world.tick()
    assert all(each.long_force < 0.0 for each in car.get_telemetry_data().wheels)


def test_bones_walk_and_can_be_posed(world: Any, library: Any) -> None:
    person = world.spawn_actor(library.find("walker.pedestrian.0001"), carla.Transform(carla.Location(40, 4.5, 1.0)))
    run(world, 20)

    def bones() -> dict[str, Any]:
        return {each.name: each for each in person.get_bones().bone_transforms}

    still = bones()
    assert len(still) > 60
    assert still["crl_eye__L"].world.location.z > 1.6
    assert still["crl_foot__R"].world.location.z < 0.2
    assert still["crl_hand__R"].world.location.y > still["crl_hand__L"].world.location.y
    person.apply_control(carla.WalkerControl(carla.Vector3D(1, 0, 0), 1.4))
    strides = []
    for _ in range(30):
        world.tick()
        now = bones()
        strides.append(now["crl_foot__L"].component.location.x - now["crl_foot__R"].component.location.x)
    assert max(strides) > 0.4
    assert min(strides) < -0.4
    person.apply_control(carla.WalkerControl(speed=0.0))
    control = carla.WalkerBoneControlIn()
    control.bone_transforms = [("crl_arm__R", carla.Transform(carla.Location(0, 0, 0), carla.Rotation(roll=90)))]
    person.set_bones(control)
    run(world, 2)
    assert bones()["crl_arm__R"].relative.rotation.roll == pytest.approx(0.0, abs=1e-4)
    person.blend_pose(0.5)
    assert bones()["crl_arm__R"].relative.rotation.roll == pytest.approx(45.0, abs=1e-3)
    person.show_pose()
    hand, shoulder = bones()["crl_hand__R"].world.location, bones()["crl_arm__R"].world.location
    assert abs(hand.y - shoulder.y) > 0.5  # held out to the side
    person.get_pose_from_animation()
    assert bones()["crl_arm__R"].relative.rotation.roll == pytest.approx(0.0, abs=1e-4)
    person.hide_pose()
    person.destroy()


def test_things_set_loose_fall_slide_and_are_pushed(world: Any, library: Any) -> None:
    cone = library.find("static.prop.trafficcone01")
    place = carla.Transform(carla.Location(50, 1.75, 1.0))
    fast, loose = (world.spawn_actor(cone, carla.Transform(place.location + carla.Location(x=x))) for x in (0.0, 10.0))
    loose.set_simulate_physics(True)
    run(world, 20)
    assert fast.get_location().z == pytest.approx(1.0)
    assert loose.get_location().z == pytest.approx(0.0, abs=1e-3)
    fast.add_impulse(carla.Vector3D(100, 0, 0))
    loose.set_target_velocity(carla.Vector3D(0, 3.0, 0))
    run(world, 40)
    # 3 m/s and a friction of 0.6: v² / (2 mu g)
    assert loose.get_location().y - 1.75 == pytest.approx(9.0 / (2 * 0.6 * 9.81), abs=0.1)
    assert fast.get_location().x == pytest.approx(50.0)
    loose.set_location(carla.Location(70, 1.75, 0))
    car = world.spawn_actor(library.find("vehicle.tesla.model3"), carla.Transform(carla.Location(64, 1.75, 0.1)))
    world.tick()
    car.set_target_velocity(carla.Vector3D(8, 0, 0))
    run(world, 20)
    assert loose.get_location().x > 71.0
    assert car.get_velocity().x > 6.0  # a cone does not stop a car
    for each in (fast, loose, car):
        each.destroy()


@pytest.mark.parametrize("invincible", ["true", "false"])
def test_people_who_are_not_invincible_stay_where_they_were_hit(world: Any, library: Any, invincible: str) -> None:
    blueprint = library.find("walker.pedestrian.0003")
    blueprint.set_attribute("is_invincible", invincible)
    person = world.spawn_actor(blueprint, carla.Transform(carla.Location(60, 1.75, 1.0)))
    car = world.spawn_actor(library.find("vehicle.tesla.model3"), carla.Transform(carla.Location(50, 1.75, 0.1)))
    run(world, 4)
    person.apply_control(carla.WalkerControl(carla.Vector3D(0, 1, 0), 0.5))
    car.set_target_velocity(carla.Vector3D(15, 0, 0))
    run(world, 20)
    car.set_location(carla.Location(20, 1.75, 0))
    car.set_target_velocity(carla.Vector3D())
    world.tick()
    before = person.get_location()
    run(world, 20)
    walked = person.get_location().distance(before)
    assert walked == pytest.approx(0.5 if invincible == "true" else 0.0, abs=0.05)
    for each in (person, car):
        each.destroy()


def test_blueprints_are_what_carla_s_catalogue_says(library: Any) -> None:
    assert len(library) > 200
    for name in ("static.prop.bike helmet", "static.prop.omniwarning", "walker.pedestrian.0052"):
        assert library.find(name).id == name
    by = {
        name: {each.id for each in library.filter("vehicle.*") if str(each.get_attribute(name).as_str()) == value}
        for name, value in (("base_type", "truck"), ("special_type", "emergency"))
    }
    assert "vehicle.carlamotors.firetruck" in by["base_type"] & by["special_type"]
    lit = {each.id for each in library.filter("vehicle.*") if each.get_attribute("has_lights").as_bool()}
    assert {"vehicle.tesla.model3", "vehicle.dodge.charger_2020", "vehicle.bh.crossbike"} <= lit
    assert "vehicle.audi.a2" not in lit
    children = {each.id[-4:] for each in library.filter("walker.*") if each.get_attribute("age").as_str() == "child"}
    assert children == {"0009", "0010", "0011", "0012", "0013", "0014", "0048", "0049"}
    assert len(library.filter("vehicle.*").filter_by_attribute("generation", "2")) > 12


def test_meshes_cannot_be_loaded_but_boxes_scaled(world: Any, library: Any) -> None:
    mesh = library.find("static.prop.mesh")
    mesh.set_attribute("scale", "2")
    thing = world.spawn_actor(mesh, carla.Transform(carla.Location(20, 10, 1)))
    assert thing.bounding_box.extent.x == pytest.approx(1.0)
    mesh.set_attribute("mesh_path", "/Game/Carla/Static/Car.Car")
    with pytest.raises(RuntimeError, match="meshes cannot be loaded"):
        world.spawn_actor(mesh, carla.Transform(carla.Location(30, 10, 1)))
    thing.destroy()


def test_ackermann_limits_are_kept(world: Any, car: Any) -> None:
    car.apply_ackermann_control(carla.VehicleAckermannControl(speed=8.0, steer=0.2, steer_speed=0.1, acceleration=1.5))
    run(world, 20)
    mean = (
        car.get_wheel_steer_angle(carla.VehicleWheelLocation.FL_Wheel)
        + car.get_wheel_steer_angle(carla.VehicleWheelLocation.FR_Wheel)
    ) / 2
    assert np.radians(mean) == pytest.approx(0.1, abs=0.015)  # rad after 1 s, to the right
    assert car.get_velocity().length() == pytest.approx(1.5, abs=0.5)
    car.apply_ackermann_control(carla.VehicleAckermannControl(speed=-3.0, acceleration=3.0))
    run(world, 100)
    assert car.get_velocity().dot(car.get_transform().get_forward_vector()) == pytest.approx(-3.0, abs=0.4)
    assert car.get_control().reverse
    car.apply_control(carla.VehicleControl(brake=1.0))  # a plain control takes over
    run(world, 40)
    assert car.get_velocity().length() == 0.0


def test_a_car_sent_upwards_flies_a_parabola(world: Any, car: Any) -> None:
    car.set_target_velocity(carla.Vector3D(5, 0, 1.5))
    heights = []
    for _ in range(10):
        world.tick()
        heights.append(car.get_location().z)
    assert max(heights) == pytest.approx(1.5**2 / (2 * 9.81), abs=0.05)
    assert heights[-1] == pytest.approx(0.0, abs=1e-3)
    car.set_target_velocity(carla.Vector3D(5, 0, 0.3))  # what a slope may ask for
    world.tick()
    assert car.get_location().z == pytest.approx(0.0, abs=1e-3)


def test_gears_by_hand(world: Any, car: Any) -> None:
    car.apply_control(carla.VehicleControl(throttle=1.0, manual_gear_shift=True, gear=1))
    run(world, 120)
    first, told = car.get_velocity().length(), car.get_control()
    assert told.gear == 1
    physics = car.get_physics_control()
    gears = physics.forward_gears
    top = physics.max_rpm / 9.549 / (gears[0].ratio * physics.final_ratio) * physics.wheels[0].radius / 100
    assert first == pytest.approx(top, rel=0.05)  # the engine turns no faster
    car.apply_control(carla.VehicleControl(throttle=1.0, manual_gear_shift=True, gear=0))
    run(world, 20)
    assert car.get_velocity().length() < first
    car.apply_control(carla.VehicleControl(throttle=0.5, manual_gear_shift=True, gear=-1))
    run(world, 160)
    assert car.get_control().gear == -1


@pytest.mark.parametrize("opened", [False, True])
def test_cyclists_run_into_open_doors(world: Any, library: Any, opened: bool) -> None:
    parked = world.spawn_actor(library.find("vehicle.lincoln.mkz_2020"), carla.Transform(carla.Location(40, 3.0, 0.1)))
    bike = world.spawn_actor(library.find("vehicle.bh.crossbike"), carla.Transform(carla.Location(30, 1.4, 0.1)))
    sensor = world.spawn_actor(library.find("sensor.other.collision"), carla.Transform(), attach_to=bike)
    hits: queue.Queue[Any] = queue.Queue()
    sensor.listen(hits.put)
    parked.apply_control(carla.VehicleControl(hand_brake=True))
    if opened:
        parked.open_door(carla.VehicleDoor.All)
        parked.close_door(carla.VehicleDoor.FR)  # the other side
    run(world, 4)
    met = world.cast_ray(carla.Location(33, 1.4, 0.6), carla.Location(45, 1.4, 0.6))
    assert [each.label for each in met] == [carla.CityObjectLabel.Car] * opened
    bike.set_target_velocity(carla.Vector3D(6, 0, 0))
    run(world, 60)
    assert (bike.get_location().x > 43.0) is not opened
    if opened:
        hit = hits.get(timeout=WAIT_S)
        assert hit.other_actor.id == parked.id
        assert hit.normal_impulse.x < 0.0
    for each in (sensor, bike, parked):
        each.destroy()


def test_forces_do_not_move_people(world: Any, car: Any, library: Any) -> None:
    car.open_door(carla.VehicleDoor.All)  # it has none that open
    person = world.spawn_actor(library.find("walker.pedestrian.0002"), carla.Transform(carla.Location(50, 4.5, 1.0)))
    run(world, 10)
    before = person.get_location()
    person.add_impulse(carla.Vector3D(1000, 0, 0))
    person.set_target_velocity(carla.Vector3D(5, 0, 0))
    run(world, 3)
    assert person.get_location() == before
    person.set_simulate_physics(False)  # now only calls move it, and say how fast
    person.set_target_velocity(carla.Vector3D(1.5, 0, 0))
    run(world, 1)
    assert person.get_location() == before
    assert person.get_velocity().x == pytest.approx(1.5)
    person.destroy()


@pytest.mark.parametrize("kind", ["Rigid", "SpringArm", "SpringArmGhost"])
def test_spring_arms_follow_later_and_stay_clear(world: Any, car: Any, library: Any, kind: str) -> None:
    arm = getattr(carla.AttachmentType, kind)
    mount = carla.Transform(carla.Location(-6.0, 0.0, 2.5), carla.Rotation(pitch=-10))
    camera = world.spawn_actor(library.find("sensor.camera.depth"), mount, car, arm)
    world.tick()
    behind = car.get_transform().transform(carla.Location(-6.0, 0.0, 2.5))
    assert camera.get_location().distance(behind) < 0.01
    car.set_simulate_physics(False)
    pose = car.get_transform()
    for _ in range(20):  # 40 degrees per second
        pose.rotation.yaw += 2.0
        car.set_transform(pose)
        world.tick()
    late = pose.rotation.yaw - camera.get_transform().rotation.yaw
    # An arm that turns by 8 per second of what is missing is 40 / 8 degrees late, a step more or less.
    assert late == pytest.approx(0.0 if kind == "Rigid" else 5.0, abs=1e-3 if kind == "Rigid" else 1.1)
    pose.rotation.pitch = 20.0
    car.set_transform(pose)
    run(world, 60)
    level = camera.get_transform().rotation.pitch
    assert level == pytest.approx(10.0 if kind == "Rigid" else -10.0, abs=0.1)
    pose.rotation.pitch = 0.0
    car.set_transform(pose)
    blocker = world.spawn_actor(
        library.find("static.prop.container"),
        carla.Transform(pose.transform(carla.Location(-7.0, 0.0, 0.0)), pose.rotation),
    )
    run(world, 40)
    reach = camera.get_location().distance(pose.location)
    assert (reach < 5.5) if kind == "SpringArm" else reach == pytest.approx(6.5, abs=0.05)
    for each in (camera, blocker):
        each.destroy()


def test_batches_answer_with_what_went_wrong(client: Any, world: Any, car: Any, library: Any) -> None:
    command = carla.command
    nobody = 999_999
    lamps = carla.VehicleLightState(carla.VehicleLightState.Brake)
    sensor = library.find("sensor.other.imu")
    answers = client.apply_batch_sync(
        [
            command.ApplyVehicleControl(nobody, carla.VehicleControl()),
            command.ApplyTransform(nobody, carla.Transform()),
            command.SetSimulatePhysics(nobody, True),
            command.SetVehicleLightState(nobody, lamps),
            command.ApplyWalkerControl(car.id, carla.WalkerControl()),
            command.SetAutopilot(nobody, False),
            command.SpawnActor(sensor, carla.Transform(), nobody),
            command.SpawnActor(sensor, carla.Transform(carla.Location(z=2.0)), car),
            command.SetVehicleLightState(car, lamps),
        ],
        True,
    )
    assert [bool(answer.error) for answer in answers] == [True] * 7 + [False] * 2
    assert all("no actor" in answer.error for answer in answers[:4])
    assert "no walker" in answers[4].error
    imu = world.get_actor(answers[7].actor_id)
    assert imu.parent.id == car.id
    assert imu.get_location().z == pytest.approx(car.get_location().z + 2.0, abs=1e-3)
    assert car.get_light_state() == carla.VehicleLightState.Position  # the client sends 1 whatever lamps it is given
    car.set_light_state(lamps)
    assert car.get_light_state() == lamps
    imu.destroy()
