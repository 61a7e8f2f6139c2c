"""The same seed gives the same bits, whatever the number of threads."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from avrec.drive import Drive
from avrec.raster.native.kernel import set_threads, threads
from avrec.reconstruction import held_out_frames
from avrec.reconstruction.points import InitialPoints, initial_points
from tests.reconstruction.small import HOLDOUT, SMALL, bits, quick

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _threads_as_before() -> Iterator[None]:
    kernel, pictures = threads(), cv2.getNumThreads()
    yield
    set_threads(kernel)
    cv2.setNumThreads(pictures)


def test_thread_counts(drive: Drive, points: InitialPoints) -> None:
    found = {}
    for count in (1, 2, 5):
        set_threads(count)
        cv2.setNumThreads(count)
        found[count] = bits(quick(drive, points=points))
    assert found[1] == found[2] == found[5]
    assert any(name.startswith("actor car") for name in found[1])


def test_initial_points_at_other_thread_counts(drive: Drive, points: InitialPoints) -> None:
    set_threads(5)
    cv2.setNumThreads(1)
    again = initial_points(drive, held_out_frames(drive, HOLDOUT), seed=0, max_points=SMALL.most_points)
    assert np.array_equal(again.xyz, points.xyz)
    assert np.array_equal(again.rgb, points.rgb)
    assert again.actors.keys() == points.actors.keys()
    for key, actor in points.actors.items():
        assert np.array_equal(actor.xyz, again.actors[key].xyz)


_SCRIPT = """
import sys
from avrec.drive import Drive
from tests.reconstruction.small import bits, quick
print(sorted(bits(quick(Drive.open(sys.argv[1]), iterations=12)).items()))
"""


def test_a_process_on_one_core_with_one_thread_gives_the_same(drive: Drive, tiny_street: Path) -> None:
    """Everything from the pictures on, in a process in which every library works with one thread on one core."""
    here = bits(quick(drive, iterations=12))
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    command = [sys.executable, "-c", _SCRIPT, str(tiny_street)]
    core = min(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **dict.fromkeys(names, "1")},
        capture_output=True,
        text=True,
        timeout=300,
        preexec_fn=None if core is None else lambda: os.sched_setaffinity(0, {core}),
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(sorted(here.items()))


def test_another_seed_gives_other_bits(drive: Drive, points: InitialPoints) -> None:
    one, other = bits(quick(drive, points=points)), bits(quick(drive, points=points, seed=1))
    assert one.keys() == other.keys()
    changed = [name for name in one if one[name] != other[name]]
    assert {"static", "sky", "ego", "camera front", "colour left"} <= set(changed)
