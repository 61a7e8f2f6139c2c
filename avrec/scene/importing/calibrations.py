"""Cameras out of `camera_calibrations` of a NuRec rig, whatever their model."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from avrec.drive import CameraSensor
from avrec.errors import DataError
from avrec.geometry import (
    Camera,
    FThetaCamera,
    OpenCVFisheyeCamera,
    OpenCVPinholeCamera,
    Shutter,
    ShutterDirection,
)
from avrec.scene.validate.values import Float64, Int64, entry, floats, is_rotation, is_text, times

__all__ = ["camera_of", "rigid"]

_MAX_SIDE = 1 << 14
_MAX_NAME = 100
_LONGEST_US = 10_000_000
_DIRECTIONS = {
    "ROLLING_TOP_TO_BOTTOM": ShutterDirection.TOP_TO_BOTTOM,
    "ROLLING_BOTTOM_TO_TOP": ShutterDirection.BOTTOM_TO_TOP,
    "ROLLING_LEFT_TO_RIGHT": ShutterDirection.LEFT_TO_RIGHT,
    "ROLLING_RIGHT_TO_LEFT": ShutterDirection.RIGHT_TO_LEFT,
    "GLOBAL": ShutterDirection.GLOBAL,
}


def camera_of(key: str, calibration: Any, intervals: Int64 | None, notes: list[str]) -> CameraSensor:
    """One camera of the rig.

    Args:
        key: of the calibration, ``<logical>@<sequence>``.
        calibration: the JSON value.
        intervals: int64 [F, 2] start and end of its frames; the shutter's times follow from them.
        notes: receives what was assumed or left out.

    Raises:
        DataError: values that no camera has; the text says which and is no whole sentence.
    """
    name = entry(calibration, "logical_sensor_name")
    name = name if is_text(name) else key.split("@")[0]
    if not name or not name.isprintable() or len(name) > _MAX_NAME:
        raise DataError("its name cannot be used")
    parameters = entry(calibration, "camera_model", "parameters")
    mounting = floats(entry(calibration, "T_sensor_rig"), (4, 4))
    if isinstance(mounting, str):
        raise DataError(f"its T_sensor_rig {mounting}")
    if not isinstance(parameters, dict):
        raise DataError("it has no camera_model.parameters")
    model = _model(entry(calibration, "camera_model", "type"), parameters)
    if parameters.get("external_distortion_parameters") is not None:
        notes.append(f"The windshield's distortion of camera {name} was left out: avrec has no model of it.")
    spelled = parameters.get("shutter_type")
    direction = _DIRECTIONS.get(spelled) if isinstance(spelled, str) else None
    if direction is None:
        notes.append(f"Camera {name} does not say how its shutter runs; a global one was assumed.")
    shutter = _shutter(direction or ShutterDirection.GLOBAL, intervals)
    return CameraSensor(name, model, rigid(mounting, "its T_sensor_rig"), shutter, direction is not None)


def rigid(matrix: Float64, what: str) -> NDArray[np.float64]:
    """A 4x4 transform with its rotation made exact.

    Raises:
        DataError: it is no rigid transform.
    """
    if not is_rotation(matrix[:3, :3]) or not np.array_equal(matrix[3], [0, 0, 0, 1]) or np.abs(matrix).max() > 1e9:
        raise DataError(f"{what} is no rigid transform (4x4, translation in the last column)")
    result = matrix.copy()
    if np.abs(matrix[:3, :3] @ matrix[:3, :3].T - np.eye(3)).max() > 1e-12:
        left, _, right = np.linalg.svd(matrix[:3, :3])
        result[:3, :3] = left @ right
    return result


def _shutter(direction: ShutterDirection, intervals: Int64 | None) -> Shutter:
    """The shutter that an interval stands for.

    It runs from the middle of the first line's exposure to that of the last; of a global shutter it is the exposure,
    or a microsecond that says nothing.
    """
    if intervals is None or not len(intervals):
        return Shutter(direction)
    lasting = int(np.median(intervals[:, 1] - intervals[:, 0]))
    if not 0 <= lasting <= _LONGEST_US:
        raise DataError(f"its frames last {lasting} us")
    if direction is ShutterDirection.GLOBAL:
        return Shutter(direction, 0, lasting if lasting > 1 else 0)
    return Shutter(direction, lasting, 0)


def _model(kind: Any, parameters: dict[str, Any]) -> Camera:
    size = times(parameters.get("resolution"), (2,))
    if isinstance(size, str) or not (size > 0).all() or not (size <= _MAX_SIDE).all():
        raise DataError(f"its resolution is not two numbers from 1 to {_MAX_SIDE}")
    width, height = (int(side) for side in size)
    center = _numbers(parameters, "principal_point", 2)
    if kind == "ftheta":
        limit = parameters.get("max_angle")
        return FThetaCamera(
            width,
            height,
            (center[0] + 0.5, center[1] + 0.5),  # f-theta files count from the centre of the first pixel
            str(parameters.get("reference_poly"))[:40],
            _numbers(parameters, "pixeldist_to_angle_poly"),
            _numbers(parameters, "angle_to_pixeldist_poly"),
            _number(limit, "max_angle"),
            _numbers(parameters, "linear_cde", 3) if parameters.get("linear_cde") is not None else (1.0, 0.0, 0.0),
        )
    if kind in ("opencv-fisheye", "fisheye"):
        limit = parameters.get("max_angle")
        return OpenCVFisheyeCamera(
            width,
            height,
            _numbers(parameters, "focal_length", 2),
            center,
            _optional(parameters, "radial_coeffs", 4),
            None if limit is None else _number(limit, "max_angle"),
        )
    if kind in ("opencv-pinhole", "pinhole", "ideal-pinhole"):
        return OpenCVPinholeCamera(
            width,
            height,
            _numbers(parameters, "focal_length", 2),
            center,
            _optional(parameters, "radial_coeffs", 6),
            _optional(parameters, "tangential_coeffs", 2),
            _optional(parameters, "thin_prism_coeffs", 4),
        )
    raise DataError(f"its model is {str(kind)[:40]!r}, not ftheta, opencv-pinhole or opencv-fisheye")


def _optional(parameters: dict[str, Any], key: str, count: int) -> tuple[float, ...]:
    return (0.0,) * count if parameters.get(key) is None else _numbers(parameters, key)


def _numbers(parameters: dict[str, Any], key: str, count: int | None = None) -> tuple[float, ...]:
    values = floats(parameters.get(key), (count,))
    if isinstance(values, str):
        raise DataError(f"its {key} {values}")
    return tuple(float(value) for value in values[:16])


def _number(value: Any, key: str) -> float:
    numbers = floats([value], (1,))
    if isinstance(numbers, str):
        raise DataError(f"its {key} is no finite number")
    return float(numbers[0])
