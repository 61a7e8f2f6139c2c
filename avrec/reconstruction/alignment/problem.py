"""Bundle adjustment with rolling shutters: unknowns, how far each keypoint is from its point, and derivatives.

The parameters are those of `avrec.reconstruction.poses.PoseCorrection`: a keypoint of camera c, exposed at time t, is
seen from ``W(t) C(t) X_c K_c`` with the recorded ``W`` and ``X``, ``C`` linear in time between knots, and corrections
of six numbers, rotation vector then translation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avrec.geometry import exp_so3

__all__ = ["Sightings", "Slopes", "Unknowns", "misses", "slopes"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Sightings:
    """Keypoints that belong to points, those of a point next to each other.

    Attributes:
        point: int64 [O], ascending, every number below the number of points at least once.
        low: int64 [O] knot before the keypoint's exposure.
        high: int64 [O] knot after it.
        share: float64 [O] weight of the knot after it.
        camera: int64 [O].
        rig: float64 [O, 4, 4] recorded world_from_rig at the keypoint's exposure.
        ray: float64 [O, 3] unit, in the camera.
        focal_px: float64 [O] pixels per radian.
        mounting: float64 [C, 4, 4] recorded rig_from_camera.
    """

    point: Int64
    low: Int64
    high: Int64
    share: Float64
    camera: Int64
    rig: Float64
    ray: Float64
    focal_px: Float64
    mounting: Float64

    def __len__(self) -> int:
        return len(self.point)


@dataclass(frozen=True, eq=False)
class Unknowns:
    """What is looked for.

    Attributes:
        ego: float64 [K, 6] correction at each knot.
        mountings: float64 [C, 6] correction of each camera's mounting.
        points: float64 [P, 3] world.
    """

    ego: Float64
    mountings: Float64
    points: Float64


@dataclass(frozen=True, eq=False)
class Slopes:
    """Derivatives of the misses, in pixels per radian and metre.

    Attributes:
        ego: float64 [O, 2, 6] by the ego's correction at the keypoint's time.
        mounting: float64 [O, 2, 6] by the correction of its camera's mounting.
        point: float64 [O, 2, 3].
    """

    ego: Float64
    mounting: Float64
    point: Float64


def misses(sightings: Sightings, unknowns: Unknowns) -> Float64:
    """Angles between each keypoint's ray and its point, float64 [O, 2] pixels across the ray.

    Twice the tangent of half the angle, which is the angle where it is small and grows up to the ray's back.
    """
    _, _, _, local = _local(sightings, unknowns)
    unit = local / np.linalg.norm(local, axis=1, keepdims=True)
    across = np.einsum("oij,oj->oi", _tangents(sightings.ray), unit)
    along = np.einsum("oi,oi->o", sightings.ray, unit)
    return np.asarray((2 * sightings.focal_px / (1 + along + 1e-12))[:, None] * across)


def slopes(sightings: Sightings, unknowns: Unknowns) -> Slopes:
    """Derivatives of `misses`."""
    turned, rig_from_camera, at_rig, local = _local(sightings, unknowns)
    distance = np.linalg.norm(local, axis=1)
    unit = local / distance[:, None]
    tangents = _tangents(sightings.ray)
    across = np.einsum("oij,oj->oi", tangents, unit)
    ahead = 1 + np.einsum("oi,oi->o", sightings.ray, unit) + 1e-12
    by_unit = tangents - across[:, :, None] * sightings.ray[:, None] / ahead[:, None, None]
    by_unit *= (2 * sightings.focal_px / (ahead * distance))[:, None, None]
    by_local = by_unit - np.einsum("oij,oj->oi", by_unit, unit)[:, :, None] * unit[:, None]
    by_rig = by_local @ np.swapaxes(rig_from_camera, 1, 2)
    by_ego = by_rig @ np.swapaxes(turned, 1, 2)
    phi = _ego(sightings, unknowns)[:, :3]
    kappa = unknowns.mountings[:, :3]
    small = exp_so3(kappa)
    return Slopes(
        ego=np.concatenate([by_rig @ _cross(at_rig) @ _right_jacobian(phi), -by_ego], axis=2),
        mounting=np.concatenate(
            [
                by_local @ _cross(local) @ _right_jacobian(kappa)[sightings.camera],
                -by_local @ np.swapaxes(small, 1, 2)[sightings.camera],
            ],
            axis=2,
        ),
        point=by_ego @ np.swapaxes(sightings.rig[:, :3, :3], 1, 2),
    )


def _ego(sightings: Sightings, unknowns: Unknowns) -> Float64:
    share = sightings.share[:, None]
    return np.asarray((1 - share) * unknowns.ego[sightings.low] + share * unknowns.ego[sightings.high])


def _local(sightings: Sightings, unknowns: Unknowns) -> tuple[Float64, Float64, Float64, Float64]:
    """Ego rotation [O, 3, 3], corrected rig_from_camera rotation [O, 3, 3], points in the corrected rig and camera."""
    ego = _ego(sightings, unknowns)
    turned = exp_so3(ego[:, :3])
    base, offset = sightings.mounting, unknowns.mountings
    rotation = base[:, :3, :3] @ exp_so3(offset[:, :3])
    position = np.einsum("cij,cj->ci", base[:, :3, :3], offset[:, 3:]) + base[:, :3, 3]
    away = unknowns.points[sightings.point] - sightings.rig[:, :3, 3]
    recorded = np.einsum("oji,oj->oi", sightings.rig[:, :3, :3], away)
    at_rig = np.einsum("oji,oj->oi", turned, recorded - ego[:, 3:])
    rig_from_camera = rotation[sightings.camera]
    local = np.einsum("oji,oj->oi", rig_from_camera, at_rig - position[sightings.camera])
    return turned, rig_from_camera, at_rig, local


def _tangents(rays: Float64) -> Float64:
    """Two unit vectors across each ray, float64 [O, 2, 3]."""
    axis = np.eye(3)[np.argmin(np.abs(rays), axis=1)]
    first = np.cross(rays, axis)
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    return np.stack([first, np.cross(rays, first)], axis=1)


def _right_jacobian(phi: Float64) -> Float64:
    """How ``exp(phi)`` turns about its own axes when phi changes, float64 [N, 3, 3], for turns well below one."""
    cross = _cross(phi)
    angle2 = np.sum(phi * phi, axis=1)[:, None, None]
    second = 1 / 6 - angle2 / 120 + angle2**2 / 5040
    return np.asarray(np.eye(3) - (0.5 - angle2 / 24 + angle2**2 / 720) * cross + second * (cross @ cross))


def _cross(vectors: Float64) -> Float64:
    """Matrices [N, 3, 3] that take the cross product with vectors [N, 3]."""
    x, y, z = vectors.T
    zero = np.zeros_like(x)
    return np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=1).reshape(-1, 3, 3)
