"""A flat painted road, photographed from a car: pictures by casting each pixel's ray onto the ground."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from avrec.drive import CameraSensor, Drive, Frame
from avrec.geometry import GLOBAL_SHUTTER, OpenCVPinholeCamera, Trajectory, transform_from

Float64 = NDArray[np.float64]

WHITE, YELLOW = (215.0, 215.0, 210.0), (205.0, 170.0, 40.0)
SIZE = (320, 176)
FOCAL = 140.0
HEIGHT_M = 1.55


class Stripe(NamedTuple):
    """Paint 0.14 m wide at an offset from the road's middle; dashes of 3 m with gaps of 3 m where broken."""

    offset: float
    broken: bool = False
    color: tuple[float, float, float] = WHITE


class PaintedRoad(NamedTuple):
    """A road through the origin along +x that bends to the left by ``radius`` (right: negative; straight: infinity).

    ``mirror`` swaps left and right of everything.
    """

    stripes: Sequence[Stripe] = ()
    radius: float = float("inf")
    mirror: bool = False

    def place(self, s: Float64, d: Float64) -> tuple[Float64, Float64, Float64]:
        """World x, y and heading at station and offset, both float64 [N]."""
        if np.isinf(self.radius):
            x, y, heading = s, d, np.zeros_like(s)
        else:
            heading = s / self.radius
            x, y = (self.radius - d) * np.sin(heading), self.radius - (self.radius - d) * np.cos(heading)
        return (x, -y, -heading) if self.mirror else (x, y, heading)

    def locate(self, x: Float64, y: Float64) -> tuple[Float64, Float64]:
        """Station and offset of world points."""
        y = -y if self.mirror else y
        if np.isinf(self.radius):
            return x, y
        side = np.sign(self.radius)
        s = self.radius * np.arctan2(side * x, side * (self.radius - y))
        return s, self.radius - side * np.hypot(x, self.radius - y)

    def color(self, x: Float64, y: Float64) -> Float64:
        """RGB [..., 3] of ground points."""
        s, d = self.locate(x, y)
        grain = 6.0 * np.sin(3.1 * s + 2.0 * np.sin(1.7 * d)) * np.sin(2.3 * d) + 4.0 * np.sin(0.7 * s)
        found = np.repeat((88.0 + grain)[..., None], 3, axis=-1)
        for stripe in self.stripes:
            on = np.abs(d - stripe.offset) < 0.07
            if stripe.broken:
                on &= np.mod(s, 6.0) < 3.0
            found[on] = stripe.color
        return found

    def drive(self, *, lane_d: float = -1.75, length: float = 26.0, step: float = 1.0, swerve: float = 0.3) -> Drive:
        """What a car with one camera records that swings a little about an offset."""
        s = np.arange(0.0, length + 1e-6, step)
        x, y, heading = self.place(s, lane_d + swerve * np.sin(s / 5.0))
        turn = heading + (-1 if self.mirror else 1) * swerve / 5.0 * np.cos(s / 5.0)
        poses = np.tile(np.eye(4), (len(s), 1, 1))
        poses[:, 0, 0] = poses[:, 1, 1] = np.cos(turn)
        poses[:, 1, 0], poses[:, 0, 1] = np.sin(turn), -np.sin(turn)
        poses[:, 0, 3], poses[:, 1, 3] = x, y
        times = (s * 100_000).astype(np.int64) + 1_000_000
        return self.recorded(Trajectory(times, poses))

    def recorded(self, ego: Trajectory) -> Drive:
        """One picture at each of the ego's poses."""
        model = OpenCVPinholeCamera(*SIZE, (FOCAL, FOCAL), (SIZE[0] / 2, SIZE[1] * 0.32))
        sensor = CameraSensor("front", model, rig_from_front(), GLOBAL_SHUTTER)
        frames = []
        for index, (time, pose) in enumerate(zip(ego.timestamps_us, ego.poses, strict=True)):
            picture = self.picture(model, pose @ sensor.rig_from_camera)
            frames.append(Frame("front", index, int(time), f"frame {index}", lambda picture=picture: picture, model))
        return Drive("painted", Path("painted"), "test", {"front": sensor}, {"front": tuple(frames)}, ego)

    def picture(self, model: OpenCVPinholeCamera, world_from_camera: Float64) -> NDArray[np.uint8]:
        """Twice as fine and averaged down, as a real lens would blur it."""
        rays, _ = model.resized(2 * SIZE[0], 2 * SIZE[1]).pixel_rays()
        rays = rays @ world_from_camera[:3, :3].T
        eye = world_from_camera[:3, 3]
        down = rays[..., 2] < -1e-3
        reach = np.where(down, -eye[2] / np.where(down, rays[..., 2], -1.0), 0.0)
        ground = eye + reach[..., None] * rays
        color = np.where((down & (reach < 60.0))[..., None], self.color(ground[..., 0], ground[..., 1]), 190.0)
        return np.asarray(cv2.resize(color.astype(np.uint8), SIZE, interpolation=cv2.INTER_AREA), np.uint8)


def rig_from_front() -> Float64:
    """A camera in the middle of the car, looking ahead."""
    ahead = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
    return transform_from(ahead, np.array([1.6, 0.0, HEIGHT_M]))
