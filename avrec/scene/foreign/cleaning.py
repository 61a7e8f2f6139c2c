"""What every reader does with the values it found: mend what has one meaning, drop what has none, and say so."""

from __future__ import annotations

import logging

import numpy as np
from numpy.typing import NDArray

from avrec.errors import DataError
from avrec.gaussians import Gaussians, coefficients_for_degree

__all__ = ["MAX_GAUSSIANS", "Notes", "cleaned", "logit", "report", "sigmoid", "without_empty_bands"]

MAX_GAUSSIANS = 60_000_000
"""More than any package can hold; a file that says it has more is damaged."""

Notes = list[str]
"""What a reader changed or left out, one sentence each."""

_LOG = logging.getLogger(__name__)
_ROWS = 1 << 16
_MOST_LOGIT = 16.0  # nearest to opacity 0 or 1 that float32 tells from it
_LEAST_LOG_SCALE = -20.0  # 2 nm: a flat Gaussian


def cleaned(cloud: Gaussians, notes: Notes) -> Gaussians:
    """The cloud with finite values only; what had to be done is added to ``notes``.

    Opacities of exactly 0 or 1 and scales of exactly 0 have infinite logits and logarithms, which become finite here;
    quaternions without a direction become the identity; any other value that is not finite drops its Gaussian.

    Args:
        cloud: freshly read; its memory is changed.
        notes: receives a sentence for each kind of repair.

    Raises:
        DataError: no Gaussian is left of those that were there.
    """
    packed = cloud.packed
    keep = np.ones(len(packed), np.bool_)
    turned = 0
    for start in range(0, len(packed), _ROWS):
        with np.errstate(all="ignore"):  # what overflows here is dropped
            keep[start : start + _ROWS], unturned = _mended(packed[start : start + _ROWS])
        turned += unturned
    if turned:
        notes.append(f"{turned} Gaussians had no rotation and were left unturned.")
    dropped = int(np.count_nonzero(~keep))
    if not dropped:
        return cloud
    if dropped == len(packed):
        raise DataError(f"None of its {dropped} Gaussians has finite values; export the file again.")
    notes.append(f"{dropped} of {len(packed)} Gaussians had values that are not finite and were dropped.")
    return cloud.take(keep)


def _mended(rows: NDArray[np.float32]) -> tuple[NDArray[np.bool_], int]:
    """Mend rows in place; which of them are finite then, and how many had no rotation."""
    scales, opacities, quaternions = rows[:, 7:10], rows[:, 10], rows[:, 3:7]
    scales[np.isneginf(scales)] = _LEAST_LOG_SCALE
    np.copyto(opacities, np.clip(opacities, -_MOST_LOGIT, _MOST_LOGIT), where=np.isinf(opacities))
    finite = np.asarray(np.isfinite(rows).all(axis=1))
    lengths = np.linalg.norm(quaternions.astype(np.float64), axis=1)
    odd = finite & ((lengths < 1e-15) | (lengths > 1e15))  # float32 would lose their squares
    whole = quaternions[odd].astype(np.float64)
    whole[lengths[odd] == 0, 0] = 1.0
    quaternions[odd] = whole / np.linalg.norm(whole, axis=1, keepdims=True)
    return finite, int(np.count_nonzero(odd & (lengths == 0)))


def without_empty_bands(cloud: Gaussians) -> Gaussians:
    """The same picture with the lowest spherical-harmonic degree that shows it."""
    degree = cloud.sh_degree
    while degree and not cloud.packed[:, 11 + 3 * coefficients_for_degree(degree - 1) :].any():
        degree -= 1
    return cloud if degree == cloud.sh_degree else cloud.with_sh_degree(degree)


def report(notes: Notes, into: Notes | None, source: object) -> None:
    """Hand notes to the caller who asked for them, or to the log."""
    if into is not None:
        into += notes
        return
    for note in notes:
        _LOG.warning("%s: %s", source, note)


def sigmoid(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Opacities 0..1 of float32 logits of any shape."""
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(logits, -60.0, 60.0))), np.float32)


def logit(opacities: NDArray[np.floating]) -> NDArray[np.float32]:
    """Logits of opacities; of what lies outside 0..1 too, as if it were 0 or 1, but not of NaN. Always float32."""
    inside = np.clip(np.asarray(opacities, np.float64), 1e-7, 1 - 1e-7)
    return np.asarray(np.log(inside) - np.log1p(-inside), np.float32)
