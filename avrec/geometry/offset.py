"""A pose beside the driven one, in words a person types."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from avrec.errors import AvrecError
from avrec.geometry.transforms import matrix_from_rpy, transform_from

__all__ = ["Offset"]


@dataclass(frozen=True)
class Offset:
    """Shift and turn of the rig against where it was recorded.

    Attributes:
        left_m, up_m, forward_m: metres along the recorded rig's axes.
        yaw_deg: degrees, positive turns the nose left.
        pitch_deg: degrees, positive dips the nose (right-handed turn about the leftward axis).
        roll_deg: degrees, positive drops the right side.

    Raises:
        AvrecError: a value is not finite.
    """

    left_m: float = 0.0
    up_m: float = 0.0
    forward_m: float = 0.0
    yaw_deg: float = 0.0
    pitch_deg: float = 0.0
    roll_deg: float = 0.0

    def __post_init__(self) -> None:
        for entry in fields(self):
            value = getattr(self, entry.name)
            if not np.isfinite(value):
                raise AvrecError(f"The offset's {entry.name} is {value}. Give a finite number.")

    @property
    def rig_from_offset(self) -> NDArray[np.float64]:
        """Pose of the shifted rig in the recorded rig's frame, float64 [4, 4]: ``Rz(yaw) Ry(pitch) Rx(roll)``."""
        turn = matrix_from_rpy(*np.radians((self.roll_deg, self.pitch_deg, self.yaw_deg)))
        return transform_from(turn, (self.forward_m, self.left_m, self.up_m))
