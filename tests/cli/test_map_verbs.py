"""``avrec map``: what a person types, and the exit codes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from avrec.cli import main
from avrec.maps import read_opendrive
from tests.maps.support import lane, road, section, xodr
from tests.scene.complete import complete_scene


def test_a_street_s_map_becomes_opendrive(
    tiny_street: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "map.xodr"
    assert main(["map", "convert", str(tiny_street), "-o", str(path)]) == 0
    assert "2 of them to drive on" in capsys.readouterr().out
    assert read_opendrive(path).anchor is not None
    assert main(["map", "convert", str(tiny_street / "map.json"), "-o", str(path)]) == 2
    assert "--overwrite" in capsys.readouterr().err
    again = tmp_path / "again.xodr"
    assert main(["map", "convert", str(path), "-o", str(again)]) == 0
    assert set(read_opendrive(again).lanes) == set(read_opendrive(path).lanes)


def test_infer_says_how_far_it_is_and_which_side_traffic_keeps_to(
    tiny_street: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "map.xodr"
    assert main(["map", "infer", str(tiny_street), "-o", str(path), "--traffic", "left"]) == 0
    said = capsys.readouterr()
    assert "Looking at the road" in said.err
    assert "keep left" in said.out
    assert all(road.left_hand for road in read_opendrive(path).roads.values())


def test_check_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = tmp_path / "good.xodr", tmp_path / "bad.xodr"
    good.write_bytes(xodr(road(section(lane(1), lane(-1)))))
    bad.write_bytes(xodr(road(section(right=lane(-1, kind="sidewalk")))))
    assert main(["map", "check", str(good)]) == 0
    assert "no error found" in capsys.readouterr().out
    assert main(["map", "check", str(bad), "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert not report["passed"]
    assert report["findings"][0]["severity"] == "error"


def test_mistakes_are_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "no.xodr").write_text("no")
    assert main(["map", "check", str(tmp_path / "no.xodr")]) == 2
    assert main(["map", "check", str(tmp_path / "none.xodr")]) == 2
    assert main(["map", "convert", str(tmp_path / "none"), "-o", str(tmp_path / "a.xodr")]) == 2
    assert main(["map", "infer", str(tmp_path / "none"), "-o", str(tmp_path / "a.xodr")]) == 2
    error = capsys.readouterr().err
    assert error.count("avrec: ") == 4
    assert "Traceback" not in error
    assert not (tmp_path / "a.xodr").exists()


def test_the_map_in_a_scene_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scene, bare, out = tmp_path / "with.usdz", tmp_path / "without.usdz", tmp_path / "map.xodr"
    map_xodr = xodr(road(section(lane(1), lane(-1))))
    whole = complete_scene(20, 0)
    replace(whole, map_xodr=map_xodr).save(scene)
    replace(whole, map_xodr=None).save(bare)
    assert main(["map", "convert", str(scene), "-o", str(out)]) == 0
    assert set(read_opendrive(out).lanes) == set(read_opendrive(map_xodr).lanes)
    assert main(["map", "check", str(scene)]) == 0
    capsys.readouterr()
    assert main(["map", "check", str(bare)]) == 2
    assert "has no map. Infer one from its recording" in capsys.readouterr().err
    broken = tmp_path / "broken.usdz"
    broken.write_bytes(scene.read_bytes()[:5000])
    assert main(["map", "check", str(broken)]) == 2
    assert "broken.usdz" in capsys.readouterr().err


def test_a_folder_without_a_map_is_told_what_was_looked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "LICENSE").write_text("")
    assert main(["map", "convert", str(tmp_path / "log"), "-o", str(tmp_path / "map.xodr")]) == 2
    said = capsys.readouterr().err
    assert "log_map_archive_*.json of Argoverse 2" in said
    assert "transforms.json" in said
