"""Gaussians as PLY in the layout of the original 3DGS code, which nearly every tool reads and writes.

One ``vertex`` a Gaussian: x y z, nx ny nz (unused), f_dc_0..2, f_rest_* (channel-major: all of red, then green, then
blue), opacity (logit), scale_0..2 (log), rot_0..3 (w x y z). The file names no frame; values are taken as they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from avrec.errors import DataError
from avrec.files import open_to_read, replacing
from avrec.gaussians import Gaussians
from avrec.scene.foreign.cleaning import MAX_GAUSSIANS, Notes, cleaned, report
from avrec.scene.foreign.files import problem
from avrec.scene.foreign.points import cloud_from_points

__all__ = ["read_ply", "write_ply"]

Float32 = NDArray[np.float32]

_TYPES = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1", "short": "i2", "int16": "i2", "ushort": "u2",
    "uint16": "u2", "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4", "float": "f4", "float32": "f4",
    "double": "f8", "float64": "f8",
}  # fmt: skip
_ORDERS = {"ascii": "=", "binary_little_endian": "<", "binary_big_endian": ">"}
_MAX_HEADER = 1 << 16
_MAX_LINE = 1 << 16
_MAX_PROPERTIES = 1024
_ROWS = 1 << 15
_FAR_M = 10_000.0  # from here on float32 steps by a millimetre
_NOWHERE_M = 1e8
_GEOMETRY = ("x", "y", "z", "rot_0", "rot_1", "rot_2", "rot_3", "scale_0", "scale_1", "scale_2", "opacity")
_COLORS = ("red", "green", "blue")
_DC = ("f_dc_0", "f_dc_1", "f_dc_2")


@dataclass(frozen=True)
class _Element:
    name: str
    count: int
    properties: tuple[tuple[str, str], ...]  # name and numpy type, "" for a list

    def row(self, order: str) -> np.dtype[np.void]:
        return np.dtype([(name, order + kind) for name, kind in self.properties])


def read_ply(path: str | Path, notes: Notes | None = None) -> Gaussians:
    """Read a 3DGS PLY, text or binary of either byte order, spherical harmonics of degree 0 to 3.

    Properties that are not Gaussian parameters (normals, masks, labels) are ignored. A plain point cloud (x y z and,
    where it has them, red green blue) becomes round Gaussians as wide as the points are apart; one in coordinates of a
    whole country is moved near the origin, since float32 would round it to decimetres.

    Args:
        path: the file.
        notes: receives what had to be repaired or dropped; without it that is logged.

    Raises:
        DataError: no such file, not a PLY of Gaussians, damaged, cut off, or without any finite Gaussian.
    """
    mine: Notes = []
    with open_to_read(path) as (file, size):
        order, elements = _header(file, path)
        vertex = _seek_vertex(file, path, order, elements)
        columns = _columns(vertex, path)
        _check_size(path, order, vertex, size - file.tell())
        packed = np.empty((vertex.count, len(columns)), np.float32)
        blocks: Iterator[NDArray[np.void]] | Iterator[_Rows] = _binary_blocks(file, path, vertex, _ORDERS[order])
        if order == "ascii":
            blocks = _text_blocks(file, path, vertex)
        done, origin = 0, dict[str, float]()
        with np.errstate(all="ignore"):  # doubles beyond float32 become infinite and are dropped
            for block in blocks:
                rows = packed[done : done + len(block)]
                if not done and len(columns) < 11:
                    origin = _far_origin(block)
                for column, name in enumerate(columns):
                    rows[:, column] = block[name] - origin[name] if name in origin else block[name]
                done += len(block)
    try:
        if origin:
            moved = ", ".join(f"{-value:.0f} m along {name}" for name, value in origin.items())
            report([f"Its points were moved by {moved}: numbers that large lose centimetres."], notes, path)
        if len(columns) < 11:
            return cloud_from_points(packed, dict(vertex.properties).get("red", ""), notes, path)
        cloud = cleaned(Gaussians(packed), mine)
    except DataError as error:
        raise problem(path, str(error)[:200].rstrip(".").split(";")[0]) from error
    report(mine, notes, path)
    return cloud


def _far_origin(block: NDArray[np.void] | _Rows) -> dict[str, float]:
    """What to take off the coordinates whose middle lies far from 0, in whole hundreds of metres."""
    middles = {}
    for name in ("x", "y", "z"):
        values = np.asarray(block[name], np.float64)
        values = values[np.abs(values) < _NOWHERE_M]
        middles[name] = float(np.round(np.median(values), -2)) if len(values) else 0.0
    return {name: middle for name, middle in middles.items() if abs(middle) > _FAR_M}


def write_ply(gaussians: Gaussians, path: str | Path, *, overwrite: bool = False) -> None:
    """Write binary little-endian 3DGS PLY; float32 values come back bit for bit.

    Raises:
        OutputError: the file exists or cannot be written.
    """
    rest = gaussians.packed.shape[1] - 14
    names = ["x", "y", "z", "nx", "ny", "nz", *_DC, *(f"f_rest_{i}" for i in range(rest)), "opacity"]
    names += ["scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2", "rot_3"]
    header = ["ply", "format binary_little_endian 1.0", f"element vertex {len(gaussians)}"]
    header += [f"property float {name}" for name in names]
    with replacing(path, overwrite=overwrite) as file:
        file.write("\n".join([*header, "end_header\n"]).encode("ascii"))
        for start in range(0, len(gaussians), _ROWS):
            packed = gaussians.packed[start : start + _ROWS]
            row = np.zeros((len(packed), len(names)), "<f4")
            row[:, 0:3] = packed[:, 0:3]
            row[:, 6:9] = packed[:, 11:14]
            row[:, 9 : 9 + rest] = (
                packed[:, 14:].reshape(len(packed), rest // 3, 3).transpose(0, 2, 1).reshape(len(packed), rest)
            )
            row[:, 9 + rest] = packed[:, 10]
            row[:, 10 + rest : 13 + rest] = packed[:, 7:10]
            row[:, 13 + rest :] = packed[:, 3:7]
            file.write(row.tobytes())


def _header(file: BinaryIO, path: object) -> tuple[str, list[_Element]]:
    lines = _header_lines(file, path)
    if next(lines, "") != "ply":
        raise problem(path, "it is not a PLY file (its first line is not 'ply')")
    order, elements = "", list[_Element]()
    for line in lines:
        words = line.split()
        match words:
            case ["format", ("ascii" | "binary_little_endian" | "binary_big_endian") as order, "1.0"]:
                pass
            case ["element", name, count] if count.isdecimal() and len(count) < 12:
                elements.append(_Element(name, int(count), ()))
            case ["property", "list", size, kind, name] if elements and size in _TYPES and kind in _TYPES:
                elements[-1] = _with_property(elements[-1], name, "", path)
            case ["property", kind, name] if elements and kind in _TYPES:
                elements[-1] = _with_property(elements[-1], name, _TYPES[kind], path)
            case [] | ["comment" | "obj_info", *_]:
                pass
            case _:
                raise problem(path, f"its PLY header has the line {line[:80]!r}")
    if not order:
        raise problem(path, "its PLY header names no format")
    return order, elements


def _header_lines(file: BinaryIO, path: object) -> Iterator[str]:
    read = 0
    while True:
        line = file.readline(1024)
        read += len(line)
        if not line.endswith(b"\n") or read > _MAX_HEADER:
            raise problem(path, "its PLY header does not end")
        text = line.decode("latin-1").strip()
        if text == "end_header":
            return
        yield text


def _with_property(element: _Element, name: str, kind: str, path: object) -> _Element:
    if len(element.properties) >= _MAX_PROPERTIES or name in dict(element.properties):
        raise problem(path, f"its PLY header lists the property {name[:40]!r} twice, or far too many")
    return _Element(element.name, element.count, (*element.properties, (name, kind)))


def _seek_vertex(file: BinaryIO, path: object, order: str, elements: list[_Element]) -> _Element:
    """Go to the start of the vertices, past elements in front of them."""
    for element in elements:
        names = dict(element.properties)
        if "packed_position" in names:
            raise problem(path, "it is a compressed PLY, which packs its values; export it as ordinary PLY or SPZ")
        if element.name == "vertex":
            return element
        if order == "ascii" or "" in names.values():
            raise problem(path, f"its element {element.name[:40]!r} stands in front of the vertices")
        file.seek(element.count * element.row("<").itemsize, 1)
    raise problem(path, "it has no element 'vertex'")


def _columns(vertex: _Element, path: object) -> list[str]:
    """Names of the properties in the order of the packed columns."""
    kinds = dict(vertex.properties)
    if {"x", "y", "z"} <= set(kinds) and not {*_GEOMETRY[3:], *_DC} & set(kinds) and "" not in kinds.values():
        return [*_GEOMETRY[:3], *(_COLORS if set(_COLORS) <= set(kinds) else ())]
    missing = [name for name in (*_GEOMETRY, *_DC) if name not in kinds]
    if missing:
        raise problem(path, f"its vertices have no {', '.join(missing[:4])}, so it is not a 3DGS file")
    if "" in kinds.values():
        raise problem(path, "its vertices hold lists, which no 3DGS file has")
    rest = sum(name.startswith("f_rest_") for name in kinds)
    if rest not in (0, 9, 24, 45) or any(f"f_rest_{i}" not in kinds for i in range(rest)):
        raise problem(path, f"it has {rest} properties f_rest_*, where 0, 9, 24 or 45 of them make a whole degree")
    harmonics = [f"f_rest_{channel * (rest // 3) + k}" for k in range(rest // 3) for channel in range(3)]
    names = [*_GEOMETRY, *_DC, *harmonics]
    wrong = [name for name in names if kinds[name][0] != "f"]
    if wrong:
        raise problem(path, f"its property {wrong[0]} holds integers, where 3DGS has floats")
    return names


def _check_size(path: object, order: str, vertex: _Element, left: int) -> None:
    width = vertex.row("<").itemsize
    if order == "ascii":  # a digit and a space a value; the last line may lack its end
        width, left = 2 * len(vertex.properties), left + 1
    if vertex.count > MAX_GAUSSIANS or vertex.count * width > left:
        raise problem(path, f"it says it has {vertex.count} Gaussians, but {max(left, 0)} bytes follow its header")


def _binary_blocks(file: BinaryIO, path: object, vertex: _Element, order: str) -> Iterator[NDArray[np.void]]:
    row = vertex.row(order)
    for start in range(0, vertex.count, _ROWS):
        count = min(_ROWS, vertex.count - start)
        data = file.read(count * row.itemsize)
        if len(data) != count * row.itemsize:
            raise problem(path, "it ends early")
        yield np.frombuffer(data, row)


def _text_blocks(file: BinaryIO, path: object, vertex: _Element) -> Iterator[_Rows]:
    names = [name for name, _ in vertex.properties]
    for start in range(0, vertex.count, 1024):
        rows = []
        for number in range(start, min(start + 1024, vertex.count)):
            line = file.readline(_MAX_LINE)
            try:
                rows.append([float(word) for word in line.split()])
            except ValueError as error:
                raise problem(path, f"its vertex {number} holds something that is not a number") from error
            if len(rows[-1]) != len(names):
                raise problem(path, f"its vertex {number} has {len(rows[-1])} values instead of {len(names)}")
        yield _Rows(np.array(rows), names)


class _Rows:
    """Rows of text with columns by name, as a structured array has them."""

    def __init__(self, values: NDArray[np.float64], names: list[str]) -> None:
        self._values, self._names = values, names

    def __len__(self) -> int:
        return len(self._values)

    def __getitem__(self, name: str) -> NDArray[np.float64]:
        return self._values[:, self._names.index(name)]
