"""From matched keypoints to the points and sightings that the alignment starts from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from avrec.drive.drive import Drive
from avrec.reconstruction.alignment.problem import Sightings
from avrec.reconstruction.points.features import Features
from avrec.reconstruction.points.tracks import join_matches
from avrec.reconstruction.points.views import TrainingView
from avrec.reconstruction.poses import between_knots

__all__ = ["Exposed", "chosen_sightings", "exposed", "reaim"]

Float64 = NDArray[np.float64]
Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]
Bool = NDArray[np.bool_]

# Enough of each picture for its six numbers many times over, and a bound on the work.
_MOST_PER_VIEW = 200
_NEAREST_M, _FARTHEST_M = 1.0, 500.0
# Rays closer to parallel leave a point free to run off along them.
_LEAST_PARALLAX = np.radians(0.5)
_ROBUST_SCALES = (4.0, 2.0, 1.0, 0.5, 0.5)


@dataclass(frozen=True, eq=False)
class Exposed:
    """When each keypoint [K] was exposed, and where it lies in its camera; independent of the pose corrections.

    Attributes:
        time_us: float64 [K].
        ray: float64 [K, 3] unit, in the camera.
        rig: float64 [K, 4, 4] recorded world_from_rig.
        camera: int64 [K] position among the drive's cameras.
    """

    time_us: Float64
    ray: Float64
    rig: Float64
    camera: Int64


def exposed(features: Features, views: Sequence[TrainingView], drive: Drive) -> Exposed:
    """Times, rays and recorded poses of the keypoints of ``views``."""
    names = list(drive.cameras)
    times, rays = np.empty(len(features.view)), np.empty((len(features.view), 3))
    rig = np.empty((len(features.view), 4, 4))
    for i, view in enumerate(views):
        pixels = features.pixels[features.of(i)]
        lines = view.line_of(pixels)
        times[features.of(i)] = view.line_times_us[lines]
        rig[features.of(i)] = drive.ego.at(view.line_times_us, outside="extrapolate")[lines]
        rays[features.of(i)], _ = view.model.unproject(pixels)
    cameras = np.array([names.index(view.camera) for view in views], dtype=np.int64)
    return Exposed(times, rays, rig, cameras[features.view])


def reaim(features: Features, views: Sequence[TrainingView]) -> Features:
    """The same keypoints with the rays that the poses of ``views`` give them.

    Args:
        features: of the same pictures in the same order.
        views: e.g. of a drive with corrected poses.
    """
    origins, directions = np.empty_like(features.origins), np.empty_like(features.directions)
    for i, view in enumerate(views):
        rows = features.of(i)
        origins[rows], directions[rows], _, _ = view.world_rays(features.pixels[rows])
    return replace(features, origins=origins, directions=directions)


def chosen_sightings(
    features: Features,
    shown: Exposed,
    matches: Int64,
    likeness: Float32,
    knots_us: Int64,
    mounting: Float64,
    *,
    gate_rad: float,
) -> tuple[Sightings, Float64]:
    """Tracks whose rays nearly meet, the longest first until every picture has enough of them.

    Args:
        features: keypoints with the rays of the poses found so far.
        shown: the same keypoints as recorded.
        matches: int64 [M, 2] rows of ``features``.
        likeness: float32 [M], higher is surer.
        knots_us: int64 [K] times of the ego's correction.
        mounting: float64 [C, 4, 4] recorded rig_from_camera.
        gate_rad: a keypoint whose ray misses its point by more is left out.

    Returns:
        Sightings, and points float64 [P, 3] world where the rays of the poses found so far meet.
    """
    track = join_matches(matches, likeness, features.view)
    key = np.flatnonzero(track >= 0)
    key = key[np.argsort(track[key], kind="stable")]
    count = int(track.max(initial=-1)) + 1
    origins, directions = features.origins[key], features.directions[key]
    points, agrees = _meeting(origins, directions, track[key], count, gate_rad)
    parallax, nearest, farthest = _spread(origins, points, track[key], agrees)
    length = np.bincount(track[key][agrees], minlength=count)
    good = (length >= 2) & (parallax > _LEAST_PARALLAX) & (nearest > _NEAREST_M) & (farthest < _FARTHEST_M)
    key = key[agrees & good[track[key]]]
    kept = _enough_for_all(track[key], features.view[key], length)
    key = key[kept[track[key]]]
    found, point = np.unique(track[key], return_inverse=True)
    low, high, share = between_knots(knots_us, shown.time_us[key])
    return Sightings(
        point=point.astype(np.int64),
        low=low,
        high=high,
        share=share,
        camera=shown.camera[key],
        rig=shown.rig[key],
        ray=shown.ray[key],
        focal_px=1.0 / features.radians_per_pixel[key],
        mounting=mounting,
    ), points[found]


def _meeting(origins: Float64, directions: Float64, track: Int64, count: int, gate_rad: float) -> tuple[Float64, Bool]:
    """Point [T, 3] nearest to most rays of each track, and which rays [O] come near enough to theirs."""
    along = np.einsum("ni,ni->n", directions, origins)[:, None]
    across = np.eye(3) - directions[:, :, None] * directions[:, None]
    terms = np.concatenate([across.reshape(-1, 9), origins - along * directions], axis=1)
    weight, points = np.ones(len(track)), np.zeros((count, 3))
    for scale in _ROBUST_SCALES:
        sums = np.stack([np.bincount(track, weight * column, count) for column in terms.T], axis=1)
        matrix = sums[:, :9].reshape(-1, 3, 3)
        # Parallel rays would leave no solution; a little stiffness keeps it finite, and parallax is judged later.
        stiff = 1e-9 * np.einsum("tii->t", matrix) + 1e-30
        points = np.linalg.solve(matrix + stiff[:, None, None] * np.eye(3), sums[:, 9:, None])[..., 0]
        offset = points[track] - origins
        depth = np.einsum("ni,ni->n", offset, directions)
        angle = np.arctan2(np.linalg.norm(np.cross(offset, directions), axis=1), depth)
        weight = 1.0 / ((1.0 + (angle / (scale * gate_rad)) ** 2) * np.maximum(depth, 0.1)) ** 2
    return points, np.asarray((angle < gate_rad) & (depth > 0.0))


def _spread(origins: Float64, points: Float64, track: Int64, agrees: Bool) -> tuple[Float64, Float64, Float64]:
    """Per track, the largest angle to its first ray and the least and the largest distance."""
    rows, owner = np.flatnonzero(agrees), track[agrees]
    away = points[owner] - origins[rows]
    distance = np.linalg.norm(away, axis=1)
    away /= np.maximum(distance, 1e-12)[:, None]
    tracks, start = np.unique(owner, return_index=True)
    first = np.zeros(len(points), dtype=np.int64)
    first[tracks] = start
    angle = np.arccos(np.clip(np.einsum("ni,ni->n", away, away[first[owner]]), -1.0, 1.0))
    parallax, nearest, farthest = np.zeros(len(points)), np.full(len(points), np.inf), np.zeros(len(points))
    np.maximum.at(parallax, owner, angle)
    np.minimum.at(nearest, owner, distance)
    np.maximum.at(farthest, owner, distance)
    return parallax, nearest, farthest


def _enough_for_all(track: Int64, view: Int64, length: Int64) -> Bool:
    """Which tracks [T] to keep: longest first, while one of their pictures still has few."""
    kept = np.zeros(len(length), dtype=np.bool_)
    tracks, start = np.unique(track, return_index=True)
    stop = np.append(start[1:], len(track))
    seen = [0] * (int(view.max(initial=-1)) + 1)
    pictures = view.tolist()
    for i in np.argsort(-length[tracks], kind="stable").tolist():
        members = pictures[start[i] : stop[i]]
        if min(seen[picture] for picture in members) < _MOST_PER_VIEW:
            kept[tracks[i]] = True
            for picture in members:
                seen[picture] += 1
    return kept
