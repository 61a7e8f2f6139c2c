"""Training pictures as the initial points need them: working size, rolling shutter poses, projection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from avrec.drive.drive import Drive, Frame
from avrec.errors import DataError
from avrec.geometry import Camera, Trajectory, invert

__all__ = ["Seen", "TrainingView", "project", "sample_image", "training_views"]

Float64 = NDArray[np.float64]
Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]
UInt8 = NDArray[np.uint8]
Bool = NDArray[np.bool_]

# Each pass moves the guess of a point's line by the share of the picture that it drifts during the readout.
_SHUTTER_PASSES = 3


@dataclass(frozen=True, eq=False)
class TrainingView:
    """One recorded picture that may be learned from.

    Attributes:
        drive: where poses and calibration come from.
        frame: the recorded picture.
        model: its camera at the working size.
        number: position in the list of all training views.
    """

    drive: Drive
    frame: Frame
    model: Camera
    number: int

    @property
    def camera(self) -> str:
        """Name of the camera."""
        return self.frame.camera

    @cached_property
    def line_times_us(self) -> Float64:
        """Middle of the exposure of each line at the recorded size, float64 [L], absolute."""
        shutter, model = self.drive.cameras[self.camera].shutter, self.frame.model
        return self.frame.timestamp_us + shutter.line_times_us(model.width, model.height)

    @property
    def mid_time_us(self) -> float:
        """Middle of the whole exposure."""
        return float(self.line_times_us.mean())

    def image(self) -> UInt8:
        """The picture at the working size, uint8 RGB [H, W, 3]."""
        picture = self.frame.image()
        size = (self.model.width, self.model.height)
        if picture.shape[1::-1] == size:
            return picture
        return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)

    def line_of(self, pixels: Float64) -> Int64:
        """Nearest recorded line of working-size pixels [N, 2], clipped to the picture."""
        axis = self.drive.cameras[self.camera].shutter.axis
        if axis == "none":
            return np.zeros(len(pixels), dtype=np.int64)
        column, small, full = (
            (1, self.model.height, self.frame.model.height)
            if axis == "rows"
            else (0, self.model.width, self.frame.model.width)
        )
        return np.clip(np.floor(pixels[:, column] * (full / small)), 0, full - 1).astype(np.int64)

    def world_from_camera_lines(self) -> Float64:
        """Camera pose at each line, float64 [L, 4, 4]."""
        return self.drive.world_from_camera(self.camera, self.line_times_us)

    def world_rays(self, pixels: Float64) -> tuple[Float64, Float64, Float64, Bool]:
        """Rays of working-size pixels [N, 2] at their own exposure times.

        Returns:
            Origins float64 [N, 3] and unit directions [N, 3] in the world, times float64 [N] us, and valid [N].
        """
        lines = self.line_of(pixels)
        poses = self.world_from_camera_lines()[lines]
        rays, valid = self.model.unproject(pixels)
        directions = np.einsum("nij,nj->ni", poses[:, :3, :3], rays)
        return poses[:, :3, 3], directions, self.line_times_us[lines], valid

    @cached_property
    def focal_px(self) -> float:
        """Pixels per radian at the picture's centre."""
        centre = np.array([self.model.width / 2, self.model.height / 2])
        pair, _ = self.model.unproject(centre + np.array([[-0.5, 0.0], [0.5, 0.0]]))
        return float(1.0 / np.linalg.norm(pair[1] - pair[0]))

    @cached_property
    def _least_cosine(self) -> float:
        """Cosine of the widest angle from the optical axis that the picture sees, a little slack included."""
        w, h = self.model.width, self.model.height
        u, v = np.linspace(0, w, 33), np.linspace(0, h, 33)
        edge = np.concatenate([np.stack([u, np.full(33, y)], 1) for y in (0.0, h)]
                              + [np.stack([np.full(33, x), v], 1) for x in (0.0, w)])  # fmt: skip
        rays, valid = self.model.unproject(edge)
        return float(rays[valid, 2].min() - 0.05) if valid.all() else -1.0


@dataclass(frozen=True, eq=False)
class Seen:
    """Points that fall into a picture.

    Attributes:
        index: int64 [M] of the projected array.
        pixels: float64 [M, 2].
        depth: float64 [M], metres from the camera at the point's line.
        line: int64 [M].
    """

    index: Int64
    pixels: Float64
    depth: Float64
    line: Int64


def training_views(drive: Drive, held_out: Mapping[str, Bool], downscale: float) -> list[TrainingView]:
    """The views that are not held out, by camera and time.

    Args:
        drive: the recording.
        held_out: per camera, bool [F]; a camera that is not named has none.
        downscale: how many recorded pixels make one working pixel, at least 1.

    Raises:
        DataError: a mask of another length, a downscale below 1, or nothing left.
    """
    if downscale < 1:
        raise DataError(f"The downscale is {downscale}. Give 1 or more.")
    views: list[TrainingView] = []
    for camera, frames in drive.frames.items():
        masked = np.asarray(held_out.get(camera, np.zeros(len(frames), dtype=bool)))
        if masked.shape != (len(frames),):
            raise DataError(
                f"The held-out mask of {camera} has shape {masked.shape} for {len(frames)} frames. Give one per frame."
            )
        for frame, hidden in zip(frames, masked, strict=True):
            if hidden:
                continue
            model = frame.model
            size = max(1, round(model.width / downscale)), max(1, round(model.height / downscale))
            small = model if size == (model.width, model.height) else model.resized(*size)
            views.append(TrainingView(drive, frame, small, len(views)))
    if not views:
        raise DataError(f"No training frame is left of {drive.name}. Hold out fewer frames.")
    return views


def project(view: TrainingView, points: NDArray[np.floating], body: Trajectory | None = None) -> Seen:
    """Where points appear in a picture, each at the exposure time of the line it falls on.

    Args:
        view: the picture.
        points: [N, 3] metres in the world, or in the frame of ``body``.
        body: world_from_body of a moving object, extrapolated at its ends.
    """
    camera_from_points = invert(view.world_from_camera_lines())
    if body is not None:
        camera_from_points = camera_from_points @ body.at(view.line_times_us, outside="extrapolate")
    middle = camera_from_points[len(camera_from_points) // 2]
    # Not a matrix product: its threads cost more than they save on three columns.
    local = np.einsum("nj,ij->ni", points, middle[:3, :3]) + middle[:3, 3]
    ahead = local[:, 2] > view._least_cosine * np.sqrt(np.einsum("ni,ni->n", local, local))
    index = np.flatnonzero(ahead)
    pixels, valid = view.model.project_unbounded(local[index])
    index, pixels, local = index[valid], pixels[valid], local[index[valid]]
    line = np.zeros(len(index), dtype=np.int64)
    if len(camera_from_points) > 1:
        near = _around(view, pixels, 0.25)
        index, pixels = index[near], pixels[near]
        chosen = np.asarray(points[index], dtype=np.float64)
        for _ in range(_SHUTTER_PASSES):
            line = view.line_of(np.where(np.isfinite(pixels), pixels, 0.0))
            poses = camera_from_points[line]
            local = np.einsum("nij,nj->ni", poses[:, :3, :3], chosen) + poses[:, :3, 3]
            pixels, _ = view.model.project_unbounded(local)
    inside = _around(view, pixels, 0.0)
    depth = np.linalg.norm(local[inside], axis=1)
    return Seen(index[inside], pixels[inside], depth, line[inside])


def sample_image(image: UInt8, pixels: Float64) -> Float32:
    """Bilinear colours float32 [N, 3], 0..1, at pixels [N, 2] (centres at .5) of a uint8 image [H, W, 3]."""
    height, width = image.shape[:2]
    u = np.clip(pixels[:, 0] - 0.5, 0.0, width - 1.0)
    v = np.clip(pixels[:, 1] - 0.5, 0.0, height - 1.0)
    left, top = np.floor(u).astype(np.int64), np.floor(v).astype(np.int64)
    right, bottom = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
    wu, wv = (u - left)[:, None], (v - top)[:, None]
    upper = image[top, left] * (1 - wu) + image[top, right] * wu
    lower = image[bottom, left] * (1 - wu) + image[bottom, right] * wu
    return np.asarray((upper * (1 - wv) + lower * wv) / 255.0, dtype=np.float32)


def _around(view: TrainingView, pixels: Float64, margin: float) -> Bool:
    """Pixels inside the picture enlarged by a share of its size on each side; NaN is outside."""
    w, h = view.model.width, view.model.height
    u, v = pixels[:, 0], pixels[:, 1]
    inside = (u >= -margin * w) & (u < (1 + margin) * w) & (v >= -margin * h) & (v < (1 + margin) * h)
    return np.asarray(inside, dtype=np.bool_)
