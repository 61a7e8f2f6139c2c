"""The builds for different instruction sets agree, and loading them leaves the process's arithmetic alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.raster.kernels import needs_kernel, runnable, with_build

pytestmark = needs_kernel

BUILDS = ("v2", "v3", "v4")

_PICTURES = """
import sys
import numpy as np
from avrec.geometry import ShutterDirection
from avrec.raster.native import instruction_set, rasterize_with_gradients
from tests.raster import scenes
out = {}
for model, direction in (("pinhole", "top_to_bottom"), ("fisheye", "global"), ("ftheta_backward", "left_to_right")):
    view = scenes.moving_view(scenes.CAMERAS[model](), ShutterDirection(direction), bodies=2)
    packed, body = scenes.cloud(300, degree=3, bodies=2, seed=9, spread=scenes.SPREAD[model])
    rng = np.random.default_rng(0)
    weights = [rng.normal(size=shape).astype(np.float32) for shape in ((48, 64, 3), (48, 64), (48, 64))]
    found = rasterize_with_gradients(
        packed, view, body=body, settings=scenes.EXACT, v_rgb=weights[0], v_alpha=weights[1], v_depth=weights[2] * 0.1
    )
    out |= {f"{model} {name}": value for name, value in found.items()}
np.savez(sys.argv[1], **out)
print(instruction_set())
"""

_DENORMALS = """
import importlib
import sys
import numpy as np
tiny, single = np.float64(5e-324), np.float32(1e-45)
module = importlib.import_module(f"avrec.raster.native._kernel_{sys.argv[1]}")
rasterizer = module.Rasterizer()
module.set_threads(2)
assert tiny * 1 != 0 and tiny + tiny == 1e-323 and np.float64(2.3e-308) / 4 != 0, "double denormals are flushed"
assert single * np.float32(1) != 0 and (np.full(9, 1e-45, np.float32) * 2).all(), "single denormals are flushed"
print("alive")
"""


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, np.ndarray]]:
    """What each build that this processor runs makes of the same scenes."""
    folder = tmp_path_factory.mktemp("builds")
    found = {}
    for name in BUILDS:
        if runnable(name):
            continue
        path = Path(folder) / f"{name}.npz"
        assert with_build(name, _PICTURES, str(path)).strip() == name
        with np.load(path) as file:
            found[name] = dict(file)
    return found


@pytest.mark.parametrize("name", BUILDS[1:])
def test_builds_agree(name: str, pictures: dict[str, dict[str, np.ndarray]]) -> None:
    for needed in ("v2", name):
        if runnable(needed):
            pytest.skip(runnable(needed))
    for key, expected in pictures["v2"].items():
        found = pictures[name][key]
        if "v_" in key:
            assert np.linalg.norm(found - expected) <= 5e-4 * np.linalg.norm(expected), key
        else:
            close = np.isclose(found, expected, rtol=1e-5, atol=1e-5, equal_nan=True)
            assert close.mean() >= 0.998, key  # a pixel at a threshold may fall to either side
            assert np.isfinite(found).all() or "median" in key


@pytest.mark.parametrize("name", BUILDS)
def test_loading_a_build_does_not_flush_denormals(name: str) -> None:
    """-ffast-math at link time would, for every library in the process."""
    if runnable(name):
        pytest.skip(runnable(name))
    assert with_build(name, _DENORMALS, name).strip() == "alive"
