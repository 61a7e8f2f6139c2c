"""Reads msgpack that may come from anybody, leaving long byte strings where they are.

The usual decoder copies every byte string and lets a few bytes announce millions of objects. Here tensors stay views
of the input, and the number of values and their nesting are limited.
"""

from __future__ import annotations

import struct
from typing import Any

__all__ = ["MsgpackError", "unpack_view"]

_MAX_VALUES = 400_000
_MAX_DEPTH = 32
_MAX_TEXT = 1 << 20

_NUMBERS = {
    0xCA: ">f", 0xCB: ">d", 0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q", 0xD0: ">b", 0xD1: ">h", 0xD2: ">i",
    0xD3: ">q",
}  # fmt: skip
_TEXT = {0xD9: 1, 0xDA: 2, 0xDB: 4}
_BYTES = {0xC4: 1, 0xC5: 2, 0xC6: 4}
_LISTS = {0xDC: 2, 0xDD: 4}
_MAPS = {0xDE: 2, 0xDF: 4}
_CONSTANTS = {0xC0: None, 0xC2: False, 0xC3: True}


class MsgpackError(ValueError):
    """The bytes are not the msgpack that is read here; the text says why."""


def unpack_view(data: bytes | bytearray | memoryview) -> Any:
    """The one value that ``data`` holds.

    Returns:
        None, bool, int, float, str, list, dict with text keys, or memoryview for byte strings.

    Raises:
        MsgpackError: cut off, followed by more, nested too deeply, of too many values, with extension types, with
            text that is not UTF-8, or with keys that are not text or appear twice.
    """
    reader = _Reader(memoryview(data).cast("B"))
    value = reader.value(0)
    if reader.position != len(reader.data):
        raise MsgpackError("there is more behind its end")
    return value


class _Reader:
    def __init__(self, data: memoryview) -> None:
        self.data = data
        self.position = 0
        self._left = _MAX_VALUES

    def value(self, depth: int) -> Any:
        self._left -= 1
        if self._left < 0 or depth > _MAX_DEPTH:
            raise MsgpackError("it holds far too many values" if self._left < 0 else "it is nested too deeply")
        kind = self._take(1)[0]
        if kind < 0x80 or kind >= 0xE0:
            return kind if kind < 0x80 else kind - 0x100
        if kind < 0x90:
            return self._map(kind & 0x0F, depth)
        if kind < 0xA0:
            return self._list(kind & 0x0F, depth)
        if kind < 0xC0:
            return self._text(kind & 0x1F)
        if kind in _CONSTANTS:
            return _CONSTANTS[kind]
        if kind in _NUMBERS:
            form = _NUMBERS[kind]
            return struct.unpack(form, self._take(struct.calcsize(form)))[0]
        if kind in _BYTES:
            return self._take(self._count(_BYTES[kind]))
        if kind in _TEXT:
            return self._text(self._count(_TEXT[kind]))
        if kind in _LISTS:
            return self._list(self._count(_LISTS[kind]), depth)
        if kind in _MAPS:
            return self._map(self._count(_MAPS[kind]), depth)
        raise MsgpackError(f"it holds the type {kind:#04x}, which no volume needs")

    def _take(self, size: int) -> memoryview:
        end = self.position + size
        if end > len(self.data):
            raise MsgpackError("it ends early")
        piece = self.data[self.position : end]
        self.position = end
        return piece

    def _count(self, width: int) -> int:
        return int.from_bytes(self._take(width), "big")

    def _text(self, size: int) -> str:
        if size > _MAX_TEXT:
            raise MsgpackError("it holds a text of more than a megabyte")
        try:
            return bytes(self._take(size)).decode("utf-8")
        except UnicodeDecodeError as error:
            raise MsgpackError("it holds text that is not UTF-8") from error

    def _list(self, count: int, depth: int) -> list[Any]:
        return [self.value(depth + 1) for _ in range(count)]

    def _map(self, count: int, depth: int) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for _ in range(count):
            key = self.value(depth + 1)
            if not isinstance(key, str) or key in result:
                raise MsgpackError("it has a key that is not text or appears twice")
            result[key] = self.value(depth + 1)
        return result
