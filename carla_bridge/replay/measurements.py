"""What the neural sensors deliver: objects with the attributes of CARLA's own measurements.

`carla.Image` and `carla.LidarMeasurement` cannot be made in Python. These have the same attributes, so that callbacks
written for them work; they are no instances of those classes, and have a little more: the recording's time, the
picture as an array.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from avrec.errors import OutputError

__all__ = ["Detection", "Image", "LidarMeasurement"]

_POINT = 4
"""Numbers of a lidar point: x, y, z, intensity."""


@dataclass(frozen=True, eq=False)
class Image:
    """A picture, as `carla.Image`.

    Attributes:
        frame: of the world's tick that completed it.
        timestamp: seconds of the simulation at that tick.
        transform: `carla.Transform` of the camera in the middle of the exposure; x along the optical axis.
        width, height: pixels.
        fov: horizontal, degrees.
        raw_data: BGRA, uint8, rows from the top; alpha is 255.
        camera: name of the camera.
        time_us: start of the first line's exposure, in the recording's time.
        depth: float32 [height, width] metres along the pixel's ray; NaN where there is nothing.
    """

    frame: int
    timestamp: float
    transform: Any
    width: int
    height: int
    fov: float
    raw_data: memoryview
    camera: str
    time_us: int
    depth: NDArray[np.float32]

    @property
    def rgb(self) -> NDArray[np.uint8]:
        """The picture as uint8 [height, width, 3]."""
        bgra = np.frombuffer(self.raw_data, np.uint8).reshape(self.height, self.width, 4)
        return np.ascontiguousarray(bgra[..., 2::-1])

    def __len__(self) -> int:
        return self.width * self.height

    def save_to_disk(self, path: str | Path) -> str:
        """Write the picture; the file's ending names the format (PNG without one). Returns the path.

        Raises:
            OutputError: the file cannot be written.
        """
        target = Path(path)
        target = target if target.suffix else target.with_name(target.name + ".png")
        try:
            good, data = cv2.imencode(target.suffix, np.ascontiguousarray(self.rgb[..., ::-1]))
        except cv2.error:
            good = False
        if not good:
            raise OutputError(f"Pictures cannot be written as '{target.suffix}'. Use .png or .jpg.")
        sibling = target.with_name(f".{target.name}.part")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            sibling.write_bytes(data.tobytes())
            sibling.replace(target)
        except OSError as error:
            raise OutputError(f"{target} could not be written ({error.strerror}). Choose another place.") from error
        return str(target)


class Detection(NamedTuple):
    """One lidar point, as `carla.LidarDetection`: `point` is a `carla.Location` in the sensor's frame."""

    point: Any
    intensity: float


@dataclass(frozen=True, eq=False)
class LidarMeasurement:
    """A full turn of a lidar, as `carla.LidarMeasurement`.

    Attributes:
        frame: of the world's tick that completed it.
        timestamp: seconds of the simulation at that tick.
        transform: `carla.Transform` of the sensor at the end of the turn.
        horizontal_angle: radians, where the turn ended.
        channels: lasers.
        raw_data: float32 x, y, z, intensity of each point, in CARLA's frame of the sensor (y right) at the moment the
            point was measured; by channel, the highest first.
        counts: points of each channel.
        time_us: int64 [N] when each point was measured, in the recording's time.
    """

    frame: int
    timestamp: float
    transform: Any
    horizontal_angle: float
    channels: int
    raw_data: memoryview
    counts: tuple[int, ...]
    time_us: NDArray[np.int64]

    @property
    def points(self) -> NDArray[np.float32]:
        """float32 [N, 4]: x forward, y right, z up in metres, and the intensity in 0..1."""
        return np.frombuffer(self.raw_data, np.float32).reshape(-1, _POINT)

    def get_point_count(self, channel: int) -> int:
        """Points of one channel."""
        return self.counts[channel]

    def __len__(self) -> int:
        return len(self.raw_data) // (4 * _POINT)

    def __iter__(self) -> Iterator[Detection]:
        import carla

        for x, y, z, intensity in self.points.tolist():
            yield Detection(carla.Location(x, y, z), intensity)

    def __getitem__(self, index: int) -> Detection:
        import carla

        x, y, z, intensity = self.points[index].tolist()
        return Detection(carla.Location(x, y, z), intensity)
