from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avrec.drive import Drive
from avrec.geometry import Anchor, OpenCVFisheyeCamera, ShutterDirection, log_so3
from avrec.ingest import open_drive
from tests.ingest.writers import (
    OPENCV_FROM_OPENGL,
    RIG,
    START_US,
    looking,
    transforms_content,
    turning_ego,
    write_picture,
    write_transforms,
)


def recorded(content: dict, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Times and OpenCV poses of a camera's frames as the file has them."""
    entries = [entry for entry in content["frames"] if entry["camera"] == name]
    times = np.array([entry["timestamp_us"] for entry in entries])
    return times, np.array([entry["transform_matrix"] for entry in entries]) @ OPENCV_FROM_OPENGL


def worst(drive: Drive, content: dict) -> tuple[float, float]:
    """Largest error in metres and radians of the drive's camera poses against the file's."""
    metres, radians = 0.0, 0.0
    for name in drive.cameras:
        times, poses = recorded(content, name)
        found = drive.world_from_camera(name, times)
        metres = max(metres, float(np.abs(found[:, :3, 3] - poses[:, :3, 3]).max()))
        turn = log_so3(np.swapaxes(found[:, :3, :3], 1, 2) @ poses[:, :3, :3])
        radians = max(radians, float(np.linalg.norm(turn, axis=-1).max()))
    return metres, radians


def test_hand_computed_rig(tmp_path: Path) -> None:
    """A camera at (i, 2, 3) m that looks along world x: OpenGL axes are right -y, up z, backward -x."""
    frames = []
    for index in range(3):
        matrix = [[0, 0, -1, index], [-1, 0, 0, 2], [0, 1, 0, 3], [0, 0, 0, 1]]
        frames.append(
            {"file_path": f"{index}.png", "camera": "c", "timestamp_us": 1000 + index * 100_000,
             "transform_matrix": matrix, "w": 16, "h": 12, "fl_x": 10.0}
        )  # fmt: skip
    drive = open_drive(write_transforms(tmp_path, {"frames": frames}))
    assert drive.layout == "transforms"
    np.testing.assert_allclose(
        drive.ego.poses[1], [[1, 0, 0, 1], [0, 1, 0, 2], [0, 0, 1, 1.4], [0, 0, 0, 1]], atol=1e-12
    )
    expected = [[0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 1.6], [0, 0, 0, 1]]
    np.testing.assert_allclose(drive.cameras["c"].rig_from_camera, expected, atol=1e-12)
    # A point 5 m ahead of the second pose, 1 m to the left and 2 m up.
    camera_from_world = np.linalg.inv(drive.world_from_camera("c", np.array(101_000)))
    np.testing.assert_allclose(camera_from_world @ [6, 3, 5, 1], [-1, -2, 5, 1], atol=1e-12)
    model = drive.cameras["c"].model
    assert (model.principal_point, model.focal) == ((8.0, 6.0), (10.0, 10.0))
    assert not drive.cameras["c"].shutter_known


@settings(max_examples=15, deadline=None)
@given(
    speed=st.floats(3.0, 30.0),
    yaw_rate=st.floats(-25.0, 25.0),
    readout_us=st.sampled_from([0, 12_000, 30_000]),
    stagger_us=st.sampled_from([0, 20_000, 33_000]),
)
def test_derived_rig_gives_back_the_recorded_poses(
    tmp_path_factory: pytest.TempPathFactory, speed: float, yaw_rate: float, readout_us: int, stagger_us: int
) -> None:
    content = transforms_content(turning_ego(speed, yaw_rate), readout_us=readout_us, stagger_us=stagger_us)
    drive = open_drive(write_transforms(tmp_path_factory.mktemp("drive"), content))
    metres, radians = worst(drive, content)
    assert metres < 0.01
    assert radians < 1e-3
    for name, camera in drive.cameras.items():
        np.testing.assert_allclose(camera.rig_from_camera, RIG[name], atol=0.01)


def test_one_stamp_for_all_cameras_is_exact(tmp_path: Path) -> None:
    content = transforms_content(turning_ego())
    drive = open_drive(write_transforms(tmp_path, content))
    assert max(worst(drive, content)) < 1e-9
    for name, camera in drive.cameras.items():
        np.testing.assert_allclose(camera.rig_from_camera, RIG[name], atol=1e-9)
        assert camera.shutter.direction is ShutterDirection.TOP_TO_BOTTOM
        assert camera.shutter.readout_us == 30_000
    assert len(drive.ego) == 10  # a knot at the start and at the end of each of five exposures
    assert any("mountings are constant" in note for note in drive.notes)


def test_noisy_mounting_is_the_median_and_is_reported(tmp_path: Path) -> None:
    content = transforms_content(turning_ego(), frames=9, readout_us=0)
    content["frames"][4]["transform_matrix"][0][3] += 0.7  # one frame of camera "left"
    drive = open_drive(write_transforms(tmp_path, content))
    np.testing.assert_allclose(drive.cameras["left"].rig_from_camera, RIG["left"], atol=1e-9)
    assert any("not rigid" in note and "0.70 m" in note for note in drive.notes)


def test_sideways_reference_camera_uses_the_motion(tmp_path: Path) -> None:
    content = transforms_content(turning_ego(10.0, 0.0), rig={"a": looking(90.0, (0.0, 0.0, 1.6))})
    drive = open_drive(write_transforms(tmp_path, content))
    np.testing.assert_allclose(drive.cameras["a"].rig_from_camera, looking(90.0, (0.0, 0.0, 1.6)), atol=1e-9)


def test_ego_and_mountings_in_the_file_are_used(tmp_path: Path) -> None:
    pose = turning_ego()
    content = transforms_content(pose, stagger_us=13_000)
    stamps = [START_US - 20_000 + 10_000 * index for index in range(60)]
    content["ego"] = {"timestamps_us": stamps, "world_from_rig": pose(stamps).tolist()}
    content["cameras"] = {name: {"rig_from_camera": matrix.tolist()} for name, matrix in RIG.items()}
    drive = open_drive(write_transforms(tmp_path, content))
    assert len(drive.ego) == 60
    metres, radians = worst(drive, content)
    assert metres < 1e-4  # chords of 0.1 m of a 38 m circle
    assert radians < 1e-9
    np.testing.assert_array_equal(drive.cameras["rear"].rig_from_camera, RIG["rear"])
    del content["cameras"]
    drive = open_drive(write_transforms(tmp_path, content))
    np.testing.assert_allclose(drive.cameras["rear"].rig_from_camera, RIG["rear"], atol=1e-4)


def test_lens_keys_agree_with_opencv(tmp_path: Path) -> None:
    points = np.array([[0.3, -0.2, 1.0], [-0.4, 0.25, 1.2], [0.0, 0.0, 3.0]])
    lens = {"k1": -0.17, "k2": 0.06, "k3": -0.01, "p1": 3e-4, "p2": -2e-4}
    content = transforms_content(turning_ego(), rig={"front": RIG["front"]}, readout_us=0)
    for entry in content["frames"]:
        entry |= lens
    content["frames"][1]["fl_x"] = 12.0
    frames = open_drive(write_transforms(tmp_path, content)).frames["front"]
    matrix = np.array([[10, 0, 8.5], [0, 11, 5.75], [0, 0, 1.0]])
    expected, _ = cv2.projectPoints(
        points, np.zeros(3), np.zeros(3), matrix, np.array([lens[k] for k in ("k1", "k2", "p1", "p2", "k3")])
    )
    pixels, _ = frames[0].model.project_unbounded(points)
    np.testing.assert_allclose(pixels, expected[:, 0], atol=1e-9)
    assert frames[0].model is frames[2].model  # equal intrinsics share one object
    assert frames[1].model.focal == (12.0, 11.0)

    content["camera_model"] = "OPENCV_FISHEYE"
    for entry in content["frames"]:
        for key in ("k1", "k2", "k3", "p1", "p2"):
            entry.pop(key)
        entry |= {"k1": 0.02, "k2": -0.01, "k3": 0.003, "k4": -0.001}
    model = open_drive(write_transforms(tmp_path, content)).cameras["front"].model
    assert isinstance(model, OpenCVFisheyeCamera)
    expected = cv2.fisheye.projectPoints(
        points[:, None], np.zeros(3), np.zeros(3), matrix, np.array([0.02, -0.01, 0.003, -0.001])
    )[0]
    pixels, _ = model.project_unbounded(points)
    np.testing.assert_allclose(pixels, expected[:, 0], atol=1e-9)


def test_lidar_tracks_map_anchor(tmp_path: Path) -> None:
    pose = turning_ego(10.0, 0.0)
    content = transforms_content(pose)
    rng = np.random.default_rng(1)
    ground = np.c_[
        rng.uniform(-8, 8, (500, 2)), np.full(500, -2.05), rng.uniform(0, 1, 500), rng.integers(0, 90_000, 500)
    ]
    ground.astype("<f4").tofile(tmp_path / "sweep.bin")
    world_from_lidar = pose(START_US) @ np.array([[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 2.05], [0, 0, 0, 1]])
    content["lidars"] = [
        {
            "file_path": "sweep.bin",
            "fields": ["x", "y", "z", "intensity", "time_us"],
            "timestamp_us": START_US,
            "transform_matrix": world_from_lidar.tolist(),
        }
    ]
    box = np.eye(4).tolist()
    content["tracks"] = [
        {"id": 7, "class": "car", "size_m": [4.5, 1.8, 1.5], "timestamps_us": [START_US], "world_from_box": [box]}
    ]
    content["map"] = "map.xodr"
    content["anchor"] = {"latitude": 48.8, "longitude": 2.3, "altitude": 60.0}
    (tmp_path / "map.xodr").write_text("<OpenDRIVE/>")
    drive = open_drive(write_transforms(tmp_path, content).parent)

    # The lidar sees the road 1.6 m below the front camera, so the derived rig is the true one.
    np.testing.assert_allclose(drive.cameras["front"].rig_from_camera, RIG["front"], atol=0.01)
    assert any("seen by the lidar" in note for note in drive.notes)
    points = drive.sweeps[0].points()
    np.testing.assert_array_equal(points.time_us, START_US + ground[:, 4].astype(np.int64))
    # Each point is carried along by the ego's 10 m/s until it was fired.
    world = drive.sweeps[0].points_world(drive.ego)
    np.testing.assert_allclose(world[:, 0], ground[:, 0] + ground[:, 4] * 1e-5, atol=1e-4)
    np.testing.assert_allclose(world[:, 2], 0.0, atol=1e-5)
    assert [track.id for track in drive.tracks] == ["7"]
    assert drive.tracks[0].label == "car"
    assert drive.anchor == Anchor(48.8, 2.3, 60.0)
    assert drive.map_path == tmp_path / "map.xodr"


def test_plain_nerfstudio_file_loads_with_made_up_times(tmp_path: Path) -> None:
    content = transforms_content(turning_ego(), rig={"front": RIG["front"]}, frames=11, readout_us=0)
    for index, entry in enumerate(content["frames"]):
        entry["file_path"] = f"images/frame_{index}"  # without extension, and 10 sorts after 9
        del entry["camera"], entry["timestamp_us"]
    content["frames"].reverse()
    (tmp_path / "images").mkdir()
    for entry in content["frames"]:
        write_picture(tmp_path / f"{entry['file_path']}.png")
    (tmp_path / "transforms.json").write_text(json.dumps(content))
    drive = open_drive(tmp_path)
    frames = drive.frames["camera"]
    assert [frame.timestamp_us for frame in frames] == [100_000 * index for index in range(11)]
    assert frames[10].source.endswith("frame_10.png")
    assert frames[0].image().shape == (12, 16, 3)
    assert any("no timestamps" in note for note in drive.notes)
    assert any("one camera" in note for note in drive.notes)
    motion = np.linalg.norm(np.diff(drive.ego.poses[:, :3, 3], axis=0), axis=1)
    np.testing.assert_allclose(motion, motion[0], rtol=1e-6)


def test_map_coordinates_are_brought_near_the_origin(tmp_path: Path) -> None:
    content = transforms_content(turning_ego())
    far = np.array([691_600.25, 5_334_700.5, 519.0])
    for entry in content["frames"]:
        for key in ("transform_matrix", "transform_matrix_end"):
            entry[key] = (np.array(entry[key]) + np.c_[np.zeros((4, 3)), [*far, 0.0]]).tolist()
    content["anchor"] = {"latitude": 0.0, "longitude": 11.0, "altitude": 0.0}
    drive = open_drive(write_transforms(tmp_path, content))
    near = turning_ego()(drive.ego.timestamps_us)
    np.testing.assert_allclose(drive.ego.poses[:, :3, 3], near[:, :3, 3] + far - np.rint(far), atol=1e-6)
    assert any("origin was moved to (691600, 5334700, 519) m" in note for note in drive.notes)
    assert drive.anchor is not None
    assert drive.anchor.latitude_deg == pytest.approx(48.0, abs=0.5)
