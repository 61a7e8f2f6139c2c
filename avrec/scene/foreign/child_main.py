"""What a child process runs: ``child_main.py WORKER SOURCE FOLDER MEMORY_BYTES SECONDS``.

Limits this process, then asks WORKER, a Python file, for ``look(source, folder)`` and writes what it returns to
FOLDER/answer.json. Imports nothing of avrec. Exit code 0: done; 3: the file cannot be used, and the answer's "error"
says why; anything else: a crash.
"""

from __future__ import annotations

import json
import resource
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any


def main(worker: str, source: str, folder: str, memory: str, seconds: str) -> int:
    """Limit, look, answer."""
    for kind, limit in (
        (resource.RLIMIT_AS, int(memory)),
        (resource.RLIMIT_FSIZE, int(memory)),
        (resource.RLIMIT_CPU, int(seconds)),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(kind)[1]
        limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(kind, (limit, limit))
    look = _load(worker).look
    answer: Any
    try:
        answer, code = look(source, Path(folder)), 0
    except MemoryError:
        answer, code = {"error": f"it needs more than {int(memory) >> 20} MiB of memory"}, 3
    except Exception as error:
        answer, code = {"error": said(error)}, 3
    (Path(folder) / "answer.json").write_text(json.dumps(answer), encoding="utf-8")
    return code


def _load(path: str) -> Any:
    spec = spec_from_file_location("worker", path)
    if spec is None or spec.loader is None:
        raise ImportError(path)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def said(error: Exception) -> str:
    """The first thing that an error says; of OpenUSD's without where in its own source it says it."""
    line = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return line.split(" : '", 1)[-1].strip(" '\"")[:250]


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
