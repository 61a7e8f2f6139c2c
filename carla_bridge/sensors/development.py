"""How an rgb picture is developed: exposure, glow, white balance, film and gamma.

Renderers give pictures as the usual settings show them: for a scene, with the exposure of its recording. So only what
differs from those settings is applied, and the usual ones change no pixel.

- ``exposure_mode`` manual: ``EV100 = log2(fstop^2 * shutter_speed * 100 / iso)`` (ISO 2720); brightness is multiplied
  by ``2^(EV100 of the usual settings - EV100 + exposure_compensation)``.
- ``exposure_mode`` histogram: the eye adapts to the picture's brightness, ``11 + log2(mean luminance / 0.18)``, within
  ``exposure_min_bright`` and ``exposure_max_bright`` (both EV100), by at most ``exposure_speed_up`` stops a second
  towards bright and ``exposure_speed_down`` towards dark. The usual range and speeds are computed alongside; the
  difference between the two, and ``exposure_compensation``, are applied; and the stops of ``calibration_constant``,
  a light meter's constant (ISO 2720), against the usual one.
- ``bloom_intensity``, ``lens_flare_intensity``: see `carla_bridge.sensors.glow`.
- ``temp`` and ``tint``: light of that colour becomes white, by the daylight locus of CIE 15 and the Bradford
  transform; ``tint`` moves the light along its isotherm by 0.05 in CIE 1960 for each unit.
- ``slope``, ``toe``, ``shoulder``, ``black_clip``, ``white_clip``: see `carla_bridge.sensors.film`.
- ``gamma``: linear light is raised to ``1 / gamma`` instead of ``1 / 2.2``.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from math import log2

import numpy as np
from numpy.typing import NDArray

from carla_bridge.sensors.film import USUAL_FILM, retoned
from carla_bridge.sensors.glow import USUAL_GLOW, glow

__all__ = ["GAMMA", "develop", "ev100", "processed"]

Uint8 = NDArray[np.uint8]
Float64 = NDArray[np.float64]

USUAL = {
    "shutter_speed": 200.0,
    "iso": 100.0,
    "fstop": 1.4,
    "exposure_compensation": 0.0,
    "exposure_min_bright": 10.0,
    "exposure_max_bright": 12.0,
    "exposure_speed_up": 3.0,
    "exposure_speed_down": 1.0,
    "calibration_constant": 16.0,
    "gamma": 2.2,
    "temp": 6500.0,
    "tint": 0.0,
    **USUAL_GLOW,
    **USUAL_FILM,
}
GAMMA = 2.2
MIDDLE_EV = 11.0
"""Brightness of a picture whose mean luminance is that of middle grey."""
MIDDLE_GREY = 0.18
EVERY = 4
"""The mean luminance is taken over each so many pixels across and down."""
RANGE, SPEEDS = ("exposure_min_bright", "exposure_max_bright"), ("exposure_speed_up", "exposure_speed_down")
_RGB_TO_XYZ = np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.072175],
                        [0.0193339, 0.119192, 0.9503041]])  # fmt: skip
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


def develop(picture: Uint8, attributes: Mapping[str, str], memory: dict[str, object], step_s: float) -> Uint8:
    """A BGRA picture [H, W, 4] as the settings show it; the same array where they are the usual ones.

    Args:
        picture: as the usual settings show it.
        attributes: of the blueprint.
        memory: what the eye has adapted to; changed.
        step_s: seconds since the last picture.
    """
    if not processed(attributes):
        return picture
    values = {name: float(attributes.get(name, usual)) for name, usual in USUAL.items()}
    if attributes.get("exposure_mode", "histogram") == "manual":
        stops = ev100(USUAL) - ev100(values)
    else:
        stops = _adapted(picture, values, memory, step_s)
        stops += log2(values["calibration_constant"] / USUAL["calibration_constant"])
    stops += values["exposure_compensation"]
    bloom, flare = (max(values[name] - usual, 0.0) for name, usual in USUAL_GLOW.items())
    glows = bloom > 0.0 or flare > 0.0
    if (
        stops == 0.0
        and not glows
        and all(values[name] == USUAL[name] for name in ("gamma", "temp", "tint", *USUAL_FILM))
    ):
        return picture
    gain = 2.0**stops
    out = picture.copy()
    balanced = values["temp"] == USUAL["temp"] and values["tint"] == 0.0
    if balanced and not glows:
        levels = (np.arange(256) / 255.0) ** GAMMA * gain
        out[..., :3] = _encoded(levels, values)[picture[..., :3]]
        return out
    linear = (((np.arange(256) / 255.0) ** GAMMA) * gain).astype(np.float32)[picture[..., 2::-1]]
    linear = glow(linear, bloom, flare)
    if not balanced:
        linear = linear @ _balance(values["temp"], values["tint"]).astype(np.float32).T
    out[..., 2::-1] = _encoded(linear, values)
    return out


def processed(attributes: Mapping[str, str]) -> bool:
    """Whether a camera's pictures are processed at all."""
    return attributes.get("enable_postprocess_effects", "true").lower() in ("true", "1")


def ev100(values: Mapping[str, float]) -> float:
    """Exposure value for ISO 100 of ``fstop``, ``shutter_speed`` (1/s) and ``iso``."""
    return log2(values["fstop"] ** 2 * values["shutter_speed"] * 100.0 / values["iso"])


def _encoded(linear: NDArray[np.floating], values: Mapping[str, float]) -> Uint8:
    shown = np.clip(linear, 0.0, 1.0)
    if any(values[name] != usual for name, usual in USUAL_FILM.items()):
        shown = retoned(shown, values)
    return np.asarray(np.rint(shown ** (1.0 / values["gamma"]) * 255.0), np.uint8)


def _adapted(picture: Uint8, values: Mapping[str, float], memory: dict[str, object], step_s: float) -> float:
    """Stops by which the picture is brighter than with the usual range and speeds."""
    if all(values[name] == USUAL[name] for name in (*RANGE, *SPEEDS)):
        return 0.0
    light = (picture[::EVERY, ::EVERY, :3] / 255.0) ** GAMMA
    mean = float((light @ _RGB_TO_XYZ[1, ::-1]).mean())
    seen = MIDDLE_EV + log2(max(mean, 1e-6) / MIDDLE_GREY)
    before = memory.get("adapted")
    now = []
    for index, settings in enumerate((USUAL, values)):
        target = min(max(seen, settings[RANGE[0]]), settings[RANGE[1]])
        last = before[index] if isinstance(before, tuple) else target
        up, down = (settings[name] * step_s for name in SPEEDS)
        now.append(min(max(target, last - down), last + up))
    memory["adapted"] = tuple(now)
    return float(now[0] - now[1])


@lru_cache(maxsize=16)
def _balance(temp: float, tint: float) -> Float64:
    """Linear RGB [3, 3] under a light of that colour, from linear RGB under the usual light."""
    source, target = (_BRADFORD @ _white(*each) for each in ((temp, tint), (USUAL["temp"], 0.0)))
    adapt = np.linalg.inv(_BRADFORD) @ np.diag(target / source) @ _BRADFORD
    return np.asarray(np.linalg.inv(_RGB_TO_XYZ) @ adapt @ _RGB_TO_XYZ)


def _white(temp: float, tint: float) -> Float64:
    """XYZ of a light, Y = 1: daylight from 4000 K on, below it the blackbody locus (Kim et al. 2002)."""
    x, y = _locus(temp)
    u, v = 4 * x / (-2 * x + 12 * y + 3), 6 * y / (-2 * x + 12 * y + 3)
    (x0, y0), (x1, y1) = _locus(temp - 1.0), _locus(temp + 1.0)
    u0, v0 = 4 * x0 / (-2 * x0 + 12 * y0 + 3), 6 * y0 / (-2 * x0 + 12 * y0 + 3)
    u1, v1 = 4 * x1 / (-2 * x1 + 12 * y1 + 3), 6 * y1 / (-2 * x1 + 12 * y1 + 3)
    length = np.hypot(u1 - u0, v1 - v0)
    u, v = u + tint * 0.05 * (v1 - v0) / length, v - tint * 0.05 * (u1 - u0) / length
    x, y = 3 * u / (2 * u - 8 * v + 4), 2 * v / (2 * u - 8 * v + 4)
    return np.array([x / y, 1.0, (1.0 - x - y) / y])


def _locus(kelvin: float) -> tuple[float, float]:
    t = 1000.0 / kelvin
    if kelvin >= 4000.0:
        if kelvin <= 7000.0:
            x = 0.244063 + 0.09911 * t + 2.9678 * t**2 - 4.6070 * t**3
        else:
            x = 0.237040 + 0.24748 * t + 1.9018 * t**2 - 2.0064 * t**3
        return x, -3.0 * x**2 + 2.870 * x - 0.275
    x = 0.179910 + 0.8776956 * t - 0.2343589 * t**2 - 0.2661239 * t**3
    if kelvin >= 2222.0:
        return x, -0.9549476 * x**3 - 1.37418593 * x**2 + 2.09137015 * x - 0.16748867
    return x, -1.1063814 * x**3 - 1.34811020 * x**2 + 2.18555832 * x - 0.20219683
