"""Names of the columns of the world's motion table, one row per actor."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["ACCELERATION", "COLUMNS", "POSE", "SPIN", "VELOCITY", "Float64"]

Float64 = NDArray[np.float64]

POSE = slice(0, 6)
"""x, y, z in metres; roll, pitch, yaw in radians."""
VELOCITY = slice(6, 9)
"""m/s in the world."""
SPIN = slice(9, 12)
"""Angular velocity in rad/s about the world's axes."""
ACCELERATION = slice(12, 15)
"""m/s² in the world."""
COLUMNS = 15
