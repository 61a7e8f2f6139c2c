"""``avrec drive``: recordings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

from avrec.cli.arguments import DrivePath, Flag, OptionalDistances, parse_numbers
from avrec.cli.console import print_json, reporting, say

__all__ = ["info", "synth"]


def synth(
    folder: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FOLDER")],
    *,
    seconds: float = 4.0,
    cameras: int = 3,
    width: int = 480,
    height: int = 320,
    fps: float = 10.0,
    readout_ms: float = 30.0,
    yaw_rate: float = 20.0,
    moving: bool = True,
    lidar: bool = True,
    truth: bool = True,
    shifts: OptionalDistances = None,
    pose_noise_deg: float = 0.0,
    pose_noise_m: float = 0.0,
    seed: int = 0,
    overwrite: Flag = False,
    json: Flag = False,
) -> None:
    """Make a recording of a synthetic street, with the truth beside it.

    Images with an exact rolling shutter, lidar, actors and a map; beside them true depth, labels, poses and, if asked
    for, the pictures from lanes beside the driven one.

    Example:
        avrec drive synth street/ --seconds 4 --cameras 3

    Args:
        folder: folder to make.
        seconds: length of the drive.
        cameras: number of cameras, 1 to 6.
        width: of the images, pixels.
        height: of the images, pixels.
        fps: pictures a second from each camera.
        readout_ms: milliseconds from the first row's exposure to the last row's; 0 for a global shutter.
        yaw_rate: the car's yaw rate swings up to this, degrees per second.
        moving: let cars and pedestrians move.
        lidar: record a lidar.
        truth: write the truth beside the recording.
        shifts: also every picture from this many metres to the left, e.g. 1.5 or 1.5,3 (to the right: --shifts=-1.5).
        pose_noise_deg: root mean square of the noise laid on the recorded orientation, degrees.
        pose_noise_m: the same for the recorded position, metres.
        seed: another number makes another street.
        overwrite: replace a street that is there already.
        json: print what was written as JSON.
    """
    from avrec.drive.street import synthesise_street

    with reporting() as progress:
        report = synthesise_street(
            folder,
            seconds=seconds,
            cameras=cameras,
            width=width,
            height=height,
            fps=fps,
            readout_us=round(readout_ms * 1000),
            yaw_rate_max_dps=yaw_rate,
            moving=moving,
            lidar=lidar,
            truth=truth,
            shifts_m=parse_numbers(shifts, "--shifts"),
            pose_noise_deg=pose_noise_deg,
            pose_noise_m=pose_noise_m,
            seed=seed,
            overwrite=overwrite,
            progress=progress,
        )
    if json:
        print_json(report.to_dict())
        return
    say(f"{folder}: {report.images} images, {report.sweeps} lidar sweeps, {report.actors} actors.")
    say(f"Difficulty: {report.difficulty_line()}.")
    say(f"Next: avrec reconstruct {folder} -o street.usdz --holdout 8 --budget 300")


def info(drive: DrivePath, *, json: Flag = False) -> None:
    """Say what a recording holds and what is wrong with it.

    Example:
        avrec drive info 2011_09_26/2011_09_26_drive_0001_sync

    Args:
        drive: the recording, in any layout avrec knows.
        json: print the findings as JSON.
    """
    from avrec.drive.audit import drive_info
    from avrec.ingest import open_drive

    with reporting():
        report = drive_info(open_drive(drive))
    if json:
        print_json(report.to_dict())
    else:
        say(str(report))
