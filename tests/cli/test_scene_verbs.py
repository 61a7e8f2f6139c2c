"""``avrec validate`` and ``avrec scene export`` on the trained scene of a small way through the house."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from avrec.cli import main
from avrec.gaussians import Gaussians
from avrec.scene.foreign import write_ply
from tests.scene.scenes import make_scene


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


def test_formats_are_taken_in_any_case_and_listed_with_obj(
    cloud: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, words in (("a.ply", ["--as", "PLY"]), ("B.SPZ", []), ("c.Usda", ["--as", "ParticleField"])):
        assert main(["scene", "export", str(cloud), "-o", str(tmp_path / name), *words]) == 0
    assert (tmp_path / "B.SPZ").read_bytes()[:2] == b"\x1f\x8b"
    assert (tmp_path / "c.Usda").read_bytes().startswith(b"#usda")
    for words in (["a.splat"], ["a.ply", "--as", "splat"]):
        capsys.readouterr()
        assert main(["scene", "export", str(cloud), "-o", str(tmp_path / words[0]), *words[1:]]) == 2
        error = capsys.readouterr().err
        assert "obj" in error
        assert "splat" in error
    assert main(["scene", "export", str(cloud), "-o", str(tmp_path / "a.OBJ"), "--as", "Obj"]) == 2
    assert "holds no mesh" in capsys.readouterr().err


def test_an_actor_without_gaussians_is_not_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scene = make_scene()
    first = next(iter(scene.actors))
    bare = replace(scene, actors={**scene.actors, first: Gaussians(scene.actors[first].packed[:0])})
    bare.save(tmp_path / "bare.usdz")
    words = ["scene", "export", str(tmp_path / "bare.usdz"), "-o", str(tmp_path / "a.ply")]
    assert main([*words, "--actor", first]) == 2
    assert f"No actor '{first}' with Gaussians of its own" in capsys.readouterr().err
    assert main(["scene", "info", str(tmp_path / "bare.usdz"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["layers"]["actors"]["count"]
    assert told == len(scene.actors) - 1


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
    assert main(["validate", str(package), "--for", "isaac,Isaac"]) == 0
    assert capsys.readouterr().out.count("isaac    opens it") == 1
