"""What is asked of a reconstruction, checked before any work is done."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avrec.drive import Drive, Track
from avrec.errors import AvrecError, OutputError

__all__ = ["check_choices", "check_size", "held_out_frames", "moving_tracks", "warn_of_gaps", "writable_scene"]

logger = logging.getLogger(__name__)

Bool = NDArray[np.bool_]

LEAST_PIXELS = 16
"""Shortest side of a working picture."""


def held_out_frames(drive: Drive, every: int) -> dict[str, Bool]:
    """Per camera, which frames are kept out: index i in time order with ``i mod every == every // 2``; 0 keeps none.

    Raises:
        AvrecError: a number below 0, or 1, which would leave nothing to learn from.
    """
    if every < 0 or every == 1:
        raise AvrecError(f"Holding out every {every}-th frame is not possible. Give 0 for none, or 2 or more.")
    return {
        name: (np.arange(len(frames)) % every == every // 2) if every else np.zeros(len(frames), np.bool_)
        for name, frames in drive.frames.items()
    }


def moving_tracks(drive: Drive) -> list[Track]:
    """Moving actors that are there while pictures are taken."""
    times = [frame.timestamp_us for frame in drive.all_frames]
    first, last = min(times), max(times)
    return [
        track
        for track in drive.tracks
        if track.moving and track.world_from_box.span_us[0] <= last and track.world_from_box.span_us[1] >= first
    ]


def writable_scene(output: str | Path | None, overwrite: bool) -> Path | None:
    """The output's path, if a scene may be written there; None stays None.

    Raises:
        OutputError: another suffix, a folder, a file that is not to be replaced, or a folder that is not there.
    """
    if output is None:
        return None
    path = Path(output)
    if path.suffix != ".usdz":
        raise OutputError(f"The output {path} must end in .usdz.")
    if path.is_dir():
        raise OutputError(f"The output {path} is a folder. Give the name of a file in it, e.g. {path / 'scene.usdz'}.")
    if path.exists() and not overwrite:
        raise OutputError(f"{path} exists already. Choose another name or pass --overwrite.")
    folder = path.absolute().parent
    if not folder.is_dir():
        raise OutputError(f"The folder {folder} does not exist. Create it first.")
    if not os.access(folder, os.W_OK):
        raise OutputError(f"Nothing can be written into the folder {folder}. Choose another one.")
    return path


def check_choices(device: str, shutter: str) -> None:
    """Refuse words that mean nothing.

    Raises:
        AvrecError: see above, or no GPU to run on.
    """
    if device not in ("auto", "cpu", "cuda"):
        raise AvrecError(f"Unknown device '{device}'. Use auto, cpu or cuda.")
    if device == "cuda":
        from avrec.raster.gsplat_adapter import require_gsplat

        require_gsplat()
    if shutter not in ("model", "ignore"):
        raise AvrecError(f"Unknown treatment of the shutter '{shutter}'. Use model or ignore.")


def check_size(drive: Drive, downscale: float) -> None:
    """Refuse working pictures that are no pictures any more.

    Raises:
        AvrecError: a downscale below 1, or pictures with a side shorter than 16 pixels.
    """
    if not 1 <= downscale < math.inf:
        raise AvrecError(f"The downscale is {downscale}. Give 1 or more.")
    for frame in drive.all_frames:
        width, height = round(frame.model.width / downscale), round(frame.model.height / downscale)
        if downscale > 1 and min(width, height) < LEAST_PIXELS:
            raise AvrecError(
                f"At a downscale of {downscale:g} the pictures of {frame.camera} would be {width}x{height} pixels. "
                f"Give a smaller one: each side needs {LEAST_PIXELS}."
            )


def warn_of_gaps(drive: Drive, held_out: Mapping[str, Bool], holdout: int) -> None:
    """Say what a result will lack."""
    none = [name for name, hidden in held_out.items() if holdout and not hidden.any()]
    if none:
        logger.warning(
            "Holding out every %d-th frame keeps none of %s, which has too few frames: nothing there can be evaluated.",
            holdout,
            ", ".join(none),
        )
    for finding in drive.audit().findings:
        if finding.severity != "note":
            logger.warning("%s: %s. %s", finding.where, finding.what, finding.remedy)
