"""Any ZIP archive, read as far as it can be: for a package by others, what is wrong is a finding, not the end.

Nothing is extracted to disk. Stored members are read in pieces; compressed ones, which no USD reader takes, are still
inflated up to a limit, so that their content is checked in the same pass.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from avrec.errors import DataError

__all__ = ["Archive", "Entry"]

_LOCAL = struct.Struct("<4sHHHHHIIIHH")
_CENTRAL = struct.Struct("<4sHHHHHHIIIHHHHHII")
_END = struct.Struct("<4sHHHHIIH")
_END64 = struct.Struct("<4sQHHIIQQQQ")
_LOCATOR64 = struct.Struct("<4sIQI")
_MAX_COMMENT = 0xFFFF
_MAX_MEMBERS = 50_000
_MAX_DIRECTORY = 16 << 20
_MAX_INFLATED = 256 << 20
_PIECE = 1 << 20


@dataclass(frozen=True)
class Entry:
    """One member as the directory and its local header describe it.

    Attributes:
        name: decoded; bytes that are no UTF-8 become the replacement character.
        method: 0 is stored, 8 is deflated.
        flags: general-purpose flags.
        size: bytes of content, as promised.
        packed: bytes in the file, as promised.
        crc: of the content, as promised.
        header: offset of the local header.
        payload: offset of the data; None where the local header is missing, damaged or says another name.
        zip64: whether its entry needs ZIP64.
    """

    name: str
    method: int
    flags: int
    size: int
    packed: int
    crc: int
    header: int
    payload: int | None
    zip64: bool

    @property
    def readable(self) -> bool:
        """Whether its content can be read at all."""
        return self.payload is not None and not self.flags & 1 and self.method in (0, 8)


class Archive:
    """An open archive. Use as a context manager.

    Attributes:
        entries: in the order of the directory; names may repeat.
        members: readable members by name, the first of equal ones.
        total: bytes in the file.
        zip64: whether the directory itself needs ZIP64.

    Raises:
        DataError: no such file, or nothing that could be taken for a ZIP directory.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        try:
            self._file: BinaryIO = open(self.path, "rb")  # noqa: SIM115  closed by __exit__
        except OSError as reason:
            raise DataError(f"Cannot read {self.path}: {reason.strerror or reason}; check the path.") from reason
        self.zip64 = False
        try:
            self.total = os.fstat(self._file.fileno()).st_size
            self.entries: tuple[Entry, ...] = tuple(self._directory())
        except OSError as reason:
            self._file.close()
            raise DataError(f"Cannot read {self.path}: {reason.strerror or reason}; check the path.") from reason
        except DataError as reason:
            self._file.close()
            raise DataError(f"{self.path} cannot be used: {reason}. Fetch the file once more.") from reason
        except BaseException:
            self._file.close()
            raise
        self.members: dict[str, Entry] = {}
        for entry in self.entries:
            if entry.readable and not entry.name.endswith("/"):
                self.members.setdefault(entry.name, entry)

    def __enter__(self) -> Archive:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, reason: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def read(self, name: str, *, limit: int) -> bytes:
        """Content of a member.

        Raises:
            DataError: there is none, it is longer than the limit, or damaged.
        """
        if name not in self.members:
            raise DataError(f"the member {name} is missing or cannot be read")
        data = bytearray()
        for piece in self.pieces(name):
            data += piece
            if len(data) > limit:
                raise DataError(f"the member is longer than the {limit} bytes it may have")
        return bytes(data)

    def pieces(self, name: str) -> Iterator[bytes]:
        """Content of a member, a megabyte at a time, never more than it promises plus one piece.

        Raises:
            DataError: it is damaged.
        """
        entry = self.members[name]
        raw = self._raw(entry)
        if entry.method == 0:
            yield from raw
            return
        inflate, given = zlib.decompressobj(-zlib.MAX_WBITS), 0
        for piece in raw:
            rest = piece
            while rest:
                try:
                    data = inflate.decompress(rest, _PIECE)
                except zlib.error as reason:
                    raise DataError(f"its compressed data is damaged ({reason})") from reason
                rest = inflate.unconsumed_tail
                given += len(data)
                if given > min(entry.size, _MAX_INFLATED) + _PIECE:
                    raise DataError("it inflates to more than it promises, or to more than is read of any such member")
                if data:
                    yield data
            if inflate.eof:
                return

    def _raw(self, entry: Entry) -> Iterator[bytes]:
        if entry.payload is None:
            return
        position, end = entry.payload, min(entry.payload + entry.packed, self.total)
        while position < end:
            piece = self._at(position, min(_PIECE, end - position))
            if not piece:
                return
            yield piece
            position += len(piece)

    def _at(self, offset: int, size: int) -> bytes:
        """Up to ``size`` bytes; fewer at the end of the file."""
        if offset < 0 or offset > self.total:
            return b""
        try:
            self._file.seek(offset)
            return self._file.read(min(size, self.total - offset))
        except (OSError, OverflowError, ValueError) as reason:
            raise DataError(f"it cannot be read ({reason})") from reason

    def _directory(self) -> Iterator[Entry]:
        tail_size = min(self.total, _END.size + _MAX_COMMENT)
        tail = self._at(self.total - tail_size, tail_size)
        end = tail.rfind(b"PK\x05\x06")
        if end < 0 or len(tail) - end < _END.size:
            raise DataError("it has no ZIP directory at its end: it is no package, or it is cut off")
        _, _, _, _, count, size, start, _ = _END.unpack_from(tail, end)
        if count == 0xFFFF or 0xFFFFFFFF in (size, start):
            self.zip64 = True
            count, size, start = self._directory64(self.total - tail_size + end)
        if count > _MAX_MEMBERS or size > _MAX_DIRECTORY:
            raise DataError(f"its ZIP directory promises {count} members in {size} bytes, which no scene has")
        directory, position = self._at(start, size), 0
        for number in range(count):
            if position + _CENTRAL.size > len(directory) or directory[position : position + 4] != b"PK\x01\x02":
                raise DataError(f"its ZIP directory is damaged: {count} members are promised, {number} are listed")
            fields = _CENTRAL.unpack_from(directory, position)
            name_end = position + _CENTRAL.size + fields[10]
            extra = directory[name_end : name_end + fields[11]]
            yield self._entry(directory[position + _CENTRAL.size : name_end], fields, extra)
            position = name_end + fields[11] + fields[12]

    def _directory64(self, end: int) -> tuple[int, int, int]:
        locator = self._at(max(end - _LOCATOR64.size, 0), _LOCATOR64.size)
        if len(locator) == _LOCATOR64.size and locator[:4] == b"PK\x06\x07":
            record = self._at(_LOCATOR64.unpack(locator)[2], _END64.size)
            if len(record) == _END64.size and record[:4] == b"PK\x06\x06":
                fields = _END64.unpack(record)
                return fields[7], fields[8], fields[9]
        raise DataError("its ZIP directory announces ZIP64 but has no ZIP64 record")

    def _entry(self, raw: bytes, fields: tuple[int, ...], extra: bytes) -> Entry:
        packed, size, header = fields[8], fields[9], fields[16]
        zip64 = 0xFFFFFFFF in (packed, size, header)
        if zip64:
            size, packed, header = _sizes64(extra, size, packed, header)
        local = self._at(header, _LOCAL.size)
        payload = None
        if len(local) == _LOCAL.size and local[:4] == b"PK\x03\x04":
            name_size, extra_size = _LOCAL.unpack(local)[9:11]
            start = header + _LOCAL.size + name_size + extra_size
            if self._at(header + _LOCAL.size, name_size) == raw and start + packed <= self.total:
                payload = start
        name = raw.decode("utf-8", "replace")
        return Entry(name, fields[4], fields[3], size, packed, fields[7], header, payload, zip64)


def _sizes64(extra: bytes, size: int, packed: int, header: int) -> tuple[int, int, int]:
    """The 64-bit values of extra field 1, which holds only those that do not fit, in this order."""
    position = 0
    with suppress(struct.error):
        while position + 4 <= len(extra):
            kind, length = struct.unpack_from("<HH", extra, position)
            if kind == 1:
                offset = position + 4
                values = []
                for value in (size, packed, header):
                    if value == 0xFFFFFFFF:
                        value = struct.unpack_from("<Q", extra, offset)[0]
                        offset += 8
                    values.append(value)
                return values[0], values[1], values[2]
            position += 4 + length
    return size, packed, header
