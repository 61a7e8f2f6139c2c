"""Lidars by name: which way their lasers look, and how fast they turn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avrec.errors import AvrecError

__all__ = ["LIDARS", "LidarModel", "lidar_named"]

Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class LidarModel:
    """A spinning lidar.

    Attributes:
        elevations_deg: of the lasers, positive up, the highest first.
        columns: measurements of each laser in a turn.
        range_m: how far it sees.
        near_m: nearer returns are dropped.
        fov_deg: horizontal; 360, or an opening centred on the front.
    """

    elevations_deg: tuple[float, ...]
    columns: int
    range_m: float
    near_m: float = 1.0
    fov_deg: float = 360.0

    def __post_init__(self) -> None:
        fine = 1 <= len(self.elevations_deg) <= 1024 and 1 <= self.columns <= 36_000 and 0.0 < self.fov_deg <= 360.0
        if not (fine and 0.0 <= self.near_m < self.range_m and max(map(abs, self.elevations_deg)) < 80.0):
            raise AvrecError(
                "A lidar has 1 to 1024 lasers within 80 degrees of the level, 1 to 36000 columns, an opening of up to "
                "360 degrees and a range beyond its nearest return. Correct the model."
            )


def _even(top: float, bottom: float, count: int) -> tuple[float, ...]:
    return tuple(float(value) for value in np.linspace(top, bottom, count))


# Lasers of the VLP-32C from its data sheet: dense in the middle, sparse at the ends.
_VLP_32C = (
    15.0, 10.333, 7.0, 4.667, 3.333, 2.333, 1.667, 1.333, 1.0, 0.667, 0.333, 0.0, -0.333, -0.667, -1.0, -1.333,
    -1.667, -2.0, -2.333, -2.667, -3.0, -3.333, -3.667, -4.0, -4.667, -5.333, -6.148, -7.254, -8.843, -11.31,
    -15.639, -25.0,
)  # fmt: skip
# 64 lasers a sixth of a degree apart around the level, a degree apart below and above.
_PANDAR_128 = (*_even(15.0, 3.0, 25), *_even(2.875, -6.0, 72), *_even(-6.5, -21.5, 31))

LIDARS: Mapping[str, LidarModel] = {
    "VLP-16": LidarModel(_even(15.0, -15.0, 16), 1800, 100.0),
    "VLP-32C": LidarModel(_VLP_32C, 1800, 200.0),
    "HDL-64E": LidarModel((*_even(2.0, -8.33, 32), *_even(-8.83, -24.33, 32)), 2083, 120.0),
    "OS1-64": LidarModel(_even(22.5, -22.5, 64), 1024, 120.0, 0.5),
    "OS1-128": LidarModel(_even(22.5, -22.5, 128), 1024, 120.0, 0.5),
    "PANDAR128": LidarModel(_PANDAR_128, 1800, 200.0),
    "AT128": LidarModel(_even(12.9, -12.5, 128), 1200, 200.0, fov_deg=120.0),
}
"""Lasers as in the data sheets where they say; where they only give the opening, evenly spread in it."""


def lidar_named(model: str | LidarModel) -> LidarModel:
    """The lidar that a user means; spelling as in the data sheets, capitals and dashes aside.

    Raises:
        AvrecError: there is none of that name.
    """
    if isinstance(model, LidarModel):
        return model
    plain = {_plain(name): found for name, found in LIDARS.items()}
    if _plain(model) not in plain:
        raise AvrecError(f"No lidar is named '{model}'. Known are {', '.join(LIDARS)}; or give a LidarModel.")
    return plain[_plain(model)]


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())
