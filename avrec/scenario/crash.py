"""What a collision does to the speed of an actor, where no simulator's physics tell."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from avrec.scenario.boxes import Box

__all__ = ["after_hit", "mass_of"]

Float64 = NDArray[np.float64]

RESTITUTION = 0.1
"""Of two bodies that crumple."""
KG_PER_M3 = 110.0
"""Of a box round a car (1,300 kg in 12 m³), and round a person (60 kg in 0.5 m³)."""


def mass_of(size_m: Float64) -> float:
    """Kilograms of a road user, from the size [3] of the box."""
    return KG_PER_M3 * float(np.prod(size_m))


def after_hit(mine: Box, other: Box, share: float = 1.0) -> Float64:
    """Velocity [2] of a box after another one ran into it, or it into that one.

    A central impact with a coefficient of restitution: along the axis on which the boxes overlap least the two part at
    a tenth of the speed at which they met; across it nothing changes. Who moves apart already does so.

    Args:
        mine: whose velocity is wanted.
        other: the one that was met.
        share: of the change of speed that ``mine`` takes: the other's mass over both; 1 where the other gives way to
            nobody.
    """
    away = np.array([other.x - mine.x, other.y - mine.y])
    axes = [*mine.axes, *other.axes]
    depths = [mine.reach_along(axis) + other.reach_along(axis) - abs(away @ axis) for axis in axes]
    axis = axes[int(np.argmin(depths))]
    towards = axis * (1.0 if away @ axis >= 0.0 else -1.0)
    closing = float(np.array([mine.vx - other.vx, mine.vy - other.vy]) @ towards)
    change = towards * max(closing, 0.0) * (1.0 + RESTITUTION) * share
    return np.asarray(np.array([mine.vx, mine.vy]) - change)
