"""A first guess of the sky: what the pictures show in each upward direction."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from avrec.drive import CameraSensor
from avrec.gaussians.sky import sky_taps
from avrec.geometry import Trajectory
from avrec.reconstruction.pictures import Picture

__all__ = ["first_sky"]

MOST_PICTURES = 60


def first_sky(
    pictures: Sequence[Picture], cameras: dict[str, CameraSensor], ego: Trajectory, *, size: int
) -> NDArray[np.float32]:
    """Cubemap float32 [6, S, S, 3] of the brightest colours seen in each direction, spread to where nothing was seen.

    What blocks the sky is mostly darker than it, and what is wrong is corrected by the optimiser; a black or grey start
    would be filled with floating Gaussians first.
    """
    total = np.zeros((6 * size * size, 3))
    weight = np.zeros(6 * size * size)
    for picture in pictures[:: max(1, len(pictures) // MOST_PICTURES)]:
        small = picture.at(4)
        rays, valid = small.model.pixel_rays()
        pose = ego.at(float(small.times_us.mean()), outside="extrapolate") @ cameras[picture.camera].rig_from_camera
        directions = np.nan_to_num(rays) @ pose[:3, :3].T
        use = valid & (directions[..., 2] > 0.03)
        if not use.any():
            continue
        indices, _ = sky_taps(size, directions[use])
        rgb = small.image[use].astype(np.float64) / 255.0
        bright = np.exp(6.0 * rgb.mean(axis=1))
        np.add.at(total, indices[:, 0], rgb * bright[:, None])
        np.add.at(weight, indices[:, 0], bright)
    seen = weight > 0
    overall = total[seen].sum(axis=0) / weight[seen].sum() if seen.any() else np.full(3, 0.6)
    # One part of the overall colour everywhere keeps rarely seen texels tame.
    prior = 0.1 * (np.median(weight[seen]) if seen.any() else 1.0)
    texels = (total + prior * overall) / (weight + prior)[:, None]
    return np.ascontiguousarray(texels.reshape(6, size, size, 3), dtype=np.float32)
