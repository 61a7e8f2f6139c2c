"""When something begins: conditions that are looked at in every step, relative to the ego.

A trigger is anything with a method ``holds(now)``, which gets a :class:`Situation`.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import hypot, inf
from typing import Protocol

from avrec.errors import AvrecError
from avrec.scenario.boxes import Box, distance, gap_ahead, time_to_collision
from avrec.scenario.numbers import number

__all__ = [
    "AllOf",
    "AnyOf",
    "Distance",
    "ElapsedTime",
    "Gap",
    "ReachedPoint",
    "Situation",
    "Then",
    "TimeToCollision",
    "TimeToReach",
    "Trigger",
    "time_to_reach",
]


@dataclass(frozen=True)
class Situation:
    """What a trigger sees.

    Attributes:
        time_s: since the scenario's start.
        ego, actor: boxes with their velocities.
        idle_s: for how long what the actor was told before is finished; negative while it is not.
    """

    time_s: float
    ego: Box
    actor: Box
    idle_s: float = -1.0

    @property
    def ego_speed_mps(self) -> float:
        """Along its heading, positive forward."""
        forward = self.ego.axes[0]
        return float(forward[0] * self.ego.vx + forward[1] * self.ego.vy)


def time_to_reach(now: Situation) -> float:
    """Seconds until the ego's front is level with the actor's middle; infinite where it stands or has passed."""
    forward = now.ego.axes[0]
    ahead = forward[0] * (now.actor.x - now.ego.x) + forward[1] * (now.actor.y - now.ego.y) - now.ego.length_m / 2
    return float(ahead / now.ego_speed_mps) if ahead >= 0.0 and now.ego_speed_mps > 0.1 else inf


class Trigger(Protocol):
    """A condition."""

    def holds(self, now: Situation) -> bool:
        """Whether it is so now."""
        ...


@dataclass(frozen=True)
class ElapsedTime:
    """So many seconds after the scenario's start."""

    after_s: float

    def __post_init__(self) -> None:
        number("ElapsedTime", "after_s", self.after_s, 0.0)

    def __str__(self) -> str:
        return f"{self.after_s:g} s after the start"

    def holds(self, now: Situation) -> bool:
        """See the class; half a microsecond early counts, for steps are whole microseconds."""
        return now.time_s >= self.after_s - 5e-7


@dataclass(frozen=True)
class Distance:
    """The boxes of actor and ego are nearer than this, metres."""

    below_m: float

    def __post_init__(self) -> None:
        number("Distance", "below_m", self.below_m, 0.0)

    def __str__(self) -> str:
        return f"nearer to the ego than {self.below_m:g} m"

    def holds(self, now: Situation) -> bool:
        """See the class."""
        return distance(now.ego, now.actor) < self.below_m


@dataclass(frozen=True)
class TimeToCollision:
    """The boxes of actor and ego touch within this many seconds if both go on as they do."""

    below_s: float

    def __post_init__(self) -> None:
        number("TimeToCollision", "below_s", self.below_s, 0.0)

    def __str__(self) -> str:
        return f"less than {self.below_s:g} s before a collision with the ego"

    def holds(self, now: Situation) -> bool:
        """See the class."""
        return time_to_collision(now.ego, now.actor) < self.below_s


@dataclass(frozen=True)
class Gap:
    """The gap along the ego's heading, from its front to the actor's rear, lies within bounds in metres."""

    above_m: float = -inf
    below_m: float = inf

    def __post_init__(self) -> None:
        for name, value, none in (("above_m", self.above_m, -inf), ("below_m", self.below_m, inf)):
            if value != none:
                number("Gap", name, value)
        if self.above_m > self.below_m:
            raise AvrecError(f"Gap: no gap is above {self.above_m:g} and below {self.below_m:g} m. Exchange the two.")

    def __str__(self) -> str:
        bounds = [f"at least {self.above_m:g} m"] * (self.above_m > -inf)
        return f"ahead of the ego by {' and '.join(bounds + [f'at most {self.below_m:g} m'] * (self.below_m < inf))}"

    def holds(self, now: Situation) -> bool:
        """See the class."""
        return self.above_m <= gap_ahead(now.ego, now.actor) <= self.below_m


@dataclass(frozen=True)
class TimeToReach:
    """The ego's front is level with the actor's middle within this many seconds at its present speed."""

    below_s: float

    def __post_init__(self) -> None:
        number("TimeToReach", "below_s", self.below_s, 0.0)

    def __str__(self) -> str:
        return f"the ego less than {self.below_s:.3g} s away"

    def holds(self, now: Situation) -> bool:
        """See the class; never where the ego stands or has passed the actor."""
        return time_to_reach(now) < self.below_s


@dataclass(frozen=True)
class ReachedPoint:
    """The middle of the ego (or of the actor) is within so many metres of a place in the world."""

    x: float
    y: float
    within_m: float = 2.0
    who: str = "ego"

    def __post_init__(self) -> None:
        for name, value in (("x", self.x), ("y", self.y)):
            number("ReachedPoint", name, value)
        number("ReachedPoint", "within_m", self.within_m, 0.0)
        if self.who not in ("ego", "actor"):
            raise AvrecError(f"ReachedPoint knows no '{self.who}'. Choose who='ego' or who='actor'.")

    def __str__(self) -> str:
        return f"the {self.who} within {self.within_m:g} m of ({self.x:g}, {self.y:g})"

    def holds(self, now: Situation) -> bool:
        """See the class."""
        body = now.ego if self.who == "ego" else now.actor
        return hypot(body.x - self.x, body.y - self.y) <= self.within_m


@dataclass(frozen=True)
class Then:
    """What the actor was told before is finished, for so many seconds: the lane is changed, the speed is reached."""

    after_s: float = 0.0

    def __post_init__(self) -> None:
        number("Then", "after_s", self.after_s, 0.0)

    def __str__(self) -> str:
        return "what it did before is finished" + (f" for {self.after_s:g} s" if self.after_s else "")

    def holds(self, now: Situation) -> bool:
        """See the class."""
        return now.idle_s >= self.after_s - 5e-7


@dataclass(frozen=True, init=False)
class AllOf:
    """All of several triggers hold at once."""

    triggers: tuple[Trigger, ...]

    def __init__(self, *triggers: Trigger) -> None:
        object.__setattr__(self, "triggers", _checked(type(self).__name__, triggers))

    def __str__(self) -> str:
        return " and ".join(map(str, self.triggers))

    def holds(self, now: Situation) -> bool:
        """See the class."""
        return all(trigger.holds(now) for trigger in self.triggers)


@dataclass(frozen=True, init=False)
class AnyOf:
    """At least one of several triggers holds."""

    triggers: tuple[Trigger, ...]

    def __init__(self, *triggers: Trigger) -> None:
        object.__setattr__(self, "triggers", _checked(type(self).__name__, triggers))

    def __str__(self) -> str:
        return " or ".join(map(str, self.triggers))

    def holds(self, now: Situation) -> bool:
        """See the class."""
        return any(trigger.holds(now) for trigger in self.triggers)


def _checked(owner: str, triggers: tuple[Trigger, ...]) -> tuple[Trigger, ...]:
    if not triggers or not all(hasattr(trigger, "holds") for trigger in triggers):
        raise AvrecError(f"{owner} needs triggers, such as ElapsedTime(1.0). Give at least one.")
    return triggers
