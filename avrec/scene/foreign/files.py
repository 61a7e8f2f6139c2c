"""Files on the way in and out: sizes are looked at before anything is read, and outputs appear only when complete."""

from __future__ import annotations

import os
import secrets
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from avrec.errors import DataError, OutputError

__all__ = ["gunzip", "gunzip_head", "open_to_read", "problem", "replacing"]

_CHUNK = 1 << 20
_FREE_EXPANSION = 4 << 20
_MOST_EXPANSION = 48
"""Bytes that one compressed byte may become. Real clouds reach 2, one whose bands are all zero 20; a bomb 1000."""


def problem(source: object, what: str) -> DataError:
    """The error for a foreign file that cannot be used, with the remedy."""
    return DataError(f"{source} cannot be used: {what}. Export the file again, or fetch it once more.")


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


def gunzip(data: bytes | memoryview, source: object, *, most: int | None = None) -> bytearray:
    """Decompress a gzip stream of any number of parts.

    Args:
        data: the compressed bytes.
        source: named in errors.
        most: stop after this many decompressed bytes, without looking at what follows.

    Raises:
        DataError: damaged, cut off, or it would grow out of all proportion (a decompression bomb).
    """
    limit = _FREE_EXPANSION + _MOST_EXPANSION * len(data)
    result, left = bytearray(), memoryview(data)
    while len(left):
        part = zlib.decompressobj(16 + zlib.MAX_WBITS)
        for start in range(0, len(left), _CHUNK):
            rest: bytes = bytes(left[start : start + _CHUNK])
            while rest and not part.eof:
                try:
                    result += part.decompress(rest, 4 * _CHUNK)
                except zlib.error as error:
                    raise problem(source, f"its compressed data is damaged ({str(error)[:80]})") from error
                if most is not None and len(result) >= most:
                    del result[most:]
                    return result
                if len(result) > limit:
                    raise problem(source, f"{len(data)} compressed bytes would become more than {limit}")
                rest = part.unconsumed_tail
            if part.eof:
                break
        if not part.eof:
            raise problem(source, "its compressed data ends early")
        consumed = min(start + _CHUNK, len(left)) - len(part.unused_data)
        left = left[consumed:]
        if bytes(left[:2]) != b"\x1f\x8b":  # padding after the last part is usual
            break
    return result


def gunzip_head(data: bytes, size: int) -> bytes:
    """The first bytes that the start of a gzip stream holds; empty when it is none."""
    try:
        return zlib.decompressobj(16 + zlib.MAX_WBITS).decompress(data, size)
    except zlib.error:
        return b""


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
