"""KITTI raw drives: rectified (``_sync``) and unrectified (``_extract``)."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avrec.drive import CameraSensor, Drive, Frame, LidarSweep, RigBox
from avrec.errors import DataError
from avrec.geometry import (
    Anchor,
    Shutter,
    ShutterDirection,
    Trajectory,
    geodetic_from_local,
    invert,
    local_from_geodetic,
    matrix_from_rpy,
    transform_from,
)
from avrec.ingest.checks import check_increasing, finite_array
from avrec.ingest.images import image_loader, image_size
from avrec.ingest.kitti_calibration import KittiCalibration, read_kitti_calibration
from avrec.ingest.kitti_tracklets import read_kitti_tracklets
from avrec.ingest.kitti_velodyne import velodyne_loader, velodyne_period_us
from avrec.ingest.recipes import load_recipe

__all__ = ["read_kitti_raw", "read_stamps_us"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]


def read_kitti_raw(folder: Path) -> Drive:
    """Read one KITTI raw drive folder.

    The world is east-north-up with its origin at the first rig pose (the anchor says where that is on Earth). The
    rig is KITTI's IMU frame moved to the ground under the rear axle by the lever arm in the dataset's recipe.

    Raises:
        DataError: calibration, pictures, OXTS poses or timestamps are missing or not usable.
    """
    recipe = load_recipe("kitti_raw")
    rectified = not folder.resolve().name.endswith("_extract")
    calibration = read_kitti_calibration(folder)
    rig_from_imu = transform_from(np.eye(3), np.array(recipe["rig"]["imu_position_m"], dtype=np.float64))
    ego, anchor = _read_oxts(folder, rig_from_imu)

    notes = [
        f"Recognised KITTI raw, {'rectified (sync)' if rectified else 'unrectified (extract)'} pictures.",
        "The stamps of KITTI are local time; avrec reads them as UTC.",
    ]
    cameras: dict[str, CameraSensor] = {}
    frames: dict[str, tuple[Frame, ...]] = {}
    for index in range(4):
        name = f"image_{index:02d}"
        read = _read_camera(folder, name, index, calibration, rectified, notes)
        if read is None:
            continue
        model, imu_from_camera, frames[name] = read
        cameras[name] = CameraSensor(name, model, rig_from_imu @ imu_from_camera, _shutter(recipe, name))
    if not cameras:
        raise DataError(f"{folder} has no pictures in image_00..03/data. Unpack the image files of this drive.")

    rig_from_velodyne = rig_from_imu @ invert(calibration.velodyne_from_imu)
    sweeps = _read_sweeps(folder, rig_from_velodyne, recipe["rig"]["ego_box_m"], notes)
    tracks = read_kitti_tracklets(
        folder / "tracklet_labels.xml", _stamps_or_none(folder), ego, rig_from_velodyne, notes
    )
    return Drive(
        name=folder.resolve().name,
        source=folder,
        layout="kitti_raw",
        cameras=cameras,
        frames=frames,
        ego=ego,
        sweeps=sweeps,
        tracks=tracks,
        anchor=anchor,
        notes=tuple(notes),
        rig_box=RigBox.between(*recipe["rig"]["ego_body_m"]),
        traffic=recipe["traffic"],
    )


def read_stamps_us(path: Path) -> Int64:
    """Lines such as ``2011-09-26 13:02:25.964389445`` as int64 [N] microseconds since 1970, taken as UTC.

    Raises:
        DataError: the file is missing, a line is not a date, or time runs backwards.
    """
    if not path.is_file():
        raise DataError(f"The timestamps file {path} is missing. Restore it from the recording.")
    stamps: list[int] = []
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        text = line.strip()
        if not text:
            continue
        seconds, _, fraction = text.partition(".")
        try:
            whole = datetime.strptime(seconds, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
            nanoseconds = int(fraction.ljust(9, "0")[:9]) if fraction else 0
        except ValueError:
            raise DataError(
                f"Line {number} of {path} is not a timestamp: {text[:40]!r}. Expected 2011-09-26 13:02:25.964389445."
            ) from None
        stamps.append(int(whole.timestamp()) * 1_000_000 + round(nanoseconds / 1000))
    times = np.array(stamps, dtype=np.int64)
    check_increasing(times, str(path))
    return times


def _indexed_files(folder: Path, suffixes: tuple[str, ...]) -> dict[int, Path]:
    """Files named by their frame index, in order."""
    if not folder.is_dir():
        return {}
    files = [path for path in folder.iterdir() if path.suffix.lower() in suffixes and path.stem.isdigit()]
    return dict(sorted((int(path.stem), path) for path in files))


def _stamped_files(folder: Path, suffixes: tuple[str, ...]) -> tuple[dict[int, Path], Int64]:
    """Files of ``folder/data`` by frame index, and the stamps of ``folder/timestamps.txt`` that the index points to."""
    files = _indexed_files(folder / "data", suffixes)
    if not files:
        return files, np.zeros(0, dtype=np.int64)
    stamps_us = read_stamps_us(folder / "timestamps.txt")
    last = max(files)
    if last >= len(stamps_us):
        raise DataError(
            f"{folder} has a file number {last} but only {len(stamps_us)} timestamps. "
            "Restore timestamps.txt, or remove the files it does not cover."
        )
    return files, stamps_us


def _stamps_or_none(folder: Path) -> Int64 | None:
    """Frame times for labels, which count frames: those of the lidar, else of any camera."""
    for name in ("velodyne_points", "image_02", "image_00", "image_03", "image_01"):
        path = folder / name / "timestamps.txt"
        if path.is_file():
            return read_stamps_us(path)
    return None


def _read_camera(
    folder: Path, name: str, index: int, calibration: KittiCalibration, rectified: bool, notes: list[str]
) -> tuple[Any, Float64, tuple[Frame, ...]] | None:
    files, stamps_us = _stamped_files(folder / name, (".png", ".jpg", ".jpeg"))
    if not files:
        notes.append(f"{name} has no pictures and is left out.")
        return None
    missing = len(stamps_us) - len(files)
    if missing:
        notes.append(f"{name}: {missing} of {len(stamps_us)} pictures are missing.")
    size = _first_readable_size(list(files.values()))
    model, imu_from_camera = calibration.camera(index, size, rectified=rectified)
    frames = tuple(
        Frame(name, position, int(stamps_us[number]), str(path), image_loader(path, size), model)
        for position, (number, path) in enumerate(files.items())
    )
    return model, imu_from_camera, frames


def _first_readable_size(paths: list[Path]) -> tuple[int, int]:
    """Size of the first picture that can be read among the first few, so that one bad file does not hide a drive."""
    for path in paths[:3]:
        try:
            return image_size(path)
        except DataError as error:
            failure = error
    raise failure


def _shutter(recipe: dict[str, Any], name: str) -> Shutter:
    entry = recipe["cameras"][name]
    return Shutter(ShutterDirection(entry["shutter"]), entry["readout_us"], entry["exposure_us"])


def _read_oxts(folder: Path, rig_from_imu: Float64) -> tuple[Trajectory, Anchor]:
    """The rig's path from the GPS/IMU unit, and the geodetic position of its first pose."""
    files, stamps_us = _stamped_files(folder / "oxts", (".txt",))
    if not files:
        raise DataError(f"{folder} has no GPS/IMU records in oxts/data, so its poses are unknown. Unpack them too.")
    rows = np.stack([_read_oxts_row(path) for path in files.values()])
    latitude, longitude, altitude = rows[:, 0], rows[:, 1], rows[:, 2]
    if np.abs(latitude).max() > 90 or np.abs(longitude).max() > 360:
        raise DataError(f"{folder / 'oxts'} has latitudes or longitudes off the Earth. Restore the OXTS files.")
    rotation = matrix_from_rpy(rows[:, 3], rows[:, 4], rows[:, 5])
    imu_from_rig = invert(rig_from_imu)

    def rig_poses(anchor: Anchor) -> Float64:
        world_from_imu = transform_from(rotation, local_from_geodetic(anchor, latitude, longitude, altitude))
        return np.asarray(world_from_imu @ imu_from_rig)

    # The anchor moves from the IMU's first position to the rig's, so that the world starts at the rig.
    anchor = Anchor(float(latitude[0]), float(longitude[0]), float(altitude[0]))
    start = geodetic_from_local(anchor, rig_poses(anchor)[0, :3, 3])
    anchor = Anchor(*(float(value) for value in start))
    return Trajectory(stamps_us[list(files)], rig_poses(anchor)), anchor


def _read_oxts_row(path: Path) -> Float64:
    values = path.read_text(encoding="utf-8", errors="replace").split()
    if len(values) < 6:
        raise DataError(
            f"{path} has {len(values)} numbers; an OXTS record starts with latitude, longitude, altitude, "
            "roll, pitch, yaw. Restore the file."
        )
    return finite_array(values[:6], (6,), f"The pose in {path}")


def _read_sweeps(
    folder: Path, rig_from_velodyne: Float64, ego_box_m: list[list[float]], notes: list[str]
) -> tuple[LidarSweep, ...]:
    velodyne = folder / "velodyne_points"
    files, stamps_us = _stamped_files(velodyne, (".bin",))
    if not files:
        notes.append("No lidar sweeps in velodyne_points/data.")
        return ()
    if len(files) < len(stamps_us):
        notes.append(f"velodyne: {len(stamps_us) - len(files)} of {len(stamps_us)} sweeps are missing.")
    periods_us = _periods_us(velodyne, stamps_us)
    low, high = np.array(ego_box_m, dtype=np.float64)
    sweeps = []
    for number, path in files.items():
        load = velodyne_loader(path, int(stamps_us[number]), float(periods_us[number]), rig_from_velodyne, low, high)
        sweeps.append(LidarSweep("velodyne", int(stamps_us[number]), rig_from_velodyne, str(path), load))
    notes.append("Lidar points carry their own firing time from their azimuth; the ego's own body is removed.")
    return tuple(sweeps)


def _periods_us(velodyne: Path, stamps_us: Int64) -> Float64:
    """Duration of each revolution: end minus start where recorded, else from the stamps."""
    start, end = velodyne / "timestamps_start.txt", velodyne / "timestamps_end.txt"
    if start.is_file() and end.is_file():
        starts, ends = read_stamps_us(start), read_stamps_us(end)
        if len(starts) == len(ends) == len(stamps_us) and (ends > starts).all():
            return (ends - starts).astype(np.float64)
    period = velodyne_period_us(stamps_us)
    return np.full(len(stamps_us), period if math.isfinite(period) else 100_000.0)
