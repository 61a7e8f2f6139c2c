"""The way of a newcomer, small: a street, a scene, its score, a view from beside the path."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from avrec.cli import main
from avrec.scene import Scene
from tests.processes import LIMIT_S, ROOT, started


@pytest.fixture(scope="module")
def way(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with street/ and street.usdz in it, both made through the command line."""
    folder = tmp_path_factory.mktemp("way")
    street = ["drive", "synth", str(folder / "street"), "--seconds", "0.8", "--cameras", "2"]
    assert main([*street, "--width", "96", "--height", "64"]) == 0
    scene = ["reconstruct", str(folder / "street"), "-o", str(folder / "street.usdz"), "--iterations", "40"]
    assert main([*scene, "--holdout", "4"]) == 0
    return folder


def test_the_scene_is_there(way: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["scene", "info", str(way / "street.usdz"), "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert {key: (row["frames"], row["held_out"]) for key, row in figures["cameras"].items()} == {
        "front@street": (8, 2),  # held out: indices 2 and 6 of 8
        "left@street": (8, 2),
    }
    assert figures["layers"]["static"] > 100
    assert figures["map"]["driving_lanes"] == 2
    assert main(["scene", "info", str(way / "street.usdz")]) == 0
    assert "8 frames, 2 held out" in capsys.readouterr().out


def test_evaluate(way: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["evaluate", str(way / "street.usdz"), str(way / "street"), "--sheet", str(way / "sheet.png")]
    capsys.readouterr()
    assert main([*words, "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert 8 < figures["psnr"] < 60
    assert 0 < figures["ssim"] <= 1
    assert set(figures["per_camera"]) == {"front", "left"}
    assert figures["frames"] == 4
    assert cv2.imread(str(way / "sheet.png")) is not None
    assert main(words) == 2  # the sheet exists
    assert main([*words, "--overwrite"]) == 0
    assert f"{figures['psnr']:.2f}" in capsys.readouterr().out


def test_render_beside_the_path(way: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["render", str(way / "street.usdz"), "-o", str(way / "frames"), "--camera", "left", "--frames", "2:5"]
    assert main([*words, "--shift-left", "1.5", "--yaw", "-3", "--outputs", "rgb,depth"]) == 0
    assert len(list((way / "frames" / "rgb").glob("*.png"))) == 3
    assert len(list((way / "frames" / "depth").glob("*.png"))) == 3
    picture = cv2.imread(str(way / "frames" / "rgb" / "000000.png"))
    assert picture.shape == (64, 96, 3)
    assert np.ptp(picture) > 20
    assert main(words) == 2
    assert "exists" in capsys.readouterr().err
    assert main([*words, "--overwrite", "--no-video", "--camera", "periscope"]) == 2


def test_the_same_seed_gives_the_same_bits(way: Path, tmp_path: Path) -> None:
    words = ["reconstruct", str(way / "street"), "-o", str(tmp_path / "again.usdz"), "--iterations", "40"]
    assert main([*words, "--holdout", "4"]) == 0
    first, second = Scene.open(way / "street.usdz"), Scene.open(tmp_path / "again.usdz")
    assert np.array_equal(first.static.packed, second.static.packed)
    assert [path.name for path in tmp_path.iterdir()] == ["again.usdz"]


def test_ctrl_c_writes_what_there_is_and_resume_goes_on(way: Path, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "avrec.cli", "reconstruct", str(way / "street"), "-o", str(tmp_path / "scene.usdz")]
    with started([*words, "--budget", "600"], stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        told = (line for line in running.stderr if line.startswith("Optimising "))
        assert next(told).rstrip().endswith("...")
        next(told)  # some iterations later
        running.send_signal(signal.SIGINT)
        _, err = running.communicate()
    assert running.returncode == 0, err
    assert "stopped early" in err
    stopped = Scene.open(tmp_path / "scene.usdz").source["iterations"]
    assert stopped > 0
    done = subprocess.run(
        [*words, "--resume", "--iterations", str(stopped + 5), "--json"], cwd=ROOT, capture_output=True, timeout=LIMIT_S
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["iterations"] == stopped + 5
    assert [path.name for path in tmp_path.iterdir()] == ["scene.usdz"]
