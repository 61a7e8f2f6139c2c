"""Which views to compare, and matches of keypoints guided by the known poses."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from avrec.progress import NO_PROGRESS, Progress
from avrec.reconstruction.points.features import Features
from avrec.reconstruction.points.views import TrainingView

__all__ = ["candidate_pairs", "key_views", "match_pairs"]

Float64 = NDArray[np.float64]
Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]

# A view is compared with those this many key views later of the same camera; chains of matches bridge longer ways.
_SAME_CAMERA_GAPS = (1, 2, 4)
# And with this many views of another camera nearest in time.
_OTHER_CAMERA_NEIGHBOURS = 4
_KEY_MOVE_M, _KEY_TURN_RAD = 0.25, 0.03
_PROBE_DISTANCES_M = (6.0, 15.0, 40.0)
_LEAST_OVERLAP = 0.15
_LEAST_BASELINE_M = 0.05
# Recorded poses are wrong by some tenths of a degree, whatever the resolution.
EPIPOLAR_RAD, _EPIPOLAR_PX = np.radians(0.6), 2.0
# SIFT descriptors of COLMAP have length 512. Angles and ratio as in its own matcher.
_UNIT2 = 512.0**2
_MOST_ANGLE, _MOST_RATIO = 0.7, 0.8


def key_views(views: Sequence[TrainingView]) -> list[TrainingView]:
    """The views without those that see the same as the one before them, as where the ego stands still."""
    kept: list[TrainingView] = []
    last: tuple[str, Float64] | None = None
    for view in views:
        pose = _mid_pose(view)
        if last is not None and last[0] == view.camera:
            moved = float(np.linalg.norm(pose[:3, 3] - last[1][:3, 3]))
            turned = np.arccos(np.clip((np.trace(pose[:3, :3].T @ last[1][:3, :3]) - 1) / 2, -1, 1))
            if moved < _KEY_MOVE_M and turned < _KEY_TURN_RAD:
                continue
        kept.append(view)
        last = (view.camera, pose)
    return kept


def candidate_pairs(views: Sequence[TrainingView]) -> list[tuple[int, int]]:
    """Positions in ``views`` of pictures that share something: neighbours in time, and overlapping cameras."""
    by_camera: dict[str, list[int]] = {}
    for i, view in enumerate(views):
        by_camera.setdefault(view.camera, []).append(i)
    pairs = [
        (members[i], members[i + gap])
        for members in by_camera.values()
        for gap in _SAME_CAMERA_GAPS
        for i in range(len(members) - gap)
    ]
    poses = [_mid_pose(view) for view in views]
    for first, second in combinations(by_camera.values(), 2):
        times = np.array([views[j].mid_time_us for j in second])
        for i in first:
            near = np.argsort(np.abs(times - views[i].mid_time_us), kind="stable")[:_OTHER_CAMERA_NEIGHBOURS]
            pairs += [(i, second[j]) for j in near if _overlap(views[i], poses[i], views[second[j]], poses[second[j]])]
    return pairs


def match_pairs(
    features: Features,
    pairs: Sequence[tuple[int, int]],
    *,
    gate_rad: float = EPIPOLAR_RAD,
    progress: Progress = NO_PROGRESS,
) -> tuple[Int64, Float32]:
    """Matches of all pairs.

    Descriptors are only compared where the two rays meet within the poses' accuracy, each ray taken at its own
    exposure time: COLMAP's matcher knows one pose per picture. With the ray's moment ``m = o x d`` the distance of
    two rays times the sine between them is ``|d1 . m2 + m1 . d2|``, one small matrix product for all keypoints.

    Args:
        features: keypoints of all views.
        pairs: views to compare.
        gate_rad: how far two rays may miss each other, seen from the other view; two pixels at least.
        progress: told about each pair.

    Returns:
        int64 [M, 2] rows of ``features``, in the order of the pairs, and float32 [M] how alike they are.
    """
    progress.start("Matching", len(pairs))
    found: list[tuple[Int64, Float32]] = []
    # One pair after the other: the large products inside already use all cores.
    for done, pair in enumerate(pairs):
        found.append(_match(features, *pair, gate_rad))
        progress.update(done + 1)
    matches = np.concatenate([np.zeros((0, 2), dtype=np.int64), *(keys for keys, _ in found)])
    progress.finish(f"{len(matches)} matches")
    return matches, np.concatenate([np.zeros(0, dtype=np.float32), *(likeness for _, likeness in found)])


def _match(features: Features, first: int, second: int, gate_rad: float) -> tuple[Int64, Float32]:
    nothing = np.zeros((0, 2), dtype=np.int64), np.zeros(0, dtype=np.float32)
    one, two = features.of(first), features.of(second)
    if one.start == one.stop or two.start == two.stop:
        return nothing
    center = features.origins[one.start]
    o1, d1 = features.origins[one] - center, features.directions[one]
    o2, d2 = features.origins[two] - center, features.directions[two]
    baseline = o2.mean(axis=0) - o1.mean(axis=0)
    if np.linalg.norm(baseline) < _LEAST_BASELINE_M:
        return nothing
    plucker1 = np.concatenate([d1, np.cross(o1, d1)], axis=1)
    plucker2 = np.concatenate([np.cross(o2, d2), d2], axis=1)
    apart = np.abs(plucker1 @ plucker2.T)
    tolerance = max(gate_rad, _EPIPOLAR_PX * float(features.radians_per_pixel[one.start]))
    lever1 = np.linalg.norm(np.cross(baseline, d1), axis=1)
    lever2 = np.linalg.norm(np.cross(baseline, d2), axis=1)
    meets = apart <= tolerance * np.minimum(lever1[:, None], lever2[None])
    likeness = features.descriptors[one] @ features.descriptors[two].T
    likeness *= meets
    rows = np.arange(len(likeness))
    best = likeness.argmax(axis=1)
    top = likeness[rows, best]
    mutual = likeness.argmax(axis=0)[best] == rows
    likeness[rows, best] = 0.0
    angle, runner_up = _angle(top), _angle(likeness.max(axis=1))
    good = mutual & (angle < _MOST_ANGLE) & (angle < _MOST_RATIO * runner_up)
    return np.stack([one.start + rows[good], two.start + best[good]], axis=1), top[good]


def _angle(likeness: Float32) -> Float64:
    return np.arccos(np.minimum(likeness.astype(np.float64) / _UNIT2, 1.0))


def _mid_pose(view: TrainingView) -> Float64:
    return view.drive.world_from_camera(view.camera, np.array(view.mid_time_us))


def _overlap(one: TrainingView, one_pose: Float64, two: TrainingView, two_pose: Float64) -> bool:
    """Whether points that one picture may show also fall into the other, seen from a similar side."""
    if one_pose[:3, 2] @ two_pose[:3, 2] < 0.2:
        return False
    u, v = np.meshgrid((np.arange(8) + 0.5) / 8 * one.model.width, (np.arange(6) + 0.5) / 6 * one.model.height)
    rays, valid = one.model.unproject(np.stack([u, v], axis=-1).reshape(-1, 2))
    points = np.concatenate([rays[valid] * distance for distance in _PROBE_DISTANCES_M])
    world = points @ one_pose[:3, :3].T + one_pose[:3, 3]
    local = (world - two_pose[:3, 3]) @ two_pose[:3, :3]
    return bool(two.model.project(local)[1].mean() >= _LEAST_OVERLAP)
