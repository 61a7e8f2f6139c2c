"""Pictures from disk as RGB, refusing files that a decoder would quietly complete with grey."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from avrec.errors import DataError

__all__ = ["find_image", "image_loader", "image_size", "read_image"]

UInt8 = NDArray[np.uint8]

_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# JPEG markers that stand alone, with no length after them: TEM, RST0..7, SOI.
_BARE_MARKERS = frozenset({0x01, *range(0xD0, 0xD9)})


def read_image(path: Path, size: tuple[int, int] | None = None) -> UInt8:
    """Decode one picture.

    Args:
        path: PNG, JPEG, WebP or anything else OpenCV reads; grey becomes three equal channels, alpha is dropped,
            16 bits become 8. An EXIF orientation is ignored, because calibrations refer to the stored pixels.
        size: expected (width, height), or None for any.

    Returns:
        uint8 RGB [H, W, 3].

    Raises:
        DataError: the file is missing, empty, truncated, damaged, not a picture or of another size.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(
            f"The image {path} cannot be read: {error.strerror}. Restore the file or leave its frame out."
        ) from error
    damage = _damage(data)
    if damage:
        raise DataError(f"The image {path} {damage} ({len(data)} bytes). Copy it again or leave its frame out.")
    try:
        decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error:
        decoded = None
    if decoded is None:
        raise DataError(f"The image {path} is not a picture that can be decoded. Copy it again or leave its frame out.")
    height, width = decoded.shape[:2]
    if size is not None and (width, height) != tuple(size):
        raise DataError(
            f"The image {path} is {width}x{height} but its calibration is for {size[0]}x{size[1]}. "
            "Scale the calibration to the images or give the original images."
        )
    return np.asarray(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def image_loader(path: Path, size: tuple[int, int]) -> Callable[[], UInt8]:
    """A function that reads ``path`` when called and checks that it measures ``size`` (width, height)."""

    def load() -> UInt8:
        return read_image(path, size)

    return load


def image_size(path: Path) -> tuple[int, int]:
    """(width, height) of a picture.

    Raises:
        DataError: as read_image.
    """
    height, width = read_image(path).shape[:2]
    return width, height


def find_image(path: Path) -> Path:
    """The path itself, or with the extension that exists on disk where the recording left it out."""
    if path.suffix.lower() not in _SUFFIXES and not path.is_file():
        for suffix in _SUFFIXES:
            candidate = path.with_name(path.name + suffix)
            if candidate.is_file():
                return candidate
    return path


def _damage(data: bytes) -> str:
    """What is wrong with the bytes of a picture, or an empty string.

    Decoders fill the missing part of a truncated JPEG or PNG and report success, so its own structure is the judge.
    """
    if not data:
        return "is empty"
    if data.startswith(b"\xff\xd8"):
        return "" if _jpeg_complete(data) else "is truncated"
    if data.startswith(_PNG_SIGNATURE):
        return _png_damage(data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "is truncated" if len(data) < 8 + int.from_bytes(data[4:8], "little") else ""
    return ""


def _jpeg_complete(data: bytes) -> bool:
    """Whether an end-of-image marker follows the start of the scan (thumbnails before it have their own)."""
    position = 2
    while position + 4 <= len(data):
        if data[position] != 0xFF:
            return False
        marker = data[position + 1]
        if marker == 0xFF or marker in _BARE_MARKERS:
            position += 1 if marker == 0xFF else 2
            continue
        if marker == 0xD9:
            return False  # ended before any scan
        length = int.from_bytes(data[position + 2 : position + 4], "big")
        position += 2 + length
        if marker == 0xDA:  # inside a scan 0xFF is always escaped, so this pair can only be the end
            return data.find(b"\xff\xd9", position) >= 0
    return False


def _png_damage(data: bytes) -> str:
    position = len(_PNG_SIGNATURE)
    while position + 12 <= len(data):
        length = int.from_bytes(data[position : position + 4], "big")
        kind = data[position + 4 : position + 8]
        end = position + 12 + length
        if end > len(data):
            return "is truncated"
        if zlib.crc32(data[position + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
            return "is damaged (a checksum does not match)"
        if kind == b"IEND":
            return ""
        position = end
    return "is truncated"
