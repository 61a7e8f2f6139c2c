"""A scene's record read back from JSON that may come from anybody."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avrec.drive import CameraSensor, RigBox, Track
from avrec.errors import DataError
from avrec.geometry import Anchor, Shutter, Trajectory, camera_from_dict
from avrec.scene.scene_json import FORMAT, MESH_ARRAYS, ArrayNames

__all__ = ["decode_scene"]

_MAX_IMAGE_SIDE = 1 << 16


def decode_scene(record: Any) -> tuple[dict[str, Any], ArrayNames]:
    """The opposite of :func:`avrec.scene.scene_json.encode_scene`, for a record that may come from anybody.

    Returns:
        Arguments of :class:`Scene` without its tensors, and the members that hold those.

    Raises:
        DataError: parts missing, of another type or with values that cannot be.
    """
    try:
        return _decode(record)
    except DataError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
        found = f"no entry {error}" if isinstance(error, KeyError) else str(error)[:160]
        raise DataError(f"The scene's record is incomplete or wrong: {found}. Save the scene again.") from error


def _decode(record: Any) -> tuple[dict[str, Any], ArrayNames]:
    if _mapping(record, "record").get("format") != FORMAT:
        raise DataError(f"The scene's record has format {record.get('format')!r}, not {FORMAT}; update avrec.")
    names = ArrayNames(
        static=_text(record["static"], "static"),
        actors={key: _text(name, "actors") for key, name in _mapping(record["actors"], "actors").items()},
        sky=_optional_text(record["sky"], "sky"),
        road=_optional_text(record.get("road"), "road"),  # absent from the first scenes
        mesh=_decode_mesh(record.get("mesh"), "mesh"),
        ground=_decode_mesh(record.get("ground"), "ground"),
        map_xodr=_optional_text(record.get("map_xodr"), "map_xodr"),
    )
    anchor = record["anchor"]
    parts = {
        "name": _text(record["name"], "name"),
        "anchor": None if anchor is None else Anchor(**{key: _number(anchor[key], key) for key in _ANCHOR_KEYS}),
        "rig_box": _decode_box(record.get("rig_box")),  # absent from the first scenes
        "cameras": _decode_cameras(record["cameras"]),
        "cameras_recorded": _decode_cameras(record["cameras_recorded"]),
        "appearance": {
            name: _floats(matrix, (3, 4), "appearance")
            for name, matrix in _mapping(record["appearance"], "appearance").items()
        },
        "frames": {name: _times(times) for name, times in _mapping(record["frames"], "frames").items()},
        "held_out": {name: _flags(mask) for name, mask in _mapping(record["held_out"], "held_out").items()},
        "ego": _decode_trajectory(record["ego"]),
        "ego_recorded": _decode_trajectory(record["ego_recorded"]),
        "tracks": tuple(_decode_track(track) for track in _list(record["tracks"], "tracks")),
        "source": _mapping(record["source"], "source"),
    }
    return parts, names


def _decode_mesh(value: Any, what: str) -> dict[str, str] | None:
    if value is None:
        return None
    names = {key: _text(name, what) for key, name in _mapping(value, what).items()}
    if not {"vertices", "faces"} <= set(names) <= set(MESH_ARRAYS):
        raise DataError(f"The scene's record has a {what} without vertices and faces. Save the scene again.")
    return names


def _optional_text(value: Any, what: str) -> str | None:
    return None if value is None else _text(value, what)


_ANCHOR_KEYS = ("latitude_deg", "longitude_deg", "altitude_m")


def _decode_trajectory(record: Any) -> Trajectory:
    times = _times(record["timestamps_us"])
    return Trajectory(times, _floats(record["poses"], (len(times), 16), "poses").reshape(-1, 4, 4))


def _decode_box(record: Any) -> RigBox | None:
    if record is None:
        return None
    center, size = (_floats(record[key], (3,), f"rig_box.{key}").tolist() for key in ("center_m", "size_m"))
    return RigBox(tuple(center), tuple(size))


def _decode_track(record: Any) -> Track:
    size = _floats(record["size_m"], (3,), "size_m")
    path = _decode_trajectory(record["world_from_box"])
    return Track(_text(record["id"], "id"), _text(record["label"], "label"), size, path)


def _decode_cameras(record: Any) -> dict[str, CameraSensor]:
    return {name: _decode_camera(name, camera) for name, camera in _mapping(record, "cameras").items()}


def _decode_camera(name: str, record: Any) -> CameraSensor:
    shutter = record["shutter"]
    model = camera_from_dict(_mapping(record["model"], "model"))
    if max(model.width, model.height) > _MAX_IMAGE_SIDE:
        raise DataError(f"The scene's camera {name} has {model.width}x{model.height} pixels. Save the scene again.")
    timing = {key: _number(shutter[key], key) for key in ("readout_us", "exposure_us")}
    return CameraSensor(
        name=name,
        model=model,
        rig_from_camera=_floats(record["rig_from_camera"], (4, 4), "rig_from_camera"),
        shutter=Shutter(direction=_text(shutter["direction"], "direction"), **timing),  # type: ignore[arg-type]
        shutter_known=bool(record["shutter_known"]),
    )


def _mapping(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise DataError(f"The scene's record has {what} that is no dictionary. Save the scene again.")
    return value


def _list(value: Any, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise DataError(f"The scene's record has {what} that is no list. Save the scene again.")
    return value


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str):
        raise DataError(f"The scene's record has {what} that is no text. Save the scene again.")
    return value


def _number(value: Any, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise DataError(f"The scene's record has {what} that is no finite number. Save the scene again.")
    return value


def _floats(value: Any, shape: tuple[int, ...], what: str) -> NDArray[np.float64]:
    array = np.array(_list(value, what), np.float64)
    if array.shape != shape or not np.isfinite(array).all():
        found = f"shape {list(array.shape)}" if array.shape != shape else "values that are not finite"
        raise DataError(f"The scene's record needs {what} of shape {list(shape)}, found {found}. Save the scene again.")
    return array


def _times(value: Any) -> NDArray[np.int64]:
    times = _list(value, "times")
    if any(type(time) is not int for time in times):
        raise DataError("The scene's record has times that are not whole microseconds. Save the scene again.")
    return np.array(times, np.int64)


def _flags(value: Any) -> NDArray[np.bool_]:
    flags = _list(value, "a hold-out")
    if any(type(flag) is not bool for flag in flags):
        raise DataError("The scene's record has a hold-out that is not a list of true and false. Save the scene again.")
    return np.array(flags, np.bool_)
