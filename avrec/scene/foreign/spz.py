"""SPZ, Niantic's open format of quantised Gaussians: versions 1 to 3, one gzip stream.

A 16-byte header is followed by one block for each attribute: positions (24-bit fixed point; half floats in version 1),
opacities, colours, scales and rotations (8 bits; 32 bits a rotation in version 3), and spherical harmonics. The format
fixes the frame to x right, y up, z back; here it is avrec's, z up, so clouds are turned on the way in and out.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avrec.errors import DataError, OutputError
from avrec.files import open_to_read, replacing
from avrec.gaussians import Gaussians, coefficients_for_degree
from avrec.scene.foreign.cleaning import MAX_GAUSSIANS, Notes, cleaned, logit, report, sigmoid
from avrec.scene.foreign.files import gunzip, problem
from avrec.scene.foreign.similarity import transformed

__all__ = ["SPZ_MAGIC", "read_spz", "write_spz"]

SPZ_MAGIC = b"NGSP"

Float32 = NDArray[np.float32]
UInt8 = NDArray[np.uint8]

_HEADER = struct.Struct("<4sIIBBBB")
_COLOR_SCALE = 0.15
_ROWS = 1 << 16
_SQRT_HALF = 0.5**0.5
_WORLD_FROM_RUB = np.array([[0.0, 0, -1, 0], [-1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
"""x forward, y left, z up of x right, y up, z back."""


def read_spz(path: str | Path, notes: Notes | None = None, *, turn: bool = True) -> Gaussians:
    """Read an SPZ file of version 1, 2 or 3.

    Args:
        path: the file.
        notes: receives what had to be repaired or dropped; without it that is logged.
        turn: from the format's frame (y up) into avrec's (z up); False takes the numbers as they are.

    Raises:
        DataError: no such file, not SPZ, of another version or a degree above 3, damaged, or cut off.
    """
    mine: Notes = []
    with open_to_read(path) as (file, _):
        data = file.read()
    if data.startswith(SPZ_MAGIC):
        raise problem(path, "it is SPZ of version 4 or later, and versions 1 to 3 are read")
    raw = memoryview(gunzip(data, path))
    del data
    if len(raw) < _HEADER.size or bytes(raw[:4]) != SPZ_MAGIC:
        raise problem(path, "it is not an SPZ file (its compressed data does not start with 'NGSP')")
    _, version, count, degree, fraction, _, _ = _HEADER.unpack_from(raw)
    if version not in (1, 2, 3):
        raise problem(path, f"it is SPZ of version {version}, and versions 1 to 3 are read")
    if degree > 3 or fraction > 23:
        raise problem(path, f"it says degree {degree} and {fraction} fractional bits, where 3 and 23 are the most")
    rest = 3 * (coefficients_for_degree(degree) - 1)
    widths = (6 if version == 1 else 9, 1, 3, 3, 4 if version == 3 else 3, rest)
    if count > MAX_GAUSSIANS or len(raw) - _HEADER.size < count * sum(widths):
        raise problem(path, f"it says it has {count} Gaussians, but only {len(raw) - _HEADER.size} bytes of them")
    blocks, start = list[UInt8](), _HEADER.size
    for width in widths:
        blocks.append(np.frombuffer(raw, np.uint8, count * width, start).reshape(count, width))
        start += count * width
    packed = np.empty((count, 14 + rest), np.float32)
    for first in range(0, count, _ROWS):
        rows = slice(first, first + _ROWS)
        position, opacity, color, scale, rotation, harmonics = (block[rows] for block in blocks)
        target = packed[rows]
        with np.errstate(all="ignore"):  # halves may be anything; what is not finite is dropped
            target[:, 0:3] = _halves(position) if version == 1 else _fixed(position, fraction)
        target[:, 3:7] = _smallest_three(rotation) if version == 3 else _first_three(rotation)
        target[:, 7:10] = scale / np.float32(16) - 10
        # Half a step inside: opacities of exactly 0 and 1 have no finite logit.
        target[:, 10] = logit(np.clip(opacity[:, 0], 0.25, 254.75) / 255)
        target[:, 11:14] = (color / np.float32(255) - 0.5) / _COLOR_SCALE
        target[:, 14:] = (harmonics.astype(np.float32) - 128) / 128
    try:
        cloud = cleaned(Gaussians(packed), mine)
    except DataError as error:
        raise problem(path, "none of its Gaussians has finite values") from error
    report(mine, notes, path)
    return transformed(cloud, _WORLD_FROM_RUB) if turn else cloud


def write_spz(
    gaussians: Gaussians,
    path: str | Path,
    *,
    overwrite: bool = False,
    version: int = 3,
    harmonics_bits: tuple[int, int] = (5, 4),
    turn: bool = True,
) -> None:
    """Write SPZ, about 15 to 40 bytes a Gaussian.

    Positions keep 1/4096 m within 2 km of the origin and less beyond. Scales outside 45 µm .. 380 m, colours and
    harmonics beyond the format's range become its nearest value.

    Args:
        gaussians: in avrec's frame, z up.
        path: the file to write.
        overwrite: replace an existing file.
        version: 3, or 2 for old readers, whose rotations are five times coarser.
        harmonics_bits: 1 to 8 bits for degree 1 and for the degrees above.
        turn: into the format's frame (y up); False writes the numbers as they are.

    Raises:
        OutputError: the file exists or cannot be written, or positions are beyond 8000 km.
        DataError: another version or number of bits.
    """
    if version not in (2, 3) or not all(1 <= bits <= 8 for bits in harmonics_bits):
        raise DataError(f"SPZ is written as version 2 or 3 with 1 to 8 bits, found {version} and {harmonics_bits}.")
    if turn:
        gaussians = transformed(gaussians, np.linalg.inv(_WORLD_FROM_RUB))
    farthest = float(np.abs(gaussians.means).max(initial=0.0))
    fraction = 12
    while fraction and not farthest * 2**fraction < 2**23 - 1:
        fraction -= 1
    if not farthest * 2**fraction < 2**23 - 1:
        raise OutputError(f"SPZ holds positions up to 8000 km, found {farthest:.3g} m; choose another format.")
    count, rest = len(gaussians), gaussians.packed.shape[1] - 14
    steps = np.repeat([2 ** (8 - harmonics_bits[0])] * 3 + [2 ** (8 - harmonics_bits[1])] * 12, 3)[:rest]
    widths = (9, 1, 3, 3, 4 if version == 3 else 3, rest)
    blocks = [np.empty((count, width), np.uint8) for width in widths]
    for first in range(0, count, _ROWS):
        rows = slice(first, first + _ROWS)
        packed = gaussians.packed[rows]
        blocks[0][rows] = _to_fixed(packed[:, 0:3], fraction)
        blocks[1][rows, 0] = _byte(sigmoid(packed[:, 10]) * 255)
        blocks[2][rows] = _byte((packed[:, 11:14] * np.float32(_COLOR_SCALE) + np.float32(0.5)) * 255)
        blocks[3][rows] = _byte((packed[:, 7:10] + 10) * 16)
        blocks[4][rows] = _to_smallest_three(packed[:, 3:7]) if version == 3 else _to_first_three(packed[:, 3:7])
        blocks[5][rows] = _byte(np.rint(np.clip(packed[:, 14:], -2, 2) * (128 / steps)) * steps + 128)
    pack = zlib.compressobj(6, zlib.DEFLATED, 16 + zlib.MAX_WBITS)  # zlib's own gzip head carries no date
    with replacing(path, overwrite=overwrite) as file:
        file.write(pack.compress(_HEADER.pack(SPZ_MAGIC, version, count, gaussians.sh_degree, fraction, 0, 0)))
        for block in blocks:
            file.write(pack.compress(block.tobytes()))
        file.write(pack.flush())


def _byte(values: NDArray[np.floating]) -> UInt8:
    return np.asarray(np.clip(np.rint(values), 0, 255), np.uint8)


def _halves(block: UInt8) -> Float32:
    return np.asarray(np.ascontiguousarray(block).view("<f2"), np.float32)


def _fixed(block: UInt8, fraction: int) -> Float32:
    """Signed 24-bit fixed point, lowest byte first."""
    parts = block.reshape(len(block), 3, 3).astype(np.int32)
    whole = (parts[:, :, 0] << 8 | parts[:, :, 1] << 16 | parts[:, :, 2] << 24) >> 8  # the last shift spreads the sign
    return np.asarray(whole / 2**fraction, np.float32)


def _to_fixed(means: Float32, fraction: int) -> UInt8:
    whole = np.rint(means.astype(np.float64) * 2**fraction).astype("<i4")
    return np.asarray(whole.view(np.uint8).reshape(len(means), 3, 4)[:, :, :3].reshape(len(means), 9))


def _first_three(block: UInt8) -> Float32:
    """Quaternions wxyz from x, y, z as bytes; w is the rest to length 1 and not negative."""
    xyz = block / np.float32(127.5) - 1
    w = np.sqrt(np.maximum(0, 1 - np.einsum("ni,ni->n", xyz, xyz)))
    return np.concatenate([w[:, None], xyz], axis=1)


def _to_first_three(quaternions: Float32) -> UInt8:
    unit = _unit(quaternions)
    return _byte((unit[:, 1:] * np.where(unit[:, :1] < 0, -1, 1) + 1) * 127.5)


def _smallest_three(block: UInt8) -> Float32:
    """Quaternions wxyz from 32 bits: index of the largest of xyzw, then sign and 9 bits of each of the others."""
    word = np.ascontiguousarray(block).view("<u4")[:, 0]
    largest = word >> 30
    xyzw = np.zeros((len(word), 4), np.float32)
    shift = np.full(len(word), 20, np.uint32)
    for component in range(4):
        stored = largest != component
        bits = word >> shift
        value = (bits & 511).astype(np.float32) * np.float32(_SQRT_HALF / 511)
        xyzw[:, component] = np.where(stored, np.where(bits & 512, -value, value), 0)
        shift[stored & (shift > 0)] -= 10
    missing = np.sqrt(np.maximum(0, 1 - np.einsum("ni,ni->n", xyzw, xyzw)))
    np.put_along_axis(xyzw, largest[:, None].astype(np.int64), missing[:, None].astype(np.float32), axis=1)
    return xyzw[:, [3, 0, 1, 2]]


def _to_smallest_three(quaternions: Float32) -> UInt8:
    xyzw = _unit(quaternions)[:, [1, 2, 3, 0]]
    largest = np.abs(xyzw).argmax(axis=1)
    xyzw *= np.where(np.take_along_axis(xyzw, largest[:, None], axis=1) < 0, -1, 1)
    word = largest.astype(np.uint32)
    for component in range(4):
        value = xyzw[:, component]
        size = np.minimum(np.rint(np.abs(value) * (511 / _SQRT_HALF)), 511).astype(np.uint32)
        word = np.where(largest != component, word << 10 | (value < 0) << 9 | size, word).astype(np.uint32)
    return np.asarray(word.astype("<u4")[:, None].view(np.uint8))


def _unit(quaternions: Float32) -> NDArray[np.float64]:
    wide = quaternions.astype(np.float64)
    lengths = np.linalg.norm(wide, axis=1, keepdims=True)
    wide[lengths[:, 0] == 0, 0] = 1.0
    return wide / np.where(lengths == 0, 1.0, lengths)
