"""Levenberg-Marquardt for the alignment, the points eliminated first.

Nothing here goes through a threaded BLAS: sparse products, sums in a fixed order and products of small matrices give
the same bits at any number of threads. That is also why the reduced system is solved by conjugate gradients.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from avrec.reconstruction.alignment.problem import Sightings, Unknowns, misses, slopes

__all__ = ["Prior", "common_part", "cost", "minimise"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

_DAMPING, _LEAST_DAMPING, _MOST_DAMPING = 1e-4, 1e-10, 1e6
_MOST_CG_STEPS = 400


@dataclass(frozen=True, eq=False)
class Prior:
    """How far corrections may be from none; deviations that cost as much as a miss of ``pixels``.

    Attributes:
        ego: float64 [6] of the ego's correction, radians and metres.
        drift: float64 [6] between the corrections of knots a second apart; grows with the root of the time.
        mounting: float64 [6].
        pixels: typical miss of a right match.
    """

    ego: Float64
    drift: Float64
    mounting: Float64
    pixels: float

    def matrix(self, knots_us: Int64, cameras: int) -> Any:
        """Quadratic form over all knots, then all mountings: sparse [6 (K + C), 6 (K + C)] in blocks of six."""
        count = len(knots_us)
        loose = 1e6 / np.maximum(np.diff(knots_us), 1).astype(np.float64)
        ahead = np.append(loose, 0.0)
        chain = sparse.diags([ahead + np.roll(ahead, 1), -loose, -loose], [0, 1, -1], shape=(count, count))
        ego = sparse.kron(sparse.eye(count), sparse.diags(self.ego**-2.0))
        ego = ego + sparse.kron(chain, sparse.diags(self.drift**-2.0))
        mounting = sparse.kron(sparse.eye(cameras), sparse.diags(self.mounting**-2.0))
        whole = self.pixels**2 * sparse.block_diag([ego, mounting], format="csr")
        return whole.tobsr((6, 6))


def cost(sightings: Sightings, unknowns: Unknowns, prior: Any, scale_px: float) -> float:
    """What is minimised: Cauchy's loss of the misses plus the prior."""
    square = np.sum(misses(sightings, unknowns) ** 2, axis=1)
    stacked = _stacked(unknowns)
    return float(np.sum(scale_px**2 * np.log1p(square / scale_px**2)) + np.sum(stacked * (prior @ stacked)))


def minimise(
    sightings: Sightings,
    start: Unknowns,
    prior: Any,
    *,
    scale_px: float,
    steps: int,
    tolerance: float = 1e-5,
    poses: bool = True,
) -> Unknowns:
    """Corrections and points of least cost near ``start``.

    Args:
        sightings: the keypoints.
        start: where to begin.
        prior: from `Prior.matrix`.
        scale_px: misses beyond this count less and less.
        steps: at most so many.
        tolerance: end when a step lowers the cost by less than this share.
        poses: False moves the points only.
    """
    best, now, damping = cost(sightings, start, prior, scale_px), start, _DAMPING
    for _ in range(steps):
        system = _System(sightings, now, prior, scale_px)
        while damping < _MOST_DAMPING:
            trial = system.step(damping, poses)
            reached = cost(sightings, trial, prior, scale_px)
            if reached < best:
                break
            damping *= 10.0
        else:
            return now
        gain, best, now = best - reached, reached, trial
        damping = max(0.1 * damping, _LEAST_DAMPING)
        if gain <= tolerance * best:
            break
    return now


def common_part(mounting: Float64, offsets: Float64) -> Float64:
    """The part of mounting offsets [C, 6] that moves all cameras alike, in each camera's axes.

    As in `PoseCorrection`, it is left to the ego's path, which explains it just as well.
    """
    turns = mounting[:, :3, :3]
    parts = offsets.reshape(-1, 2, 3)
    mean = np.einsum("cij,cpj->pi", turns, parts) / len(turns)
    return np.asarray(np.einsum("cji,pj->cpi", turns, mean).reshape(-1, 6))


def _stacked(unknowns: Unknowns) -> Float64:
    return np.concatenate([unknowns.ego, unknowns.mountings]).reshape(-1)


class _System:
    """The normal equations at one place."""

    def __init__(self, sightings: Sightings, now: Unknowns, prior: Any, scale_px: float) -> None:
        count, cameras, points = len(now.ego), len(now.mountings), len(now.points)
        miss, slope = misses(sightings, now), slopes(sightings, now)
        root = 1.0 / np.sqrt(1.0 + np.sum(miss**2, axis=1) / scale_px**2)
        miss = root[:, None] * miss
        share = sightings.share[:, None, None]
        weight = root[:, None, None]
        by_ego, by_mounting, by_point = weight * slope.ego, weight * slope.mounting, weight * slope.point
        blocks = np.stack([(1 - share) * by_ego, share * by_ego, by_mounting], axis=1).reshape(-1, 2, 6)
        columns = np.stack([sightings.low, sightings.high, count + sightings.camera], axis=1).reshape(-1)
        rows = np.arange(len(sightings) + 1)
        poses = sparse.bsr_matrix((blocks, columns, 3 * rows), shape=(2 * len(sightings), 6 * (count + cameras)))
        ends = sparse.bsr_matrix((by_point, sightings.point, rows), shape=(2 * len(sightings), 3 * points))
        starts = np.searchsorted(sightings.point, np.arange(points))
        self._now, self._mounting = now, sightings.mounting
        self._of_points = np.add.reduceat(np.einsum("oki,okj->oij", by_point, by_point), starts)
        self._point_pull = np.add.reduceat(np.einsum("oki,ok->oi", by_point, miss), starts)
        self._of_poses = poses.T @ poses + prior
        self._between = ends.T @ poses
        self._pull = poses.T @ miss.reshape(-1) + prior @ _stacked(now)

    def step(self, damping: float, poses: bool) -> Unknowns:
        """Where the damped equations lead."""
        count, points = len(self._now.ego), len(self._now.points)
        diagonal = np.einsum("pii->pi", self._of_points)
        slack = damping * diagonal + 1e-9 * diagonal.sum(axis=1, keepdims=True) + 1e-12
        inverse = np.linalg.inv(self._of_points + slack[:, :, None] * np.eye(3))
        if not poses:
            moved = np.einsum("pij,pj->pi", inverse, self._point_pull)
            return replace(self._now, points=self._now.points - moved)
        solved = sparse.bsr_matrix((inverse, np.arange(points), np.arange(points + 1)), shape=(3 * points, 3 * points))
        pose_slack = sparse.diags(damping * self._of_poses.diagonal()).tobsr((6, 6))
        back = self._between.T @ solved
        reduced = (self._of_poses + pose_slack - back @ self._between).tobsr((6, 6))
        found = self._conjugate(reduced, back @ self._point_pull.reshape(-1) - self._pull)
        moved = -solved @ (self._point_pull.reshape(-1) + self._between @ found)
        pose = found.reshape(-1, 6)
        return Unknowns(
            self._now.ego + pose[:count], self._now.mountings + pose[count:], self._now.points + moved.reshape(-1, 3)
        )

    def _conjugate(self, matrix: Any, right: Float64) -> Float64:
        """Solve by conjugate gradients among the steps that leave the cameras' common mounting alone."""
        rows = np.repeat(np.arange(len(matrix.indptr) - 1), np.diff(matrix.indptr))
        inverse = np.linalg.inv(matrix.data[matrix.indices == rows])
        count = len(self._now.ego)

        def allowed(vector: Float64) -> Float64:
            parts = vector.reshape(-1, 6).copy()
            parts[count:] -= common_part(self._mounting, parts[count:])
            return parts.reshape(-1)

        def eased(vector: Float64) -> Float64:
            return allowed(np.einsum("nij,nj->ni", inverse, vector.reshape(-1, 6)).reshape(-1))

        found, rest = np.zeros_like(right), allowed(right)
        ahead = eased(rest)
        way, size = ahead, float(np.sum(rest * ahead))
        enough = 1e-16 * size
        for _ in range(_MOST_CG_STEPS):
            if size <= enough:
                break
            bent = allowed(matrix @ way)
            length = size / float(np.sum(way * bent))
            found = found + length * way
            rest = rest - length * bent
            ahead = eased(rest)
            size, before = float(np.sum(rest * ahead)), size
            way = ahead + (size / before) * way
        return found
