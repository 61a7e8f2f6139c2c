"""Outputs appear when they are complete; what a killed run left goes with the next one, what a live one needs stays."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from avrec.errors import OutputError
from avrec.files import fresh_folder, partial_folder, replacing, replacing_path
from tests.processes import LIMIT_S

Way = Callable[[Path], AbstractContextManager[Any]]


def folder_way(path: Path) -> AbstractContextManager[Path]:
    return fresh_folder(path, overwrite=True, marker="marker")


WAYS = {"replacing": replacing, "replacing_path": replacing_path, "partial_folder": partial_folder, "fresh": folder_way}


@pytest.mark.parametrize("way", WAYS)
def test_a_failed_block_leaves_nothing(way: str, tmp_path: Path) -> None:
    def fail(error: BaseException) -> None:
        with WAYS[way](tmp_path / "a") as made:
            (made.write(b"half") if way == "replacing" else (made.parent / made.name).touch())  # type: ignore[union-attr]
            raise error

    for error, said in ((KeyboardInterrupt(), KeyboardInterrupt), (OSError(28, "full"), (OutputError, OSError))):
        with pytest.raises(said):
            fail(error)
        assert not list(tmp_path.iterdir())


def test_a_library_writes_by_itself(tmp_path: Path) -> None:
    with replacing_path(tmp_path / "a.usda") as path:
        assert path.name == "a.usda"
        path.write_bytes(b"whole")
        assert not (tmp_path / "a.usda").exists()
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a.usda", b"whole")]
    with pytest.raises(OutputError, match="exists already"), replacing_path(tmp_path / "a.usda"):
        pass
    with pytest.raises(OutputError, match="No such file"), replacing_path(tmp_path / "b.usda"):
        pass  # and wrote nothing
    assert [path.name for path in tmp_path.iterdir()] == ["a.usda"]


@pytest.mark.parametrize("name", ["x" * 255, "ß" * 127, "語" * 85])
def test_names_as_long_as_they_may_be(name: str, tmp_path: Path) -> None:
    with replacing(tmp_path / name) as file:
        file.write(b"1")
    assert (tmp_path / name).read_bytes() == b"1"


def started(code: str, folder: Path) -> subprocess.Popen[str]:
    """A process that has entered its block and waits in it."""
    head = "import time; from pathlib import Path; from avrec.files import partial_folder, replacing"
    text = f"{head}\npath = Path({str(folder / 'a')!r})\n{code}\n print('in', flush=True); time.sleep(60)"
    root = Path(__file__).parents[1]
    process = subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.PIPE, text=True, cwd=root)
    assert process.stdout is not None
    assert process.stdout.readline() == "in\n"
    return process


HOLD = {
    "file": "with replacing(path) as file:\n file.write(b'half'); file.flush()",
    "folder": "with partial_folder(path) as folder:\n (folder / 'b').touch()",
}


@pytest.mark.parametrize("kind", HOLD)
def test_what_a_killed_run_left_goes_and_what_a_live_one_needs_stays(kind: str, tmp_path: Path) -> None:
    others = ["a.partial", ".b.123.00000000.partial", ".a.123.partial", f".a.{os.getpid()}.00000000.partial"]
    for name in others:
        (tmp_path / name).touch()
    live, dead = (started(HOLD[kind], tmp_path) for _ in range(2))
    dead.kill()
    dead.wait(LIMIT_S)
    assert len(list(tmp_path.glob(".a.*.*.partial"))) == 3
    with replacing(tmp_path / "a") as file:
        file.write(b"1")
    live.kill()
    live.wait(LIMIT_S)
    left = {path.name for path in tmp_path.iterdir()} - {"a", *others}
    assert [name.split(".")[2] for name in left] == [str(live.pid)]
    with replacing(tmp_path / "a", overwrite=True) as file:
        file.write(b"2")
    assert {path.name for path in tmp_path.iterdir()} == {"a", *others}


def test_what_this_process_number_left_in_another_life_goes_too(tmp_path: Path) -> None:
    """In containers every run has the same process number."""
    mine = tmp_path / f".a.{os.getpid()}.00000000.partial"
    mine.touch()
    os.utime(mine, (1e9, 1e9))
    with replacing(tmp_path / "a", overwrite=True) as file:
        os.utime(file.name, (1e9, 1e9))
        assert not mine.exists()
        with replacing(tmp_path / "a") as other:
            other.write(b"2")  # and does not take the one outside for stale
        file.write(b"1")
    assert (tmp_path / "a").read_bytes() == b"1"


def test_a_replaced_folder_comes_back_only_where_the_new_one_is_missing(tmp_path: Path) -> None:
    old = tmp_path / ".a.999999999.00000000.old"
    (old / "marker").mkdir(parents=True)
    with partial_folder(tmp_path / "a"):
        assert old.is_dir()  # the only copy there is
    with folder_way(tmp_path / "a") as folder:
        (folder / "marker").touch()
    with folder_way(tmp_path / "a") as folder:
        (folder / "marker").touch()
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_link_of_our_name_is_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    link = tmp_path / ".a.999999999.00000000.partial"
    link.symlink_to(precious)
    with replacing(tmp_path / "a"):
        pass
    assert precious.is_dir()
