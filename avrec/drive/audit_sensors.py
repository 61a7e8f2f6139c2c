"""Audit of what the sensors recorded: a few pictures and sweeps of each are read and put together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from avrec.drive.drive import Drive, Frame, LidarSweep
from avrec.drive.finding import Finding
from avrec.errors import DataError
from avrec.geometry import apply, invert

__all__ = ["check_images", "check_lidar", "lidar_in_image"]

Float64 = NDArray[np.float64]
_T = TypeVar("_T")

_PICTURES_PER_CAMERA = 5
_SWEEPS = 3
_FEWEST_IN_IMAGE = 50


def check_images(drive: Drive) -> Iterator[Finding]:
    """Missing, unreadable and empty pictures."""
    for name, frames in drive.frames.items():
        where = f"camera {name}"
        missing = [frame for frame in frames if _missing(frame)]
        if missing:
            yield Finding(
                "error",
                f"{len(missing)} of {len(frames)} pictures are missing, the first is {missing[0].source}",
                where,
                "Restore them or leave their frames out with --frames.",
            )
        sample = [frame for frame in _spread(frames, _PICTURES_PER_CAMERA) if not _missing(frame)]
        failures, plain = [], []
        for frame in sample:
            try:
                image = frame.image()
            except DataError as error:
                failures.append(str(error))
                continue
            if int(np.ptp(image)) < 8:
                plain.append(frame)
        if failures:
            yield Finding(
                "error",
                f"{len(failures)} of {len(sample)} sampled pictures cannot be used; {failures[0].rstrip('.')}",
                where,
                "Repair them or leave their frames out.",
            )
        if plain:
            yield Finding(
                "warning",
                f"{len(plain)} of {len(sample)} sampled pictures are a single colour, e.g. frame {plain[0].index}",
                where,
                "Check the export of the images.",
            )


def check_lidar(drive: Drive) -> Iterator[Finding]:
    """Readable sweeps, plausible times and ranges, and whether the cameras see the points."""
    if not drive.sweeps:
        yield Finding(
            "warning",
            "No lidar",
            "rig",
            "Depth will come from the pictures alone; expect softer geometry off the path.",
        )
        return
    seen = dict.fromkeys(drive.cameras, 0)
    sample = _spread(drive.sweeps, _SWEEPS)
    for sweep in sample:
        where = f"lidar {sweep.lidar} at {sweep.timestamp_us} us"
        try:
            points = sweep.points()
        except DataError as error:
            yield Finding("error", str(error).rstrip("."), where, "Restore the file or remove the sweep.")
            continue
        if len(points.xyz_lidar) < 100:
            yield Finding("warning", f"Only {len(points.xyz_lidar)} points", where, "Check the sweep's file.")
            continue
        lasted_us = int(np.ptp(points.time_us))
        if lasted_us == 0:
            yield Finding("note", "All points share one time", where, "Fast motion will smear them slightly.")
        elif lasted_us > 1_000_000:
            yield Finding(
                "warning", f"Its points span {lasted_us / 1e6:.1f} s", where, "Check the unit of point times."
            )
        if abs(float(np.median(points.time_us)) - sweep.timestamp_us) > 1e6:
            yield Finding("warning", "Its point times are far from its own timestamp", where, "Check the clocks.")
        farthest = float(np.percentile(np.linalg.norm(points.xyz_lidar, axis=1), 99))
        if not 3.0 < farthest < 600.0:
            yield Finding("warning", f"Its range is {farthest:.1f} m", where, "Points must be in metres.")
        for name in drive.cameras:
            seen[name] = max(seen[name], len(lidar_in_image(drive, sweep, name)[0]))
    blind = [name for name, count in seen.items() if count < _FEWEST_IN_IMAGE]
    if len(blind) == len(seen):
        yield Finding("warning", "No camera sees the lidar's points", "rig", "Check the extrinsics and the timestamps.")


def lidar_in_image(drive: Drive, sweep: LidarSweep, camera: str) -> tuple[Float64, Float64]:
    """Where a sweep's points fall in the frame of a camera nearest in time.

    Every point is placed by the ego's pose when it was fired, and seen from the pose in the middle of the picture's
    exposure; occlusion is not considered.

    Returns:
        Pixels float64 [N, 2] and distances float64 [N] in metres, of the points inside the picture.
    """
    frames = drive.frames[camera]
    if not frames:
        return np.zeros((0, 2)), np.zeros(0)
    frame = min(frames, key=lambda candidate: abs(candidate.timestamp_us - sweep.timestamp_us))
    shutter = drive.cameras[camera].shutter
    middle = shutter.line_times_us(frame.model.width, frame.model.height).mean()
    world_from_camera = drive.world_from_camera(camera, np.asarray(frame.timestamp_us + middle))
    points = apply(invert(world_from_camera), sweep.points_world(drive.ego))
    pixels, valid = frame.model.project(points)
    return np.asarray(pixels[valid]), np.linalg.norm(points[valid], axis=-1)


def _missing(frame: Frame) -> bool:
    """Whether the frame names a file that is not there (a source may also be a description)."""
    path = Path(frame.source)
    return len(path.parts) > 1 and path.parent.is_dir() and not path.is_file()


def _spread(items: Sequence[_T], count: int) -> list[_T]:
    """Up to ``count`` items, evenly spread, the first and the last among them."""
    if not items:
        return []
    chosen = np.unique(np.linspace(0, len(items) - 1, min(count, len(items))).astype(int))
    return [items[int(index)] for index in chosen]
