"""The training interface over a torch backend, with the reference in gsplat's place, against the CPU kernel."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from avrec.errors import AvrecError
from avrec.geometry import ShutterDirection
from avrec.raster.autograd_rasterizer import AutogradRasterizer
from avrec.raster.native import NativeRasterizer
from avrec.raster.reference import reference_rasterize
from avrec.raster.view import RasterSettings
from tests.raster.scenes import cloud, moving_view, pinhole


@pytest.mark.parametrize("direction", [ShutterDirection.TOP_TO_BOTTOM, ShutterDirection.GLOBAL])
def test_agrees_with_the_kernel(direction: ShutterDirection) -> None:
    rng = np.random.default_rng(2)
    camera = pinhole(32, 24)
    view = moving_view(camera, direction, bodies=1)
    packed, body = cloud(60, degree=1, bodies=1)
    packed[:, :3][body == 0] += [1.0, 0, 0]
    cubemap = rng.random((6, 4, 4, 3)).astype(np.float32)
    v_rgb, v_alpha, v_depth = (rng.normal(size=(24, 32, *end)).astype(np.float32) for end in ((3,), (), ()))
    answers = []
    for raster in (NativeRasterizer(), AutogradRasterizer(reference_rasterize)):
        raster.project(packed, view, body=body, sh_coefficients=4, settings=RasterSettings(near_m=0.3))
        out = raster.forward(raster.sky(cubemap), depth=True)
        ids, gradients, lines = raster.backward(v_rgb, v_alpha=v_alpha, v_depth=v_depth)
        assert lines is None
        full = np.zeros_like(packed)
        full[ids] = gradients
        answers.append((out["rgb"], out["alpha"], out["depth_sum"], full, raster.sky_gradient(v_rgb, cubemap)))
    for name, native, other in zip(("rgb", "alpha", "depth_sum", "packed", "sky"), *answers, strict=True):
        scale = float(np.abs(native).max())
        assert native == pytest.approx(other, abs=2e-3 * scale), name
        assert scale > 0


def test_harmonics_that_are_not_used_have_no_gradient() -> None:
    packed, _ = cloud(20, degree=1)
    raster = AutogradRasterizer(reference_rasterize)
    raster.project(packed, moving_view(pinhole(16, 16), ShutterDirection.GLOBAL), sh_coefficients=1)
    raster.forward(np.zeros((16, 16, 3), np.float32))
    _, gradients, _ = raster.backward(np.ones((16, 16, 3), np.float32))
    assert gradients.shape[1] == packed.shape[1]
    assert gradients[:, 11:14].any()
    assert not gradients[:, 14:].any()


def test_says_what_it_cannot_do() -> None:
    raster = AutogradRasterizer(reference_rasterize)
    with pytest.raises(AvrecError, match="project first"):
        raster.forward(np.zeros((4, 4, 3), np.float32))
    with pytest.raises(AvrecError, match="gradient by poses"):
        raster.backward(np.zeros((4, 4, 3), np.float32), pose=True)
    with pytest.raises(AvrecError, match="forward first"):
        raster.backward(np.zeros((4, 4, 3), np.float32))
    assert torch.is_grad_enabled()
