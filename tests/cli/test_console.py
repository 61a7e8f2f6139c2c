"""Progress and results as a person or a program sees them."""

from __future__ import annotations

import io
import json
import logging
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from avrec.cli.console import PlainProgress, RichProgress, print_json, reporting
from avrec.progress import NO_PROGRESS, Progress


def run_a_job(progress: Progress) -> None:
    progress.start("Reading", 3)
    for done in range(3):
        progress.update(done + 1, frames=done + 1)
    progress.finish()
    progress.start("Optimising")
    progress.update(10, psnr=27.123456, gaussians=1000)
    progress.finish("27.1 dB")


def test_plain_lines() -> None:
    stream = io.StringIO()
    run_a_job(PlainProgress(stream, interval_s=0.0))
    lines = stream.getvalue().splitlines()
    assert lines[0] == "Reading ..."
    assert lines[1].startswith("Reading  33 %")
    assert "frames 3" in lines[3]
    assert lines[5:7][0] == "Optimising ..."
    assert "psnr 27.12  gaussians 1000" in lines[6]
    assert lines[-1].endswith(": 27.1 dB")


def test_plain_lines_come_seldom() -> None:
    stream = io.StringIO()
    progress = PlainProgress(stream, interval_s=60.0)
    progress.start("Reading", 1000)
    for done in range(1000):
        progress.update(done)
    progress.finish()
    assert len(stream.getvalue().splitlines()) == 2


def test_bars_show_stages_and_figures() -> None:
    stream = io.StringIO()
    progress = RichProgress(Console(file=stream, force_terminal=True, width=160))
    run_a_job(progress)
    progress.stop()
    assert "Reading" in stream.getvalue()
    assert "27.1 dB" in stream.getvalue()


def test_nobody_listening() -> None:
    run_a_job(NO_PROGRESS)


def test_progress_and_logs_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    with reporting() as progress:
        run_a_job(progress)
        logging.getLogger("avrec.somewhere").warning("no lidar: points come from triangulation")
    out, err = capsys.readouterr()
    assert out == ""
    assert "Reading ..." in err
    assert "WARNING: no lidar: points come from triangulation" in err
    assert not logging.getLogger("avrec").handlers


def test_json_takes_numpy_and_says_null_for_what_is_unknown(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"psnr": np.float32(31.5), "ssim": float("nan"), "per_frame": np.array([1, 2]), "file": Path("a")})
    assert json.loads(capsys.readouterr().out) == {"psnr": 31.5, "ssim": None, "per_frame": [1, 2], "file": "a"}


def test_what_verbs_print_as_notes_is_not_logged_as_well(capsys: pytest.CaptureFixture[str]) -> None:
    with reporting():
        logging.getLogger("avrec.scenario.looks").warning("a grey figure")
        logging.getLogger("avrec.scenario.rehearsal").warning("something else")
    said = capsys.readouterr().err
    assert "something else" in said
    assert "grey figure" not in said
