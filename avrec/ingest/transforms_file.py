"""The records of a rig-extended ``transforms.json``, checked one by one and turned to avrec's axes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avrec.errors import DataError
from avrec.geometry import Camera, Shutter, ShutterDirection
from avrec.ingest.checks import integer, number, rigid_matrix
from avrec.ingest.images import find_image, image_size
from avrec.ingest.intrinsics import camera_from_keys

__all__ = ["FrameRecord", "load_json", "read_frame_records", "records", "table"]

Float64 = NDArray[np.float64]

# OpenGL camera axes (x right, y up, z backward) from OpenCV ones (x right, y down, z forward).
OPENGL_FROM_OPENCV = np.diag([1.0, -1.0, -1.0, 1.0])
NOMINAL_STEP_US = 100_000


@dataclass(frozen=True)
class FrameRecord:
    """One entry of ``frames``.

    Attributes:
        camera: name of the camera.
        timestamp_us: start of the first line's exposure.
        path: the picture.
        model: its intrinsics.
        pose: float64 [4, 4] world_from_camera (OpenCV axes) at ``timestamp_us``.
        shutter: None where the recording does not say.
        end_pose: pose when the last line's exposure ends, where recorded.
    """

    camera: str
    timestamp_us: int
    path: Path
    model: Camera
    pose: Float64
    shutter: Shutter | None
    end_pose: Float64 | None


def load_json(path: Path) -> dict[str, Any]:
    """The file's top level.

    Raises:
        DataError: not UTF-8, not JSON, or not a transforms file.
    """
    try:
        content = json.loads(path.read_bytes().decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not a text file. Give the transforms.json of a recording.") from error
    except json.JSONDecodeError as error:
        raise DataError(
            f"{path} is not valid JSON: {error.msg} at line {error.lineno}. It may be truncated; copy it again."
        ) from error
    except RecursionError as error:
        raise DataError(f"{path} is nested too deeply to be a transforms.json. Give another file.") from error
    if not isinstance(content, dict) or not isinstance(content.get("frames"), list):
        raise DataError(f"{path} has no list of 'frames', so it is not a transforms.json. Give another file.")
    if not content["frames"]:
        raise DataError(f"{path} lists no frames. Give a recording with pictures.")
    return content


def records(content: Mapping[str, Any], key: str, path: Path) -> list[dict[str, Any]]:
    """The list of tables under ``key``; empty where absent."""
    value = content.get(key)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise DataError(f"'{key}' in {path} must be a list of tables. Correct it or remove it.")
    return value


def table(content: Mapping[str, Any], key: str, path: Path) -> dict[str, Any] | None:
    """The table under ``key``; None where absent."""
    value = content.get(key)
    if value is not None and not isinstance(value, dict):
        raise DataError(f"'{key}' in {path} must be a table. Correct it or remove it.")
    return value


def read_frame_records(content: Mapping[str, Any], path: Path, notes: list[str]) -> list[FrameRecord]:
    """All frames, in the order of the file.

    Args:
        content: from load_json.
        path: of the file; pictures are relative to its folder.
        notes: receives what had to be assumed.

    Raises:
        DataError: an entry is incomplete or not usable.
    """
    entries = records(content, "frames", path)
    entries = _with_cameras_and_times(entries, path, notes)
    models: dict[Camera, Camera] = {}  # equal intrinsics share one object, and with it the cached rays
    frames = [_read_frame(entry, index, content, path, models) for index, entry in enumerate(entries)]
    missing = [frame for frame in frames if not frame.path.is_file()]
    if len(missing) == len(frames):
        raise DataError(
            f"None of the {len(frames)} pictures of {path} exists; the first is {frames[0].path}. Put them there."
        )
    if missing:
        notes.append(f"{len(missing)} of {len(frames)} pictures are missing, e.g. {missing[0].path.name}.")
    return frames


def _with_cameras_and_times(entries: list[dict[str, Any]], path: Path, notes: list[str]) -> list[dict[str, Any]]:
    """Entries with ``camera`` and ``timestamp_us``, made up for plain nerfstudio files."""
    for key in ("camera", "timestamp_us"):
        count = sum(key in entry for entry in entries)
        if 0 < count < len(entries):
            raise DataError(f"Only {count} of {len(entries)} frames in {path} have '{key}'. Add it to all or to none.")
    completed = [dict(entry) for entry in entries]
    if "camera" not in entries[0]:
        notes.append("The frames name no camera: all are taken as one camera, 'camera'.")
        for entry in completed:
            entry["camera"] = "camera"
    if "timestamp_us" not in entries[0]:
        notes.append("The frames have no timestamps: 0.1 s apart in the order of their file names is assumed.")
        completed.sort(key=lambda entry: _natural(str(entry.get("file_path"))))
        counts: dict[str, int] = {}
        for entry in completed:
            camera = str(entry["camera"])
            entry["timestamp_us"] = counts.get(camera, 0) * NOMINAL_STEP_US
            counts[camera] = counts.get(camera, 0) + 1
    return completed


def _natural(text: str) -> list[tuple[int, str]]:
    """Sorting key that puts frame_10 after frame_9."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", text)]


def _read_frame(
    entry: dict[str, Any], index: int, content: Mapping[str, Any], path: Path, models: dict[Camera, Camera]
) -> FrameRecord:
    file_path = entry.get("file_path")
    if not isinstance(file_path, str) or not file_path:
        raise DataError(f"Frame {index} in {path} has no file_path. Add the path of its picture.")
    what = f"frame {index} ({file_path}) in {path}"
    if "transform_matrix" not in entry:
        raise DataError(f"The pose of {what} is missing: no transform_matrix. Add it or leave the frame out.")
    image_path = find_image(path.parent / file_path)
    model = camera_from_keys(entry, content, what, lambda: image_size(image_path))
    end_matrix = entry.get("transform_matrix_end")
    return FrameRecord(
        camera=str(entry["camera"]),
        timestamp_us=integer(entry["timestamp_us"], f"timestamp_us of {what}"),
        path=image_path,
        model=models.setdefault(model, model),
        pose=rigid_matrix(entry["transform_matrix"], f"transform_matrix of {what}") @ OPENGL_FROM_OPENCV,
        shutter=_read_shutter(entry, what),
        end_pose=None
        if end_matrix is None
        else rigid_matrix(end_matrix, f"transform_matrix_end of {what}") @ OPENGL_FROM_OPENCV,
    )


def _read_shutter(entry: Mapping[str, Any], what: str) -> Shutter | None:
    name = entry.get("shutter")
    if name is None:
        return None
    try:
        direction = ShutterDirection(name)
    except ValueError:
        choices = ", ".join(choice.value for choice in ShutterDirection)
        raise DataError(f"The shutter {name!r} of {what} is unknown. Use one of {choices}.") from None
    readout_us = number(entry.get("readout_us", 0), f"readout_us of {what}")
    exposure_us = number(entry.get("exposure_us", 0), f"exposure_us of {what}")
    return Shutter(direction, readout_us, exposure_us)
