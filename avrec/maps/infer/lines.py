"""Lines along the road: paint and kerbs traced from row to row."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d, median_filter

from avrec.maps.infer.mosaic import D_CELL_M
from avrec.maps.infer.paint import ROW_M, Paint, shifted
from avrec.maps.infer.surface import D_STEP_M, S_STEP_M, Surface

__all__ = ["Line", "kerb_lines", "paint_lines"]

Float64 = NDArray[np.float64]
Bool = NDArray[np.bool_]

_REACH_M = 8.0
"""Standard deviation of the stretch of road that is looked at for one row."""
_LEAST = 0.015
_ABOVE_AROUND = 2.5
_AROUND_M = 1.2
_SIDESTEP_M = 0.2
_PAUSE_M = 15.0
_JOIN_M, _JOIN_GAP_M, _OVERLAP_M = 0.6, 60.0, 4.0
_SHORTEST_M = 5.0
_LEAST_LIT_M = 2.4
_FULL_CONTRAST, _FULL_RISE_M = 0.07, 0.10
_LEAST_RISE_M = 0.045
_KERB_SPAN_M = 0.5
_HIGHEST_KERB_M = 0.35
_LONGEST_DASH_M = 9.0


@dataclass(frozen=True)
class Line:
    """A line along the road, in straightened coordinates (offsets from the road's own course).

    Attributes:
        kind: ``"paint"`` or ``"curb"``.
        rows: int64 [N] rows at which it was found, rising.
        offsets: float64 [N].
        evidence: float64 [N], 0..1.
        lit: bool [R] rows of the whole road that show it; seen: bool [R] rows where it would show.
        yellow: whether it is.
    """

    kind: Literal["paint", "curb"]
    rows: NDArray[np.int64]
    offsets: Float64
    evidence: Float64
    lit: Bool
    seen: Bool
    yellow: bool = False

    def at(self, rows: NDArray[np.int64]) -> Float64:
        """Offsets at any rows; held beyond its ends."""
        return np.asarray(np.interp(rows, self.rows, self.offsets))

    def evidence_at(self, row: int) -> float:
        """0 where the line is not."""
        if row < self.rows[0] or row > self.rows[-1]:
            return 0.0
        return float(np.interp(row, self.rows, self.evidence))

    def mark(self, first: int, last: int) -> Literal["solid", "broken", "curb"]:
        """What it looks like between two rows."""
        if self.kind == "curb":
            return "curb"
        lit, seen = self.lit[first:last], self.seen[first:last]
        # Long stretches without any paint are crossings, not gaps between dashes.
        near = gaussian_filter1d(lit.astype(np.float64), 3.5 / ROW_M, mode="nearest") > 0.08
        usable = seen & near
        duty = float(lit[usable].mean()) if usable.sum() >= 3 else 0.0
        longest = run = 0
        for on in lit[seen]:
            run = run + 1 if on else 0
            longest = max(longest, run)
        return "solid" if duty > 0.75 or (duty > 0.4 and longest * ROW_M > _LONGEST_DASH_M) else "broken"


def paint_lines(paint: Paint, swing: Float64) -> list[Line]:
    """Lines of paint.

    Args:
        paint: the paint map.
        swing: float64 [R] offset of the road's course beside the driven path, at the map's rows.
    """
    contrast, seen = shifted(paint.contrast, swing), shifted(paint.seen, swing)
    yellow = shifted(paint.yellow, swing)
    share = gaussian_filter1d(seen, _REACH_M / ROW_M, axis=0, mode="nearest")
    mean = gaussian_filter1d(contrast, _REACH_M / ROW_M, axis=0, mode="nearest") / np.maximum(share, 0.1)
    mean = gaussian_filter1d(mean, 1.0, axis=1)
    around = median_filter(mean, (1, 2 * round(_AROUND_M / D_CELL_M) + 1), mode="nearest")
    found = _traced(mean, _LEAST + _ABOVE_AROUND * around, D_CELL_M, paint.reach_m)
    lines = []
    for rows, offsets, strength in found:
        evidence = np.clip(strength / _FULL_CONTRAST, 0.0, 1.0)
        line = Line("paint", rows, offsets, evidence, *_lit(contrast, seen, rows, offsets, paint))
        if line.lit.sum() * ROW_M >= _LEAST_LIT_M:
            lines.append(replace(line, yellow=_is_yellow(yellow, line, paint)))
    return lines


def kerb_lines(surface: Surface, swing: Float64, stations: Float64) -> list[Line]:
    """Steps up from the road to both sides.

    Args:
        surface: heights over the driven path.
        swing: float64 [R] offset of the road's course beside the driven path.
        stations: float64 [R] where the rows are.
    """
    row = np.clip(np.rint(stations / S_STEP_M).astype(np.int64), 0, len(surface.relief) - 1)
    places = np.arange(surface.relief.shape[1])
    columns = places + (swing / D_STEP_M)[:, None]
    relief, known = (
        np.stack([np.interp(at, places, values[i]) for at, i in zip(columns, row, strict=True)])
        for values in (surface.relief, surface.measured.astype(np.float64))
    )
    half, wide = round(_KERB_SPAN_M / 2 / D_STEP_M), round(1.0 / D_STEP_M)
    lines: list[Line] = []
    for side in (1, -1):
        rise = side * (_moved(relief, half) - _moved(relief, -half))
        # A road that leans has no kerb.
        lean = np.maximum(_moved(relief, -side * half) - _moved(relief, -side * (half + wide)), 0.0)
        step = np.where(rise < _HIGHEST_KERB_M, rise - lean * (2 * half / wide), 0.0)
        weight = _moved(known, half) * _moved(known, -half) + 0.02
        outside = side * (surface.offsets + swing[:, None]) > 0.8
        share = gaussian_filter1d(weight, 4.0 / ROW_M, axis=0, mode="nearest")
        step = np.where(outside, np.clip(step, 0.0, 0.25), 0.0)
        mean = gaussian_filter1d(step * weight, 4.0 / ROW_M, axis=0, mode="nearest") / share
        mean = gaussian_filter1d(mean, 1.0, axis=1)
        for rows, offsets, strength in _traced(mean, np.full(mean.shape, _LEAST_RISE_M), D_STEP_M, surface.reach_m):
            all_rows = np.zeros(len(stations), bool)
            all_rows[rows] = True
            lines.append(Line("curb", rows, offsets, np.clip(strength / _FULL_RISE_M, 0.0, 1.0), all_rows, all_rows))
    return lines


def _moved(values: Float64, columns: int) -> Float64:
    """Columns read farther to the left by some columns; the edge is held."""
    index = np.clip(np.arange(values.shape[1]) + columns, 0, values.shape[1] - 1)
    return np.asarray(values[:, index])


def _traced(
    mean: Float64, least: Float64, cell_m: float, reach_m: float
) -> list[tuple[NDArray[np.int64], Float64, Float64]]:
    """Ridges along the rows: (rows, offsets, heights) of each."""
    inner = mean[:, 1:-1]
    peak = (inner > mean[:, :-2]) & (inner >= mean[:, 2:]) & (inner > least[:, 1:-1])
    active: list[list[tuple[int, float, float]]] = []
    done: list[list[tuple[int, float, float]]] = []
    for row in range(len(mean)):
        keep: list[list[tuple[int, float, float]]] = []
        for trace in active:
            (keep if (row - trace[-1][0]) * ROW_M <= _PAUSE_M else done).append(trace)
        active = keep
        places = np.flatnonzero(peak[row]) + 1
        order = places[np.argsort(-mean[row, places])]
        taken: set[int] = set()
        for column in order:
            low, here, high = mean[row, column - 1 : column + 2]
            bend = low - 2 * here + high
            offset = (column + (0.5 * (low - high) / bend if bend < 0 else 0.0)) * cell_m - reach_m
            near = [(abs(trace[-1][1] - offset), index) for index, trace in enumerate(active) if index not in taken]
            gap, index = min(near, default=(np.inf, -1))
            if gap <= _SIDESTEP_M:
                active[index].append((row, offset, float(here)))
                taken.add(index)
            else:
                taken.add(len(active))
                active.append([(row, offset, float(here))])
    done += active
    return _joined([np.array(trace) for trace in done if len(trace) * ROW_M >= _SHORTEST_M])


def _joined(traces: list[Float64]) -> list[tuple[NDArray[np.int64], Float64, Float64]]:
    """Traces that continue one another made one, and smoothed."""
    traces = sorted(traces, key=lambda trace: trace[0, 0])
    merged: list[Float64] = []
    for trace in traces:
        best, gap = -1, _JOIN_M
        for index, before in enumerate(merged):
            apart = (trace[0, 0] - before[-1, 0]) * ROW_M
            aside = abs(float(np.median(before[-20:, 1]) - np.median(trace[:20, 1])))
            if -_OVERLAP_M < apart < _JOIN_GAP_M and aside < gap and trace[-1, 0] > before[-1, 0]:
                best, gap = index, aside
        if best < 0:
            merged.append(trace)
        else:
            merged[best] = np.concatenate([merged[best], trace[trace[:, 0] > merged[best][-1, 0]]])
    found = []
    for trace in merged:
        rows = trace[:, 0].astype(np.int64)
        every = np.arange(rows[0], rows[-1] + 1)
        offsets = gaussian_filter1d(np.interp(every, rows, trace[:, 1]), 5.0 / ROW_M, mode="nearest")
        found.append((rows, np.asarray(offsets[rows - rows[0]]), trace[:, 2]))
    return found


def _lit(
    contrast: Float64, seen: Float64, rows: NDArray[np.int64], offsets: Float64, paint: Paint
) -> tuple[Bool, Bool]:
    """Rows of the road that show the line, and those where it was in view."""
    everywhere = np.arange(len(contrast))
    column = (np.interp(everywhere, rows, offsets) + paint.reach_m) / D_CELL_M
    near = np.clip(np.rint(column).astype(np.int64)[:, None] + np.arange(-3, 4), 0, contrast.shape[1] - 1)
    peak = contrast[everywhere[:, None], near].max(axis=1)
    within = (everywhere >= rows[0]) & (everywhere <= rows[-1])
    visible = (seen[everywhere[:, None], near].mean(axis=1) > 0.9) & within
    bright = float(np.percentile(peak[visible], 85)) if visible.any() else 0.0
    return (peak > max(0.45 * bright, 0.03)) & visible, visible


def _is_yellow(yellow: Float64, line: Line, paint: Paint) -> bool:
    rows = np.flatnonzero(line.lit)
    if len(rows) < 3:
        return False
    column = np.rint((line.at(rows) + paint.reach_m) / D_CELL_M).astype(np.int64)
    on = yellow[rows, column.clip(0, yellow.shape[1] - 1)]
    beside = yellow[rows[:, None], np.clip(column[:, None] + np.array([-8, -7, 7, 8]), 0, yellow.shape[1] - 1)]
    return bool(np.median(on - beside.mean(axis=1)) > 0.15)
