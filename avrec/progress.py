"""How long work reports where it stands. The library only talks to this protocol; the CLI draws it."""

from __future__ import annotations

from typing import Protocol

__all__ = ["NO_PROGRESS", "NoProgress", "Progress"]


class Progress(Protocol):
    """Receives the state of a job that runs through stages, one after the other.

    Calls come from one thread: ``start`` opens a stage (and closes the one before it), ``update`` any number of times,
    ``finish`` once at the end of the stage. Implementations return at once and never raise.
    """

    def start(self, stage: str, total: float | None = None) -> None:
        """Open a stage.

        Args:
            stage: what is being done, for people, e.g. ``"Optimising"``.
            total: amount of work in any unit (frames, iterations, seconds of budget), None where unknown.
        """

    def update(self, done: float, **figures: float | int | str) -> None:
        """Report the work done so far in the stage, in the unit of its total, and figures to show beside it."""

    def finish(self, message: str = "") -> None:
        """Close the stage, with a sentence on its result where there is one."""


class NoProgress:
    """Says nothing."""

    def start(self, stage: str, total: float | None = None) -> None:
        """Open a stage."""

    def update(self, done: float, **figures: float | int | str) -> None:
        """Report the work done so far."""

    def finish(self, message: str = "") -> None:
        """Close the stage."""


NO_PROGRESS = NoProgress()
"""Default of every ``progress`` argument."""
