"""Runs a reader that may crash, hang or devour memory in a process of its own, and looks hard at what it hands back.

OpenUSD trusts its files: a damaged one can end the process that opens it. Here that process is a child with limits on
memory, processor time and wall clock; whatever happens to it becomes one DataError.
"""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from avrec.errors import DataError

__all__ = ["CHILD_MEMORY_BYTES", "load_answer", "load_array", "run_child"]

CHILD_MEMORY_BYTES = 3 << 29
"""Address space of a child that reads a small file, 0.6 GB of it libraries; every byte of the file adds eight."""

_MAIN = Path(__file__).with_name("child_main.py")
_BASE_SECONDS = 60
_BYTES_A_SECOND = 4 << 20
_MAX_ANSWER = 4 << 20
_MAX_HEADER = 4096
_REFUSED = 3
_PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "LANG", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR")


def run_child(
    worker: Path, source: Path, folder: Path, *, opened: Path | None = None, seconds: float | None = None
) -> dict[str, Any]:
    """Run ``worker`` on ``source``; it may leave arrays in ``folder``.

    Args:
        worker: a Python file with a function ``look(source, folder)`` that returns what JSON can hold. It needs nothing
            of avrec: it loads faster, and nothing of it runs on damaged data.
        source: the file to read, as errors name it.
        folder: an empty folder that only this child uses.
        opened: what the worker is told to open instead, such as a link with another ending.
        seconds: wall clock and processor time it may take; by default a minute and one second per 4 MiB.

    Returns:
        What the worker answered.

    Raises:
        DataError: the file cannot be used, in the worker's words, or the child crashed or reached a limit.
    """
    try:
        size = source.stat().st_size
    except OSError as error:
        raise DataError(f"Cannot read {source}: {error.strerror or error}; check the path.") from error
    memory = CHILD_MEMORY_BYTES + 8 * size
    patience = seconds if seconds is not None else _BASE_SECONDS + size / _BYTES_A_SECOND
    command = [
        sys.executable,
        "-P",
        "-B",
        str(_MAIN),
        str(worker.absolute()),
        str((opened or source).absolute()),
        str(folder),
    ]
    command += [str(memory), str(math.ceil(patience))]
    environment = {key: os.environ[key] for key in _PASSED_ON if key in os.environ}
    environment |= {"PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry), "PYTHONUTF8": "1"}
    # One thread each: their stacks count as memory.
    environment |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PXR_WORK_THREAD_LIMIT": "1"}
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        code = process.wait(timeout=patience)
    except subprocess.TimeoutExpired as error:
        raise _failed(source, f"it did not finish within {patience:.0f} s") from error
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if code not in (0, _REFUSED):
        raise _failed(source, _ending(code, memory))
    answer = load_answer(folder / "answer.json", source)
    if code == _REFUSED:
        said = str(answer.get("error", "it says nothing about why"))[:300].replace(str(opened), source.name)
        raise _failed(source, "".join(character if character.isprintable() else " " for character in said))
    return answer


def load_answer(path: Path, source: object) -> dict[str, Any]:
    """The JSON object a child wrote.

    Raises:
        DataError: there is none, or it is longer than an answer is.
    """
    try:
        if path.stat().st_size > _MAX_ANSWER:
            raise _failed(source, "the answer is far too long")
        answer = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise _failed(source, "it gave no answer") from error
    if not isinstance(answer, dict):
        raise _failed(source, "it gave no answer")
    return answer


def load_array(path: Path, source: object, *, columns: int, most_bytes: int) -> NDArray[np.float32]:
    """A float32 array [N, columns] a child wrote as .npy.

    Raises:
        DataError: there is none, it is of another type or shape, or larger than ``most_bytes``.
    """
    try:
        with open(path, "rb") as file:
            left = os.fstat(file.fileno()).st_size
            if left > most_bytes:
                raise _failed(source, f"it would become more than {most_bytes >> 20} MiB")
            if npy.read_magic(file) != (1, 0):
                raise ValueError("another .npy version")
            shape, fortran, dtype = npy.read_array_header_1_0(file, max_header_size=_MAX_HEADER)
            left -= file.tell()
            if fortran or dtype != np.dtype("<f4") or len(shape) != 2 or shape[1] != columns:
                raise ValueError("another type or shape")
            if not 0 <= shape[0] * columns * 4 == left:
                raise ValueError("another size")
            return (
                np.fromfile(file, "<f4", shape[0] * columns).reshape(shape[0], columns).astype(np.float32, copy=False)
            )
    except (OSError, ValueError, TypeError) as error:
        raise _failed(source, "its arrays did not arrive") from error


def _ending(code: int, memory: int) -> str:
    """What an exit code says, for people."""
    if code == -signal.SIGXCPU or code == -signal.SIGKILL:
        return "it took too much time or memory"
    if code == -signal.SIGABRT:
        return f"it gave up, perhaps as {memory >> 20} MiB of memory were not enough"
    if code < 0:
        return f"it crashed ({signal.strsignal(-code) or -code})"
    return f"it ended with code {code}"


def _failed(source: object, what: str) -> DataError:
    return DataError(
        f"{source} cannot be used: reading it with OpenUSD failed ({what}). "
        "Export the file again, or fetch it once more."
    )
