"""``avrec drive``: recordings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

from avrec.cli.arguments import DrivePath, Flag
from avrec.cli.console import print_json, reporting, say

__all__ = ["info", "synth"]


def synth(
    folder: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FOLDER")],
    *,
    seconds: float = 4.0,
    cameras: int = 3,
    width: int = 480,
    height: int = 320,
    seed: int = 0,
    overwrite: Flag = False,
) -> None:
    """Make a recording of a synthetic street, with the truth beside it.

    Images with a true rolling shutter, lidar, actors, map, and the pictures a camera would have taken beside the path.

    Example:
        avrec drive synth street/ --seconds 4 --cameras 3

    Args:
        folder: folder to make.
        seconds: length of the drive; ten frames a second.
        cameras: number of cameras, 1 to 6.
        width: of the images, pixels.
        height: of the images, pixels.
        seed: another number makes another street.
        overwrite: replace a street that is there already.
    """
    from avrec.drive.street import synthesise_street

    with reporting() as progress:
        synthesise_street(
            folder,
            seconds=seconds,
            cameras=cameras,
            width=width,
            height=height,
            seed=seed,
            overwrite=overwrite,
            progress=progress,
        )
    say(f"{folder} is ready. Next: avrec reconstruct {folder} -o street.usdz --holdout 8 --budget 300")


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
