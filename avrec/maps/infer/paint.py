"""Where paint along the road shows in the mosaic, and how the road swings beside the driven path."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d, uniform_filter1d

from avrec.maps.infer.course import smoothed
from avrec.maps.infer.mosaic import D_CELL_M, S_CELL_M, Mosaic

__all__ = ["Paint", "paint_of", "shifted", "swing_of"]

Float64 = NDArray[np.float64]
Float32 = NDArray[np.float32]

ROW_M = 0.6
"""Along the road, one row of a paint map."""
# Odd numbers of cells of `D_CELL_M`, so that left and right are alike: paint, the ground beside it, a gap between.
_WIDTHS = (3, 5)
_BESIDE = 3
_GAP = 1
_MOST = 0.2
"""Contrast above which paint does not count more."""
_SWING_M = 4.0
_SWING_STEP_M = 0.1
_BEND_COST = 0.05
_STEEPEST = 1.5
_LOOK_M = 30.0
_TURNS = 5


@dataclass(frozen=True)
class Paint:
    """Bright narrow bands along the road.

    Attributes:
        contrast: float32 [R, D] by which a band is brighter than both its sides, as a share of their brightness,
            0.. `_MOST`; rows every `ROW_M`.
        seen: float32 [R, D] share of the cells that were seen.
        yellow: float32 [R, D], how much more red and green than blue the cells are, as a share of brightness.
        reach_m: offset of the outermost columns, which are `D_CELL_M` apart.
    """

    contrast: Float32
    seen: Float32
    yellow: Float32
    reach_m: float

    @property
    def stations(self) -> Float64:
        """Of the rows' middles, float64 [R]."""
        return np.asarray((np.arange(len(self.contrast)) + 0.5) * ROW_M - 0.5 * S_CELL_M, np.float64)

    @property
    def offsets(self) -> Float64:
        """Of the columns, float64 [D]."""
        return np.asarray(np.arange(self.contrast.shape[1]) * D_CELL_M - self.reach_m, np.float64)


def paint_of(mosaic: Mosaic) -> Paint:
    """Find paint that runs along the road."""
    grey = np.where(mosaic.seen, mosaic.rgb.mean(axis=2), np.nan).astype(np.float32)
    grey = _along(grey)
    best = np.zeros(grey.shape, np.float32)
    for width in _WIDTHS:
        # Only what is brighter than both sides: an edge between two grounds is not.
        inner = _mean(grey, 0, width)
        away = width // 2 + _GAP + _BESIDE // 2 + 1
        left, right = _mean(grey, away, _BESIDE), _mean(grey, -away, _BESIDE)
        with np.errstate(invalid="ignore"):
            rise = (inner - np.maximum(left, right)) / (np.maximum(left, right) + 12.0)
            even = np.abs(left - right) < 0.8 * np.maximum(inner - np.maximum(left, right), 0.0) + 6.0
        best = np.fmax(best, np.where(even, rise, 0.0))
    colour = mosaic.rgb.astype(np.float32)
    yellow = (np.minimum(colour[..., 0], colour[..., 1]) - colour[..., 2]) / (colour.mean(axis=2) + 12.0)
    return Paint(
        _rows(np.clip(np.nan_to_num(best), 0.0, _MOST)),
        _rows(np.isfinite(grey).astype(np.float32)),
        _rows(np.where(mosaic.seen, yellow, 0.0).astype(np.float32)),
        mosaic.reach_m,
    )


def swing_of(paint: Paint) -> Float64:
    """Offset [R] of the road's own course beside the driven path, at the paint's rows.

    Lines keep their distances from one another. So each row is shifted to match the mean of the rows around it, again
    and again, with the shift changing smoothly along the road.
    """
    rows = len(paint.contrast)
    steps = round(_SWING_M / _SWING_STEP_M)
    shifts = np.asarray(np.arange(-steps, steps + 1) * _SWING_STEP_M, np.float64)
    swing = np.zeros(rows)
    strength = np.asarray(paint.contrast, np.float64)
    # Zebra crossings and clutter are bright all over: a row counts less, the more columns share its brightness.
    spread = strength.sum(axis=1) ** 2 / np.maximum((strength**2).sum(axis=1), 1e-9)
    usual = float(np.median(spread[spread > 0])) if (spread > 0).any() else 1.0
    strength *= np.minimum(1.0, usual / np.maximum(spread, 1e-9))[:, None] ** 2
    strength = strength - strength.mean(axis=1, keepdims=True)
    for turn in range(_TURNS):
        blur = max(0.5 * 0.6**turn, 0.1) / D_CELL_M
        soft = gaussian_filter1d(strength, blur, axis=1)
        around = gaussian_filter1d(shifted(strength, swing), _LOOK_M / ROW_M / 2, axis=0, mode="nearest")
        around = gaussian_filter1d(around, blur, axis=1)
        around /= np.maximum(np.linalg.norm(around, axis=1, keepdims=True), 1e-9)
        # match[r, k]: agreement of row r, moved by shift k, with its surroundings
        match = np.stack([(shifted(soft, np.full(rows, shift)) * around).sum(axis=1) for shift in shifts], axis=1)
        swing = _smoothest(match / max(float(np.abs(match).max(axis=1).mean()), 1e-9), shifts)
        swing = smoothed(swing, 3.0 / ROW_M)
        swing -= np.median(swing)
    return np.asarray(swing)


def shifted(values: NDArray[np.floating], shift_m: Float64) -> Float64:
    """Rows [R, D] read ``shift_m[r]`` farther to the left: column d of the result is d + shift; 0 outside."""
    columns = np.arange(values.shape[1]) + (shift_m / D_CELL_M)[:, None]
    low = np.floor(columns).astype(np.int64)
    part = columns - low
    inside = (low >= 0) & (low < values.shape[1] - 1)
    low = np.where(inside, low, 0)
    rows = np.arange(len(values))[:, None]
    return np.where(inside, values[rows, low] * (1 - part) + values[rows, low + 1] * part, 0.0)


def _smoothest(match: Float64, shifts: Float64) -> Float64:
    """The sequence of shifts with the best sum of matches less the cost of changes (dynamic programming)."""
    change = np.abs(np.subtract.outer(shifts, shifts)) / _SWING_STEP_M
    cost = _BEND_COST * change**2 + np.where(change > _STEEPEST, 10.0, 0.0)
    best = match[0].copy()
    came = np.zeros(match.shape, np.int64)
    for row in range(1, len(match)):
        ways = best[:, None] - cost
        came[row] = np.argmax(ways, axis=0)
        best = ways[came[row], np.arange(len(shifts))] + match[row]
    path = np.empty(len(match), np.int64)
    path[-1] = int(np.argmax(best))
    for row in range(len(match) - 1, 0, -1):
        path[row - 1] = came[row, path[row]]
    return np.asarray(shifts[path])


def _along(grey: Float32) -> Float32:
    """Mean over half a metre along the road of what was seen."""
    known = np.isfinite(grey)
    size = round(0.6 / S_CELL_M)
    total = uniform_filter1d(np.where(known, grey, 0.0), size, axis=0, mode="constant")
    share = uniform_filter1d(known.astype(np.float32), size, axis=0, mode="constant")
    return np.where(known, total / np.maximum(share, 1e-6), np.nan).astype(np.float32)


def _mean(grey: Float32, away: int, cells: int) -> Float32:
    """Mean over an odd number of cells across the road, ``away`` cells to the left; NaN where some of it is unseen."""
    columns = np.arange(grey.shape[1])[None] + away + np.arange(-(cells // 2), cells // 2 + 1)[:, None]
    inside = (columns >= 0) & (columns < grey.shape[1])
    bands = np.where(inside[:, None, :], grey[:, columns.clip(0, grey.shape[1] - 1)].transpose(1, 0, 2), np.nan)
    return np.asarray(bands.mean(axis=0), np.float32)


def _rows(values: Float32) -> Float32:
    """Cells joined to rows of `ROW_M`."""
    size = round(ROW_M / S_CELL_M)
    rows = max(len(values) // size, 1)
    kept = values[: rows * size]
    return np.asarray(kept.reshape(rows, -1, values.shape[1]).mean(axis=1), np.float32)
