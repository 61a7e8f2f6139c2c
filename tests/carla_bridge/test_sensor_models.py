"""Event cameras, lidar beams and the obstacle detector's ball: by hand and against slow judges."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carla_bridge.sensors.attributes import check
from carla_bridge.sensors.dvs import EventModel, brightness, find_events
from carla_bridge.sensors.events import swept_ball
from carla_bridge.sensors.lidar import pulses
from carla_bridge.server.blueprints import catalogue
from carla_bridge.server.host import Host
from carla_bridge.server.profiles import profile_of
from carla_bridge.world import read_road_map
from carla_bridge.world.pose import Pose, rows
from tests.carla_bridge.support import loop_map

MS = 1_000_000


def random() -> np.random.Generator:
    return np.random.default_rng(1)


def one(value: float) -> np.ndarray:
    return np.array([[value]])


def run(levels: list[float], model: EventModel) -> list[tuple[int, int]]:
    """Times in ns and polarities of one pixel's events, with 10 ms between pictures."""
    state, found = None, []
    for index, level in enumerate(levels):
        state, events = find_events(state, one(level), index * 10 * MS, model, random())
        found += [(int(event["t"]), int(event["polarity"])) for event in events]
    return found


def test_events_by_hand() -> None:
    """From 0 to 1 in 10 ms with thresholds of 0.3: at 0.3, 0.6 and 0.9. The fourth comes when 1.2 is crossed."""
    model = EventModel(0.3, 0.5)
    assert run([0.0, 1.0], model) == [(3 * MS, 1), (6 * MS, 1), (9 * MS, 1)]
    assert run([0.0, 1.0, 1.5], model)[3:] == [(14 * MS, 1), (20 * MS, 1)]
    # Down again: the last event was at 0.9, so 0.4 is the first crossing.
    assert run([0.0, 1.0, 0.0], model)[3:] == [(16 * MS, 0)]
    assert run([0.0, 0.25, 0.0, 0.25], model) == []


def test_a_pixel_is_dead_for_a_while() -> None:
    model = EventModel(0.1, 0.1, refractory_ns=int(2.5 * MS))
    assert [time for time, _ in run([0.0, 1.0], model)] == [1 * MS, 4 * MS, 7 * MS, 10 * MS]


def test_noisy_thresholds_scatter_and_repeat() -> None:
    noisy = EventModel(0.1, 0.1, up_sigma=0.03)
    start, end = np.zeros((40, 40)), np.ones((40, 40))
    results = []
    for _ in range(2):
        state, _ = find_events(None, start.copy(), 0, noisy, random())
        results.append(find_events(state, end.copy(), 10 * MS, noisy, random())[1])
    assert (results[0] == results[1]).all()
    assert len(np.unique(results[0]["t"])) > 1000
    assert len(results[0]) == pytest.approx(10 * 1600, rel=0.1)
    assert (np.diff(results[0]["t"]) >= 0).all()


def test_brightness_is_that_of_the_documents() -> None:
    bgra = np.array([[[10, 20, 30, 255]]], np.uint8)
    grey = (0.2989 * 30 + 0.5870 * 20 + 0.1140 * 10) / 255
    assert brightness(bgra, use_log=False, log_eps=0.001)[0, 0] == pytest.approx(grey)
    assert brightness(bgra, use_log=True, log_eps=0.001)[0, 0] == pytest.approx(np.log(0.001 + grey))


@settings(max_examples=60)
@given(
    st.lists(st.floats(-2, 2).filter(lambda value: abs(value) > 1e-6), min_size=2, max_size=6),
    st.floats(0.05, 0.8),
    st.floats(0.05, 0.8),
)
def test_levels_stay_within_a_threshold(levels: list[float], up: float, down: float) -> None:
    """The events alone rebuild each pixel's brightness to within a threshold."""
    rebuilt = levels[0]
    for _, polarity in run(levels, EventModel(up, down)):
        rebuilt += up if polarity else -down
    assert -up - 1e-9 <= rebuilt - levels[-1] <= down + 1e-9 or len(set(levels)) == 1


def test_a_whole_turn_starts_at_the_back_and_goes_clockwise() -> None:
    ways, channel = pulses(2, 4, 0.0, 360.0, 360.0, -30.0, 10.0)
    assert channel.tolist() == [0] * 4 + [1] * 4
    flat = ways[:4] / np.cos(np.radians(10))
    np.testing.assert_allclose(flat[:, :2], [[-1, 0], [0, 1], [1, 0], [0, -1]], atol=1e-12)  # back, left, front, right
    assert ways[0, 2] == pytest.approx(np.sin(np.radians(10)))
    assert ways[4, 2] == pytest.approx(np.sin(np.radians(-30)))


def test_an_opening_is_gone_over_once_in_a_period() -> None:
    ways, _ = pulses(1, 60, 0.0, 120.0, 120.0, 0.0, 0.0)
    azimuth = np.degrees(np.arctan2(-ways[:, 1], ways[:, 0]))
    np.testing.assert_allclose(azimuth, -60 + 2.0 * np.arange(60), atol=1e-9)


def test_a_ball_against_a_box_by_hand() -> None:
    half, ahead, start = np.array([1.0, 2.0, 1.0]), np.array([1.0, 0, 0]), np.zeros(3)
    assert swept_ball(start, ahead, 20.0, 0.5, Pose(10.0), half) == pytest.approx(9.0)
    assert swept_ball(start, ahead, 8.4, 0.5, Pose(10.0), half) == np.inf
    assert swept_ball(start, ahead, 20.0, 0.5, Pose(10.0, 2.4), half) == pytest.approx(9.0)
    assert swept_ball(start, ahead, 20.0, 0.5, Pose(10.0, 2.6), half) == np.inf
    assert swept_ball(start, ahead, 20.0, 0.5, Pose(-10.0), half) == np.inf
    assert swept_ball(start, ahead, 20.0, 0.5, Pose(1.2), half) == pytest.approx(0.2)  # touches from the start


@settings(max_examples=40)
@given(st.floats(-3, 3), st.floats(-3, 3), st.floats(-3, 3), st.floats(-2, 2), st.floats(0.05, 1.0))
def test_a_ball_touches_where_a_fine_walk_finds_it(y: float, z: float, yaw: float, pitch: float, radius: float) -> None:
    half = np.array([1.0, 0.6, 0.8])
    box = Pose(6.0, y, z, 0.3, pitch, yaw)
    found = swept_ball(np.zeros(3), np.array([1.0, 0, 0]), 15.0, radius, box, half)
    walk = np.linspace(0, 15, 30001)
    centers = (np.outer(walk, [1.0, 0, 0]) - box.position) @ np.array(rows(box))
    away = np.linalg.norm(np.maximum(np.abs(centers) - half, 0.0), axis=1)
    if away.min() > radius + 1e-4:
        assert found == np.inf
    elif away.min() < radius - 1e-4:
        first = int(np.argmax(away <= radius))
        touched = np.clip(centers[first], -half, half)
        along = float((touched - centers[0]) @ (np.array(rows(box)).T @ np.array([1.0, 0, 0])))
        assert found == pytest.approx(max(along, 0.0), abs=0.05)


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        ("lidar.ray_cast", {"channels": 0}, "channels is 0"),
        ("lidar.ray_cast", {"dropoff_general_rate": 1.5}, "dropoff_general_rate is 1.5"),
        ("lidar.ray_cast", {"lower_fov": 20}, "lower_fov is 20, above upper_fov"),
        ("lidar.ray_cast", {"noise_stddev": -1}, "noise_stddev is -1"),
        ("other.gnss", {"noise_lat_stddev": -1}, "noise_lat_stddev is -1"),
        ("other.imu", {"noise_gyro_stddev_z": -0.1}, "noise_gyro_stddev_z is -0.1"),
        ("other.radar", {"range": 0}, "range is 0"),
        ("camera.dvs", {"positive_threshold": 0}, "positive_threshold is 0"),
        ("other.obstacle", {"hit_radius": -1}, "hit_radius is -1"),
    ],
)
def test_impossible_sensors_are_refused(name: str, values: dict[str, Any], words: str) -> None:
    attributes = {**catalogue()[f"sensor.{name}"].defaults, **{key: str(value) for key, value in values.items()}}
    with pytest.raises(ValueError, match=words):
        check(attributes)


def test_the_log_tells_once_what_does_nothing(caplog: pytest.LogCaptureFixture) -> None:
    host = Host(read_road_map(loop_map()), profile_of("0.9.16"))
    blueprint = host.blueprints["sensor.camera.rgb"]
    for _ in range(2):
        host.spawn(blueprint, {"blade_count": "7", "fov": "70", "iso": "100.0"}, Pose(0.0, 0.0, 2.0))
    host.spawn(host.blueprints["sensor.camera.depth"], {"lens_k": "2"}, Pose(0.0, 0.0, 2.0))
    told = [record.getMessage() for record in caplog.records]
    assert told == [
        "blade_count of sensor.camera.rgb does nothing: it only counts with another focal_distance than the usual one, "
        "at which everything is sharp.",
        "lens_k of sensor.camera.depth does nothing: it only counts with a lens_circle_multiplier above 0.",
    ]


def test_nobody_looking_costs_no_picture_and_no_memory() -> None:
    """A camera that is looked at again starts afresh: no flow across the time in which nobody looked."""
    host = Host(read_road_map(loop_map()), profile_of("0.9.16"))
    flows: list[Any] = []

    class Still:
        def camera(self, view: Any, request: Any) -> Any:
            flows.append((request.pose, request.before, request.step_s))
            return np.zeros((request.height, request.width, 2), np.float32)

    host.rack.renderer = Still()
    camera = host.spawn(host.blueprints["sensor.camera.optical_flow"], {"sensor_tick": "0.1"}, Pose(0.0, 0.0, 2.0))
    stream = next(iter(host.rack._sensors.values())).stream
    for step in range(8):
        host.streams._readers = {} if step in (2, 3) else {stream: []}
        host.world.set_pose(camera, Pose(float(step), 0.0, 2.0))
        host.tick()
    assert [(pose.x, before.x) for pose, before, _ in flows] == [(0, 0), (4, 4), (6, 4)]
    assert [step for _, _, step in flows] == pytest.approx([0.1] * 3)
