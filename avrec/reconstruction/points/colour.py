"""Colours of points from the training picture that sees each of them best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avrec.drive.drive import Track
from avrec.progress import NO_PROGRESS, Progress
from avrec.reconstruction.points.boxes import alive, entry_distance
from avrec.reconstruction.points.views import Seen, TrainingView, project, sample_image

__all__ = ["Uncoloured", "colour_points", "depth_grid", "in_front"]

Float64 = NDArray[np.float64]
Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]
Bool = NDArray[np.bool_]

# About this many points share a cell of the depth grid, so that few cells in front of a wall stay empty.
_POINTS_PER_CELL = 3.0
_SMALLEST_CELL_PX = 3.0
_CELLS_ACROSS_AT_LEAST = 40
# A point this much behind the nearest one of its cell is hidden.
_BEHIND_SHARE, _BEHIND_M = 0.08, 0.3


@dataclass(frozen=True, eq=False)
class Uncoloured:
    """Points that want a colour.

    Attributes:
        xyz: float64 [N, 3] in the world, or in the box frame of ``track``.
        time_us: int64 [N] when they were measured; the picture nearest in time is taken.
        track: the actor they belong to.
    """

    xyz: Float64
    time_us: Int64
    track: Track | None = None


def colour_points(
    clouds: Mapping[str, Uncoloured],
    views: Sequence[TrainingView],
    moving: Sequence[Track],
    *,
    progress: Progress = NO_PROGRESS,
) -> dict[str, tuple[Float32, Bool]]:
    """Colour clouds that hide each other.

    Args:
        clouds: by name; together they make the depth grid that says what hides what.
        views: pictures that may be looked at.
        moving: actors, which hide what is behind their boxes.
        progress: told about each picture.

    Returns:
        By name, colours float32 [N, 3] in 0..1 and found [N]: False where no picture shows the point.
    """
    rgb = {name: np.zeros((len(cloud.xyz), 3), dtype=np.float32) for name, cloud in clouds.items()}
    best = {name: np.full(len(cloud.xyz), np.inf) for name, cloud in clouds.items()}
    progress.start("Colouring points", len(views))
    for done, view in enumerate(views):
        time = view.mid_time_us
        seen = {
            name: project(view, cloud.xyz, None if cloud.track is None else cloud.track.world_from_box)
            for name, cloud in clouds.items()
            if len(cloud.xyz) and (cloud.track is None or alive(cloud.track, np.array([time]))[0])
        }
        nearest, cell_px = depth_grid(view, list(seen.values()))
        wanted = {}
        for name, hits in seen.items():
            away = np.abs(clouds[name].time_us[hits.index] - time)
            chosen = (away < best[name][hits.index]) & in_front(hits, nearest, cell_px)
            if clouds[name].track is None:
                chosen &= ~_behind_actors(view, hits, chosen, moving)
            if chosen.any():
                wanted[name] = hits.index[chosen], hits.pixels[chosen], away[chosen]
        if wanted:
            image = view.image()
            for name, (index, pixels, away) in wanted.items():
                rgb[name][index] = sample_image(image, pixels)
                best[name][index] = away
        progress.update(done + 1)
    progress.finish()
    return {name: (rgb[name], np.isfinite(best[name])) for name in clouds}


def depth_grid(view: TrainingView, seen: Sequence[Seen]) -> tuple[Float64, float]:
    """Nearest depth per square cell of a picture.

    Returns:
        float64 [rows, columns] metres, infinity where nothing falls, and the side of a cell in pixels.
    """
    width, height = view.model.width, view.model.height
    count = sum(len(hits.index) for hits in seen)
    side = float(np.sqrt(_POINTS_PER_CELL * width * height / max(count, 1)))
    side = float(np.clip(side, _SMALLEST_CELL_PX, max(width / _CELLS_ACROSS_AT_LEAST, _SMALLEST_CELL_PX)))
    grid = np.full((int(np.ceil(height / side)), int(np.ceil(width / side))), np.inf)
    for hits in seen:
        np.minimum.at(grid.reshape(-1), _cells(hits, side, grid.shape[1]), hits.depth)
    return grid, side


def in_front(seen: Seen, grid: Float64, side: float) -> Bool:
    """Whether each point is about as near as the nearest one of its cell, bool [M]."""
    nearest = grid.reshape(-1)[_cells(seen, side, grid.shape[1])]
    return np.asarray(seen.depth <= nearest * (1 + _BEHIND_SHARE) + _BEHIND_M, dtype=np.bool_)


def _cells(seen: Seen, side: float, columns: int) -> Int64:
    cell = np.floor(seen.pixels / side).astype(np.int64)
    return np.asarray(cell[:, 1] * columns + cell[:, 0], dtype=np.int64)


def _behind_actors(view: TrainingView, hits: Seen, asked: Bool, moving: Sequence[Track]) -> Bool:
    """Points whose sight line first meets a moving actor's box."""
    hidden = np.zeros(len(hits.index), dtype=np.bool_)
    if not moving or not asked.any():
        return hidden
    origins, directions, times, _ = view.world_rays(hits.pixels[asked])
    hidden[asked] = entry_distance(moving, origins, directions, times) < hits.depth[asked]
    return hidden
