"""Neural cameras and lidars that ride on the ego: when they measure, and what they deliver."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from avrec.drive import CameraSensor, Track
from avrec.errors import AvrecError
from avrec.geometry import Offset, Trajectory, invert, transform_from
from avrec.rendering import render_view, view_for
from avrec.scene import Scene
from carla_bridge.replay.camera_spec import MOUNT_FROM_OPTICAL, field_of_view_deg
from carla_bridge.replay.lidar_models import LidarModel, lidar_named
from carla_bridge.replay.lidar_sweep import sweep
from carla_bridge.replay.measurements import Image, LidarMeasurement
from carla_bridge.replay.player import carla_transform, matrix_of

__all__ = ["CameraRig", "LidarRig", "Moment", "NeuralSensor", "Stage", "camera_rig", "every_us", "lidar_rig"]

Float64 = NDArray[np.float64]

LIDAR_MOUNT_M = (1.0, 0.0, 2.0)
ATTENUATION_PER_M = 0.004
"""Of lidar intensity; CARLA's default."""


@dataclass(frozen=True)
class Moment:
    """A tick: the recording's time, and the frame and seconds that the client saw."""

    time_us: int
    frame: int
    timestamp: float


class Stage(Protocol):
    """Where everything was in the near past."""

    @property
    def scene(self) -> Scene:
        """What is seen."""

    def ego_during(self, first_us: float) -> Trajectory:
        """The ego's true path from then to now."""

    def tracks_during(self, first_us: float, middle_us: float) -> tuple[Track, ...]:
        """The actors with Gaussians that are there at ``middle_us``, with their true paths."""


class NeuralSensor(Protocol):
    """A sensor of a session."""

    def step(self, carla: Any, stage: Stage, before_us: int, moment: Moment) -> None:
        """Measure what was completed after ``before_us``, by the moment, and hand it to the callback."""


@dataclass(frozen=True, eq=False)
class CameraRig:
    """A neural camera.

    Attributes:
        sensor: intrinsics, mount and shutter.
        colours: camera of the scene whose colours it takes.
        callback: gets an `Image`.
        offset: of the rig it is mounted on, against the ego.
        starts_us: exposures to take, int64 [N]; None takes the one that ends with each tick.
        every_us: least time between two pictures.
        width, height: pixels, None for the camera's own.
        rolling_shutter: False exposes the whole picture at once.
    """

    sensor: CameraSensor
    colours: str
    callback: Callable[[Image], object]
    offset: Offset
    starts_us: NDArray[np.int64] | None = None
    every_us: int = 0
    begun_us: int = 0
    width: int | None = None
    height: int | None = None
    rolling_shutter: bool = True

    @property
    def lasts_us(self) -> int:
        """From the start of the first line's exposure to the middle of the last one's."""
        return ceil(float(self.sensor.shutter.line_times_us(self.sensor.model.width, self.sensor.model.height).max()))

    def due_us(self, before_us: int, now_us: int) -> list[int]:
        """Starts of the exposures that were completed after ``before_us``, by ``now_us``."""
        lasts = self.lasts_us
        if self.starts_us is not None:
            first, end = np.searchsorted(self.starts_us, [before_us - lasts, now_us - lasts], side="right")
            return [int(start) for start in self.starts_us[first:end]]
        if self.every_us and (now_us - self.begun_us) // self.every_us == (before_us - self.begun_us) // self.every_us:
            return []
        return [now_us - lasts]

    def step(self, carla: Any, stage: Stage, before_us: int, moment: Moment) -> None:
        """See `NeuralSensor`."""
        for start_us in self.due_us(before_us, moment.time_us):
            self.callback(self.take(carla, stage, moment, start_us))

    def take(self, carla: Any, stage: Stage, moment: Moment, start_us: int) -> Image:
        """The picture whose exposure begins at ``start_us``."""
        lines = self.sensor.shutter.line_times_us(self.sensor.model.width, self.sensor.model.height)
        middle = start_us + float(lines.mean())
        ego, tracks = stage.ego_during(start_us), stage.tracks_during(start_us, middle)
        rig = _Rig({self.sensor.name: self.sensor}, ego, tracks)
        bodies = tuple(track.id for track in tracks)
        view = view_for(
            rig,
            self.sensor.name,
            start_us,
            offset=self.offset,
            rolling_shutter=self.rolling_shutter,
            width=self.width,
            height=self.height,
            bodies=bodies,
        )
        shot = render_view(stage.scene, view, self.colours, start_us, bodies=bodies)
        bgra = np.full((*shot.rgb.shape[:2], 4), 255, np.uint8)
        bgra[..., :3] = shot.rgb_uint8[..., ::-1]
        rig_from_mount = self.offset.rig_from_offset @ self.sensor.rig_from_camera @ invert(MOUNT_FROM_OPTICAL)
        pose = ego.at(middle, outside="extrapolate") @ rig_from_mount
        return Image(
            frame=moment.frame,
            timestamp=moment.timestamp,
            transform=carla_transform(carla, pose),
            width=bgra.shape[1],
            height=bgra.shape[0],
            fov=field_of_view_deg(view.camera),
            raw_data=memoryview(bgra.tobytes()),
            camera=self.sensor.name,
            time_us=start_us,
            depth=shot.depth,
        )


@dataclass(frozen=True)
class _Rig:
    """What a view needs."""

    cameras: dict[str, CameraSensor]
    ego: Trajectory
    tracks: tuple[Track, ...]


@dataclass(frozen=True, eq=False)
class LidarRig:
    """A neural lidar; it delivers full turns.

    Attributes:
        model: lasers and range.
        callback: gets a `LidarMeasurement`.
        rig_from_lidar: its mount.
        turn_us: duration of a turn.
        begun_us: when the first turn began.
    """

    model: LidarModel
    callback: Callable[[LidarMeasurement], object]
    rig_from_lidar: Float64
    turn_us: int
    begun_us: int

    def step(self, carla: Any, stage: Stage, before_us: int, moment: Moment) -> None:
        """See `NeuralSensor`; of several turns since the last tick, the last one is delivered."""
        turns, before = ((time - self.begun_us) // self.turn_us for time in (moment.time_us, before_us))
        if turns > before:
            self.callback(self.take(carla, stage, moment, self.begun_us + (turns - 1) * self.turn_us))

    def take(self, carla: Any, stage: Stage, moment: Moment, start: int) -> LidarMeasurement:
        """The turn that begins at ``start``."""
        ego = stage.ego_during(start)
        tracks = stage.tracks_during(start, start + self.turn_us / 2)
        found = sweep(stage.scene, self.model, ego, self.rig_from_lidar, tracks, start, self.turn_us)
        points = np.empty((len(found.points), 4), np.float32)
        points[:, :3] = found.points * (1.0, -1.0, 1.0)
        points[:, 3] = np.exp(-ATTENUATION_PER_M * np.linalg.norm(found.points, axis=1))
        channels = len(self.model.elevations_deg)
        pose = ego.at(start + self.turn_us, outside="extrapolate") @ self.rig_from_lidar
        return LidarMeasurement(
            frame=moment.frame,
            timestamp=moment.timestamp,
            transform=carla_transform(carla, pose),
            horizontal_angle=float(np.radians(self.model.fov_deg)),
            channels=channels,
            raw_data=memoryview(points.tobytes()),
            counts=tuple(np.bincount(found.laser, minlength=channels).tolist()),
            time_us=found.time_us,
        )


def camera_rig(
    scene: Scene,
    camera: tuple[CameraSensor, str],
    callback: Callable[[Image], object],
    offset: Offset,
    framerate: float | Literal["recorded"] | None,
    begun_us: int,
    **options: Any,
) -> CameraRig:
    """A camera, and the camera whose colours it takes, that takes pictures so often; options are `CameraRig`'s.

    Raises:
        AvrecError: the recorded exposures are not known.
    """
    sensor, colours = camera
    starts = None
    if framerate == "recorded":
        starts = scene.frames.get(colours)
        if starts is None:
            raise AvrecError(f"The scene holds no frame times of '{colours}'. Give a framerate instead.")
        starts = np.sort(starts)
    every = 0 if framerate is None or framerate == "recorded" else every_us(framerate)
    return CameraRig(sensor, colours, callback, offset, starts, every, begun_us, **options)


def lidar_rig(
    model: str | LidarModel,
    callback: Callable[[LidarMeasurement], object],
    transform: Any,
    framerate: float,
    begun_us: int,
) -> LidarRig:
    """A lidar with a mount: `carla.Transform` or [4, 4] against the rig, None for the roof.

    Raises:
        AvrecError: no such lidar, or a rate that cannot be.
    """
    if transform is None:
        mount = transform_from(np.eye(3), np.array(LIDAR_MOUNT_M))
    else:
        mount = matrix_of(transform) if hasattr(transform, "location") else np.asarray(transform, np.float64)
    return LidarRig(lidar_named(model), callback, mount, every_us(framerate), begun_us)


def every_us(framerate: float) -> int:
    """Time between measurements.

    Raises:
        AvrecError: a rate that cannot be.
    """
    if not 0.01 <= framerate <= 1000.0:
        raise AvrecError(f"{framerate} measurements per second are out of range. Choose 0.01 to 1000.")
    return round(1e6 / framerate)
