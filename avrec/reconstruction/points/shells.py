"""Random points on shells around the path, for view directions in which nothing else was found."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from avrec.drive.drive import Track
from avrec.progress import NO_PROGRESS, Progress
from avrec.reconstruction.points.boxes import entry_distance
from avrec.reconstruction.points.views import TrainingView, project, sample_image

__all__ = ["shell_points"]

Float64 = NDArray[np.float64]
Float32 = NDArray[np.float32]

_CELLS_ACROSS = 24
_NEAREST_M, _FARTHEST_M = 12.0, 400.0
_SHELLS = 12
_MOST_VIEWS = 96


def shell_points(
    views: Sequence[TrainingView],
    known: Float64,
    moving: Sequence[Track],
    *,
    budget: int,
    generator: np.random.Generator,
    progress: Progress = NO_PROGRESS,
) -> tuple[Float64, Float32]:
    """Points behind the parts of the pictures where no known point falls.

    Args:
        views: training pictures; about a hundred, spread evenly, are looked at.
        known: [N, 3] world points found so far.
        moving: actors, whose pixels are left alone.
        budget: most points to give.
        generator: source of all chance.
        progress: told about each picture.

    Returns:
        float64 [S, 3] world and float32 [S, 3] colours, on shells whose radii grow by a constant factor.
    """
    chosen = [views[i] for i in np.unique(np.linspace(0, len(views) - 1, _MOST_VIEWS).round().astype(int))]
    radii = np.geomspace(_NEAREST_M, _FARTHEST_M, _SHELLS)
    share = -(-budget // len(chosen))
    xyz: list[Float64] = [np.zeros((0, 3))]
    rgb: list[Float32] = [np.zeros((0, 3), dtype=np.float32)]
    progress.start("Filling unseen directions", len(chosen))
    for done, view in enumerate(chosen):
        pixels = _empty_pixels(view, known, share, generator)
        radius = generator.choice(radii, len(pixels))
        origins, directions, times, valid = view.world_rays(pixels)
        valid &= np.isinf(entry_distance(moving, origins, np.nan_to_num(directions), times))
        xyz.append((origins + directions * radius[:, None])[valid])
        rgb.append(sample_image(view.image(), pixels[valid]))
        progress.update(done + 1)
    points, colours = np.concatenate(xyz), np.concatenate(rgb)
    if len(points) > budget:
        kept = np.sort(generator.choice(len(points), budget, replace=False))
        points, colours = points[kept], colours[kept]
    progress.finish(f"{len(points)} points")
    return points, colours


def _empty_pixels(view: TrainingView, known: Float64, count: int, generator: np.random.Generator) -> Float64:
    """Random pixels in coarse cells without a known point; fewer where little is empty."""
    width, height = view.model.width, view.model.height
    side = max(width, height) / _CELLS_ACROSS
    seen = project(view, known)
    rows, columns = int(np.ceil(height / side)), int(np.ceil(width / side))
    cell = np.floor(seen.pixels / side).astype(np.int64)
    filled = np.bincount(cell[:, 1] * columns + cell[:, 0], minlength=rows * columns) > 0
    empty = np.flatnonzero(~filled)
    # The share of a picture shrinks with what is empty in it, so that a nearly full one gets few points.
    wanted = int(np.ceil(count * len(empty) / (rows * columns)))
    if not len(empty):
        return np.zeros((0, 2))
    picked = empty[generator.integers(len(empty), size=wanted)]
    corner = np.stack([picked % columns, picked // columns], axis=1)
    pixels = (corner + generator.random((wanted, 2))) * side
    return pixels[(pixels[:, 0] < width) & (pixels[:, 1] < height)]
