"""The pictures a reconstruction learns from, at every size it learns at, and where each of their lines was taken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from avrec.drive import Drive, Frame, Track
from avrec.geometry import Camera
from avrec.progress import Progress

__all__ = ["Picture", "PictureAtSize", "load_pictures"]

Float64 = NDArray[np.float64]
Float32 = NDArray[np.float32]
UInt8 = NDArray[np.uint8]

FAR_AWAY_M = 1e7
"""Bodies that a picture does not show are put this far below the ground, where nothing is drawn."""


@dataclass(frozen=True, eq=False)
class PictureAtSize:
    """A recorded picture at one working size.

    Attributes:
        image: uint8 [H, W, 3].
        weight: float32 [H, W], 0 where the lens has no ray; None where every pixel has one.
        model: intrinsics at this size.
        times_us: float64 [L] exposure time of each line.
        axis: what the lines are.
        rig: float64 [L, 4, 4] recorded world_from_rig at each line.
        bodies: float64 [B, L, 4, 4] world_from_box of each moving actor at each line.
    """

    image: UInt8
    weight: Float32 | None
    model: Camera
    times_us: Float64
    axis: Literal["rows", "columns", "none"]
    rig: Float64
    bodies: Float64


class Picture:
    """One recorded picture that may be learned from; smaller sizes are made when first asked for."""

    def __init__(self, drive: Drive, frame: Frame, actors: Sequence[Track], downscale: float, rolling: bool) -> None:
        self.camera = frame.camera
        self.timestamp_us = frame.timestamp_us
        self._drive, self._frame, self._actors, self._rolling = drive, frame, actors, rolling
        recorded = frame.image()
        width, height = round(frame.model.width / downscale), round(frame.model.height / downscale)
        self._image = _shrunk(recorded, max(width, 1), max(height, 1))
        self._sizes: dict[int, PictureAtSize] = {}

    @cached_property
    def mid_time_us(self) -> int:
        """Middle of the readout."""
        shutter, model = self._drive.cameras[self.camera].shutter, self._frame.model
        return round(self.timestamp_us + float(shutter.line_times_us(model.width, model.height).mean()))

    @property
    def nbytes(self) -> int:
        """Memory held by the full-size image."""
        return self._image.nbytes

    def at(self, divisor: int) -> PictureAtSize:
        """The picture shrunk by a whole number."""
        if divisor not in self._sizes:
            self._sizes[divisor] = self._make(divisor)
        return self._sizes[divisor]

    def forget(self, divisor: int) -> None:
        """Free a size that is not needed any more."""
        self._sizes.pop(divisor, None)

    def _make(self, divisor: int) -> PictureAtSize:
        height, width = self._image.shape[:2]
        image = _shrunk(self._image, max(width // divisor, 16), max(height // divisor, 16))
        height, width = image.shape[:2]
        recorded = self._frame.model
        model = recorded if (recorded.width, recorded.height) == (width, height) else recorded.resized(width, height)
        offsets, axis = self._drive.cameras[self.camera].shutter.resized_line_times_us(
            (recorded.width, recorded.height), (width, height), rolling=self._rolling
        )
        times = self.timestamp_us + offsets
        _, seen = model.pixel_rays()
        return PictureAtSize(
            image=image,
            weight=None if seen.all() else seen.astype(np.float32),
            model=model,
            times_us=times,
            axis=axis,
            rig=self._drive.ego.at(times, outside="extrapolate"),
            bodies=self._place(times),
        )

    def _place(self, times_us: Float64) -> Float64:
        poses = np.zeros((len(self._actors), len(times_us), 4, 4))
        for index, track in enumerate(self._actors):
            if track.covers(self.mid_time_us):
                poses[index] = track.world_from_box.at(times_us, outside="extrapolate")
            else:
                poses[index] = np.eye(4)
                poses[index, :, 2, 3] = -FAR_AWAY_M
        return poses


def load_pictures(
    drive: Drive,
    held_out: Mapping[str, NDArray[np.bool_]],
    actors: Sequence[Track],
    *,
    downscale: float,
    rolling: bool,
    progress: Progress,
) -> list[Picture]:
    """All pictures that are not held out, by time and camera.

    Raises:
        DataError: a picture cannot be read.
    """
    kept = [
        frame
        for camera, frames in drive.frames.items()
        for frame, hidden in zip(frames, held_out[camera], strict=True)
        if not hidden
    ]
    frames = sorted(kept, key=lambda frame: (frame.timestamp_us, frame.camera))
    progress.start("Reading pictures", len(frames))
    pictures = []
    for number, frame in enumerate(frames, start=1):
        pictures.append(Picture(drive, frame, actors, downscale, rolling))
        progress.update(number)
    progress.finish()
    return pictures


def _shrunk(image: UInt8, width: int, height: int) -> UInt8:
    if image.shape[1::-1] == (width, height):
        return image
    return np.ascontiguousarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8)
