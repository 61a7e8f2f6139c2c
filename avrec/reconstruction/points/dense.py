"""Dense depth from pictures with known poses, for surfaces that neither lidar nor keypoints reach.

Plane sweep at low resolution: each pixel of a reference picture is tried at a series of distances along its own ray,
looked up in neighbouring pictures at the exposure time of the line it falls on there, and compared by normalised
cross-correlation, which does not care about exposure. Depths that another reference confirms become points.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from avrec.drive.drive import Track
from avrec.geometry import invert
from avrec.progress import NO_PROGRESS, Progress
from avrec.reconstruction.points.boxes import entry_distance
from avrec.reconstruction.points.views import TrainingView, project, sample_image

__all__ = ["DensePoints", "dense_points"]

Float64 = NDArray[np.float64]
Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]
Bool = NDArray[np.bool_]

_LONG_SIDE_PX = 160
_NEAREST_M, _FARTHEST_M, _PLANES = 2.5, 150.0, 56
_MOST_REFERENCES = 64
_NEIGHBOURS = 4
_WINDOW_PX = 7
# Pixels between the points of the grid on which lenses and shutters are evaluated; bilinear in between.
_CONTROL_PX = 8
_LEAST_SCORE, _LEAST_MARGIN = 0.72, 0.04
_ALONE_COST = 0.12
# Standard deviation of grey levels (0..255) in a window below which there is nothing to compare.
_LEAST_CONTRAST = 2.0
# Share of that contrast that the pixel's own 3x3 window needs.
_OWN_CONTRAST_SHARE = 0.25
_AGREE_SHARE = 0.08
_COVER_PX = 5


@dataclass(frozen=True, eq=False)
class DensePoints:
    """Points from pictures: xyz float64 [N, 3] world, rgb float32 [N, 3] 0..1, depth_m float64 [N]."""

    xyz: Float64
    rgb: Float32
    depth_m: Float64


@dataclass(frozen=True, eq=False)
class _Small:
    """A view at sweeping size: grey float32 [h, w], and working pixels per sweeping pixel (x, y)."""

    view: TrainingView
    grey: Float32
    scale: Float64

    def pixels(self) -> Float64:
        """Working-size coordinates of all pixel centres, float64 [h * w, 2]."""
        height, width = self.grey.shape
        u, v = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
        return np.asarray(np.stack([u, v], axis=-1).reshape(-1, 2) * self.scale)


def dense_points(
    views: Sequence[TrainingView],
    pairs: Sequence[tuple[int, int]],
    moving: Sequence[Track],
    measured: Float64,
    *,
    progress: Progress = NO_PROGRESS,
) -> DensePoints:
    """Points of all references that another reference confirms, in directions where nothing was measured.

    Args:
        views: training pictures.
        pairs: positions of pictures that share something.
        moving: actors, whose pixels are left out.
        measured: [N, 3] world, lidar returns; pixels they fall on are left out.
        progress: told about each reference.
    """
    beside: dict[int, list[int]] = {i: [] for i in range(len(views))}
    for one, two in pairs:
        beside[one].append(two)
        beside[two].append(one)
    step = max(1, -(-len(views) // _MOST_REFERENCES))
    references = [i for i in range(0, len(views), step) if beside[i]]
    progress.start("Estimating depth", len(references))
    neighbours = {i: sorted(beside[i], key=lambda j: (abs(views[j].mid_time_us - views[i].mid_time_us), j))
                  [:_NEIGHBOURS] for i in references}  # fmt: skip
    used = sorted({*references, *(j for near in neighbours.values() for j in near)})
    small = {i: _small(views[i]) for i in used}
    depths: dict[int, Float64] = {}
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        maps = pool.map(lambda i: _depth_map(small[i], [small[j] for j in neighbours[i]]), references)
        for done, (i, depth) in enumerate(zip(references, maps, strict=True)):
            depths[i] = depth
            progress.update(done + 1)
    parts = [_confirmed(small[i], depths, small, moving, measured, i) for i in references]
    xyz = np.concatenate([np.zeros((0, 3)), *(part.xyz for part in parts)])
    progress.finish(f"{len(xyz)} points")
    return DensePoints(
        xyz,
        np.concatenate([np.zeros((0, 3), np.float32), *(part.rgb for part in parts)]),
        np.concatenate([np.zeros(0), *(part.depth_m for part in parts)]),
    )


def _small(view: TrainingView) -> _Small:
    grey = cv2.cvtColor(view.image(), cv2.COLOR_RGB2GRAY)
    height, width = grey.shape
    shrink = max(1.0, max(width, height) / _LONG_SIDE_PX)
    size = max(1, round(width / shrink)), max(1, round(height / shrink))
    small = np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), dtype=np.float32)
    return _Small(view, small, np.array([width / size[0], height / size[1]]))


def _depth_map(reference: _Small, neighbours: Sequence[_Small]) -> Float64:
    """Depth along each pixel's ray, float64 [h, w] metres; NaN where nothing matches clearly."""
    height, width = reference.grey.shape
    inverse = np.linspace(1 / _NEAREST_M, 1 / _FARTHEST_M, _PLANES)
    columns, rows = (int(np.ceil(side / _CONTROL_PX)) + 1 for side in (width, height))
    u, v = np.meshgrid(np.arange(columns) * _CONTROL_PX, np.arange(rows) * _CONTROL_PX)
    corners = np.stack([u, v], axis=-1).reshape(-1, 2) * reference.scale
    origins, rays, _, _ = reference.view.world_rays(corners)
    points = origins + rays / inverse[:, None, None]
    fine_u, fine_v = np.meshgrid(
        (np.arange(width, dtype=np.float32) + 0.5) / _CONTROL_PX,
        (np.arange(height, dtype=np.float32) + 0.5) / _CONTROL_PX,
    )
    mean, deviation = _moments(reference.grey)
    scores = np.full((len(neighbours), _PLANES, height, width), -1.0, dtype=np.float32)
    for n, neighbour in enumerate(neighbours):
        pixels = _pixels_of(neighbour.view, points.reshape(-1, 3)) / neighbour.scale - 0.5
        control = np.nan_to_num(pixels, nan=-1e5).astype(np.float32).reshape(_PLANES, rows, columns, 2)
        for plane in range(_PLANES):
            fine = cv2.remap(control[plane], fine_u, fine_v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            scores[n, plane] = _correlation(
                reference.grey, mean, deviation, neighbour.grey, np.asarray(fine, np.float32)
            )
    # The two best neighbours: the others may be hidden or outside. One alone has to match better.
    scores.sort(axis=0)
    score = np.maximum(scores[-2:].mean(axis=0), scores[-1] - _ALONE_COST)
    # A flat pixel beside an edge would take the edge's depth, such as sky around a tree.
    own = _moments(reference.grey, 3)[1]
    lively = (deviation > _LEAST_CONTRAST) & (own > _OWN_CONTRAST_SHARE * deviation)
    return _clear_peak(score, inverse, lively)


def _clear_peak(score: Float32, inverse: Float64, textured: Bool) -> Float64:
    """Depth of the best plane, refined between planes, where it stands out."""
    best = score.argmax(axis=0)
    rows, columns = np.indices(best.shape)
    top = score[best, rows, columns]
    away = np.abs(np.arange(len(score))[:, None, None] - best) > 2
    second = np.where(away, score, -1.0).max(axis=0)
    inner = np.clip(best, 1, len(score) - 2)
    below, middle, above = (score[inner + k, rows, columns].astype(np.float64) for k in (-1, 0, 1))
    bend = below - 2 * middle + above
    shift = np.where(bend < -1e-6, 0.5 * (below - above) / np.minimum(bend, -1e-6), 0.0)
    fine = inverse[inner] + np.clip(shift, -1, 1) * (inverse[1] - inverse[0])
    clear = textured & (top > _LEAST_SCORE) & (top - second > _LEAST_MARGIN) & (inner == best)
    return np.asarray(np.where(clear, 1.0 / np.maximum(fine, 1e-6), np.nan))


def _moments(grey: Float32, window: int = _WINDOW_PX) -> tuple[Float32, Float32]:
    mean = np.asarray(cv2.blur(grey, (window, window)), dtype=np.float32)
    variance = np.asarray(cv2.blur(grey * grey, (window, window)), dtype=np.float32) - mean * mean
    return mean, np.sqrt(np.maximum(variance, 0.0))


def _correlation(grey: Float32, mean: Float32, deviation: Float32, other: Float32, where: Float32) -> Float32:
    """Normalised cross-correlation of windows, -1 where the other picture has no pixel."""
    warped = np.asarray(
        cv2.remap(other, where[..., 0], where[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float32
    )
    other_mean, other_deviation = _moments(warped)
    both = cv2.blur(grey * warped, (_WINDOW_PX, _WINDOW_PX)) - mean * other_mean
    # The added grey level keeps flat windows from matching by their noise.
    found = both / (deviation * other_deviation + 1.0)
    height, width = other.shape
    outside = (where[..., 0] < 0) | (where[..., 0] > width - 1) | (where[..., 1] < 0) | (where[..., 1] > height - 1)
    found[outside] = -1.0
    return np.asarray(found, dtype=np.float32)


def _pixels_of(view: TrainingView, points: Float64) -> Float64:
    """Working-size pixels [N, 2] of world points, each at the time of its line; NaN behind the camera."""
    camera_from_world = invert(view.world_from_camera_lines())
    line = np.full(len(points), len(camera_from_world) // 2)
    pixels = np.zeros((len(points), 2))
    for _ in range(3 if len(camera_from_world) > 1 else 1):
        poses = camera_from_world[line]
        local = np.einsum("nij,nj->ni", poses[:, :3, :3], points) + poses[:, :3, 3]
        pixels, _ = view.model.project_unbounded(local)
        line = view.line_of(np.nan_to_num(pixels))
    return pixels


def _measured(reference: _Small, points: Float64) -> Bool:
    """Pixels bool [h, w] on or beside which a measured point falls."""
    height, width = reference.grey.shape
    covered = np.zeros((height, width), dtype=np.uint8)
    seen = project(reference.view, points)
    cell = np.floor(seen.pixels / reference.scale).astype(np.int64)
    covered[np.minimum(cell[:, 1], height - 1), np.minimum(cell[:, 0], width - 1)] = 1
    return np.asarray(cv2.dilate(covered, np.ones((_COVER_PX, _COVER_PX), np.uint8)) > 0, dtype=np.bool_)


def _confirmed(
    reference: _Small,
    depths: dict[int, Float64],
    small: dict[int, _Small],
    moving: Sequence[Track],
    measured: Float64,
    own: int,
) -> DensePoints:
    """Points of a reference's depth map that the depth map of some other one agrees with."""
    depth = depths[own].reshape(-1)
    known = np.flatnonzero(np.isfinite(depth) & ~_measured(reference, measured).reshape(-1))
    pixels = reference.pixels()[known]
    origins, rays, times, valid = reference.view.world_rays(pixels)
    points = origins + rays * depth[known, None]
    agreed = np.zeros(len(known), dtype=np.bool_)
    near = sorted(depths, key=lambda i: (np.abs(small[i].view.mid_time_us - reference.view.mid_time_us), i))
    for other in near[:12]:
        if other == own:
            continue
        seen = project(small[other].view, points)
        cell = np.floor(seen.pixels / small[other].scale).astype(np.int64)
        height, width = depths[other].shape
        there = depths[other][np.minimum(cell[:, 1], height - 1), np.minimum(cell[:, 0], width - 1)]
        agreed[seen.index] |= np.abs(there - seen.depth) < _AGREE_SHARE * seen.depth
    agreed &= valid & np.isinf(entry_distance(moving, origins, np.nan_to_num(rays), times))
    colour = sample_image(reference.view.image(), pixels[agreed])
    return DensePoints(points[agreed], colour, depth[known][agreed])
