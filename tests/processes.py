"""Child processes of tests: no test waits for one for ever, and none is left behind."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
LIMIT_S = 300.0
"""Ends a hang; a slow and busy machine takes a tenth of it."""


@contextmanager
def started(command: Sequence[str], *, limit_s: float = LIMIT_S, **options: Any) -> Iterator[subprocess.Popen[Any]]:
    """A process that is killed with the block, or after its limit, which ends what reads from it as well."""
    with subprocess.Popen(command, **{"cwd": ROOT, **options}) as process:
        guard = threading.Timer(limit_s, process.kill)
        guard.daemon = True
        guard.start()
        try:
            yield process
        finally:
            guard.cancel()
            with suppress(ProcessLookupError):
                process.kill()
