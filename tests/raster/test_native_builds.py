"""The kernel's builds and threads: every instruction set meets the bars, no thread count changes a bit."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

from avrec.geometry import ShutterDirection
from avrec.raster.view import RasterSettings
from tests.processes import LIMIT_S
from tests.raster import scenes

native = pytest.importorskip("avrec.raster.native", reason="the native kernel is not built")

RUNNABLE = {"AVX512": ("v2", "v3", "v4", "generic"), "AVX2": ("v2", "v3", "generic")}


SCRIPT = """
from avrec.geometry import ShutterDirection
from avrec.raster import native
from tests.raster import scenes
from tests.raster.test_native_vs_reference import check_exact, compare
assert native.instruction_set() == "{build}"
view = scenes.moving_view(scenes.pinhole(50, 37), ShutterDirection.TOP_TO_BOTTOM, bodies=2)
packed, body = scenes.cloud(150, degree=3, bodies=2, seed=2)
check_exact(*compare(packed, view, body, scenes.EXACT, None))
"""


@pytest.mark.parametrize("build", ["v2", "v3", "v4", "generic"])
def test_every_build_agrees_with_the_reference(build: str) -> None:
    """In a process of its own: a process keeps the first build it loads."""
    if build == native.instruction_set():
        pytest.skip(f"{build} is the build that all other tests use")
    if build not in RUNNABLE.get(torch.backends.cpu.get_cpu_capability(), ("v2", "generic")):
        pytest.skip(f"this processor does not run the {build} build")
    if find_spec(f"avrec.raster.native._kernel_{build}") is None:
        pytest.skip(f"the {build} build is not installed")
    command = [sys.executable, "-c", SCRIPT.format(build=build)]
    root = Path(__file__).parents[2]
    environment = os.environ | {"AVREC_KERNEL": build}
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=LIMIT_S)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("direction", ["bottom_to_top", "left_to_right", "global"])
def test_bits_do_not_depend_on_threads(direction: str) -> None:
    view = scenes.moving_view(scenes.fisheye(80, 64), ShutterDirection(direction), bodies=2)
    packed, body = scenes.cloud(3000, degree=1, bodies=2, seed=3, spread=1.5)
    rng = np.random.default_rng(0)
    weights = {"v_rgb": rng.normal(size=(64, 80, 3)), "v_alpha": rng.normal(size=(64, 80))}
    weights["v_depth"] = rng.normal(size=(64, 80))
    before = native.threads()
    try:
        answers = []
        for threads in (1, 2, 3):
            native.set_threads(threads)
            given = {key: value.astype(np.float32) for key, value in weights.items()}
            answers.append(native.rasterize_with_gradients(packed, view, body=body, settings=RasterSettings(), **given))
    finally:
        native.set_threads(before)
    for other in answers[1:]:
        for key, value in answers[0].items():
            assert np.array_equal(value, other[key], equal_nan=True), key
