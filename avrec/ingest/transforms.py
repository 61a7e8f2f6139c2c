"""Rig-extended ``transforms.json`` (nerfstudio layout with camera names, times, shutters, lidar and tracks)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avrec.drive import CameraSensor, Drive, Frame
from avrec.errors import DataError
from avrec.geometry import Anchor, Shutter, Trajectory, geodetic_from_local, invert, transform_from
from avrec.ingest.checks import check_increasing, rigid_matrix
from avrec.ingest.ground import camera_height_m
from avrec.ingest.images import image_loader
from avrec.ingest.recipes import load_recipe
from avrec.ingest.rig import (
    CameraPath,
    Mounting,
    merge_ego,
    mount,
    reference_camera,
    rig_from_reference,
)
from avrec.ingest.transforms_extras import (
    read_anchor,
    read_map_path,
    read_rig_box,
    read_sweep_records,
    read_tracks,
    read_traffic,
    read_trajectory,
    sweep_on_rig,
)
from avrec.ingest.transforms_file import FrameRecord, load_json, read_frame_records, table

__all__ = ["read_transforms"]

Float64 = NDArray[np.float64]

_LONG_GAP_US = 5_000_000
_FAR_M = 10_000.0


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
    lidars = read_sweep_records(content, path)

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
    drive_tracks = read_tracks(content, path)
    kind = "rig-extended transforms.json" if "camera" in content["frames"][0] else "plain nerfstudio transforms.json"
    drive = Drive(
        name=str(content.get("name") or path.resolve().parent.name),
        source=path,
        layout="transforms",
        cameras=cameras,
        frames={name: _frames(name, entries) for name, entries in by_camera.items()},
        ego=ego,
        sweeps=tuple(sweep_on_rig(record, ego) for record in lidars),
        tracks=drive_tracks,
        anchor=read_anchor(content, path),
        map_path=read_map_path(content, path, notes),
        notes=(f"Recognised {kind}.", *notes),
        rig_box=read_rig_box(content, path),
        traffic=read_traffic(content, path),
    )
    return _near_origin(drive)


def _near_origin(drive: Drive) -> Drive:
    """The drive in a world that starts near the ego, as float32 cannot hold map coordinates to the millimetre."""
    start = drive.ego.poses[0, :3, 3]
    if np.linalg.norm(start) < _FAR_M:
        return drive
    shift = np.rint(start)
    moved = transform_from(np.eye(3), -shift)
    anchor = drive.anchor
    if anchor is not None:
        latitude, longitude, altitude = geodetic_from_local(anchor, shift)
        anchor = Anchor(float(latitude), float(longitude), float(altitude))
    place = ", ".join(f"{value:.0f}" for value in shift)
    return replace(
        drive,
        ego=drive.ego.transformed(moved),
        tracks=tuple(replace(track, world_from_box=track.world_from_box.transformed(moved)) for track in drive.tracks),
        anchor=anchor,
        origin_m=(float(shift[0]), float(shift[1]), float(shift[2])),
        notes=(*drive.notes, f"The world's origin was moved to ({place}) m of the recording, near the first pose."),
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
    return None if entry is None else read_trajectory(entry, "world_from_rig", f"ego in {path}")


def _given_mountings(content: Mapping[str, Any], path: Path) -> dict[str, Mounting]:
    given = {}
    for name, entry in (table(content, "cameras", path) or {}).items():
        if isinstance(entry, dict) and "rig_from_camera" in entry:
            matrix = rigid_matrix(entry["rig_from_camera"], f"rig_from_camera of {name} in {path}")
            given[name] = Mounting(matrix, 0.0, 0.0)
    return given


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
        height = load_recipe("transforms")["rig"]["camera_height_m"] if measured is None else measured
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
