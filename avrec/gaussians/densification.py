"""MCMC densification (3DGS-MCMC, Kheradmand et al. 2024): dead Gaussians move, the cloud grows, noise explores.

All draws come from one generator and all arithmetic is elementwise, so results do not depend on threads.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import comb

import numpy as np
from numpy.typing import NDArray

__all__ = ["Refinement", "add_noise", "grow", "relocate", "sigmoid", "split_factors"]

Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]

MOST_COPIES = 8
DEAD_OPACITY = 0.005

_MEAN, _QUATERNION, _SCALE, _OPACITY = slice(0, 3), slice(3, 7), slice(7, 10), 10


@dataclass(frozen=True)
class Refinement:
    """What a relocation or growth step did.

    Attributes:
        sources: int64 [M] rows that were copied (they shrank too).
        targets: int64 [M] rows that now hold the copies.
    """

    sources: Int64
    targets: Int64

    @property
    def touched(self) -> Int64:
        """All rows whose parameters changed: their optimiser state must start anew."""
        return np.unique(np.concatenate([self.sources, self.targets]))


def sigmoid(x: NDArray[np.floating]) -> NDArray[np.float64]:
    """Logistic function in float64."""
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(np.asarray(x, np.float64), -80.0, 80.0))))


def split_factors(opacity: NDArray[np.floating], copies: Int64) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Opacity and scale factor of ``copies`` Gaussians that together look like one.

    ``o' = 1 - (1 - o)^(1/k)`` and scale factor ``o / sum_{i=1..k} sum_{j<i} C(i-1, j) (-1)^j o'^(j+1) / sqrt(j+1)``
    (equation 9 of 3DGS-MCMC).
    """
    o = np.asarray(opacity, np.float64)
    new = 1.0 - (1.0 - o) ** (1.0 / copies)
    factor = np.ones_like(o)
    for k in range(2, int(copies.max(initial=1)) + 1):
        rows = copies == k
        total = np.zeros(int(rows.sum()))
        for i in range(1, k + 1):
            for j in range(i):
                total += comb(i - 1, j) * (-1.0) ** j * new[rows] ** (j + 1) / np.sqrt(j + 1)
        factor[rows] = o[rows] / total
    return new, factor


def relocate(
    packed: Float32,
    group: NDArray[np.integer],
    rng: np.random.Generator,
    demand: NDArray[np.floating] | None = None,
) -> Refinement:
    """Move dead Gaussians onto live ones of the same group. Changes ``packed`` in place.

    Args:
        packed: float32 [N, C].
        group: [N] layer of each row.
        rng: source of the draws.
        demand: [N] weights of the draws, not negative; None draws by opacity, as 3DGS-MCMC does.
    """
    opacity = sigmoid(packed[:, _OPACITY])
    weight = opacity if demand is None else np.asarray(demand, np.float64) + 1e-12 * opacity
    sources, targets = [], []
    for one in np.unique(group):
        rows = np.flatnonzero(group == one)
        dead = rows[opacity[rows] < DEAD_OPACITY]
        alive = rows[opacity[rows] >= DEAD_OPACITY]
        if len(dead) and len(alive):
            sources.append(_draw(alive, weight[alive], len(dead), rng))
            targets.append(dead)
    return _copy(packed, opacity, sources, targets)


def grow(
    packed: Float32,
    count: int,
    group: NDArray[np.integer],
    shares: dict[int, int],
    rng: np.random.Generator,
    demand: NDArray[np.floating] | None = None,
) -> Refinement:
    """Fill rows ``count``, ``count + 1``, ... with copies of live Gaussians.

    Args:
        packed: float32 [capacity, C], changed in place.
        count: rows in use.
        group: [count] layer of each row.
        shares: how many new rows each group gets; the new rows come in the order of this mapping.
        rng: source of the draws.
        demand: [count] weights of the draws; None draws by opacity.
    """
    opacity = sigmoid(packed[:count, _OPACITY])
    weight = opacity if demand is None else np.asarray(demand, np.float64) + 1e-12 * opacity
    sources, targets, at = [], [], count
    for one, more in shares.items():
        rows = np.flatnonzero((group == one) & (opacity >= DEAD_OPACITY))
        if more < 1 or not len(rows):
            continue
        sources.append(_draw(rows, weight[rows], more, rng))
        targets.append(np.arange(at, at + more))
        at += more
    return _copy(packed, opacity, sources, targets)


def add_noise(packed: Float32, strength: NDArray[np.floating] | float, rng: np.random.Generator) -> None:
    """Shake the means of faint Gaussians along their axes: N(0, 1) x scale x strength x sigmoid(-100 (o - 0.005)).

    Opaque Gaussians stay where they are. Changes ``packed`` in place.
    """
    opacity = 1.0 / (1.0 + np.exp(-np.maximum(packed[:, _OPACITY], np.float32(-80.0))))
    faint = np.flatnonzero(opacity < 0.1)
    if not len(faint):
        return
    rows = packed[faint]
    gate = 1.0 / (1.0 + np.exp(100.0 * (opacity[faint] - DEAD_OPACITY)))
    local = rng.standard_normal((len(faint), 3), dtype=np.float32) * np.exp(rows[:, _SCALE])
    local *= (gate * strength)[:, None]
    packed[faint, _MEAN] += _rotate(rows[:, _QUATERNION], local)


def _rotate(quaternions: Float32, vectors: Float32) -> Float32:
    unit = quaternions / np.maximum(np.sqrt((quaternions**2).sum(axis=1, keepdims=True)), 1e-12)
    w, xyz = unit[:, :1], unit[:, 1:]
    across = 2.0 * np.cross(xyz, vectors)
    return np.asarray(vectors + w * across + np.cross(xyz, across), np.float32)


def _draw(rows: Int64, weight: NDArray[np.float64], count: int, rng: np.random.Generator) -> Int64:
    cumulative = np.cumsum(weight)
    places = np.searchsorted(cumulative, rng.random(count) * cumulative[-1], side="right")
    return np.asarray(rows[places.clip(0, len(rows) - 1)], np.int64)


def _copy(packed: Float32, opacity: NDArray[np.float64], sources: list[Int64], targets: list[Int64]) -> Refinement:
    if not sources:
        return Refinement(np.zeros(0, np.int64), np.zeros(0, np.int64))
    source, target = np.concatenate(sources), np.concatenate(targets)
    rows, times = np.unique(source, return_counts=True)
    new, factor = split_factors(opacity[rows], np.minimum(times + 1, MOST_COPIES))
    new = np.clip(new, DEAD_OPACITY, 1 - 1e-6)
    packed[rows, _OPACITY] = np.log(new / (1 - new))
    packed[rows, _SCALE] += np.log(factor)[:, None].astype(np.float32)
    packed[target] = packed[source]
    return Refinement(source, target)
