"""What the rasteriser is asked for (a `View`) and what it answers (a `Raster`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from avrec.geometry import Camera

__all__ = ["SCENE_SETTINGS", "Raster", "RasterSettings", "View"]

Float64 = NDArray[np.float64]
Float32 = NDArray[np.float32]


@dataclass(frozen=True)
class View:
    """One picture to take: a camera model and its pose at every shutter line.

    Attributes:
        camera: camera model at the picture's resolution.
        rotation: float64 [L, 3, 3], world_from_camera rotation at each shutter line's exposure.
        origin: float64 [L, 3], camera centre in the world at each line, metres.
        axis: ``"rows"`` (L = height), ``"columns"`` (L = width) or ``"none"`` (global shutter, L = 1). Line i
            belongs to pixel row (column) i, whatever the direction in which the shutter runs.
        bodies: float64 [B, L, 4, 4], world_from_body of each moving body at each line. Gaussians with body index
            b > 0 live in the frame of ``bodies[b - 1]``; body 0 is the world.
    """

    camera: Camera
    rotation: Float64
    origin: Float64
    axis: Literal["rows", "columns", "none"]
    bodies: Float64

    @property
    def lines(self) -> int:
        """Number of shutter lines L."""
        return len(self.origin)


@dataclass(frozen=True)
class RasterSettings:
    """Constants of 3DGUT: 3dgrut's unscented alpha, gsplat's thresholds.

    Attributes:
        near_m: Gaussians whose centre is nearer (camera z; Euclidean for f-theta) are dropped.
        far_m: farther ones too.
        ut_alpha, ut_beta, ut_kappa: unscented transform.
        bound_sigma: bounds reach min(bound_sigma, sqrt(2 ln(255 opacity))) standard deviations.
        blur_px2: added to the diagonal of the projected covariance (bounds only).
        min_alpha: contributions below are skipped.
        max_alpha: alpha is clamped here.
        min_transmittance: a pixel is finished when its transmittance would fall to this.
        margin: sigma points may lie outside the image by this fraction of its size.
        inflate_bounds: multiplies the bounds; large values make the result exact for tests.
    """

    near_m: float = 0.2
    far_m: float = 1e4
    ut_alpha: float = 1.0
    ut_beta: float = 2.0
    ut_kappa: float = 0.0
    bound_sigma: float = 3.33
    blur_px2: float = 0.3
    min_alpha: float = 1.0 / 255.0
    max_alpha: float = 0.99
    min_transmittance: float = 1e-4
    margin: float = 0.1
    inflate_bounds: float = 1.0


SCENE_SETTINGS = RasterSettings(near_m=0.3)
"""What scenes are optimised and rendered with: nothing nearer was ever looked at, so it must not be shown."""


@dataclass(frozen=True)
class Raster:
    """A rendered picture.

    Attributes:
        rgb: float32 [H, W, 3], linear blend of the Gaussians over the background.
        alpha: float32 [H, W].
        depth: float32 [H, W], expected distance along the pixel's unit ray in metres; NaN where alpha is ~0.
        median_depth: float32 [H, W], distance at which the transmittance falls below one half; NaN where it never does.
        normal: float32 [H, W, 3] in the world frame, unit length, facing the camera; NaN where alpha is ~0. None if
            it was not asked for.
    """

    rgb: Float32
    alpha: Float32
    depth: Float32
    median_depth: Float32
    normal: Float32 | None
