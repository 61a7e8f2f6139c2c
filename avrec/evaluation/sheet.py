"""The picture sheet: recorded, rendered and their difference side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from avrec.rendering.files import write_png

__all__ = ["SheetRow", "error_picture", "write_sheet"]

UInt8 = NDArray[np.uint8]

_TILE_WIDTH_PX, _CAPTION_PX, _GAP_PX = 480, 22, 4
_ERROR_GAIN = 4.0


@dataclass(frozen=True)
class SheetRow:
    """One line of the sheet: a caption and two uint8 RGB pictures [H, W, 3] of one size."""

    caption: str
    recorded: UInt8
    rendered: UInt8


def error_picture(first: UInt8, second: UInt8) -> UInt8:
    """Mean absolute colour difference, four times amplified, as colour from black over red to white."""
    difference = np.abs(first.astype(np.float32) - second.astype(np.float32)).mean(axis=-1) * _ERROR_GAIN
    level = np.asarray(np.clip(np.rint(difference), 0, 255), np.uint8)
    return np.asarray(cv2.applyColorMap(level, cv2.COLORMAP_HOT)[..., ::-1], np.uint8)


def write_sheet(path: str | Path, rows: Sequence[SheetRow]) -> Path:
    """Write the rows under each other as one PNG.

    Raises:
        OutputError: the disk refuses.
    """
    lines = [_line(row) for row in rows]
    width = max(line.shape[1] for line in lines)
    padded = [np.pad(line, ((0, 0), (0, width - line.shape[1]), (0, 0)), constant_values=255) for line in lines]
    target = Path(path)
    write_png(target, np.concatenate(padded, axis=0))
    return target


def _line(row: SheetRow) -> UInt8:
    tiles = [row.recorded, row.rendered, error_picture(row.recorded, row.rendered)]
    titles = [f"recorded  {row.caption}", "rendered", f"error x{_ERROR_GAIN:g}"]
    high, wide = row.recorded.shape[:2]
    width = min(_TILE_WIDTH_PX, wide)
    size = (width, max(1, round(high * width / wide)))
    cells = []
    for tile, title in zip(tiles, titles, strict=True):
        canvas = np.full((size[1] + _CAPTION_PX + _GAP_PX, width + _GAP_PX, 3), 255, np.uint8)
        canvas[_CAPTION_PX : _CAPTION_PX + size[1], :width] = cv2.resize(tile, size, interpolation=cv2.INTER_AREA)
        cv2.putText(canvas, title, (2, 15), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (0, 0, 0), 1, cv2.LINE_AA)
        cells.append(canvas)
    return np.concatenate(cells, axis=1)
