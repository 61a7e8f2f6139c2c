"""Loss and optimiser steps of the kernel behind typed arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from avrec.errors import DataError
from avrec.raster.native.checks import check_array
from avrec.raster.native.kernel import kernel

__all__ = ["PhotometricLoss", "adam_dense", "adam_rows"]

Float32 = NDArray[np.float32]

BETA1, BETA2, EPSILON = 0.9, 0.99, 1e-15
_MOST_COLUMNS = 59  # kMaxColumns of the kernel


class PhotometricLoss:
    """``(1 - w) L1 + w (1 - SSIM)`` after a colour correction, with its gradient; buffers are kept between calls."""

    def __init__(self, ssim_weight: float = 0.2) -> None:
        self._loss = kernel().Loss()
        self._ssim_weight = float(ssim_weight)

    def __call__(
        self,
        rgb: Float32,
        target: NDArray[np.uint8],
        affine: NDArray[np.floating],
        weight: Float32 | None = None,
    ) -> tuple[float, Float32, NDArray[np.float64]]:
        """Loss of one picture.

        Args:
            rgb: float32 [H, W, 3] rendered.
            target: uint8 [H, W, 3] recorded.
            affine: [3, 4] colour correction applied to ``rgb`` first.
            weight: float32 [H, W], 0 where a pixel does not count; None: all count.

        Returns:
            The loss, its gradient by rgb float32 [H, W, 3], and by the correction float64 [3, 4].

        Raises:
            DataError: arrays of other types or shapes.
        """
        if rgb.ndim != 3 or rgb.shape[2] != 3 or not rgb.size:
            raise DataError(f"The rendered picture must be [H, W, 3], found {list(rgb.shape)}.")
        rgb, target = np.ascontiguousarray(rgb), np.ascontiguousarray(target)
        check_array("The rendered picture", rgb, np.float32, rgb.shape)
        check_array("The recorded picture", target, np.uint8, rgb.shape)
        if weight is not None:
            weight = np.ascontiguousarray(weight)
            check_array("The weight of each pixel", weight, np.float32, rgb.shape[:2])
        correction = np.ascontiguousarray(affine, np.float32)
        check_array("The colour correction", correction, np.float32, (3, 4))
        v_rgb = np.empty_like(rgb)
        loss, v_affine = self._loss.run(rgb, target, weight, correction, self._ssim_weight, v_rgb)
        return float(loss), v_rgb, np.array(v_affine).reshape(3, 4)


def adam_rows(
    parameters: Float32,
    moments: tuple[Float32, Float32],
    ids: NDArray[np.uint32],
    gradients: Float32,
    rates: Float32,
    step: int,
    *,
    opacity_weight: float = 0.0,
    scale_weight: float = 0.0,
    mean_size_m: float = 0.0,
) -> None:
    """Adam on the rows ``ids`` of packed Gaussians, in place.

    Args:
        parameters: float32 [N, C]; ``moments`` likewise.
        moments: running means of the gradient and of its square.
        ids: uint32 [V] rows with a gradient.
        gradients: float32 [V, C].
        rates: float32 [C] learning rates.
        step: number of this step, from 1, for the bias correction.
        opacity_weight, scale_weight: regularisers, per Gaussian: weight x opacity + weight x sum of scales.
        mean_size_m: the rate of a mean is multiplied by the Gaussian's size (geometric mean of its scales) over this,
            within 1/4 and 4; 0 treats all alike.

    Raises:
        DataError: arrays of other types or shapes, or a row that does not exist.
    """
    if parameters.ndim != 2 or not 11 <= parameters.shape[1] <= _MOST_COLUMNS:
        raise DataError(f"Parameters must be [N, 11 + 3K] with K up to 16, found {list(parameters.shape)}.")
    check_array("Parameters", parameters, np.float32, parameters.shape)
    for moment in moments:
        check_array("A moment", moment, np.float32, parameters.shape)
    check_array("Row numbers", ids, np.uint32, (len(ids),))
    check_array("Gradients", gradients, np.float32, (len(ids), parameters.shape[1]))
    check_array("Rates", rates, np.float32, (parameters.shape[1],))
    if len(ids) and int(ids.max()) >= len(parameters):
        raise DataError(f"Row {int(ids.max())} does not exist: there are {len(parameters)}.")
    settings = [BETA1, BETA2, EPSILON, 1 - BETA1**step, 1 - BETA2**step, opacity_weight, scale_weight, mean_size_m]
    kernel().adam(parameters, *moments, ids, gradients, rates, settings)


def adam_dense(
    parameters: Float32, moments: tuple[Float32, Float32], gradients: Float32, rate: float, step: int
) -> None:
    """Adam on a plain float32 array, in place; entries whose gradient is exactly 0 are left alone."""
    check_array("Parameters", parameters, np.float32, parameters.shape)
    for array in (*moments, gradients):
        check_array("A moment or gradient", array, np.float32, parameters.shape)
    settings = [BETA1, BETA2, EPSILON, 1 - BETA1**step, 1 - BETA2**step]
    kernel().adam_dense(parameters, *moments, gradients, rate, settings)
