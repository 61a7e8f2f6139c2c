"""From sightings to corrections: the loss narrows and the prior follows what is found."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from avrec.reconstruction.alignment.problem import Sightings, Unknowns, misses
from avrec.reconstruction.alignment.solve import Prior, common_part, cost, minimise

__all__ = ["Judged", "adjust", "judged"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

# The prior starts at what recordings usually have and follows the corrections found, within bounds: radians, metres.
_EGO = np.array([[np.radians(0.2), 0.03], [np.radians(0.02), 0.003], [np.radians(1.0), 0.3]])
_MOUNTING = np.array([[np.radians(0.05), 0.003], [np.radians(0.01), 0.001], [np.radians(0.2), 0.003]])
# Loose enough for errors that are independent from picture to picture at 10 Hz; nothing is said across long gaps.
_DRIFT_PER_ROOT_S = 5.0
# Of a normal distribution across two axes; keypoints are hardly better than the least.
_SCALE_PER_MISS, _LEAST_SCALE_PX = 1.5, 0.25
# Misses of neighbouring pictures are alike, so the prior takes them for larger than they are.
_LEAST_NOISE_PX = 0.5
_PHASES, _STEPS = 4, 8
# The loss changes with the next phase anyway; the last one is followed further.
_ROUGH, _FINE = 2e-3, 2e-4
# As many free numbers fit noise a little better even where the recorded poses are right.
_WORTH_IT = 0.9


@dataclass(frozen=True)
class Judged:
    """What corrections are worth.

    Attributes:
        before_px: median miss with the recorded poses and the points that suit them best.
        after_px: median miss with the corrections.
        better: whether the robust cost, prior included, is lower than with the recorded poses, and the miss clearly so.
    """

    before_px: float
    after_px: float
    better: bool


def adjust(sightings: Sightings, start: Unknowns, knots_us: Int64) -> Unknowns:
    """Corrections and points that explain the sightings.

    Args:
        sightings: the keypoints.
        start: corrections found so far, and points.
        knots_us: int64 [K] times of the ego's correction.
    """
    now = start
    seen = np.unique(np.concatenate([sightings.low[sightings.share < 1], sightings.high[sightings.share > 0]]))
    narrow = np.inf
    for phase in range(_PHASES):
        scale = min(narrow, _scale_px(sightings, now))
        last = phase == _PHASES - 1 or scale > 0.8 * narrow
        prior = _prior(now.ego[seen], now.mountings, scale).matrix(knots_us, len(now.mountings))
        now = minimise(sightings, now, prior, scale_px=scale, steps=_STEPS, tolerance=_FINE if last else _ROUGH)
        if last:
            break
        narrow = scale
    return replace(now, mountings=now.mountings - common_part(sightings.mounting, now.mountings))


def judged(sightings: Sightings, found: Unknowns, knots_us: Int64) -> Judged:
    """Compare corrections with none, on the same sightings."""
    scale = _scale_px(sightings, found)
    prior = _prior(found.ego, found.mountings, scale).matrix(knots_us, len(found.mountings))
    none = Unknowns(np.zeros_like(found.ego), np.zeros_like(found.mountings), found.points)
    for factor in (8.0, 3.0, 1.0):
        none = minimise(sightings, none, prior, scale_px=factor * scale, steps=_STEPS, tolerance=_ROUGH, poses=False)
    before, after = _median_px(sightings, none), _median_px(sightings, found)
    lower = cost(sightings, found, prior, scale) < cost(sightings, none, prior, scale)
    return Judged(before, after, better=lower and after < _WORTH_IT * before)


def _prior(ego: Float64, mountings: Float64, noise_px: float) -> Prior:
    """As wide as the corrections turn out to be, against keypoints that are this far off."""
    width, pixels = _width(ego, _EGO), max(_LEAST_NOISE_PX, noise_px)
    return Prior(ego=width, drift=_DRIFT_PER_ROOT_S * width, mounting=_width(mountings, _MOUNTING), pixels=pixels)


def _width(values: Float64, bounds: Float64) -> Float64:
    """Root mean square of corrections [N, 6], one for rotations and one for translations, float64 [6]."""
    if not values.any():
        return np.repeat(bounds[0], 3)
    found = np.sqrt(np.mean(values.reshape(-1, 2, 3) ** 2, axis=(0, 2)))
    return np.repeat(np.clip(found, bounds[1], bounds[2]), 3)


def _median_px(sightings: Sightings, unknowns: Unknowns) -> float:
    return float(np.median(np.linalg.norm(misses(sightings, unknowns), axis=1)))


def _scale_px(sightings: Sightings, unknowns: Unknowns) -> float:
    return max(_LEAST_SCALE_PX, _SCALE_PER_MISS * _median_px(sightings, unknowns))
