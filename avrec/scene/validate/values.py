"""Numbers out of JSON that may hold anything: an array of the wanted shape, or a text that says what is wrong."""

from __future__ import annotations

import json
import math
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from avrec.errors import DataError

__all__ = ["Float64", "Int64", "Shape", "entry", "floats", "is_rotation", "is_text", "parse_json", "plain", "times"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
Shape = tuple[int | None, ...]

_MAX_CONTAINERS = 4_000_000


def parse_json(data: bytes) -> Any:
    """JSON as Python's own parser takes it, NaN included, since that is what the consumers use.

    Raises:
        DataError: no JSON, or far more nested or numerous values than a scene has.
    """
    if data.count(b"[") + data.count(b"{") > _MAX_CONTAINERS:
        raise DataError(f"it has more than {_MAX_CONTAINERS} lists and objects")
    try:
        return json.loads(data)
    except (ValueError, RecursionError, MemoryError) as reason:  # ValueError covers bad UTF-8 and over-long integers
        raise DataError(f"it is not valid JSON ({str(reason)[:120]})") from reason


def entry(value: Any, *keys: str) -> Any:
    """``value[keys[0]][keys[1]]...``; None where a key is missing or something on the way is no dictionary."""
    for key in keys:
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value


def is_text(value: Any) -> TypeGuard[str]:
    """Whether it is a text that is not empty."""
    return isinstance(value, str) and bool(value)


def floats(value: Any, shape: Shape) -> Float64 | str:
    """Finite numbers as float64 of a shape (None is any length), or what is wrong with them."""
    array = _array(value, shape)
    if isinstance(array, str):
        return array
    numbers = array.astype(np.float64)
    if not np.isfinite(numbers).all():
        return f"has {np.count_nonzero(~np.isfinite(numbers))} values that are not finite"
    return numbers


def times(value: Any, shape: Shape) -> Int64 | str:
    """JSON integers within 64 bits as int64 of a shape, or what is wrong with them."""
    array = _array(value, shape)
    if isinstance(array, str):
        return array
    if array.size and array.dtype.kind != "i":
        return "has times that are not JSON integers of 64 bits"
    return array.astype(np.int64)


def _array(value: Any, shape: Shape) -> NDArray[Any] | str:
    wanted = f"[{', '.join('N' if size is None else str(size) for size in shape)}]"
    if value is None:
        return f"is missing; it should be numbers of shape {wanted}"
    if not isinstance(value, list):
        return f"is no list of shape {wanted}"
    if not value and shape[0] is None:
        return np.zeros([size or 0 for size in shape])
    try:
        array = np.array(value)
    except (ValueError, TypeError, OverflowError, RecursionError):
        return f"is uneven or too deep; it should have shape {wanted}"
    if array.ndim != len(shape) or any(size not in (None, have) for size, have in zip(shape, array.shape, strict=True)):
        return f"has shape {list(array.shape)}; it should be {wanted}"
    if array.dtype.kind not in "iuf":
        return "has values that are no numbers"
    return array


def is_rotation(matrices: Float64) -> bool:
    """Whether all [..., 3, 3] are rotations, to 1e-3."""
    with np.errstate(all="ignore"):
        product = matrices @ np.swapaxes(matrices, -1, -2)
        close = np.abs(product - np.eye(3)).max(initial=0.0) < 1e-3
        return bool(close and (np.linalg.det(matrices) > 0).all())


def plain(number: float) -> str:
    """A number for a message."""
    return f"{number:.4g}" if math.isfinite(number) else str(number)
