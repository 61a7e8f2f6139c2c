"""What the attributes of sensors may be, and which of them have no meaning here.

Three things can happen to a value that a program sets: it is honoured, it is refused when the sensor is spawned
(`check`), or, where another attribute keeps it from counting, the log says once that it does nothing (`unused`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import inf

from carla_bridge.sensors.development import processed
from carla_bridge.sensors.softness import USUAL_MOTION, softened_by

__all__ = ["LIMITS", "changed", "check", "unused"]

_MOST = 8192
_SHARE = (0.0, 1.0)
_NOT_NEGATIVE = (0.0, inf)
_ABOVE_ZERO = (1e-9, inf)
_SHORTEST_TICK_S = 1e-6

LIMITS: Mapping[str, tuple[float, float]] = {
    "sensor_tick": _NOT_NEGATIVE,
    "image_size_x": (1, _MOST),
    "image_size_y": (1, _MOST),
    "fov": (0.1, 179.0),
    "lens_circle_falloff": (0.0, 10.0),
    "lens_circle_multiplier": (0.0, 10.0),
    "lens_x_size": _SHARE,
    "lens_y_size": _SHARE,
    "gamma": (0.1, 10.0),
    "shutter_speed": _ABOVE_ZERO,
    "iso": _ABOVE_ZERO,
    "fstop": _ABOVE_ZERO,
    "exposure_compensation": (-15.0, 15.0),
    "exposure_min_bright": (1e-9, 100.0),
    "exposure_max_bright": (1e-9, 100.0),
    "exposure_speed_up": _NOT_NEGATIVE,
    "exposure_speed_down": _NOT_NEGATIVE,
    "temp": (1500.0, 15000.0),
    "tint": (-1.0, 1.0),
    "calibration_constant": (0.001, 100_000.0),
    "bloom_intensity": (0.0, 100.0),
    "lens_flare_intensity": (0.0, 100.0),
    "slope": _SHARE,
    "toe": _SHARE,
    "shoulder": _SHARE,
    "black_clip": _SHARE,
    "white_clip": _SHARE,
    "motion_blur_intensity": _SHARE,
    "motion_blur_max_distortion": (0.0, 100.0),
    "motion_blur_min_object_screen_size": (0.0, 100.0),
    "focal_distance": (0.1, 1e9),
    "min_fstop": (0.0, 1000.0),
    "blade_count": (3, 64),
    "blur_radius": (0.0, 1000.0),
    "blur_amount": (1e-6, inf),
    "chromatic_aberration_intensity": _NOT_NEGATIVE,
    "chromatic_aberration_offset": _SHARE,
    "positive_threshold": (0.001, 100.0),
    "negative_threshold": (0.001, 100.0),
    "sigma_positive_threshold": _NOT_NEGATIVE,
    "sigma_negative_threshold": _NOT_NEGATIVE,
    "log_eps": _ABOVE_ZERO,
    "refractory_period_ns": _NOT_NEGATIVE,
    "channels": (1, 1024),
    "range": _ABOVE_ZERO,
    "points_per_second": (1, 40_000_000),
    "rotation_frequency": _NOT_NEGATIVE,
    "upper_fov": (-90.0, 90.0),
    "lower_fov": (-90.0, 90.0),
    "horizontal_fov": (1e-3, 360.0),
    "vertical_fov": (1e-3, 180.0),
    "atmosphere_attenuation_rate": _NOT_NEGATIVE,
    "dropoff_general_rate": _SHARE,
    "dropoff_intensity_limit": _SHARE,
    "dropoff_zero_intensity": _SHARE,
    "noise_stddev": _NOT_NEGATIVE,
    "distance": _ABOVE_ZERO,
    "hit_radius": _NOT_NEGATIVE,
}
"""The least and the most of each number."""

_MANUAL = ("shutter_speed", "iso", "fstop")
_AUTOMATIC = (
    "exposure_min_bright",
    "exposure_max_bright",
    "exposure_speed_up",
    "exposure_speed_down",
    "calibration_constant",
)
_GLOW = ("bloom_intensity", "lens_flare_intensity")
_FOCUS = ("min_fstop", "blade_count")
_SMALL = "motion_blur_min_object_screen_size"
_FRINGE = ("chromatic_aberration_intensity", "chromatic_aberration_offset")
_FILM = ("slope", "toe", "shoulder", "black_clip", "white_clip")
_LENS = ("lens_k", "lens_kcube", "lens_x_size", "lens_y_size", "lens_circle_falloff")
_OFF_AT_ZERO = (*_GLOW, *USUAL_MOTION)
"""A program that sets one of these to 0 wants none of it, and gets none."""
_POST = (
    *("exposure_compensation", "gamma", "temp", "tint", "focal_distance", "blur_radius", "blur_amount", _SMALL),
    *(*_FRINGE, *_FILM, *_MANUAL, *_AUTOMATIC, *_FOCUS, *_OFF_AT_ZERO),
)


def check(attributes: Mapping[str, str]) -> None:
    """Refuse what no sensor could be.

    Raises:
        ValueError: a number out of its range, or two that do not go together.
    """
    for name, (low, high) in LIMITS.items():
        if name in attributes and not low <= float(attributes[name]) <= high:
            raise ValueError(f"{name} is {attributes[name]}, out of range ({_span(low, high)})")
    for name, value in attributes.items():
        if name.startswith("noise_") and name.rstrip("xyz_").endswith("stddev") and float(value) < 0.0:
            raise ValueError(f"{name} is {value}, out of range (0 or more)")
    if 0.0 < float(attributes.get("sensor_tick", "0") or 0.0) < _SHORTEST_TICK_S:
        tick = attributes["sensor_tick"]
        raise ValueError(f"sensor_tick is {tick}, out of range (0 for every step, or {_SHORTEST_TICK_S:g} and more)")
    mode = attributes.get("exposure_mode", "histogram")
    if mode not in ("histogram", "manual"):
        raise ValueError(f"exposure_mode is {mode!r}, but can be histogram or manual")
    low, high = (float(attributes.get(f"exposure_{end}_bright", "1")) for end in ("min", "max"))
    if low > high:
        raise ValueError(f"exposure_min_bright is {low:g}, above exposure_max_bright, which is {high:g}")
    low, high = (float(attributes.get(f"{end}_fov", "0")) for end in ("lower", "upper"))
    if low > high:
        raise ValueError(f"lower_fov is {low:g}, above upper_fov, which is {high:g}")


def unused(attributes: Mapping[str, str], usual: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Attributes whose value is not the usual one and does nothing, and why it does not."""
    for name in changed(attributes, usual):
        reason = _why_unused(name, attributes, usual)
        if reason:
            yield name, reason


def changed(attributes: Mapping[str, str], usual: Mapping[str, str]) -> Iterator[str]:
    """Attributes whose value is not the usual one, however it is written."""
    for name, value in attributes.items():
        if name in usual and not _same(value, usual[name]):
            yield name


def _why_unused(name: str, attributes: Mapping[str, str], usual: Mapping[str, str]) -> str:
    """Why a value that is not the usual one does nothing; empty where it counts."""

    def number(other: str) -> float:
        return float(attributes.get(other, "0"))

    manual = attributes.get("exposure_mode") == "manual"
    soft = softened_by(attributes)
    if name in _OFF_AT_ZERO and number(name) == 0.0:
        return ""
    if name in _POST and not processed(attributes):
        return "enable_postprocess_effects is off"
    if name in _GLOW and number(name) < float(usual[name]):
        return "the usual pictures have no glow added that could be less; 0 asks for none"
    if name in _MANUAL and not manual and not (name == "fstop" and "focus" in soft):
        return "it only counts with exposure_mode manual"
    if name in _AUTOMATIC and manual:
        return "it only counts with exposure_mode histogram"
    if name in _FOCUS and "focus" not in soft:
        return "it only counts with another focal_distance than the usual one, at which everything is sharp"
    if name == "blur_amount" and "haze" not in soft:
        return "it only counts with a blur_radius above 0"
    if name == _SMALL and "motion" not in soft and all(number(other) for other in USUAL_MOTION):
        return "it only counts with another motion_blur_intensity or motion_blur_max_distortion than the usual one"
    if name == "chromatic_aberration_offset" and not number("chromatic_aberration_intensity"):
        return "it only counts with a chromatic_aberration_intensity above 0"
    if name in _LENS and not number("lens_circle_multiplier"):
        return "it only counts with a lens_circle_multiplier above 0"
    return ""


def _same(one: str, other: str) -> bool:
    try:
        return float(one) == float(other)
    except ValueError:
        return one.lower() == other.lower()


def _span(low: float, high: float) -> str:
    if high == inf:
        return "above 0" if low > 0.0 else "0 or more"
    return f"{low:g} to {high:g}"
