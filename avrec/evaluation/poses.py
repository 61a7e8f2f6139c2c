"""How far estimated poses are from true ones, whatever world they are expressed in."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from avrec.errors import DataError
from avrec.geometry import exp_se3, log_so3

__all__ = ["pose_errors", "rigid_fit"]

Float64 = NDArray[np.float64]


def pose_errors(found: Float64, truth: Float64) -> tuple[float, float]:
    """Root mean square error of poses after the rigid motion of the whole set that makes it smallest.

    Where a drive lies in the world is a convention that no picture shows, so it is no error.

    Args:
        found: float64 [N, 4, 4], world_from_body.
        truth: float64 [N, 4, 4], of the same bodies.

    Returns:
        Rotation in degrees and translation in metres.

    Raises:
        DataError: no poses, or arrays that do not fit.
    """
    if found.shape != truth.shape or found.ndim != 3 or not len(found):
        raise DataError(f"Two lists of poses of one length are needed, found {found.shape} and {truth.shape}.")
    fitted = rigid_fit(found, truth) @ found
    turn, shift = _residuals(fitted, truth)
    rotation = np.degrees(np.sqrt(np.mean(np.sum(turn**2, axis=1))))
    return float(rotation), float(np.sqrt(np.mean(np.sum(shift**2, axis=1))))


def rigid_fit(
    found: Float64, truth: Float64, *, rotation_scale_rad: float = 1e-3, translation_scale_m: float = 1e-2
) -> Float64:
    """The transform [4, 4] that brings ``found`` closest to ``truth``, rotations and positions together.

    Positions alone leave the turn about a straight path open; rotations close it.

    Args:
        found: float64 [N, 4, 4].
        truth: float64 [N, 4, 4].
        rotation_scale_rad: what a rotation error is measured in.
        translation_scale_m: what a position error is measured in.
    """
    products = np.einsum("nij,nkj->ik", truth[:, :3, :3], found[:, :3, :3])
    left, _, right = np.linalg.svd(products)
    fit = np.eye(4)
    fit[:3, :3] = left @ np.diag([1.0, 1.0, np.linalg.det(left @ right)]) @ right
    fit[:3, 3] = (truth[:, :3, 3] - found[:, :3, 3] @ fit[:3, :3].T).mean(axis=0)
    for _ in range(10):
        moved = fit @ found
        turn, shift = _residuals(moved, truth)
        # A small motion (rho, phi) of the world turns every body by phi and moves it by rho + phi x position.
        jacobian = np.zeros((len(found), 6, 6))
        jacobian[:, :3, 3:] = np.eye(3) / rotation_scale_rad
        jacobian[:, 3:, :3] = np.eye(3) / translation_scale_m
        jacobian[:, 3:, 3:] = -_cross(moved[:, :3, 3]) / translation_scale_m
        residual = np.concatenate([turn / rotation_scale_rad, shift / translation_scale_m], axis=1)
        step, *_ = np.linalg.lstsq(jacobian.reshape(-1, 6), -residual.reshape(-1), rcond=None)
        fit = exp_se3(step) @ fit
        if np.abs(step).max() < 1e-12:
            break
    return fit


def _residuals(found: Float64, truth: Float64) -> tuple[Float64, Float64]:
    """Rotation vectors [N, 3] in world axes and shifts [N, 3] from truth to found."""
    turn = log_so3(found[:, :3, :3] @ np.swapaxes(truth[:, :3, :3], 1, 2))
    return np.asarray(turn), found[:, :3, 3] - truth[:, :3, 3]


def _cross(vectors: Float64) -> Float64:
    x, y, z = vectors.T
    zero = np.zeros_like(x)
    return np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=-1).reshape(-1, 3, 3)
