"""Gaussians out of coloured points."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from avrec.gaussians.cloud import SH_C0, Gaussians, coefficients_for_degree

__all__ = ["gaussians_from_points"]


def gaussians_from_points(
    xyz: NDArray[np.floating],
    rgb: NDArray[np.floating],
    scale_m: NDArray[np.floating],
    *,
    opacity: float = 0.5,
    sh_degree: int = 1,
) -> Gaussians:
    """Round Gaussians, one per point.

    Args:
        xyz: [N, 3] metres, in the frame of the layer.
        rgb: [N, 3] in 0..1, put into the constant harmonic.
        scale_m: [N] standard deviation.
        opacity: of all of them.
        sh_degree: bands to make room for.
    """
    count = len(xyz)
    quaternions = np.zeros((count, 4))
    quaternions[:, 0] = 1.0
    sh = np.zeros((count, coefficients_for_degree(sh_degree), 3))
    sh[:, 0] = (np.asarray(rgb) - 0.5) / SH_C0
    log_scales = np.repeat(np.log(np.asarray(scale_m, np.float64))[:, None], 3, axis=1)
    return Gaussians.from_parts(
        np.asarray(xyz), quaternions, log_scales, np.full(count, np.log(opacity / (1 - opacity))), sh
    )
