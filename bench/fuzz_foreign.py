"""Broken files against every reader of foreign Gaussians, rigs, tracks and maps: ``python -m bench.fuzz_foreign``.

What is accepted of a rig, of tracks or of a map is also saved as a scene and opened again. Each case is read in a
worker process under a memory limit. A case passes when it is read or refused with one `AvrecError` of one line, in
time; anything else (another exception, a crash, a hang, an arithmetic warning) is printed with its number, which
makes the same bytes again (``--kind K --first N --cases 1 --keep DIR``). Exit code 1 if any failed.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import queue
import resource
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from avrec.errors import AvrecError
from avrec.scene import Scene, import_scene
from avrec.scene.foreign import import_gaussians
from bench.foreign_cases import FAST_KINDS, STAGE_KINDS, Seeds, make_seeds, mutated
from bench.import_cases import IMPORT_KINDS, import_seeds, mutated_part

__all__ = ["main", "outcome", "part_outcome"]

KINDS = (*FAST_KINDS, *STAGE_KINDS, *IMPORT_KINDS)

_MEMORY_BYTES = 2 << 30
_PATIENCE_S = 90.0
_LONGEST_MESSAGE = 700


def main(arguments: list[str] | None = None) -> int:
    """Run the cases and print a line for each kind."""
    parser = argparse.ArgumentParser(prog="python -m bench.fuzz_foreign", description=__doc__)
    parser.add_argument("--cases", type=int, default=3000, help="of each kind read in the process itself")
    parser.add_argument("--stage-cases", type=int, default=700, help="of each kind that OpenUSD reads, a process each")
    parser.add_argument("--part-cases", type=int, default=1500, help="of each kind that comes beside Gaussians")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--kind", choices=KINDS, help="only this one")
    parser.add_argument("--keep", type=Path, help="folder for the files that failed")
    chosen = parser.parse_args(arguments)
    failed = total = 0
    print(f"{'kind':>16} {'cases':>7} {'read':>7} {'refused':>8} {'failed':>7} {'slowest s':>10} {'peak MiB':>9}")
    for kind in [chosen.kind] if chosen.kind else KINDS:
        special = chosen.stage_cases if kind in STAGE_KINDS else chosen.part_cases
        count = chosen.cases if chosen.kind or kind in FAST_KINDS else special
        row = _run(kind, chosen.first, count, chosen.keep)
        failed, total = failed + row["failed"], total + count
        print(
            f"{kind:>16} {count:>7} {row['read']:>7} {row['refused']:>8} {row['failed']:>7} {row['slowest_s']:>10.2f} "
            f"{row['peak_mib']:>9.0f}"
        )
    print(f"{total} cases, {failed} failed")
    return 1 if failed else 0


def outcome(path: Path) -> str:
    """``"read"`` or ``"refused"``, or what went wrong with reading Gaussians from ``path``."""
    return _outcome(path, lambda: import_gaussians(path))


def part_outcome(path: Path, kind: str, gaussians: Path) -> str:
    """As :func:`outcome` for a rig, tracks or a map that is imported beside ``gaussians``, saved and opened again."""

    def run() -> None:
        scene = import_scene(gaussians, **{kind: path})  # type: ignore[arg-type]
        target = path.with_name("scene.usdz")
        scene.save(target, overwrite=True, checkpoint=False)
        Scene.open(target)

    return _outcome(path, run)


def _outcome(path: Path, run: Callable[[], object]) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)
            run()
        return "read"
    except AvrecError as error:
        text = str(error)
        plain = "\n" not in text and text.isprintable() and len(text) - len(str(path)) < _LONGEST_MESSAGE
        return "refused" if plain else f"a message that is not one line: {text!r}"
    except BaseException as error:
        return f"{type(error).__name__}: {error}"


def _bytes_of(kind: str, number: int) -> bytes:
    return mutated_part(import_seeds(), kind, number) if kind in IMPORT_KINDS else mutated(make_seeds(), kind, number)


def _run(kind: str, first: int, count: int, keep: Path | None) -> dict[str, Any]:
    row: dict[str, Any] = {"read": 0, "refused": 0, "failed": 0, "slowest_s": 0.0, "peak_mib": 0.0}
    number, end = first, first + count
    while number < end:  # a worker that dies is replaced by another one behind its case
        answers: multiprocessing.Queue[tuple[int, str, float, float]] = multiprocessing.Queue()
        worker = multiprocessing.Process(target=_work, args=(kind, number, end, answers), daemon=False)
        worker.start()
        while number < end:
            try:
                done, said, seconds, peak = answers.get(timeout=_PATIENCE_S)
            except queue.Empty:
                said = "no answer in time" if worker.is_alive() else f"the process died with code {worker.exitcode}"
                done, seconds, peak = number, _PATIENCE_S, 0.0
            row["slowest_s"], row["peak_mib"] = max(row["slowest_s"], seconds), max(row["peak_mib"], peak)
            row[said if said in ("read", "refused") else "failed"] += 1
            number = done + 1
            if said not in ("read", "refused"):
                print(json.dumps({"kind": kind, "case": done, "failed": said[:300]}))
                if keep:
                    keep.mkdir(parents=True, exist_ok=True)
                    (keep / f"{kind}.{done}").write_bytes(_bytes_of(kind, done))
                if said.startswith(("no answer", "the process")):
                    break
        worker.kill()
        worker.join()
    return row


def _work(kind: str, first: int, end: int, answers: multiprocessing.Queue[tuple[int, str, float, float]]) -> None:
    seeds: Seeds = import_seeds() if kind in IMPORT_KINDS else make_seeds()
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + _MEMORY_BYTES, resource.RLIM_INFINITY))
    with tempfile.TemporaryDirectory() as folder:
        path, beside = Path(folder) / "case", Path(folder) / "a.ply"
        beside.write_bytes(make_seeds()["ply"])
        for number in range(first, end):
            part = kind in IMPORT_KINDS
            path.write_bytes(mutated_part(seeds, kind, number) if part else mutated(seeds, kind, number))
            start = time.monotonic()
            said = part_outcome(path, kind, beside) if part else outcome(path)
            peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
            answers.put((number, said, time.monotonic() - start, peak / 1024))


if __name__ == "__main__":
    sys.exit(main())
