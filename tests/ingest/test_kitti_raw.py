from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pyproj import Geod

from avrec.errors import DataError
from avrec.geometry import local_from_geodetic
from avrec.ingest import open_drive
from tests.ingest.writers import write_kitti

NORTH = np.pi / 2  # OXTS yaw counts from east, counter-clockwise


def northward(step_m: float = 1.0):
    """Geodetic path due north from the WGS84 ellipsoid's own geodesics, independent of any projection."""
    geod = Geod(ellps="WGS84")

    def at(index: int) -> tuple[float, float, float, float]:
        longitude, latitude, _ = geod.fwd(8.4, 49.0, 0.0, step_m * index)
        return latitude, longitude, 116.0 + 0.1 * index, NORTH

    return at


def test_hand_computed_poses(tmp_path: Path) -> None:
    drive = open_drive(write_kitti(tmp_path, northward(1.5)))
    assert drive.layout == "kitti_raw"
    assert drive.name == "2011_09_26_drive_0099_sync"
    np.testing.assert_allclose(drive.ego.poses[:, :3, 3], [[0, 1.5 * i, 0.1 * i] for i in range(4)], atol=1e-6)
    np.testing.assert_allclose(drive.ego.poses[2, :3, :3], [[0, -1, 0], [1, 0, 0], [0, 0, 1]], atol=1e-6)
    # 2011-09-26 13:02:25 UTC, and the nanoseconds rounded to microseconds.
    assert drive.ego.timestamps_us[0] == 1317042145_000389
    # The IMU sits 0.50 m ahead of, 0.32 m left of and 0.93 m above the rig's origin.
    assert drive.anchor is not None
    imu = local_from_geodetic(drive.anchor, 49.0, 8.4, 116.0)
    np.testing.assert_allclose(imu, [-0.32, 0.5, 0.93], atol=1e-6)


def test_cameras_use_the_rectified_calibration(tmp_path: Path) -> None:
    drive = open_drive(write_kitti(tmp_path, northward()))
    assert list(drive.cameras) == ["image_00", "image_02"]
    assert any("image_01" in note for note in drive.notes)
    model = drive.cameras["image_00"].model
    assert (model.focal, model.principal_point, model.radial) == ((30.0, 32.0), (20.0, 10.0), (0.0,) * 6)
    # IMU (0.50, 0.32, 0.93) + Velodyne (0.81, -0.32, 0.80) + camera 0 (0.27, 0, -0.08).
    expected = [[0, 0, 1, 1.58], [-1, 0, 0, 0.0], [0, -1, 0, 1.65], [0, 0, 0, 1]]
    np.testing.assert_allclose(drive.cameras["image_00"].rig_from_camera, expected, atol=1e-9)
    # P_rect_02's fourth column: -16.2 / 30 = -0.54, so camera 2 sits 0.54 m to the right.
    np.testing.assert_allclose(drive.cameras["image_02"].rig_from_camera[:3, 3], [1.58, -0.54, 1.65], atol=1e-9)
    assert drive.cameras["image_00"].shutter_known
    image = drive.frames["image_00"][2].image()
    assert image.shape == (20, 40, 3)
    assert (image[..., 0] == image[..., 2]).all()


def test_calibration_follows_the_size_of_the_pictures(tmp_path: Path) -> None:
    model = open_drive(write_kitti(tmp_path, northward(), size=(20, 5))).cameras["image_00"].model
    assert (model.width, model.height) == (20, 5)
    assert (model.focal, model.principal_point) == ((15.0, 8.0), (10.0, 2.5))


def test_unrectified_drives_keep_their_distortion(tmp_path: Path) -> None:
    drive_path = write_kitti(tmp_path, northward(), suffix="extract")
    (drive_path / "image_02/data").rename(tmp_path / "aside")
    model = open_drive(drive_path).cameras["image_00"].model
    assert (model.focal, model.principal_point) == ((30.0, 30.0), (19.5, 9.5))
    assert model.radial == (-0.3, 0.1, 0.01, 0.0, 0.0, 0.0)
    assert model.tangential == (0.001, -0.002)


def test_lidar_points_know_when_they_were_fired(tmp_path: Path) -> None:
    sweep = open_drive(write_kitti(tmp_path, northward())).sweeps[1]
    points = sweep.points()
    assert len(points.xyz_lidar) == 4  # the one on the roof is gone
    # Clockwise from behind over left, front and right: left comes a quarter of a turn before the stamp.
    np.testing.assert_array_equal(points.time_us - sweep.timestamp_us, [0, -25_000, -50_000, 25_000])
    np.testing.assert_array_equal(points.intensity, np.float32([0.5, 0.25, 0.1, 1.0]))


def test_lidar_points_are_placed_at_their_own_time(tmp_path: Path) -> None:
    drive = open_drive(write_kitti(tmp_path, northward(1.0)))
    world = drive.sweeps[1].points_world(drive.ego)
    # Heading north at 10 m/s; the Velodyne is 1.31 m ahead of the rig's origin, which is at y = 1 at the stamp.
    np.testing.assert_allclose(world[0], [0.0, 1 + 1.31 + 10, 1.73 + 0.1], atol=1e-5)
    np.testing.assert_allclose(world[1], [-10.0, 1 - 0.25 + 1.31, 1.73 + 0.075], atol=1e-5)


def test_revolution_from_start_and_end_stamps(tmp_path: Path) -> None:
    path = write_kitti(tmp_path, northward())
    lines = (path / "velodyne_points/timestamps.txt").read_text().splitlines()
    (path / "velodyne_points/timestamps_start.txt").write_text("\n".join(lines))
    (path / "velodyne_points/timestamps_end.txt").write_text(
        "\n".join(line.replace("00389445", "80389445") for line in lines)
    )
    sweep = open_drive(path).sweeps[0]
    assert sweep.points().time_us[1] - sweep.timestamp_us == -20_000


def test_missing_files_keep_the_others_in_step(tmp_path: Path) -> None:
    path = write_kitti(tmp_path, northward())
    (path / "image_02/data/0000000001.png").unlink()
    (path / "velodyne_points/data/0000000000.bin").unlink()
    drive = open_drive(path)
    full = [frame.timestamp_us for frame in drive.frames["image_00"]]
    assert [frame.timestamp_us for frame in drive.frames["image_02"]] == [full[0], full[2], full[3]]
    assert [frame.index for frame in drive.frames["image_02"]] == [0, 1, 2]
    assert drive.sweeps[0].timestamp_us == full[1]
    assert any("1 of 4 pictures are missing" in note for note in drive.notes)


def test_path_of_the_date_or_the_root_is_enough(tmp_path: Path) -> None:
    path = write_kitti(tmp_path, northward())
    assert open_drive(path.parent).name == open_drive(tmp_path).name == path.name
    (path.parent / "2011_09_26_drive_0100_sync" / "image_00" / "data").mkdir(parents=True)
    with pytest.raises(DataError, match=r"2 KITTI raw drives.*0099.*0100"):
        open_drive(path.parent)


TRACKLETS = """<?xml version="1.0"?><boost_serialization><tracklets><count>1</count><item><objectType>Car</objectType>
<h>1.5</h><w>1.7</w><l>4.0</l><first_frame>1</first_frame><poses><count>2</count>
<item><tx>10</tx><ty>2</ty><tz>-1.7</tz><rx>0</rx><ry>0</ry><rz>1.5707963</rz></item>
<item><tx>9</tx><ty>2</ty><tz>-1.7</tz><rx>0</rx><ry>0</ry><rz>1.5707963</rz></item>
</poses></item></tracklets></boost_serialization>"""


def test_tracklets_become_tracks_in_the_world(tmp_path: Path) -> None:
    path = write_kitti(tmp_path, northward(1.0))
    (path / "tracklet_labels.xml").write_text(TRACKLETS)
    (track,) = open_drive(path).tracks
    assert (track.id, track.label, track.moving) == ("0", "car", False)
    np.testing.assert_allclose(track.size_m, [4.0, 1.7, 1.5])
    # The car stands 10 m ahead and 2 m left of the Velodyne at frame 1; the ego has come 1 m closer at frame 2.
    expected = [-2.0, 1 + 1.31 + 10, 0.1 + 1.73 - 1.7 + 0.75]
    np.testing.assert_allclose(track.world_from_box.poses[0, :3, 3], expected, atol=1e-5)
    np.testing.assert_allclose(track.world_from_box.poses[1, :2, 3], expected[:2], atol=1e-5)
    np.testing.assert_allclose(track.world_from_box.poses[0, :3, 0], [-1, 0, 0], atol=1e-6)
    (path / "tracklet_labels.xml").write_text(TRACKLETS.replace("<first_frame>1<", "<first_frame>3<"))
    with pytest.raises(DataError, match="covers frames"):
        open_drive(path)
