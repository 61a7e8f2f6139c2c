"""The road seen from above: recorded pictures laid on the ground, in road coordinates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from avrec.drive import CameraSensor, Drive, Frame, Track
from avrec.geometry import Camera, Trajectory, invert
from avrec.maps.infer.actors import Actors
from avrec.maps.infer.course import Course
from avrec.maps.infer.surface import Surface
from avrec.progress import NO_PROGRESS, Progress

__all__ = ["D_CELL_M", "S_CELL_M", "Mosaic", "Recording", "road_mosaic"]

Float64 = NDArray[np.float64]
Float32 = NDArray[np.float32]
UInt8 = NDArray[np.uint8]

S_CELL_M, D_CELL_M = 0.2, 0.05
_COARSE = (2, 4)
"""Cells between the ones that are projected; pixels in between are interpolated."""
_SEE_M = 22.0
_APART_M = 0.7
_VIEWS = 5
_LEAST_PX_PER_M = 1.5
_CHUNK_M = 120.0
_WIDEST_PX = 1100
_GREY = 110.0
_OUTSIDE_PX = 1e5
# The recording car in its own rig frame, x and y from to: nothing of the road is seen there.
_EGO_LOW_M, _EGO_HIGH_M = np.array([-1.5, -1.2]), np.array([4.3, 1.2])
_BOX_MARGIN_M = 0.15


@dataclass(frozen=True)
class Recording:
    """What pictures are laid on the ground from: the drive, with refined poses and cameras where there are any.

    Attributes:
        appearance: by camera, float64 [3, 4]: the recorded colour is ``A[:, :3] rgb + A[:, 3]``, colours 0..1.
    """

    drive: Drive
    ego: Trajectory
    cameras: Mapping[str, CameraSensor]
    refined: bool
    appearance: Mapping[str, Float64]

    @cached_property
    def actors(self) -> Actors:
        """Who else was there."""
        return Actors(self.drive.tracks)

    def model(self, frame: Frame) -> Camera:
        """Intrinsics of a frame."""
        return self.cameras[frame.camera].model if self.refined else frame.model


@dataclass(frozen=True)
class Mosaic:
    """Colours of ground cells.

    Attributes:
        rgb: uint8 [S, D, 3]; row i at station ``i * S_CELL_M``, column j at offset ``j * D_CELL_M - reach_m``.
        seen: bool [S, D].
        detail: float32 [S, D], pixels a metre in the best view, 0 where unseen.
        reach_m: offset of the outermost columns.
    """

    rgb: UInt8
    seen: NDArray[np.bool_]
    detail: Float32
    reach_m: float

    @property
    def offsets(self) -> Float64:
        """Of the columns, float64 [D], from the right to the left."""
        return np.asarray(np.arange(self.rgb.shape[1]) * D_CELL_M - self.reach_m, np.float64)

    @property
    def stations(self) -> Float64:
        """Of the rows, float64 [S]."""
        return np.asarray(np.arange(self.rgb.shape[0]) * S_CELL_M, np.float64)


def road_mosaic(recording: Recording, surface: Surface, progress: Progress = NO_PROGRESS) -> Mosaic:
    """Lay the pictures on the ground.

    Each cell takes the median of its most detailed views. Each picture is first brought to the same brightness on the
    road, as automatic exposure would make seams.

    Raises:
        DataError: a picture cannot be read.
    """
    course = surface.course
    rows = round(course.length_m / S_CELL_M) + 1
    columns = 2 * round(surface.reach_m / D_CELL_M) + 1
    rgb = np.zeros((rows, columns, 3), np.uint8)
    detail = np.zeros((rows, columns), np.float32)
    frames = list(_frames(recording, course))
    chunk = round(_CHUNK_M / S_CELL_M)
    progress.start("Looking at the road", float(len(frames)))
    done = 0
    for first in range(0, rows, chunk):
        last = min(first + chunk, rows)
        views = _Views(last - first, columns)
        low, high = first * S_CELL_M, last * S_CELL_M
        for frame, station in frames:
            if low - _SEE_M < station < high + _SEE_M:
                _lay(recording, surface, frame, station, views, first)
            if low <= station < high or (first == 0 and station < 0) or (last == rows and station >= high):
                done += 1
                progress.update(float(done))
        rgb[first:last], detail[first:last] = views.median()
    progress.finish()
    return Mosaic(rgb, detail > 0, detail, surface.reach_m)


class _Views:
    """The most detailed views of each cell."""

    def __init__(self, rows: int, columns: int) -> None:
        self.rgb = np.zeros((_VIEWS, rows, columns, 3), np.uint8)
        self.detail = np.zeros((_VIEWS, rows, columns), np.float32)

    def add(self, first: int, rgb: UInt8, detail: Float32) -> None:
        """Rows of a new view, from row ``first`` on; what lies outside is dropped."""
        low, high = max(first, 0), min(first + len(rgb), self.detail.shape[1])
        if low >= high:
            return
        rgb, detail = rgb[low - first : high - first], detail[low - first : high - first]
        held = self.detail[:, low:high]
        worst = np.argmin(held, axis=0)
        i, j = np.nonzero(detail > np.take_along_axis(held, worst[None], axis=0)[0])
        held[worst[i, j], i, j] = detail[i, j]
        self.rgb[worst[i, j], low + i, j] = rgb[i, j]

    def median(self) -> tuple[UInt8, Float32]:
        """Colour and best detail of each cell."""
        count = (self.detail > 0).sum(axis=0)
        values = np.where((self.detail > 0)[..., None], self.rgb.astype(np.int16), 999)
        values.sort(axis=0)
        middle = np.take_along_axis(values, (np.maximum(count - 1, 0) // 2)[None, :, :, None], axis=0)[0]
        upper = np.take_along_axis(values, (count // 2 - (count == 0)).clip(0)[None, :, :, None], axis=0)[0]
        mean = np.where((count > 0)[..., None], (middle + upper + 1) // 2, 0)
        return mean.astype(np.uint8), self.detail.max(axis=0)


def _frames(recording: Recording, course: Course) -> Iterator[tuple[Frame, float]]:
    """Frames that may see the course, each some way from the one before, with their stations."""
    low, high = course.xyz[:, :2].min(axis=0) - _SEE_M, course.xyz[:, :2].max(axis=0) + _SEE_M
    for name, frames in recording.drive.frames.items():
        if not frames or name not in recording.cameras:
            continue
        times = np.array([frame.timestamp_us for frame in frames], np.int64)
        poses = recording.ego.at(times, outside="extrapolate") @ recording.cameras[name].rig_from_camera
        last = np.full(2, np.inf)
        stations = course.locate(poses[:, :2, 3])[0]
        for frame, pose, station in zip(frames, poses, stations, strict=True):
            here = pose[:2, 3]
            if (here > low).all() and (here < high).all() and not np.hypot(*(here - last)) < _APART_M:
                last = here
                yield frame, float(station)


def _lay(recording: Recording, surface: Surface, frame: Frame, station: float, views: _Views, first_row: int) -> None:
    """Add one picture to the views of the rows from ``first_row`` on."""
    down, right = _COARSE
    begin = max(int((station - _SEE_M) / S_CELL_M), first_row, 0)
    end = min(int((station + _SEE_M) / S_CELL_M), first_row + views.detail.shape[1] - 1)
    if end - begin < down:
        return
    s = np.arange(begin, end + down, down) * S_CELL_M
    columns = views.detail.shape[2]
    d = np.arange(0, columns + right, right) * D_CELL_M - surface.reach_m
    grid_s, grid_d = np.meshgrid(s, d, indexing="ij")
    world = surface.course.place(grid_s, grid_d)
    world[..., 2] = surface.heights(grid_s, grid_d)
    pixels, detail = _project(recording, frame, world)
    if not (detail > 0).any():
        return
    picture = frame.image()
    pixels *= (picture.shape[1] / recording.model(frame).width, picture.shape[0] / recording.model(frame).height)
    while picture.shape[1] > _WIDEST_PX:
        half = (picture.shape[1] // 2, picture.shape[0] // 2)
        pixels *= (half[0] / picture.shape[1], half[1] / picture.shape[0])
        picture = np.asarray(cv2.resize(picture, half, interpolation=cv2.INTER_AREA), np.uint8)
    rows = min(end + 1 - begin, (len(s) - 1) * down)
    fine = _between(pixels.astype(np.float32), rows, columns)
    sharp = _between(detail.astype(np.float32), rows, columns)
    known = _between((detail > 0).astype(np.float32), rows, columns) > 0.999
    u, v = (np.ascontiguousarray(fine[..., axis] - np.float32(0.5)) for axis in (0, 1))
    rgb = cv2.remap(picture, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    sharp = np.where(known, sharp, np.float32(0.0))
    if not sharp.any():  # only single coarse cells are seen, and nothing between them
        return
    views.add(begin - first_row, _evened(recording, frame, np.asarray(rgb, np.uint8), sharp, surface.reach_m), sharp)


def _between(coarse: Float32, rows: int, columns: int) -> Float32:
    """Coarse cells [I, J, ...] led on to all cells, [rows, columns, ...]."""
    i, j = np.arange(rows, dtype=np.float32) / _COARSE[0], np.arange(columns, dtype=np.float32) / _COARSE[1]
    x, y = np.broadcast_to(j, (rows, columns)), np.broadcast_to(i[:, None], (rows, columns))
    return np.asarray(cv2.remap(coarse, np.ascontiguousarray(x), np.ascontiguousarray(y), cv2.INTER_LINEAR))


def _evened(recording: Recording, frame: Frame, rgb: UInt8, detail: Float32, reach_m: float) -> UInt8:
    """The picture without its camera's own colours, at the brightness all pictures share on the road."""
    colour = rgb.astype(np.float32)
    affine = recording.appearance.get(frame.camera)
    if affine is not None:
        affine = np.asarray(affine, np.float64)
        back = np.linalg.inv(affine[:, :3]).astype(np.float32)
        colour = (colour - 255.0 * affine[:, 3].astype(np.float32)) @ back.T
    middle = slice(round((reach_m - 4.0) / D_CELL_M), round((reach_m + 4.0) / D_CELL_M))
    road = colour[:, middle][detail[:, middle] > 0]
    level = float(np.median(road)) if len(road) > 50 else float(np.median(colour[detail > 0]))
    return np.asarray(np.clip(colour * np.clip(_GREY / max(level, 1.0), 0.3, 3.0), 0, 255), np.uint8)


def _project(recording: Recording, frame: Frame, world: Float64) -> tuple[Float64, Float64]:
    """Pixels [..., 2] of world points in the recorded picture, and detail [...] in pixels a metre (0 where unseen).

    Each point is taken at the exposure of the line it falls on, found by turns. Within one readout the points move
    straight through the camera's frame.
    """
    sensor, model = recording.cameras[frame.camera], recording.model(frame)
    times = sensor.shutter.line_times_us(model.width, model.height)
    first, last = float(times.min()), float(times.max())
    middle = recording.ego.at(frame.timestamp_us + 0.5 * (first + last), outside="extrapolate")
    eye = (middle @ sensor.rig_from_camera)[:3, 3]
    reach = np.linalg.norm(world - eye, axis=-1)
    # A pixel spans r^2 / (f h) metres of ground in the direction of view.
    detail = _focal(model) * np.maximum(eye[2] - world[..., 2], 0.0) / np.maximum(reach, 0.5) ** 2
    rig = (world - middle[:3, 3]) @ middle[:3, :3]
    low, high = _EGO_LOW_M, _EGO_HIGH_M
    if (box := recording.drive.rig_box) is not None:
        low, high = np.minimum(low, box.corners_m[0][:2]), np.maximum(high, box.corners_m[1][:2])
    own = ((rig[..., :2] > low) & (rig[..., :2] < high)).all(axis=-1)
    near = ~own & (detail > _LEAST_PX_PER_M) & (reach < _SEE_M)
    points = world[near]

    ends = recording.ego.at(frame.timestamp_us + np.array([first, last]), outside="extrapolate")
    camera_from_world = invert(ends @ sensor.rig_from_camera)
    start, end = (points @ pose[:3, :3].T + pose[:3, 3] for pose in camera_from_world)
    share = np.full(len(points), 0.5)
    for _ in range(3 if sensor.shutter.axis != "none" else 1):
        found, valid = model.project_unbounded(start + share[:, None] * (end - start))
        if sensor.shutter.axis != "none":
            line = np.where(valid, found[:, 1 if sensor.shutter.axis == "rows" else 0], 0.0) - 0.5
            share = (np.interp(line, np.arange(len(times)), times) - first) / max(last - first, 1e-9)
    with np.errstate(invalid="ignore"):
        inside = valid & (found > 1.0).all(axis=-1) & (found < (model.width - 1.0, model.height - 1.0)).all(axis=-1)
    time_us = frame.timestamp_us + int(0.5 * (first + last))
    for track, pose in recording.actors.near(time_us, eye[None, :2], _SEE_M + 10.0):
        if not inside.any():
            break
        inside[inside] = ~_behind(track, pose, eye, points[inside])
    pixels, seen = np.full((*world.shape[:2], 2), -_OUTSIDE_PX), np.zeros(world.shape[:2], bool)
    pixels[near] = np.clip(np.where(np.isfinite(found), found, -_OUTSIDE_PX), -_OUTSIDE_PX, _OUTSIDE_PX)
    seen[near] = inside
    return pixels, np.where(seen, detail, 0.0)


def _focal(model: Camera) -> float:
    """Pixels a radian in the middle of the picture."""
    rays, valid = model.unproject(np.array([[0.5, 0.5], [0.55, 0.5]]) * (model.width, model.height))
    if not valid.all():
        return float(model.width)
    return 0.05 * model.width / max(float(np.arccos(np.clip(rays[0] @ rays[1], -1.0, 1.0))), 1e-6)


def _behind(track: Track, pose: Float64, eye: Float64, points: Float64) -> NDArray[np.bool_]:
    """Whether an actor's box stands between the eye and points [N, 3], or on them."""
    half = np.asarray(track.size_m) / 2 + _BOX_MARGIN_M
    origin = (eye - pose[:3, 3]) @ pose[:3, :3]
    step = (points - eye) @ pose[:3, :3]
    with np.errstate(divide="ignore", invalid="ignore"):
        one, two = (-half - origin) / step, (half - origin) / step
    # Not a number: along a side and on it.
    enter = np.fmax.reduce(np.fmin(one, two), axis=-1)
    leave = np.fmin.reduce(np.fmax(one, two), axis=-1)
    return np.asarray((enter <= leave) & (leave >= 0.0) & (enter <= 1.0))
