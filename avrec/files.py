"""Files on the way in and out: only ordinary ones of bounded size are read, and outputs appear only when complete."""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, BinaryIO

from avrec.errors import DataError, OutputError

__all__ = ["fresh_folder", "open_to_read", "partial_folder", "read_bounded", "replacing", "replacing_path"]

_MOST_NAME = 50  # characters of the target's name in its partial one's: file systems stop at 255 bytes
_SURELY_LOCKED_S = 10.0


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
def replacing(path: str | Path, *, overwrite: bool = False, durable: bool = True) -> Iterator[IO[bytes]]:
    """A new file, readable and writable, that takes its name when the block ends well; otherwise nothing is left.

    Args:
        path: of the file; its folder exists.
        overwrite: replace a file that is there already.
        durable: survive a power cut, and clear away what killed runs left beside it. False for the many files of a
            folder that is made anew.

    Raises:
        OutputError: it exists and may not be replaced, or it cannot be written (also while the block runs).
    """
    target = Path(path)
    _refuse_existing(target, overwrite)
    try:
        if durable:
            _clear_stale(target)
        temporary = _partial_name(target)
        try:
            with open(temporary, "x+b") as file:
                _lock(file.fileno())
                yield file
                file.flush()
                if durable:
                    os.fsync(file.fileno())  # a rename must not outlive a power cut that the data did not
                _refuse_existing(target, overwrite)
                os.replace(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise _cannot_write(target, error) from error


@contextmanager
def replacing_path(path: str | Path, *, overwrite: bool = False) -> Iterator[Path]:
    """As :func:`replacing`, for libraries that open files by themselves: where to write, under the same name.

    Raises:
        OutputError: as :func:`replacing`.
    """
    target = Path(path)
    _refuse_existing(target, overwrite)
    try:
        with partial_folder(target) as folder:
            temporary = folder / target.name
            yield temporary
            with open(temporary, "rb") as file:
                os.fsync(file.fileno())
            _refuse_existing(target, overwrite)
            os.replace(temporary, target)
    except OSError as error:
        raise _cannot_write(target, error) from error


@contextmanager
def partial_folder(target: Path) -> Iterator[Path]:
    """A folder beside ``target`` for what its making needs, as large as it may be; gone when the block ends.

    Raises:
        OSError: it cannot be made.
    """
    _clear_stale(target)
    folder = _partial_name(target)
    folder.mkdir()
    lock = None
    try:
        lock = os.open(folder, os.O_RDONLY)
        _lock(lock)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if lock is not None:
            os.close(lock)


@contextmanager
def fresh_folder(out: Path, *, overwrite: bool, marker: str) -> Iterator[Path]:
    """A temporary sibling of ``out`` to write into; it takes the name ``out`` when the block ends without an error.

    Args:
        out: the folder to make.
        overwrite: replace an existing folder, but only one that holds ``marker``.
        marker: name of the file by which a folder of ours is known.

    Raises:
        OutputError: ``out`` holds something already, or the disk refuses.
    """
    refuse_full_folder(out, overwrite=overwrite, marker=marker)
    out = out.absolute()
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with partial_folder(out) as partial:
            yield partial
            old = _partial_name(out).with_suffix(".old")
            if out.exists():
                out.rename(old)
            try:
                partial.rename(out)
            except OSError:
                if old.exists():
                    old.rename(out)
                raise
            shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise OutputError(f"Cannot write {out}: {error}. Check the free space and the permissions.") from error


def refuse_full_folder(out: Path, *, overwrite: bool, marker: str) -> None:
    """Raise what `fresh_folder` would, for callers that have long work to do first.

    Raises:
        OutputError: ``out`` holds something already that is not to be, or must not be, replaced.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        if not overwrite:
            raise OutputError(
                f"{out} exists already. Choose another name or ask for it to be overwritten (--overwrite)."
            )
        if not (out / marker).is_file():
            raise OutputError(f"{out} was not written by avrec (it has no {marker}). Choose another name.")


def _refuse_existing(target: Path, overwrite: bool) -> None:
    if target.is_dir():
        raise OutputError(f"Cannot write {target}: it is a folder; give a file name.")
    if target.exists() and not overwrite:
        raise OutputError(f"{target} exists already; choose another name or ask to overwrite it.")


def _cannot_write(target: Path, error: OSError) -> OutputError:
    return OutputError(
        f"Cannot write {target}: {error.strerror or error}; nothing was left behind, free some space or choose "
        "another place."
    )


def _partial_name(target: Path) -> Path:
    return target.with_name(f".{target.name[:_MOST_NAME]}.{os.getpid()}.{secrets.token_hex(4)}.partial")


def _lock(descriptor: int) -> bool:
    """Mark as in use until closed; the system undoes that when the process ends, however it ends."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # in use, or a file system without locks, where nothing is ever taken for stale
        return False
    return True


def _clear_stale(target: Path) -> None:
    """Remove what runs that were killed left beside ``target``: what nobody holds locked any more."""
    name = re.compile(re.escape(f".{target.name[:_MOST_NAME]}.") + r"(\d{1,9})\.[0-9a-f]{8}\.(partial|old)")
    with suppress(OSError):
        for entry in os.listdir(target.parent):
            if (found := name.fullmatch(entry)) and (found[2] == "partial" or target.exists()):
                _remove_if_stale(target.with_name(entry), int(found[1]))


def _remove_if_stale(path: Path, process: int) -> None:
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            about = os.fstat(descriptor)
            # Between making and locking lies a moment, in which only its process tells that it is in use.
            if _lock(descriptor) and (not _lives(process) or time.time() - about.st_mtime > _SURELY_LOCKED_S):
                if stat.S_ISDIR(about.st_mode):
                    shutil.rmtree(path)
                else:
                    path.unlink()
        finally:
            os.close(descriptor)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
