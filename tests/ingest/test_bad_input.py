from __future__ import annotations

import contextlib
import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from avrec.drive import Drive
from avrec.errors import DataError
from avrec.ingest import open_drive
from tests.ingest.test_kitti_raw import northward
from tests.ingest.writers import RIG, START_US, stamps, transforms_content, turning_ego, write_kitti, write_transforms

CONTENT = transforms_content(turning_ego(), frames=3)


def refused(path: Path, match: str) -> None:
    """One clear line: what was wrong and what to do."""
    with pytest.raises(DataError, match=match) as caught:
        open_drive(path)
    text = str(caught.value)
    assert "\n" not in text
    assert text.endswith((".", "445."))
    assert len(text) < 420 + 3 * len(str(path))


def test_nothing_empty_or_unknown(tmp_path: Path) -> None:
    refused(tmp_path / "nowhere", "There is nothing at")
    refused(tmp_path, "is empty")
    (tmp_path / "notes.txt").write_text("hello")
    refused(tmp_path, r"layout of .* is unknown: found notes.txt. avrec looked for .*transforms.json.*KITTI raw")
    refused(tmp_path / "notes.txt", "not a recording")


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (b"", "not valid JSON"),
        (b'{"frames": [', "not valid JSON.*truncated"),
        (b"\xff\xfe\x00\x01", "not a text file"),
        (b"[1, 2]", "no list of 'frames'"),
        (b'{"frames": []}', "lists no frames"),
        (b'{"frames": [1]}', "must be a list of tables"),
        (b"[" * 100_000, "nested|not valid"),
    ],
)
def test_unreadable_json(tmp_path: Path, text: bytes, match: str) -> None:
    (tmp_path / "transforms.json").write_bytes(text)
    refused(tmp_path, match)


def edited(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    content = copy.deepcopy(CONTENT)
    change(content)
    return content


def set_frame(index: int, key: str, value: Any) -> Callable[[dict[str, Any]], object]:
    return lambda content: content["frames"][index].__setitem__(key, value)


def set_top(key: str, value: Any) -> Callable[[dict[str, Any]], object]:
    return lambda content: content.__setitem__(key, value)


EYE = [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
NAN = [[1, 0, 0, float("nan")], *EYE[1:]]
TRACK = {"id": "a", "class": "car", "size_m": [4, 2, 1.5], "timestamps_us": [START_US], "world_from_box": [EYE]}


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (set_frame(1, "transform_matrix", NAN), r"transform_matrix of frame 1 \(images/left/000.png\).* contains NaN"),
        (set_frame(0, "transform_matrix_end", NAN), "transform_matrix_end .*NaN"),
        (set_frame(0, "transform_matrix", [[2, 0, 0, 0], *EYE[1:]]), "not a rigid transform"),
        (set_frame(0, "transform_matrix", [[1, 2], [3, 4]]), "must have 4x4 numbers; found 2x2"),
        (set_frame(0, "transform_matrix", "identity"), "not a table of numbers"),
        (lambda c: c["frames"][2].pop("transform_matrix"), "pose of frame 2 .* is missing"),
        (lambda c: [frame.pop("fl_x") for frame in c["frames"]], "calibration of frame 0 .* is missing"),
        (set_frame(0, "fl_x", 0), "must be positive"),
        (set_frame(0, "w", -4), "picture size"),
        (set_frame(0, "k4", 0.1), "k4, which the camera model OPENCV does not use"),
        (set_top("camera_model", "EQUIRECTANGULAR"), "camera model EQUIRECTANGULAR .* not supported"),
        (set_frame(3, "timestamp_us", START_US - 5), r"camera front .* run backwards by 5e-06 s at record 1"),
        (set_frame(3, "timestamp_us", START_US), "camera front .* repeat at record 1"),
        (set_frame(3, "timestamp_us", "noon"), "must be a whole number; found 'noon'"),
        (lambda c: c["frames"][2].pop("camera"), "Only 8 of 9 frames .* have 'camera'"),
        (lambda c: c["frames"][2].pop("file_path"), "no file_path"),
        (set_frame(0, "shutter", "sideways"), "shutter 'sideways' .* is unknown"),
        (set_frame(0, "readout_us", -1), "readout_us is -1"),
        (set_frame(0, "readout_us", 7), "shutter of camera front changes"),
        (set_top("tracks", [{**TRACK, "size_m": [4, 2]}]), "size_m of track a"),
        (set_top("tracks", [{**TRACK, "world_from_box": [NAN]}]), "world_from_box 0 of track a .* NaN"),
        (set_top("tracks", [TRACK, TRACK]), "track id a .* used twice"),
        (set_top("tracks", [{**TRACK, "timestamps_us": []}]), "as many world_from_box"),
        (set_top("lidars", [{"file_path": "a.bin"}]), "timestamp_us of lidar sweep 0"),
        (set_top("lidars", {}), "'lidars' .* must be a list"),
        (set_top("anchor", {"latitude": 95, "longitude": 0}), "latitude_deg is 95"),
        (set_top("anchor", {"latitude": 48}), "anchor.longitude"),
        (set_top("ego", {"timestamps_us": [2, 1], "world_from_rig": [EYE, EYE]}), "ego .* run backwards"),
        (set_top("cameras", {"front": {"rig_from_camera": NAN}}), "rig_from_camera of front .* NaN"),
    ],
)
def test_bad_records_are_named(tmp_path: Path, change: Callable[[dict[str, Any]], object], match: str) -> None:
    path = write_transforms(tmp_path, CONTENT)
    path.write_text(json.dumps(edited(change)))
    refused(tmp_path, match)


def test_pictures_missing_or_of_another_size(tmp_path: Path) -> None:
    path = write_transforms(tmp_path, CONTENT)
    (tmp_path / "images/rear/001.png").unlink()
    drive = open_drive(path)
    assert any("1 of 9 pictures are missing" in note for note in drive.notes)
    with pytest.raises(DataError, match="cannot be read"):
        drive.frames["rear"][1].image()
    path.write_text(json.dumps(edited(lambda c: [frame.update(w=32) for frame in c["frames"]])))
    with pytest.raises(DataError, match="is 16x12 but its calibration is for 32x12"):
        open_drive(path).frames["front"][0].image()
    for picture in tmp_path.rglob("*.png"):
        picture.unlink()
    refused(path, "None of the 9 pictures")


def test_truncated_sweep(tmp_path: Path) -> None:
    entry = {"file_path": "a.bin", "timestamp_us": START_US, "transform_matrix": EYE}
    (tmp_path / "a.bin").write_bytes(b"\0" * 33)
    drive = open_drive(write_transforms(tmp_path, {**CONTENT, "lidars": [entry]}))
    with pytest.raises(DataError, match="truncated: 33 bytes"):
        drive.sweeps[0].points()


def test_bad_kitti_drives(tmp_path: Path) -> None:
    def fresh(name: str) -> Path:
        return write_kitti(tmp_path / name, northward())

    path = fresh("calibration")
    (path.parent / "calib_velo_to_cam.txt").unlink()
    refused(path, "calibration file calib_velo_to_cam.txt is missing")
    path = fresh("entry")
    cameras = path.parent / "calib_cam_to_cam.txt"
    cameras.write_text(cameras.read_text().replace("P_rect_02", "P_rect_07"))
    refused(path, "has no entry P_rect_02")
    path = fresh("oxts")
    (path / "oxts/data/0000000002.txt").write_text("49.0 8.4 nan 0 0 0")
    refused(path, "0000000002.txt contains NaN")
    path = fresh("short")
    (path / "oxts/data/0000000002.txt").write_text("49.0 8.4")
    refused(path, "has 2 numbers")
    path = fresh("backwards")
    lines = stamps(4).splitlines()
    (path / "image_02/timestamps.txt").write_text("\n".join([lines[1], lines[0], *lines[2:]]))
    refused(path, "image_02.timestamps.txt run backwards by 0.1 s at record 1")
    path = fresh("few")
    (path / "image_02/timestamps.txt").write_text("\n".join(lines[:2]))
    refused(path, "file number 3 but only 2 timestamps")
    path = fresh("garbage")
    (path / "oxts/timestamps.txt").write_text("yesterday\n")
    refused(path, "Line 1 of .* is not a timestamp")
    path = fresh("no_poses")
    for file in (path / "oxts/data").iterdir():
        file.unlink()
    refused(path, "no GPS/IMU records")
    path = fresh("truncated")
    for index in range(4):
        picture = path / f"image_02/data/{index:010d}.png"
        picture.write_bytes(picture.read_bytes()[:-30])
    refused(path, "truncated")


values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.floats(),
    st.text(max_size=3),
    st.just([]),
    st.just({}),
    st.just([[1]]),
)


def places(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every position inside a JSON value."""
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [place for key, child in children for place in [(*path, key), *places(child, (*path, key))]]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_damage_is_a_drive_or_a_clear_error(tmp_path: Path, data: st.DataObject) -> None:
    """Whatever one value of the file is replaced by, nothing but a DataError comes out."""
    content = {
        **transforms_content(turning_ego(), rig={"front": RIG["front"]}, frames=2),
        "tracks": [TRACK],
        "anchor": {"latitude": 1.0, "longitude": 2.0, "altitude": 3.0},
        "ego": {"timestamps_us": [START_US, START_US + 200_000], "world_from_rig": [EYE, EYE]},
        "cameras": {"front": {"rig_from_camera": EYE}},
        "map": "map.xodr",
    }
    if not (tmp_path / "transforms.json").exists():
        write_transforms(tmp_path, content)
    content = json.loads(json.dumps(content))
    *parents, last = data.draw(st.sampled_from(places(content)))
    node = content
    for key in parents:
        node = node[key]
    node[last] = data.draw(values)
    (tmp_path / "transforms.json").write_text(json.dumps(content))
    with contextlib.suppress(DataError):
        assert isinstance(open_drive(tmp_path), Drive)
