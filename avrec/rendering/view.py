"""Where a camera looks from at every line of its shutter, and where the actors are meanwhile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from avrec.drive import CameraSensor, Track
from avrec.errors import DataError
from avrec.geometry import Camera, Offset, Trajectory
from avrec.raster.view import View

__all__ = ["Rig", "camera_at_size", "middle_us", "present_actors", "sensor_named", "view_for"]

Float64 = NDArray[np.float64]

EGO_SLACK_US = 500_000
"""A picture may be asked for this long before or after the recorded path; the path is extrapolated there."""


class Rig(Protocol):
    """What a view needs of a Scene or a Drive."""

    @property
    def cameras(self) -> Mapping[str, CameraSensor]:
        """Cameras by name."""

    @property
    def ego(self) -> Trajectory:
        """world_from_rig through time."""

    @property
    def tracks(self) -> tuple[Track, ...]:
        """Actors through time."""


def view_for(
    rig: Rig,
    camera: str,
    time_us: int,
    *,
    offset: Offset | None = None,
    rolling_shutter: bool = True,
    width: int | None = None,
    height: int | None = None,
    model: Camera | None = None,
    bodies: Sequence[str] = (),
) -> View:
    """The view of one picture: ``world_from_rig(t) @ rig_from_offset @ rig_from_camera`` at each line's exposure.

    Args:
        rig: a Scene, a Drive or anything with their cameras, ego and tracks.
        camera: name of the camera.
        time_us: start of the first line's exposure, int64 microseconds.
        offset: where the rig is moved to, in its own frame; None leaves it on the recorded path.
        rolling_shutter: False takes the whole picture at the middle of the readout.
        width: pixels; None keeps the recorded size, or the shape where only the other one is given.
        height: likewise.
        model: intrinsics at the recorded size where they differ from the camera's own.
        bodies: ids of the tracks that become bodies 1, 2, ... of the view.

    Returns:
        A view with one pose per row or column (one for a global shutter).

    Raises:
        DataError: unknown camera or track, a size below 1, or a time that the recorded path does not reach.
    """
    sensor = sensor_named(rig.cameras, camera)
    recorded = model or sensor.model
    sized = camera_at_size(recorded, width, height)
    offsets, axis = sensor.shutter.resized_line_times_us(
        (recorded.width, recorded.height), (sized.width, sized.height), rolling=rolling_shutter
    )
    times = time_us + offsets
    _check_time(rig.ego, time_us)
    world_from_rig = rig.ego.at(times, outside="extrapolate")
    rig_from_offset = np.eye(4) if offset is None else offset.rig_from_offset
    world_from_camera = world_from_rig @ rig_from_offset @ sensor.rig_from_camera
    tracks = {track.id: track for track in rig.tracks}
    unknown = [body for body in bodies if body not in tracks]
    if unknown:
        raise DataError(f"No track has the id {', '.join(unknown)}; this scene has {', '.join(tracks) or 'none'}.")
    placed = [tracks[body].world_from_box.at(times, outside="extrapolate") for body in bodies]
    return View(
        camera=sized,
        rotation=np.ascontiguousarray(world_from_camera[:, :3, :3]),
        origin=np.ascontiguousarray(world_from_camera[:, :3, 3]),
        axis=axis,
        bodies=np.stack(placed) if placed else np.zeros((0, len(times), 4, 4)),
    )


def middle_us(sensor: CameraSensor, time_us: int) -> float:
    """Middle of a picture's readout that starts at ``time_us``."""
    return time_us + float(sensor.shutter.line_times_us(sensor.model.width, sensor.model.height).mean())


def present_actors(tracks: Sequence[Track], time_us: float) -> tuple[str, ...]:
    """Ids of the tracks that cover a time (`Track.covers`), in the order given."""
    return tuple(track.id for track in tracks if track.covers(time_us))


def sensor_named(cameras: Mapping[str, CameraSensor], camera: str) -> CameraSensor:
    """The camera of that name.

    Raises:
        DataError: there is none.
    """
    if camera not in cameras:
        raise DataError(f"No camera is named '{camera}'. This scene has {', '.join(cameras)}. Pick one of those.")
    return cameras[camera]


def camera_at_size(model: Camera, width: int | None, height: int | None) -> Camera:
    """The camera model at a size in pixels; a missing side keeps the picture's shape.

    Raises:
        DataError: a side below one pixel.
    """
    if width is None and height is None:
        return model
    wide = round(model.width * (height or 0) / model.height) if width is None else width
    high = round(model.height * wide / model.width) if height is None else height
    if wide < 1 or high < 1:
        raise DataError(f"A picture needs at least one pixel each way, found {wide} x {high}. Ask for a larger size.")
    return model if (wide, high) == (model.width, model.height) else _resized(model, wide, high)


@lru_cache(maxsize=16)
def _resized(model: Camera, width: int, height: int) -> Camera:
    # The same object for every picture of a sequence, so that its rays are computed once.
    return model.resized(width, height)


def _check_time(ego: Trajectory, time_us: int) -> None:
    first, last = ego.span_us
    if not first - EGO_SLACK_US <= time_us <= last + EGO_SLACK_US:
        raise DataError(
            f"The time {time_us} us is outside the recorded path, which runs from {first} to {last} us. "
            "Choose a time inside it."
        )
