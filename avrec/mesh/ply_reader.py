"""PLY files from anywhere, read without trust: every count is checked against the bytes that are there."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avrec.errors import DataError
from avrec.files import read_bounded
from avrec.mesh.mesh import Mesh

__all__ = ["parse_ply", "read_ply"]

MOST_BYTES = 1 << 28
_MOST_TEXT = 1 << 26
_MOST_RUNS = 50_000
_MOST_HEADER = 1 << 16
_TYPES = {
    **dict.fromkeys(("char", "int8"), "i1"),
    **dict.fromkeys(("uchar", "uint8"), "u1"),
    **dict.fromkeys(("short", "int16"), "i2"),
    **dict.fromkeys(("ushort", "uint16"), "u2"),
    **dict.fromkeys(("int", "int32"), "i4"),
    **dict.fromkeys(("uint", "uint32"), "u4"),
    **dict.fromkeys(("float", "float32"), "f4"),
    **dict.fromkeys(("double", "float64"), "f8"),
}
_ORDERS = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}
_CORNERS = ("vertex_indices", "vertex_index")
# Polygons with more corners than this are no surface.
_MOST_CORNERS = 255


@dataclass(frozen=True)
class _Property:
    name: str
    kind: str
    count_kind: str | None  # of a list


@dataclass(frozen=True)
class _Element:
    name: str
    rows: int
    properties: tuple[_Property, ...]


def read_ply(path: str | Path) -> Mesh:
    """Read a mesh.

    Raises:
        DataError: not there, larger than 256 MiB, or not a PLY mesh.
    """
    return parse_ply(read_bounded(path, MOST_BYTES), str(path))


def parse_ply(data: bytes, source: str = "mesh.ply") -> Mesh:
    """The mesh in the bytes of a PLY file.

    Args:
        data: the whole file.
        source: its name, for messages.

    Raises:
        DataError: it is not a PLY mesh, is cut short, or names vertices that it does not have.
    """
    try:
        order, elements, start = _header(data)
        body = _Body(data, start, order)
        columns: dict[str, NDArray[np.generic]] = {}
        corners = np.zeros((0, 3), np.int64)
        seen = set()
        for element in elements:
            if element.name in seen and element.name in ("vertex", "face"):
                raise ValueError(f"it has the element {element.name} twice")
            seen.add(element.name)
            if element.name == "vertex":
                columns = _vertex_columns(body, element)
            elif element.name == "face":
                corners = _corners(body, element)
            elif {"vertex", "face"} <= seen:
                break
            else:
                _skip(body, element)
        if not {"vertex", "face"} <= seen:
            raise ValueError("it lacks the element vertex or face")
        return _mesh(columns, corners)
    except (ValueError, OverflowError, UnicodeDecodeError, DataError) as error:
        raise DataError(f"{source} is not a usable PLY mesh: {str(error)[:300]}. Export it again.") from error


def _header(data: bytes) -> tuple[str, list[_Element], int]:
    """Encoding, elements and where the body begins."""
    if data[:3] != b"ply" or data[3:4] not in (b"\n", b"\r"):
        raise ValueError("it does not begin with 'ply'")
    end = data.find(b"end_header", 0, _MOST_HEADER)
    stop = data.find(b"\n", end, end + 16)
    if end < 0 or stop < 0:
        raise ValueError("its header has no end")
    order = ""
    elements: list[tuple[str, int, list[_Property]]] = []
    for line in data[:end].decode("ascii").splitlines()[1:]:
        words = line.split()
        match words:
            case [] | ["comment", *_] | ["obj_info", *_]:
                continue
            case ["format", found, "1.0"] if found in _ORDERS:
                order = found
            case ["element", name, rows] if rows.isascii() and rows.isdigit() and len(rows) < 12:
                elements.append((name, int(rows), []))
            case ["property", "list", count, kind, name] if elements and count in _TYPES and kind in _TYPES:
                if _TYPES[count][0] == "f":
                    raise ValueError(f"a list is counted in {count}")
                elements[-1][2].append(_Property(name, _TYPES[kind], _TYPES[count]))
            case ["property", kind, name] if elements and kind in _TYPES:
                elements[-1][2].append(_Property(name, _TYPES[kind], None))
            case _:
                raise ValueError(f"its header has the line '{line[:60]}'")
    if not order:
        raise ValueError("its header names no format")
    return order, [_Element(name, rows, tuple(found)) for name, rows, found in elements], stop + 1


class _Body:
    """The records after the header, taken in turn. Text is turned into a table of float64 first."""

    def __init__(self, data: bytes, start: int, order: str) -> None:
        self.data, self.at, self.order, self.text = data, start, _ORDERS[order], order == "ascii"
        if self.text:
            if len(data) > _MOST_TEXT:
                raise ValueError(f"it is text of more than {_MOST_TEXT >> 20} MiB; binary is read up to a larger size")
            with warnings.catch_warnings():
                warnings.simplefilter("error")  # numpy only warns where a word is no number
                try:
                    numbers = np.fromstring(data[start:].decode("ascii"), np.float64, sep=" ")
                except DeprecationWarning as error:
                    raise ValueError("a word in it is no number") from error
            self.data, self.at = numbers.tobytes(), 0

    def scalars(self, element: _Element) -> dict[str, NDArray[np.generic]]:
        """The columns of an element without lists, by name."""
        kinds = [(f"c{column}", self._kind(found.kind)) for column, found in enumerate(element.properties)]
        record = np.dtype(kinds)
        self._need(self.at, element.rows * record.itemsize)
        table = self._view(record, element.rows)
        self.at += element.rows * record.itemsize
        columns: dict[str, NDArray[np.generic]] = {}
        for column, found in enumerate(element.properties):
            values = table[f"c{column}"]
            if self.text and found.kind[0] != "f":
                limits = np.iinfo(found.kind)
                values = np.clip(np.nan_to_num(values), limits.min, limits.max).astype(found.kind)
            columns[found.name] = values
        return columns

    def lists(self, element: _Element, wanted: str | None) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Rows of one list property, those of one length together: (row numbers, values [N, length])."""
        found: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
        row = runs = 0
        # Rows of one shape follow one another in nearly all files, so a run of them is read as one table.
        while row < element.rows:
            runs += 1
            if runs > _MOST_RUNS:
                raise ValueError(f"the rows of its element {element.name} keep changing length; triangulate it")
            shape = self._shape(element)
            kinds: list[tuple[str, str, tuple[int, ...]]] = []
            for column, (place, length) in enumerate(zip(element.properties, shape, strict=True)):
                if place.count_kind is not None:
                    kinds.append((f"n{column}", self._kind(place.count_kind), ()))
                kinds.append((f"c{column}", self._kind(place.kind), (length,)))
            record = np.dtype(kinds)
            run = self._run(
                record, element, shape, min(element.rows - row, (len(self.data) - self.at) // record.itemsize)
            )
            for column, place in enumerate(element.properties):
                if place.name == wanted:
                    values = self._view(record, run)[f"c{column}"]
                    if values.dtype.kind == "f" and not (np.abs(values) < 2**31).all():
                        raise ValueError("a face names a vertex that is no number")
                    found.append((np.arange(row, row + run, dtype=np.int64), values.astype(np.int64)))
            self.at += run * record.itemsize
            row += run
        return found

    def _run(self, record: np.dtype[np.void], element: _Element, shape: list[int], most: int) -> int:
        """How many rows from here on have this shape."""
        run, step = 1, 64
        while run < most:
            block = min(step, most - run)
            table = np.frombuffer(self.data, record, block, self.at + run * record.itemsize)
            same = np.ones(block, bool)
            for column, place in enumerate(element.properties):
                if place.count_kind is not None:
                    same &= table[f"n{column}"] == shape[column]
            if not same.all():
                return run + int(np.argmin(same))
            run, step = run + block, step * 8
        return run

    def _shape(self, element: _Element) -> list[int]:
        """Length of each property in the row at hand."""
        at, shape = self.at, []
        for place in element.properties:
            length = 1
            if place.count_kind is not None:
                count = np.dtype(self._kind(place.count_kind))
                self._need(at, count.itemsize)
                length = int(np.frombuffer(self.data, count, 1, at)[0])
                at += count.itemsize
            if not 0 <= length <= _MOST_CORNERS:
                raise ValueError(f"a row of its element {element.name} lists {length} numbers")
            size = length * np.dtype(self._kind(place.kind)).itemsize
            self._need(at, size)
            at += size
            shape.append(length)
        return shape

    def _kind(self, kind: str) -> str:
        return "f8" if self.text else self.order + kind

    def _view(self, record: np.dtype[np.void], rows: int) -> NDArray[np.void]:
        return np.frombuffer(self.data, record, rows, self.at) if rows else np.empty(0, record)

    def _need(self, at: int, size: int) -> None:
        if size > len(self.data) - at:
            raise ValueError("it is cut short")


def _vertex_columns(body: _Body, element: _Element) -> dict[str, NDArray[np.generic]]:
    if any(found.count_kind for found in element.properties):
        raise ValueError("its vertices have lists")
    if not {"x", "y", "z"} <= {found.name for found in element.properties}:
        raise ValueError("its vertices lack x, y or z")
    return body.scalars(element)


def _skip(body: _Body, element: _Element) -> None:
    if any(found.count_kind for found in element.properties):
        body.lists(element, None)
    elif element.properties:
        body.scalars(element)


def _corners(body: _Body, element: _Element) -> NDArray[np.int64]:
    """Triangles int64 [F, 3] in the file's order; a polygon becomes a fan."""
    wanted = [found.name for found in element.properties if found.name in _CORNERS and found.count_kind]
    if not wanted:
        raise ValueError("its faces have no list vertex_indices")
    rows = [np.zeros(0, np.int64)]
    triangles = [np.zeros((0, 3), np.int64)]
    for numbers, values in body.lists(element, wanted[0]):
        length = values.shape[1]
        if length < 3:
            raise ValueError(f"a face has {length} corners")
        for second in range(1, length - 1):
            rows.append(numbers)
            triangles.append(values[:, [0, second, second + 1]])
    order = np.argsort(np.concatenate(rows), kind="stable")
    return np.concatenate(triangles)[order]


def _mesh(columns: dict[str, NDArray[np.generic]], corners: NDArray[np.int64]) -> Mesh:
    def triple(names: tuple[str, str, str]) -> NDArray[np.generic] | None:
        return np.stack([columns[name] for name in names], axis=-1) if set(names) <= set(columns) else None

    vertices, colours, normals = triple(("x", "y", "z")), triple(("red", "green", "blue")), triple(("nx", "ny", "nz"))
    if colours is not None:
        # A colour given as a real number counts from 0 to 1, unless it plainly does not.
        kind = colours.dtype.kind
        if (
            kind == "f"
            and colours.size
            and (not np.isfinite(colours).all() or colours.max() > 255 or colours.min() < 0)
        ):
            colours = None
        elif colours.dtype != np.uint8:
            scale = 255.0 if kind == "f" and colours.size and (colours % 1).any() else 1.0
            colours = np.clip(np.rint(colours * scale), 0, 255).astype(np.uint8)  # type: ignore[operator]
    if normals is not None and not np.isfinite(normals).all():
        normals = None
    return Mesh(
        np.asarray(vertices, np.float64),
        corners if corners.size else np.zeros((0, 3), np.int32),  # type: ignore[arg-type]
        None if colours is None else np.asarray(colours, np.uint8),
        None if normals is None else np.asarray(normals, np.float64),
    )
