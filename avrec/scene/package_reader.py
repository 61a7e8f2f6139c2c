"""Reads a package (ZIP of stored members) that may come from anybody: trusts nothing, allocates nothing on a promise.

Only stored members exist here, so an archive can never grow beyond its own size on disk, and nothing is ever extracted
to the file system.
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import BinaryIO

from avrec.errors import DataError

__all__ = ["PackageMember", "PackageReader"]

_LOCAL = struct.Struct("<4sHHHHHIIIHH")
_CENTRAL = struct.Struct("<4sHHHHHHIIIHHHHHII")
_END = struct.Struct("<4sHHHHIIH")
_MAX_COMMENT = 0xFFFF
_MAX_MEMBERS = 20_000
_MAX_DIRECTORY = 8 << 20
_MAX_NAME = 512


@dataclass(frozen=True)
class PackageMember:
    """Where one member lies in the file: payload offset and size in bytes."""

    name: str
    offset: int
    size: int


class PackageReader:
    """An open package. Use as a context manager.

    Attributes:
        members: by name, in the order of the central directory.

    Raises:
        DataError: no such file, not a ZIP, damaged, compressed, encrypted, or with names that leave the package.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        try:
            if self.path.exists() and not self.path.is_file():  # opening a pipe would wait for ever
                raise DataError(f"Cannot read {self.path}: it is not an ordinary file; give the path of a file.")
            self._file: BinaryIO = open(self.path, "rb")  # noqa: SIM115  closed by __exit__
        except OSError as error:
            raise DataError(f"Cannot read {self.path}: {error.strerror or error}; check the path.") from error
        try:
            self.members: dict[str, PackageMember] = {member.name: member for member in self._directory()}
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> PackageReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def find(self, name: str) -> PackageMember:
        """The member of that name.

        Raises:
            DataError: there is none.
        """
        if name not in self.members:
            raise self.problem(f"it has no member {name!r}")
        return self.members[name]

    def read(self, name: str, *, limit: int) -> bytes:
        """A whole member, at most ``limit`` bytes.

        Raises:
            DataError: no such member, longer than the limit, or unreadable.
        """
        member = self.find(name)
        if member.size > limit:
            raise self.problem(f"its member {name} has {member.size} bytes, more than the {limit} it may have")
        return self._at(member.offset, member.size)

    def read_into(self, member: PackageMember, skip: int, target: memoryview) -> None:
        """Fill ``target`` with the member's bytes from ``skip`` on.

        Raises:
            DataError: the member is shorter than that, or unreadable.
        """
        if skip + len(target) > member.size:
            raise self.problem(f"its member {member.name} is shorter than it says")
        try:
            self._file.seek(member.offset + skip)
            done = 0
            while done < len(target):
                got = self._file.readinto(target[done:])  # type: ignore[attr-defined]
                if not got:
                    raise self.problem(f"its member {member.name} ends early")
                done += got
        except OSError as error:
            raise self.problem(f"its member {member.name} cannot be read ({error.strerror or error})") from error

    def sha256(self, name: str) -> str:
        """SHA-256 of a member in hex, read in pieces. Errors as :meth:`find`."""
        member = self.find(name)
        digest = hashlib.sha256()
        buffer = bytearray(min(member.size, 1 << 20))
        for start in range(0, member.size, 1 << 20):
            piece = memoryview(buffer)[: min(1 << 20, member.size - start)]
            self.read_into(member, start, piece)
            digest.update(piece)
        return digest.hexdigest()

    def problem(self, what: str) -> DataError:
        """The error for a package that cannot be used, with the remedy."""
        return DataError(f"{self.path} cannot be used: {what}. Save the scene again, or fetch the file once more.")

    def _at(self, offset: int, size: int) -> bytes:
        try:
            self._file.seek(offset)
            data = self._file.read(size)
        except OSError as error:
            raise self.problem(f"it cannot be read ({error.strerror or error})") from error
        if len(data) != size:
            raise self.problem("it ends early")
        return data

    def _directory(self) -> Iterator[PackageMember]:
        try:
            total = os.fstat(self._file.fileno()).st_size
        except OSError as error:
            raise self.problem(f"it cannot be read ({error.strerror or error})") from error
        tail_size = min(total, _END.size + _MAX_COMMENT)
        tail = self._at(total - tail_size, tail_size)
        end = tail.rfind(b"PK\x05\x06")
        if end < 0 or len(tail) - end < _END.size:
            raise self.problem("it is not a USDZ package (no ZIP directory at its end), or it is cut off")
        _, disk, start_disk, here, count, size, start, _ = _END.unpack_from(tail, end)
        if disk or start_disk or here != count:
            raise self.problem("it is one part of a split archive")
        if count == 0xFFFF or size == 0xFFFFFFFF or start == 0xFFFFFFFF:
            raise self.problem("it is a ZIP64 archive, which USDZ does not allow")
        if count > _MAX_MEMBERS or size > _MAX_DIRECTORY or start + size > total - tail_size + end:
            raise self.problem("its directory is damaged or far too large")
        directory, position, seen = self._at(start, size), 0, set[str]()
        for _ in range(count):
            if position + _CENTRAL.size > size:
                raise self.problem("its directory ends early")
            fields = _CENTRAL.unpack_from(directory, position)
            name_end = position + _CENTRAL.size + fields[10]
            name = self._checked_name(directory[position + _CENTRAL.size : name_end])
            position = name_end + fields[11] + fields[12]
            if fields[0] != b"PK\x01\x02" or position > size:
                raise self.problem("its directory is damaged")
            if name in seen:
                raise self.problem(f"it holds {name!r} twice")
            seen.add(name)
            if not name.endswith("/"):
                yield self._checked_member(name, fields, start)

    def _checked_name(self, raw: bytes) -> str:
        try:
            name = raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise self.problem("it holds a member whose name is not text") from error
        parts = PurePosixPath(name).parts
        leaves = not parts or any(part in ("..", "/", "//") for part in parts) or any(c in name for c in "\\:")
        if leaves or not name.isprintable() or len(name) > _MAX_NAME:
            raise self.problem(f"its member name {name[:80]!r} is not a plain path inside the package")
        return name

    def _checked_member(self, name: str, fields: tuple[int, ...], directory_start: int) -> PackageMember:
        flags, method, packed, size, offset = fields[3], fields[4], fields[8], fields[9], fields[16]
        if flags & 0x1:
            raise self.problem(f"its member {name} is encrypted")
        if method != 0 or packed != size:
            raise self.problem(f"its member {name} is compressed, which USDZ does not allow")
        if offset + _LOCAL.size > directory_start:
            raise self.problem(f"its member {name} lies outside the file")
        header = self._at(offset, _LOCAL.size)
        local = _LOCAL.unpack(header)
        payload = offset + _LOCAL.size + local[9] + local[10]
        if local[0] != b"PK\x03\x04" or payload + size > directory_start:
            raise self.problem(f"its member {name} lies outside the file or is damaged")
        if self._at(offset + _LOCAL.size, local[9]) != name.encode("utf-8"):
            raise self.problem(f"its member {name} has two different names")
        return PackageMember(name, payload, size)
