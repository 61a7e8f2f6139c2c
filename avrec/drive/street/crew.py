"""Share the rendering between processes."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO

from avrec.drive.street.plan import Plan
from avrec.drive.street.record import Recorder
from avrec.errors import OutputError

__all__ = ["record_all", "usable_cores"]


def usable_cores() -> int:
    """Cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


def record_all(plan: Plan, root: Path, workers: int, report: Callable[[int], None]) -> None:
    """Write every image and sweep of the plan below ``root``; the files do not depend on ``workers``.

    Args:
        plan: the settings.
        root: folder to write to.
        workers: processes; with 1 the work is done here.
        report: called with the number of finished jobs.

    Raises:
        OutputError: a worker could not write.
    """
    if workers <= 1:
        recorder = Recorder(plan, root)
        for count, job in enumerate(recorder.jobs(), start=1):
            recorder.run(*job)
            report(count)
        return
    with ExitStack() as end:
        # A worker's words go to a file: in a pipe that nobody empties, many of them would stop it for ever.
        said = [end.enter_context(tempfile.TemporaryFile()) for _ in range(workers)]
        crew: list[subprocess.Popen[bytes]] = []
        end.callback(_dismiss, crew)
        for first, complaint in enumerate(said):
            crew.append(_start(plan, root, first, workers, complaint))
        lines: queue.Queue[bytes] = queue.Queue()
        for process in crew:
            threading.Thread(target=_forward, args=(process.stdout, lines), daemon=True).start()
        count, open_ends = 0, len(crew)
        while open_ends:
            if lines.get():
                count += 1
                report(count)
            else:
                open_ends -= 1
        for process, complaint in zip(crew, said, strict=True):
            if process.wait() != 0:
                complaint.seek(0)
                message = complaint.read().decode(errors="replace")
                cause = (message.strip().splitlines() or ["a worker process was killed"])[-1]
                raise OutputError(f"Rendering the street stopped: {cause}.")


def _start(plan: Plan, root: Path, first: int, step: int, complaint: IO[bytes]) -> subprocess.Popen[bytes]:
    """A worker as a process of its own: works from any script, and inherits no threads."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = os.pathsep.join(entry for entry in sys.path if entry)
    process = subprocess.Popen(
        [sys.executable, "-m", "avrec.drive.street.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=complaint,
        env=environment,
    )
    order = {"plan": plan.to_dict(), "root": str(root), "first": first, "step": step}
    if process.stdin is not None:
        with suppress(BrokenPipeError), process.stdin as stream:  # one that died at once says why
            stream.write(json.dumps(order).encode())
    return process


def _forward(stream: IO[bytes] | None, lines: queue.Queue[bytes]) -> None:
    try:
        for line in stream or ():
            lines.put(line)
    finally:
        lines.put(b"")


def _dismiss(crew: list[subprocess.Popen[bytes]]) -> None:
    for process in crew:
        if process.poll() is None:
            process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
