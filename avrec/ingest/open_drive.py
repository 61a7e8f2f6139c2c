"""Recognise what a folder or file holds and hand it to its reader."""

from __future__ import annotations

import logging
import re
from pathlib import Path

from avrec.drive import Drive
from avrec.errors import DataError
from avrec.ingest.kitti_raw import read_kitti_raw
from avrec.ingest.transforms import read_transforms

__all__ = ["open_drive"]

_LOG = logging.getLogger(__name__)
_KITTI_DATE = re.compile(r"\d{4}_\d{2}_\d{2}$")
_KITTI_DRIVE = re.compile(r"\d{4}_\d{2}_\d{2}_drive_\d{4}_\w+$")
_LOOKED_FOR = (
    "a transforms.json file (nerfstudio layout, with or without the rig keys), "
    "or a KITTI raw drive folder (image_00..03 with oxts/ inside, e.g. 2011_09_26_drive_0001_sync)"
)


def open_drive(path: str | Path) -> Drive:
    """Read a recording in any known layout.

    Args:
        path: a ``transforms.json`` file or the folder that holds one; a KITTI raw drive folder, or a folder with
            exactly one such drive in it.

    Returns:
        The drive; ``layout`` and the first of ``notes`` say what was recognised.

    Raises:
        DataError: nothing there, unknown layout, or a recording that cannot be used.
    """
    path = Path(path)
    try:
        drive = _read(path)
    except OSError as error:
        raise DataError(
            f"{path} could not be read: {error.strerror or error}. Check the permissions and the disk."
        ) from (error)
    _LOG.info("%s: %s", path, drive.notes[0] if drive.notes else drive.layout)
    return drive


def _read(path: Path) -> Drive:
    if not path.exists():
        raise DataError(f"There is nothing at {path}. Check the spelling of the path.")
    if path.is_file():
        if path.suffix.lower() == ".json":
            return read_transforms(path)
        raise DataError(f"{path} is not a recording that avrec knows. It looks for {_LOOKED_FOR}.")
    if (path / "transforms.json").is_file():
        return read_transforms(path / "transforms.json")
    if _is_kitti_drive(path):
        return read_kitti_raw(path)
    drives = _kitti_drives_below(path)
    if len(drives) == 1:
        return read_kitti_raw(drives[0])
    if drives:
        names = ", ".join(drive.name for drive in drives)
        raise DataError(f"{path} holds {len(drives)} KITTI raw drives: {names}. Give the path of one of them.")
    found = sorted(entry.name for entry in path.iterdir())
    if not found:
        raise DataError(f"The folder {path} is empty. Give the folder of a recording: {_LOOKED_FOR}.")
    shown = ", ".join(found[:6]) + (f" and {len(found) - 6} more" if len(found) > 6 else "")
    raise DataError(f"The layout of {path} is unknown: found {shown}. avrec looked for {_LOOKED_FOR}.")


def _is_kitti_drive(path: Path) -> bool:
    """Whether the folder looks like one KITTI raw drive, complete or not."""
    if any((path / f"image_{index:02d}" / "data").is_dir() for index in range(4)):
        return True
    return bool(_KITTI_DRIVE.match(path.name)) and any(path.iterdir())


def _kitti_drives_below(path: Path) -> list[Path]:
    """KITTI drives in a date folder, or in a folder of date folders."""
    dates = [path] if _KITTI_DATE.match(path.name) else [d for d in sorted(path.iterdir()) if _KITTI_DATE.match(d.name)]
    return [
        drive
        for date in dates
        if date.is_dir()
        for drive in sorted(date.iterdir())
        if drive.is_dir() and _KITTI_DRIVE.match(drive.name) and _is_kitti_drive(drive)
    ]
