"""The exact record of a scene as JSON: everything but the tensors; every float64 reads back equal."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avrec.drive import CameraSensor, Track
from avrec.errors import DataError, OutputError
from avrec.geometry import Anchor, Shutter, Trajectory, camera_from_dict
from avrec.mesh.mesh import Mesh
from avrec.scene.scene import Scene

__all__ = [
    "MAX_JSON_BYTES",
    "MESH_ARRAYS",
    "ArrayNames",
    "array_names",
    "decode_scene",
    "dump_json",
    "encode_scene",
    "load_json",
]

MAX_JSON_BYTES = 64 << 20
"""Longest JSON member written, and therefore the longest one read."""

_MAX_CONTAINERS = 1_000_000  # empty lists cost 30 times their text in memory; a scene has one a pose
_FORMAT = 1
_MAX_IMAGE_SIDE = 1 << 16


@dataclass(frozen=True)
class ArrayNames:
    """Members that hold the tensors of a scene. Actor members are numbered, since an id may hold any character.

    A mesh has one member for each of its arrays, by the array's name.
    """

    static: str
    actors: Mapping[str, str]
    sky: str | None
    road: str | None = None
    mesh: Mapping[str, str] | None = None
    ground: Mapping[str, str] | None = None
    map_xodr: str | None = None


MESH_ARRAYS = {"vertices": "float64", "faces": "int32", "colours": "uint8", "normals": "float64"}
"""The arrays of a mesh and their types; the last two may be missing."""


def array_names(scene: Scene) -> ArrayNames:
    """The members a scene's tensors are saved under."""
    actors = {key: f"avrec/actors/{number:05d}.npy" for number, key in enumerate(scene.actors)}
    return ArrayNames(
        static="avrec/static.npy",
        actors=actors,
        sky=None if scene.sky is None else "avrec/sky.npy",
        road=None if scene.road is None else "avrec/road.npy",
        mesh=_mesh_names("mesh", scene.mesh),
        ground=_mesh_names("ground", scene.ground),
        map_xodr=None if scene.map_xodr is None else "map.xodr",
    )


def _mesh_names(layer: str, mesh: Mesh | None) -> dict[str, str] | None:
    if mesh is None:
        return None
    return {array: f"avrec/{layer}/{array}.npy" for array in MESH_ARRAYS if getattr(mesh, array) is not None}


def encode_scene(scene: Scene, names: ArrayNames) -> dict[str, Any]:
    """Everything but the tensors, as JSON values."""
    return {
        "format": _FORMAT,
        "name": scene.name,
        "static": names.static,
        "actors": dict(names.actors),
        "sky": names.sky,
        "road": names.road,
        "mesh": None if names.mesh is None else dict(names.mesh),
        "ground": None if names.ground is None else dict(names.ground),
        "map_xodr": names.map_xodr,
        "anchor": None if scene.anchor is None else _anchor(scene.anchor),
        "cameras": {name: _camera(sensor) for name, sensor in scene.cameras.items()},
        "cameras_recorded": {name: _camera(sensor) for name, sensor in scene.cameras_recorded.items()},
        "appearance": {name: matrix.tolist() for name, matrix in scene.appearance.items()},
        "frames": {name: times.tolist() for name, times in scene.frames.items()},
        "held_out": {name: mask.tolist() for name, mask in scene.held_out.items()},
        "ego": _trajectory(scene.ego),
        "ego_recorded": _trajectory(scene.ego_recorded),
        "tracks": [_track(track) for track in scene.tracks],
        "source": dict(scene.source),
    }


def decode_scene(record: Any) -> tuple[dict[str, Any], ArrayNames]:
    """The opposite of :func:`encode_scene`, for a record that may come from anybody.

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


def dump_json(value: Any, *, what: str, indent: int | None = None) -> bytes:
    """JSON in ASCII; numbers read back exactly.

    Raises:
        DataError: something in it that JSON cannot hold, NaN and infinity included.
        OutputError: longer than a scene file may hold.
    """
    separators = (",", ":") if indent is None else (",", ": ")
    try:
        data = json.dumps(value, allow_nan=False, indent=indent, separators=separators).encode("ascii")
    except (TypeError, ValueError, RecursionError) as error:
        raise DataError(
            f"The {what} holds something that cannot be saved ({error}); keep to finite numbers, texts, lists and "
            "dictionaries with text keys."
        ) from error
    if _too_large(data):
        raise OutputError(
            f"The {what} takes {len(data) >> 20} MiB as JSON, more than the {MAX_JSON_BYTES >> 20} a scene file may "
            "hold; cut the drive into shorter pieces."
        )
    return data


def load_json(data: bytes, *, what: str) -> Any:
    """Parse JSON that may come from anybody.

    Raises:
        DataError: not JSON, too large, nested too deeply, or with NaN or infinity in it.
    """
    if _too_large(data):
        raise DataError(f"{what} is larger than a scene file may hold. Save the scene again.")
    try:
        return json.loads(data, parse_constant=_refuse, parse_float=_finite)
    except (ValueError, RecursionError, MemoryError) as error:  # ValueError covers bad UTF-8 and over-long integers
        raise DataError(f"{what} is not valid JSON ({str(error)[:120]}). Save the scene again.") from error


def _too_large(data: bytes) -> bool:
    return len(data) > MAX_JSON_BYTES or data.count(b"[") + data.count(b"{") > _MAX_CONTAINERS


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is not a finite number")


def _finite(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _refuse(text)


def _anchor(anchor: Anchor) -> dict[str, float]:
    return {
        "latitude_deg": anchor.latitude_deg,
        "longitude_deg": anchor.longitude_deg,
        "altitude_m": anchor.altitude_m,
    }


def _trajectory(trajectory: Trajectory) -> dict[str, Any]:
    return {
        "timestamps_us": trajectory.timestamps_us.tolist(),
        "poses": trajectory.poses.reshape(-1, 16).tolist(),
    }


def _track(track: Track) -> dict[str, Any]:
    return {
        "id": track.id,
        "label": track.label,
        "size_m": np.asarray(track.size_m, np.float64).tolist(),
        "world_from_box": _trajectory(track.world_from_box),
    }


def _camera(sensor: CameraSensor) -> dict[str, Any]:
    shutter = sensor.shutter
    times = {"readout_us": shutter.readout_us, "exposure_us": shutter.exposure_us}
    return {
        "model": sensor.model.to_dict(),
        "rig_from_camera": np.asarray(sensor.rig_from_camera, np.float64).tolist(),
        "shutter": {"direction": str(shutter.direction), **times},
        "shutter_known": bool(sensor.shutter_known),
    }


def _decode(record: Any) -> tuple[dict[str, Any], ArrayNames]:
    if _mapping(record, "record").get("format") != _FORMAT:
        raise DataError(f"The scene's record has format {record.get('format')!r}, not {_FORMAT}; update avrec.")
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
