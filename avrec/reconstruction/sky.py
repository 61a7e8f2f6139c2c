"""The sky: a first guess of it from the pictures, and what keeps the way to it clear."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from avrec.drive import CameraSensor
from avrec.gaussians.sky import sky_directions, sky_taps
from avrec.geometry import Camera, Trajectory
from avrec.raster.native.lens import ray_table
from avrec.reconstruction.pictures import Picture

__all__ = ["below_horizon", "first_sky", "sky_pull"]

Float64 = NDArray[np.float64]
Float32 = NDArray[np.float32]
UInt8 = NDArray[np.uint8]

MOST_PICTURES = 60
HORIZON = 0.03
"""Sine of the elevation above which there may be sky."""
_LIKENESS = 0.03


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


def below_horizon(size: int) -> NDArray[np.bool_]:
    """Texels of a cubemap that only rays to the ground meet, bool [6, S, S].

    They are not optimised: a sky that took on the colours of the road would let the road go transparent.
    """
    return np.asarray(sky_directions(size)[..., 2] < -HORIZON - 2.0 / size, dtype=np.bool_)


def sky_pull(
    sky: Float32,
    image: UInt8,
    model: Camera,
    rotation: Float64,
    color: Float64,
    *,
    sky_weight: float,
    ground_weight: float,
) -> Float32:
    """Gradient by alpha that thins out Gaussians where the sky alone looks like the picture, and fills the ground.

    Below the horizon there is no sky, so what is seen there is solid. A road that lets the sky shine through looks
    right from the path and wrong beside it.

    Without the pull above the horizon nothing decides between a sky and a blue Gaussian before it, and the first to be
    there stays: floating points that only show from beside the path. What is solid has texture or moves against the
    sky, so its own gradient is stronger.

    Args:
        sky: float32 [H, W, 3], the sky behind each pixel.
        image: uint8 [H, W, 3] recorded.
        model: camera of this size.
        rotation: float64 [3, 3] world_from_camera in the middle of the shutter.
        color: float64 [3, 4] colour correction of the camera.
        sky_weight: of a pixel that looks the same, against a loss that is a mean over pixels.
        ground_weight: of a pixel below the horizon, likewise.

    Returns:
        float32 [H, W].
    """
    elevation = ray_table(model) @ rotation[2].astype(np.float32)
    above = np.flatnonzero(elevation > HORIZON)
    difference = sky.reshape(-1, 3)[above] @ color[:, :3].T.astype(np.float32) + color[:, 3].astype(np.float32)
    difference -= image.reshape(-1, 3)[above] * np.float32(1 / 255)
    pull = np.zeros(image.shape[:2], np.float32)
    likeness = np.exp(np.einsum("nc,nc->n", difference, difference) * np.float32(-0.5 / _LIKENESS**2))
    pull.reshape(-1)[above] = likeness * np.float32(sky_weight / pull.size)
    pull.reshape(-1)[np.ravel(elevation < -HORIZON)] = -np.float32(ground_weight / pull.size)
    return pull
