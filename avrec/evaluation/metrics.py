"""How far a rendered picture is from a recorded one: PSNR, SSIM and GMSD."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from avrec.errors import DataError

__all__ = ["gmsd", "masked_psnr", "psnr", "ssim"]

Image = NDArray[np.uint8] | NDArray[np.floating]
Float32 = NDArray[np.float32]

_SSIM_WINDOW, _SSIM_SIGMA = 11, 1.5
_LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)
_GMSD_CONSTANT = 170.0 / 255.0**2


def psnr(first: Image, second: Image) -> float:
    """Peak signal-to-noise ratio of two pictures in dB, over all pixels and channels.

    Args:
        first: [H, W, 3], uint8 or float in 0..1.
        second: the same shape.

    Returns:
        ``-10 log10(mean squared difference)`` at peak 1; infinity for equal pictures.

    Raises:
        DataError: pictures of different shape.
    """
    a, b = _pair(first, second)
    return _psnr_of(float(np.mean(np.square(a - b), dtype=np.float64)))


def masked_psnr(first: Image, second: Image, mask: NDArray[np.bool_]) -> float:
    """PSNR in dB over the pixels of a mask, bool [H, W]; NaN where the mask is empty.

    Raises:
        DataError: shapes that do not fit.
    """
    a, b = _pair(first, second)
    if mask.shape != a.shape[:2]:
        raise DataError(f"A mask needs the shape of its picture {a.shape[:2]}, found {mask.shape}.")
    if not mask.any():
        return float("nan")
    return _psnr_of(float(np.mean(np.square(a[mask] - b[mask]), dtype=np.float64)))


def ssim(first: Image, second: Image) -> float:
    """Structural similarity, 1 for equal pictures.

    Wang et al., "Image quality assessment: from error visibility to structural similarity" (2004), equation 13: an
    11 x 11 Gaussian window of sigma 1.5, K1 = 0.01, K2 = 0.03, each RGB channel by itself, mean over the windows that
    lie wholly inside the picture.

    Raises:
        DataError: pictures of different shape or smaller than a window.
    """
    a, b = _pair(first, second)
    if min(a.shape[:2]) < _SSIM_WINDOW:
        raise DataError(f"SSIM needs pictures of at least 11 x 11 pixels, found {a.shape[1]} x {a.shape[0]}.")
    # Float64: variances are small differences of large squares.
    x, y = a.astype(np.float64), b.astype(np.float64)
    mean_x, mean_y = _windowed(x), _windowed(y)
    variance_x = _windowed(x * x) - mean_x**2
    variance_y = _windowed(y * y) - mean_y**2
    covariance = _windowed(x * y) - mean_x * mean_y
    c1, c2 = 0.01**2, 0.03**2
    score = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    score /= (mean_x**2 + mean_y**2 + c1) * (variance_x + variance_y + c2)
    return float(score.mean())


def gmsd(first: Image, second: Image) -> float:
    """Gradient magnitude similarity deviation, a perceptual distance: 0 for equal pictures, larger is worse.

    Xue et al., "Gradient Magnitude Similarity Deviation: A Highly Efficient Perceptual Image Quality Index" (2014),
    equations 1-6: luminance averaged 2 x 2 and halved, Prewitt gradients divided by 3, constant 170 on a 0..255 scale,
    standard deviation of the similarity map.

    Raises:
        DataError: pictures of different shape or smaller than 6 x 6 pixels.
    """
    a, b = _pair(first, second)
    if min(a.shape[:2]) < 6:
        raise DataError(f"GMSD needs pictures of at least 6 x 6 pixels, found {a.shape[1]} x {a.shape[0]}.")
    gradient_a, gradient_b = _gradient_magnitude(a), _gradient_magnitude(b)
    similarity = (2 * gradient_a * gradient_b + _GMSD_CONSTANT) / (gradient_a**2 + gradient_b**2 + _GMSD_CONSTANT)
    return float(np.std(similarity, dtype=np.float64))


def _psnr_of(mean_square: float) -> float:
    return float(-10.0 * np.log10(mean_square)) if mean_square > 0 else float("inf")


def _pair(first: Image, second: Image) -> tuple[Float32, Float32]:
    if first.shape != second.shape or first.ndim != 3 or first.shape[2] != 3:
        raise DataError(f"Two RGB pictures of one size are needed, found {first.shape} and {second.shape}.")
    return _unit(first), _unit(second)


def _unit(image: Image) -> Float32:
    scale = np.float32(1.0 / 255.0) if image.dtype == np.uint8 else np.float32(1.0)
    return np.asarray(image, np.float32) * scale


def _windowed(image: NDArray[np.float64]) -> NDArray[np.float64]:
    edge = _SSIM_WINDOW // 2
    blurred = cv2.GaussianBlur(image, (_SSIM_WINDOW, _SSIM_WINDOW), _SSIM_SIGMA)
    return np.asarray(blurred[edge:-edge, edge:-edge], np.float64)


def _gradient_magnitude(image: Float32) -> Float32:
    grey = image @ _LUMINANCE
    high, wide = grey.shape[0] // 2 * 2, grey.shape[1] // 2 * 2
    half = grey[:high, :wide].reshape(high // 2, 2, wide // 2, 2).mean(axis=(1, 3))
    smooth, step = np.ones(3, np.float32) / 3, np.array([-1, 0, 1], np.float32)
    across = cv2.sepFilter2D(half, cv2.CV_32F, step, smooth, borderType=cv2.BORDER_REPLICATE)
    down = cv2.sepFilter2D(half, cv2.CV_32F, smooth, step, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(np.sqrt(across**2 + down**2), np.float32)
