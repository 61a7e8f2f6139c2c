"""Actions that change how fast an actor goes."""

from __future__ import annotations

from dataclasses import dataclass

from avrec.scenario.actions import Stage
from avrec.scenario.boxes import gap_ahead
from avrec.scenario.mover import Cruise, Mover, advanced
from avrec.scenario.numbers import number
from avrec.scenario.triggers import Situation

__all__ = ["Hold", "KeepSpeed", "PaceEgo", "SpeedTo"]

LEAST_RATE_MPS2, MOST_RATE_MPS2 = 0.01, 12.0
MOST_MPS = 120.0


@dataclass(frozen=True)
class SpeedTo:
    """Go to a speed and keep it; ``accel_mps2`` where that means faster, ``decel_mps2`` where slower."""

    mps: float
    accel_mps2: float = 2.5
    decel_mps2: float = 6.0

    def __post_init__(self) -> None:
        number("SpeedTo", "mps", self.mps, 0.0, MOST_MPS, "m/s")
        _rates(self)

    def __str__(self) -> str:
        slower = f"by {self.decel_mps2:g} m/s²"
        if self.mps == 0.0:
            return f"stop ({slower})"
        return f"go to {self.mps:g} m/s ({slower} where that is slower, {self.accel_mps2:g} where faster)"

    def begin(self, actor: Mover, now: Situation, stage: Stage) -> None:
        """See the class."""
        actor.plan = self

    def step(self, speed_mps: float, dt: float, now: Situation) -> tuple[float, float]:
        """See `SpeedPlan`."""
        return advanced(speed_mps, self.mps, self.accel_mps2 if self.mps > speed_mps else self.decel_mps2, dt)

    def done(self, speed_mps: float) -> bool:
        """See `SpeedPlan`."""
        return speed_mps == self.mps


@dataclass(frozen=True)
class KeepSpeed:
    """Go on at the speed that there is."""

    def __str__(self) -> str:
        return "keep the speed"

    def begin(self, actor: Mover, now: Situation, stage: Stage) -> None:
        """See the class."""
        actor.plan = Cruise()


@dataclass(frozen=True)
class Hold:
    """Stop at once, as fast as people and cars can, and stay until told otherwise."""

    decel_mps2: float = 8.0

    def __post_init__(self) -> None:
        _rates(self)

    def begin(self, actor: Mover, now: Situation, stage: Stage) -> None:
        """See the class."""
        actor.plan = SpeedTo(0.0, decel_mps2=self.decel_mps2)

    def __str__(self) -> str:
        return f"stop (by {self.decel_mps2:g} m/s²)"


@dataclass(frozen=True)
class PaceEgo:
    """Keep the rear ``gap_m`` ahead of the ego's front, as fast or slow as the ego is, until told otherwise.

    It counts as finished at once, so that `Then` does not wait for it.
    """

    gap_m: float
    accel_mps2: float = 4.0
    decel_mps2: float = 6.0

    PER_S = 1.0

    def __post_init__(self) -> None:
        number("PaceEgo", "gap_m", self.gap_m, 0.0, 1000.0, "m")
        _rates(self)

    def __str__(self) -> str:
        return f"stay {self.gap_m:g} m ahead of the ego"

    def begin(self, actor: Mover, now: Situation, stage: Stage) -> None:
        """See the class."""
        actor.plan = self

    def step(self, speed_mps: float, dt: float, now: Situation) -> tuple[float, float]:
        """See `SpeedPlan`."""
        gap = gap_ahead(now.ego, now.actor) + speed_mps * dt  # the ego is there already, the actor is yet to move
        wanted = max(now.ego_speed_mps - self.PER_S * (gap - self.gap_m), 0.0)
        return advanced(speed_mps, wanted, self.accel_mps2 if wanted > speed_mps else self.decel_mps2, dt)

    def done(self, speed_mps: float) -> bool:
        """See `SpeedPlan`."""
        return True


def _rates(action: object) -> None:
    """Refuse accelerations that cannot be.

    Raises:
        AvrecError: one is.
    """
    for name in ("accel_mps2", "decel_mps2"):
        if hasattr(action, name):
            number(type(action).__name__, name, getattr(action, name), LEAST_RATE_MPS2, MOST_RATE_MPS2, "m/s²")
