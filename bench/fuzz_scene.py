"""Damaged and hostile scene files in great numbers: ``python -m bench.fuzz_scene [--cases 20000]``.

Children take the cases in batches. Each case is opened, validated and described; anything but a result or one line of
DataError, a file written elsewhere, more than 20 s or a process beyond 2 GiB is a failure and is printed with its
number, which makes the same file again (``bench.scene_mutations.mutate``).
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from functools import partial
from importlib import import_module
from pathlib import Path

BATCH = 400
MOST_SECONDS = 20
MOST_BYTES = 2 << 30


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=20_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker is not None:
        sys.exit(work(options.worker, options.first, options.cases))
    start, failed, refused = time.perf_counter(), 0, 0
    with tempfile.TemporaryDirectory(prefix="fuzz-scene-") as folder:
        prepare(Path(folder) / "good.usdz")
        for first in range(options.first, options.first + options.cases, BATCH):
            count = min(BATCH, options.first + options.cases - first)
            command = [sys.executable, "-m", "bench.fuzz_scene", "--worker", folder, "--first", str(first)]
            run = subprocess.run([*command, "--cases", str(count)], capture_output=True, text=True, check=False)
            lines = run.stdout.splitlines()
            failures = [line for line in lines if line.startswith("FAILED")]
            if run.returncode not in (0, 1) or not any(line.startswith("refused") for line in lines):
                last = next((line for line in reversed(lines) if line.startswith("case")), "case ?")
                failures.append(f"FAILED {last}: the process ended with {run.returncode} {run.stderr[-500:]}")
            refused += sum(int(line.split()[1]) for line in lines if line.startswith("refused"))
            failed += len(failures)
            print("\n".join(failures) + ("\n" if failures else ""), end="", flush=True)
    seconds = time.perf_counter() - start
    print(f"{options.cases} cases in {seconds:.0f} s: {refused} refused by a reader, {failed} failures")
    sys.exit(1 if failed else 0)


def prepare(path: Path) -> None:
    """The scene that is damaged."""
    import_module("tests.scene.complete").complete_scene(n=40, degree=1).save(path)


def work(folder: Path, first: int, count: int) -> int:
    """One batch in this process; returns the exit code."""
    import resource

    from avrec.errors import DataError
    from avrec.scene import Scene, scene_info
    from avrec.scene.validate import validate
    from bench.scene_mutations import good_members, mutate

    members = good_members(folder / "good.usdz")
    inside = folder / f"batch-{first}-{os.getpid()}"
    inside.mkdir()
    path = inside / "street.usdz"
    before = sorted(os.listdir(folder))
    signal.signal(signal.SIGALRM, _late)
    failures = refused = 0
    for number in range(first, first + count):
        print(f"case {number}", flush=True)
        path.write_bytes(mutate(number, members))
        said = []
        for read in (Scene.open, partial(validate, compose=False), scene_info):
            signal.alarm(MOST_SECONDS)
            try:
                read(path)
            except DataError as error:
                said.append(str(error))
            except Exception:
                failures += 1
                print(f"FAILED case {number}: {' | '.join(traceback.format_exc().splitlines()[-6:])}", flush=True)
            signal.alarm(0)
        refused += bool(said)
        strangers = [text for text in said if "\n" in text or len(text) > 1000]
        if strangers or sorted(os.listdir(folder)) != before or os.listdir(inside) != ["street.usdz"]:
            failures += 1
            print(f"FAILED case {number}: an odd message or a file written elsewhere {strangers[:1]}", flush=True)
        if resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 > MOST_BYTES:
            print(f"FAILED case {number}: more than 2 GiB", flush=True)
            return 1
    path.unlink()
    inside.rmdir()
    print(f"refused {refused}")
    return 1 if failures else 0


def _late(number: int, frame: object) -> None:
    raise TimeoutError(f"more than {MOST_SECONDS} s")


if __name__ == "__main__":
    main()
