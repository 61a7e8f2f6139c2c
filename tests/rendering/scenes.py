"""A tiny scene to render: a wall of coloured blobs, one moving actor, a sky that shows its direction."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from avrec.drive import CameraSensor, Drive, Frame, Track
from avrec.gaussians import SH_C0, Gaussians
from avrec.gaussians.sky import sky_directions
from avrec.geometry import (
    OpenCVPinholeCamera,
    Shutter,
    ShutterDirection,
    Trajectory,
    matrix_from_rpy,
    transform_from,
)
from avrec.scene.scene import Scene

FRONT_FROM_CAMERA = np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]])  # looks along the rig's x
START_US = 1_700_000_000_000_000


def blobs(centres: np.ndarray, colours: np.ndarray, size_m: float, opacity: float = 0.9) -> Gaussians:
    n = len(centres)
    return Gaussians.from_parts(
        centres,
        np.tile([1.0, 0, 0, 0], (n, 1)),
        np.full((n, 3), np.log(size_m)),
        np.full(n, np.log(opacity / (1 - opacity))),
        ((colours - 0.5) / SH_C0)[:, None, :],
    )


def straight_path(
    speed_mps: float = 4.0, yaw_rate_dps: float = 20.0, seconds: float = 1.0, knots: int = 11
) -> Trajectory:
    t = np.linspace(0, seconds, knots)
    rotation = matrix_from_rpy(np.zeros(knots), np.zeros(knots), np.radians(yaw_rate_dps) * t)
    position = np.stack([speed_mps * t, np.zeros(knots), np.zeros(knots)], axis=-1)
    return Trajectory(START_US + np.rint(t * 1e6).astype(np.int64), transform_from(rotation, position))


def tiny_scene(**changes: Any) -> Scene:
    random = np.random.default_rng(3)
    y, z = (grid.ravel() for grid in np.meshgrid(np.linspace(-6, 6, 16), np.linspace(-1, 5, 9)))
    wall = np.stack([np.full_like(y, 14.0), y, z], axis=-1)
    camera = OpenCVPinholeCamera(width=48, height=32, focal=(40.0, 40.0), principal_point=(24.0, 16.0))
    sensor = CameraSensor(
        name="front",
        model=camera,
        rig_from_camera=transform_from(FRONT_FROM_CAMERA, [1.0, 0.0, 1.5]),
        shutter=Shutter(ShutterDirection.TOP_TO_BOTTOM, 30_000, 2_000),
    )
    moving = Trajectory(
        np.array([START_US, START_US + 600_000]),
        transform_from(np.tile(np.eye(3), (2, 1, 1)), np.array([[9.0, -2.0, 1.0], [9.0, 2.0, 1.0]])),
    )
    times = START_US + np.arange(5, dtype=np.int64) * 200_000
    parts: dict[str, Any] = {
        "name": "tiny",
        "static": blobs(wall, random.random((len(wall), 3)), 0.45),
        "actors": {"7": blobs(np.zeros((1, 3)), np.array([[1.0, 0.0, 0.0]]), 0.5, 0.98)},
        "tracks": (Track("7", "car", np.array([1.0, 1.0, 1.0]), moving),),
        "sky": (sky_directions(8) * 0.4 + 0.5).astype(np.float32),
        "ego": straight_path(),
        "ego_recorded": straight_path(),
        "cameras": {"front": sensor},
        "cameras_recorded": {"front": sensor},
        "frames": {"front": times},
        "held_out": {"front": np.array([False, True, False, True, False])},
    }
    return Scene(**{**parts, **changes})


def drive_of(scene: Scene, pictures: dict[tuple[str, int], np.ndarray]) -> Drive:
    """A drive whose recorded frames are the given pictures, by camera and time."""
    frames: dict[str, tuple[Frame, ...]] = {}
    for camera, times in scene.frames.items():
        frames[camera] = tuple(
            Frame(
                camera,
                index,
                int(time),
                "memory",
                lambda c=camera, t=int(time): pictures[c, t],
                scene.cameras[camera].model,
            )
            for index, time in enumerate(times)
        )
    return Drive("tiny drive", Path("memory"), "memory", scene.cameras, frames, scene.ego_recorded)
