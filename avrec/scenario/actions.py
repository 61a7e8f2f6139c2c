"""What an actor does from some moment on. Speed and way are separate: actions of both kinds go together.

An action is anything with a method ``begin(actor, now, stage)``; it changes the :class:`~avrec.scenario.mover.Mover`.
Those of the package are in `avrec.scenario.speeds` and `avrec.scenario.ways`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from avrec.scenario.guide import Guide
from avrec.scenario.mover import Mover
from avrec.scenario.onward import ego_way
from avrec.scenario.road import Road, road_of
from avrec.scenario.triggers import Situation
from avrec.scene import Scene

__all__ = ["Action", "Appear", "Stage"]


@dataclass(frozen=True)
class Stage:
    """What actions may look at: the scene, and its lanes."""

    scene: Scene

    @property
    def road(self) -> Road:
        """The lanes.

        Raises:
            AvrecError: the scene has no map.
        """
        return road_of(self.scene)

    @cached_property
    def ego_way(self) -> Guide:
        """Where the recorded ego's rig goes; straight on where it hardly moves."""
        return ego_way(self.scene)


class Action(Protocol):
    """Something to do."""

    def begin(self, actor: Mover, now: Situation, stage: Stage) -> None:
        """Change what the actor does."""
        ...


@dataclass(frozen=True)
class Appear:
    """Be there from now on; an actor that is told to appear is not there before."""

    def __str__(self) -> str:
        return "appear"

    def begin(self, actor: Mover, now: Situation, stage: Stage) -> None:
        """See the class; the director keeps the actor away until then."""
