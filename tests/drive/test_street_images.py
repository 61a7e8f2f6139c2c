"""Pictures, labels and lidar of a street agree with its geometry at each line's own moment."""

from __future__ import annotations

import numpy as np
import pytest

from avrec.drive.street.build import build_street
from avrec.drive.street.caster import Caster
from avrec.drive.street.imaging import picture, picture_without, row_times_s
from avrec.drive.street.rig import lidar_of_the_rig, rig_cameras
from avrec.drive.street.scan import sweep
from avrec.drive.street.world import Street

HEIGHT, WIDTH = 48, 72


@pytest.fixture(scope="module")
def street() -> Street:
    """A short street with everything moving."""
    return build_street(seed=3, seconds=0.6, yaw_rate_max_dps=20, moving=True)


@pytest.mark.parametrize("index", [0, 1])
def test_each_row_is_what_a_global_shutter_sees_at_its_moment(street: Street, index: int) -> None:
    camera = rig_cameras(2, WIDTH, HEIGHT)[index]
    times = 0.3 + row_times_s(HEIGHT, 30_000)
    rolling = picture(street, camera, street.ego.poses(times), times)
    for row in (0, 17, 30, HEIGHT - 1):
        at_once = np.full(HEIGHT, times[row])
        still = picture(street, camera, street.ego.poses(at_once), at_once)
        np.testing.assert_array_equal(rolling.rgb[row], still.rgb[row])
        np.testing.assert_array_equal(rolling.depth[row], still.depth[row])
        np.testing.assert_array_equal(rolling.instance[row], still.instance[row])
    start = np.full(HEIGHT, times[0])
    assert (rolling.rgb != picture(street, camera, street.ego.poses(start), start).rgb).any()


def test_instance_pixels_lie_in_the_actors_box_at_their_rows_moment(street: Street) -> None:
    checked = 0
    for camera in rig_cameras(3, WIDTH, HEIGHT):
        times = 0.1 + row_times_s(HEIGHT, 30_000)
        world_from_camera = street.ego.poses(times) @ camera.rig_from_camera
        shot = picture(street, camera, street.ego.poses(times), times)
        rays, _ = camera.model.pixel_rays()
        for body in np.unique(shot.instance[shot.instance > 0]):
            actor = street.actors[body - 1]
            rows, columns = np.nonzero(shot.instance == body)
            points = np.concatenate([shot.depth[rows, columns, None] * rays[rows, columns], np.ones((len(rows), 1))], 1)
            box_from_camera = np.linalg.inv(actor.motion.poses(times[rows])) @ world_from_camera[rows]
            inside = np.einsum("nij,nj->ni", box_from_camera, points)[:, :3]
            assert (np.abs(inside) <= actor.size_m / 2 + 0.01).all()
            checked += len(rows)
    assert checked > 200


def test_what_moves_can_be_taken_out(street: Street) -> None:
    camera = rig_cameras(1, WIDTH, HEIGHT)[0]
    times = 0.3 + row_times_s(HEIGHT, 30_000)
    poses = street.ego.poses(times)
    movers = frozenset(body for body, actor in enumerate(street.actors, start=1) if actor.moving)
    full = picture(street, camera, poses, times)
    assert np.isin(full.instance, list(movers)).any()
    bare = picture_without(street, camera, poses, times, movers, full)
    never = picture(street, camera, poses, times, movers)
    np.testing.assert_array_equal(bare.rgb, never.rgb)
    np.testing.assert_array_equal(bare.depth, never.depth)
    np.testing.assert_array_equal(bare.instance, never.instance)


def test_culling_loses_nothing(street: Street, monkeypatch: pytest.MonkeyPatch) -> None:
    camera = rig_cameras(3, WIDTH, HEIGHT)[2]
    times = 0.2 + row_times_s(HEIGHT, 30_000)
    poses = street.ego.poses(times)
    culled = picture(street, camera, poses, times)
    everything = (slice(0, HEIGHT), slice(0, WIDTH))
    monkeypatch.setattr("avrec.drive.street.imaging._View.box", lambda self, number: everything)
    monkeypatch.setattr(Caster, "_distances", lambda self: np.zeros(len(self.street.parts)))
    full = picture(street, camera, poses, times)
    np.testing.assert_array_equal(culled.depth, full.depth)
    assert (culled.rgb != full.rgb).any(-1).mean() < 1e-3  # equal distances may be drawn in another order


def test_lidar_points_lie_on_what_the_camera_sees(street: Street) -> None:
    lidar = lidar_of_the_rig()
    turn = sweep(street, lidar, 0.1, np.random.default_rng(1))
    assert len(turn.range_m) > 10_000
    ranges = np.linalg.norm(turn.xyz_lidar, axis=1)
    relative = ranges / turn.range_m - 1
    assert abs(relative.mean()) < 1e-4
    assert relative.std() == pytest.approx(lidar.noise, rel=0.05)
    # the road's points, placed by the pose at their own moment, lie on the road
    exact = turn.xyz_lidar * (turn.range_m / ranges)[:, None]
    poses = street.ego.poses(0.1 + turn.offset_us * 1e-6) @ lidar.rig_from_lidar
    world = np.einsum("nij,nj->ni", poses[:, :3, :3], exact) + poses[:, :3, 3]
    assert np.abs(world[turn.semantic == 0, 2]).max() < 2e-3
    for body in np.unique(turn.instance[turn.instance > 0]):
        actor, own = street.actors[body - 1], turn.instance == body
        box_from_world = np.linalg.inv(actor.motion.poses(0.1 + turn.offset_us[own] * 1e-6))
        inside = np.einsum("nij,nj->ni", box_from_world[:, :3, :3], world[own]) + box_from_world[:, :3, 3]
        assert (np.abs(inside) <= actor.size_m / 2 + 0.01).all()


def test_lidar_culling_loses_nothing(street: Street, monkeypatch: pytest.MonkeyPatch) -> None:
    lidar = lidar_of_the_rig()
    culled = sweep(street, lidar, 0.0, np.random.default_rng(1))
    monkeypatch.setattr("avrec.drive.street.scan._columns_of", lambda *_: [slice(0, lidar.columns)])
    full = sweep(street, lidar, 0.0, np.random.default_rng(1))
    np.testing.assert_array_equal(culled.range_m, full.range_m)


def test_yaw_rate_stays_within_its_bound_and_nearly_reaches_it() -> None:
    street = build_street(seed=0, seconds=4.0, yaw_rate_max_dps=20, moving=False, shadows=False)
    times = np.arange(0, 4, 1e-3)
    poses = street.ego.poses(times)
    heading = np.unwrap(np.arctan2(poses[:, 1, 0], poses[:, 0, 0]))
    rate = np.rad2deg(np.abs(np.gradient(heading, times)))
    assert 15 < rate.max() <= 20.0
    speed = np.linalg.norm(np.diff(poses[:, :3, 3], axis=0), axis=1) / 1e-3
    assert speed.mean() == pytest.approx(8.0, rel=0.05)
    assert np.ptp(speed) > 1.0
