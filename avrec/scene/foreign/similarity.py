"""A cloud seen from another frame: moved, turned, scaled or mirrored, its colours' view dependence with it."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avrec.errors import DataError
from avrec.gaussians import Gaussians
from avrec.geometry import matrix_from_quaternion, quaternion_from_matrix

__all__ = ["harmonics_rotation", "transformed"]

Float64 = NDArray[np.float64]

_ROWS = 1 << 16
_DIRECTIONS = 64


def transformed(cloud: Gaussians, new_from_old: ArrayLike) -> Gaussians:
    """The cloud in another frame.

    Args:
        cloud: in the old frame.
        new_from_old: [4, 4] affine. Rotation, mirroring and scale are exact; under shear or unequal scales the
            Gaussians still get the exact covariance, their colours the nearest rotation.

    Returns:
        The same object for the identity.

    Raises:
        DataError: not an affine transform with finite values, or one that flattens space.
    """
    matrix = np.asarray(new_from_old, np.float64)
    if matrix.shape != (4, 4) or not np.isfinite(matrix).all() or (matrix[3] != (0, 0, 0, 1)).any():
        raise DataError("A transform of Gaussians must be a finite affine 4x4 matrix; check the file it comes from.")
    if np.array_equal(matrix, np.eye(4)):
        return cloud
    linear, offset = matrix[:3, :3], matrix[:3, 3]
    left, stretch, right = np.linalg.svd(linear)
    if stretch[2] <= 1e-9 * stretch[0] or not 1e-9 < stretch[0] < 1e9:
        raise DataError("A transform of Gaussians must not flatten space or blow it up; check the file it comes from.")
    turn = left @ right
    packed = np.empty_like(cloud.packed)
    even = stretch[0] - stretch[2] < 1e-7 * stretch[0]
    harmonics = harmonics_rotation(turn, cloud.sh.shape[1])
    # A Gaussian looks the same mirrored through its centre, so a reflection turns it like the rotation -turn.
    quaternion = quaternion_from_matrix(turn * np.sign(np.linalg.det(turn)))
    for start in range(0, len(cloud), _ROWS):
        old, new = cloud.packed[start : start + _ROWS], packed[start : start + _ROWS]
        new[:, 0:3] = old[:, 0:3] @ linear.T + offset
        if even:
            new[:, 3:7] = _product(quaternion, old[:, 3:7].astype(np.float64))
            new[:, 7:10] = old[:, 7:10] + np.log(stretch.mean())
        else:
            new[:, 3:7], new[:, 7:10] = _stretched(old, linear)
        new[:, 10] = old[:, 10]
        sh = old[:, 11:].reshape(len(old), len(harmonics), 3)
        turned = sh.transpose(0, 2, 1).reshape(-1, len(harmonics)) @ harmonics.T
        new[:, 11:] = turned.reshape(len(old), 3, -1).transpose(0, 2, 1).reshape(len(old), -1)
    return Gaussians(packed)


def harmonics_rotation(turn: ArrayLike, coefficients: int) -> Float64:
    """The matrix [K, K] that turns spherical-harmonic coefficients with a rotation or reflection [3, 3].

    Found from the values at scattered directions, so it needs no formula per band and holds for reflections.
    """
    if coefficients == 1:
        return np.eye(1)
    import torch  # late: most readers never turn anything

    from avrec.raster.reference import spherical_harmonics

    steps = np.arange(_DIRECTIONS) + 0.5
    height, angle = 1 - 2 * steps / _DIRECTIONS, np.pi * (1 + 5**0.5) * steps
    radius = np.sqrt(1 - height**2)
    directions = np.stack([radius * np.cos(angle), radius * np.sin(angle), height], axis=1)
    new = spherical_harmonics(torch.from_numpy(directions), coefficients).numpy()
    old = spherical_harmonics(torch.from_numpy(directions @ np.asarray(turn, np.float64)), coefficients).numpy()
    matrix: Float64 = np.linalg.lstsq(new, old, rcond=None)[0]
    matrix[np.abs(matrix) < 1e-12] = 0.0
    return matrix


def _product(left: Float64, right: Float64) -> Float64:
    """Hamilton product of one wxyz quaternion with many [N, 4]."""
    w, x, y, z = left
    matrix = np.array([[w, -x, -y, -z], [x, w, -z, y], [y, z, w, -x], [z, -y, x, w]])
    product: Float64 = right @ matrix.T
    return product


def _stretched(rows: NDArray[np.float32], linear: Float64) -> tuple[Float64, Float64]:
    """Quaternions and log scales of Gaussians after any linear map, through the axes of the mapped ellipsoid."""
    quaternions = rows[:, 3:7].astype(np.float64)
    scales = np.exp(np.clip(rows[:, 7:10].astype(np.float64), -60, 60))
    axes = linear @ (matrix_from_quaternion(quaternions) * scales[:, None, :])
    turn, lengths, _ = np.linalg.svd(axes)
    turn[:, :, 2] *= np.sign(np.linalg.det(turn))[:, None]
    return quaternion_from_matrix(turn), np.log(np.maximum(lengths, 1e-30))
