"""Told to stop, a run ends cleaned up and with one sentence, at any moment and whoever says it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from avrec.cli import app, main
from tests.processes import LIMIT_S, ROOT, started

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}
USUAL = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL, signal.SIGHUP: signal.SIG_DFL}


@pytest.fixture(autouse=True)
def usual_signals() -> Iterator[None]:
    """As in a terminal: whoever runs the tests may have been told to ignore some, as `nohup` does."""
    before = {number: signal.signal(number, usual) for number, usual in USUAL.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def said(number: signal.Signals) -> str:
    return "avrec: Stopped.\n" if number == signal.SIGINT else f"avrec: Stopped by {number.name}.\n"


@pytest.mark.parametrize("number", CODES)
def test_in_the_middle_of_work(
    number: signal.Signals, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cleaned = []

    def verb() -> None:
        """Wait."""
        try:
            signal.raise_signal(number)
        finally:
            cleaned.append(True)

    monkeypatch.setitem(app._VERBS, "reconstruct", verb)
    assert main(["reconstruct"]) == CODES[number]
    assert capsys.readouterr().err == said(number)
    assert cleaned
    assert {number: signal.getsignal(number) for number in USUAL} == USUAL


def test_a_verb_that_answers_ctrl_c_answers_sigterm(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    heard = []

    def verb() -> None:
        """Finish in peace."""
        before = signal.signal(signal.SIGINT, lambda number, frame: heard.append(number))
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)  # once is enough
        signal.signal(signal.SIGINT, before)

    monkeypatch.setitem(app._VERBS, "reconstruct", verb)
    assert main(["reconstruct"]) == 143
    assert heard == [signal.SIGINT]
    assert capsys.readouterr().err == said(signal.SIGTERM)


def test_where_ctrl_c_is_ignored_sigterm_ends_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a script's background jobs have it."""

    def verb() -> None:
        """Wait."""
        signal.raise_signal(signal.SIGTERM)
        pytest.fail("it went on")

    monkeypatch.setitem(app._VERBS, "reconstruct", verb)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert main(["reconstruct"]) == 143
    finally:
        signal.signal(signal.SIGINT, before)


def test_forked_workers_die_silently(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    codes = []

    def verb() -> None:
        """Have a worker ended."""
        ready, say_ready = os.pipe()
        worker = os.fork()
        if not worker:
            os.write(say_ready, b"1")
            time.sleep(60)
            os._exit(0)
        os.read(ready, 1)
        os.kill(worker, signal.SIGTERM)
        codes.append(os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1]))

    monkeypatch.setitem(app._VERBS, "reconstruct", verb)
    assert main(["reconstruct"]) == 0
    assert codes == [-signal.SIGTERM]
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_while_everything_is_still_being_imported(number: signal.Signals) -> None:
    code = (
        "import os, sys\n"
        "class Now:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name == 'tyro': os.kill(os.getpid(), {int(number)})\n"
        "sys.meta_path.insert(0, Now())\n"
        "from avrec.cli import main\n"
        "sys.exit(main(['render', '--help']))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False, timeout=LIMIT_S
    )
    assert (done.returncode, done.stdout, done.stderr) == (CODES[number], "", said(number))


def test_nothing_is_left_of_a_street(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "avrec.cli", "drive", "synth", str(tmp_path / "street"), "--cameras", "1"]
    with started(words, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        for line in running.stderr:
            if line.startswith("Rendering the street"):
                break
        assert list(tmp_path.iterdir())
        running.terminate()
        said_last = running.stderr.read()
        running.wait()
    assert running.returncode == 143
    assert said_last == said(signal.SIGTERM)
    assert not list(tmp_path.iterdir())
