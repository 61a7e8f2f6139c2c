from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from avrec.drive import CameraSensor, Drive, Frame, LidarPoints, LidarSweep, Track
from avrec.drive.audit import audit, drive_info
from avrec.drive.audit_sensors import lidar_in_image
from avrec.errors import DataError
from avrec.geometry import OpenCVPinholeCamera, Shutter, ShutterDirection, Trajectory, transform_from

MODEL = OpenCVPinholeCamera(width=16, height=12, focal=(10.0, 10.0), principal_point=(8.0, 6.0))
FORWARD = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
STEP_US = 100_000


def path(count: int = 12, speed_mps: float = 10.0) -> Trajectory:
    times = np.arange(count) * STEP_US
    return Trajectory(times, transform_from(np.eye(3), np.c_[times * 1e-6 * speed_mps, np.zeros((count, 2))]))


def pictures() -> np.ndarray:
    return np.arange(16 * 12 * 3, dtype=np.uint8).reshape(12, 16, 3)


def frames(name: str, times_us: list[int]) -> tuple[Frame, ...]:
    return tuple(Frame(name, i, time, f"{name} frame {i}", pictures, MODEL) for i, time in enumerate(times_us))


def sweep_at(time_us: int) -> LidarSweep:
    grid = np.stack(np.meshgrid([10.0], np.linspace(-4, 4, 15), np.linspace(-2, 2, 15), indexing="ij"), -1)
    xyz = grid.reshape(-1, 3).astype(np.float32)
    points = LidarPoints(
        xyz, np.zeros(len(xyz), np.float32), np.linspace(-5e4, 5e4, len(xyz)).astype(np.int64) + time_us
    )
    return LidarSweep("top", time_us, transform_from(np.eye(3), [0.0, 0.0, 1.8]), "made up", lambda: points)


def sound_drive() -> Drive:
    """Two cameras, lidar, one parked and one moving car; nothing wrong with it."""
    times = [i * STEP_US for i in range(12)]
    shutter = Shutter(ShutterDirection.TOP_TO_BOTTOM, 10_000)
    cameras = {
        name: CameraSensor(name, MODEL, transform_from(FORWARD, [1.0, left, 1.5]), shutter)
        for name, left in (("a", 0.3), ("b", -0.3))
    }
    parked = Track("p", "car", np.array([4.0, 1.8, 1.5]), Trajectory([0], [np.eye(4)]))
    moving = Track("m", "car", np.array([4.0, 1.8, 1.5]), path(speed_mps=5.0))
    return Drive(
        name="sound",
        source=Path("sound"),
        layout="made up",
        cameras=cameras,
        frames={name: frames(name, times) for name in cameras},
        ego=path(),
        sweeps=tuple(sweep_at(time) for time in times),
        tracks=(parked, moving),
    )


def found(drive: Drive, severity: str) -> str:
    return "\n".join(str(finding) for finding in drive.audit().findings if finding.severity == severity)


def test_a_sound_drive_has_no_findings() -> None:
    report = audit(sound_drive())
    assert report.findings == ()
    assert report.usable
    assert str(report) == "No problem found."


def test_summary_figures() -> None:
    values = drive_info(sound_drive()).to_dict()
    json.dumps(values)
    assert values["path_m"] == pytest.approx(11.0)
    assert values["mean_speed_mps"] == pytest.approx(10.0)
    assert values["duration_s"] == pytest.approx(1.1)
    assert values["frames"] == 24
    assert values["cameras"]["a"]["rate_hz"] == pytest.approx(10.0)
    assert values["cameras"]["b"]["position_in_rig_m"] == [1.0, -0.3, 1.5]
    assert values["lidar_sweeps"] == {"top": 12}
    assert values["tracks"] == {"moving": 1, "parked": 1, "classes": {"car": 2}}
    text = str(drive_info(sound_drive()))
    assert "camera a: 12 frames at 10.0 Hz, 16x12 opencv-pinhole, top_to_bottom shutter, 10 ms" in text


def test_lidar_in_image_by_hand() -> None:
    """A point 10 m ahead of the lidar at its own stamp falls where a pinhole puts it."""
    drive = sound_drive()
    point = LidarPoints(np.float32([[10.0, 0.0, 0.0]]), np.float32([0.0]), np.array([500_000]))
    sweep = replace(drive.sweeps[5], load=lambda: point)
    pixels, distance = lidar_in_image(drive, sweep, "a")
    # Middle of the readout: the ego is 0.05 m further, so the point is 8.95 m ahead, 0.3 m right, 0.3 m up.
    np.testing.assert_allclose(pixels, [[8 + 3 / 8.95, 6 - 3 / 8.95]], atol=1e-6)
    np.testing.assert_allclose(distance, [np.sqrt(8.95**2 + 0.18)], atol=1e-6)


def test_one_camera_no_lidar_no_tracks_unknown_shutter() -> None:
    drive = sound_drive().select(cameras=["a"])
    camera = replace(drive.cameras["a"], shutter_known=False)
    drive = replace(drive, cameras={"a": camera}, sweeps=(), tracks=())
    assert drive.audit().usable
    assert "Only one camera" in found(drive, "warning")
    assert "No lidar" in found(drive, "warning")
    assert "No actor tracks" in found(drive, "note")
    assert "treated as global" in found(drive, "note")


def test_gaps_and_backward_times() -> None:
    drive = sound_drive()
    gap = [i * STEP_US for i in (0, 1, 2, 3, 7, 8, 9)]
    assert "camera a: 1 gap(s) of up to 0.40 s" in found(
        replace(drive, frames=drive.frames | {"a": frames("a", gap)}), "warning"
    )
    back = frames("a", [0, 100_000, 90_000, 300_000, 400_000])
    assert "do not increase at frame 2" in found(replace(drive, frames=drive.frames | {"a": back}), "error")
    late = frames("a", [5_000_000 + i * STEP_US for i in range(12)])
    assert "12 of 12 frames lie outside" in found(replace(drive, frames=drive.frames | {"a": late}), "warning")


def test_jump_speed_and_axes_of_the_ego() -> None:
    drive = sound_drive()
    poses = drive.ego.poses.copy()
    poses[6:, 0, 3] += 4.0
    jumping = replace(drive, ego=Trajectory(drive.ego.timestamps_us, poses))
    assert "a jump (5.0 m in 0.10 s) at 500000 us" in found(jumping, "warning")
    assert "impossible speed" in found(replace(drive, ego=path(speed_mps=120.0)), "warning")
    turned = path().body_shifted(transform_from(FORWARD, np.zeros(3)))
    warnings = found(replace(drive, ego=turned), "warning")
    assert "90 deg to its own forward axis" in warnings
    assert "tilted by 90 deg" in warnings
    gap = Trajectory([0, 10_000_000], path(2).poses)
    assert "in gaps of more than 1 s" in found(replace(drive, ego=gap), "warning")


def test_mountings_pictures_sweeps_and_tracks() -> None:
    drive = sound_drive()
    camera = replace(drive.cameras["a"], rig_from_camera=transform_from(FORWARD, [0.0, 0.0, 160.0]))
    assert "not on a car" in found(replace(drive, cameras=drive.cameras | {"a": camera}), "warning")
    twin = replace(drive.cameras["a"], name="b")
    assert "same mounting" in found(replace(drive, cameras=drive.cameras | {"b": twin}), "warning")

    def broken() -> np.ndarray:
        raise DataError("The image x.png is truncated (3 bytes). Copy it again.")

    bad = tuple(replace(frame, load=broken) for frame in drive.frames["a"])
    errors = found(replace(drive, frames=drive.frames | {"a": bad}), "error")
    assert "5 of 5 sampled pictures cannot be used; The image x.png is truncated" in errors
    grey = tuple(replace(frame, load=lambda: np.full((12, 16, 3), 7, np.uint8)) for frame in drive.frames["a"])
    assert "single colour" in found(replace(drive, frames=drive.frames | {"a": grey}), "warning")

    behind = tuple(replace(s, rig_from_lidar=np.diag([-1.0, -1.0, 1.0, 1.0])) for s in drive.sweeps)
    assert "No camera sees the lidar's points" in found(replace(drive, sweeps=behind), "warning")
    huge = Track("x", "car", np.array([450.0, 180.0, 150.0]), path(speed_mps=500.0))
    warnings = found(replace(drive, tracks=(huge,)), "warning")
    assert "450.00 x 180.00 x 150.00 m" in warnings
    assert "moves at 500 m/s" in warnings


def test_missing_pictures_are_counted(tmp_path: Path) -> None:
    drive = sound_drive()
    gone = tuple(replace(frame, source=str(tmp_path / f"{frame.index}.png")) for frame in drive.frames["a"])
    assert "12 of 12 pictures are missing" in found(replace(drive, frames=drive.frames | {"a": gone}), "error")
