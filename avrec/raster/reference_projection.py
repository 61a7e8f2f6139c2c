"""The judge's projection: sigma points, rolling shutter and tile lists in float64 NumPy, as the papers write them.

Nothing here is differentiable: 3DGUT only uses the projection to decide which pixels look at which Gaussian.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avrec.geometry import FThetaCamera
from avrec.raster.view import RasterSettings, View

__all__ = [
    "TILE",
    "ProjectedGaussians",
    "camera_table",
    "exact_projection",
    "pose_at_line",
    "project_gaussians",
    "project_points",
    "rotations_from_quaternions",
    "sigma_points",
    "tile_lists",
]

Bool = NDArray[np.bool_]
Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

TILE = 16
"""Side of a tile in pixels."""

_FIXED_POINT_STEPS = 60
_CONVERGED_PX = 1e-7
_TINY = 1e-12


@dataclass(frozen=True)
class ProjectedGaussians:
    """What the projection knows about each Gaussian (the rows keep the order of the input).

    Attributes:
        keep: bool [N], false where the Gaussian takes no part in this picture.
        depth: float64 [N], metres, the order of blending: camera z of the centre at mid-shutter (distance for f-theta).
        mean: float64 [N, 2] pixels.
        covariance: float64 [N, 2, 2] pixels squared, blur included.
        half_size: float64 [N, 2] pixels, half width and height of the bounding box.
        reach: float64 [N], how many standard deviations the bounds keep.
    """

    keep: Bool
    depth: Float64
    mean: Float64
    covariance: Float64
    half_size: Float64
    reach: Float64


def camera_table(view: View, body: int = 0) -> tuple[Float64, Float64]:
    """Camera pose per shutter line as seen from body ``body`` (0 is the world).

    Returns:
        Rotation body_from_camera float64 [L, 3, 3] and camera centre in the body's frame float64 [L, 3], metres.
    """
    if body == 0:
        return view.rotation, view.origin
    world_from_body = view.bodies[body - 1]
    body_from_world = np.swapaxes(world_from_body[:, :3, :3], 1, 2)
    origin = np.einsum("lij,lj->li", body_from_world, view.origin - world_from_body[:, :3, 3])
    return body_from_world @ view.rotation, origin


def pose_at_line(rotation: Float64, origin: Float64, line: Float64) -> tuple[Float64, Float64]:
    """Pose at fractional lines [N]: element-wise linear between the lines of a table, linear beyond its ends too."""
    if len(origin) == 1:
        return np.repeat(rotation, len(line), axis=0), np.repeat(origin, len(line), axis=0)
    before = np.clip(np.floor(line), 0, len(origin) - 2).astype(np.int64)
    weight = (line - before)[:, None]
    between_origins = origin[before] * (1 - weight) + origin[before + 1] * weight
    weight = weight[:, :, None]
    return rotation[before] * (1 - weight) + rotation[before + 1] * weight, between_origins


def project_points(points: Float64, view: View, body: int = 0) -> tuple[Float64, Bool]:
    """Pixels of points that a rolling shutter sees, each at the line that exposes it.

    Args:
        points: float64 [N, 3] metres in the frame of ``body``.
        view: camera, poses and shutter axis.
        body: 0 for the world, b for ``view.bodies[b - 1]``.

    Returns:
        Pixels float64 [N, 2] and bool [N], true where the point lies in the camera's domain (in the image or not).
        The pixel is meaningless where it is false.
    """
    rotation, origin = camera_table(view, body)
    last = len(origin) - 1

    def look(line: Float64) -> tuple[Float64, Bool]:
        rotation_at, origin_at = pose_at_line(rotation, origin, line)
        pixels, valid = view.camera.project_unbounded(np.einsum("nji,nj->ni", rotation_at, points - origin_at))
        valid = valid & np.isfinite(pixels).all(axis=-1)
        return np.where(valid[:, None], pixels, 0.0), valid

    pixels, valid = look(np.full(len(points), last / 2))
    if view.axis == "none":
        return pixels, valid
    for line in (0.0, float(last)):  # a point may be out of the domain at mid-shutter and yet be seen early or late
        other_pixels, other_valid = look(np.full(len(points), line))
        pixels = np.where((~valid & other_valid)[:, None], other_pixels, pixels)
        valid = valid | other_valid
    coordinate = 1 if view.axis == "rows" else 0
    for _ in range(_FIXED_POINT_STEPS):
        next_pixels, next_valid = look(pixels[:, coordinate] - 0.5)
        next_pixels = np.where(next_valid[:, None], next_pixels, pixels)
        change = np.abs(next_pixels - pixels).max(initial=0)
        pixels, valid = next_pixels, valid & next_valid
        if change < _CONVERGED_PX:
            break
    return pixels, valid


def exact_projection(
    means: Float64, view: View, body: int = 0, *, tolerance_px: float = 1e-9, steps: int = 200
) -> Float64:
    """Pixels [N, 2] whose own line exposes the point there, solved to ``tolerance_px`` by the secant method.

    The judge of every faster projection: solves line(project(point, pose(line))) = line without relying on a
    contracting fixed point. NaN where the point is out of the camera's domain or no solution was reached.

    Args:
        means: float64 [N, 3] metres in the frame of ``body``.
        view: camera, poses and shutter axis.
        body: 0 for the world, b for ``view.bodies[b - 1]``.
        tolerance_px: largest accepted disagreement between the line of the pose and the line of the pixel.
        steps: most secant steps.
    """
    rotation, origin = camera_table(view, body)
    coordinate = 0 if view.axis == "columns" else 1

    def look(line: Float64) -> tuple[Float64, Float64]:
        rotation_at, origin_at = pose_at_line(rotation, origin, line)
        pixels, valid = view.camera.project_unbounded(np.einsum("nji,nj->ni", rotation_at, means - origin_at))
        pixels = np.where(valid[:, None], pixels, np.nan)
        return pixels, pixels[:, coordinate] - 0.5 - line

    line = np.full(len(means), (len(origin) - 1) / 2)
    pixels, gap = look(line)
    if view.axis == "none":
        return pixels
    previous_line, previous_gap = line, gap
    line = line + gap
    for _ in range(steps):
        pixels, gap = look(line)
        open_gap = np.abs(gap) > tolerance_px
        if not open_gap.any():
            break
        rise = gap - previous_gap
        step = np.where(np.abs(rise) > _TINY, -gap * (line - previous_line) / np.where(rise == 0, 1, rise), gap)
        previous_line, previous_gap = line, gap
        line = np.where(open_gap, line + step, line)
    return np.where((np.abs(gap) <= tolerance_px)[:, None], pixels, np.nan)


def rotations_from_quaternions(quaternions: Float64) -> Float64:
    """Rotation matrices [N, 3, 3] of wxyz quaternions [N, 4] of any length but zero."""
    w, x, y, z = (quaternions / np.linalg.norm(quaternions, axis=1, keepdims=True)).T
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.array([np.stack(row, axis=-1) for row in rows]).transpose(1, 0, 2).copy()


def sigma_points(
    means: Float64, rotations: Float64, scales: Float64, settings: RasterSettings
) -> tuple[Float64, float, float, float]:
    """Sigma points of Gaussians and their weights.

    Returns:
        Points float64 [N, 7, 3] (the centre, then + and - along each axis), weight of the centre in the mean, weight
        of the centre in the covariance, weight of each other point in both.
    """
    total = settings.ut_alpha**2 * (3 + settings.ut_kappa)  # 3 + lambda
    steps = np.sqrt(total) * np.swapaxes(rotations * scales[:, None, :], 1, 2)
    points = np.concatenate([means[:, None], means[:, None] + steps, means[:, None] - steps], axis=1)
    center_mean = (total - 3) / total
    return points, center_mean, center_mean + 1 - settings.ut_alpha**2 + settings.ut_beta, 1 / (2 * total)


def project_gaussians(packed: Float64, view: View, body: Int64, settings: RasterSettings) -> ProjectedGaussians:
    """Unscented projection of packed pre-activation Gaussians.

    Args:
        packed: float64 [N, 11 + 3K].
        view: camera, poses, bodies.
        body: int64 [N], frame of each Gaussian.
        settings: thresholds and unscented parameters.
    """
    n = len(packed)
    means, scales = packed[:, :3], np.exp(packed[:, 7:10])
    opacity = 1 / (1 + np.exp(-packed[:, 10]))
    proper = (np.linalg.norm(packed[:, 3:7], axis=1) > _TINY) & (scales.min(axis=1) > _TINY)
    quaternions = np.where(proper[:, None], packed[:, 3:7], [1.0, 0, 0, 0])
    points, _, center_weight, weight = sigma_points(means, rotations_from_quaternions(quaternions), scales, settings)
    pixels, valid, depth = np.zeros((n, 7, 2)), np.zeros((n, 7), bool), np.zeros(n)
    for index in np.unique(body):
        mine = body == index
        flat_pixels, flat_valid = project_points(points[mine].reshape(-1, 3), view, int(index))
        pixels[mine], valid[mine] = flat_pixels.reshape(-1, 7, 2), flat_valid.reshape(-1, 7)
        rotation, origin = pose_at_line(*camera_table(view, int(index)), np.full(1, (view.lines - 1) / 2))
        in_camera = (means[mine] - origin[0]) @ rotation[0]
        depth[mine] = np.linalg.norm(in_camera, axis=1) if isinstance(view.camera, FThetaCamera) else in_camera[:, 2]

    size = np.array([view.camera.width, view.camera.height])
    in_margin = ((pixels >= -settings.margin * size) & (pixels <= (1 + settings.margin) * size)).all(axis=-1)
    # The weights may be huge (-99): never sum raw pixel coordinates. A point behind the camera or beyond the lens has
    # no pixel: the mirror image of its opposite stands in for it.
    offsets = pixels[:, 1:] - pixels[:, :1]
    opposite = [3, 4, 5, 0, 1, 2]
    offsets = np.where(valid[:, 1:, None], offsets, -offsets[:, opposite])
    bounded = valid[:, 0] & np.logical_or(valid[:, 1:], valid[:, 1:][:, opposite]).all(axis=1)
    shift = weight * offsets.sum(axis=1)
    spread = offsets - shift[:, None]
    covariance = center_weight * shift[:, :, None] * shift[:, None, :]
    covariance += weight * np.einsum("nki,nkj->nij", spread, spread) + settings.blur_px2 * np.eye(2)
    determinant = np.linalg.det(covariance)
    diagonal = np.stack([covariance[:, 0, 0], covariance[:, 1, 1]], axis=1)
    keep = proper & (opacity >= settings.min_alpha) & bounded & (valid & in_margin).any(axis=1)
    keep &= (depth >= settings.near_m) & (depth <= settings.far_m)
    keep &= (determinant > 0) & (diagonal > 0).all(axis=1)

    reach = np.minimum(settings.bound_sigma, np.sqrt(2 * np.log(np.maximum(opacity / settings.min_alpha, 1))))
    reach *= settings.inflate_bounds
    middle = diagonal.sum(axis=1) / 2
    largest = middle + np.sqrt(np.maximum(0.01, middle**2 - determinant))
    half_size = reach[:, None] * np.sqrt(np.minimum(np.maximum(diagonal, 0), largest[:, None]))
    return ProjectedGaussians(keep, depth, pixels[:, 0] + shift, covariance, half_size, reach)


def tile_lists(projected: ProjectedGaussians, width: int, height: int) -> list[list[Int64]]:
    """Depth-sorted indices of the Gaussians each 16x16 tile looks at: ``lists[tile_row][tile_column]``."""
    ordered = np.argsort(projected.depth, kind="stable")  # stable: equal depths keep the order of the rows
    ordered = ordered[projected.keep[ordered]]
    mean, half = projected.mean[ordered], projected.half_size[ordered]
    conic: Float64 = np.linalg.inv(projected.covariance[ordered]).astype(np.float64)
    lists: list[list[Int64]] = []
    for top in range(0, height, TILE):
        row: list[Int64] = []
        for left in range(0, width, TILE):
            low, high = np.array([left, top]), np.array([left + TILE, top + TILE])
            touches = ((mean + half > low) & (mean - half < high)).all(axis=1)
            inside = _smallest_distance2(mean, conic, low, high) <= projected.reach[ordered] ** 2
            row.append(ordered[touches & inside])
        lists.append(row)
    return lists


def _smallest_distance2(mean: Float64, conic: Float64, low: Int64, high: Int64) -> Float64:
    """Smallest d^T conic d between Gaussian centres and a rectangle: on the edges that face the centre."""
    nearest = np.clip(mean, low, high)
    best = np.full(len(mean), np.inf)
    for axis in (0, 1):
        other = 1 - axis
        fixed = nearest[:, axis] - mean[:, axis]
        free = -conic[:, 0, 1] / conic[:, other, other] * fixed  # the unconstrained minimum along that edge
        free = np.clip(mean[:, other] + free, low[other], high[other]) - mean[:, other]
        distance2 = conic[:, axis, axis] * fixed**2 + conic[:, other, other] * free**2
        distance2 = distance2 + 2 * conic[:, 0, 1] * fixed * free
        best = np.where(fixed != 0, np.minimum(best, distance2), best)
    is_inside = (low <= mean) & (mean <= high)
    return np.where(is_inside[:, 0] & is_inside[:, 1], 0.0, best)
