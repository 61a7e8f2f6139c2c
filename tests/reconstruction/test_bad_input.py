"""`avrec reconstruct` with what cannot work: one sentence, exit 2 and nothing left behind, or a warning and a scene."""

from __future__ import annotations

import errno
import importlib
import json
import resource
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from avrec.cli import main
from avrec.drive import Drive
from avrec.errors import AvrecError
from avrec.reconstruction import ReconstructionConfig, reconstruct
from avrec.reconstruction.points import InitialPoints
from avrec.scene import Scene
from tests.reconstruction.small import quick

FEW = ("--iterations", "2", "--preset", "fast", "--downscale", "2")


def refused(capsys: pytest.CaptureFixture[str], *words: str | Path) -> str:
    """Run a verb that must end in one sentence and exit 2; returns the sentence."""
    capsys.readouterr()
    assert main([str(word) for word in words]) == 2
    err = capsys.readouterr().err
    assert "Traceback" not in err
    lines = [line for line in err.splitlines() if line.startswith("avrec: ")]
    assert len(lines) == 1
    assert lines[0].endswith((".", ":40", "NAME,NAME"))
    return lines[0]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """An empty folder for results."""
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


@pytest.fixture
def broken(tiny_street: Path, tmp_path: Path) -> Path:
    """A copy to break."""
    return Path(shutil.copytree(tiny_street, tmp_path / "broken", ignore=shutil.ignore_patterns("truth")))


def edit(drive: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change its transforms.json."""
    path = drive / "transforms.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--iterations", "0"], "iterations is 0. Give 1 or more"),
        (["--budget", "-5"], "budget is -5.0 seconds"),
        (["--budget", "0"], "more than 0"),
        (["--budget", "nan"], "budget is nan"),
        (["--budget", "inf"], "budget is inf"),
        (["--holdout", "1"], "Give 0 for none, or 2 or more"),
        (["--holdout", "-8"], "not possible"),
        (["--downscale", "0"], "downscale is 0"),
        (["--downscale", "-2"], "Give 1 or more"),
        (["--downscale", "nan"], "downscale is nan"),
        (["--downscale", "inf"], "downscale is inf"),
        (["--downscale", "5"], "would be 19x13 pixels"),
        (["--downscale", "1000"], "each side needs 16"),
        (["--seed", "-1"], "seed is -1"),
        (["--cameras", "front,periscope"], "No camera named periscope; this drive has front, left"),
        (["--cameras", "front,,left"], "empty name"),
        (["--frames", ""], "is not a range"),
        (["--frames", "3:3"], "holds no frame"),
        (["--frames", "8:20"], "No frame is left"),
        (["--frames", "early"], "is not a range"),
        (["--resume"], "no checkpoint"),
    ],
)
def test_settings(
    words: list[str], says: str, tiny_street: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert says in refused(capsys, "reconstruct", tiny_street, "-o", out / "scene.usdz", *words)
    assert not list(out.iterdir())


def test_outputs(tiny_street: Path, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Said before the work, not after it."""

    def line(target: Path, *more: str) -> str:
        return refused(capsys, "reconstruct", tiny_street, "-o", target, "--budget", "1000", *more)

    assert "must end in .usdz" in line(out / "scene.txt")
    assert "must end in .usdz" in line(out / "scene.USDZ")
    assert "must end in .usdz" in line(out)
    assert "does not exist. Create it first" in line(out / "nowhere" / "scene.usdz")
    (out / "folder.usdz").mkdir()
    assert "is a folder" in line(out / "folder.usdz", "--overwrite")
    (out / "old.usdz").write_bytes(b"precious")
    assert "exists already" in line(out / "old.usdz")
    assert (out / "old.usdz").read_bytes() == b"precious"
    assert "does not exist" in line(out / "old.usdz" / "scene.usdz")
    assert sorted(path.name for path in out.iterdir()) == ["folder.usdz", "old.usdz"]


def test_drives_that_are_none(tmp_path: Path, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = out / "scene.usdz"
    assert "There is nothing at" in refused(capsys, "reconstruct", tmp_path / "nowhere", "-o", target)
    (tmp_path / "empty").mkdir()
    assert "is empty" in refused(capsys, "reconstruct", tmp_path / "empty", "-o", target)
    (tmp_path / "empty" / "notes.txt").write_text("hello")
    assert "layout" in refused(capsys, "reconstruct", tmp_path / "empty", "-o", target)
    assert not list(out.iterdir())


def nan_pose(content: dict[str, Any]) -> None:
    content["frames"][3]["transform_matrix"][1][3] = float("nan")


def no_calibration(content: dict[str, Any]) -> None:
    for holder in (content, *content["frames"]):
        for name in ("fl_x", "fl_y", "camera_angle_x", "camera_angle_y"):
            holder.pop(name, None)


def backwards(content: dict[str, Any]) -> None:
    first, second, *_ = (frame for frame in content["frames"] if frame["camera"] == "front")
    first["timestamp_us"], second["timestamp_us"] = second["timestamp_us"], first["timestamp_us"]


@pytest.mark.parametrize(
    ("change", "says"), [(nan_pose, "NaN"), (no_calibration, "calibration"), (backwards, "backwards")]
)
def test_records(
    change: Callable[[dict[str, Any]], object],
    says: str,
    broken: Path,
    out: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    edit(broken, change)
    assert says in refused(capsys, "reconstruct", broken, "-o", out / "scene.usdz", *FEW)
    assert not list(out.iterdir())


@pytest.mark.parametrize("damage", ["truncated", "empty", "no picture", "removed"])
def test_one_damaged_picture(damage: str, broken: Path, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    victim = broken / "images" / "left" / "0003.png"
    content = victim.read_bytes()
    if damage == "removed":
        victim.unlink()
    else:
        victim.write_bytes({"truncated": content[: len(content) // 2], "empty": b""}.get(damage, b"x" * 999))
    line = refused(capsys, "reconstruct", broken, "-o", out / "scene.usdz", *FEW)
    assert "left/0003.png" in line
    assert not list(out.iterdir())


def test_damaged_lidar(broken: Path, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sweep = sorted((broken / "lidar").rglob("*.bin"))[2]
    sweep.write_bytes(sweep.read_bytes()[:1001])
    assert "truncated" in refused(capsys, "reconstruct", broken, "-o", out / "scene.usdz", *FEW)
    points = np.full(5 * 999, np.nan, np.float32)
    for sweep in (broken / "lidar").rglob("*.bin"):
        points.tofile(sweep)
    assert not list(out.iterdir())
    assert main(["reconstruct", str(broken), "-o", str(out / "scene.usdz"), *FEW]) == 0
    assert np.isfinite(Scene.open(out / "scene.usdz").static.packed).all()


def test_one_camera_and_no_lidar(broken: Path, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A result that is still honest, and a warning that says what it lacks."""
    edit(broken, lambda content: content.pop("lidars"))
    target = out / "scene.usdz"
    words = ["reconstruct", str(broken), "-o", str(target), "--cameras", "left", "--holdout", "20", *FEW]
    assert main(words) == 0
    err = capsys.readouterr().err
    assert "WARNING: rig: No lidar." in err
    assert "WARNING: Holding out every 20-th frame keeps none of left" in err
    scene = Scene.open(target)
    assert list(scene.cameras) == ["left"]
    assert len(scene.static) > 1000
    assert [path.name for path in out.iterdir()] == ["scene.usdz"]


def test_a_single_picture(tiny_street: Path, out: Path) -> None:
    words = ["reconstruct", str(tiny_street), "-o", str(out / "scene.usdz"), "--cameras", "front", "--frames", "3:4"]
    assert main([*words, *FEW]) == 0
    assert len(Scene.open(out / "scene.usdz").frames["front"]) == 1


@pytest.mark.parametrize("value", [0, 255])
def test_pictures_that_show_nothing(value: int, drive: Drive, points: InitialPoints) -> None:
    """Nothing to divide by, and nothing that is not finite."""
    flat = np.full((64, 96, 3), value, np.uint8)
    shown = {
        name: tuple(replace(frame, load=lambda: flat) for frame in frames) for name, frames in drive.frames.items()
    }
    scene = quick(replace(drive, frames=shown), points=points, iterations=30)
    assert scene.sky is not None
    for values in (scene.static.packed, scene.sky, scene.ego.poses, *scene.appearance.values()):
        assert np.isfinite(values).all()


def test_a_full_disk(
    tiny_street: Path, out: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    target = out / "scene.usdz"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
    try:
        line = refused(capsys, "reconstruct", tiny_street, "-o", target, *FEW)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "Cannot write" in line
    assert not list(out.iterdir())

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("avrec.scene.package_writer.open", full, raising=False)
    line = refused(capsys, "reconstruct", tiny_street, "-o", target, *FEW)
    assert "No space left on device" in line
    assert "--resume" in line
    assert [path.name for path in out.iterdir()] == ["scene.usdz.checkpoint"]  # nothing that was optimised is lost


def test_ctrl_c_before_there_is_anything(
    tiny_street: Path, out: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    module = importlib.import_module("avrec.reconstruction.reconstruct")  # the package's name is the function
    monkeypatch.setattr(module, "initial_points", stopped)
    assert main(["reconstruct", str(tiny_street), "-o", str(out / "scene.usdz"), *FEW]) == 130
    assert "avrec: Stopped." in capsys.readouterr().err
    assert not list(out.iterdir())


@pytest.mark.parametrize(
    "settings",
    [
        {"iterations": 0},
        {"seed": -1},
        {"device": "abacus"},
        {"shutter": "broken"},
        {"config": None, "preset": "worst"},
        {"iterations": None, "budget_s": float("nan")},
    ],
)
def test_settings_in_python(settings: dict[str, Any], drive: Drive, points: InitialPoints) -> None:
    given = {"iterations": 3, "config": ReconstructionConfig(), "points": points, **settings}
    with pytest.raises(AvrecError):
        reconstruct(drive, **given)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_device_that_is_not_there_is_named(drive: Drive, points: InitialPoints) -> None:
    with pytest.raises(AvrecError, match="needs an NVIDIA GPU"):
        quick(drive, points=points, iterations=2, device="cuda")
