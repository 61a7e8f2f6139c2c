"""Compressed data of others, which may be a bomb."""

from __future__ import annotations

import zlib

from avrec.errors import DataError

__all__ = ["gunzip", "gunzip_head", "problem"]

_CHUNK = 1 << 20
_FREE_EXPANSION = 4 << 20
_MOST_EXPANSION = 48
"""Bytes that one compressed byte may become. Real clouds reach 2, one whose bands are all zero 20; a bomb 1000."""


def problem(source: object, what: str) -> DataError:
    """The error for a foreign file that cannot be used, with the remedy."""
    return DataError(f"{source} cannot be used: {what}. Export the file again, or fetch it once more.")


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
