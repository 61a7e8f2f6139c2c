"""Checks that every reader shares: finite numbers, rigid matrices, time that runs forward."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from avrec.errors import DataError

__all__ = ["check_increasing", "finite_array", "integer", "number", "rigid_matrix"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]


def finite_array(value: Any, shape: tuple[int, ...], what: str) -> Float64:
    """``value`` as a float64 array of ``shape`` (-1 matches any length).

    Raises:
        DataError: not numbers, another shape, NaN or infinite.
    """
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise DataError(f"{what} is not a table of numbers. Correct it in the recording.") from None
    fits = array.ndim == len(shape) and all(want in (-1, have) for want, have in zip(shape, array.shape, strict=True))
    if not fits:
        wanted = "x".join("N" if size == -1 else str(size) for size in shape)
        found = "x".join(str(size) for size in array.shape) or "a single value"
        raise DataError(f"{what} must have {wanted} numbers; found {found}. Correct it in the recording.")
    if not np.isfinite(array).all():
        raise DataError(f"{what} contains NaN or infinite numbers. Correct it or leave this record out.")
    return array


def rigid_matrix(value: Any, what: str) -> Float64:
    """``value`` as a rigid transform, float64 [4, 4] (3x4 is completed); a rounded rotation made orthonormal.

    Raises:
        DataError: not finite, not 4x4, or not a rotation and a translation (1e-2 allowed, as text files round).
    """
    matrix = np.eye(4)
    rows = 3 if isinstance(value, (list, tuple)) and len(value) == 3 else 4
    matrix[:rows] = finite_array(value, (rows, 4), what)
    rotation = matrix[:3, :3]
    deviation = np.abs(rotation @ rotation.T - np.eye(3)).max() if np.abs(rotation).max() < 2 else np.inf
    if deviation > 1e-2 or np.linalg.det(rotation) < 0:
        raise DataError(
            f"{what} is not a rigid transform: its 3x3 part is scaled, skewed or mirrored. "
            "Store a rotation and a translation in metres."
        )
    if deviation > 1e-9:  # numbers written in full come back bit for bit
        left, _, right = np.linalg.svd(rotation)
        matrix[:3, :3] = left @ right
    matrix[3] = (0.0, 0.0, 0.0, 1.0)
    return matrix


def number(value: Any, what: str) -> float:
    """``value`` as a finite float.

    Raises:
        DataError: missing, not a number, NaN or infinite.
    """
    return float(finite_array(value, (), what))


def integer(value: Any, what: str) -> int:
    """``value`` as an int, exact for whole numbers of any size that a timestamp may have.

    Raises:
        DataError: not a whole number, or beyond what 62 bits hold.
    """
    if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 2**62:  # false for NaN
        return round(value)
    raise DataError(f"{what} must be a whole number; found {value!r}. Correct it in the recording.")


def check_increasing(
    times_us: Int64, what: str, remedy: str = "Sort the recording by time or correct its clock."
) -> None:
    """Require strictly increasing times.

    Raises:
        DataError: naming the first record that runs backwards or repeats.
    """
    steps = np.diff(times_us)
    wrong = np.flatnonzero(steps <= 0)
    if len(wrong) == 0:
        return
    at = int(wrong[0]) + 1
    step = int(steps[at - 1])
    how = f"run backwards by {-step / 1e6:g} s" if step < 0 else "repeat"
    raise DataError(f"The timestamps of {what} {how} at record {at} (counting from 0). {remedy}")
