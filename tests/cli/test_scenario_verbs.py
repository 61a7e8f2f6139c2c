"""``avrec scenario``: what a person types, and the exit codes."""

from __future__ import annotations

import json
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
    assert json.loads(capsys.readouterr().out)["hard_brake"]["brake_mps2"] == 6.0


def test_check_says_what_would_happen(package: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scenario", "check", str(package), "hard_brake,brake_mps2=8"]) == 0
    said = capsys.readouterr().out
    assert "1.00 s  7: SpeedTo" in said
    assert "hits 7 after" in said
    assert main(["scenario", "check", str(package), "hard_brake", "--without", "parked", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["hit"]["actor"] == "7"
    assert facts["events"] == [{"actor": "7", "actions": ["SpeedTo"], "time_s": 1.0}]


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
