"""``avrec validate`` and ``avrec scene export`` on the trained scene of a small way through the house."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from avrec.cli import main
from avrec.gaussians import Gaussians
from avrec.scene.foreign import write_ply


@pytest.fixture
def cloud(tmp_path: Path) -> Path:
    """Five Gaussians in a PLY file."""
    packed = np.random.default_rng(0).normal(size=(5, 14)).astype(np.float32)
    path = tmp_path / "five.ply"
    write_ply(Gaussians(packed), path)
    return path


def test_export_and_back(cloud: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spz, back = tmp_path / "five.spz", tmp_path / "back.ply"
    assert main(["scene", "export", str(cloud), "-o", str(spz), "--as", "spz"]) == 0
    assert "5 Gaussians from PLY" in capsys.readouterr().out
    assert main(["scene", "export", str(spz), "-o", str(back)]) == 0
    assert back.is_file()


def test_export_refuses_what_it_does_not_know(cloud: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scene", "export", str(cloud), "-o", str(tmp_path / "five.docx")]) == 2
    assert main(["scene", "export", str(cloud), "-o", str(cloud)]) == 2
    assert main(["scene", "export", str(tmp_path / "none.ply"), "-o", str(tmp_path / "a.ply")]) == 2
    error = capsys.readouterr().err
    assert error.count("avrec: ") == 3
    assert "Traceback" not in error


def test_validate_says_who_fails(cloud: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    package = tmp_path / "five.usdz"
    assert main(["scene", "export", str(cloud), "-o", str(package), "--as", "nurec"]) == 0
    capsys.readouterr()
    assert main(["validate", str(package), "--for", "carla", "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["consumers"] == {"carla": False}
    assert {finding["severity"] for finding in report["findings"]} >= {"error"}
    assert main(["validate", str(package), "--for", "blender"]) == 2
    assert "blender" in capsys.readouterr().err
    assert main(["validate", str(package), "--for", "isaac"]) == 0
    assert "isaac    opens it" in capsys.readouterr().out
