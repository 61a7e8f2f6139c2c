"""The whole training loop over a torch backend, as CUDA uses it; the reference stands in for gsplat."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pytest

from avrec.drive import Drive
from avrec.raster.autograd_rasterizer import AutogradRasterizer
from avrec.raster.reference import reference_rasterize
from avrec.reconstruction import held_out_frames
from avrec.reconstruction.points import initial_points
from tests.reconstruction.small import HOLDOUT, quick


def test_learns_what_the_kernel_learns(tiny_street: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drive = Drive.open(tiny_street)
    points = initial_points(drive, held_out_frames(drive, HOLDOUT), seed=0, max_points=300)
    settings = {"points": points, "iterations": 3, "refine_poses": False, "downscale": 4}
    expected = quick(drive, **settings)
    module = importlib.import_module("avrec.reconstruction.reconstruct")
    monkeypatch.setattr(module, "_rasterizer", lambda device: AutogradRasterizer(reference_rasterize))
    found = quick(drive, **settings)
    # Adam's first steps are as large for a gradient of rounding errors, so a few Gaussians may go elsewhere.
    assert np.quantile(np.abs(found.static.means - expected.static.means), 0.99) < 2e-2
    assert np.median(np.abs(found.static.packed - expected.static.packed)) < 1e-3
    assert found.sky == pytest.approx(expected.sky, abs=2e-2)
