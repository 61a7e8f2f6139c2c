"""``avrec map``: what a person types, and the exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from avrec.cli import main
from avrec.maps import read_opendrive
from tests.maps.support import lane, road, section, xodr


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
