"""Arrays and numbers that do not fit are refused with a sentence before the kernel reads them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from avrec.errors import AvrecError, DataError
from avrec.geometry import ShutterDirection
from avrec.raster.native import NativeRasterizer
from avrec.raster.native.optimise import PhotometricLoss, adam_dense, adam_rows
from avrec.raster.view import RasterSettings, View
from tests.raster import scenes
from tests.raster.kernels import needs_kernel

pytestmark = needs_kernel

WIDTH, HEIGHT = 24, 18
VIEW = scenes.moving_view(scenes.pinhole(WIDTH, HEIGHT), ShutterDirection.TOP_TO_BOTTOM, bodies=2)
PACKED, BODY = scenes.cloud(40, degree=1, seed=0, bodies=2)
RGB, ALPHA = np.zeros((HEIGHT, WIDTH, 3), np.float32), np.zeros((HEIGHT, WIDTH), np.float32)
SKY = np.zeros((6, 4, 4, 3), np.float32)


@pytest.fixture
def blended() -> NativeRasterizer:
    """A rasteriser after `forward` without depth."""
    rasterizer = NativeRasterizer()
    rasterizer.project(PACKED, VIEW, body=BODY)
    rasterizer.forward()
    return rasterizer


@pytest.mark.parametrize(
    "packed",
    [
        PACKED.astype(np.float64),
        PACKED[:, :13],
        np.ascontiguousarray(PACKED[:, :13]),
        np.ascontiguousarray(PACKED[:, :20]),
        np.zeros((3, 62), np.float32),
        PACKED[0],
        np.asfortranarray(PACKED),
        PACKED[::2, ::1][:, ::-1],
        PACKED.tolist(),
        None,
    ],
)
def test_gaussians(packed: Any) -> None:
    with pytest.raises(DataError, match="Gaussians"):
        NativeRasterizer().project(packed, VIEW)


@pytest.mark.parametrize(
    "body", [BODY.astype(np.int64), BODY[:-1], BODY + 1, BODY - 1, BODY[:, None], np.repeat(BODY, 2)[::2]]
)
def test_bodies(body: Any) -> None:
    with pytest.raises(DataError, match="Body ind"):
        NativeRasterizer().project(PACKED, VIEW, body=body)
    with pytest.raises(DataError, match="has no pose"):
        NativeRasterizer().project(PACKED, replace(VIEW, bodies=VIEW.bodies[:0]), body=BODY)


@pytest.mark.parametrize(
    "view",
    [
        replace(VIEW, axis="columns"),
        replace(VIEW, axis="none"),
        replace(VIEW, axis="diagonals"),  # type: ignore[arg-type]
        replace(VIEW, origin=VIEW.origin[:-1]),
        replace(VIEW, rotation=VIEW.rotation[:1]),
        replace(VIEW, rotation=VIEW.rotation[:, :2]),
        replace(VIEW, bodies=VIEW.bodies[:, :-1]),
        replace(VIEW, bodies=VIEW.bodies[:, :, :3]),
        replace(VIEW, bodies=VIEW.bodies[0]),
        replace(VIEW, camera=scenes.pinhole(WIDTH, HEIGHT + 1)),
        replace(VIEW, origin=np.where(np.arange(HEIGHT)[:, None] == 3, np.nan, VIEW.origin)),
        replace(VIEW, rotation=np.full_like(VIEW.rotation, np.inf)),
        replace(VIEW, bodies=np.full_like(VIEW.bodies, np.nan)),
    ],
)
def test_views(view: View) -> None:
    for use in (lambda r: r.project(PACKED, view, body=BODY), lambda r: r.look(view)):
        rasterizer = NativeRasterizer()
        with pytest.raises(DataError, match=r"view|shutter axis"):
            use(rasterizer)
        with pytest.raises(AvrecError, match="first"):
            rasterizer.sky(SKY)


@pytest.mark.parametrize(
    "wrong",
    [
        {"near_m": -1.0}, {"near_m": 5.0, "far_m": 4.0}, {"near_m": np.nan}, {"ut_alpha": 0.0}, {"ut_kappa": -3.0},
        {"ut_beta": np.inf}, {"bound_sigma": 0.0}, {"inflate_bounds": np.nan}, {"blur_px2": -1.0}, {"margin": -0.1},
        {"min_alpha": 0.0}, {"max_alpha": 1.0}, {"min_alpha": 0.5, "max_alpha": 0.4}, {"min_transmittance": 1.0},
    ],
)  # fmt: skip
def test_settings(wrong: dict[str, float]) -> None:
    with pytest.raises(DataError, match="must keep"):
        NativeRasterizer().project(PACKED, VIEW, settings=RasterSettings(**wrong))


@pytest.mark.parametrize("count", [0, 2, 3, -1])
def test_coefficients(count: int) -> None:
    with pytest.raises(DataError, match="coefficients"):
        NativeRasterizer().project(PACKED, VIEW, sh_coefficients=count)


@pytest.mark.parametrize("background", [np.zeros(4), np.zeros((WIDTH, HEIGHT, 3)), RGB[:-1], ALPHA])
def test_backgrounds(background: Any, blended: NativeRasterizer) -> None:
    with pytest.raises(DataError, match="background"):
        blended.forward(background)


@pytest.mark.parametrize(
    "use",
    [
        lambda r: r.backward(RGB[:-1]),
        lambda r: r.backward(RGB.astype(np.float64)),
        lambda r: r.backward(RGB.transpose(1, 0, 2)),
        lambda r: r.backward(RGB, v_alpha=RGB),
        lambda r: r.backward(RGB, v_depth=ALPHA.T),
        lambda r: r.set_colors(np.zeros((39, 3), np.float32)),
        lambda r: r.set_colors(np.zeros((40, 4), np.float32)),
        lambda r: r.sky(SKY[:5]),
        lambda r: r.sky(SKY.astype(np.float64)),
        lambda r: r.sky(SKY[:, :3]),
        lambda r: r.sky(SKY[..., :2]),
        lambda r: r.sky(SKY[:, :0, :0]),
        lambda r: r.sky_gradient(RGB, SKY[0]),
        lambda r: r.sky_gradient(ALPHA, SKY),
    ],
)
def test_what_goes_into_the_later_steps(use: Callable[[NativeRasterizer], Any], blended: NativeRasterizer) -> None:
    with pytest.raises(DataError, match="must be"):
        use(blended)


def test_steps_out_of_order(blended: NativeRasterizer) -> None:
    fresh = NativeRasterizer()
    for use in (
        fresh.forward,
        fresh.ids,
        fresh.bounds,
        fresh.tile_lists,
        lambda: fresh.backward(RGB),
        lambda: fresh.sky(SKY),
    ):
        with pytest.raises(AvrecError, match="first"):
            use()
    with pytest.raises(AvrecError, match="depth=True"):
        blended.backward(RGB, v_depth=ALPHA)
    blended.project(PACKED, VIEW, body=BODY)  # what was blended before is another picture
    for use in (lambda: blended.backward(RGB), lambda: blended.sky_gradient(RGB, SKY)):
        with pytest.raises(AvrecError, match="Call forward first"):
            use()
    blended.look(VIEW)
    with pytest.raises(AvrecError, match="Call project first"):
        blended.forward()
    assert blended.sky(SKY).shape == RGB.shape


def test_losses() -> None:
    loss, target, affine = PhotometricLoss(), RGB.astype(np.uint8), np.eye(3, 4)
    wrong: list[tuple[Any, ...]] = [
        (ALPHA, target, affine),
        (RGB.astype(np.float64), target, affine),
        (RGB, target[:-1], affine),
        (RGB, RGB, affine),
        (RGB, target, np.eye(3)),
        (RGB, target, affine, ALPHA.T),
        (RGB[:0], target[:0], affine),
    ]
    for arguments in wrong:
        with pytest.raises(DataError, match="must be"):
            loss(*arguments)
    flipped = RGB[::-1] + 0.5  # any memory order will do
    assert loss(flipped[:, ::-1], target, affine)[1].flags.c_contiguous


def test_adam() -> None:
    parameters, rates = np.zeros((5, 14), np.float32), np.zeros(14, np.float32)
    moments = (parameters.copy(), parameters.copy())
    ids, gradients = np.array([1, 4], np.uint32), np.zeros((2, 14), np.float32)
    wrong: list[tuple[Any, ...]] = [
        (parameters.astype(np.float64), moments, ids, gradients, rates),
        (np.zeros((5, 60), np.float32), moments, ids, gradients, rates),
        (np.asfortranarray(parameters), moments, ids, gradients, rates),
        (parameters, (moments[0], moments[1][:4]), ids, gradients, rates),
        (parameters, moments, ids.astype(np.int64), gradients, rates),
        (parameters, moments, ids + 1, gradients, rates),
        (parameters, moments, ids, gradients[:1], rates),
        (parameters, moments, ids, gradients, rates[:13]),
    ]
    for arguments in wrong:
        with pytest.raises(DataError, match=r"must be|does not exist"):
            adam_rows(*arguments, 1)
    with pytest.raises(DataError, match="must be"):
        adam_dense(parameters, moments, gradients, 0.1, 1)
