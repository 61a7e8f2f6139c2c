"""Real recordings, outside the repository: found through AVREC_DEV_DATA."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.spatial import cKDTree

from avrec.drive import Drive, LidarSweep
from avrec.drive.audit_sensors import lidar_in_image
from avrec.geometry import apply, invert, log_so3
from avrec.ingest import open_drive

DATA = os.environ.get("AVREC_DEV_DATA")
pytestmark = pytest.mark.skipif(not DATA, reason="AVREC_DEV_DATA does not name the development data")


def recording(name: str) -> Path:
    path = Path(DATA or "") / name
    if not path.is_dir():
        pytest.skip(f"{path} is not there")
    return path


@pytest.fixture(scope="module")
def kitti() -> Drive:
    return open_drive(recording("kitti_raw_0001"))


@pytest.fixture(scope="module")
def paris() -> Drive:
    return open_drive(recording("paris_5cam"))


def test_kitti_counts_and_path(kitti: Drive) -> None:
    assert {name: len(frames) for name, frames in kitti.frames.items()} == {f"image_{i:02d}": 108 for i in range(4)}
    assert len(kitti.sweeps) == 108
    length = np.linalg.norm(np.diff(kitti.ego.poses[:, :3, 3], axis=0), axis=1).sum()
    assert length == pytest.approx(107.0, abs=0.3)
    assert kitti.audit().usable
    assert kitti.audit().of("warning") == ()
    assert kitti.all_frames[7].image().shape == (120, 397, 3)


def test_kitti_speed_agrees_with_the_inertial_unit(kitti: Drive) -> None:
    """The path comes from positions; the recorded forward speed is an independent witness."""
    files = sorted(recording("kitti_raw_0001").glob("*/*/oxts/data/*.txt"))
    forward = np.array([float(file.read_text().split()[8]) for file in files])
    speed = np.linalg.norm(kitti.ego.velocity_at(kitti.ego.timestamps_us)[0], axis=1)
    assert np.abs(speed - forward).max() < 0.2
    assert speed.mean() == pytest.approx(forward.mean(), abs=0.06)


def test_kitti_rig_stands_on_the_road(kitti: Drive) -> None:
    heights = []
    for sweep in kitti.sweeps[::10]:
        rig = apply(invert(kitti.ego.at(sweep.timestamp_us)), sweep.points_world(kitti.ego))
        near = (np.abs(rig[:, 1] - 0.5) < 2) & (rig[:, 0] > 4) & (rig[:, 0] < 8) & (np.abs(rig[:, 2]) < 0.6)
        heights.append(float(np.median(rig[near, 2])))
    assert abs(np.median(heights)) < 0.1


def test_kitti_lidar_follows_the_scanner(kitti: Drive) -> None:
    """Consecutive sweeps fit best with the firing times as read, worse without them and worst reversed."""

    def distance(sign: int) -> float:
        def world(sweep: LidarSweep) -> np.ndarray:
            points = sweep.points()
            times = sweep.timestamp_us + sign * (points.time_us - sweep.timestamp_us)
            poses = kitti.ego.at(times, outside="extrapolate") @ sweep.rig_from_lidar
            placed = np.einsum("nij,nj->ni", poses[:, :3, :3], points.xyz_lidar) + poses[:, :3, 3]
            return placed[np.linalg.norm(points.xyz_lidar, axis=1) < 40]

        pairs = [(world(kitti.sweeps[k]), world(kitti.sweeps[k + 1])) for k in range(10, 20, 2)]
        return float(np.median([np.median(cKDTree(a).query(b)[0]) for a, b in pairs]))

    assert distance(1) < distance(0) < distance(-1)


@pytest.mark.parametrize("camera", ["image_00", "image_02", "image_03"])
def test_kitti_lidar_lies_on_the_picture(kitti: Drive, camera: str) -> None:
    """Jumps in the lidar's depth coincide with edges in the picture; shifted by a few pixels they do not."""
    score: dict[int, float] = {shift: 0.0 for shift in (-6, -4, 0, 4, 6)}
    for index in range(5, 100, 10):
        pixels, distance = lidar_in_image(kitti, kitti.sweeps[index], camera)
        assert len(pixels) > 1500
        grey = cv2.cvtColor(kitti.frames[camera][index].image(), cv2.COLOR_RGB2GRAY).astype(np.float32)
        gradient = cv2.GaussianBlur(
            np.abs(cv2.Sobel(cv2.GaussianBlur(grey, (0, 0), 0.7), cv2.CV_32F, 1, 0)), (0, 0), 1.0
        )
        # Neighbours along a ring: same height within a pixel, next to the right.
        near = cKDTree(pixels * (1.0, 3.0)).query(pixels * (1.0, 3.0) + (3.0, 0.0))[1]
        edge = (distance[near] > 1.3 * distance + 1) & (np.abs(pixels[near, 1] - pixels[:, 1]) < 1.0)
        edge &= (pixels[near, 0] - pixels[:, 0] > 1.0) & (pixels[near, 0] - pixels[:, 0] < 5.0)
        middle = (pixels[edge] + pixels[near][edge]) / 2 - 0.5
        for shift in score:
            columns = np.clip(np.rint(middle[:, 0] + shift).astype(int), 0, 396)
            rows = np.clip(np.rint(middle[:, 1]).astype(int), 0, 119)
            score[shift] += float(gradient[rows, columns].sum())
    assert max(score, key=lambda shift: score[shift]) == 0, score


def test_paris_is_a_rigid_rig(paris: Drive) -> None:
    assert {name: len(frames) for name, frames in paris.frames.items()} == dict.fromkeys(
        ("up", "front", "left", "rear", "right"), 12
    )
    assert any("constant within 0.0 mm and 0.000 deg" in note for note in paris.notes)
    front = paris.cameras["front"].rig_from_camera
    baselines = {
        name: float(np.linalg.norm(camera.rig_from_camera[:3, 3] - front[:3, 3]))
        for name, camera in paris.cameras.items()
    }
    assert baselines == pytest.approx(
        {"front": 0.0, "up": 0.119, "right": 0.167, "left": 0.170, "rear": 0.237}, abs=1e-3
    )
    axes = {name: camera.rig_from_camera[:3, 2] for name, camera in paris.cameras.items()}
    for name, direction in {
        "front": (1, 0, 0),
        "left": (0, 1, 0),
        "rear": (-1, 0, 0),
        "right": (0, -1, 0),
        "up": (0, 0, 1),
    }.items():
        assert axes[name] @ np.array(direction) > 0.99, name


def test_paris_poses_and_pictures(paris: Drive) -> None:
    assert np.linalg.norm(np.diff(paris.ego.poses[:, :3, 3], axis=0), axis=1).sum() == pytest.approx(37.5, abs=0.1)
    assert any("1 gap(s) of up to 16.4 s" in note for note in paris.notes)
    # Straight on after the turn: the rig's x axis follows the motion.
    step = paris.ego.poses[5, :3, 3] - paris.ego.poses[4, :3, 3]
    assert paris.ego.poses[4, :3, 0] @ step / np.linalg.norm(step) > 0.99
    assert paris.frames["rear"][3].image().shape == (1024, 1024, 3)
    assert paris.audit().usable
    turn = np.degrees(np.linalg.norm(log_so3(paris.ego.poses[0, :3, :3].T @ paris.ego.poses[2, :3, :3])))
    assert turn == pytest.approx(67, abs=5)
