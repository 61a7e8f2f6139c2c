"""What the attributes of sensors may be, and which of them have no meaning here.

Three things can happen to a value that a program sets: it is honoured, it is refused when the sensor is spawned
(`check`), or, where it stands for the inner life of a game engine, the log says once that it does nothing (`unused`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import inf

__all__ = ["check", "unused"]

_MOST = 8192
_SHARE = (0.0, 1.0)
_NOT_NEGATIVE = (0.0, inf)
_ABOVE_ZERO = (1e-9, inf)
_SHORTEST_TICK_S = 1e-6

_LIMITS: Mapping[str, tuple[float, float]] = {
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

_ENGINE = "pictures here have no such stage"
_UNUSED: Mapping[str, str] = {
    "bloom_intensity": _ENGINE,
    "lens_flare_intensity": _ENGINE,
    "motion_blur_intensity": "pictures are taken in an instant",
    "motion_blur_max_distortion": "pictures are taken in an instant",
    "motion_blur_min_object_screen_size": "pictures are taken in an instant",
    "blur_amount": _ENGINE,
    "blur_radius": _ENGINE,
    "focal_distance": "everything is in focus",
    "min_fstop": "everything is in focus",
    "blade_count": "everything is in focus",
    "slope": "colours are not tone mapped again",
    "toe": "colours are not tone mapped again",
    "shoulder": "colours are not tone mapped again",
    "black_clip": "colours are not tone mapped again",
    "white_clip": "colours are not tone mapped again",
    "calibration_constant": "brightness is relative to the usual settings",
    "debug_linetrace": "nothing is drawn into the world",
}
_MANUAL = ("shutter_speed", "iso", "fstop")
_AUTOMATIC = ("exposure_min_bright", "exposure_max_bright", "exposure_speed_up", "exposure_speed_down")
_POST = ("exposure_compensation", "gamma", "temp", "tint", "chromatic_aberration_intensity", *_MANUAL, *_AUTOMATIC)


def check(attributes: Mapping[str, str]) -> None:
    """Refuse what no sensor could be.

    Raises:
        ValueError: a number out of its range, or two that do not go together.
    """
    for name, (low, high) in _LIMITS.items():
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
    manual = attributes.get("exposure_mode") == "manual"
    post = attributes.get("enable_postprocess_effects", "true").lower() in ("true", "1")
    for name, value in attributes.items():
        if name not in usual or value == usual[name] or _same(value, usual[name]):
            continue
        if name in _UNUSED:
            yield name, _UNUSED[name]
        elif name in _POST and not post:
            yield name, "enable_postprocess_effects is off"
        elif name in _MANUAL and not manual:
            yield name, "it only counts with exposure_mode manual"
        elif name in _AUTOMATIC and manual:
            yield name, "it only counts with exposure_mode histogram"
        elif name in ("lens_k", "lens_kcube", "lens_x_size", "lens_y_size", "lens_circle_falloff") and not float(
            attributes.get("lens_circle_multiplier", "0")
        ):
            yield name, "it only counts with a lens_circle_multiplier above 0"


def _same(one: str, other: str) -> bool:
    try:
        return float(one) == float(other)
    except ValueError:
        return one.lower() == other.lower()


def _span(low: float, high: float) -> str:
    if high == inf:
        return "above 0" if low > 0.0 else "0 or more"
    return f"{low:g} to {high:g}"
