"""Rig-extended ``transforms.json`` (nerfstudio layout with camera names, times, shutters, lidar and tracks)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avrec.drive import CameraSensor, Drive, Frame, LidarSweep, Track
from avrec.errors import DataError
from avrec.geometry import Anchor, Shutter, Trajectory, invert
from avrec.ingest.checks import check_increasing, finite_array, integer, number, rigid_matrix
from avrec.ingest.ground import camera_height_m
from avrec.ingest.images import image_loader
from avrec.ingest.point_files import point_loader
from avrec.ingest.rig import (
    NOMINAL_CAMERA_HEIGHT_M,
    CameraPath,
    Mounting,
    merge_ego,
    mount,
    reference_camera,
    rig_from_reference,
)
from avrec.ingest.transforms_file import FrameRecord, load_json, read_frame_records, records, table

__all__ = ["read_transforms"]

Float64 = NDArray[np.float64]

_LONG_GAP_US = 5_000_000


def read_transforms(path: Path) -> Drive:
    """Read one ``transforms.json``.

    Where the file has no ``ego``, the rig's path comes from the camera poses: knots at the start and end of every
    exposure, x along the reference camera's levelled axis, origin on the ground below that camera (1.6 m unless the
    lidar shows the ground). Each camera's mounting is then the median over its frames.

    Raises:
        DataError: the file or one of its records cannot be used.
    """
    content = load_json(path)
    notes: list[str] = []
    by_camera = _by_camera(read_frame_records(content, path, notes), path)
    paths = {name: _camera_path(frames) for name, frames in by_camera.items()}
    lidars = _lidar_records(content, path)

    given = _given_mountings(content, path)
    ego = _given_ego(content, path)
    if ego is None:
        ego, mountings = _derive_rig(paths, given, lidars, notes)
    else:
        mountings = {name: given.get(name) or mount(camera, ego) for name, camera in paths.items()}
    _note_deviations(mountings, paths, ego, notes)

    cameras: dict[str, CameraSensor] = {}
    for name, frames in by_camera.items():
        shutter = frames[0].shutter
        cameras[name] = CameraSensor(
            name, frames[0].model, mountings[name].rig_from_camera, shutter or Shutter(), shutter is not None
        )
    _note_cameras(by_camera, notes)
    _note_gaps(ego, notes)
    drive_tracks = _tracks(content, path)
    kind = "rig-extended transforms.json" if "camera" in content["frames"][0] else "plain nerfstudio transforms.json"
    return Drive(
        name=str(content.get("name") or path.resolve().parent.name),
        source=path,
        layout="transforms",
        cameras=cameras,
        frames={name: _frames(name, entries) for name, entries in by_camera.items()},
        ego=ego,
        sweeps=tuple(_sweep(record, ego) for record in lidars),
        tracks=drive_tracks,
        anchor=_anchor(content, path),
        map_path=_map_path(content, path, notes),
        notes=(f"Recognised {kind}.", *notes),
    )


def _by_camera(frames: list[FrameRecord], path: Path) -> dict[str, list[FrameRecord]]:
    grouped: dict[str, list[FrameRecord]] = {}
    for frame in frames:
        grouped.setdefault(frame.camera, []).append(frame)
    for name, entries in grouped.items():
        times = np.array([entry.timestamp_us for entry in entries], dtype=np.int64)
        check_increasing(times, f"camera {name} in {path}")
        if len({entry.shutter for entry in entries}) > 1:
            raise DataError(f"The shutter of camera {name} changes within {path}. Give each camera one shutter.")
    return grouped


def _camera_path(frames: list[FrameRecord]) -> CameraPath:
    """Poses at the start and, where recorded, at the end of each exposure."""
    poses: dict[int, Float64] = {}
    for frame in frames:
        if frame.end_pose is not None and frame.shutter is not None:
            end_us = round(frame.timestamp_us + frame.shutter.readout_us + frame.shutter.exposure_us)
            poses[end_us] = frame.end_pose
    poses.update({frame.timestamp_us: frame.pose for frame in frames})
    times = sorted(poses)
    return CameraPath(np.array(times, dtype=np.int64), np.stack([poses[time] for time in times]))


def _given_ego(content: Mapping[str, Any], path: Path) -> Trajectory | None:
    entry = table(content, "ego", path)
    return None if entry is None else _trajectory(entry, "world_from_rig", f"ego in {path}")


def _given_mountings(content: Mapping[str, Any], path: Path) -> dict[str, Mounting]:
    given = {}
    for name, entry in (table(content, "cameras", path) or {}).items():
        if isinstance(entry, dict) and "rig_from_camera" in entry:
            matrix = rigid_matrix(entry["rig_from_camera"], f"rig_from_camera of {name} in {path}")
            given[name] = Mounting(matrix, 0.0, 0.0)
    return given


def _trajectory(entry: Mapping[str, Any], key: str, what: str) -> Trajectory:
    stamps, matrices = entry.get("timestamps_us"), entry.get(key)
    if not isinstance(stamps, list) or not isinstance(matrices, list) or len(stamps) != len(matrices) or not stamps:
        raise DataError(
            f"{what} needs as many {key} matrices as timestamps_us, at least one. Complete it or remove it."
        )
    times = np.array([integer(stamp, f"timestamps_us of {what}") for stamp in stamps], dtype=np.int64)
    check_increasing(times, what)
    poses = [rigid_matrix(matrix, f"{key} {index} of {what}") for index, matrix in enumerate(matrices)]
    return Trajectory(times, np.stack(poses))


def _derive_rig(
    paths: dict[str, CameraPath], given: dict[str, Mounting], lidars: list[dict[str, Any]], notes: list[str]
) -> tuple[Trajectory, dict[str, Mounting]]:
    """The ego's path and every camera's mounting from the camera poses."""
    reference = reference_camera(list(given) if given.keys() & paths.keys() else list(paths))
    reference = reference if reference in paths else reference_camera(list(paths))
    anchor_path = paths[reference]
    if reference in given:
        rig_from_camera = given[reference].rig_from_camera
        notes.append(f"The ego's path follows camera {reference}.")
    else:
        measured = camera_height_m(anchor_path, lidars)
        height = NOMINAL_CAMERA_HEIGHT_M if measured is None else measured
        rig_from_camera, how = rig_from_reference(anchor_path, height)
        cue = "seen by the lidar" if measured is not None else "assumed"
        notes.append(
            f"The rig is derived from camera {reference}: {how}; the ground is {height:.2f} m below it ({cue}), "
            "and the rig's origin lies there instead of under the rear axle."
        )
    ego = Trajectory(anchor_path.times_us, anchor_path.poses @ invert(rig_from_camera))
    mountings = {name: given.get(name) or mount(path, ego) for name, path in paths.items()}
    mountings[reference] = Mounting(rig_from_camera, 0.0, 0.0)
    return merge_ego(paths, mountings, reference), mountings


def _note_deviations(
    mountings: Mapping[str, Mounting], paths: Mapping[str, CameraPath], ego: Trajectory, notes: list[str]
) -> None:
    """Say how far the recorded poses are from a rigid rig."""
    deviations = {name: mount(path, ego) for name, path in paths.items()}
    metres = max(entry.largest_m for entry in deviations.values())
    degrees = max(entry.largest_deg for entry in deviations.values())
    if metres > 0.05 or degrees > 0.5:
        worst = max(deviations, key=lambda name: deviations[name].largest_deg + 10 * deviations[name].largest_m)
        notes.append(
            f"The cameras are not rigid to the rig: {worst} is off by up to {deviations[worst].largest_m:.2f} m and "
            f"{deviations[worst].largest_deg:.2f} deg. One constant mounting per camera is used."
        )
    elif len(mountings) > 1:
        notes.append(f"Camera mountings are constant within {metres * 1000:.1f} mm and {degrees:.3f} deg.")


def _note_cameras(by_camera: Mapping[str, list[FrameRecord]], notes: list[str]) -> None:
    unknown = [name for name, frames in by_camera.items() if frames[0].shutter is None]
    if unknown:
        notes.append(f"The shutter of {', '.join(unknown)} is unknown: treated as global.")
    changing = [name for name, frames in by_camera.items() if len({frame.model for frame in frames}) > 1]
    if changing:
        notes.append(f"The intrinsics of {', '.join(changing)} change between frames; each frame keeps its own.")


def _note_gaps(ego: Trajectory, notes: list[str]) -> None:
    gaps = np.diff(ego.timestamps_us)
    long = gaps[gaps > _LONG_GAP_US]
    if len(long):
        notes.append(f"The path has {len(long)} gap(s) of up to {long.max() / 1e6:.1f} s; motion inside is a guess.")


def _frames(camera: str, entries: list[FrameRecord]) -> tuple[Frame, ...]:
    return tuple(
        Frame(
            camera,
            index,
            entry.timestamp_us,
            str(entry.path),
            image_loader(entry.path, (entry.model.width, entry.model.height)),
            entry.model,
        )
        for index, entry in enumerate(entries)
    )


def _lidar_records(content: Mapping[str, Any], path: Path) -> list[dict[str, Any]]:
    """Sweeps in time order: name, timestamp_us, world_from_lidar, source and load."""
    sweeps = []
    for index, entry in enumerate(records(content, "lidars", path)):
        what = f"lidar sweep {index} in {path}"
        fields = entry.get("fields", ["x", "y", "z", "intensity"])
        if not isinstance(entry.get("file_path"), str) or not isinstance(fields, list) or not fields:
            raise DataError(f"The {what} needs a file_path and a list of fields. Complete it or remove it.")
        stamp = integer(entry.get("timestamp_us"), f"timestamp_us of {what}")
        file_path = path.parent / entry["file_path"]
        sweeps.append(
            {
                "name": str(entry.get("name", "lidar")),
                "timestamp_us": stamp,
                "world_from_lidar": rigid_matrix(entry.get("transform_matrix"), f"transform_matrix of {what}"),
                "rig_from_lidar": _optional_matrix(entry, "rig_from_lidar", what),
                "source": str(file_path),
                "load": point_loader(file_path, [str(field) for field in fields], stamp),
            }
        )
    for name in {sweep["name"] for sweep in sweeps}:
        stamps = np.array([sweep["timestamp_us"] for sweep in sweeps if sweep["name"] == name], dtype=np.int64)
        check_increasing(stamps, f"lidar {name} in {path}")
    return sorted(sweeps, key=lambda sweep: int(sweep["timestamp_us"]))


def _optional_matrix(entry: Mapping[str, Any], key: str, what: str) -> Float64 | None:
    return None if entry.get(key) is None else rigid_matrix(entry[key], f"{key} of {what}")


def _sweep(record: dict[str, Any], ego: Trajectory) -> LidarSweep:
    """One sweep; without a mounting in the file, one that keeps its recorded pose at its own stamp exactly."""
    rig_from_lidar = record["rig_from_lidar"]
    if rig_from_lidar is None:
        world_from_rig = ego.at(record["timestamp_us"], outside="extrapolate")
        rig_from_lidar = invert(world_from_rig) @ record["world_from_lidar"]
    return LidarSweep(record["name"], record["timestamp_us"], rig_from_lidar, record["source"], record["load"])


def _tracks(content: Mapping[str, Any], path: Path) -> tuple[Track, ...]:
    tracks = []
    for index, entry in enumerate(records(content, "tracks", path)):
        name = str(entry.get("id", index))
        what = f"track {name} in {path}"
        size = finite_array(entry.get("size_m"), (3,), f"size_m of {what}")
        if (size <= 0).any():
            raise DataError(f"The size of {what} is {size.tolist()}. Give length, width and height in metres.")
        label = str(entry.get("class", entry.get("label", "unknown")))
        tracks.append(Track(name, label, size, _trajectory(entry, "world_from_box", what)))
    names = [track.id for track in tracks]
    repeated = {name for name in names if names.count(name) > 1}
    if repeated:
        raise DataError(f"The track id {sorted(repeated)[0]} in {path} is used twice. Give each actor its own id.")
    return tuple(tracks)


def _anchor(content: Mapping[str, Any], path: Path) -> Anchor | None:
    entry = table(content, "anchor", path)
    if entry is None:
        return None
    latitude = number(entry.get("latitude"), f"anchor.latitude in {path}")
    longitude = number(entry.get("longitude"), f"anchor.longitude in {path}")
    return Anchor(latitude, longitude, number(entry.get("altitude", 0.0), f"anchor.altitude in {path}"))


def _map_path(content: Mapping[str, Any], path: Path, notes: list[str]) -> Path | None:
    name = content.get("map")
    if not isinstance(name, str):
        return None
    map_path = path.parent / name
    if map_path.is_file():
        return map_path
    notes.append(f"The map {name} is named but does not exist.")
    return None
