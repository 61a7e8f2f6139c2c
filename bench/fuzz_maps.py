"""Damaged OpenDRIVE maps against reader, checks and writer: ``python -m bench.fuzz_maps``.

Each case is read in a worker process under a memory limit, its problems are looked for and, where its content is small,
it is written again. A case passes when that ends in a map or one `AvrecError` of one line, in time; anything else is
printed with its number, which makes the same bytes again (``--first N --cases 1 --keep DIR``). With AVREC_DEV_DATA set,
the public maps in it are damaged too. Exit code 1 if any failed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import queue
import resource
import sys
import time
import warnings
from collections import Counter
from pathlib import Path

from avrec.errors import AvrecError
from avrec.maps import check_map, read_opendrive, write_opendrive
from bench.map_cases import KINDS, make_seeds, mutated

__all__ = ["main", "outcome"]

MEMORY_BYTES = 2 << 30
PATIENCE_S = 10.0
_WRITTEN_BYTES = 300_000
_LONGEST_MESSAGE = 900
_START_S = 60.0
_Answers = multiprocessing.Queue


def main(arguments: list[str] | None = None) -> int:
    """Run the cases and print a line for each kind."""
    parser = argparse.ArgumentParser(prog="python -m bench.fuzz_maps", description=__doc__)
    parser.add_argument("--cases", type=int, default=5000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="folder for the maps that failed")
    chosen = parser.parse_args(arguments)
    seeds = _seeds()
    counts: Counter[tuple[str, str]] = Counter()
    slowest: Counter[str] = Counter()
    peak = 0.0
    number, end = chosen.first, chosen.first + chosen.cases
    while number < end:  # a worker that dies is replaced by another one behind its case
        answers: multiprocessing.Queue[tuple[int, str, float, float]] = multiprocessing.Queue()
        worker = multiprocessing.Process(target=_work, args=(number, end, answers), daemon=True)
        worker.start()
        patience = _START_S
        while number < end:
            try:
                said, seconds, used = _answer(answers, patience)
            except queue.Empty:
                said, seconds = ("too slow" if worker.is_alive() else f"died with code {worker.exitcode}"), patience
                used = 0.0
            patience = 12 * PATIENCE_S
            kind, content = mutated(seeds, number)
            good = said in ("read", "refused") and seconds <= PATIENCE_S
            counts[kind, said if good else "failed"] += 1
            slowest[kind], peak = max(slowest[kind], seconds), max(peak, used)  # type: ignore[assignment]
            if not good:
                print(json.dumps({"kind": kind, "case": number, "failed": said[:300], "seconds": round(seconds, 1)}))
                if chosen.keep:
                    chosen.keep.mkdir(parents=True, exist_ok=True)
                    (chosen.keep / f"{kind}.{number}.xodr").write_bytes(content)
            number += 1
            if said == "too slow" or said.startswith("died"):
                break
        worker.kill()
        worker.join()
    print(f"{'kind':>10} {'cases':>7} {'read':>7} {'refused':>8} {'failed':>7} {'slowest s':>10}")
    for kind in KINDS:
        row = [counts[kind, said] for said in ("read", "refused", "failed")]
        print(f"{kind:>10} {sum(row):>7} {row[0]:>7} {row[1]:>8} {row[2]:>7} {slowest[kind]:>10.2f}")
    failed = sum(count for (_, said), count in counts.items() if said == "failed")
    print(f"{chosen.cases} cases of {len(seeds)} maps, {failed} failed, peak {peak:.0f} MiB with Python and libraries")
    return 1 if failed else 0


def outcome(content: bytes) -> str:
    """``"read"`` or ``"refused"``, or what went wrong with a map."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)
            graph = read_opendrive(content)
            check_map(graph)
            if len(content) < _WRITTEN_BYTES:
                with contextlib.suppress(AvrecError):
                    write_opendrive(graph)
        return "read"
    except AvrecError as error:
        text = str(error)
        plain = "\n" not in text and text.isprintable() and len(text) < _LONGEST_MESSAGE
        return "refused" if plain else f"a message that is not one line: {text!r}"
    except BaseException as error:
        return f"{type(error).__name__}: {error}"


def _seeds() -> tuple[bytes, ...]:
    data = os.environ.get("AVREC_DEV_DATA")
    return make_seeds(Path(data) / "maps" if data else None)


def _answer(answers: multiprocessing.Queue[tuple[int, str, float, float]], patience: float) -> tuple[str, float, float]:
    return answers.get(timeout=patience)[1:]


def _work(first: int, end: int, answers: multiprocessing.Queue[tuple[int, str, float, float]]) -> None:
    seeds = _seeds()
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY_BYTES, resource.RLIM_INFINITY))
    for number in range(first, end):
        content = mutated(seeds, number)[1]
        start = time.process_time()  # others may be using the processor
        said = outcome(content)
        seconds = time.process_time() - start
        answers.put((number, said, seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))


if __name__ == "__main__":
    sys.exit(main())
