"""When each line of a picture is exposed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from avrec.errors import DataError

__all__ = ["GLOBAL_SHUTTER", "Shutter", "ShutterDirection"]


class ShutterDirection(StrEnum):
    """Order in which the lines of a sensor start their exposure."""

    TOP_TO_BOTTOM = "top_to_bottom"
    BOTTOM_TO_TOP = "bottom_to_top"
    LEFT_TO_RIGHT = "left_to_right"
    RIGHT_TO_LEFT = "right_to_left"
    GLOBAL = "global"


@dataclass(frozen=True)
class Shutter:
    """How a sensor reads its lines.

    Attributes:
        direction: order of the lines; a string of `ShutterDirection` will do.
        readout_us: from the start of the first exposed line to the start of the last one; ignored by a global shutter.
        exposure_us: how long each line is exposed.

    Raises:
        DataError: an unknown direction, or a time that is negative or not finite.
    """

    direction: ShutterDirection = ShutterDirection.GLOBAL
    readout_us: float = 0
    exposure_us: float = 0

    def __post_init__(self) -> None:
        try:
            object.__setattr__(self, "direction", ShutterDirection(self.direction))
        except ValueError as error:
            known = ", ".join(ShutterDirection)
            raise DataError(f"Unknown shutter direction {self.direction!r}. Use one of {known}.") from error
        for name in ("readout_us", "exposure_us"):
            value = getattr(self, name)
            if not (np.isfinite(value) and value >= 0):
                raise DataError(f"A shutter's {name} is {value}. Give a time in microseconds of zero or more.")

    @property
    def axis(self) -> Literal["rows", "columns", "none"]:
        """What a line is: pixel rows, pixel columns, or the whole picture at once."""
        if self.direction in (ShutterDirection.TOP_TO_BOTTOM, ShutterDirection.BOTTOM_TO_TOP):
            return "rows"
        if self.direction in (ShutterDirection.LEFT_TO_RIGHT, ShutterDirection.RIGHT_TO_LEFT):
            return "columns"
        return "none"

    def lines(self, width: int, height: int) -> int:
        """Number of lines of a picture of this size: its rows, its columns, or one."""
        return {"rows": height, "columns": width, "none": 1}[self.axis]

    def line_times_us(self, width: int, height: int) -> NDArray[np.float64]:
        """Middle of each line's exposure, counted from the start of the first exposed line.

        Returns:
            float64 [L] microseconds; entry i belongs to pixel row (column) i whatever the direction. L is 1 for a
            global shutter.
        """
        count = self.lines(width, height)
        fraction = np.arange(count, dtype=np.float64) / max(count - 1, 1)
        if self.direction in (ShutterDirection.BOTTOM_TO_TOP, ShutterDirection.RIGHT_TO_LEFT):
            fraction = fraction[::-1]
        return np.asarray(fraction * float(self.readout_us) + 0.5 * float(self.exposure_us))

    def resized_line_times_us(
        self, recorded: tuple[int, int], sized: tuple[int, int], *, rolling: bool = True
    ) -> tuple[NDArray[np.float64], Literal["rows", "columns", "none"]]:
        """Line times of a picture recorded at one (width, height) and made at another, and the axis of its lines.

        Row i of H samples the recorded row ``(i + .5) * H_recorded / H - .5``; shutters run evenly, so rows beyond the
        recorded ones continue the line. Without ``rolling`` the whole picture is taken at the middle of the readout.
        """
        offsets = self.line_times_us(*recorded)
        if self.axis == "none" or len(offsets) == 1 or not rolling:
            return np.asarray(offsets.mean(keepdims=True)), "none"
        lines = self.lines(*sized)
        if lines != len(offsets):
            source = (np.arange(lines) + 0.5) * len(offsets) / lines - 0.5
            offsets = offsets[0] + source * (offsets[-1] - offsets[0]) / (len(offsets) - 1)
        return offsets, self.axis


GLOBAL_SHUTTER = Shutter()
"""All lines at one instant."""
