"""``avrec scenario``: what a person types, and the exit codes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

import scenarios
from avrec.cli import main
from tests.scene.complete import complete_scene


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scene") / "road.usdz"
    complete_scene(n=40, degree=0).save(path, checkpoint=False)
    return path


def test_the_list_names_every_case_and_parameter(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scenario", "list"]) == 0
    said = capsys.readouterr().out
    assert all(name in said for name in scenarios.CATALOGUE)
    assert "overtaking=false" in said
    assert main(["scenario", "list", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    brake = {"default": 6.0, "low": 0.5, "high": 10.0, "unit": "m/s²", "about": "deceleration."}
    assert told["hard_brake"]["brake_mps2"] == brake
    assert told["cut_in"]["side"]["choices"] == ["left", "right"]
    assert all(each["about"] for case in told.values() for each in case.values())


def test_check_says_what_would_happen(package: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scenario", "check", str(package), "hard_brake,brake_mps2=8"]) == 0
    said = capsys.readouterr().out
    assert "1.00 s  7: stop (by 8 m/s²)" in said
    assert "time to collision: 0.00 s to 7" in said
    assert "hits 7 after" in said
    assert main(["scenario", "check", str(package), "hard_brake", "--without", "parked", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["hit"]["actor"] == "7"
    assert facts["playable"]
    assert facts["measures"]["distance_m"]["value"] == 0.0
    assert facts["measures"]["drac_mps2"]["actor"] == "7"
    assert facts["events"] == [{"actor": "7", "actions": ["SpeedTo"], "time_s": 1.0}]


def test_a_scene_without_a_map_cannot_be_played(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A replay would refuse it, so the check does, after what it found."""
    path = tmp_path / "bare.usdz"
    replace(complete_scene(n=40, degree=0), map_xodr=None).save(path, checkpoint=False)
    for more in ([], ["--json"]):
        assert main(["scenario", "check", str(path), "hard_brake", *more]) == 2
        said = capsys.readouterr()
        assert "hits 7 after" in said.out or not json.loads(said.out)["playable"]
        assert "the scene has no map" in said.err
    assert main(["carla", "replay", str(path), "--case", "hard_brake"]) == 2
    assert "no map" in capsys.readouterr().err


def test_a_later_part_of_the_recording(package: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scenario", "check", str(package), "hard_brake,at_s=0.3", "--start", "0.5", "--json"]) == 0
    later = json.loads(capsys.readouterr().out)["hit"]["time_s"]
    assert main(["scenario", "check", str(package), "hard_brake,at_s=0.8", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["hit"]["time_s"] == pytest.approx(later + 0.5, abs=0.11)
    for start in ("-1", "900", "nan"):
        assert main(["scenario", "check", str(package), "hard_brake", "--start", start]) == 2
        assert "not within the recording" in capsys.readouterr().err


def test_mistakes_are_one_sentence(package: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("def half(scene):\n    return 1 / 0\n", encoding="utf-8")
    wrong = ["cut_in", "cut_in,gap=3", "no_case", "pedestrian_dart_out,speed_mps=fast", f"{broken}:half", "\x1b[31m,=,"]
    for case in wrong:
        assert main(["scenario", "check", str(package), case]) == 2
    error = capsys.readouterr().err
    assert error.count("avrec: ") == len(wrong)
    assert "ZeroDivisionError" in error
    assert "Traceback" not in error
