"""Ticks that end although CARLA's client loses a wake-up.

A tick of a synchronous world waits for the Traffic Managers of its process that are in step with it. Up to 0.9.16 a
Traffic Manager looks whether it is wanted and lies down to wait while the notification passes by
(https://github.com/carla-simulator/carla/issues/9172): it waits for the tick, the tick for it, for ever, about once in
some ten thousand ticks. The guard notices and wakes it, over the RPC that each Traffic Manager serves on its port; its
Python calls would wait for a lock that the tick holds.

Like the client's Traffic Managers, who is watched is a matter of the whole process. The guard is a thread of Python:
where a second thread calls a Traffic Manager while a tick is lost, the client waits with Python's lock held, and nobody
can help any more. Call Traffic Managers from the thread that ticks.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from carla_bridge.raw_rpc import is_answered

__all__ = ["tick", "watched"]

log = logging.getLogger(__name__)

LOST_S = 5.0
"""After the server's step; a Traffic Manager's takes milliseconds."""
LOOK_S = 0.5
ANSWER_S = 5.0


@dataclass(eq=False)
class _Tick:
    """One that has not come back, the frame before it, and since when the server is known to have made its step."""

    world: Any
    before: int
    stepped_s: float | None = None


_ports: list[int] = []
_ticks: dict[int, _Tick] = {}
_changed = threading.Condition()
_watcher: threading.Thread | None = None


@contextmanager
def watched(port: int) -> Iterator[None]:
    """Watch the synchronous Traffic Manager of this process on a port: `tick` cannot hang on it within the block."""
    global _watcher
    with _changed:
        _ports.append(port)
        if _watcher is None or not _watcher.is_alive():
            _watcher = threading.Thread(target=_watch, name="tick guard", daemon=True)
            _watcher.start()
        _changed.notify_all()
    try:
        yield
    finally:
        with _changed, suppress(ValueError):  # a child of this process has forgotten it
            _ports.remove(port)


def tick(world: Any, *arguments: float) -> int:
    """``world.tick(*arguments)``, watched; the number of the frame."""
    me = threading.get_ident()
    _ticks[me] = _Tick(world, _frame(world))
    try:
        return int(world.tick(*arguments))
    finally:
        del _ticks[me]


def _frame(world: Any) -> int:
    return int(world.get_snapshot().frame)


def _watch() -> None:
    while True:
        with _changed:
            _changed.wait_for(lambda: _ports)
        time.sleep(LOOK_S)
        try:
            _look(time.monotonic())
        except Exception:  # of a program's log, say; the next tick needs the guard as well
            log.exception("The guard of ticks stumbled.")


def _look(now_s: float) -> None:
    """Wake whom the pending ticks wait for. What it knows of worlds it forgets: they end with who holds them."""
    for each in tuple(_ticks.values()):
        # A Traffic Manager that runs a step while the server still computes its own would be one ahead from then on.
        if each.stepped_s is None and _has_stepped(each):
            each.stepped_s = now_s
        if each.stepped_s is not None and now_s - each.stepped_s >= LOST_S:
            _wake(each)
            each.stepped_s = now_s


def _has_stepped(pending: _Tick) -> bool:
    try:
        return _frame(pending.world) != pending.before
    except RuntimeError:  # the world was loaded anew meanwhile; a step ahead is better than a wait without an end
        return True


def _wake(lost: _Tick) -> None:
    """Wake one Traffic Manager after the other until the tick comes back."""
    for port in tuple(_ports):
        if lost not in _ticks.values():
            return
        log.warning("The Traffic Manager on port %d missed a tick (CARLA's issue 9172) and is woken.", port)
        try:
            with socket.create_connection(("127.0.0.1", port), ANSWER_S) as connection:
                # Leaving the synchronous mode notifies who waits; back in it, the woken one ends its step as ever.
                for synchronous in (False, True):
                    is_answered(connection, "set_synchronous_mode", synchronous)
        except OSError as error:
            log.error("The Traffic Manager on port %d could not be woken: %s.", port, error)
        time.sleep(LOOK_S)


def _begin_anew() -> None:
    """A forked child has neither the threads nor the Traffic Managers of its parent."""
    global _changed, _watcher
    _changed, _watcher = threading.Condition(), None
    _ports.clear()
    _ticks.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)
