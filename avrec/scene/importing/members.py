"""Where the parts of an imported scene come from: a file of their own, or a member of a package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from avrec.errors import DataError
from avrec.files import open_to_read
from avrec.scene.foreign.files import problem
from avrec.scene.json_text import MAX_JSON_BYTES
from avrec.scene.package_reader import PackageReader
from avrec.scene.validate.values import parse_json

__all__ = ["Source", "is_package", "parsed_json"]

_MAX_MAP = 64 << 20
_MAX_MESH = 256 << 20
_LIMITS = {".json": MAX_JSON_BYTES, ".xodr": _MAX_MAP, ".ply": _MAX_MESH, ".yaml": 256 << 10}


class Source:
    """One file, or a package with named members; either is read only as far as it is asked for.

    Attributes:
        path: the file.
        names: members of the package; empty for a plain file.

    Raises:
        DataError: no such file, or a damaged package.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.names: tuple[str, ...] = ()
        if is_package(self.path):
            with PackageReader(self.path) as package:
                self.names = tuple(package.members)

    def read(self, *members: str) -> tuple[bytes, str] | None:
        """Content of the first of ``members`` that the package has, and what to call it in messages.

        A plain file is the content itself, whatever its name. None where the package has none of them.

        Raises:
            DataError: it cannot be read, or is longer than such a file may be.
        """
        suffix = Path(members[0]).suffix
        if not self.names:
            with open_to_read(self.path) as (file, size):
                if size > _LIMITS[suffix]:
                    raise problem(self.path, f"it has {size >> 20} MiB, more than the {_LIMITS[suffix] >> 20} expected")
                return file.read(), str(self.path)
        for member in members:
            if member in self.names:
                with PackageReader(self.path) as package:
                    return package.read(member, limit=_LIMITS[suffix]), f"{self.path}: {member}"
        return None


def is_package(path: Path) -> bool:
    """Whether a file begins like a ZIP archive.

    Raises:
        DataError: no such file.
    """
    with open_to_read(path) as (file, _):
        return file.read(2) == b"PK"


def parsed_json(data: bytes, name: str) -> dict[str, Any]:
    """The JSON object in ``data``.

    Raises:
        DataError: none, or too deep or large.
    """
    try:
        document = parse_json(data)
    except DataError as error:
        raise problem(name, str(error)) from error
    if not isinstance(document, dict):
        raise problem(name, "it is no JSON object")
    return document
