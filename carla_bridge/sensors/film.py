"""The film curve of colour cameras: ``slope``, ``toe``, ``shoulder``, ``black_clip`` and ``white_clip``.

CARLA's documents say what the five do and give no formula. Ours is the characteristic curve of film (Hurter and
Driffield 1890): the shown light ``o`` against ``x = log10(light / 0.18)`` is straight in the middle and bends at both
ends. Its steepness falls off in proportion to what is left to black below ``1 - toe``, and to white above ``shoulder``:

    do/dx = slope * min(1, (o + black_clip) / (1 - toe + black_clip),
                        (1 + white_clip - o) / (1 + white_clip - shoulder))
    o = 0.18 at x = 0; shown is what lies within 0 and 1

So a larger slope darkens what is darker than middle grey and brightens what is brighter, a larger toe or black clip
darkens the dark, a larger shoulder or white clip brightens the bright; middle grey stays. Pictures here are as the
usual curve shows them, so it is undone first; the usual five values change nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

__all__ = ["USUAL_FILM", "light_of", "retoned", "shown"]

Float64 = NDArray[np.float64]

USUAL_FILM = {"slope": 0.88, "toe": 0.55, "shoulder": 0.26, "black_clip": 0.0, "white_clip": 0.04}
MIDDLE_GREY = 0.18
LEAST = 1e-6
LEAST_SLOPE = 1e-3


def retoned(linear: NDArray[np.floating], film: Mapping[str, float]) -> Float64:
    """Linear light 0 to 1 as the usual film shows it, as another film would have shown it."""
    return shown(light_of(np.asarray(np.clip(linear, 0.0, 1.0), np.float64), USUAL_FILM), film)


def shown(x: Float64, film: Mapping[str, float]) -> Float64:
    """What a film shows, 0 to 1, of light ``x = log10(light / 0.18)``."""
    slope, black, white, toe_end, head_start = _parts(film)
    at = x + _x(np.array(MIDDLE_GREY), film)
    foot, head = _spans(film)
    middle = (head_start - toe_end) / slope
    reach_low, reach_high = toe_end + black, 1.0 + white - head_start
    low = reach_low * np.exp(np.minimum(at, 0.0) * slope / foot) - black
    high = 1.0 + white - reach_high * np.exp(-np.maximum(at - middle, 0.0) * slope / head)
    out = np.where(at < 0.0, low, np.where(at > middle, high, toe_end + at * slope))
    return np.asarray(np.clip(out, 0.0, 1.0))


def light_of(out: Float64, film: Mapping[str, float]) -> Float64:
    """The light ``x = log10(light / 0.18)`` of which a film shows ``out``: the inverse of `shown` within 0 and 1."""
    return np.asarray(_x(out, film) - _x(np.array(MIDDLE_GREY), film))


def _x(out: Float64, film: Mapping[str, float]) -> Float64:
    """The light, counted from where the toe ends."""
    slope, black, white, toe_end, head_start = _parts(film)
    foot, head = _spans(film)
    with np.errstate(divide="ignore"):  # no light at all
        low = foot / slope * np.log(np.minimum((out + black) / (toe_end + black), 1.0))
        left = np.minimum((1.0 + white - out) / (1.0 + white - head_start), 1.0)
        high = (head_start - toe_end) / slope - head / slope * np.log(left)
    return np.where(out < toe_end, low, np.where(out > head_start, high, (out - toe_end) / slope))


def _spans(film: Mapping[str, float]) -> tuple[float, float]:
    """From black to the straight part, and from it to white."""
    black, white = film["black_clip"], film["white_clip"]
    return max(1.0 - film["toe"] + black, LEAST), max(1.0 + white - film["shoulder"], LEAST)


def _parts(film: Mapping[str, float]) -> tuple[float, float, float, float, float]:
    """Slope, clips, and where the toe ends and the shoulder begins; one point where there is no straight part."""
    slope, black, white = max(film["slope"], LEAST_SLOPE), film["black_clip"], film["white_clip"]
    foot, head = _spans(film)
    toe_end, head_start = foot - black, 1.0 + white - head
    if toe_end > head_start:
        toe_end = head_start = (foot * (1.0 + white) - head * black) / (foot + head)
    return slope, black, white, toe_end, head_start
