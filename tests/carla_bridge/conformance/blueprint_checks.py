"""What is spawned: vehicles, people, and each sensor with what it must say."""

from __future__ import annotations

from math import exp, hypot, pi

import numpy as np
import pytest

from tests.carla_bridge.conformance.stage import LANE_Y, STEP_S, Stage, blueprint, pixels, xyz
from tests.carla_bridge.support import LATITUDE, LONGITUDE, WAIT_S, message_of

CAR, ROAD, SKY = 14, 1, 11
EYE_X, BEHIND_X = 10.0, 30.0
"""A camera in the world, and the middle of the car that it sees."""
HALF_LENGTH = 2.396
"""Of the car that is seen."""


def ahead(stage: Stage) -> object:
    """A car on the road; returns where to look at its back from, level, 1 m high."""
    stage.spawn("vehicle.tesla.model3", stage.at(BEHIND_X))
    stage.ticks(2)
    return stage.at(EYE_X, z=1.0)


@blueprint("vehicle.*")
def vehicles(stage: Stage) -> None:
    """All of them stand, drive and stop; none sinks in or flies."""
    kinds = list(stage.library.filter("vehicle.*"))
    spots = stage.world.get_map().get_spawn_points()
    assert len(kinds) == 41
    assert {each.get_attribute("base_type").as_str() for each in kinds} >= {"car", "truck", "van", "bus", "bicycle"}
    for batch in (kinds[:14], kinds[14:28], kinds[28:]):
        cars = [
            stage.world.spawn_actor(kind, spot) for kind, spot in zip(batch, spots[::2], strict=False)
        ]  # spots of one lane are 20 m apart
        assert len(cars) == len(batch)
        stage.ticks(10)
        starts = [car.get_location() for car in cars]
        assert max(abs(start.z) for start in starts) < 0.05
        for car in cars:
            car.apply_control(stage.carla.VehicleControl(throttle=0.6))
        stage.ticks(50)
        moved = [car.get_location().distance(start) for car, start in zip(cars, starts, strict=True)]
        assert min(moved) > 1.0, cars[int(np.argmin(moved))].type_id
        for car in cars:
            car.destroy()
        stage.ticks()


@blueprint("walker.*")
def walkers(stage: Stage) -> None:
    kinds = list(stage.library.filter("walker.*"))
    assert len(kinds) > 40
    for number, kind in enumerate(kinds[::5]):
        person = stage.world.spawn_actor(kind, stage.at(10.0 + 4 * number, 4.5, 1.0))
        person.apply_control(stage.carla.WalkerControl(stage.carla.Vector3D(0.0, -1.0, 0.0), 1.0))
        stage.ticks(20)
        assert person.get_location().y == pytest.approx(4.5 - 1.0, abs=0.1)
        assert person.get_location().z == pytest.approx(person.bounding_box.extent.z, abs=0.05)


@blueprint("sensor.camera.rgb")
def camera_rgb(stage: Stage) -> None:
    """Sky above road, and something else where the car is."""
    eye = stage.at(EYE_X, z=1.0)
    empty = pixels(stage.picture("rgb", eye)).astype(int)
    ahead(stage)
    found = pixels(stage.picture("rgb", eye)).astype(int)
    assert np.abs(empty[5, 32, :3] - empty[44, 32, :3]).max() > 20
    changed = np.abs(found - empty).max(axis=-1) > 20
    assert changed[24:27, 30:34].any()
    assert not changed[:10].any()
    assert (found[..., 3] == 255).all()


@blueprint("sensor.camera.depth")
def camera_depth(stage: Stage) -> None:
    image = pixels(stage.picture("depth", ahead(stage))).astype(float)
    metres = (image[..., 2] + 256 * image[..., 1] + 65536 * image[..., 0]) / (256**3 - 1) * 1000
    assert metres[24, 32] == pytest.approx(BEHIND_X - EYE_X - HALF_LENGTH, abs=0.02)
    assert metres[47, 32] == pytest.approx(1.0 / ((47.5 - 24) / 32), abs=0.02)  # the road
    assert metres[2, 32] == pytest.approx(1000.0, rel=1e-3)  # nothing


@blueprint("sensor.camera.semantic_segmentation")
def camera_semantic_segmentation(stage: Stage) -> None:
    labels = pixels(stage.picture("semantic_segmentation", ahead(stage)))[..., 2]
    assert (labels[24, 32], labels[46, 32], labels[2, 32]) == (CAR, ROAD, SKY)


@blueprint("sensor.camera.instance_segmentation")
def camera_instance_segmentation(stage: Stage) -> None:
    """Label in red, the actor in the other two: two cars are two instances."""
    eye = ahead(stage)
    second = stage.spawn("vehicle.tesla.model3", stage.at(BEHIND_X, -LANE_Y))
    stage.ticks(2)
    image = pixels(stage.picture("instance_segmentation", eye, 128, 96)).astype(int)
    cars = image[image[..., 2] == CAR]
    owners = set((cars[:, 1] + 256 * cars[:, 0]).tolist())
    assert len(owners) == 2
    assert second.id in owners


@blueprint("sensor.camera.dvs")
def camera_dvs(stage: Stage) -> None:
    """A car that comes into view makes events there, in the order of their times; a still picture makes none."""
    eye = stage.at(EYE_X, z=1.0)
    _camera, messages = stage.hear("sensor.camera.dvs", eye, image_size_x=160, image_size_y=120)
    before = stage.ticks(3)
    ahead(stage)
    while (events := messages.get(timeout=WAIT_S)).frame <= before:
        assert len(events) == 0
    assert len(events) > 20
    assert 60 < np.mean([event.x for event in events]) < 100
    assert [event.t for event in events] == sorted(event.t for event in events)


@blueprint("sensor.lidar.ray_cast")
def lidar_ray_cast(stage: Stage) -> None:
    """On the road below and on the car ahead, with what air leaves of the intensity."""
    eye = ahead(stage)
    _lidar, sweeps = stage.hear(
        "sensor.lidar.ray_cast", eye, range=40, channels=32, points_per_second=200_000, rotation_frequency=20,
        dropoff_general_rate=0.0, dropoff_intensity_limit=1.0, dropoff_zero_intensity=0.0,
    )  # fmt: skip
    stage.ticks()
    points = np.frombuffer(sweeps.get(timeout=WAIT_S).raw_data, dtype=np.float32).reshape(-1, 4)
    assert len(points) > 1000
    road = points[abs(points[:, 1]) < 1.5]
    assert road[:, 2].min() == pytest.approx(-1.0, abs=0.01)
    car = points[(points[:, 2] > -0.9) & (abs(points[:, 1]) < 1.1)]
    assert car[:, 0].min() == pytest.approx(BEHIND_X - EYE_X - HALF_LENGTH, abs=0.02)
    far = int(np.linalg.norm(points[:, :3], axis=1).argmax())
    assert points[far, 3] == pytest.approx(exp(-0.004 * np.linalg.norm(points[far, :3])), abs=1e-4)


@blueprint("sensor.lidar.ray_cast_semantic")
def lidar_ray_cast_semantic(stage: Stage) -> None:
    eye = ahead(stage)
    seen = stage.world.get_actors().filter("vehicle.*")[0]
    _lidar, sweeps = stage.hear(
        "sensor.lidar.ray_cast_semantic", eye, range=40, points_per_second=200_000, rotation_frequency=20
    )
    stage.ticks()
    found = list(sweeps.get(timeout=WAIT_S))
    assert {each.object_tag for each in found} >= {CAR, ROAD}
    on_car = [each for each in found if each.object_idx == seen.id]
    assert on_car
    assert {each.object_tag for each in on_car} == {CAR}
    facing = min(on_car, key=lambda each: abs(each.point.y))
    assert facing.cos_inc_angle > 0.9  # its back faces us


@blueprint("sensor.other.radar")
def other_radar(stage: Stage) -> None:
    """Distance, angle and how fast it comes nearer."""
    eye = ahead(stage)
    stage.world.get_actors().filter("vehicle.*")[0].enable_constant_velocity(stage.carla.Vector3D(-6.0, 0.0, 0.0))
    _radar, messages = stage.hear("sensor.other.radar", eye, points_per_second=3000)
    stage.ticks(2)
    messages.get(timeout=WAIT_S)
    hits = [each for each in messages.get(timeout=WAIT_S) if each.velocity < -3.0]
    assert hits
    depth = BEHIND_X - EYE_X - HALF_LENGTH - 2 * 6.0 * STEP_S
    assert min(each.depth for each in hits) == pytest.approx(depth, abs=0.2)
    assert all(abs(each.azimuth) < 0.1 for each in hits)
    assert np.median([each.velocity for each in hits]) == pytest.approx(-6.0, abs=0.2)


@blueprint("sensor.other.gnss")
def other_gnss(stage: Stage) -> None:
    """111 km a degree: 100 m east and 50 m north of the origin."""
    _gnss, messages = stage.hear("sensor.other.gnss", stage.at(100.0, -50.0, 7.0))
    stage.ticks()
    fix = messages.get(timeout=WAIT_S)
    assert (fix.latitude - LATITUDE) * 111_200 == pytest.approx(50.0, abs=0.5)
    assert (fix.longitude - LONGITUDE) * 111_320 * np.cos(np.radians(LATITUDE)) == pytest.approx(100.0, abs=0.5)
    assert fix.altitude == pytest.approx(7.0, abs=0.01)


@blueprint("sensor.other.imu")
def other_imu(stage: Stage) -> None:
    """Gravity at rest; what the speed gains when it pulls away; the compass turns from north to east."""
    car = stage.car()
    _imu, messages = stage.hear("sensor.other.imu", None, car)
    stage.ticks()
    rest = messages.get(timeout=WAIT_S)
    assert xyz(rest.accelerometer) == pytest.approx((0.0, 0.0, 9.81), abs=0.05)
    assert rest.compass == pytest.approx(pi / 2)
    car.apply_control(stage.carla.VehicleControl(throttle=1.0))
    stage.ticks(20)
    before = car.get_velocity().x
    pull = message_of(stage.ticks(), messages)
    assert pull.accelerometer.x == pytest.approx((car.get_velocity().x - before) / STEP_S, abs=0.1)
    assert pull.accelerometer.x > 1.0


@blueprint("sensor.other.collision")
def other_collision(stage: Stage) -> None:
    """Told once they touch, with whom, and with an impulse that fits the masses."""
    car, wall = stage.car(20.0), stage.spawn("static.prop.streetbarrier", stage.at(32.0))
    _sensor, messages = stage.hear("sensor.other.collision", None, car)
    stage.ticks()
    assert messages.empty()
    car.set_target_velocity(stage.carla.Vector3D(12.0, 0.0, 0.0))
    stage.ticks(30)
    event = messages.get(timeout=WAIT_S)
    assert (event.actor.id, event.other_actor.id) == (car.id, wall.id)
    mass = car.get_physics_control().mass
    assert 0.3 * mass * 12.0 < hypot(*xyz(event.normal_impulse)[:2]) < 3.0 * mass * 12.0
    assert car.get_location().x < 32.0 + 2.5  # it did not drive through


@blueprint("sensor.other.lane_invasion")
def other_lane_invasion(stage: Stage) -> None:
    """Silent in the lane, told on the way over the broken line."""
    car = stage.car()
    _sensor, messages = stage.hear("sensor.other.lane_invasion", None, car)
    car.set_target_velocity(stage.carla.Vector3D(6.0, 0.0, 0.0))
    stage.ticks(10)
    assert messages.empty()
    car.set_transform(stage.at(40.0, LANE_Y, yaw=-10.0))
    car.enable_constant_velocity(stage.carla.Vector3D(6.0, 0.0, 0.0))
    stage.ticks(20)
    marks = messages.get(timeout=WAIT_S).crossed_lane_markings
    assert [mark.type for mark in marks] == [stage.carla.LaneMarkingType.Broken]


@blueprint("controller.ai.walker")
def ai_walker(stage: Stage) -> None:
    """Walks where it is sent, on the sidewalk, at the speed it was given."""
    person = stage.spawn("walker.pedestrian.0002", stage.at(20.0, 4.5, 1.0))
    stage.ticks()
    controller = stage.spawn("controller.ai.walker", None, person)
    stage.ticks()
    controller.start()
    controller.go_to_location(stage.carla.Location(45.0, 4.5, 0.0))
    controller.set_max_speed(2.0)
    stage.ticks(240)
    assert person.get_location().x > 35.0
    assert 3.5 < person.get_location().y < 5.5
    controller.stop()
