"""How critical it became: distances, times and decelerations between the ego and the actors of a case.

Definitions are the usual ones of traffic conflict research (Hayward 1972; Minderhoud and Bovy 2001; Cooper and Ferguson
1976), on boxes seen from above instead of points:

- TTC: seconds until the boxes touch if both go on at their velocity and heading.
- TET, TIT: time for which TTC is below `TTC_S`, and the integral of what is missing to it.
- DRAC: deceleration of the ego that would just avoid the collision, closing speed / (2 TTC), which is the closing speed
  squared over twice the gap; the closing speed is that along the ego's heading.
- BTN: DRAC over `BRAKING_MPS2`, the deceleration that a car has on a dry road.
- time headway: the gap to who is ahead in the ego's own width, over the ego's speed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import NamedTuple

from avrec.scenario.boxes import Box, distance, gap_ahead, time_to_collision

__all__ = ["BRAKING_MPS2", "TTC_S", "Measured", "Measurer", "Measures"]

TTC_S = 1.5
"""Below which TTC counts as critical."""
BRAKING_MPS2 = 8.0
SLOWEST_MPS = 0.5
"""Time headway of an ego that hardly moves says nothing."""


class Measured(NamedTuple):
    """The worst value, when (seconds since the start), and with whom."""

    value: float
    time_s: float
    actor: str


@dataclass(frozen=True)
class Measures:
    """The worst of a run; None where there was nothing to measure.

    Attributes:
        distance_m: smallest distance of the boxes, 0 where they touched.
        ttc_s: smallest time to collision.
        headway_s: smallest time headway.
        drac_mps2: largest deceleration required to avoid a crash.
        tet_s, tit_s2: time exposed to, and time integral of, a critical TTC with anybody.
    """

    distance_m: Measured | None = None
    ttc_s: Measured | None = None
    headway_s: Measured | None = None
    drac_mps2: Measured | None = None
    tet_s: float = 0.0
    tit_s2: float = 0.0

    @property
    def btn(self) -> float | None:
        """Brake threat number: above 1 no braking avoids the collision."""
        return None if self.drac_mps2 is None else self.drac_mps2.value / BRAKING_MPS2


class Measurer:
    """Looks at the ego and the others again and again; an actor counts until it touches the ego.

    Attributes:
        found: the worst so far.
    """

    def __init__(self) -> None:
        self.found = Measures()
        self._touched: set[str] = set()
        self._last_s: float | None = None

    def look(self, time_s: float, ego: Box, others: Mapping[str, Box]) -> None:
        """Take a moment in.

        Args:
            time_s: since the start, not before that of the last look.
            ego: with its velocity.
            others: the actors that count, by id, with theirs.
        """
        dt = 0.0 if self._last_s is None else time_s - self._last_s
        self._last_s = time_s
        old, soonest = self.found, inf
        least, ttc_least, headway, drac = old.distance_m, old.ttc_s, old.headway_s, old.drac_mps2
        for key, other in others.items():
            if key in self._touched:
                continue
            away, ttc = distance(ego, other), time_to_collision(ego, other)
            least = _worse(least, Measured(away, time_s, key))
            if ttc < inf:
                soonest = min(soonest, ttc)
                ttc_least = _worse(ttc_least, Measured(ttc, time_s, key))
            closing = _ahead(ego, ego) - _ahead(ego, other)
            if 0.0 < ttc < inf and closing > 0.0:
                drac = _worse(drac, Measured(closing / (2 * ttc), time_s, key), -1.0)
            gap, speed = gap_ahead(ego, other), _ahead(ego, ego)
            aside = abs(float(ego.axes[1] @ (other.x - ego.x, other.y - ego.y)))
            if gap >= 0.0 and speed > SLOWEST_MPS and aside < ego.width_m / 2 + other.reach_along(ego.axes[1]):
                headway = _worse(headway, Measured(gap / speed, time_s, key))
            if away == 0.0:
                self._touched.add(key)
        short = max(TTC_S - soonest, 0.0)
        tet_s, tit_s2 = old.tet_s + dt * (short > 0.0), old.tit_s2 + dt * short
        self.found = Measures(least, ttc_least, headway, drac, tet_s, tit_s2)


def _ahead(ego: Box, body: Box) -> float:
    """Speed along the ego's heading."""
    forward = ego.axes[0]
    return float(forward[0] * body.vx + forward[1] * body.vy)


def _worse(old: Measured | None, new: Measured, sign: float = 1.0) -> Measured:
    """The smaller of two, or with a sign of -1 the larger; the earlier where they are alike."""
    return new if old is None or sign * new.value < sign * old.value else old
