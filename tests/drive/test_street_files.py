"""The street as a drive on disk: keys, bytes, poses, errors."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from avrec.drive import Drive
from avrec.drive.street import StreetReport, street_difficulty, synthesise_street
from avrec.drive.street.crew import record_all
from avrec.drive.street.plan import Plan
from avrec.drive.street.record import Recorder
from avrec.drive.street.road import CROSS_SECTION
from avrec.errors import DataError, OutputError
from avrec.geometry import log_se3

TINY: dict[str, Any] = {"seconds": 0.2, "cameras": 2, "width": 48, "height": 32}
SMALL = Plan(
    **TINY, fps=10.0, seed=0, readout_us=30_000, moving=True, lidar=False, truth=False, empty=False, shifts_m=(),
    yaw_rate_max_dps=10.0, pose_noise_deg=0.0, pose_noise_m=0.0, noise_seed=0,
)  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, StreetReport]:
    """A tiny street with everything."""
    path = tmp_path_factory.mktemp("streets") / "street"
    return path, synthesise_street(path, shifts_m=(1.5,), workers=1, **TINY)


def _digests(root: Path) -> dict[str, str]:
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _content(root: Path, name: str = "transforms.json") -> dict[str, Any]:
    content: dict[str, Any] = json.loads((root / name).read_text())
    return content


def test_the_same_seed_gives_the_same_bytes_in_any_number_of_processes(
    made: tuple[Path, StreetReport], tmp_path: Path
) -> None:
    synthesise_street(tmp_path / "again", shifts_m=(1.5,), workers=2, **TINY)
    assert _digests(made[0]) == _digests(tmp_path / "again")


def test_workers_that_say_much_do_not_stop(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """More than a pipe holds, on the error stream."""
    monkeypatch.setenv("PYTHONVERBOSE", "1")
    done: list[int] = []
    record_all(SMALL, tmp_path, 2, done.append)
    assert done == list(range(1, len(Recorder(SMALL, tmp_path).jobs()) + 1))


def test_what_stops_a_worker_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"Rendering the street stopped: .*Not a directory"):
        record_all(SMALL, tmp_path / "file" / "street", 2, lambda _: None)


def test_every_file_of_the_layout_is_there(made: tuple[Path, StreetReport]) -> None:
    path, report = made
    content = _content(path)
    assert report.images == len(content["frames"]) == 4
    assert report.sweeps == len(content["lidars"]) == 2
    for frame in content["frames"]:
        assert {"camera", "timestamp_us", "transform_matrix", "transform_matrix_end", "traversal", "k3"} <= set(frame)
        assert frame["shutter"] == "top_to_bottom"
        assert frame["readout_us"] == 30_000
        stem = Path(frame["file_path"]).relative_to("images")
        for kind in ("", "truth/shift_+1.50/", "truth/empty/"):
            assert cv2.imread(str(path / kind / "images" / stem)).shape == (32, 48, 3)
        for kind in ("truth", "truth/shift_+1.50", "truth/empty"):
            assert np.load(path / kind / "depth" / stem.with_suffix(".npy")).dtype == np.float32
            assert cv2.imread(str(path / kind / "semantic" / stem), cv2.IMREAD_UNCHANGED).dtype == np.uint8
            assert cv2.imread(str(path / kind / "instance" / stem), cv2.IMREAD_UNCHANGED).dtype == np.uint16
    ego = np.array(content["ego"]["timestamps_us"])
    stamps = [frame["timestamp_us"] for frame in content["frames"]]
    assert ego[0] <= min(stamps)
    assert ego[-1] >= max(stamps) + 30_000
    assert np.diff(ego).max() <= 10_000
    assert not [name for name in path.parent.iterdir() if name.name.startswith(".")]


def test_the_drive_opens_and_its_poses_are_the_true_ones(made: tuple[Path, StreetReport]) -> None:
    drive = Drive.open(made[0])
    assert set(drive.cameras) == {"front", "left"}
    assert drive.anchor is not None
    assert drive.map_path == made[0] / "map.json"
    truth = {frame["file_path"]: frame for frame in _content(made[0], "truth/truth.json")["frames"]}
    for name, frames in drive.frames.items():
        for frame in frames:
            exact = truth[f"images/{name}/{frame.index:04d}.png"]
            for key, time in (("transform_matrix", 0), ("transform_matrix_end", 30_000)):
                expected = np.array(exact[key]) @ np.diag([1.0, -1.0, -1.0, 1.0])
                found = drive.world_from_camera(name, np.array(frame.timestamp_us + time))
                np.testing.assert_allclose(found, expected, atol=2e-5)


def test_lidar_columns_read_back(made: tuple[Path, StreetReport]) -> None:
    content, drive = _content(made[0]), Drive.open(made[0])
    for entry, recorded in zip(content["lidars"], drive.sweeps, strict=True):
        assert entry["fields"] == ["x", "y", "z", "intensity", "time_us"]
        points = recorded.points()
        assert points.time_us.min() >= entry["timestamp_us"]
        assert points.time_us.max() <= entry["timestamp_us"] + 100_000
        records = np.load(made[0] / "truth" / "lidar" / Path(entry["file_path"]).with_suffix(".npy").name)
        assert len(records) == len(points.xyz_lidar)
        world = recorded.points_world(drive.ego)
        road = records["semantic"] == 0
        # range noise of 0.3 % moves a point on the road by little in height
        assert np.abs(world[road, 2]).max() < 0.05


def test_lanes_run_in_driving_direction(made: tuple[Path, StreetReport]) -> None:
    lanes = {lane["id"]: lane for lane in _content(made[0], "map.json")["lanes"]}
    own = np.array(lanes["lane_right"]["center"])
    assert (np.diff(own[:, 0]) > 0).all()
    assert own[np.argmin(np.abs(own[:, 0])), 1] == pytest.approx(-CROSS_SECTION.lane_center)
    assert (np.diff(np.array(lanes["lane_left"]["center"])[:, 0]) < 0).all()
    for lane in lanes.values():
        center, left, right = (np.array(lane[key])[:, :2] for key in ("center", "left", "right"))
        ahead = np.gradient(center, axis=0)
        for edge, sign in ((left, 1), (right, -1)):
            beside = edge - center
            assert (sign * (ahead[:, 0] * beside[:, 1] - ahead[:, 1] * beside[:, 0]) > 0).all()


def test_pose_noise_moves_the_poses_and_not_the_pictures(made: tuple[Path, StreetReport], tmp_path: Path) -> None:
    options = {**TINY, "lidar": False, "empty": False, "workers": 1}
    synthesise_street(tmp_path / "noisy", pose_noise_deg=0.2, pose_noise_m=0.03, **options)
    clean, noisy = _digests(made[0]), _digests(tmp_path / "noisy")
    images = [name for name in noisy if re.match(r"images/", name)]
    assert images
    assert all(clean[name] == noisy[name] for name in images)
    truth = {frame["file_path"]: frame for frame in _content(tmp_path / "noisy", "truth/truth.json")["frames"]}
    errors = {}
    content = _content(tmp_path / "noisy")
    rig = {name: np.array(camera["rig_from_camera"]) for name, camera in content["cameras"].items()}
    flip = np.diag([1.0, -1.0, -1.0, 1.0])
    for frame in content["frames"]:
        exact = truth[frame["file_path"]]
        pair = []
        for key in ("transform_matrix", "transform_matrix_end"):
            camera_from_rig = np.linalg.inv(rig[frame["camera"]])
            recorded, true = (np.array(f[key]) @ flip @ camera_from_rig for f in (frame, exact))
            pair.append(log_se3(np.linalg.inv(true) @ recorded))
        np.testing.assert_allclose(pair[0], pair[1], atol=1e-9)  # one error per moment, for every row
        errors.setdefault(frame["timestamp_us"], []).append(pair[0])
    for shared in errors.values():
        np.testing.assert_allclose(shared[0], shared[1], atol=1e-9)  # and for every camera
    twists = np.array([shared[0] for shared in errors.values()])
    np.testing.assert_allclose(twists.mean(0), 0, atol=1e-6)
    assert np.sqrt((twists[:, :3] ** 2).sum(1).mean()) == pytest.approx(0.03, rel=1e-6)
    assert np.rad2deg(np.sqrt((twists[:, 3:] ** 2).sum(1).mean())) == pytest.approx(0.2, rel=1e-6)
    # the ego path carries the same error
    drive = Drive.open(tmp_path / "noisy")
    frame = content["frames"][0]
    found = drive.world_from_camera(frame["camera"], np.array(frame["timestamp_us"]))
    np.testing.assert_allclose(found, np.array(frame["transform_matrix"]) @ flip, atol=1e-4)


def test_difficulty_by_hand(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    frames = []
    for index in range(3):
        image = np.full((8, 8, 3), 100 + 10 * index, np.uint8)
        cv2.imwrite(str(tmp_path / "images" / f"{index}.png"), image)
        frames.append({"camera": "a", "timestamp_us": index, "file_path": f"images/{index}.png"})
    turn = np.stack([np.eye(4)] * 2)
    turn[1, :2, :2] = [[np.cos(0.1), -np.sin(0.1)], [np.sin(0.1), np.cos(0.1)]]
    content = {"frames": frames, "ego": {"timestamps_us": [0, 1_000_000], "world_from_rig": turn.tolist()}}
    (tmp_path / "transforms.json").write_text(json.dumps(content))
    result = street_difficulty(tmp_path, every=2)
    assert result["nearest_frame_psnr"] == pytest.approx(20 * np.log10(255 / 10))
    assert result["yaw_rate_max_dps"] == pytest.approx(np.rad2deg(0.1))
    assert result["sky_share"] is None


def test_mistakes_are_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cameras is 9"):
        synthesise_street(tmp_path / "a", cameras=9)
    with pytest.raises(DataError, match="shifts_m"):
        synthesise_street(tmp_path / "a", shifts_m=(7.0,))
    with pytest.raises(DataError, match="no frame"):
        synthesise_street(tmp_path / "a", seconds=0.1, fps=1)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("x")
    with pytest.raises(OutputError, match="exists already"):
        synthesise_street(tmp_path / "full", **TINY)
    with pytest.raises(DataError, match="not a synthetic street"):
        street_difficulty(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["full"]
