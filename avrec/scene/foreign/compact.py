"""avrec's compact file (``.avgc``): Gaussians in a sixth of their float32 size, for sending and keeping.

Every value is rounded to a step whose error in the picture was measured (``python -m bench.file_size``). Gaussians are
sorted along a space-filling curve, so that positions become small differences; all columns go through one gzip stream,
each by itself. A Gaussian that does not fit the steps (far away, over-bright) is kept exactly, in float32.

Header, little-endian: magic ``AVGC``, version u8 (1), SH degree u8, two bytes 0, Gaussians u32, kept ones u32, origin
f64 x 3. Then gzip over the columns as bytes, each of all rounded Gaussians: 8 x Morton difference (lowest byte first);
index of the quaternion's largest component; the three others, sign in the lowest bit, 3 x low and 3 x high byte; 3 x
log scale; opacity; G, R - G, B - G of each SH coefficient; at the end the kept Gaussians as float32 rows of
`Gaussians.packed`.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avrec.errors import DataError
from avrec.files import open_to_read, replacing
from avrec.gaussians import Gaussians, coefficients_for_degree
from avrec.scene.foreign.cleaning import MAX_GAUSSIANS, cleaned, logit, sigmoid
from avrec.scene.foreign.files import gunzip, problem

__all__ = ["COMPACT_MAGIC", "decode_compact", "encode_compact", "read_compact", "write_compact"]

COMPACT_MAGIC = b"AVGC"

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

_HEADER = struct.Struct("<4sBBHII3d")
_VERSION = 1
_POSITION_STEP_M = 0.001
_BITS = 21  # of each axis in a Morton code: 2 km
_SCALE_STEPS = 24  # a factor of e
_MIDDLE_LOG_SCALE = -2.35  # 0.5 mm to 19 m fit
_TURN_STEPS = 255 / 0.5**0.5
_OPACITY_STEPS = 127
_COLOR_STEPS = 40  # a unit of the constant harmonic
_BAND_STEPS = 48
_LEAST_LOG_SCALE = -7.6  # smaller is flat to any camera
_SPREAD = (
    (32, 0x1F00000000FFFF),
    (16, 0x1F0000FF0000FF),
    (8, 0x100F00F00F00F00F),
    (4, 0x10C30C30C30C30C3),
    (2, 0x1249249249249249),
)


def write_compact(gaussians: Gaussians, path: str | Path, *, overwrite: bool = False) -> None:
    """Write a compact file; the order of the Gaussians changes.

    Raises:
        OutputError: the file exists or cannot be written.
    """
    with replacing(path, overwrite=overwrite) as file:
        file.write(encode_compact(gaussians))


def read_compact(path: str | Path) -> Gaussians:
    """Read a compact file.

    Raises:
        DataError: no such file, not compact Gaussians, of a later version, or damaged.
    """
    with open_to_read(path) as (file, _):
        return decode_compact(file.read(), path)


def encode_compact(gaussians: Gaussians) -> bytes:
    """The bytes of a compact file."""
    packed = gaussians.packed
    origin = np.zeros(3)
    if len(packed):
        middle = np.median(packed[:: -(-len(packed) // 100_000), :3].astype(np.float64), axis=0)
        origin = np.clip(np.round(middle), -1e9, 1e9) - _POSITION_STEP_M * 2 ** (_BITS - 1)
    whole = np.rint((packed[:, :3].astype(np.float64) - origin) / _POSITION_STEP_M)
    columns = _rounded(packed)
    fits = (whole >= 0).all(axis=1) & (whole < 2**_BITS).all(axis=1) & (np.abs(columns) <= 127).all(axis=1)
    kept, columns = packed[~fits], columns[fits]
    code = _morton(whole[fits].astype(np.uint64))
    order = np.argsort(code, kind="stable")
    code = code[order]
    steps = np.diff(code, prepend=code[:1] * 0).astype("<u8").view(np.uint8).reshape(len(code), 8)
    body = columns[order].astype(np.int8).view(np.uint8)
    turns = _turn_steps(packed[fits][order])
    head = _HEADER.pack(COMPACT_MAGIC, _VERSION, gaussians.sh_degree, 0, len(packed), len(kept), *origin)
    pack = zlib.compressobj(6, zlib.DEFLATED, 16 + zlib.MAX_WBITS, 9, zlib.Z_FILTERED)
    parts = [head]
    parts += [_column(pack, steps[:, k]) for k in range(8)]
    parts += [_column(pack, turns[:, k]) for k in range(turns.shape[1])]
    parts += [_column(pack, body[:, k]) for k in range(body.shape[1])]
    return b"".join([*parts, pack.compress(kept.astype("<f4").tobytes()), pack.flush()])


def decode_compact(data: bytes, source: object = "compact Gaussians") -> Gaussians:
    """Inverse of :func:`encode_compact` up to rounding and order; ``source`` is named in errors.

    Raises:
        DataError: not compact Gaussians, of a later version, or damaged.
    """
    if len(data) < _HEADER.size or data[:4] != COMPACT_MAGIC:
        raise problem(source, "it does not hold compact Gaussians")
    _, version, degree, _, count, kept, *origin = _HEADER.unpack_from(data)
    if version != _VERSION:
        raise problem(source, f"it is of version {version} and version {_VERSION} is read; update avrec")
    if degree > 3 or kept > count or count > MAX_GAUSSIANS or not np.isfinite(origin).all():
        raise problem(source, "its header is damaged")
    raw = gunzip(memoryview(data)[_HEADER.size :], source)
    coefficients, rounded = coefficients_for_degree(degree), count - kept
    width, row = 8 + 7 + 4 + 3 * coefficients, 11 + 3 * coefficients
    if len(raw) != rounded * width + kept * row * 4:
        raise problem(source, f"it holds {len(raw)} bytes, which are not those of {count} Gaussians")
    columns = np.frombuffer(raw, np.uint8, rounded * width).reshape(width, rounded)
    code = np.cumsum(np.ascontiguousarray(columns[:8].T).view("<u8")[:, 0] if rounded else np.zeros(0), dtype=np.uint64)
    packed = np.empty((count, row), np.float32)
    with np.errstate(all="ignore"):  # a damaged origin gives infinite positions, which are refused below
        for axis in range(3):
            packed[:rounded, axis] = _unspread(code >> np.uint64(axis)) * _POSITION_STEP_M + origin[axis]
    del code
    packed[:rounded, 3:7] = _turned(columns[8:15])
    body = columns[15:].view(np.int8)
    packed[:rounded, 7:10] = body[0:3].T / np.float32(_SCALE_STEPS) + np.float32(_MIDDLE_LOG_SCALE)
    packed[:rounded, 10] = logit(np.clip(body[3], 0.25, _OPACITY_STEPS - 0.25) / _OPACITY_STEPS)
    green, red, blue = body[4::3].T, body[5::3].T, body[6::3].T
    steps = np.full(coefficients, _BAND_STEPS, np.float32)
    steps[0] = _COLOR_STEPS
    sh = packed[:, 11:].reshape(count, coefficients, 3)
    sh[:rounded, :, 1] = green / steps
    sh[:rounded, :, 0] = (green.astype(np.int16) + red) / steps
    sh[:rounded, :, 2] = (green.astype(np.int16) + blue) / steps
    packed[rounded:] = np.frombuffer(raw, "<f4", kept * row, rounded * width).reshape(kept, row)
    try:
        return cleaned(Gaussians(packed), [])
    except DataError as error:
        raise problem(source, "none of its Gaussians has finite values") from error


def _column(pack: zlib._Compress, column: NDArray[np.uint8]) -> bytes:
    """One column, in blocks of its own: their codes fit its values and no other's."""
    return pack.compress(column.tobytes()) + pack.flush(zlib.Z_PARTIAL_FLUSH)


def _rounded(packed: Float32) -> Float32:
    """Scales, opacity and colours in their steps, float32 [N, 4 + 3K]; values beyond ±127 do not fit."""
    count = len(packed)
    coefficients = (packed.shape[1] - 11) // 3
    columns = np.empty((count, 4 + 3 * coefficients), np.float32)
    columns[:, 0:3] = np.rint((np.maximum(packed[:, 7:10], _LEAST_LOG_SCALE) - _MIDDLE_LOG_SCALE) * _SCALE_STEPS)
    columns[:, 3] = np.rint(sigmoid(packed[:, 10]) * _OPACITY_STEPS)
    sh = packed[:, 11:].reshape(count, coefficients, 3)
    steps = np.full((coefficients, 1), _BAND_STEPS, np.float32)
    steps[0] = _COLOR_STEPS
    whole = np.rint(np.clip(sh, -1e6, 1e6) * steps)
    columns[:, 4::3] = whole[:, :, 1]
    columns[:, 5::3] = whole[:, :, 0] - whole[:, :, 1]
    columns[:, 6::3] = whole[:, :, 2] - whole[:, :, 1]
    return columns


def _turn_steps(packed: Float32) -> NDArray[np.uint8]:
    """Rotations as bytes [N, 7]: index of the largest component, low and high bytes of the three others."""
    wide = packed[:, 3:7].astype(np.float64)
    lengths = np.linalg.norm(wide, axis=1, keepdims=True)
    wide[lengths[:, 0] == 0, 0] = 1.0
    wide /= np.where(lengths == 0, 1.0, lengths)
    largest = np.abs(wide).argmax(axis=1)
    wide *= np.where(np.take_along_axis(wide, largest[:, None], axis=1) < 0, -1, 1)
    steps = np.rint(wide[np.arange(4) != largest[:, None]].reshape(len(wide), 3) * _TURN_STEPS).astype(np.int64)
    folded = np.abs(steps) << 1 | (steps < 0)
    return np.concatenate([largest[:, None], folded & 255, folded >> 8], axis=1).astype(np.uint8)


def _turned(columns: NDArray[np.uint8]) -> Float64:
    """Inverse of :func:`_turn_steps` from [7, N]: quaternions [N, 4]."""
    index = (columns[0] & 3).astype(np.int64)
    folded = (columns[1:4].astype(np.int64) | columns[4:7].astype(np.int64) << 8).T
    quaternions = np.zeros((len(index), 4))
    others = np.where(folded & 1, -(folded >> 1), folded >> 1) / _TURN_STEPS
    quaternions[np.arange(4) != index[:, None]] = others.reshape(-1)
    rest = np.sqrt(np.maximum(0.0, 1.0 - np.einsum("ni,ni->n", quaternions, quaternions)))
    np.put_along_axis(quaternions, index[:, None], rest[:, None], axis=1)
    return quaternions


def _morton(whole: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Bits of x, y and z in turn, [N, 3] of 21 bits to [N] of 63."""
    result = np.zeros(len(whole), np.uint64)
    for axis in range(3):
        value = whole[:, axis].copy()
        for shift, mask in _SPREAD:
            value = (value | value << np.uint64(shift)) & np.uint64(mask)
        result |= value << np.uint64(axis)
    return result


def _unspread(code: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Every third bit of the codes, the inverse of the spreading above."""
    masks = [0x1FFFFF, *(mask for _, mask in _SPREAD[:-1])]
    value = code & np.uint64(_SPREAD[-1][1])
    for (shift, _), mask in zip(reversed(_SPREAD), reversed(masks), strict=True):
        value = (value | value >> np.uint64(shift)) & np.uint64(mask)
    return value
