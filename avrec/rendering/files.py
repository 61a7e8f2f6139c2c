"""Pictures and videos on disk: written whole or not at all."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from avrec.errors import OutputError
from avrec.files import replacing

__all__ = ["VideoFile", "colourise", "depth_to_png", "write_bytes", "write_png"]

UInt8 = NDArray[np.uint8]

DEPTH_UNITS_PER_M = 100.0
"""A depth PNG counts centimetres: 16 bits reach 655.34 m; 0 says "nothing there", 65535 "farther than that"."""


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, in a folder that is made if need be; a file that is there is replaced.

    Raises:
        OutputError: the disk refuses.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"Cannot write {path}: {error}. Check the free space and the permissions.") from error
    with replacing(path, overwrite=True, durable=False) as file:
        file.write(content)


def write_png(path: Path, image: NDArray[np.uint8] | NDArray[np.uint16]) -> None:
    """Write [H, W] or RGB [H, W, 3], 8 or 16 bits, as PNG.

    Raises:
        OutputError: the disk refuses.
    """
    # OpenCV's own writer hides a full disk; encoding in memory and writing ourselves does not.
    done, encoded = cv2.imencode(".png", image[..., ::-1] if image.ndim == 3 else image)
    if not done:
        raise OutputError(f"Cannot encode {path} as PNG from an array {image.dtype} {image.shape}.")
    write_bytes(path, encoded.tobytes())


def depth_to_png(depth_m: NDArray[np.floating]) -> NDArray[np.uint16]:
    """Depth in metres as the uint16 centimetres of a depth PNG; 0 where it is NaN, 65535 beyond 655.34 m."""
    centimetres = np.rint(np.nan_to_num(depth_m, nan=0.0, posinf=1e9) * DEPTH_UNITS_PER_M)
    return np.asarray(np.clip(centimetres, 0, 65535), np.uint16)


def colourise(depth_m: NDArray[np.floating], *, near_m: float = 2.0, far_m: float = 100.0) -> UInt8:
    """Depth as colour, uint8 RGB [H, W, 3]: near is red, far is blue on a logarithmic scale, black where NaN."""
    known = np.isfinite(depth_m)
    clipped = np.clip(np.where(known, depth_m, far_m), near_m, far_m)
    level = 1.0 - np.log(clipped / near_m) / np.log(far_m / near_m)
    colours = cv2.applyColorMap(np.rint(level * 255.0).astype(np.uint8), cv2.COLORMAP_TURBO)[..., ::-1]
    return np.asarray(np.where(known[..., None], colours, 0), np.uint8)


class VideoFile:
    """An mp4 that is checked when it is closed: OpenCV reports neither a missing codec nor a full disk by itself."""

    def __init__(self, path: Path, fps: float) -> None:
        self.path = path
        self.fps = fps
        self.frames = 0
        self._writer: cv2.VideoWriter | None = None

    def add(self, image: UInt8) -> None:
        """Append one uint8 RGB [H, W, 3]; an odd last row or column is dropped, as the codec needs even sizes."""
        high, wide = image.shape[0] & ~1, image.shape[1] & ~1
        if self._writer is None:
            codec = cv2.VideoWriter.fourcc(*"mp4v")
            self._writer = cv2.VideoWriter(str(self.path), codec, self.fps, (wide, high))
            if not self._writer.isOpened():
                raise OutputError(
                    f"Cannot write the video {self.path.name} ({wide} x {high}): no mp4 encoder. Go without video."
                )
        self._writer.write(np.ascontiguousarray(image[:high, :wide, ::-1]))
        self.frames += 1

    def close(self) -> None:
        """Finish the file and read its length back.

        Raises:
            OutputError: it is missing or holds fewer frames than were added.
        """
        if self._writer is None:
            return
        self._writer.release()
        self._writer = None
        reader = cv2.VideoCapture(str(self.path))
        found = int(reader.get(cv2.CAP_PROP_FRAME_COUNT)) if reader.isOpened() else 0
        reader.release()
        if found != self.frames:
            raise OutputError(
                f"The video {self.path.name} holds {found} of {self.frames} frames. Check the free space on the disk."
            )

    def abandon(self) -> None:
        """Release the encoder without a check, after an error."""
        if self._writer is not None:
            self._writer.release()
            self._writer = None
