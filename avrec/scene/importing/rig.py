"""The rig of an imported scene: from `rig_trajectories.json` as NuRec has it, or from avrec's own record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avrec.drive import CameraSensor, RigBox, Track
from avrec.errors import DataError
from avrec.geometry import Anchor, Trajectory
from avrec.scene.foreign.files import problem
from avrec.scene.importing.calibrations import camera_of, rigid
from avrec.scene.importing.members import Source, parsed_json
from avrec.scene.rig_json import RIG_BOX
from avrec.scene.scene_from_json import decode_scene
from avrec.scene.validate.values import Float64, Int64, entry, floats, times

__all__ = ["MAX_TIME_US", "RigPart", "printable", "read_rig"]

MAX_TIME_US = 10**17
"""Times beyond this are no times: the year 5138."""

RECORD = "avrec/scene.json"
_RIG = "rig_trajectories.json"
_SUMMARY = "datasource_summary.json"
_MAX_CAMERAS = 200
_SLACK_US = 500_000  # pictures may be asked for this far beyond the path
_FRAME_PERIOD_US = 100_000
_MOST_FRAMES = 600
_TURNED_RAD = 1e-4


@dataclass(frozen=True, eq=False, kw_only=True)
class RigPart:
    """What a rig says.

    Attributes:
        ego: world_from_rig.
        cameras: by name.
        frames: per camera, int64 [F] starts.
        ecef_from_world: `T_world_base`, where it is given and lies on Earth.
        world_to_nre: what moves the world onto the Gaussians of a volume; the identity where nothing is said.
        anchor: of avrec's own record.
        tracks: of avrec's own record.
        more: further arguments of :class:`avrec.scene.Scene` that were found.
    """

    ego: Trajectory
    cameras: Mapping[str, CameraSensor]
    frames: Mapping[str, NDArray[np.int64]]
    ecef_from_world: Float64 | None = None
    world_to_nre: Float64 = field(default_factory=lambda: np.eye(4))
    anchor: Anchor | None = None
    tracks: tuple[Track, ...] = ()
    more: Mapping[str, Any] = field(default_factory=dict)


def read_rig(source: Source, notes: list[str]) -> RigPart | None:
    """The rig in a JSON file or a package; None where a package has none.

    Args:
        source: `rig_trajectories.json`, avrec's own `avrec/scene.json`, or a package with one of them.
        notes: receives what was assumed, mended or left out, one sentence each.

    Raises:
        DataError: it cannot be read, or nothing of it can be used.
    """
    found = source.read(RECORD, _RIG, _SUMMARY)
    if found is None:
        return None
    document = parsed_json(*found)
    if isinstance(document.get("rig_trajectories"), dict):  # datasource_summary.json has it one level down
        document = document["rig_trajectories"]
    with np.errstate(all="ignore"):  # absurd values overflow on the way to being refused
        if "ego" in document and "format" in document:
            return _own(document, found[1])
        return _nurec(document, found[1], notes)


def _own(document: dict[str, Any], name: str) -> RigPart:
    try:
        parts, _ = decode_scene(document)
    except DataError as error:
        raise problem(name, str(error)[:200].rstrip(".")) from error
    kept = ("cameras_recorded", "ego_recorded", "appearance", "held_out", "rig_box")
    return RigPart(
        ego=parts["ego"],
        cameras=parts["cameras"],
        frames=parts["frames"],
        anchor=parts["anchor"],
        tracks=parts["tracks"],
        more={key: parts[key] for key in kept},
    )


def _nurec(document: dict[str, Any], name: str, notes: list[str]) -> RigPart:
    paths = document.get("rig_trajectories")
    if not isinstance(paths, list) or not paths or not isinstance(paths[0], dict):
        raise problem(name, "it has no rig_trajectories")
    path = paths[0]
    if len(paths) > 1:
        notes.append(f"The rig has {len(paths)} trajectories; the first was taken, as simulators do.")
    ego = _path(path, name, notes)
    cameras: dict[str, CameraSensor] = {}
    frames: dict[str, Int64] = {}
    calibrations = document.get("camera_calibrations")
    for key, calibration in list(calibrations.items())[:_MAX_CAMERAS] if isinstance(calibrations, dict) else ():
        try:
            intervals = _intervals(entry(path, "cameras_frame_timestamps_us", key), printable(key), ego, notes)
            sensor = camera_of(key, calibration, intervals, notes)
            if sensor.name in cameras:
                raise DataError("another one has the same name")
        except DataError as error:
            notes.append(f"Camera {printable(key)} was left out: {printable(error, 200).rstrip('.')}.")
            continue
        cameras[sensor.name] = sensor
        if intervals is not None:
            frames[sensor.name] = intervals[:, 0].copy()
    if not cameras:
        raise problem(name, "it has no camera that can be used" + (f" ({notes[-1]})" if notes else ""))
    if not any(len(starts) for starts in frames.values()):
        notes.append("The rig has no frame times; frames at 10 Hz along its path stand in for them.")
        frames = dict.fromkeys(cameras, _made_up_frames(ego))
    _note_rest(path, notes)
    return RigPart(
        ego=ego,
        cameras=cameras,
        frames=frames,
        ecef_from_world=_on_earth(document.get("T_world_base"), notes),
        world_to_nre=_world_to_nre(document, name),
        more={"rig_box": _rig_box(path.get("rig_bbox"), notes)},
    )


def _path(path: dict[str, Any], name: str, notes: list[str]) -> Trajectory:
    stamps = times(path.get("T_rig_world_timestamps_us"), (None,))
    if isinstance(stamps, str) or not len(stamps):
        raise problem(name, f"its T_rig_world_timestamps_us {stamps if isinstance(stamps, str) else 'is empty'}")
    poses = floats(path.get("T_rig_worlds"), (len(stamps), 4, 4))
    if isinstance(poses, str):
        raise problem(name, f"its T_rig_worlds {poses}")
    if np.abs(stamps.astype(np.float64)).max() > MAX_TIME_US or np.abs(poses).max() > 1e9:
        raise problem(name, "its path has times or places that cannot be")
    order = np.unique(stamps, return_index=True)[1]
    if len(order) != len(stamps) or (np.diff(order) < 0).any():
        notes.append("The rig's path was not in order of time; it was sorted, and repeated times dropped.")
    try:
        return Trajectory(stamps[order], poses[order])
    except DataError as error:
        raise problem(name, f"its path is not usable: {str(error).rstrip('.')[:200]}") from error


def _intervals(value: Any, key: str, ego: Trajectory, notes: list[str]) -> Int64 | None:
    """Frames of a camera within the path, in order; None where there are none."""
    if value is None:
        return None
    intervals = times(value, (None, 2))
    if isinstance(intervals, str):
        raise DataError(f"its frame times have a flaw: the list {intervals}")
    if np.abs(intervals.astype(np.float64)).max(initial=0) > MAX_TIME_US or (intervals[:, 1] < intervals[:, 0]).any():
        raise DataError("its frames end before they begin, or at times that cannot be")
    intervals = intervals[np.unique(intervals[:, 0], return_index=True)[1]]
    first, last = ego.span_us
    inside = (intervals[:, 0] >= first - _SLACK_US) & (intervals[:, 0] <= last + _SLACK_US)
    if not inside.all():
        notes.append(f"{np.count_nonzero(~inside)} frames of camera {key} lie beyond the rig's path and were left out.")
    return intervals[inside]


def _made_up_frames(ego: Trajectory) -> Int64:
    first, last = ego.span_us
    count = int(min((last - first) // _FRAME_PERIOD_US + 1, _MOST_FRAMES))
    return first + np.arange(count, dtype=np.int64) * _FRAME_PERIOD_US


def _on_earth(value: Any, notes: list[str]) -> Float64 | None:
    """`T_world_base`, unless it places the world deep inside or far from the Earth, as an identity does."""
    matrix = floats(value, (4, 4))
    try:
        if isinstance(matrix, str):
            raise DataError(matrix)
        exact = rigid(matrix, "it")
        if not 6.3e6 < float(np.linalg.norm(exact[:3, 3])) < 6.5e6:
            raise DataError("it is not on the Earth's surface")
        return exact
    except DataError as error:
        if value is not None:
            notes.append(f"The rig's place on Earth (T_world_base) was left out: {str(error).rstrip('.')}.")
        return None


def _world_to_nre(document: dict[str, Any], name: str) -> Float64:
    value = entry(document, "world_to_nre", "matrix")
    if value is None:
        return np.eye(4)
    matrix = floats(value, (4, 4))
    if isinstance(matrix, str):
        raise problem(name, f"its world_to_nre.matrix {matrix}")
    try:
        return rigid(matrix, "its world_to_nre.matrix")
    except DataError as error:
        raise problem(name, str(error)) from error


def _note_rest(path: dict[str, Any], notes: list[str]) -> None:
    lidars = path.get("lidars_frame_timestamps_us")
    if isinstance(lidars, dict) and lidars:
        notes.append(f"The times of {len(lidars)} lidars were left out: a scene has cameras only.")


def _rig_box(value: Any, notes: list[str]) -> RigBox | None:
    """The recording car's box; None where there is none, and for the ordinary car that stands in for one."""
    if value is None:
        return None
    parts = [floats(entry(value, key), (3,)) for key in ("centroid", "dim", "rot")]
    why = next((each for each in parts if isinstance(each, str)), None)
    center, size, turned = (np.zeros(3) if isinstance(each, str) else each for each in parts)
    if why is None and np.abs(turned).max() >= _TURNED_RAD:
        why = "it is turned against the rig"
    if why is None:
        try:
            box = RigBox(tuple(center.tolist()), tuple(size.tolist()))
            return None if box == RIG_BOX else box
        except DataError:
            why = "it is no size a car can have"
    notes.append(f"The size of the recording car (rig_bbox) was left out: {why}; an ordinary car stands in for it.")
    return None


def printable(value: object, most: int = 80) -> str:
    """A text from a file for a message: short, one line."""
    return "".join(character if character.isprintable() else "?" for character in str(value))[:most]
