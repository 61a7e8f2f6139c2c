"""Arrays as .npy members of a package: written without a copy, read in one pass that hashes and checks."""

from __future__ import annotations

import hashlib
import io
import math
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from avrec.scene.package_reader import PackageReader
from avrec.scene.package_writer import PackageWriter

__all__ = ["read_array", "write_array"]

_KINDS = {"float32": "<f4", "float64": "<f8", "int32": "<i4", "uint8": "|u1"}
_MAX_HEADER = 1024
_CHUNK_BYTES = 1 << 20  # a pass: stays in cache while it is hashed and checked


def write_array(package: PackageWriter, name: str, array: NDArray[np.generic]) -> None:
    """Add an array of float32, float64, int32 or uint8 as a version 1.0 .npy member in C order.

    Raises:
        OutputError: the disk is full, or the package grows past 4 GiB.
    """
    descr = _KINDS[array.dtype.name]
    little = np.ascontiguousarray(array, descr)  # the same memory on little-endian machines
    header = io.BytesIO()
    npy.write_array_header_1_0(header, {"descr": descr, "fortran_order": False, "shape": little.shape})
    with package.member(name) as stream:
        stream.write(header.getvalue())
        if little.size:
            stream.write(little.reshape(-1).view(np.uint8).data)


def read_array(package: PackageReader, name: str, sha256: str, kind: str = "float32") -> NDArray[Any]:
    """Read a .npy member bit for bit.

    Args:
        package: where it is.
        name: the member.
        sha256: what the manifest says its bytes hash to, in hex.
        kind: ``"float32"``, ``"float64"``, ``"int32"`` or ``"uint8"``.

    Returns:
        A new C-contiguous array of that type; nothing larger is held meanwhile.

    Raises:
        DataError: missing, damaged, of another type, of a shape that its bytes do not fill, or with values that are
            not finite.
    """
    wanted = np.dtype(_KINDS[kind])
    member = package.find(name)
    head = bytearray(min(member.size, _MAX_HEADER))
    package.read_into(member, 0, memoryview(head))
    stream = io.BytesIO(head)
    try:
        if npy.read_magic(stream) != (1, 0):
            raise ValueError("another .npy version")
        shape, fortran, dtype = npy.read_array_header_1_0(stream, max_header_size=_MAX_HEADER)
    except Exception as error:  # numpy parses the header as a Python literal, which can fail in many ways
        raise package.problem(f"its member {name} is not a .npy array ({str(error)[:120]})") from error
    skip = stream.tell()
    if fortran or dtype != wanted or any(type(n) is not int or n < 0 for n in shape):
        raise package.problem(f"its member {name} is not a C-ordered little-endian {kind} array")
    if math.prod(shape) * wanted.itemsize != member.size - skip:
        raise package.problem(f"its member {name} says shape {str(shape)[:80]} but holds {member.size - skip} bytes")
    digest = hashlib.sha256(head[:skip])
    flat = np.empty(math.prod(shape), wanted)
    raw = flat.view(np.uint8).data
    rows = _CHUNK_BYTES // wanted.itemsize
    for start in range(0, flat.size, rows):
        chunk = raw[wanted.itemsize * start : wanted.itemsize * (start + rows)]
        package.read_into(member, skip + wanted.itemsize * start, chunk)
        digest.update(chunk)
        if not np.isfinite(flat[start : start + rows]).all():
            raise package.problem(f"its member {name} holds values that are not finite")
    if digest.hexdigest() != sha256:
        raise package.problem(f"its member {name} is damaged (its SHA-256 is not the one in the manifest)")
    try:
        return flat.reshape(shape).astype(kind, copy=False)
    except (ValueError, OverflowError) as error:  # a zero in a shape lets the other numbers be anything
        raise package.problem(f"its member {name} has the impossible shape {str(shape)[:80]}") from error
