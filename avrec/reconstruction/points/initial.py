"""The points a reconstruction starts from: lidar, then the pictures, then random shells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from avrec.drive.drive import Drive, Track
from avrec.errors import AvrecError
from avrec.progress import NO_PROGRESS, Progress
from avrec.reconstruction.points.boxes import moving_tracks
from avrec.reconstruction.points.colour import Uncoloured, colour_points
from avrec.reconstruction.points.dense import DensePoints, dense_points
from avrec.reconstruction.points.features import Keypoints, extract_features
from avrec.reconstruction.points.lidar import LidarCloud, accumulate_lidar
from avrec.reconstruction.points.matching import candidate_pairs, key_views, match_pairs
from avrec.reconstruction.points.shells import shell_points
from avrec.reconstruction.points.triangulation import triangulate
from avrec.reconstruction.points.views import TrainingView, training_views
from avrec.reconstruction.points.voxels import thin_to_budget

__all__ = ["ActorPoints", "InitialPoints", "PointSource", "initial_points"]

Float64 = NDArray[np.float64]
Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]
UInt8 = NDArray[np.uint8]
Bool = NDArray[np.bool_]

_MOST_PER_ACTOR = 4000
_FEWEST_PER_ACTOR = 400
_SHELL_SHARE, _TRIANGULATED_SHARE = 0.06, 0.4
# Part of the lidar that no picture shows is dropped after colouring, so more is kept until then.
_UNSEEN_ALLOWANCE = 1.4
# Keypoints take the longest; neighbours further apart see more parallax anyway.
_MOST_KEYPOINT_VIEWS = 110
# Side of the voxels in which points from pictures are thinned, per metre of depth; widened to fit the budget.
_VOXEL_PER_METRE = 0.006
# Without anything else the shells are all there is to start from.
_FEWEST_POINTS = 20_000


class PointSource(IntEnum):
    """Where a static point comes from."""

    LIDAR = 0
    TRIANGULATED = 1
    SHELL = 2


@dataclass(frozen=True, eq=False)
class ActorPoints:
    """Points of one moving actor.

    Attributes:
        xyz: float32 [N, 3] metres in the box frame.
        rgb: float32 [N, 3], 0..1.
    """

    xyz: Float32
    rgb: Float32


@dataclass(frozen=True, eq=False)
class InitialPoints:
    """Coloured points to start a reconstruction from.

    Attributes:
        xyz: float32 [N, 3] metres, world.
        rgb: float32 [N, 3], 0..1.
        source: uint8 [N], a `PointSource`.
        actors: by id of each moving track; may be empty clouds.
    """

    xyz: Float32
    rgb: Float32
    source: UInt8
    actors: Mapping[str, ActorPoints] = field(default_factory=dict)


def initial_points(
    drive: Drive,
    held_out: Mapping[str, Bool],
    *,
    seed: int,
    max_points: int,
    downscale: float = 1,
    keypoints: Keypoints | None = None,
    progress: Progress | None = None,
) -> InitialPoints:
    """Points from all that a drive offers, the same for the same seed at any number of threads.

    Args:
        drive: the recording.
        held_out: per camera, bool [F]; these frames give neither colours nor keypoints.
        seed: of all chance.
        max_points: most static points.
        downscale: recorded pixels per working pixel.
        keypoints: found and matched before, with the poses of this drive; they are not looked for again.
        progress: told about each stage.

    Raises:
        AvrecError: ``max_points`` below 1.
        DataError: no training frame left, or pictures or sweeps that cannot be read.
    """
    if max_points < 1:
        raise AvrecError(f"The number of initial points is {max_points}. Give 1 or more.")
    progress = progress or NO_PROGRESS
    generator = np.random.default_rng(seed)
    views = training_views(drive, held_out, downscale)
    moving = moving_tracks(drive.tracks)

    shells = int(_SHELL_SHARE * max_points)
    lidar, boxed = accumulate_lidar(
        drive,
        moving,
        budget=int(_UNSEEN_ALLOWANCE * (max_points - shells)),
        actor_budget=_MOST_PER_ACTOR,
        progress=progress,
    )
    pictured = _from_pictures(views, moving, lidar.xyz, keypoints, progress)
    static, rgb, found, actors = _coloured(lidar, boxed, views, moving, generator, progress)

    most = int(_TRIANGULATED_SHARE * max_points) if found.any() else max_points - shells
    from_pictures = thin_to_budget(pictured.xyz, _VOXEL_PER_METRE * pictured.depth_m, most)
    from_lidar = _choose(np.flatnonzero(found), max_points - shells - len(from_pictures), generator)
    known = np.concatenate([static[from_lidar], pictured.xyz[from_pictures]])
    if len(known) + shells < _FEWEST_POINTS:
        shells = min(_FEWEST_POINTS, max_points) - len(known)
    shell_xyz, shell_rgb = shell_points(views, known, moving, budget=shells, generator=generator, progress=progress)
    return InitialPoints(
        xyz=np.concatenate([known, shell_xyz]).astype(np.float32),
        rgb=np.concatenate([rgb[from_lidar], pictured.rgb[from_pictures], shell_rgb]),
        source=np.repeat(
            np.array([PointSource.LIDAR, PointSource.TRIANGULATED, PointSource.SHELL], dtype=np.uint8),
            [len(from_lidar), len(from_pictures), len(shell_xyz)],
        ),
        actors=actors,
    )


def _from_pictures(
    views: list[TrainingView],
    moving: list[Track],
    measured: Float64,
    keypoints: Keypoints | None,
    progress: Progress,
) -> DensePoints:
    """Points from matches between the key views, and after them from dense depth where nothing was measured."""
    chosen = key_views(views)
    if keypoints is None:
        fewer = chosen[:: -(-len(chosen) // _MOST_KEYPOINT_VIEWS)]
        features = extract_features(fewer, moving, progress)
        keypoints = Keypoints(features, *match_pairs(features, candidate_pairs(fewer), progress=progress))
    matched = triangulate(keypoints.features, keypoints.matches, keypoints.likeness)
    dense = dense_points(chosen, candidate_pairs(chosen), moving, measured, progress=progress)
    order = np.argsort(dense.depth_m, kind="stable")
    return DensePoints(
        np.concatenate([matched.xyz, dense.xyz[order]]),
        np.concatenate([matched.rgb, dense.rgb[order]]),
        np.concatenate([matched.depth_m, dense.depth_m[order]]),
    )


def _coloured(
    lidar: LidarCloud,
    boxed: Mapping[str, LidarCloud],
    views: list[TrainingView],
    moving: list[Track],
    generator: np.random.Generator,
    progress: Progress,
) -> tuple[Float64, Float32, Bool, dict[str, ActorPoints]]:
    """Static lidar points with their colours and whether any was found, and the actors' clouds."""
    clouds = {"": Uncoloured(lidar.xyz, lidar.time_us)}
    for track in moving:
        cloud = _filled_box(boxed[track.id], track, generator)
        clouds["actor " + track.id] = Uncoloured(cloud.xyz, cloud.time_us, track)
    colours = colour_points(clouds, views, moving, progress=progress)
    actors = {}
    for track in moving:
        rgb, found = colours["actor " + track.id]
        actors[track.id] = ActorPoints(clouds["actor " + track.id].xyz[found].astype(np.float32), rgb[found])
    return lidar.xyz, *colours[""], actors


def _filled_box(cloud: LidarCloud, track: Track, generator: np.random.Generator) -> LidarCloud:
    """The actor's returns, completed by random points on its box where the lidar gave few."""
    missing = _FEWEST_PER_ACTOR - len(cloud)
    if missing <= 0:
        return cloud
    sides = generator.random((missing, 3)) - 0.5
    area = np.prod(track.size_m) / track.size_m
    axis = generator.choice(3, size=missing, p=area / area.sum())
    rows = np.arange(missing)
    sides[rows, axis] = np.where(sides[rows, axis] < 0.0, -0.5, 0.5)
    first, last = track.world_from_box.span_us
    return LidarCloud(
        np.concatenate([cloud.xyz, 0.9 * sides * track.size_m]),
        np.concatenate([cloud.time_us, np.full(missing, (first + last) // 2, dtype=np.int64)]),
        np.concatenate([cloud.range_m, np.zeros(missing, dtype=np.float32)]),
    )


def _choose(candidates: Int64, most: int, generator: np.random.Generator) -> Int64:
    """At most so many of the candidates, in their order."""
    if len(candidates) <= most:
        return candidates
    return np.sort(generator.choice(candidates, max(most, 0), replace=False))
