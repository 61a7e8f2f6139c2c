"""Tiny recordings written to disk, with known motion, for the readers to read."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from avrec.geometry import exp_se3, transform_from

OPENCV_FROM_OPENGL = np.diag([1.0, -1.0, -1.0, 1.0])
# OpenCV camera that looks along the rig's x axis: its z is forward, its x is right, its y is down.
FORWARD = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
START_US = 1_700_000_000_000_000


def picture(width: int, height: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def write_picture(path: Path, width: int = 16, height: int = 12, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), picture(width, height, seed))


def looking(yaw_deg: float, position: tuple[float, float, float]) -> np.ndarray:
    """rig_from_camera of a level camera turned to the left by ``yaw_deg``."""
    c, s = np.cos(np.radians(yaw_deg)), np.sin(np.radians(yaw_deg))
    return transform_from(np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]]) @ FORWARD, position)


RIG = {
    "front": looking(0.0, (0.0, 0.0, 1.6)),
    "left": looking(60.0, (-0.3, 0.4, 1.5)),
    "rear": looking(180.0, (-0.8, 0.0, 1.7)),
}


def turning_ego(speed_mps: float = 10.0, yaw_rate_degps: float = 15.0) -> Callable[[Any], np.ndarray]:
    """World_from_rig of a car in a steady turn, exact at any time."""
    twist = np.array([speed_mps, 0.0, 0.0, 0.0, 0.0, np.radians(yaw_rate_degps)])
    return lambda times_us: exp_se3((np.asarray(times_us, dtype=np.float64)[..., None] - START_US) / 1e6 * twist)


def transforms_content(
    pose: Callable[[Any], np.ndarray],
    *,
    rig: Mapping[str, np.ndarray] = RIG,
    frames: int = 5,
    readout_us: int = 30_000,
    stagger_us: int = 0,
) -> dict[str, Any]:
    """Content of a rig-extended transforms.json; camera i is triggered ``i * stagger_us`` late."""
    entries = []
    for index in range(frames):
        for order, (name, rig_from_camera) in enumerate(rig.items()):
            start = START_US + index * 100_000 + order * stagger_us
            entry = {
                "file_path": f"images/{name}/{index:03d}.png",
                "camera": name,
                "timestamp_us": start,
                "transform_matrix": (pose(start) @ rig_from_camera @ OPENCV_FROM_OPENGL).tolist(),
                "w": 16,
                "h": 12,
                "fl_x": 10.0,
                "fl_y": 11.0,
                "cx": 8.5,
                "cy": 5.75,
            }
            if readout_us:
                end = pose(start + readout_us) @ rig_from_camera @ OPENCV_FROM_OPENGL
                entry |= {
                    "shutter": "top_to_bottom",
                    "readout_us": readout_us,
                    "transform_matrix_end": end.tolist(),
                }
            entries.append(entry)
    return {"camera_model": "OPENCV", "frames": entries}


def write_transforms(folder: Path, content: Mapping[str, Any]) -> Path:
    """The file and its pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    for entry in content["frames"]:
        write_picture(folder / entry["file_path"], int(entry.get("w", 16)), int(entry.get("h", 12)))
    path = folder / "transforms.json"
    path.write_text(json.dumps(content))
    return path


KITTI_CAMERAS = """calib_time: 09-Jan-2012 13:57:47
S_00: 40 20
K_00: 30 0 19 0 30 9 0 0 1
D_00: -0.3 0.1 0.001 -0.002 0.01
R_00: 1 0 0 0 1 0 0 0 1
T_00: 0 0 0
S_rect_00: 40 20
R_rect_00: 1 0 0 0 1 0 0 0 1
P_rect_00: 30 0 19.5 0 0 32 9.5 0 0 0 1 0
S_rect_02: 40 20
P_rect_02: 30 0 19.5 -16.2 0 32 9.5 0 0 0 1 0
"""
# Camera 0 sits 0.27 m ahead of and 0.08 m below the Velodyne, which sits 0.81 m ahead of, 0.32 m right of and 0.80 m
# above the IMU; all axes are parallel.
KITTI_VELODYNE = "R: 0 -1 0 0 0 -1 1 0 0\nT: 0 -0.08 -0.27\n"
KITTI_IMU = "R: 1 0 0 0 1 0 0 0 1\nT: -0.81 0.32 -0.80\n"


def stamps(count: int, step_ms: int = 100) -> str:
    return "".join(
        f"2011-09-26 13:02:{25 + index * step_ms // 1000}.{index * step_ms % 1000:03d}389445\n"
        for index in range(count)
    )


def write_kitti(
    root: Path,
    geodetic: Callable[[int], tuple[float, float, float, float]],
    *,
    frames: int = 4,
    suffix: str = "sync",
    size: tuple[int, int] = (40, 20),
) -> Path:
    """A KITTI raw drive with cameras 0 and 2, lidar and OXTS.

    Args:
        root: where the date folder goes.
        geodetic: latitude, longitude, altitude and yaw (radians) of each frame.
        frames: how many.
        suffix: sync or extract.
        size: of the pictures.
    """
    date = root / "2011_09_26"
    drive = date / f"2011_09_26_drive_0099_{suffix}"
    for name, text in (("cam_to_cam", KITTI_CAMERAS), ("velo_to_cam", KITTI_VELODYNE), ("imu_to_velo", KITTI_IMU)):
        date.mkdir(parents=True, exist_ok=True)
        (date / f"calib_{name}.txt").write_text(text)
    for sensor in ("image_00", "image_02", "oxts", "velodyne_points"):
        (drive / sensor / "data").mkdir(parents=True)
        (drive / sensor / "timestamps.txt").write_text(stamps(frames))
    for index in range(frames):
        cv2.imwrite(str(drive / f"image_00/data/{index:010d}.png"), picture(*size, index)[:, :, 0])
        write_picture(drive / f"image_02/data/{index:010d}.png", *size, index)
        latitude, longitude, altitude, yaw = geodetic(index)
        row = [latitude, longitude, altitude, 0.0, 0.0, yaw, *[0.0] * 24]
        (drive / f"oxts/data/{index:010d}.txt").write_text(" ".join(repr(value) for value in row))
        kitti_points().tofile(drive / f"velodyne_points/data/{index:010d}.bin")
    return drive


def kitti_points() -> np.ndarray:
    """Four points ahead, left, behind (just left of it) and right, and one on the car's own roof."""
    rows = [[10, 0, 0, 0.5], [0, 10, 0, 0.25], [-10, 1e-6, 0, 0.1], [0, -10, 0, 1.0], [-1.0, 0.0, -0.4, 0.9]]
    return np.array(rows, dtype="<f4")
