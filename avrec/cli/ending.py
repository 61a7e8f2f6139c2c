"""Where a run begins and how it ends when it is told to stop: cleaned up, with one sentence.

Imports next to nothing, so that Ctrl-C finds it ready while everything else is still being imported.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType

__all__ = ["main"]

_ENDINGS = (signal.SIGTERM, signal.SIGHUP)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb.

    Args:
        arguments: what follows ``avrec`` on the command line; None takes the process's own.

    Returns:
        The exit code: 0 done, 1 a bug in avrec, 2 a mistake the user can fix; 130 stopped with Ctrl-C, 143 with
        SIGTERM, 129 as its terminal was closed.
    """
    told: list[signal.Signals] = []
    try:
        with _ending_as_ctrl_c_does(told):
            from avrec.cli.app import run

            code = run(sys.argv[1:] if arguments is None else arguments)
    except KeyboardInterrupt:
        if os.environ.get("AVREC_DEBUG", "") not in ("", "0"):
            import traceback

            traceback.print_exc()
        code = 130
    if told or code == 130:
        with suppress(OSError):  # a closed terminal hears nothing
            sys.stderr.write(f"avrec: Stopped{f' by {told[0].name}' if told else ''}.\n")
            sys.stderr.flush()
    return 128 + told[0] if told else code


@contextmanager
def _ending_as_ctrl_c_does(told: list[signal.Signals]) -> Iterator[None]:
    """Let what asks the process to end do what Ctrl-C does at that moment; ``told`` receives it. Once is enough."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    owner = os.getpid()

    def end(number: int, frame: FrameType | None) -> None:
        if os.getpid() != owner:  # a forked worker, which its parent looks after
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        told.append(signal.Signals(number))
        for each in taken:
            signal.signal(each, signal.SIG_IGN)
        ctrl_c = signal.getsignal(signal.SIGINT)
        if not callable(ctrl_c):  # ignored, as in the background of a script
            raise KeyboardInterrupt
        ctrl_c(signal.SIGINT, frame)

    taken = [each for each in _ENDINGS if signal.getsignal(each) is signal.SIG_DFL]  # nohup ignores SIGHUP
    for each in taken:
        signal.signal(each, end)
    try:
        yield
    finally:
        for each in taken:
            signal.signal(each, signal.SIG_DFL)
