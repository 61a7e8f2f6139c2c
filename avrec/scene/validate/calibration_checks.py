"""The cameras of `rig_trajectories.json`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from avrec.scene.validate.facts import Facts
from avrec.scene.validate.report import DRIVING, Finding, error, warning
from avrec.scene.validate.values import entry, floats, is_rotation, is_text, plain

__all__ = ["check_calibrations"]

_WHERE = "rig_trajectories.json: camera_calibrations"
_CARLA = ("carla",)
_ALPASIM = ("alpasim",)
_MAX_CAMERAS = 200
_SHUTTERS = {
    "ROLLING_TOP_TO_BOTTOM",
    "ROLLING_LEFT_TO_RIGHT",
    "ROLLING_BOTTOM_TO_TOP",
    "ROLLING_RIGHT_TO_LEFT",
    "GLOBAL",
}
_REFERENCES = ("PIXELDIST_TO_ANGLE", "ANGLE_TO_PIXELDIST")
_KEY_ERROR = "CARLA's client reads every f-theta key of every camera and stops at the first that is missing"


def check_calibrations(calibrations: Any, facts: Facts) -> Iterator[Finding]:
    """Findings about all cameras; their keys are left in ``facts``."""
    if not isinstance(calibrations, dict) or not calibrations:
        yield error(DRIVING, _WHERE, "there is no camera", "Nothing can be rendered", "Write the rig's cameras")
        return
    facts.camera_keys = set(calibrations)
    for key, calibration in list(calibrations.items())[:_MAX_CAMERAS]:
        where = f"{_WHERE}.{key}"
        if not isinstance(calibration, dict):
            yield error(DRIVING, where, "it is no JSON object", "The camera cannot be read", "Write it again")
            continue
        yield from _identity(where, key, calibration, facts)
        yield from _mounting(where, calibration.get("T_sensor_rig"))
        yield from _model(where, calibration.get("camera_model"))


def _identity(where: str, key: str, calibration: dict[str, Any], facts: Facts) -> Iterator[Finding]:
    logical, at, suffix = key.rpartition("@")
    name, sequence = calibration.get("logical_sensor_name"), calibration.get("sequence_id")
    why = "Cameras are looked up as <logical name>@<sequence id>; AlpaSim says 'Missing camera' otherwise"
    if not at or not logical or not suffix:
        yield error(DRIVING, where, "the key has no @<sequence id>", why, f"Name it {key.strip('@')}@<scene id>")
    else:
        facts.sequence_ids[f"{where} (what follows the @)"] = suffix
    if not is_text(name):
        yield error(DRIVING, f"{where}.logical_sensor_name", "it is missing", why, "Write the part before the @")
    elif at and name != logical:
        found = f"it is {name!r}, not {logical!r} as in the key"
        yield error(DRIVING, f"{where}.logical_sensor_name", found, why, "Write the part before the @")
    if not is_text(sequence):
        yield error(_CARLA, f"{where}.sequence_id", "it is missing", _KEY_ERROR, "Write the scene's id")
    else:
        facts.sequence_ids[f"{where}.sequence_id"] = sequence
    if type(calibration.get("unique_sensor_idx")) is not int:
        found = "it is missing or no integer"
        yield error(_CARLA, f"{where}.unique_sensor_idx", found, _KEY_ERROR, "Number the cameras from 0")


def _mounting(where: str, value: Any) -> Iterator[Finding]:
    where = f"{where}.T_sensor_rig"
    matrix = floats(value, (4, 4))
    why = "It is the pose of the camera in the rig: OpenCV axes (x right, y down, z forward), metres"
    if isinstance(matrix, str):
        yield error(DRIVING, where, matrix, why, "Write a 4x4 matrix")
    elif not is_rotation(matrix[:3, :3]) or not np.array_equal(matrix[3], [0, 0, 0, 1]):
        found = "it is no rigid transform (rotation and translation, last row 0 0 0 1)"
        yield error(DRIVING, where, found, why, "Write rotation and translation, column-vector convention")
    elif abs(matrix[2, 2]) > 0.9 and abs(matrix[2, 1]) < 0.5:
        found = "the optical axis points up or down"
        remedy = "Rotate from x-forward axes to OpenCV axes, or invert it if it maps the rig to the camera"
        yield warning(DRIVING, where, found, why, remedy)
    elif np.abs(matrix[:3, 3]).max() > 20:
        found = f"the camera is {plain(float(np.abs(matrix[:3, 3]).max()))} m from the rig"
        yield warning(DRIVING, where, found, why, "Write metres, from the rear axle on the ground")


def _model(where: str, model: Any) -> Iterator[Finding]:
    where = f"{where}.camera_model"
    parameters = entry(model, "parameters")
    kind = entry(model, "type")
    if not isinstance(parameters, dict):
        yield error(DRIVING, f"{where}.parameters", "they are missing", "The lens is unknown", "Write the intrinsics")
        return
    if kind != "ftheta":
        found = f"the model is {str(kind)[:40]!r}"
        remedy = "Fit an f-theta model, as avrec does, and keep the exact one elsewhere"
        yield error(_CARLA, f"{where}.type", found, "CARLA's client reads f-theta cameras only", remedy)
    where = f"{where}.parameters"
    resolution = floats(parameters.get("resolution"), (2,))
    if isinstance(resolution, str) or (resolution < 1).any() or (resolution % 1 != 0).any():
        found = resolution if isinstance(resolution, str) else "it is not two positive whole numbers"
        yield error(DRIVING, f"{where}.resolution", found, "Pictures need a size", "Write [width, height]")
        return
    shutter = parameters.get("shutter_type")
    if not isinstance(shutter, str) or shutter not in _SHUTTERS:
        found = f"it is {str(shutter)[:40]!r}"
        remedy = f"Write one of {', '.join(sorted(_SHUTTERS))}"
        yield error(DRIVING, f"{where}.shutter_type", found, "Renderers know no other shutters", remedy)
    if "external_distortion_parameters" not in parameters:
        found = "the key is missing"
        yield error(_CARLA, f"{where}.external_distortion_parameters", found, _KEY_ERROR, "Write null")
    if kind == "ftheta":
        yield from _ftheta(where, parameters, resolution[0], resolution[1])


def _ftheta(where: str, parameters: dict[str, Any], width: float, height: float) -> Iterator[Finding]:
    center = floats(parameters.get("principal_point"), (2,))
    if isinstance(center, str):
        yield error(_CARLA, f"{where}.principal_point", center, _KEY_ERROR, "Write [x, y] in pixels")
    elif (np.abs(center / [width, height] - 0.5) > 0.5).any():
        found = f"it is {plain(center[0])}, {plain(center[1])} in a picture of {width:.0f}x{height:.0f}"
        why = "The optical axis usually lies within the picture"
        yield warning(DRIVING, f"{where}.principal_point", found, why, "Write pixels at this resolution")
    reference = parameters.get("reference_poly")
    if reference not in _REFERENCES:
        found = f"it is {str(reference)[:40]!r}"
        remedy = f"Write {' or '.join(_REFERENCES)}, the one that is exact"
        yield error(_CARLA, f"{where}.reference_poly", found, _KEY_ERROR, remedy)
    for name in ("pixeldist_to_angle_poly", "angle_to_pixeldist_poly"):
        terms = floats(parameters.get(name), (None,))
        found = terms if isinstance(terms, str) else ""
        if not isinstance(terms, str) and not 1 <= len(terms) <= 6:
            found = f"it has {len(terms)} coefficients; 1 to 6 are read"
        elif not isinstance(terms, str) and not terms.any():
            found = "all its coefficients are 0"
        if found:
            remedy = "Write ascending powers; fit it as the inverse of the other polynomial"
            yield error(_CARLA, f"{where}.{name}", found, _KEY_ERROR, remedy)
    angle = floats([parameters.get("max_angle")], (1,))
    if isinstance(angle, str) or not 0 < angle[0] <= np.pi:
        wrong = "it is missing or no angle" if isinstance(angle, str) else f"it is {plain(angle[0])}"
        remedy = "Write the half-angle from the optical axis, in radians"
        yield error(_CARLA, f"{where}.max_angle", wrong, _KEY_ERROR, remedy)
    linear = floats(parameters.get("linear_cde"), (3,))
    if isinstance(linear, str):
        yield error(_CARLA, f"{where}.linear_cde", linear, _KEY_ERROR, "Write [1, 0, 0]")
