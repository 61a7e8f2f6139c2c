"""Cameras that users describe: by name, by a dictionary of the NuRec example's or of CARLA's kind."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from math import isfinite, pi, radians, tan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avrec.drive import CameraSensor
from avrec.errors import AvrecError, DataError
from avrec.geometry import (
    GLOBAL_SHUTTER,
    Camera,
    FThetaCamera,
    OpenCVPinholeCamera,
    Shutter,
    ShutterDirection,
    camera_from_dict,
    matrix_from_rpy,
    transform_from,
)
from avrec.scene import Scene
from carla_bridge.frames import matrix_from_carla
from carla_bridge.sensors.attributes import changed
from carla_bridge.server.blueprints import catalogue

__all__ = ["MOUNT_FROM_OPTICAL", "camera_named", "field_of_view_deg"]

Float64 = NDArray[np.float64]

MOUNT_FROM_OPTICAL = transform_from(np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]]), np.zeros(3))
"""From OpenCV's axes (z along the view) to a mount's (x along the view, y left, z up)."""
_SHUTTERS = {
    "GLOBAL": ShutterDirection.GLOBAL,
    "ROLLING_TOP_TO_BOTTOM": ShutterDirection.TOP_TO_BOTTOM,
    "ROLLING_BOTTOM_TO_TOP": ShutterDirection.BOTTOM_TO_TOP,
    "ROLLING_LEFT_TO_RIGHT": ShutterDirection.LEFT_TO_RIGHT,
    "ROLLING_RIGHT_TO_LEFT": ShutterDirection.RIGHT_TO_LEFT,
}
_DEFAULT_READOUT_US = 30_000
_MAX_SIDE = 8192
_FOLLOWED = frozenset({"image_size_x", "image_size_y", "fov", "role_name"})

log = logging.getLogger(__name__)


def camera_named(
    scene: Scene, spec: str | CameraSensor | Mapping[str, Any], transform: Any = None
) -> tuple[CameraSensor, str]:
    """The camera that a user means.

    Args:
        scene: whose cameras can be named.
        spec: the name of one; a `CameraSensor`; or a dictionary. With ``model`` the dictionary holds the intrinsics of
            `avrec.geometry.camera_from_dict`, with ``camera_type`` those of the NuRec example's cameras (f-theta
            polynomials, or ``focal_length`` and distortion), with ``image_size_x``, ``image_size_y`` and ``fov`` a
            CARLA camera; the log says which other attributes of CARLA's do nothing. ``logical_id`` names the camera of
            the scene whose colours and mount it takes.
        transform: where it is mounted: a `carla.Transform` relative to the rig (on the ground under the rear axle), or
            float64 [4, 4] ``rig_from_camera`` with OpenCV axes; None leaves it where the named camera is.

    Returns:
        The camera, and the camera of the scene whose colours it takes.

    Raises:
        AvrecError: not such a camera; the text says what is missing.
    """
    if isinstance(spec, str):
        if spec not in scene.cameras:
            raise AvrecError(
                f"No camera is named '{spec}'. This scene has {', '.join(scene.cameras)}. Name one of those."
            )
        sensor, colours = scene.cameras[spec], spec
    elif isinstance(spec, CameraSensor):
        sensor, colours = spec, spec.name if spec.name in scene.cameras else next(iter(scene.cameras))
    elif isinstance(spec, Mapping):
        sensor, colours = _from_mapping(scene, spec)
    else:
        raise AvrecError(f"A camera is a name, a CameraSensor or a dictionary; found {type(spec).__name__}.")
    if transform is not None:
        sensor = replace(sensor, rig_from_camera=_mount(transform))
    return sensor, colours


def field_of_view_deg(model: Camera) -> float:
    """Horizontal field of view between the outer edges of the middle row, degrees."""
    middle = model.height / 2
    rays, valid = model.unproject(np.array([[0.0, middle], [model.width / 2, middle], [float(model.width), middle]]))
    if not valid.all():  # the lens ends inside the picture
        return float(np.degrees(2 * (getattr(model, "max_angle", None) or pi)))
    halves = [np.arccos(np.clip(rays[1] @ rays[side], -1.0, 1.0)) for side in (0, 2)]
    return float(np.degrees(sum(halves)))


def _mount(transform: Any) -> Float64:
    if hasattr(transform, "location"):
        place, turn = transform.location, transform.rotation
        return matrix_from_carla((place.x, place.y, place.z), (turn.pitch, turn.yaw, turn.roll)) @ MOUNT_FROM_OPTICAL
    matrix = np.asarray(transform, dtype=np.float64)
    if matrix.shape != (4, 4) or not np.isfinite(matrix).all():
        raise AvrecError("A camera's mount is a carla.Transform or a finite 4 x 4 matrix rig_from_camera.")
    return matrix


def _from_mapping(scene: Scene, spec: Mapping[str, Any]) -> tuple[CameraSensor, str]:
    spec = {**spec, **spec.get("camera_params", {}), **spec.get("attributes", {})}
    name = str(spec.get("logical_id", spec.get("name", "custom_camera")))
    colours = name if name in scene.cameras else next(iter(scene.cameras))
    mount = scene.cameras[colours].rig_from_camera
    if "transform_matrix" in spec:
        mount = _mount(spec["transform_matrix"])
    elif "translation" in spec or isinstance(spec.get("rotation"), list | tuple):
        pitch, yaw, roll = _numbers(spec, "rotation", 3, (0.0, 0.0, 0.0))
        turn = matrix_from_rpy(radians(roll), radians(pitch), radians(yaw))
        mount = transform_from(turn, np.array(_numbers(spec, "translation", 3, (0.0, 0.0, 0.0)))) @ MOUNT_FROM_OPTICAL
    try:
        if "model" in spec:
            known = {"logical_id", "name", "translation", "rotation", "transform_matrix", "shutter_type", "readout_us"}
            model = camera_from_dict({key: value for key, value in spec.items() if key not in known})
        elif "camera_type" in spec or "pixeldist_to_angle_poly" in spec:
            model = _nurec_model(spec)
        else:
            model = _carla_model(spec)
    except (DataError, KeyError, TypeError, ValueError) as error:
        what = f"'{error.args[0]}' is missing" if isinstance(error, KeyError) else str(error)
        raise AvrecError(f"The camera '{name}' cannot be used: {what}. Compare it with docs/carla.md.") from error
    if not (1 <= model.width <= _MAX_SIDE and 1 <= model.height <= _MAX_SIDE):
        raise AvrecError(
            f"The camera '{name}' has {model.width} x {model.height} pixels; each side may have {_MAX_SIDE}."
        )
    return CameraSensor(name, model, mount, _shutter(spec)), colours


def _carla_model(spec: Mapping[str, Any]) -> Camera:
    width, height = int(spec["image_size_x"]), int(spec["image_size_y"])
    fov = float(spec.get("fov", 90.0))
    if not 0.1 <= fov <= 179.0:
        raise ValueError(f"a field of view of {fov:g} degrees is out of range (0.1 to 179)")
    focal = width / (2 * tan(radians(fov) / 2))
    attributes = {key: str(value) for key, value in spec.items() if key not in _FOLLOWED}
    idle = sorted(changed(attributes, catalogue()["sensor.camera.rgb"].defaults))
    if idle:
        log.warning("Pictures of a replay are as avrec renders them, so these do nothing: %s.", ", ".join(idle))
    return OpenCVPinholeCamera(width, height, (focal, focal), (width / 2, height / 2))


def _nurec_model(spec: Mapping[str, Any]) -> Camera:
    width, height = int(spec["resolution_w"]), int(spec["resolution_h"])
    kind = str(spec.get("camera_type", "ftheta")).lower().replace("_", "-")
    # F-theta principal points count from the middle of the first pixel there, the others from its corner.
    corner = 0.5 if kind == "ftheta" else 0.0
    middle = tuple(
        float(spec[f"principal_point_{axis}"]) + corner if f"principal_point_{axis}" in spec else size / 2
        for axis, size in (("x", width), ("y", height))
    )
    if kind == "ftheta":
        angles, pixels = (_poly(spec, key) for key in ("pixeldist_to_angle_poly", "angle_to_pixeldist_poly"))
        by_pixel = spec.get("reference_poly", 1) in (1, "PIXELDIST_TO_ANGLE")
        if not any(angles if by_pixel else pixels):
            raise ValueError("its f-theta polynomial is empty")
        limit = spec.get("max_angle", pi)
        return FThetaCamera(
            width=width,
            height=height,
            principal_point=(middle[0], middle[1]),
            reference_poly="PIXELDIST_TO_ANGLE" if by_pixel else "ANGLE_TO_PIXELDIST",
            pixeldist_to_angle_poly=angles,
            angle_to_pixeldist_poly=pixels,
            max_angle=pi if limit == "pi" else float(limit),
        )
    if kind not in ("opencv-pinhole", "opencv-fisheye"):
        raise ValueError(f"its camera_type is {kind!r}; use ftheta, opencv_pinhole or opencv_fisheye")
    lens = {
        name: tuple(float(value) for value in spec[f"{name}_coeffs"])
        for name in ("radial", "tangential", "thin_prism")
        if f"{name}_coeffs" in spec
    }
    focal = tuple(float(spec[f"focal_length_{axis}"]) for axis in "xy")
    size = {"width": width, "height": height}
    return camera_from_dict({"model": kind, **size, "focal": focal, "principal_point": middle, **lens})


def _poly(spec: Mapping[str, Any], key: str) -> tuple[float, ...]:
    values = tuple(float(value) for value in spec.get(key) or ())
    if len(values) > 6 or not all(isfinite(value) for value in values):
        raise ValueError(f"its {key} must be up to 6 finite numbers")
    return values + (0.0,) * (6 - len(values))


def _numbers(spec: Mapping[str, Any], key: str, count: int, default: tuple[float, ...]) -> tuple[float, ...]:
    values = tuple(float(value) for value in spec.get(key, default))
    if len(values) != count or not all(isfinite(value) for value in values):
        raise AvrecError(f"A camera's {key} must be {count} finite numbers, found {spec[key]}.")
    return values


def _shutter(spec: Mapping[str, Any]) -> Shutter:
    word = str(spec.get("shutter_type", "GLOBAL")).upper()
    if word not in _SHUTTERS:
        raise AvrecError(f"The shutter '{word}' is unknown. Use {', '.join(_SHUTTERS)}.")
    if word == "GLOBAL":
        return GLOBAL_SHUTTER
    return Shutter(_SHUTTERS[word], int(spec.get("readout_us", _DEFAULT_READOUT_US)))
