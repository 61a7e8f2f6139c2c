"""A camera model and a `View` as the numbers the kernel reads."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from avrec.geometry import Camera, FThetaCamera, OpenCVFisheyeCamera, OpenCVPinholeCamera
from avrec.raster.view import View

__all__ = ["camera_numbers", "frustum_tangents", "line_tables", "ray_table"]

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]


def camera_numbers(camera: Camera) -> list[float]:
    """The list that the kernel's ``look`` takes apart: see module.cpp."""
    zeros = [0.0] * 6
    if isinstance(camera, OpenCVPinholeCamera):
        reach = min(camera.max_radius2, 1e30)
        lens = [*camera.radial, *camera.tangential, *camera.thin_prism, 1.0, 0.0, 0.0, reach, 0.0]
        return [0, camera.width, camera.height, *camera.focal, *camera.principal_point, *lens, *zeros]
    if isinstance(camera, OpenCVFisheyeCamera):
        lens = [*camera.radial, 0.0, 0.0, *zeros, 1.0, 0.0, 0.0, camera.limit_angle, 0.0]
        return [1, camera.width, camera.height, *camera.focal, *camera.principal_point, *lens, *zeros]
    forward, backward, refine = _ftheta_polynomials(camera)
    lens = [*forward, *zeros, *camera.linear_cde, camera.limit_angle, float(refine)]
    return [2, camera.width, camera.height, 1.0, 1.0, *camera.principal_point, *lens, *backward]


def _ftheta_polynomials(camera: FThetaCamera) -> tuple[list[float], list[float], bool]:
    """Angle -> distance polynomial, distance -> angle polynomial, and whether the second is the exact one."""
    if camera.reference_poly == "ANGLE_TO_PIXELDIST":
        return list(camera.angle_to_pixeldist_poly), [0.0] * 6, False
    # The file's own inverse is only a hint; a fit of ours seeds the kernel's Newton steps reliably.
    backward = list(camera.pixeldist_to_angle_poly)
    end = camera.limit_distance
    distance = np.linspace(0.0, end, 400)
    angle = np.polynomial.polynomial.polyval(distance, backward)
    powers = angle[:, None] ** np.arange(1, 6)
    fit = np.linalg.lstsq(powers, distance, rcond=None)[0]
    return [0.0, *fit.tolist()], backward, True


@lru_cache(maxsize=64)
def ray_table(camera: Camera) -> Float32:
    """Unit camera rays float32 [H, W, 3] through pixel centres, zero where the lens has none."""
    rays, _ = camera.pixel_rays()
    return np.ascontiguousarray(np.nan_to_num(rays, nan=0.0), dtype=np.float32)


@lru_cache(maxsize=64)
def frustum_tangents(camera: Camera, margin: float) -> list[float]:
    """Least and largest x/z and y/z over the image grown by ``margin``; an empty range where that has no meaning."""
    if not isinstance(camera, OpenCVPinholeCamera):
        return [1.0, 0.0, 1.0, 0.0]
    u = np.linspace(-margin * camera.width, (1 + margin) * camera.width, 65)
    v = np.linspace(-margin * camera.height, (1 + margin) * camera.height, 65)
    border = np.concatenate(
        [np.stack([u, np.full_like(u, e)], -1) for e in (v[0], v[-1])]
        + [np.stack([np.full_like(v, e), v], -1) for e in (u[0], u[-1])]
    )
    rays, valid = camera.unproject(border)
    if not valid.all():
        return [1.0, 0.0, 1.0, 0.0]
    x, y = rays[:, 0] / rays[:, 2], rays[:, 1] / rays[:, 2]
    return [float(x.min()), float(x.max()), float(y.min()), float(y.max())]


def line_tables(view: View) -> tuple[Float32, Float32]:
    """Poses as the kernel reads them.

    Returns:
        float32 [B + 1, L, 16]: body_from_camera rotation 9, camera centre in the body 3, the same relative to the
        middle of the shutter 3, padding; and float32 [B + 1, 12]: rotation and centre at the middle of the shutter.
    """
    lines = view.lines
    rotation = np.empty((len(view.bodies) + 1, lines, 3, 3))
    origin = np.empty((len(view.bodies) + 1, lines, 3))
    rotation[0], origin[0] = view.rotation, view.origin
    for index, world_from_body in enumerate(view.bodies, start=1):
        body_from_world = np.swapaxes(world_from_body[:, :3, :3], -1, -2)
        rotation[index] = body_from_world @ view.rotation
        origin[index] = np.einsum("lij,lj->li", body_from_world, view.origin - world_from_body[:, :3, 3])
    low, high = (lines - 1) // 2, lines // 2
    middle_rotation = 0.5 * (rotation[:, low] + rotation[:, high])
    # The kernel adds its float32 differences to this float32 point, so both sides must mean the same point.
    middle_origin = (0.5 * (origin[:, low] + origin[:, high])).astype(np.float32)
    table = np.zeros((len(rotation), lines, 16), np.float32)
    table[..., :9] = rotation.reshape(len(rotation), lines, 9)
    table[..., 9:12] = origin
    table[..., 12:15] = origin - middle_origin[:, None]
    middle = np.concatenate([middle_rotation.reshape(-1, 9), middle_origin], axis=1)
    return table, np.ascontiguousarray(middle, dtype=np.float32)
