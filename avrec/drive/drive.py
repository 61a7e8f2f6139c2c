"""The recorded drive as data: cameras, frames, lidar sweeps, actor tracks and the ego's path."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from avrec.errors import DataError
from avrec.geometry import Anchor, Camera, Shutter, Trajectory

if TYPE_CHECKING:
    from avrec.drive.audit import AuditReport

__all__ = ["CameraSensor", "Drive", "Frame", "LidarPoints", "LidarSweep", "RigBox", "Side", "Track"]

Float64 = NDArray[np.float64]
Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]
UInt8 = NDArray[np.uint8]

Side = Literal["right", "left"]
"""Of the road, as traffic keeps to it."""

_LARGEST_CAR_M = 100.0

TRACK_SLACK_US = 50_000
"""An actor stays in the picture this long outside its track: half a period of the usual 10 Hz annotation."""


@dataclass(frozen=True)
class CameraSensor:
    """One camera of the rig.

    Attributes:
        name: as the recording calls it, e.g. ``"image_02"``.
        model: intrinsics at the resolution of the recorded images.
        rig_from_camera: float64 [4, 4], OpenCV camera axes.
        shutter: direction, readout and exposure time. ``shutter_known`` is False where the recording says nothing;
            the shutter is then treated as global.
    """

    name: str
    model: Camera
    rig_from_camera: Float64
    shutter: Shutter
    shutter_known: bool = True


@dataclass(frozen=True)
class Frame:
    """One recorded image, read from disk only when asked.

    Attributes:
        camera: name of the camera that took it.
        index: position among this camera's frames in time order.
        timestamp_us: start of the first line's exposure.
        source: path or description of where it comes from, for messages.
        load: returns uint8 RGB [H, W, 3]; raises DataError when the file is missing, truncated or of another size.
        model: intrinsics of this frame (may differ from the camera's, as in nerfstudio files).
    """

    camera: str
    index: int
    timestamp_us: int
    source: str
    load: Callable[[], UInt8]
    model: Camera

    def image(self) -> UInt8:
        """The picture, uint8 RGB [H, W, 3]."""
        return self.load()


@dataclass(frozen=True)
class LidarPoints:
    """Returns of one sweep in the lidar's own frame, not compensated for motion.

    Attributes:
        xyz_lidar: float32 [N, 3] metres.
        intensity: float32 [N], 0..1; zeros where the recording has none.
        time_us: int64 [N] firing time of each point.
    """

    xyz_lidar: Float32
    intensity: Float32
    time_us: Int64


@dataclass(frozen=True)
class LidarSweep:
    """One revolution of a lidar, read only when asked."""

    lidar: str
    timestamp_us: int
    rig_from_lidar: Float64
    source: str
    load: Callable[[], LidarPoints]

    def points(self) -> LidarPoints:
        """The returns in the lidar frame."""
        return self.load()

    def points_world(self, ego: Trajectory) -> Float64:
        """Returns in the world, each placed by the ego's pose at its own firing time, float64 [N, 3]."""
        points = self.points()
        world_from_lidar = ego.at(points.time_us, outside="extrapolate") @ self.rig_from_lidar
        rotated = np.einsum("nij,nj->ni", world_from_lidar[:, :3, :3], points.xyz_lidar)
        return np.asarray(rotated + world_from_lidar[:, :3, 3], dtype=np.float64)


@dataclass(frozen=True)
class Track:
    """One actor through time.

    Attributes:
        id: unique in the drive.
        label: class as the recording names it, e.g. ``"car"``.
        size_m: float64 [3], length (x), width (y), height (z) of the box.
        world_from_box: pose of the box centre through time.
    """

    id: str
    label: str
    size_m: Float64
    world_from_box: Trajectory

    def covers(self, time_us: float) -> bool:
        """Whether the actor is there at a time, give or take :data:`TRACK_SLACK_US`."""
        first, last = self.world_from_box.span_us
        return first - TRACK_SLACK_US <= time_us <= last + TRACK_SLACK_US

    @cached_property
    def moving(self) -> bool:
        """True where the box centre travels more than 0.5 m."""
        centers = self.world_from_box.poses[:, :3, 3]
        return bool(np.ptp(centers, axis=0).max() > 0.5)


@dataclass(frozen=True)
class RigBox:
    """The recording car's body as a box along the rig's axes.

    Attributes:
        center_m: x, y, z of its middle in the rig's frame.
        size_m: length, width and height.

    Raises:
        DataError: a side that is not positive, or a number that is not finite or larger than 100.
    """

    center_m: tuple[float, float, float]
    size_m: tuple[float, float, float]

    def __post_init__(self) -> None:
        middle, size = _three(self.center_m), _three(self.size_m)
        if not (np.abs([middle, size]) <= _LARGEST_CAR_M).all() or (size <= 0).any():
            raise DataError(
                f"The recording car cannot be a box of {self.size_m} m around {self.center_m}. Give three "
                "numbers each, in metres: the middle in the rig's frame, and length, width and height above 0."
            )

    @property
    def corners_m(self) -> tuple[Float64, Float64]:
        """Its lower and its upper corner, rig frame, float64 [3] each."""
        center, half = np.array(self.center_m, np.float64), np.array(self.size_m, np.float64) / 2
        return center - half, center + half

    @staticmethod
    def between(low_m: Sequence[float], high_m: Sequence[float]) -> RigBox:
        """From its lower and its upper corner, [3] each.

        Raises:
            DataError: no such box.
        """
        low, high = _three(low_m), _three(high_m)
        if not np.isfinite([low, high]).all():
            raise DataError(f"A box needs two corners of three numbers each, found {low_m} and {high_m}.")
        # Recipes have centimetres; their binary halves should not show more digits.
        center, size = (np.round(each, 6).tolist() for each in ((low + high) / 2, high - low))
        return RigBox(tuple(center), tuple(size))


def _three(values: object) -> Float64:
    """Three numbers, float64 [3]; not numbers where they are anything else."""
    try:
        found = np.asarray(values)
    except (TypeError, ValueError):  # ragged
        found = np.empty(0)
    fits = found.shape == (3,) and found.dtype.kind in "iuf"  # no text, nothing that is true or false
    return found.astype(np.float64) if fits else np.full(3, np.nan)


@dataclass(frozen=True)
class Drive:
    """A recorded multi-camera drive. Frames and sweeps stay on disk until asked for.

    Attributes:
        name: short name, usually the folder's.
        source: where it was read from.
        layout: what was recognised, e.g. ``"kitti_raw"``.
        cameras: by name.
        frames: per camera, in time order.
        ego: world_from_rig through time. Hermite interpolation between its knots.
        sweeps: all lidar sweeps in time order.
        tracks: all actors.
        anchor: geodetic position of the world's origin, where known.
        map_path: HD map beside the recording, where there is one.
        notes: what a user should know about the reading ("shutter unknown: treated as global", ...).
        origin_m: the world's origin in the recording's own coordinates, where the reader moved it.
        rig_box: the recording car's body, where known.
        traffic: the side of the road that traffic keeps to, where known.
    """

    name: str
    source: Path
    layout: str
    cameras: Mapping[str, CameraSensor]
    frames: Mapping[str, tuple[Frame, ...]]
    ego: Trajectory
    sweeps: tuple[LidarSweep, ...] = ()
    tracks: tuple[Track, ...] = ()
    anchor: Anchor | None = None
    map_path: Path | None = None
    notes: tuple[str, ...] = field(default=())
    origin_m: tuple[float, float, float] = (0.0, 0.0, 0.0)
    rig_box: RigBox | None = None
    traffic: Side | None = None

    @staticmethod
    def open(path: str | Path) -> Drive:
        """Read a recording in any known layout.

        Raises:
            DataError: nothing there, unknown layout, or a recording that cannot be used.
        """
        from importlib import import_module

        drive: Drive = import_module("avrec.ingest").open_drive(Path(path))
        return drive

    def audit(self) -> AuditReport:
        """Look for problems before hours are spent: see `avrec.drive.audit.audit`."""
        from avrec.drive.audit import audit

        return audit(self)

    @property
    def all_frames(self) -> list[Frame]:
        """Frames of all cameras, by time then camera."""
        every = [frame for frames in self.frames.values() for frame in frames]
        return sorted(every, key=lambda frame: (frame.timestamp_us, frame.camera))

    def world_from_camera(self, camera: str, times_us: NDArray[np.number]) -> Float64:
        """Camera pose at any times, float64 [..., 4, 4]; extrapolated beyond the ends of the ego's path."""
        return self.ego.at(times_us, outside="extrapolate") @ self.cameras[camera].rig_from_camera

    def select(self, *, cameras: list[str] | None = None, frames: slice | None = None) -> Drive:
        """The drive reduced to some cameras and to a range of frame indices per camera.

        Raises:
            DataError: an unknown camera, or nothing left.
        """
        names = list(self.cameras) if cameras is None else list(dict.fromkeys(cameras))
        unknown = [name for name in names if name not in self.cameras]
        if unknown:
            raise DataError(f"No camera named {', '.join(unknown)}; this drive has {', '.join(self.cameras)}.")
        chosen = {name: self.frames[name][frames or slice(None)] for name in names}
        if not any(chosen.values()):
            raise DataError(f"No frame is left of {self.name} with this selection.")
        sweeps = self.sweeps
        if frames is not None:
            times = [frame.timestamp_us for kept in chosen.values() for frame in kept]
            low, high = min(times) - 150_000, max(times) + 150_000
            sweeps = tuple(sweep for sweep in sweeps if low <= sweep.timestamp_us <= high)
        return replace(self, cameras={name: self.cameras[name] for name in names}, frames=chosen, sweeps=sweeps)
