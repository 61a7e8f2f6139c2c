"""Fit a rendered picture's pose to the recorded one: what is left when poses are taken out of the comparison."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from avrec.geometry import exp_se3
from avrec.raster import Backend, View
from avrec.rendering import Shot, render_view
from avrec.scene.scene import Scene

__all__ = ["Alignment", "align_shot", "moved_view"]

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

_BLURS_PX = (3.0, 1.5, 0.0, 0.0, 0.0)
"""Blur of each step: errors of a few pixels lie outside the basin of sharp pictures."""


@dataclass(frozen=True)
class Alignment:
    """A picture at the pose that fits the recorded one best.

    Attributes:
        shot: the picture.
        rotation_deg: angle between the pose before and after.
        translation_m: distance between them.
    """

    shot: Shot
    rotation_deg: float
    translation_m: float


def align_shot(scene: Scene, shot: Shot, recorded: NDArray[np.uint8], *, backend: Backend = "auto") -> Alignment:
    """Move the camera of a picture until it fits a recorded one: Gauss-Newton on the squared colour difference.

    The six derivatives are forward differences of half a pixel. One rigid motion in the camera's frame is applied to
    all shutter lines; the picture with the smallest error of all that were tried is returned, so the fit never
    loses against the start.

    Args:
        scene: the scene the shot was taken of.
        shot: where to start.
        recorded: uint8 RGB [H, W, 3].
        backend: which rasteriser.
    """
    steps = _half_pixel_steps(shot)
    goal = np.asarray(recorded, np.float32) / np.float32(255)
    best, best_error = shot, _error(shot, goal)
    current = shot
    for blur_px in _BLURS_PX:
        target = _blurred(goal, blur_px)
        base = _blurred(current.rgb, blur_px)
        columns = []
        for axis in range(6):
            nudge = np.zeros(6)
            nudge[axis] = steps[axis]
            nudged = render_view(scene, moved_view(current.view, nudge), shot.camera, shot.time_us, backend=backend)
            columns.append((_blurred(nudged.rgb, blur_px) - base)[shot.valid].ravel())
        jacobian = np.stack(columns, axis=1).astype(np.float64)  # per half pixel: well scaled
        residual = (target - base)[shot.valid].ravel().astype(np.float64)
        normal = jacobian.T @ jacobian
        normal[np.diag_indices(6)] += 1e-3 * np.trace(normal) / 6 + 1e-12
        # More than 20 half pixels in one step leaves the region where the derivatives hold.
        move = np.clip(np.linalg.solve(normal, jacobian.T @ residual), -20.0, 20.0) * steps
        current = render_view(scene, moved_view(current.view, move), shot.camera, shot.time_us, backend=backend)
        error = _error(current, goal)
        if error < best_error:
            best, best_error = current, error
        elif blur_px == 0.0:
            break
    start, end = shot.view, best.view
    turn = start.rotation[0].T @ end.rotation[0]
    angle = np.degrees(np.arccos(np.clip((np.trace(turn) - 1) / 2, -1.0, 1.0)))
    return Alignment(best, float(angle), float(np.linalg.norm(end.origin[0] - start.origin[0])))


def moved_view(view: View, motion: Float64) -> View:
    """The view with its camera moved by a twist [6] (translation, rotation) in its own frame, at every line."""
    delta = exp_se3(np.asarray(motion, np.float64))
    return replace(
        view,
        rotation=view.rotation @ delta[:3, :3],
        origin=view.origin + view.rotation @ delta[:3, 3],
    )


def _half_pixel_steps(shot: Shot) -> Float64:
    """Motion along each axis, metres and radians, that shifts the picture by about half a pixel."""
    camera = shot.view.camera
    centre = np.array([[camera.width / 2 - 0.5, camera.height / 2], [camera.width / 2 + 0.5, camera.height / 2]])
    rays, _ = camera.unproject(centre)
    angle = float(np.linalg.norm(rays[1] - rays[0])) / 2
    distance = float(np.nanmedian(shot.depth)) if np.isfinite(shot.depth).any() else 10.0
    return np.array([distance] * 3 + [1.0] * 3) * angle


def _error(shot: Shot, recorded: Float32) -> float:
    return float(np.mean(np.square(shot.rgb - recorded)[shot.valid], dtype=np.float64))


def _blurred(image: Float32, sigma_px: float) -> Float32:
    return image if sigma_px == 0.0 else np.asarray(cv2.GaussianBlur(image, (0, 0), sigma_px), np.float32)
