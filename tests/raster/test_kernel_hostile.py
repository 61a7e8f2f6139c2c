"""Numbers that no trained scene has: the kernel neither crashes nor hangs nor spoils other pixels and gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from avrec.geometry import ShutterDirection
from avrec.raster.native import NativeRasterizer, rasterize_with_gradients
from avrec.raster.native.optimise import PhotometricLoss
from avrec.raster.reference import reference_rasterize
from avrec.raster.view import RasterSettings
from tests.raster import scenes
from tests.raster.kernels import needs_kernel

pytestmark = needs_kernel

HOSTILE = (
    np.nan,
    np.inf,
    -np.inf,
    3e38,
    -3e38,
    1e19,
    1e12,
    -1e12,
    1e9,
    -1e9,
    80,
    -80,
    40,
    -40,
    -18,
    1e-19,
    1e-40,
    0,
    -0.0,
)
"""Among them the exponents that overflow float32, denormals, and scales beyond what float32 can square."""


def render(
    packed: NDArray[np.float32], direction: ShutterDirection, width: int = 50, height: int = 34, **more: Any
) -> dict[str, Any]:
    """Picture and all gradients, for fixed upstream gradients."""
    bodies = 0 if more.get("body") is None else int(more["body"].max(initial=0))
    view = scenes.moving_view(scenes.pinhole(width, height), direction, bodies=bodies)
    rng = np.random.default_rng(0)
    v_rgb = rng.normal(size=(height, width, 3)).astype(np.float32)
    v_alpha, v_depth = rng.normal(size=(2, height, width)).astype(np.float32) * 0.1
    return rasterize_with_gradients(packed, view, v_rgb=v_rgb, v_alpha=v_alpha, v_depth=v_depth, **more)


def check_finite(out: dict[str, Any]) -> None:
    for name, value in out.items():
        assert np.isfinite(value).all() or (name == "median_depth" and not np.isinf(value).any()), name
    assert 0 <= out["alpha"].min() <= out["alpha"].max() <= 1


@pytest.mark.parametrize("direction", [ShutterDirection.TOP_TO_BOTTOM, ShutterDirection.GLOBAL])
@pytest.mark.parametrize("column", range(14))
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_a_number_is_not_drawn(column: int, bad: float, direction: ShutterDirection) -> None:
    """The rest looks and learns as if those Gaussians were not there."""
    packed, _ = scenes.cloud(90, degree=0, seed=1)
    ruined = np.random.default_rng(column).random(90) < 0.4
    spoilt = packed.copy()
    spoilt[ruined, column] = bad
    out, without = render(spoilt, direction), render(np.ascontiguousarray(packed[~ruined]), direction)
    check_finite(out)
    for name in ("rgb", "alpha", "depth_sum", "median_depth", "v_rotation", "v_origin"):
        np.testing.assert_allclose(out[name], without[name], rtol=1e-4, atol=1e-4, err_msg=name)
    np.testing.assert_allclose(out["v_packed"][~ruined], without["v_packed"], rtol=1e-3, atol=1e-3)
    assert not out["v_packed"][ruined].any()


def test_coefficients_in_use_count_and_others_do_not() -> None:
    packed, _ = scenes.cloud(60, degree=1, seed=2)
    packed[:, 14:] = np.nan
    view = scenes.moving_view(scenes.pinhole(40, 30), ShutterDirection.GLOBAL)
    rasterizer = NativeRasterizer()
    rasterizer.project(packed, view, sh_coefficients=1)
    assert rasterizer.forward()["alpha"].max() > 0.5
    _, gradients, _ = rasterizer.backward(np.ones((30, 40, 3), np.float32), pose=True)
    assert np.isfinite(gradients).all()
    assert not gradients[:, 14:].any()
    rasterizer.project(packed, view, sh_coefficients=4)
    assert not rasterizer.forward()["alpha"].any()


@pytest.mark.parametrize("thickness_m", [1e-4, 1e-8, 1e-11])
@pytest.mark.parametrize("direction", [ShutterDirection.RIGHT_TO_LEFT, ShutterDirection.GLOBAL])
def test_discs_without_thickness_follow_the_reference(direction: ShutterDirection, thickness_m: float) -> None:
    packed, _ = scenes.cloud(60, degree=0, seed=6)
    packed[:, 9] = np.log(thickness_m)
    view = scenes.moving_view(scenes.pinhole(40, 30), direction)
    judge = reference_rasterize(torch.from_numpy(packed), view, settings=scenes.EXACT)
    out = render(packed, direction, 40, 30, settings=scenes.EXACT)
    check_finite(out)
    safe = ~judge["fragile"].numpy()
    assert safe.mean() > 0.95
    assert judge["alpha"].max() > 0.5
    for name in ("rgb", "alpha"):
        assert np.abs(out[name] - judge[name].numpy())[safe].max() <= 2e-5


def test_a_quaternion_of_nothing_is_not_drawn() -> None:
    packed, _ = scenes.cloud(30, degree=0, seed=3)
    packed[:, 3:7] = 0
    out = render(packed, ShutterDirection.TOP_TO_BOTTOM)
    check_finite(out)
    assert not out["alpha"].any()


@settings(max_examples=150, deadline=None)
@given(data=st.data(), seed=st.integers(0, 2**31), direction=st.sampled_from(list(ShutterDirection)))
def test_any_numbers(data: st.DataObject, seed: int, direction: ShutterDirection) -> None:
    degree = data.draw(st.integers(0, 3))
    packed, body = scenes.cloud(60, degree=degree, seed=seed, bodies=2)
    cells = st.tuples(st.integers(0, 59), st.integers(0, packed.shape[1] - 1), st.sampled_from(HOSTILE))
    for row, column, value in data.draw(st.lists(cells, max_size=40)):
        packed[row, column % (11 if row % 2 else packed.shape[1])] = value
    inflate = data.draw(st.sampled_from([RasterSettings(), scenes.EXACT, RasterSettings(ut_alpha=0.1)]))
    out = render(packed, direction, body=body, settings=inflate)
    check_finite(out)
    value, v_rgb, v_affine = PhotometricLoss()(out["rgb"], np.zeros((34, 50, 3), np.uint8), np.eye(3, 4))
    assert np.isfinite(value)
    assert np.isfinite(v_rgb).all()
    assert np.isfinite(v_affine).all()


@pytest.mark.parametrize("direction", list(ShutterDirection))
@pytest.mark.parametrize("size", [(1, 1), (17, 33), (33, 17), (1, 40), (40, 1), (16, 16)])
def test_small_and_odd_pictures(size: tuple[int, int], direction: ShutterDirection) -> None:
    """Less than a tile, a tile and a bit, a single row or column or pixel of lines."""
    width, height = size
    packed, body = scenes.cloud(80, seed=4, bodies=1)
    out = render(packed, direction, width, height, body=body, background=np.array([0.1, 0.5, 0.9], np.float32))
    check_finite(out)
    assert out["rgb"].shape == (height, width, 3)
    assert out["alpha"].max() > 0.3
    lines = {"rows": height, "columns": width, "none": 1}[
        scenes.moving_view(scenes.pinhole(width, height), direction).axis
    ]
    assert out["v_rotation"].shape == (lines, 3, 3)
    assert np.abs(out["v_packed"]).max() > 0


@pytest.mark.parametrize("direction", [ShutterDirection.TOP_TO_BOTTOM, ShutterDirection.GLOBAL])
def test_an_empty_cloud(direction: ShutterDirection) -> None:
    background = np.array([0.1, 0.5, 0.9], np.float32)
    for packed in (np.zeros((0, 14), np.float32), scenes.cloud(50)[0] - np.float32(1e3)):
        out = render(packed, direction, background=background, body=np.zeros(len(packed), np.int32))
        assert (out["rgb"] == background).all()
        assert not out["alpha"].any()
        assert np.isnan(out["median_depth"]).all()
        assert not out["v_packed"].any()
        assert not out["v_rotation"].any()
        assert not out["v_origin"].any()


def test_bodies_in_any_order() -> None:
    """Sorted or shuffled, the same Gaussians make the same picture and get the same gradients."""
    packed, body = scenes.cloud(700, degree=1, bodies=3, seed=5)
    packed[:, 7:10] -= 1
    order = np.argsort(body, kind="stable")
    mixed = render(packed, ShutterDirection.BOTTOM_TO_TOP, body=body)
    apart = render(packed[order], ShutterDirection.BOTTOM_TO_TOP, body=np.ascontiguousarray(body[order]))
    assert (np.diff(body) < 0).any()
    for name in ("rgb", "alpha", "depth_sum"):
        np.testing.assert_array_equal(mixed[name], apart[name])
    np.testing.assert_array_equal(mixed["v_packed"][order], apart["v_packed"])
    np.testing.assert_allclose(mixed["v_origin"], apart["v_origin"], rtol=1e-4, atol=1e-4)


def test_thousands_in_one_pixel() -> None:
    """Equal faint Gaussians one behind another: alpha follows 1 - (1 - a)^n until the pixel is finished."""
    for count, opacity in ((300, 0.01), (5000, 0.01), (5000, 0.9)):
        packed = np.zeros((count, 14), np.float32)
        packed[:, 0] = np.linspace(5, 6, count)
        packed[:, 2] = 1.5
        packed[:, 3] = 1
        packed[:, 7:10] = 1  # so wide that the pixel sees the peak
        packed[:, 10] = np.log(opacity / (1 - opacity))
        packed[:, 11:] = 1
        view = scenes.moving_view(scenes.pinhole(9, 9), ShutterDirection.GLOBAL, speed=0)
        rasterizer = NativeRasterizer()
        assert rasterizer.project(packed, view) == count
        assert rasterizer.intersections == count
        alpha = rasterizer.forward()["alpha"]
        expected = 1 - (1 - opacity) ** count
        assert alpha.max() == pytest.approx(expected if expected < 0.9999 else 1.0, abs=4e-3 if opacity < 0.5 else 0.11)
        _, gradients, _ = rasterizer.backward(np.ones((9, 9, 3), np.float32), pose=True)
        assert np.isfinite(gradients).all()
        assert np.abs(gradients[0]).max() > 0
