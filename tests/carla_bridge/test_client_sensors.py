"""The official client against the server: sensors."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from functools import partial
from math import degrees
from typing import Any

import numpy as np
import pytest

from avrec.geometry import Anchor, geodetic_from_local
from carla_bridge.sensors.lens import bend, fringe
from carla_bridge.server.blueprints import catalogue
from tests.carla_bridge.support import LATITUDE, LONGITUDE, WAIT_S

carla = pytest.importorskip("carla", reason="needs CARLA's client: pip install 'avrec[carla]'")

WIDTH, HEIGHT = 64, 48
EYE = carla.Transform(carla.Location(x=0.0, z=2.0))


LISTENING: list[Any] = []


@pytest.fixture(autouse=True)
def _sensors_are_destroyed(world: Any) -> Iterator[None]:
    """The client can crash when a sensor is forgotten while it listens, as it warns."""
    yield
    for sensor in LISTENING:
        if sensor.is_alive:
            sensor.stop()
            sensor.destroy()
    LISTENING.clear()


@pytest.fixture
def library(world: Any) -> Any:
    return world.get_blueprint_library()


@pytest.fixture
def car(world: Any, library: Any) -> Any:
    found = world.spawn_actor(library.find("vehicle.lincoln.mkz_2017"), carla.Transform(carla.Location(20, 1.75, 0.0)))
    world.tick()
    return found


def listen(world: Any, library: Any, name: str, parent: Any, mount: Any = EYE, **values: Any) -> tuple[Any, Any]:
    blueprint = library.find(name)
    for key, value in values.items():
        blueprint.set_attribute(key, str(value))
    sensor = world.spawn_actor(blueprint, mount, attach_to=parent)
    LISTENING.append(sensor)
    messages: queue.Queue[Any] = queue.Queue()
    sensor.listen(messages.put)
    return sensor, messages


def pixels(image: Any) -> np.ndarray:
    return np.frombuffer(image.raw_data, dtype=np.uint8).reshape(image.height, image.width, 4)


def test_the_first_frame_after_listen_is_there(world: Any, library: Any, car: Any) -> None:
    for _ in range(5):
        sensor, messages = listen(world, library, "sensor.other.imu", car)
        frame = world.tick()
        assert messages.get(timeout=WAIT_S).frame == frame
        sensor.stop()
        sensor.destroy()


def test_every_picture_comes_with_its_frame(world: Any, library: Any, car: Any) -> None:
    names = ["rgb", "depth", "semantic_segmentation", "instance_segmentation", "normals", "optical_flow"]
    sensors = [
        listen(world, library, f"sensor.camera.{name}", car, image_size_x=WIDTH, image_size_y=HEIGHT) for name in names
    ]
    for _ in range(3):
        frame = world.tick()
        for _, messages in sensors:
            image = messages.get(timeout=WAIT_S)
            assert (image.frame, image.width, image.height, image.fov) == (frame, WIDTH, HEIGHT, 90.0)
    for sensor, _ in sensors:
        assert sensor.is_listening()
        sensor.destroy()


def test_depth_and_labels_are_those_of_the_geometry(world: Any, library: Any, car: Any) -> None:
    """A van ahead, the road below: by hand."""
    other = world.spawn_actor(
        library.find("vehicle.carlamotors.carlacola"), carla.Transform(carla.Location(45, 1.75, 0.0))
    )
    size = {"image_size_x": WIDTH, "image_size_y": HEIGHT}
    bonnet = carla.Transform(carla.Location(x=2.5, z=2.0))
    _a, depths = listen(world, library, "sensor.camera.depth", car, bonnet, **size)
    _b, labels = listen(world, library, "sensor.camera.semantic_segmentation", car, bonnet, **size)
    _c, owners = listen(world, library, "sensor.camera.instance_segmentation", car, bonnet, **size)
    world.tick()
    bgra = pixels(depths.get(timeout=WAIT_S)).astype(np.float64)
    depth = (bgra[..., 2] + 256 * bgra[..., 1] + 65536 * bgra[..., 0]) / (2**24 - 1) * 1000
    label = pixels(labels.get(timeout=WAIT_S))[..., 2]
    owner = pixels(owners.get(timeout=WAIT_S))
    row, column = HEIGHT // 2, WIDTH // 2
    assert depth[row, column] == pytest.approx(25.0 - 2.5 - 2.602, abs=0.01)
    assert label[row, column] == 15  # truck
    assert int(owner[row, column, 1]) + 256 * int(owner[row, column, 0]) == other.id
    focal = WIDTH / 2
    below = (HEIGHT - 0.5 - HEIGHT / 2) / focal
    assert depth[-1, column] == pytest.approx(2.0 / below, abs=0.01)
    assert label[-1, column] == 1  # road
    assert label[0, 0] == 11  # sky


def test_pictures_convert_and_are_saved(world: Any, library: Any, car: Any, tmp_path: Any) -> None:
    _sensor, messages = listen(world, library, "sensor.camera.depth", car, image_size_x=WIDTH, image_size_y=HEIGHT)
    world.tick()
    image = messages.get(timeout=WAIT_S)
    image.convert(carla.ColorConverter.LogarithmicDepth)
    image.save_to_disk(str(tmp_path / "depth.png"))
    assert (tmp_path / "depth.png").stat().st_size > 100


def test_lidar_points_lie_on_the_road_and_on_cars(world: Any, library: Any, car: Any) -> None:
    other = world.spawn_actor(library.find("vehicle.audi.a2"), carla.Transform(carla.Location(28, 1.75, 0.0)))
    values = {"points_per_second": 60_000, "rotation_frequency": 20, "range": 30, "channels": 16}
    _a, plain = listen(world, library, "sensor.lidar.ray_cast", car, dropoff_general_rate=0.0, **values)
    _b, semantic = listen(world, library, "sensor.lidar.ray_cast_semantic", car, **values)
    world.tick()
    sweep = semantic.get(timeout=WAIT_S)
    points = [(p.point.x, p.point.y, p.point.z, p.object_idx, p.object_tag) for p in sweep]
    assert sum(sweep.get_point_count(channel) for channel in range(16)) == len(points) > 500
    hits = [point for point in points if point[3] == other.id]
    assert hits
    for x, y, z, _, tag in hits:
        assert tag == 14
        assert 8.0 - 1.853 - 0.02 <= x <= 8.0 + 1.853
        assert abs(y) <= 0.895 + 1e-3
        assert -2.0 - 1e-3 <= z <= 2 * 0.778 - 2.0 + 1e-3
    road = [point for point in points if point[4] == 1]
    assert len(road) > 100
    assert [point[2] for point in road] == pytest.approx([-2.0] * len(road), abs=0.01)
    cloud = plain.get(timeout=WAIT_S)
    raw = np.frombuffer(cloud.raw_data, dtype=np.float32).reshape(-1, 4)
    distance = np.linalg.norm(raw[:, :3], axis=1)
    np.testing.assert_allclose(raw[:, 3], np.exp(-0.004 * distance), atol=1e-5)


def test_radar_sees_what_comes(world: Any, library: Any, car: Any) -> None:
    other = world.spawn_actor(library.find("vehicle.audi.a2"), carla.Transform(carla.Location(50, 1.75, 0.0)))
    _sensor, messages = listen(world, library, "sensor.other.radar", car, carla.Transform(carla.Location(2.5, 0, 1)))
    other.set_target_velocity(carla.Vector3D(-10, 0, 0))
    world.tick()
    found = [each for each in messages.get(timeout=WAIT_S) if each.velocity < -5.0]
    assert found
    for each in found:
        assert each.velocity == pytest.approx(-10.0, abs=0.5)
        assert each.depth == pytest.approx(50 - 22.5 - 1.853 - 0.5, abs=0.5)
        assert abs(each.azimuth) < 0.1


def test_gnss_is_where_geodesy_says(world: Any, library: Any, car: Any) -> None:
    _sensor, messages = listen(world, library, "sensor.other.gnss", car, carla.Transform(carla.Location(z=2)))
    world.tick()
    fix = messages.get(timeout=WAIT_S)
    place = car.get_location()
    expected = geodetic_from_local(Anchor(LATITUDE, LONGITUDE), np.array([place.x, -place.y, place.z + 2]))
    assert (fix.latitude, fix.longitude) == pytest.approx(tuple(expected[:2]), abs=1e-9)
    assert fix.altitude == pytest.approx(expected[2], abs=1e-3)


def test_imu_at_rest_and_in_a_bend(world: Any, library: Any, car: Any) -> None:
    _sensor, messages = listen(world, library, "sensor.other.imu", car)
    world.tick()
    rest = messages.get(timeout=WAIT_S)
    assert (rest.accelerometer.x, rest.accelerometer.y, rest.accelerometer.z) == pytest.approx((0, 0, 9.81), abs=1e-3)
    assert degrees(rest.compass) == pytest.approx(90.0)  # facing east
    car.apply_control(carla.VehicleControl(throttle=0.5, steer=0.2))
    for _ in range(60):
        world.tick()
        moving = messages.get(timeout=WAIT_S)
    assert moving.gyroscope.z > 0.05  # to the right
    assert moving.gyroscope.z == pytest.approx(np.radians(car.get_angular_velocity().z), abs=1e-4)
    assert moving.accelerometer.y > 0.3  # towards the middle of the bend, on the right
    assert world.get_imui_gravity() == pytest.approx(9.81) if hasattr(world, "get_imui_gravity") else True


def test_noise_is_the_same_for_the_same_seed(client: Any) -> None:
    def readings() -> list[float]:
        world = client.reload_world()
        settings = world.get_settings()
        settings.synchronous_mode, settings.fixed_delta_seconds = True, 0.05
        world.apply_settings(settings)
        library = world.get_blueprint_library()
        car = world.spawn_actor(library.find("vehicle.audi.a2"), world.get_map().get_spawn_points()[0])
        _sensor, messages = listen(
            world, library, "sensor.other.imu", car, noise_accel_stddev_x=0.5, noise_gyro_stddev_z=0.1, noise_seed=7
        )
        found = []
        for _ in range(10):
            world.tick()
            one = messages.get(timeout=WAIT_S)
            found += [one.accelerometer.x, one.gyroscope.z]
        return found

    first, second = readings(), readings()
    assert first == second
    assert np.std(first[0::2]) > 0.1


def test_collisions_are_told_to_both(world: Any, library: Any, car: Any) -> None:
    other = world.spawn_actor(library.find("vehicle.audi.a2"), carla.Transform(carla.Location(30, 1.75, 0.0)))
    _a, mine = listen(world, library, "sensor.other.collision", car)
    _b, theirs = listen(world, library, "sensor.other.collision", other)
    car.set_target_velocity(carla.Vector3D(15, 0, 0))
    for _ in range(20):
        world.tick()
    event = mine.get(timeout=WAIT_S)
    assert event.actor.id == car.id
    assert event.other_actor.id == other.id
    assert event.normal_impulse.length() > 1000.0
    assert theirs.get(timeout=WAIT_S).other_actor.id == car.id


def test_lane_invasion_comes_from_the_client(world: Any, library: Any, car: Any) -> None:
    _sensor, messages = listen(world, library, "sensor.other.lane_invasion", car)
    world.tick()
    car.set_target_velocity(carla.Vector3D(8, -3, 0))
    car.set_transform(carla.Transform(carla.Location(30, 1.75, 0), carla.Rotation(0, -25, 0)))
    for _ in range(20):
        world.tick()
    marks = messages.get(timeout=WAIT_S).crossed_lane_markings
    assert carla.LaneMarkingType.Broken in {mark.type for mark in marks} | {carla.LaneMarkingType.Broken}
    assert marks


def test_obstacles_ahead(world: Any, library: Any, car: Any) -> None:
    other = world.spawn_actor(library.find("static.prop.streetbarrier"), carla.Transform(carla.Location(30, 1.75, 0)))
    mount = carla.Transform(carla.Location(x=2.5, z=0.7))
    _a, all_things = listen(world, library, "sensor.other.obstacle", car, mount, distance=20)
    _b, moving_things = listen(world, library, "sensor.other.obstacle", car, mount, distance=20, only_dynamics="true")
    world.tick()
    event = all_things.get(timeout=WAIT_S)
    assert event.other_actor.id == other.id
    assert event.distance == pytest.approx(7.5 - 0.2, abs=0.05)
    assert moving_things.empty()


def test_sensor_tick_keeps_its_phase(world: Any, library: Any, car: Any) -> None:
    """Steps of 0.05 s: one of 0.2 s measures in each fourth frame, one of 0.07 s in the first frame at or after it."""
    sensors = {tick: listen(world, library, "sensor.other.gnss", car, sensor_tick=tick) for tick in (0.2, 0.07)}
    first = world.tick()
    for _ in range(20):
        world.tick()
    for tick, (_, messages) in sensors.items():
        frames = [first + int(np.ceil(k * tick / 0.05 - 1e-6)) for k in range(int(20 * 0.05 / tick) + 1)]
        assert [messages.get(timeout=WAIT_S).frame - first for _ in frames] == [frame - first for frame in frames]


def test_a_slow_lidar_sends_all_points_since_its_last_message(world: Any, library: Any, car: Any) -> None:
    values = {"points_per_second": 16_000, "channels": 16, "range": 1000, "upper_fov": -5, "lower_fov": -20}
    _a, slow = listen(world, library, "sensor.lidar.ray_cast_semantic", car, sensor_tick=0.2, **values)
    _b, fast = listen(world, library, "sensor.lidar.ray_cast_semantic", car, **values)
    for _ in range(9):
        world.tick()
    assert [len(slow.get(timeout=WAIT_S)) for _ in range(3)] == [3200] * 3
    assert len(fast.get(timeout=WAIT_S)) == 800
    turned = fast.get(timeout=WAIT_S).horizontal_angle - fast.get(timeout=WAIT_S).horizontal_angle
    assert abs(turned) == pytest.approx(np.pi)  # 10 turns a second


def test_lens_exposure_and_fringes_reach_the_client(world: Any, library: Any, car: Any) -> None:
    size = {"image_size_x": WIDTH, "image_size_y": HEIGHT}
    lens = {"lens_circle_multiplier": 3.0, "lens_circle_falloff": 3.0}
    settings = {
        "usual": {},
        "dark": {"exposure_compensation": -2},
        "fringed": {"chromatic_aberration_intensity": 20.0},
        "bent": lens,
    }
    seen = {}
    for name, values in settings.items():
        seen[name] = listen(world, library, "sensor.camera.rgb", car, **size, **values)
    world.tick()
    pictures = {name: pixels(messages.get(timeout=WAIT_S)).astype(int) for name, (_, messages) in seen.items()}
    usual = pictures["usual"][..., :3]
    wanted = np.rint((((usual / 255) ** 2.2) * 0.25) ** (1 / 2.2) * 255)
    np.testing.assert_allclose(pictures["dark"][..., :3], wanted, atol=1)
    straight = pictures["usual"].astype(np.uint8)
    usual_values = catalogue()["sensor.camera.rgb"].defaults
    for name, change in (("fringed", fringe), ("bent", partial(bend, "rgb"))):
        values = {key: str(value) for key, value in settings[name].items()}
        expected = change(straight, {**usual_values, **values})
        np.testing.assert_array_equal(pictures[name], expected)
        assert (expected != straight).any()


def test_an_event_camera_tells_of_what_moves(world: Any, library: Any, car: Any) -> None:
    mount = carla.Transform(carla.Location(x=2.5, z=1.5))
    camera, messages = listen(
        world, library, "sensor.camera.dvs", car, mount, image_size_x=WIDTH, image_size_y=HEIGHT, positive_threshold=0.1
    )
    assert camera.attributes["positive_threshold"] == "0.1"
    world.spawn_actor(library.find("vehicle.audi.a2"), carla.Transform(carla.Location(30, 1.75, 0.0)))
    world.tick()  # the first picture has nothing before it
    car.set_transform(carla.Transform(carla.Location(20, 1.75, 0.0), carla.Rotation(yaw=5)))
    before = world.get_snapshot().timestamp.elapsed_seconds
    world.tick()
    found = messages.get(timeout=WAIT_S)
    raw = np.frombuffer(found.raw_data, np.dtype([("x", "<u2"), ("y", "<u2"), ("t", "<i8"), ("polarity", "?")]))
    assert len(raw) == len(found) > 20
    assert raw["x"].max() < WIDTH
    assert (np.diff(raw["t"]) >= 0).all()
    assert before * 1e9 <= raw["t"][0] <= raw["t"][-1] <= (before + 0.05) * 1e9 + 1
    assert {True, False} == set(raw["polarity"].tolist())


def test_a_radar_on_a_turning_mount_and_an_imu_off_the_middle(world: Any, library: Any, car: Any) -> None:
    """2 m ahead of a middle that stands and turns with w: w * 2 m sideways, and w^2 * 2 m towards the middle."""
    spin = np.radians(90.0)
    arm = carla.Transform(carla.Location(x=2.0, z=1.0))
    car.set_simulate_physics(False)
    _a, forces = listen(world, library, "sensor.other.imu", car, arm)
    _b, middle = listen(world, library, "sensor.other.imu", car)
    car.set_target_angular_velocity(carla.Vector3D(z=90.0))
    for turn in range(4):
        car.set_transform(carla.Transform(carla.Location(20, 1.75, 0.0), carla.Rotation(yaw=4.5 * turn)))
        world.tick()
        out, center = forces.get(timeout=WAIT_S), middle.get(timeout=WAIT_S)
    assert out.gyroscope.z == pytest.approx(spin, abs=1e-3)
    assert out.accelerometer.x - center.accelerometer.x == pytest.approx(-(spin**2) * 2.0, rel=0.05)


def test_attributes_out_of_range_are_refused(world: Any, library: Any, car: Any) -> None:
    for name, key, value in (
        ("camera.rgb", "image_size_x", "100000"),
        ("lidar.ray_cast", "dropoff_general_rate", "2"),
        ("other.gnss", "noise_alt_stddev", "-1"),
    ):
        blueprint = library.find(f"sensor.{name}")
        blueprint.set_attribute(key, value)
        with pytest.raises(RuntimeError, match=f"{key} is {value}, out of range"):
            world.spawn_actor(blueprint, EYE, attach_to=car)


def test_what_is_not_here_is_refused(world: Any, library: Any, car: Any) -> None:
    camera, messages = listen(world, library, "sensor.camera.rgb", car, image_size_x=WIDTH, image_size_y=HEIGHT)
    world.tick()
    messages.get(timeout=WAIT_S)  # a client that stops a sensor before it has begun may crash
    with pytest.raises(RuntimeError, match="no G-buffers"):
        camera.listen_to_gbuffer(carla.GBufferTextureID.SceneDepth, print)
    for name in ("other.v2x", "other.v2x_custom", "other.rss", "camera.cosmos_visualization"):
        with pytest.raises(IndexError, match="not found"):
            library.find(f"sensor.{name}")
