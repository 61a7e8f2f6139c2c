"""``install_nurec.sh --carla-root``: examples beside a CARLA that is there. Nothing is downloaded."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.processes import LIMIT_S

REPOSITORY = Path(__file__).parents[1]
SCRIPT = REPOSITORY / "install_nurec.sh"
EXAMPLES = ("example_replay_recording.py", "example_route_agent.py")

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")


@pytest.fixture
def carla_root(tmp_path: Path) -> Path:
    """What a packaged CARLA 0.9.16 looks like, in a path with spaces."""
    root = tmp_path / "a folder with spaces" / "CARLA 0.9.16"
    (root / "PythonAPI" / "carla" / "dist").mkdir(parents=True)
    (root / "PythonAPI" / "examples").mkdir()
    (root / "PythonAPI" / "examples" / "manual_control.py").write_text("")
    (root / "PythonAPI" / "carla" / "dist" / "carla-0.9.16-cp310-cp310-manylinux_2_31_x86_64.whl").touch()
    (root / "VERSION").write_text("0.9.16\n")
    (root / "CarlaUE4.sh").touch()
    return root


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A checkout with an environment: the one that runs the tests."""
    folder = tmp_path / "our checkout"
    (folder / ".venv" / "bin").mkdir(parents=True)
    shutil.copy(SCRIPT, folder)
    environment(folder, f'PYTHONPATH={str(REPOSITORY)!r} exec {sys.executable!r} "$@"')
    return folder


def environment(home: Path, command: str) -> None:
    python = home / ".venv" / "bin" / "python"
    python.write_text(f"#!/bin/sh\n{command}\n")
    python.chmod(0o755)


def install(home: Path, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = ["bash", str(home / "install_nurec.sh"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False, cwd=cwd)


def listing(root: Path) -> list[tuple[str, bytes]]:
    """Everything below a folder."""
    return sorted(
        (str(path.relative_to(root)), path.read_bytes() if path.is_file() else b"") for path in root.rglob("*")
    )


def has_client() -> bool:
    carla = pytest.importorskip("carla", reason="needs CARLA's client: pip install 'avrec[carla]'")
    return bool(carla.Client("127.0.0.1", 1).get_client_version() == "0.9.16")


def test_the_examples_are_put_beside_carlas_and_run(home: Path, carla_root: Path) -> None:
    if not has_client():
        pytest.skip("the installed client is not 0.9.16")
    before = listing(carla_root)
    done = install(home, "--carla-root", str(carla_root))
    assert done.returncode == 0, done.stderr
    folder = carla_root / "PythonAPI" / "examples" / "avrec"
    assert sorted(path.name for path in folder.iterdir()) == [".written-by-avrec", *EXAMPLES]
    assert [each for each in listing(carla_root) if "avrec" not in each[0]] == before
    for name in EXAMPLES:
        told = subprocess.run(
            [sys.executable, "-I", str(folder / name), "--help"],
            capture_output=True, text=True, check=False, cwd=carla_root, timeout=LIMIT_S,
        )  # fmt: skip
        assert told.returncode == 0, told.stderr
        assert "--host" in told.stdout


def test_again_changes_nothing_and_mends_what_was_changed(home: Path, carla_root: Path) -> None:
    if not has_client():
        pytest.skip("the installed client is not 0.9.16")
    assert install(home, f"--carla-root={carla_root}").returncode == 0
    first = listing(carla_root)
    again = install(home, "--carla-root", str(carla_root))
    assert again.returncode == 0
    assert "up to date" in again.stdout
    assert listing(carla_root) == first
    (carla_root / "PythonAPI" / "examples" / "avrec" / EXAMPLES[0]).write_text("broken")
    relative = install(home, "--carla-root", carla_root.name, cwd=carla_root.parent)  # from where it is called
    assert relative.returncode == 0, relative.stderr
    assert listing(carla_root) == first


def remove_all(root: Path) -> None:
    shutil.rmtree(root)


def remove_script(root: Path) -> None:
    (root / "CarlaUE4.sh").unlink()


def remove_version(root: Path) -> None:
    (root / "VERSION").unlink()


def older(root: Path) -> None:
    (root / "VERSION").write_text("0.9.15\n")


def far_newer(root: Path) -> None:
    (root / "VERSION").write_text("0.9.160\n")


def remove_examples(root: Path) -> None:
    shutil.rmtree(root / "PythonAPI" / "examples")


def remove_wheel(root: Path) -> None:
    shutil.rmtree(root / "PythonAPI" / "carla" / "dist")


def other_wheel(root: Path) -> None:
    dist = root / "PythonAPI" / "carla" / "dist"
    next(dist.iterdir()).rename(dist / "carla-0.9.14-cp38-cp38-linux_x86_64.whl")


def occupy(root: Path) -> None:
    (root / "PythonAPI" / "examples" / "avrec").mkdir()
    (root / "PythonAPI" / "examples" / "avrec" / "mine.py").touch()


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (remove_all, ["no such folder"]),
        (remove_script, ["CarlaUE4.sh"]),
        (remove_version, ["VERSION"]),
        (older, ["'0.9.15'", "0.9.16"]),
        (far_newer, ["'0.9.160'"]),
        (remove_examples, ["PythonAPI/examples is missing"]),
        (remove_wheel, ["no wheel"]),
        (other_wheel, ["carla-0.9.14"]),
        (occupy, ["is not ours"]),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_what_is_wrong_is_said_and_nothing_is_changed(
    home: Path, carla_root: Path, harm: Callable[[Path], None], words: list[str]
) -> None:
    if words == ["is not ours"] and not has_client():
        pytest.skip("the installed client is not 0.9.16")
    harm(carla_root)
    before = listing(carla_root.parent)
    done = install(home, "--carla-root", str(carla_root))
    assert done.returncode == 1
    for word in words:
        assert word in done.stderr
    assert listing(carla_root.parent) == before


def test_all_that_is_missing_is_said_at_once(home: Path, carla_root: Path) -> None:
    remove_script(carla_root)
    older(carla_root)
    remove_wheel(carla_root)
    told = install(home, "--carla-root", str(carla_root)).stderr
    assert told.count("\n  - ") == 3
    assert "Nothing was changed" in told


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ('exec {python} -S -I "$@"', "avrec cannot be imported"),
        ('PYTHONPATH={stub} exec {python} -S "$@"', "extra carla"),
        ('PYTHONPATH={stub}:{old} exec {python} -S "$@"', "version 0.9.15, not 0.9.16"),
        (None, "no environment"),
    ],
)
def test_avrec_without_the_client_is_refused(
    home: Path, carla_root: Path, tmp_path: Path, command: str | None, words: str
) -> None:
    """Without avrec, without the client, with an older client, without an environment."""
    stub, old = tmp_path / "stub", tmp_path / "old"
    for package in (stub / "avrec", stub / "carla_bridge", old / "carla"):
        package.mkdir(parents=True)
        (package / "__init__.py").touch()
    (old / "carla" / "__init__.py").write_text(
        "class Client:\n    def __init__(self, *a): pass\n    def get_client_version(self): return '0.9.15'\n"
    )
    if command is None:
        shutil.rmtree(home / ".venv")
    else:
        environment(home, command.format(python=repr(sys.executable), stub=repr(str(stub)), old=repr(str(old))))
    before = listing(carla_root)
    done = install(home, "--carla-root", str(carla_root))
    assert done.returncode == 1
    assert words in done.stderr
    assert "install --carla-root" in done.stderr
    assert listing(carla_root) == before


def test_a_folder_that_cannot_be_written_to(home: Path, carla_root: Path) -> None:
    examples = carla_root / "PythonAPI" / "examples"
    examples.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        if os.access(examples, os.W_OK):
            pytest.skip("this user may write everywhere")
        done = install(home, "--carla-root", str(carla_root))
    finally:
        examples.chmod(0o755)
    assert done.returncode == 1
    assert "cannot be written to" in done.stderr


def test_the_flag_wants_a_folder(home: Path) -> None:
    done = install(home, "--carla-root")
    assert done.returncode == 1
    assert "needs a folder" in done.stderr
    assert "--carla-root" in install(home, "--help").stdout
