"""PSNR, SSIM and GMSD against hand-computed values and independent formulas."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import convolve
from scipy.signal import convolve2d

from avrec.errors import DataError
from avrec.evaluation.metrics import gmsd, masked_psnr, psnr, ssim


def pictures(seed: int, noise: float = 0.05) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    rough = random.random((6, 8, 3))
    first = np.kron(rough, np.ones((6, 5, 1)))
    return first, np.clip(first + random.normal(0, noise, first.shape), 0, 1)


def test_psnr_by_hand() -> None:
    black, grey = np.zeros((4, 5, 3)), np.full((4, 5, 3), 0.1)
    assert psnr(black, grey) == pytest.approx(20.0, abs=1e-5)
    assert psnr(np.zeros((4, 5, 3), np.uint8), np.full((4, 5, 3), 255, np.uint8)) == pytest.approx(0.0)
    assert psnr(grey, grey) == float("inf")
    grey[0, 0] = 1.0
    mask = np.zeros((4, 5), bool)
    assert np.isnan(masked_psnr(black, grey, mask))
    mask[0, :2] = True  # squares 1 and 0.01
    assert masked_psnr(black, grey, mask) == pytest.approx(-10 * np.log10(0.505), abs=1e-5)


def test_ssim_agrees_with_an_independent_formula() -> None:
    first, second = pictures(0)
    axis = np.arange(11) - 5
    window = np.exp(-(axis[:, None] ** 2 + axis[None, :] ** 2) / (2 * 1.5**2))
    window /= window.sum()

    def local(x: np.ndarray) -> np.ndarray:
        return convolve2d(x, window, mode="valid")

    scores = []
    for channel in range(3):
        x, y = first[..., channel], second[..., channel]
        mx, my = local(x), local(y)
        vx, vy, cov = local(x * x) - mx * mx, local(y * y) - my * my, local(x * y) - mx * my
        luminance = (2 * mx * my + 1e-4) / (mx * mx + my * my + 1e-4)
        scores.append((luminance * (2 * cov + 9e-4) / (vx + vy + 9e-4)).mean())
    assert ssim(first, second) == pytest.approx(np.mean(scores), abs=1e-5)


def test_gmsd_agrees_with_an_independent_formula() -> None:
    first, second = (x * 255 for x in pictures(1))

    def gradient(image: np.ndarray) -> np.ndarray:
        grey = image @ [0.299, 0.587, 0.114]
        half = convolve2d(grey, np.full((2, 2), 0.25), mode="valid")[::2, ::2]
        prewitt = np.array([[1, 0, -1]] * 3) / 3
        return np.hypot(convolve(half, prewitt, mode="nearest"), convolve(half, prewitt.T, mode="nearest"))

    a, b = gradient(first), gradient(second)
    judge = np.std((2 * a * b + 170) / (a * a + b * b + 170))
    assert gmsd(first / 255, second / 255) == pytest.approx(judge, abs=1e-5)


@settings(max_examples=20)
@given(st.integers(0, 1000), st.floats(0.01, 0.3))
def test_metrics_are_symmetric_and_worsen_with_noise(seed: int, noise: float) -> None:
    first, near = pictures(seed, noise)
    _, far = pictures(seed, noise * 2)
    assert psnr(first, near) == pytest.approx(psnr(near, first))
    assert psnr(first, near) > psnr(first, far)
    assert ssim(first, first) == pytest.approx(1)
    assert ssim(first, near) == pytest.approx(ssim(near, first), abs=1e-9)
    assert ssim(first, near) > ssim(first, far)
    assert gmsd(first, first) == 0
    assert gmsd(first, near) == pytest.approx(gmsd(near, first), abs=1e-6)


def test_pictures_of_different_size_are_refused() -> None:
    with pytest.raises(DataError, match="one size"):
        psnr(np.zeros((4, 4, 3)), np.zeros((4, 5, 3)))
    with pytest.raises(DataError, match="11 x 11"):
        ssim(np.zeros((4, 4, 3)), np.zeros((4, 4, 3)))
    with pytest.raises(DataError, match="mask"):
        masked_psnr(np.zeros((4, 4, 3)), np.zeros((4, 4, 3)), np.ones((3, 4), bool))
