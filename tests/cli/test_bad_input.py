"""Recordings that cannot be used as they are: one clear line and exit 2, or a named warning and a result."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from avrec.cli import main


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli") / "street"
    words = ["drive", "synth", str(folder), "--seconds", "0.6", "--cameras", "2", "--width", "64", "--height", "48"]
    assert main([*words, "--no-truth"]) == 0
    return folder


@pytest.fixture
def broken(street: Path, tmp_path: Path) -> Path:
    """A copy to break."""
    return Path(shutil.copytree(street, tmp_path / "broken"))


def rewrite(drive: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Edit its transforms.json."""
    path = drive / "transforms.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def images(drive: Path) -> list[Path]:
    return sorted(path for path in drive.rglob("*") if path.suffix in {".png", ".jpg"} and "masks" not in path.parts)


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Run a verb that must end in one line and exit 2; returns the line."""
    capsys.readouterr()
    assert main(list(words)) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("avrec: ")]
    assert len(lines) == 1
    assert "Traceback" not in lines[0]
    return lines[0]


def test_the_unbroken_one_passes(street: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["drive", "info", str(street), "--json"]) == 0
    assert "cameras" in json.loads(capsys.readouterr().out)


def test_nothing_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "Check the spelling" in refused(capsys, "drive", "info", str(tmp_path / "nowhere"))


def test_an_empty_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "is empty" in refused(capsys, "drive", "info", str(tmp_path))


def test_an_unknown_layout(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    assert "notes.txt" in refused(capsys, "drive", "info", str(tmp_path))


def test_json_that_is_none(broken: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (broken / "transforms.json").write_text('{"frames": [')
    assert "transforms.json" in refused(capsys, "drive", "info", str(broken))


def test_poses_that_are_not_numbers(broken: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def change(content: dict[str, Any]) -> None:
        content["frames"][0]["transform_matrix"][0][3] = float("nan")

    rewrite(broken, change)
    refused(capsys, "drive", "info", str(broken))


def test_no_calibration(broken: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def change(content: dict[str, Any]) -> None:
        for holder in (content, *content["frames"], *content.get("cameras", {}).values()):
            for name in ("fl_x", "fl_y", "camera_angle_x", "camera_angle_y"):
                if isinstance(holder, dict):
                    holder.pop(name, None)

    rewrite(broken, change)
    refused(capsys, "drive", "info", str(broken))


@pytest.mark.parametrize("damage", ["truncated", "emptied", "removed", "not a picture"])
def test_damaged_images(broken: Path, damage: str, capsys: pytest.CaptureFixture[str]) -> None:
    for victim in images(broken):
        content = victim.read_bytes()
        if damage == "removed":
            victim.unlink()
        else:
            victim.write_bytes({"truncated": content[: len(content) // 2], "emptied": b""}.get(damage, b"x" * 999))
    capsys.readouterr()
    assert main(["drive", "info", str(broken), "--json"]) in (0, 2)
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err
    assert "error" in out or err.startswith("avrec: ")


def test_an_unknown_camera(street: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "scene.usdz"
    line = refused(capsys, "reconstruct", str(street), "-o", str(target), "--cameras", "periscope")
    assert "periscope" in line
    assert "front" in line
    assert not list(tmp_path.iterdir())


def test_frames_beyond_the_end(street: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    refused(capsys, "reconstruct", str(street), "-o", str(tmp_path / "scene.usdz"), "--frames", "1000:2000")
    assert not list(tmp_path.iterdir())


def test_an_existing_output(street: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "scene.usdz"
    target.write_bytes(b"precious")
    line = refused(capsys, "reconstruct", str(street), "-o", str(target), "--iterations", "5")
    assert "--overwrite" in line
    assert target.read_bytes() == b"precious"
    assert "overwritten" in refused(capsys, "drive", "synth", str(street), "--seconds", "0.3")


def test_settings_that_make_no_drive(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    refused(capsys, "drive", "synth", str(tmp_path / "street"), "--seconds", "-1")
    refused(capsys, "drive", "synth", str(tmp_path / "street"), "--cameras", "99")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("verb", ["scene info", "render", "evaluate"])
@pytest.mark.parametrize("content", [None, b"", b"not a zip", b"PK\x03\x04 broken"])
def test_a_scene_that_is_none(
    verb: str, content: bytes | None, street: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "scene.usdz"
    if content is not None:
        path.write_bytes(content)
    more = {"render": ["-o", str(tmp_path / "frames")], "evaluate": [str(street)]}.get(verb, [])
    assert "scene.usdz" in refused(capsys, *verb.split(), str(path), *more)
    assert not (tmp_path / "frames").exists()
