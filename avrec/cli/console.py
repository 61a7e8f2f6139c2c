"""What a person sees while a verb works: progress, log lines and results.

Results go to stdout, everything else to stderr, so ``--json`` can be piped.
"""

from __future__ import annotations

import json
import logging
import math
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

from avrec.progress import Progress

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import TaskID

__all__ = ["PlainProgress", "RichProgress", "debugging", "print_json", "reporting", "say"]

_PLAIN_INTERVAL_S = 5.0


def debugging() -> bool:
    """True where the user asked for tracebacks and debug lines (``AVREC_DEBUG=1``)."""
    return os.environ.get("AVREC_DEBUG", "") not in ("", "0")


def say(text: str = "") -> None:
    """One line of result for a person, on stdout."""
    sys.stdout.write(text + "\n")


def print_json(figures: Mapping[str, Any]) -> None:
    """Figures for a program, on stdout. What could not be computed (NaN, infinity) becomes null."""
    say(json.dumps(_plain(figures), indent=2, allow_nan=False))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if hasattr(value, "tolist"):  # numpy scalars and arrays
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)


def _figures_text(figures: Mapping[str, float | int | str]) -> str:
    shown = {name: f"{value:.4g}" if isinstance(value, float) else str(value) for name, value in figures.items()}
    return "  ".join(f"{name.replace('_', ' ')} {value}" for name, value in shown.items())


class PlainProgress:
    """One line when a stage starts, every few seconds and when it ends: for logs and pipes."""

    def __init__(self, stream: TextIO, interval_s: float = _PLAIN_INTERVAL_S) -> None:
        self._stream = stream
        self._interval_s = interval_s
        self._stage = ""
        self._total: float | None = None
        self._began = self._last = time.monotonic()

    def start(self, stage: str, total: float | None = None) -> None:
        """Open a stage."""
        self._stage, self._total = stage, total
        self._began = self._last = time.monotonic()
        self._line(f"{stage} ...")

    def update(self, done: float, **figures: float | int | str) -> None:
        """Report, at most one line every few seconds."""
        now = time.monotonic()
        if now - self._last < self._interval_s:
            return
        self._last = now
        share = f"{100 * min(done / self._total, 1.0):3.0f} %" if self._total else f"{done:g}"
        self._line(f"{self._stage} {share}  {now - self._began:.0f} s  {_figures_text(figures)}".rstrip())

    def finish(self, message: str = "") -> None:
        """Close the stage."""
        ended = f"{self._stage} done in {time.monotonic() - self._began:.1f} s"
        self._line(f"{ended}: {message}" if message else ended)

    def _line(self, text: str) -> None:
        self._stream.write(text + "\n")
        self._stream.flush()


class RichProgress:
    """A bar per stage on a terminal."""

    def __init__(self, console: Console) -> None:
        from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as Bars

        self._bars = Bars(
            SpinnerColumn(finished_text="[green]✓[/]"),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=28),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[figures]}", markup=False),
            console=console,
        )
        self._task: TaskID | None = None

    def start(self, stage: str, total: float | None = None) -> None:
        """Open a stage."""
        self._close()
        self._bars.start()
        self._task = self._bars.add_task(stage, total=total, figures="")

    def update(self, done: float, **figures: float | int | str) -> None:
        """Move the bar."""
        if self._task is not None:
            self._bars.update(self._task, completed=done, figures=_figures_text(figures))

    def finish(self, message: str = "") -> None:
        """Close the stage."""
        if self._task is not None and message:
            self._bars.update(self._task, figures=message)
        self._close()

    def stop(self) -> None:
        """Leave the terminal as it was."""
        self._bars.stop()

    def _close(self) -> None:
        if self._task is not None:
            total = self._bars.tasks[self._bars.task_ids.index(self._task)].total or 1.0
            self._bars.update(self._task, total=total, completed=total)
            self._task = None


@contextmanager
def reporting() -> Iterator[Progress]:
    """Progress and log lines for the time a verb works: bars on a terminal, plain lines elsewhere."""
    from rich.console import Console
    from rich.logging import RichHandler

    console = Console(stderr=True)
    handler: logging.Handler
    progress: PlainProgress | RichProgress
    if console.is_terminal:
        handler = RichHandler(console=console, show_path=False, show_time=False, markup=False)
        progress = RichProgress(console)
    else:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
        progress = PlainProgress(sys.stderr)
    # What an added actor looks like is a note of its case, too, and verbs print those.
    handler.addFilter(lambda record: record.name != "avrec.scenario.looks")
    logger = logging.getLogger("avrec")
    level_before = logger.level
    logger.setLevel(logging.DEBUG if debugging() else logging.WARNING)
    logger.addHandler(handler)
    try:
        yield progress
    finally:
        if isinstance(progress, RichProgress):
            progress.stop()
        logger.removeHandler(handler)
        logger.setLevel(level_before)
