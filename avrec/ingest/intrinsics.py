"""Camera models from nerfstudio's intrinsic keys."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from avrec.errors import DataError
from avrec.geometry import Camera, OpenCVFisheyeCamera, OpenCVPinholeCamera
from avrec.ingest.checks import integer, number

__all__ = ["camera_from_keys"]

_LARGEST_SIDE = 65_536
_RADIAL_TERMS = {  # how many of k1, k2, ... each model has
    "PINHOLE": 0,
    "SIMPLE_PINHOLE": 0,
    "SIMPLE_RADIAL": 1,
    "RADIAL": 2,
    "OPENCV": 3,
    "FULL_OPENCV": 6,
    "OPENCV_FISHEYE": 4,
}


def camera_from_keys(
    frame: Mapping[str, Any], shared: Mapping[str, Any], what: str, measure: Callable[[], tuple[int, int]]
) -> Camera:
    """The camera of one frame; keys missing there are taken from the top level of the file.

    Pixel centres lie at .5 in this layout, as in avrec, so principal points are used unchanged.

    Args:
        frame: the frame's entry.
        shared: the top level of transforms.json.
        what: name of the frame for messages.
        measure: returns (width, height) of the picture, called where ``w`` and ``h`` are not given.

    Raises:
        DataError: no focal length, an unknown camera model, or numbers that are not usable.
    """

    def given(key: str) -> Any:
        return frame.get(key, shared.get(key))

    def value(key: str, default: float = 0.0) -> float:
        found = given(key)
        return default if found is None else number(found, f"{key} of {what}")

    if given("w") is None or given("h") is None:
        width, height = measure()
    else:
        width, height = integer(given("w"), f"w of {what}"), integer(given("h"), f"h of {what}")
    if not (0 < width <= _LARGEST_SIDE and 0 < height <= _LARGEST_SIDE):
        raise DataError(f"The picture size of {what} is {width}x{height}. Give its real w and h.")

    focal_x = _focal(given("fl_x"), given("camera_angle_x"), width, f"fl_x of {what}")
    if focal_x is None:
        raise DataError(f"The calibration of {what} is missing: no fl_x or camera_angle_x. Add the intrinsic keys.")
    focal_y = _focal(given("fl_y"), given("camera_angle_y"), height, f"fl_y of {what}") or focal_x
    principal_point = (value("cx", width / 2), value("cy", height / 2))

    name = str(given("camera_model") or ("OPENCV_FISHEYE" if given("is_fisheye") else "OPENCV")).upper()
    if name not in _RADIAL_TERMS:
        raise DataError(f"The camera model {name} of {what} is not supported. Use one of {', '.join(_RADIAL_TERMS)}.")
    terms = _RADIAL_TERMS[name]
    radial = [value(f"k{i + 1}") for i in range(terms)]
    beyond = [f"k{i + 1}" for i in range(terms, 6) if value(f"k{i + 1}") != 0.0]
    if beyond:
        raise DataError(
            f"{what} has {', '.join(beyond)}, which the camera model {name} does not use. "
            "Name the model that the calibration was made with (FULL_OPENCV has k1 to k6)."
        )
    if name == "OPENCV_FISHEYE":
        k1, k2, k3, k4 = radial
        return OpenCVFisheyeCamera(
            width=width,
            height=height,
            focal=(focal_x, focal_y),
            principal_point=principal_point,
            radial=(k1, k2, k3, k4),
        )
    k1, k2, k3, k4, k5, k6 = (radial + [0.0] * 6)[:6]
    tangential = (value("p1"), value("p2")) if terms >= 3 else (0.0, 0.0)
    return OpenCVPinholeCamera(
        width=width,
        height=height,
        focal=(focal_x, focal_y),
        principal_point=principal_point,
        radial=(k1, k2, k3, k4, k5, k6),
        tangential=tangential,
    )


def _focal(length: Any, angle: Any, pixels: int, what: str) -> float | None:
    """Focal length in pixels from itself or from the field of view in radians; None where neither is given."""
    if length is not None:
        focal = number(length, what)
    elif angle is not None:
        opening = number(angle, what)
        focal = 0.5 * pixels / math.tan(opening / 2) if 0 < opening < math.pi else 0.0
    else:
        return None
    if focal <= 0:
        raise DataError(f"{what} must be positive; found {focal:g}. Correct the calibration.")
    return focal
