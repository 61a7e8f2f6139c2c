"""The fused photometric loss against torch autograd in float64, and by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from avrec.raster.native.optimise import PhotometricLoss
from tests.raster.kernels import needs_kernel

pytestmark = needs_kernel

C1, C2 = 1e-4, 9e-4


def blur(planes: Tensor) -> Tensor:
    """11-tap Gaussian window of sigma 1.5 over [3, H, W], zeros outside the picture."""
    offsets = torch.arange(-5, 6, dtype=torch.float64)
    window = torch.exp(-(offsets**2) / (2 * 1.5**2))
    window = window / window.sum()
    kernel = torch.outer(window, window)[None, None]
    return torch.nn.functional.conv2d(planes[:, None], kernel, padding=5)[:, 0]


def judge(rgb: Tensor, target: NDArray[np.uint8], affine: Tensor, weight: NDArray[Any] | None, share: float) -> Tensor:
    """The loss as the papers write it; SSIM's map is weighted like L1's."""
    picture = (torch.einsum("ij,hwj->hwi", affine[:, :3], rgb) + affine[:, 3]).permute(2, 0, 1)
    truth = torch.from_numpy(target.astype(np.float64) / 255).permute(2, 0, 1)
    mean_y, mean_t = blur(picture), blur(truth)
    variance_y, variance_t = blur(picture**2) - mean_y**2, blur(truth**2) - mean_t**2
    covariance = blur(picture * truth) - mean_y * mean_t
    ssim = (2 * mean_y * mean_t + C1) * (2 * covariance + C2)
    ssim = ssim / ((mean_y**2 + mean_t**2 + C1) * (variance_y + variance_t + C2))
    per_pixel = (1 - share) * (picture - truth).abs() + share * (1 - ssim)
    counts = torch.ones(rgb.shape[:2], dtype=torch.float64) if weight is None else torch.from_numpy(weight).double()
    return (per_pixel * counts).sum() / (3 * counts.sum().clamp(min=1.0))


def compare(height: int, width: int, *, masked: bool, share: float, seed: int, soft: bool = False) -> None:
    rng = np.random.default_rng(seed)
    rgb = rng.random((height, width, 3)).astype(np.float32)
    target = rng.integers(0, 256, (height, width, 3)).astype(np.uint8)
    if soft:  # nearly equal pictures, as late in a reconstruction
        rgb = (target / 255 + 0.02 * rng.normal(size=rgb.shape)).astype(np.float32)
    weight = (rng.random((height, width)) < 0.7).astype(np.float32) * rng.random((height, width)).astype(np.float32)
    affine = (np.eye(3, 4) + 0.1 * rng.normal(size=(3, 4))).astype(np.float32)
    value, v_rgb, v_affine = PhotometricLoss(share)(rgb, target, affine, weight if masked else None)

    leaf = torch.tensor(rgb, dtype=torch.float64, requires_grad=True)
    correction = torch.tensor(affine, dtype=torch.float64, requires_grad=True)
    expected = judge(leaf, target, correction, weight if masked else None, share)
    expected.backward()
    assert leaf.grad is not None
    assert correction.grad is not None
    assert value == pytest.approx(expected.item(), rel=2e-5, abs=1e-7)
    for found, truth in ((v_rgb, leaf.grad.numpy()), (v_affine, correction.grad.numpy())):
        assert np.linalg.norm(found - truth) <= 2e-4 * np.linalg.norm(truth) + 1e-9


# One pixel, less than the window, one vector and a bit, odd, wide, tall.
@pytest.mark.parametrize("size", [(1, 1), (3, 4), (7, 9), (17, 33), (40, 16), (5, 90), (61, 3)])
@pytest.mark.parametrize("masked", [False, True])
def test_value_and_gradients(size: tuple[int, int], masked: bool) -> None:
    compare(*size, masked=masked, share=0.2, seed=sum(size))


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_each_part_alone(share: float) -> None:
    compare(21, 18, masked=True, share=share, seed=3)


def test_nearly_equal_pictures() -> None:
    compare(32, 47, masked=False, share=0.2, seed=4, soft=True)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 24), st.integers(1, 40), st.booleans(), st.floats(0, 1), st.integers(0, 2**31))
def test_any_size(height: int, width: int, masked: bool, share: float, seed: int) -> None:
    compare(height, width, masked=masked, share=share, seed=seed)


def test_equal_pictures_cost_nothing() -> None:
    target = np.random.default_rng(0).integers(0, 256, (20, 24, 3)).astype(np.uint8)
    value, v_rgb, _ = PhotometricLoss()((target / 255).astype(np.float32), target, np.eye(3, 4))
    assert value == pytest.approx(0, abs=1e-5)
    # L1 has a kink here: each channel may pull by its own share of the mean, and no more.
    assert np.abs(v_rgb).max() <= 0.8 / target.size * 1.01 + 1e-6


def test_black_against_white_by_hand() -> None:
    """L1 is 1 and SSIM is C1 / (1 + C1) in the middle: the loss is just below 0.8 + 0.2."""
    value, _, _ = PhotometricLoss(0.2)(
        np.zeros((64, 64, 3), np.float32), np.full((64, 64, 3), 255, np.uint8), np.eye(3, 4)
    )
    assert 0.998 < value < 1.0
    alone, v_rgb, _ = PhotometricLoss(0.0)(
        np.zeros((4, 5, 3), np.float32), np.full((4, 5, 3), 255, np.uint8), np.eye(3, 4)
    )
    assert alone == pytest.approx(1.0)
    np.testing.assert_allclose(v_rgb, -1 / 60, rtol=1e-6)


def test_masked_pixels_do_not_count() -> None:
    rng = np.random.default_rng(5)
    rgb, target = rng.random((16, 20, 3)).astype(np.float32), rng.integers(0, 256, (16, 20, 3)).astype(np.uint8)
    none = np.zeros((16, 20), np.float32)
    value, v_rgb, v_affine = PhotometricLoss()(rgb, target, np.eye(3, 4), none)
    assert value == 0
    assert not v_rgb.any()
    assert not v_affine.any()
    half = none.copy()
    half[:, :5] = 1
    changed = rgb.copy()
    changed[:, 11:] = rng.random((16, 9, 3))  # out of the reach of the window
    loss = PhotometricLoss()
    assert loss(rgb, target, np.eye(3, 4), half)[0] == loss(changed, target, np.eye(3, 4), half)[0]
