"""Replays through the official client: poses, pixels, take-over, sensors, clean ends."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from avrec.drive import Track
from avrec.errors import AvrecError
from avrec.geometry import Offset, Trajectory, log_so3, transform_from
from avrec.rendering import render, render_view, view_for
from avrec.scene import Scene
from carla_bridge import traffic
from carla_bridge.replay import ReplaySession
from tests.carla_bridge.conformance.stage import junction_map
from tests.carla_bridge.support import free_port, loop_map, traffic_manager
from tests.rendering.scenes import START_US, straight_path, tiny_scene

carla = pytest.importorskip("carla", reason="needs CARLA's client: pip install 'avrec[carla]'")

STEP_S = 0.05
BESIDE = Offset(left_m=1.0, yaw_deg=3.0, pitch_deg=2.0, roll_deg=-1.0)


def turned_path(track: Track) -> Track:
    """The track with a box that is large enough for a car, and turns."""
    times = START_US + np.array([0, 300_000, 600_000])
    yaw = np.radians([10.0, 14.0, 22.0])
    turn = np.stack([[[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]] for a in yaw])
    poses = transform_from(turn, np.array([[9.0, -2.0, 0.8], [9.3, 0.0, 0.8], [9.2, 2.0, 0.9]]))
    return Track(track.id, track.label, np.array([4.4, 1.8, 1.5]), Trajectory(times, poses))


@pytest.fixture(scope="module")
def scene() -> Scene:
    plain = tiny_scene()
    walker = Track("w", "pedestrian", np.array([0.5, 0.6, 1.7]), straight_path(1.0, 0.0).transformed(shift(5.0, 4.0)))
    return tiny_scene(tracks=(turned_path(plain.tracks[0]), walker), map_xodr=loop_map())


def shift(x: float, y: float) -> np.ndarray:
    return transform_from(np.eye(3), np.array([x, y, 0.85]))


@pytest.fixture
def session(client: Any, scene: Scene) -> Iterator[ReplaySession]:
    with ReplaySession(client, scene, step_s=STEP_S) as running:
        yield running


def apart(first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    """Distance in metres and angle in degrees of two poses."""
    turn = np.degrees(np.linalg.norm(log_so3(first[:3, :3].T @ second[:3, :3])))
    return float(np.linalg.norm(first[:3, 3] - second[:3, 3])), float(turn)


def test_poses_and_pixels_are_the_recordings_at_every_tick(session: ReplaySession, scene: Scene) -> None:
    straight, beside = [], []
    session.add_camera("front", straight.append)
    session.add_camera("front", beside.append, offset=BESIDE)
    ticks = 0
    while session.tick():
        ticks += 1
        away, turned = apart(session.ego_pose(), scene.ego.at(session.time_us))
        assert away <= 0.001
        assert turned <= 0.005
        for track in session.track_ids:
            away, turned = apart(session.actor_pose(track), scene.track(track).world_from_box.at(session.time_us))
            assert away <= 0.001
            assert turned <= 0.005
    assert ticks == 16
    assert session.is_done
    assert len(straight) == len(beside) == ticks
    for image in straight:
        np.testing.assert_array_equal(image.rgb, render(scene, "front", image.time_us).rgb_uint8)
    for image in beside:
        np.testing.assert_array_equal(image.rgb, render(scene, "front", image.time_us, offset=BESIDE).rgb_uint8)
    assert [image.frame for image in straight] == list(range(straight[0].frame, straight[0].frame + ticks))
    np.testing.assert_allclose(np.diff([image.timestamp for image in straight]), STEP_S, atol=1e-9)


def test_recorded_exposures(session: ReplaySession, scene: Scene) -> None:
    images = []
    session.add_camera("front", images.append, framerate="recorded")
    while session.tick():
        pass
    wanted = [time for time in scene.frames["front"] if START_US <= time <= START_US + 760_000]
    assert [image.time_us for image in images] == wanted[: len(images)]
    assert len(images) >= len(wanted) - 1


def test_an_image_has_what_carlas_has(session: ReplaySession) -> None:
    images = []
    session.add_camera("front", images.append)
    session.tick()
    (image,) = images
    assert (image.width, image.height, len(image), len(image.raw_data)) == (48, 32, 48 * 32, 48 * 32 * 4)
    assert image.fov == pytest.approx(2 * np.degrees(np.arctan(24 / 40)), abs=1e-6)
    assert image.frame == session.frame
    assert isinstance(image.transform, carla.Transform)
    bgra = np.frombuffer(image.raw_data, np.uint8).reshape(32, 48, 4)
    np.testing.assert_array_equal(bgra[..., :3], image.rgb[..., ::-1])
    assert (bgra[..., 3] == 255).all()


def test_after_take_over_the_ego_is_seen_from_where_it_went(session: ReplaySession, scene: Scene) -> None:
    images = []
    session.add_camera("front", images.append, offset=BESIDE)
    for _ in range(4):
        session.tick()
    vehicle = session.take_over_ego()
    assert vehicle.id == session.ego.id
    poses = {session.time_us: session.ego_pose()}
    speed = float(np.linalg.norm(scene.ego.velocity_at(session.time_us)[0]))
    for _ in range(8):
        vehicle.apply_control(carla.VehicleControl(throttle=0.0, steer=0.6, brake=1.0))
        session.tick()
        poses[session.time_us] = session.ego_pose()
    assert apart(session.ego_pose(), scene.ego.at(session.time_us))[0] > 0.1  # it went elsewhere
    assert speed > 3.0
    # A judge of its own: the poses that the client saw, as a scene of their own.
    judge = Trajectory(np.array(list(poses)), np.stack(list(poses.values())))
    image = images[-1]
    body = ("7",) if scene.track("7").covers(image.time_us + 16_000) else ()
    view = view_for(tiny_rig(scene, judge), "front", image.time_us, offset=BESIDE, bodies=body)
    wanted = render_view(scene, view, "front", image.time_us, bodies=body).rgb_uint8
    close = np.abs(image.rgb.astype(int) - wanted).max(-1) <= 2
    assert close.mean() >= 0.999
    session.release_ego()
    session.tick()
    assert apart(session.ego_pose(), scene.ego.at(session.time_us))[0] < 0.001


def tiny_rig(scene: Scene, ego: Trajectory) -> Scene:
    return tiny_scene(tracks=scene.tracks, ego=ego)


def test_one_actor_leaves_the_recording_and_the_others_go_on(session: ReplaySession, scene: Scene) -> None:
    images = []
    for _ in range(2):
        session.tick()
    actor = session.control_actor("7")
    session.add_camera("front", images.append)
    for _ in range(7):
        actor.apply_control(carla.VehicleControl(brake=1.0))
        session.tick()
    assert apart(session.actor_pose("7"), scene.track("7").world_from_box.at(session.time_us))[0] > 0.2
    assert apart(session.actor_pose("w"), scene.track("w").world_from_box.at(session.time_us))[0] < 0.001
    recorded = render(scene, "front", images[-1].time_us).rgb_uint8
    assert (images[-1].rgb != recorded).any()
    with pytest.raises(AvrecError, match="person"):
        session.control_actor("w", "autopilot")
    with pytest.raises(AvrecError, match="here are"):
        session.control_actor("nobody")


def test_a_path_follower_stays_near_the_recording(session: ReplaySession, scene: Scene) -> None:
    session.tick()
    session.take_over_ego("path")
    for _ in range(12):
        session.tick()
    assert apart(session.ego_pose(), scene.ego.at(session.time_us))[0] < 0.5


def test_the_traffic_manager_drives_the_ego_and_gives_it_back(client: Any, scene: Scene) -> None:
    with ReplaySession(client, scene, step_s=STEP_S, traffic_manager_port=free_port()) as session:
        session.tick()
        before = session.ego_pose()
        session.take_over_ego("autopilot")
        for _ in range(6):
            session.tick()
        assert 0.3 < apart(session.ego_pose(), before)[0] < 4.0
        session.release_ego()
        session.tick()
        assert apart(session.ego_pose(), scene.ego.at(session.time_us))[0] < 0.001
    client.reload_world()  # which a Traffic Manager that stayed would not survive


def test_a_port_that_is_in_use_is_said(client: Any, scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traffic, "ANSWER_S", 0.2)
    with socket.create_server(("0.0.0.0", 0)) as other:
        port = other.getsockname()[1]
        with ReplaySession(client, scene, step_s=STEP_S, traffic_manager_port=port) as session:
            session.tick()
            with pytest.raises(AvrecError, match=f"Port {port} is in use"):
                session.take_over_ego("autopilot")
            session.tick()  # it goes on with the recording
            assert apart(session.ego_pose(), scene.ego.at(session.time_us))[0] < 0.001
        with pytest.raises(AvrecError, match=f"Port {port} is in use"), traffic.Traffic(client, vehicles=1, port=port):
            pass


def test_a_traffic_manager_that_was_there_stays(client: Any, scene: Scene) -> None:
    with traffic_manager(client) as manager:
        with ReplaySession(client, scene, step_s=STEP_S, traffic_manager_port=manager.get_port()) as session:
            session.take_over_ego("autopilot")
            session.tick()
        manager.global_percentage_speed_difference(10.0)
        assert not traffic.is_free(manager.get_port())


def test_pause_holds_the_world(session: ReplaySession) -> None:
    session.tick()
    before = session.frame, session.time_us
    session.pause()
    assert session.tick()
    assert (session.frame, session.time_us) == before
    session.resume()
    assert session.tick()
    assert session.frame == before[0] + 1


def test_lidar_measures_the_wall(session: ReplaySession, scene: Scene) -> None:
    sweeps = []
    session.add_lidar(sweeps.append, "VLP-16")
    for _ in range(4):
        session.tick()
    assert len(sweeps) == 2
    sweep = sweeps[-1]
    assert sum(sweep.get_point_count(channel) for channel in range(sweep.channels)) == len(sweep) > 200
    rig_from_lidar = transform_from(np.eye(3), np.array([1.0, 0.0, 2.0]))
    world_from_lidar = scene.ego.at(sweep.time_us) @ rig_from_lidar
    local = sweep.points[:, :3] * [1.0, -1.0, 1.0]
    world = np.einsum("nij,nj->ni", world_from_lidar[:, :3, :3], local) + world_from_lidar[:, :3, 3]
    wall = world[(np.abs(world[:, 1]) < 5.5) & (world[:, 0] > 12.5)]
    assert len(wall) > 100
    assert np.median(np.abs(wall[:, 0] - 14.0)) < 0.4
    assert isinstance(sweep[0].point, carla.Location)


def test_leaving_restores_the_world(client: Any, scene: Scene) -> None:
    world = client.get_world()
    before = world.get_settings()
    born = []

    def fail() -> None:
        with ReplaySession(client, scene) as session:
            assert world.get_settings().synchronous_mode
            assert world.get_settings().fixed_delta_seconds == pytest.approx(STEP_S)
            born.extend([session.ego.id, *(session.actor(track).id for track in session.track_ids)])
            raise RuntimeError("a user's error")

    with pytest.raises(RuntimeError, match="user's"):
        fail()
    after = world.get_settings()
    assert after.synchronous_mode == before.synchronous_mode
    assert after.fixed_delta_seconds == before.fixed_delta_seconds
    world.wait_for_tick()
    assert len(born) == 3
    assert not {actor.id for actor in world.get_actors()} & set(born)


def test_a_map_that_is_there_is_not_loaded_again_though_it_got_marks_for_clients(client: Any) -> None:
    scene = tiny_scene(map_xodr=junction_map().encode())
    with ReplaySession(client, scene) as session:
        loaded = session.world.id
        assert session.world.get_map().to_opendrive() != junction_map()
    with ReplaySession(client, scene) as session:
        assert session.world.id == loaded


def test_what_cannot_be_replayed_is_refused(client: Any, scene: Scene) -> None:
    with pytest.raises(AvrecError, match="not within the recording"):
        ReplaySession(client, scene, end_us=START_US + 10_000_000)
    with pytest.raises(AvrecError, match="out of range"):
        ReplaySession(client, scene, step_s=5.0)
    with pytest.raises(AvrecError, match="no map"), ReplaySession(client, tiny_scene()):
        pass
    with pytest.raises(AvrecError, match="not running"):
        ReplaySession(client, scene).tick()
    with ReplaySession(client, scene) as session:
        with pytest.raises(AvrecError, match="No camera"):
            session.add_camera("rear", print)
        with pytest.raises(AvrecError, match="No lidar"):
            session.add_lidar(print, "HAL-9000")
    with pytest.raises(AvrecError, match="no blueprint"), ReplaySession(client, scene, ego_blueprint="vehicle.none"):
        pass
    assert not client.get_world().get_settings().synchronous_mode
