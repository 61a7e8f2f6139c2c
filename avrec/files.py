"""Files on the way in and out: only ordinary ones of bounded size are read, and outputs appear only when complete."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from avrec.errors import DataError, OutputError

__all__ = ["open_to_read", "read_bounded", "replacing"]


@contextmanager
def open_to_read(path: str | Path) -> Iterator[tuple[BinaryIO, int]]:
    """An ordinary file opened for reading, and its size in bytes.

    Raises:
        DataError: no such file, a folder or a device, or it cannot be read (also while the block runs).
    """
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # before opening: a pipe would keep us waiting for ever
            raise DataError(f"Cannot read {path}: it is not an ordinary file; give the path of a file.")
        with open(path, "rb") as file:
            yield file, os.fstat(file.fileno()).st_size
    except OSError as error:
        raise DataError(f"Cannot read {path}: {error.strerror or error}; check the path.") from error


def read_bounded(path: str | Path, most_bytes: int) -> bytes:
    """All bytes of an ordinary file.

    Raises:
        DataError: no such file, a folder or a device, more bytes than that, or it cannot be read.
    """
    with open_to_read(path) as (file, size):
        if size <= most_bytes:
            return file.read(most_bytes)
    raise DataError(
        f"{path} has {size / 2**20:.0f} MiB; at most {most_bytes / 2**20:.0f} MiB are read. Cut it into parts."
    )


@contextmanager
def replacing(path: str | Path, *, overwrite: bool = False) -> Iterator[BinaryIO]:
    """A new file that takes its name when the block ends well; otherwise nothing is left behind.

    Raises:
        OutputError: it exists and may not be replaced, or it cannot be written.
    """
    target = Path(path)
    _refuse_existing(target, overwrite)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.{secrets.token_hex(4)}.partial")
    try:
        try:
            with open(temporary, "xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            _refuse_existing(target, overwrite)
            os.replace(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(
            f"Cannot write {target}: {error.strerror or error}; nothing was left behind, free some space or choose "
            "another place."
        ) from error


def _refuse_existing(target: Path, overwrite: bool) -> None:
    if target.is_dir():
        raise OutputError(f"Cannot write {target}: it is a folder; give a file name.")
    if target.exists() and not overwrite:
        raise OutputError(f"{target} exists already; choose another name or ask to overwrite it.")
