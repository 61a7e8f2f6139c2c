"""The verbs: what they promise in their help, and how they fail."""

from __future__ import annotations

import errno
import inspect
import re
import shlex
import subprocess
import sys

import pytest

from avrec.cli import app, main
from avrec.errors import DataError
from tests.processes import LIMIT_S, ROOT

VERBS = [
    "drive synth", "drive info", "reconstruct", "evaluate", "render", "validate", "scene info", "scene export",
]  # fmt: skip


def failing_with(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def verb() -> None:
        """Fail."""
        raise error

    monkeypatch.setitem(app._VERBS, "reconstruct", verb)


def test_no_arguments_shows_the_verbs_in_order(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    out = capsys.readouterr().out
    places = [out.index(f"avrec {verb}") for verb in VERBS]
    assert places == sorted(places)


@pytest.mark.parametrize("verb", VERBS)
def test_help_has_an_example_that_parses(
    verb: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main([*verb.split(), "--help"]) == 0
    helped = capsys.readouterr().out
    example = helped.partition("Example:")[2].strip().splitlines()[0]
    assert example.startswith(f"avrec {verb} ")
    reached: list[str] = []
    monkeypatch.setattr("avrec.cli.app._complain_of_bug", lambda error: pytest.fail(f"{error!r}"))
    for module in (app.drive, app.reconstruct, app.evaluate, app.render, app.scene, app.validate):
        monkeypatch.setattr(module, "reporting", lambda: reached.append(verb) or _stop())
    assert main(shlex.split(example)[1:]) == 130
    assert reached == [verb]


def _stop() -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("verb", [*VERBS, "scene import", "map infer", "carla replay", "scenario check"])
def test_help_shows_nothing_that_only_python_knows(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*verb.split(), "--help"]) == 0
    assert re.findall(r"default:\s+None|\{None\b", re.sub(r"[│\s]+", " ", capsys.readouterr().out)) == []


@pytest.mark.parametrize("verb", VERBS)
def test_every_option_is_explained(verb: str) -> None:
    group, _, inner = verb.partition(" ")
    found = app._VERBS[group]
    function = found if callable(found) else found[inner]
    explained = (function.__doc__ or "").partition("Args:")[2]
    assert not [name for name in inspect.signature(function).parameters if f"\n        {name}: " not in explained]


@pytest.mark.parametrize(
    "words",
    [
        "reconstruct drive --preset fastest -o x",
        "reconstruct drive",
        "reconstruct drive -o x --budget soon",
        "drive",
        "nonsense",
        "render x",
    ],
)
def test_wrong_words(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(words.split())
    out, err = capsys.readouterr()
    assert code == (0 if words == "drive" else 2)
    assert "Traceback" not in out + err


def test_a_users_mistake_is_one_line_and_exit_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failing_with(monkeypatch, DataError("The folder x\nis empty. Give a recording."))
    assert main(["reconstruct"]) == 2
    assert capsys.readouterr().err == "avrec: The folder x is empty. Give a recording.\n"


def test_a_full_disk_is_no_bug(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    failing_with(monkeypatch, OSError(errno.ENOSPC, "No space left on device", "out/scene.usdz"))
    assert main(["reconstruct"]) == 2
    assert "No space left on device (out/scene.usdz)" in capsys.readouterr().err


def test_a_bug_says_so_and_exits_1(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("AVREC_DEBUG", raising=False)
    failing_with(monkeypatch, ZeroDivisionError("division by zero"))
    assert main(["reconstruct"]) == 1
    err = capsys.readouterr().err
    assert "bug" in err
    assert "ZeroDivisionError: division by zero" in err
    assert "Traceback" not in err
    monkeypatch.setenv("AVREC_DEBUG", "1")
    assert main(["reconstruct"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_ctrl_c(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    failing_with(monkeypatch, KeyboardInterrupt())
    assert main(["reconstruct"]) == 130
    assert capsys.readouterr().err == "avrec: Stopped.\n"


def test_help_comes_at_once() -> None:
    """As a process of its own: without loading what takes a second to load."""
    code = (
        "import sys; from avrec.cli import main; main(['render', '--help']); print({*sys.modules} & {'torch', 'numpy'})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True, timeout=LIMIT_S
    )
    assert done.stdout.splitlines()[-1] == "set()"
