"""Stopping, resuming, and what happens to the files meanwhile."""

from __future__ import annotations

import errno
import json
import logging
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from avrec.drive import Drive
from avrec.errors import AvrecError, DataError, OutputError
from avrec.reconstruction import checkpoint
from avrec.reconstruction.points import InitialPoints
from avrec.reconstruction.trainer import StepReport, Trainer
from avrec.scene import Scene
from tests.reconstruction.small import SMALL, bits, quick

ITERATIONS = 40


@contextmanager
def at_iteration(number: int, action: Any) -> Iterator[None]:
    """Do something right after a step."""
    step = Trainer.step

    def watched(trainer: Trainer) -> StepReport:
        report = step(trainer)
        if report.iteration == number:
            action()
        return report

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "step", watched)
        yield


def ctrl_c() -> None:
    signal.raise_signal(signal.SIGINT)


def power_cut() -> None:
    """What nobody catches."""
    raise SystemExit(9)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(scope="module")
def uninterrupted(drive: Drive, points: InitialPoints) -> dict[str, str]:
    return bits(quick(drive, points=points, iterations=ITERATIONS))


@pytest.mark.parametrize("stop_at", [1, 13, 20, 39])
def test_ctrl_c_and_resume_give_the_bits_of_one_go(
    stop_at: int, drive: Drive, points: InitialPoints, uninterrupted: dict[str, str], tmp_path: Path
) -> None:
    target = tmp_path / "scene.usdz"
    before = signal.getsignal(signal.SIGINT)
    with at_iteration(stop_at, ctrl_c):
        stopped = quick(drive, points=points, iterations=ITERATIONS, output=target)
    assert signal.getsignal(signal.SIGINT) is before
    assert stopped.source["iterations"] == stop_at
    assert names(tmp_path) == ["scene.usdz", "scene.usdz.checkpoint"]
    assert bits(Scene.open(target)) == bits(stopped) != uninterrupted

    resumed = quick(drive, points=points, iterations=ITERATIONS, output=target, resume=True)
    assert resumed.source["iterations"] == ITERATIONS
    assert bits(resumed) == uninterrupted
    assert bits(Scene.open(target)) == uninterrupted
    assert names(tmp_path) == ["scene.usdz"]


def test_a_crash_costs_no_more_than_since_the_last_checkpoint(
    drive: Drive, points: InitialPoints, uninterrupted: dict[str, str], tmp_path: Path
) -> None:
    target = tmp_path / "scene.usdz"
    config = replace(SMALL, checkpoint_s=1e-6)
    with at_iteration(25, power_cut), pytest.raises(SystemExit):
        quick(drive, points=points, iterations=ITERATIONS, output=target, config=config)
    assert names(tmp_path) == ["scene.usdz.checkpoint"]
    seen = []
    with at_iteration(25, lambda: seen.append(25)):
        resumed = quick(drive, points=points, iterations=ITERATIONS, output=target, resume=True)
    assert seen  # it went on from the 24th
    assert bits(resumed) == uninterrupted


def test_a_longer_run_may_go_on_from_a_shorter_one(drive: Drive, points: InitialPoints, tmp_path: Path) -> None:
    target = tmp_path / "scene.usdz"
    with at_iteration(5, ctrl_c):
        quick(drive, points=points, iterations=8, output=target)
    scene = quick(drive, points=points, iterations=12, output=target, resume=True)
    assert scene.source["iterations"] == 12


def test_ctrl_c_with_a_budget_of_seconds(drive: Drive, points: InitialPoints, tmp_path: Path) -> None:
    target = tmp_path / "scene.usdz"
    with at_iteration(6, ctrl_c):
        quick(drive, points=points, iterations=None, budget_s=500.0, output=target)
    spent = json.loads(np.load(tmp_path / "scene.usdz.checkpoint")["about"].tobytes())["spent_s"]
    assert spent > 0
    scene = quick(drive, points=points, iterations=None, budget_s=spent + 0.1, output=target, resume=True)
    assert scene.source["iterations"] > 6
    assert names(tmp_path) == ["scene.usdz"]


def test_the_second_ctrl_c_ends_at_once(drive: Drive, points: InitialPoints, tmp_path: Path) -> None:
    def twice() -> None:
        ctrl_c()
        ctrl_c()

    config = replace(SMALL, checkpoint_s=1e-6)
    with at_iteration(4, twice), pytest.raises(KeyboardInterrupt):
        quick(drive, points=points, output=tmp_path / "scene.usdz", config=config)
    assert names(tmp_path) == ["scene.usdz.checkpoint"]
    quick(drive, points=points, output=tmp_path / "scene.usdz", resume=True)


@pytest.fixture
def kept(drive: Drive, points: InitialPoints, tmp_path: Path) -> Path:
    """A checkpoint beside an interrupted scene."""
    with at_iteration(3, ctrl_c):
        quick(drive, points=points, output=tmp_path / "scene.usdz")
    return tmp_path / "scene.usdz.checkpoint"


def rewritten(path: Path, **changes: Any) -> None:
    """Replace arrays of a checkpoint; None drops one."""
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files} | changes
    with path.open("wb") as out:
        np.savez(out, **{name: value for name, value in arrays.items() if value is not None})


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"not a checkpoint"),
        lambda path: path.write_bytes(path.read_bytes()[:5000]),
        lambda path: path.write_bytes(path.read_bytes()[:-10]),
        lambda path: path.write_bytes(path.read_bytes().replace(b"packed", b"pocket")),
        lambda path: path.write_bytes(path.read_bytes()[:40_000] + bytes(2000) + path.read_bytes()[42_000:]),
        lambda path: np.save(path.open("wb"), np.zeros(3)),
        lambda path: rewritten(path, about=None),
        lambda path: rewritten(path, about=np.frombuffer(b"[1, 2]", np.uint8)),
        lambda path: rewritten(path, about=np.frombuffer(b'{"format": 1', np.uint8)),
        lambda path: rewritten(path, body=np.zeros(3, np.int32)),
        lambda path: rewritten(path, packed=np.zeros(3, np.float32)),
        lambda path: rewritten(path, sky=None),
        lambda path: rewritten(path, sky=np.zeros((6, 2, 2, 3), np.float32)),
        lambda path: rewritten(path, queue=np.array([999])),
        lambda path: rewritten(path, **{"pose/ego:value": np.zeros((2, 6))}),
        lambda path: rewritten(path, **{"color/left": np.zeros(5)}),
    ],
)
def test_damaged(damage: Any, kept: Path, drive: Drive, points: InitialPoints) -> None:
    scene = kept.with_name("scene.usdz").read_bytes()
    damage(kept)
    with pytest.raises(
        DataError, match=r"checkpoint .*scene\.usdz\.checkpoint is damaged .* without --resume"
    ) as caught:
        quick(drive, points=points, output=kept.with_name("scene.usdz"), resume=True)
    assert "\n" not in str(caught.value)
    assert kept.with_name("scene.usdz").read_bytes() == scene


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"downscale": 2},
        {"holdout": 0},
        {"config": replace(SMALL, most_gaussians=3000)},
        {"refine_poses": False},
        {"shutter": "ignore"},
    ],
)
def test_of_other_settings(change: dict[str, Any], kept: Path, drive: Drive, points: InitialPoints) -> None:
    with pytest.raises(DataError, match="belongs to another recording or other settings"):
        quick(drive, points=points, output=kept.with_name("scene.usdz"), resume=True, **change)


def test_of_another_recording(kept: Path, drive: Drive, points: InitialPoints) -> None:
    others = (
        replace(drive, name="elsewhere"),
        drive.select(frames=slice(0, 6)),
        drive.select(cameras=["left"]),
        replace(drive, tracks=drive.tracks[:3]),
        replace(drive, ego=replace(drive.ego, poses=drive.ego.poses + 1e-9 * np.eye(4)[:, [3, 3, 3, 3]].T)),
    )
    for other in others:
        with pytest.raises(DataError, match="belongs to another recording or other settings"):
            quick(other, points=points, output=kept.with_name("scene.usdz"), resume=True)


def test_nothing_to_resume(drive: Drive, points: InitialPoints, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no checkpoint .* Run without --resume"):
        quick(drive, points=points, output=tmp_path / "scene.usdz", resume=True)
    with pytest.raises(AvrecError, match="Resuming needs the output"):
        quick(drive, points=points, resume=True)


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """As good as a full disk: the system refuses to let any file grow further."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_no_room_for_checkpoints_but_for_the_scene(
    drive: Drive,
    points: InitialPoints,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A scene that can still be written must not be lost to a checkpoint that cannot."""
    config, target = replace(SMALL, checkpoint_s=1e-6, sky_size=64), tmp_path / "scene.usdz"
    whole = quick(drive, points=points, iterations=6, output=target, config=config)
    assert names(tmp_path) == ["scene.usdz"]

    def full(path: Path, *_: object) -> None:
        raise OutputError(f"The checkpoint {path} cannot be written (no space).")

    monkeypatch.setattr("avrec.reconstruction.checkpoint.save", full)
    with caplog.at_level(logging.WARNING):
        scene = quick(drive, points=points, iterations=6, output=target, config=config, overwrite=True)
    assert "checkpoint" in caplog.text
    assert "goes on without it" in caplog.text
    assert bits(Scene.open(target)) == bits(scene) == bits(whole)
    assert names(tmp_path) == ["scene.usdz"]


def test_no_room_for_the_scene(drive: Drive, points: InitialPoints, tmp_path: Path) -> None:
    target = tmp_path / "scene.usdz"
    target.write_bytes(b"precious")
    with files_of_at_most(100_000), pytest.raises(OutputError, match=r"Cannot write .*scene\.usdz"):
        quick(drive, points=points, iterations=3, output=target, overwrite=True)
    assert target.read_bytes() == b"precious"
    assert names(tmp_path) == ["scene.usdz"]


def test_no_room_for_the_scene_keeps_the_checkpoint(
    drive: Drive, points: InitialPoints, uninterrupted: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, config = tmp_path / "scene.usdz", replace(SMALL, checkpoint_s=1e-6)

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("avrec.scene.package_writer.open", full, raising=False)
        with pytest.raises(OutputError, match=r"No space left .* --resume"):
            quick(drive, points=points, iterations=ITERATIONS, output=target, config=config)
    assert names(tmp_path) == ["scene.usdz.checkpoint"]
    assert bits(quick(drive, points=points, iterations=ITERATIONS, output=target, resume=True)) == uninterrupted


def test_writing_leaves_the_older_one_until_the_new_one_is_whole(
    kept: Path, drive: Drive, points: InitialPoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = kept.read_bytes()

    def fails(*_: Any, **__: Any) -> None:
        raise OSError(errno.EIO, "Input/output error")

    stored: list[Trainer] = []
    monkeypatch.setattr(checkpoint, "save", lambda path, trainer, fingerprint: stored.append(trainer))
    with at_iteration(2, ctrl_c):
        quick(drive, points=points, output=kept.with_name("scene.usdz"), overwrite=True)
    monkeypatch.undo()
    monkeypatch.setattr("avrec.reconstruction.checkpoint.np.savez", fails)
    with pytest.raises(OutputError, match=r"cannot be written .Input/output error."):
        checkpoint.save(kept, stored[0], "fingerprint")
    assert kept.read_bytes() == before
    assert names(kept.parent) == ["scene.usdz", "scene.usdz.checkpoint"]
