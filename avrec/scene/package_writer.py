"""Writes a USDZ package: a ZIP of stored, 64-byte aligned members, byte for byte the same for the same content.

The rules are those of OpenUSD's own reader: no compression, no ZIP64, no data descriptors, root layer first. Members
are streamed, so a package costs no memory beyond what its members already take.
"""

from __future__ import annotations

import hashlib
import io
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import IO

from avrec.errors import OutputError
from avrec.files import partial_folder, replacing

__all__ = ["Buffer", "MemberDigest", "MemberStream", "PackageWriter"]

Buffer = bytes | bytearray | memoryview

_ALIGNMENT = 64
_PADDING_ID = 0x1986
_DOS_DATE_1980 = (1 << 5) | 1
_VERSION_STORED = 10
_MAX_OFFSET = 0xFFFF_FFFE  # 0xFFFFFFFF announces ZIP64
_MAX_MEMBERS = 0xFFFE
_CHUNK = 1 << 20

_LOCAL = struct.Struct("<4sHHHHHIIIHH")
_CENTRAL = struct.Struct("<4sHHHHHHIIIHHHHHII")
_END = struct.Struct("<4sHHHHIIH")


@dataclass(frozen=True)
class MemberDigest:
    """What the manifest says about one member: its SHA-256 in hex and its size in bytes."""

    sha256: str
    bytes: int


@dataclass(frozen=True)
class _Entry:
    name: bytes
    crc: int
    size: int
    offset: int


class MemberStream(io.RawIOBase):
    """Receives one member's payload, hashing on the way. Obtained from :meth:`PackageWriter.member`."""

    def __init__(self, writer: PackageWriter) -> None:
        self._writer = writer
        self._sha256 = hashlib.sha256()
        self._crc = 0
        self._size = 0

    def writable(self) -> bool:
        """Always True."""
        return True

    def write(self, data: Buffer) -> int:  # type: ignore[override]
        """Append bytes of any contiguous buffer, without copying it.

        Raises:
            OutputError: the disk is full, or the package grows past 4 GiB.
        """
        view = memoryview(data).cast("B")
        for start in range(0, len(view), _CHUNK):  # chunks stay in cache for the two hashes and the write
            chunk = view[start : start + _CHUNK]
            self._crc = zlib.crc32(chunk, self._crc)
            self._sha256.update(chunk)
            self._writer._write(chunk)
        self._size += len(view)
        return len(view)

    def _digest(self) -> tuple[int, MemberDigest]:
        return self._crc, MemberDigest(self._sha256.hexdigest(), self._size)


class PackageWriter:
    """A USDZ being written next to its final name and moved there only when it is complete.

    Use as a context manager; leaving it through an exception removes everything that was written.

    Attributes:
        digests: SHA-256 and size of every member finished so far, in order.
    """

    def __init__(self, path: str | Path, *, overwrite: bool = False) -> None:
        self.path = Path(path)
        self.digests: dict[str, MemberDigest] = {}
        self._replacing: AbstractContextManager[IO[bytes]] = replacing(self.path, overwrite=overwrite)
        self._entries: list[_Entry] = []
        self._position = 0
        self._file: IO[bytes] | None = None

    def __enter__(self) -> PackageWriter:
        if not self.path.parent.is_dir():
            raise OutputError(f"Cannot write {self.path}: its folder does not exist; create it first.")
        self._file = self._replacing.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            try:
                self._finish()
            except BaseException as failure:
                self._replacing.__exit__(type(failure), failure, failure.__traceback__)
                raise
        self._replacing.__exit__(kind, error, trace)

    @contextmanager
    def member(self, name: str) -> Iterator[MemberStream]:
        """Open the next member for writing; its header is completed when the block ends.

        Args:
            name: path inside the package, ASCII, forward slashes.

        Raises:
            OutputError: the disk is full, or the package grows past 4 GiB.
        """
        encoded = name.encode("ascii")
        if name in self.digests or len(self._entries) >= _MAX_MEMBERS:
            raise OutputError(f"{self.path} cannot hold the member {name}: it is there already or there are too many.")
        offset = self._position
        extra = _padding(offset + _LOCAL.size + len(encoded))
        self._write(_local_header(encoded, 0, 0, extra))
        stream = MemberStream(self)
        yield stream
        crc, digest = stream._digest()
        with self._saying_so():
            file = self._open_file()
            file.seek(offset)
            file.write(_local_header(encoded, crc, digest.bytes, extra))
            file.seek(self._position)
        self._entries.append(_Entry(encoded, crc, digest.bytes, offset))
        self.digests[name] = digest

    def add(self, name: str, data: Buffer) -> None:
        """Write a whole member at once. Errors as :meth:`member`."""
        with self.member(name) as stream:
            stream.write(data)

    def add_built(self, name: str, build: Callable[[Path], object]) -> None:
        """Add a member that a library can only write to a file of its own.

        Args:
            name: path inside the package; the temporary file has the same one.
            build: writes the file at the path it is given.

        Raises:
            OutputError: the disk is full, or the package grows past 4 GiB.
        """
        with self._saying_so(), partial_folder(self.path) as folder:
            path = folder / PurePosixPath(name).name
            try:
                build(path)
            except (RuntimeError, OutputError) as error:  # OpenUSD's way to say that it cannot write, and ours
                raise self._cannot_write(f"its member {name} could not be made") from error
            with open(path, "rb") as source, self.member(name) as stream:
                while piece := source.read(_CHUNK):
                    stream.write(piece)

    def _write(self, data: Buffer) -> None:
        if self._position + len(data) > _MAX_OFFSET:
            raise OutputError(
                f"{self.path} would grow past 4 GiB, which USDZ packages cannot hold; "
                "reconstruct with fewer Gaussians or a lower spherical-harmonic degree."
            )
        with self._saying_so():
            self._open_file().write(data)
        self._position += len(data)

    def _finish(self) -> None:
        start = self._position
        for entry in self._entries:
            self._write(_central_header(entry))
        count, size = len(self._entries), self._position - start
        self._write(_END.pack(b"PK\x05\x06", 0, 0, count, count, size, start, 0))

    def _open_file(self) -> IO[bytes]:
        if self._file is None:
            raise OutputError(f"{self.path} is not open for writing; use the package writer in a with block.")
        return self._file

    @contextmanager
    def _saying_so(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._cannot_write(error.strerror or str(error)) from error

    def _cannot_write(self, why: str) -> OutputError:
        return OutputError(
            f"Cannot write {self.path}: {why}; nothing was left behind, free some space or choose another place."
        )


def _padding(header_end: int) -> bytes:
    """Extra field that moves the payload to the next 64-byte boundary; a field needs at least 4 bytes."""
    needed = -header_end % _ALIGNMENT
    if needed == 0:
        return b""
    if needed < 4:
        needed += _ALIGNMENT
    return struct.pack("<HH", _PADDING_ID, needed - 4) + bytes(needed - 4)


def _local_header(name: bytes, crc: int, size: int, extra: bytes) -> bytes:
    fields = (b"PK\x03\x04", _VERSION_STORED, 0, 0, 0, _DOS_DATE_1980, crc, size, size, len(name), len(extra))
    return _LOCAL.pack(*fields) + name + extra


def _central_header(entry: _Entry) -> bytes:
    version, date = _VERSION_STORED, _DOS_DATE_1980
    sizes = (entry.crc, entry.size, entry.size, len(entry.name), 0, 0, 0, 0, 0, entry.offset)
    return _CENTRAL.pack(b"PK\x01\x02", version, version, 0, 0, 0, date, *sizes) + entry.name
