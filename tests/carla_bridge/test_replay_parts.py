"""Parts of a replay that need no simulator: live paths, blueprints, cameras, path following."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avrec.errors import AvrecError
from avrec.geometry import FThetaCamera, OpenCVPinholeCamera, invert, transform_from
from carla_bridge.replay.camera_spec import camera_named, field_of_view_deg
from carla_bridge.replay.fit import actor_from_box, actor_from_rig, kind_of, ranked
from carla_bridge.replay.lidar_models import LIDARS, LidarModel, lidar_named
from carla_bridge.replay.live_path import LivePath
from carla_bridge.replay.path_follower import Path, PathFollower, path_of
from carla_bridge.server.blueprints import catalogue
from tests.rendering.scenes import START_US, straight_path, tiny_scene


@settings(max_examples=40, deadline=None)
@given(release=st.integers(0, 900_000), back=st.integers(0, 100_000), ticks=st.integers(1, 6))
def test_a_live_path_is_the_recording_until_it_is_released(release: int, back: int, ticks: int) -> None:
    recorded = straight_path()
    path = LivePath(recorded)
    assert path.during(START_US) is recorded
    begun = START_US + release
    path.release(begun, recorded.at(begun))
    seen = {}
    for tick in range(1, ticks + 1):
        pose = transform_from(np.eye(3), np.array([10.0 + tick, tick**2, 0.0]))
        seen[begun + 50_000 * tick] = pose
        path.saw(begun + 50_000 * tick, pose)
    curve = path.during(begun - back)
    before = np.linspace(begun - back, begun, 7)
    np.testing.assert_allclose(curve.at(before), recorded.at(before, outside="extrapolate"), atol=1e-9)
    for time, pose in seen.items():
        np.testing.assert_allclose(curve.at(time), pose, atol=1e-12)
    path.follow()
    assert path.during(START_US) is recorded


class Library(list[Any]):
    """What `carla.BlueprintLibrary` offers of each blueprint."""

    def __init__(self) -> None:
        super().__init__(self.of(name, dict(each.defaults)) for name, each in catalogue().items())

    @staticmethod
    def of(name: str, values: dict[str, str]) -> Any:
        def get(key: str) -> Any:
            return SimpleNamespace(as_str=lambda: values[key], as_int=lambda: int(values[key]))

        return SimpleNamespace(id=name, has_attribute=values.__contains__, get_attribute=get)


def test_blueprints_by_class_and_box() -> None:
    library = Library()
    assert ranked("car", (4.792, 2.164, 1.488), library)[0] == "vehicle.tesla.model3"
    assert ranked("bus", (10.3, 3.9, 4.2), library)[0] == "vehicle.mitsubishi.fusorosa"
    assert ranked("person", (0.5, 0.5, 1.1), library)[0].startswith("walker.pedestrian.")
    child = ranked("person", (0.5, 0.5, 1.1), library)[0]
    assert catalogue()[child].half[2] < 0.6
    assert ranked("bicycle", (1.8, 0.4, 1.8), library)[0] == "vehicle.gazelle.omafiets"
    assert ranked("prop", (0.4, 0.4, 0.6), library)[0].startswith("static.prop.")


@pytest.mark.parametrize(
    ("label", "size", "kind"),
    [
        ("Car", (4, 2, 1.5), "car"),
        ("automobile", (4, 2, 1.5), "car"),
        ("vehicle.bus", (11, 3, 3), "bus"),
        ("Heavy Truck", (9, 3, 3), "truck"),
        ("Pedestrian", (0.5, 0.5, 1.7), "person"),
        ("Cyclist", (1.8, 0.6, 1.7), "bicycle"),
        ("???", (0.5, 0.5, 1.7), "person"),
        ("???", (1.9, 0.6, 1.6), "bicycle"),
        ("???", (4.5, 1.8, 1.5), "car"),
        ("???", (9.0, 2.5, 3.5), "truck"),
        ("???", (0.4, 0.4, 0.7), "prop"),
    ],
)
def test_classes(label: str, size: tuple[float, float, float], kind: str) -> None:
    assert kind_of(label, size) == kind


def box(location: tuple[float, float, float], extent: tuple[float, float, float]) -> Any:
    def vector(v: tuple[float, float, float]) -> Any:
        return SimpleNamespace(x=v[0], y=v[1], z=v[2])

    return SimpleNamespace(location=vector(location), extent=vector(extent))


def test_boxes_stand_on_the_same_ground() -> None:
    pose = actor_from_box((4.0, 1.8, 1.5), box((0.1, 0.2, 0.7), (2.2, 0.9, 0.8)))
    np.testing.assert_allclose(pose[:3, 3], [0.1, -0.2, -0.1 + 0.75])
    # On a ground at height 3 both lower faces are at 3.
    ground_from_box = transform_from(np.eye(3), np.array([0.0, 0.0, 3.0 + 0.75]))
    actor = ground_from_box @ invert(pose)
    assert actor[2, 3] + 0.7 - 0.8 == pytest.approx(3.0)


def test_the_rig_is_under_the_rear_axle() -> None:
    body = box((0.0, 0.0, 0.7), (2.4, 1.0, 0.7))
    wheels = [(1.4, -0.8, 0.3), (1.4, 0.8, 0.3), (-1.5, -0.8, 0.3), (-1.5, 0.8, 0.3)]
    np.testing.assert_allclose(actor_from_rig(body, wheels)[:3, 3], [-1.5, 0.0, 0.0])
    assert actor_from_rig(body)[0, 3] == pytest.approx(-0.58 * 2.4)
    assert actor_from_rig(body, [(300.0, 0, 0), (-100.0, 0, 0)])[0, 3] == pytest.approx(-0.58 * 2.4)


def test_cameras_of_carlas_kind() -> None:
    sensor, colours = camera_named(tiny_scene(), {"image_size_x": 80, "image_size_y": "60", "fov": 90})
    assert colours == "front"
    assert isinstance(sensor.model, OpenCVPinholeCamera)
    assert sensor.model.focal == pytest.approx((40.0, 40.0))
    assert sensor.model.principal_point == (40.0, 30.0)
    assert field_of_view_deg(sensor.model) == pytest.approx(90.0)
    np.testing.assert_array_equal(sensor.rig_from_camera, tiny_scene().cameras["front"].rig_from_camera)


def test_what_a_replay_does_not_follow_is_told(caplog: pytest.LogCaptureFixture) -> None:
    size = {"image_size_x": 80, "image_size_y": 60}
    camera_named(tiny_scene(), {**size, "fov": 70, "role_name": "x", "bloom_intensity": 0.675, "gamma": "2.20"})
    assert not caplog.records
    camera_named(tiny_scene(), {**size, "bloom_intensity": 2, "attributes": {"lens_k": 0.5}})
    assert [record.getMessage() for record in caplog.records] == [
        "Pictures of a replay are as avrec renders them, so these do nothing: bloom_intensity, lens_k."
    ]


def test_cameras_of_the_nurec_kind() -> None:
    spec = {
        "camera_params": {
            "camera_type": "ftheta",
            "logical_id": "front",
            "resolution_w": 100,
            "resolution_h": 80,
            "principal_point_x": 49.5,
            "principal_point_y": 39.5,
            "pixeldist_to_angle_poly": [0.0, 0.01, 0, 0, 0],
            "angle_to_pixeldist_poly": [],
            "max_angle": "pi",
            "shutter_type": "ROLLING_TOP_TO_BOTTOM",
        },
        "translation": [1.5, 0.2, 1.4],
        "rotation": [0.0, 90.0, 0.0],
    }
    sensor, _ = camera_named(tiny_scene(), spec)
    assert isinstance(sensor.model, FThetaCamera)
    assert sensor.model.principal_point == (50.0, 40.0)
    np.testing.assert_allclose(sensor.rig_from_camera[:3, 2], [0.0, 1.0, 0.0], atol=1e-12)  # looks to the left
    np.testing.assert_allclose(sensor.rig_from_camera[:3, 3], [1.5, 0.2, 1.4])
    assert field_of_view_deg(sensor.model) == pytest.approx(np.degrees(1.0))
    assert sensor.shutter.axis == "rows"


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"image_size_x": 80},
        {"image_size_x": 80, "image_size_y": 60, "fov": 200},
        {"image_size_x": 100_000, "image_size_y": 60},
        {"camera_type": "ftheta", "resolution_w": 10, "resolution_h": 10},
        {"camera_type": "pano", "resolution_w": 10, "resolution_h": 10},
        {"image_size_x": 80, "image_size_y": 60, "shutter_type": "sideways"},
        {"image_size_x": 80, "image_size_y": 60, "translation": [1.0]},
        {"model": "opencv-pinhole"},
        7,
    ],
)
def test_cameras_that_cannot_be(spec: Any) -> None:
    with pytest.raises(AvrecError):
        camera_named(tiny_scene(), spec)


def test_lidars_by_name() -> None:
    assert lidar_named("vlp32c") is LIDARS["VLP-32C"]
    assert all(len(model.elevations_deg) in (16, 32, 64, 128) for model in LIDARS.values())
    assert all(np.all(np.diff(model.elevations_deg) < 0) for model in LIDARS.values())
    with pytest.raises(AvrecError, match="Known are"):
        lidar_named("sonar")
    with pytest.raises(AvrecError, match="lasers"):
        LidarModel((), 100, 50.0)


@settings(max_examples=15, deadline=None)
@given(st.floats(-0.01, 0.01), st.floats(3.0, 15.0), st.floats(-1.0, 1.0))
def test_a_bicycle_on_the_follower_comes_to_the_path(bend: float, speed: float, aside: float) -> None:
    s = np.arange(0.0, 120.0, 0.25)
    heading = bend * s
    points = np.cumsum(np.stack([np.cos(heading), np.sin(heading)], 1), 0) * 0.25
    follower = PathFollower(Path(points, np.full(len(points), speed)), 2.8, np.radians(60.0))
    x, y, yaw, v, dt = float(points[0, 0]), float(points[0, 1]) + aside, 0.0, speed, 0.05
    for _ in range(int(90 / speed / dt)):
        pedals = follower.step((x, y), yaw, v, dt)
        assert 0.0 <= pedals.throttle <= 1.0
        assert 0.0 <= pedals.brake <= 1.0
        v = max(v + (4.0 * pedals.throttle - 8.0 * pedals.brake - 0.05 * v) * dt, 0.0)
        yaw += v * np.tan(-pedals.steer * np.radians(60.0)) / 2.8 * dt
        x, y = x + v * np.cos(yaw) * dt, y + v * np.sin(yaw) * dt
    assert np.hypot(points[:, 0] - x, points[:, 1] - y).min() < 0.25
    assert abs(v - speed) < 1.0


def test_a_recording_becomes_a_path() -> None:
    path = path_of(straight_path(4.0, 0.0), START_US + 500_000)
    np.testing.assert_allclose(path.points[0], [2.0, 0.0], atol=1e-6)
    np.testing.assert_allclose(path.speeds_mps, 4.0, atol=1e-6)
    with pytest.raises(AvrecError, match=r"0\.1 s"):
        path_of(straight_path(), START_US + 990_000)
    with pytest.raises(AvrecError, match="stands still"):
        path_of(straight_path(0.0, 0.0), START_US)
