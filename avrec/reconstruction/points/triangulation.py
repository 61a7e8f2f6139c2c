"""Points from matched keypoints, triangulated on rays that know when each keypoint was exposed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from avrec.reconstruction.points.features import Features
from avrec.reconstruction.points.tracks import join_matches

__all__ = ["Triangulated", "triangulate"]

Float64 = NDArray[np.float64]
Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]
Bool = NDArray[np.bool_]

# How far a ray may miss its point: recorded poses are wrong by some tenths of a degree.
_MISS_RAD, _MISS_PX = np.radians(0.3), 2.0
_ROBUST_SCALES = (6.0, 3.0, 1.5, 1.0, 1.0)
# Parallax must be this many times the typical miss, or a point's distance is a guess.
_PARALLAX_PER_MISS = 6.0
_LEAST_PARALLAX, _MOST_LEAST_PARALLAX = np.radians(0.8), np.radians(3.0)
_NEAREST_M, _FARTHEST_M = 1.0, 300.0
_ROUNDS = 3
_LONER_NEIGHBOURS, _LONER_SHARE = 4, 0.1


@dataclass(frozen=True, eq=False)
class Triangulated:
    """Points seen from several views.

    Attributes:
        xyz: float64 [N, 3] world.
        rgb: float32 [N, 3], 0..1, mean colour of the keypoints.
        depth_m: float64 [N] from the nearest camera that sees the point.
        parallax: float64 [N] radians between its rays.
        views: int64 [N] how many pictures agree on the point.
    """

    xyz: Float64
    rgb: Float32
    depth_m: Float64
    parallax: Float64
    views: Int64

    def at(self, chosen: Bool) -> Triangulated:
        """The chosen points."""
        return Triangulated(
            self.xyz[chosen], self.rgb[chosen], self.depth_m[chosen], self.parallax[chosen], self.views[chosen]
        )


@dataclass(frozen=True, eq=False)
class _Observations:
    """Keypoints sorted by the track they belong to."""

    key: Int64
    track: Int64
    tracks: int
    origins: Float64
    directions: Float64
    miss: Float64

    def total(self, values: Float64) -> Float64:
        """Sum per track of [O, C] values."""
        return np.stack([np.bincount(self.track, column, self.tracks) for column in values.T], axis=1)


def triangulate(features: Features, matches: Int64, likeness: Float32) -> Triangulated:
    """Join matches into tracks and intersect the rays of each.

    Args:
        features: keypoints with their rays.
        matches: int64 [M, 2] rows of ``features``.
        likeness: float32 [M], higher is surer.

    Returns:
        Points with at least two views that agree, enough parallax and positive depth, in a fixed order.
    """
    found = []
    for _ in range(_ROUNDS):
        tracks = join_matches(matches, likeness, features.view)
        if not len(matches):
            break
        points, used = _triangulate_tracks(features, tracks)
        found.append(points)
        # What a wrong match tied to a point may be a point of its own.
        free = ~used[matches].any(axis=1)
        matches, likeness = matches[free], likeness[free]
    return _without_loners(_joined(found))


def _triangulate_tracks(features: Features, tracks: Int64) -> tuple[Triangulated, Bool]:
    """Points of the tracks that hold, and which keypoints [K] they explain."""
    seen = _observations(features, tracks)
    points = _intersect(seen, np.ones(len(seen.key)))
    for scale in _ROBUST_SCALES:
        angle, depth = _misses(seen, points)
        weight = 1.0 / (1.0 + (angle / (scale * seen.miss)) ** 2) ** 2
        points = _intersect(seen, weight / np.maximum(depth, 0.1) ** 2)
    agrees = np.ones(len(seen.key), dtype=np.bool_)
    for _ in range(2):
        angle, depth = _misses(seen, points)
        agrees = (angle < seen.miss) & (depth > 0.0)
        points = _intersect(seen, agrees / np.maximum(depth, 0.1) ** 2)
    angle, depth = _misses(seen, points)
    agrees &= (angle < seen.miss) & (depth > 0.0)
    return _judged(features, seen, points, angle, depth, agrees)


def _without_loners(points: Triangulated) -> Triangulated:
    """Points seen from two views only need others near by: a wrong match lands anywhere along its ray."""
    if len(points.xyz) <= _LONER_NEIGHBOURS:
        return points.at(points.views >= 3)
    tree = cKDTree(points.xyz)
    distance = tree.query(points.xyz, k=_LONER_NEIGHBOURS + 1, workers=-1)[0][:, -1]
    return points.at((points.views >= 3) | (distance < _LONER_SHARE * points.depth_m))


def _joined(parts: list[Triangulated]) -> Triangulated:
    if not parts:
        return Triangulated(
            np.zeros((0, 3)), np.zeros((0, 3), np.float32), np.zeros(0), np.zeros(0), np.zeros(0, np.int64)
        )
    return Triangulated(
        np.concatenate([part.xyz for part in parts]),
        np.concatenate([part.rgb for part in parts]),
        np.concatenate([part.depth_m for part in parts]),
        np.concatenate([part.parallax for part in parts]),
        np.concatenate([part.views for part in parts]),
    )


def _judged(
    features: Features, seen: _Observations, points: Float64, angle: Float64, depth: Float64, agrees: Bool
) -> tuple[Triangulated, Bool]:
    """The points that enough pictures agree on, and the keypoints they explain."""
    kept = np.flatnonzero(agrees)
    views = np.bincount(seen.track[kept], minlength=seen.tracks)
    rays = points[seen.track[kept]] - seen.origins[kept]
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    first = np.full(seen.tracks, -1)
    tracks, start = np.unique(seen.track[kept], return_index=True)
    first[tracks] = start
    cosine = np.einsum("ni,ni->n", rays, rays[first[seen.track[kept]]])
    parallax = np.zeros(seen.tracks)
    np.maximum.at(parallax, seen.track[kept], np.arccos(np.clip(cosine, -1.0, 1.0)))
    nearest = np.full(seen.tracks, np.inf)
    np.minimum.at(nearest, seen.track[kept], depth[kept])

    steady = views[seen.track[kept]] >= 3
    typical = float(np.median(angle[kept][steady])) if steady.any() else float(seen.miss[0]) / 2
    least = np.clip(_PARALLAX_PER_MISS * typical, _LEAST_PARALLAX, _MOST_LEAST_PARALLAX)
    # A third view confirms a match; two views alone need twice the parallax.
    enough = np.where(views >= 3, parallax >= least, parallax >= 2 * least)
    good = (views >= 2) & enough & (nearest > _NEAREST_M) & (nearest < _FARTHEST_M) & np.isfinite(points).all(axis=1)
    colour = seen.total(features.rgb[seen.key].astype(np.float64) * agrees[:, None]) / np.maximum(views, 1)[:, None]
    used = np.zeros(len(features.view), dtype=np.bool_)
    used[seen.key[agrees & good[seen.track]]] = True
    return Triangulated(
        points[good], colour[good].astype(np.float32), nearest[good], parallax[good], views[good].astype(np.int64)
    ), used


def _observations(features: Features, tracks: Int64) -> _Observations:
    key = np.flatnonzero(tracks >= 0)
    key = key[np.argsort(tracks[key], kind="stable")]
    return _Observations(
        key=key,
        track=tracks[key],
        tracks=int(tracks.max()) + 1,
        origins=features.origins[key],
        directions=features.directions[key],
        miss=np.maximum(_MISS_RAD, _MISS_PX * features.radians_per_pixel[key]),
    )


def _intersect(seen: _Observations, weight: Float64) -> Float64:
    """Point nearest to the weighted rays of each track, float64 [T, 3]; NaN where rays do not fix one."""
    d, o = seen.directions, seen.origins
    along = np.einsum("ni,ni->n", d, o)[:, None]
    upper = np.stack([1 - d[:, 0] ** 2, -d[:, 0] * d[:, 1], -d[:, 0] * d[:, 2],
                      1 - d[:, 1] ** 2, -d[:, 1] * d[:, 2], 1 - d[:, 2] ** 2], axis=1)  # fmt: skip
    sums = seen.total(weight[:, None] * np.concatenate([upper, o - along * d], axis=1))
    matrix = sums[:, [0, 1, 2, 1, 3, 4, 2, 4, 5]].reshape(-1, 3, 3)
    size = np.trace(matrix, axis1=1, axis2=2)
    solvable = np.linalg.det(matrix) > 1e-9 * size**3
    points = np.full((seen.tracks, 3), np.nan)
    points[solvable] = np.linalg.solve(matrix[solvable], sums[solvable, 6:, None])[..., 0]
    return points


def _misses(seen: _Observations, points: Float64) -> tuple[Float64, Float64]:
    """Angle by which each ray misses its point, and the point's distance along the ray; lost points miss by pi."""
    offset = points[seen.track] - seen.origins
    depth = np.einsum("ni,ni->n", offset, seen.directions)
    across = np.linalg.norm(np.cross(offset, seen.directions), axis=1)
    lost = ~np.isfinite(depth)
    return np.where(lost, np.pi, np.arctan2(across, depth)), np.where(lost, -1.0, depth)
