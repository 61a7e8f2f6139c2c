"""One turn of a lidar over a scene, from depth pictures whose columns are taken when the laser points there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from avrec.drive import Track
from avrec.geometry import OpenCVPinholeCamera, Trajectory, transform_from
from avrec.raster import View
from avrec.rendering import render_view
from avrec.scene import Scene
from carla_bridge.replay.lidar_models import LidarModel

__all__ = ["Sweep", "sweep"]

Float64 = NDArray[np.float64]

FACES = 4
PIXEL_DEG = 0.25
EDGE = 0.05
"""Neighbouring depths that differ by more than this share belong to different surfaces."""


@dataclass(frozen=True)
class Sweep:
    """Returns of one turn, by laser, the highest first.

    Attributes:
        points: float64 [N, 3] in the lidar's frame (x forward, y left, z up) at the moment of each measurement.
        laser: int64 [N].
        time_us: int64 [N].
    """

    points: Float64
    laser: NDArray[np.int64]
    time_us: NDArray[np.int64]


@dataclass(frozen=True)
class _Face:
    """A quarter of the turn: a camera, how it is mounted, and which columns of the turn it sees."""

    camera: OpenCVPinholeCamera
    lidar_from_camera: Float64
    share: Float64  # [W] of the turn when a pixel's column is taken
    columns: NDArray[np.int64]
    pixel_u: Float64  # [C]
    pixel_v: Float64  # [C, lasers]
    rays: Float64  # [C, lasers, 3] in the lidar's frame
    ahead: Float64  # [C, lasers] part of a ray along the camera's axis


def sweep(
    scene: Scene,
    model: LidarModel,
    ego: Trajectory,
    rig_from_lidar: Float64,
    tracks: Sequence[Track],
    start_us: int,
    turn_us: int,
) -> Sweep:
    """One turn, clockwise seen from above, from the back (or the left edge of the opening) at ``start_us``.

    Ranges come from the depth at which half of the light is absorbed, interpolated between the pixels around the ray:
    linearly in 1 / depth, which is exact on planes, unless an edge lies between them.

    Args:
        scene: what is seen.
        model: the lidar.
        ego: world_from_rig, around the time of the turn.
        rig_from_lidar: its mount.
        tracks: the actors with Gaussians that are there, with their true paths.
        start_us: begin of the turn.
        turn_us: how long it takes.
    """
    found_points, found_lasers, found_times = [], [], []
    for face in _faces(model):
        times = start_us + face.share * turn_us
        world_from_camera = ego.at(times, outside="extrapolate") @ rig_from_lidar @ face.lidar_from_camera
        placed = [track.world_from_box.at(times, outside="extrapolate") for track in tracks]
        view = View(
            camera=face.camera,
            rotation=np.ascontiguousarray(world_from_camera[:, :3, :3]),
            origin=np.ascontiguousarray(world_from_camera[:, :3, 3]),
            axis="columns",
            bodies=np.stack(placed) if placed else np.zeros((0, len(times), 4, 4)),
        )
        shot = render_view(scene, view, next(iter(scene.cameras)), start_us, bodies=tuple(track.id for track in tracks))
        depth = _along(shot.median_depth, _pixel_lengths(face.camera), face.pixel_u, face.pixel_v) / face.ahead
        seen = (depth >= model.near_m) & (depth <= model.range_m)  # False for NaN
        column, laser = np.nonzero(seen)
        found_points.append(face.rays[seen] * depth[seen][:, None])
        found_lasers.append(laser)
        found_times.append(np.rint(start_us + (face.columns[column] + 0.5) / model.columns * turn_us).astype(np.int64))
    points, lasers, moments = np.concatenate(found_points), np.concatenate(found_lasers), np.concatenate(found_times)
    order = np.lexsort((moments, lasers))
    return Sweep(points[order], lasers[order], moments[order])


def _along(depth: NDArray[np.float32], lengths: Float64, u: Float64, v: Float64) -> Float64:
    """Depth along the camera's axis at pixels (u [C], v [C, lasers]); NaN where there is nothing."""
    nearness = (lengths / depth).astype(np.float64)  # 1 / depth along the axis
    height, width = depth.shape
    left = np.clip(np.floor(u - 0.5).astype(np.int64), 0, width - 2)[:, None]
    top = np.clip(np.floor(v - 0.5).astype(np.int64), 0, height - 2)
    right_part, low_part = np.clip(u - 0.5, 0, width - 1)[:, None] - left, np.clip(v - 0.5, 0, height - 1) - top
    corners = np.stack([nearness[top + dy, left + dx] for dy in (0, 1) for dx in (0, 1)])
    weights = np.stack(
        [
            (low_part if dy else 1 - low_part) * (right_part if dx else 1 - right_part) * np.ones_like(v)
            for dy in (0, 1)
            for dx in (0, 1)
        ]
    )
    near, far = corners.max(0), corners.min(0)  # NaN where any corner is
    with np.errstate(invalid="ignore"):
        smooth = near - far <= EDGE * near
    mixed = (corners * weights).sum(0)
    best = np.take_along_axis(corners, weights.argmax(0)[None], 0)[0]
    return np.asarray(1.0 / np.where(smooth, mixed, best))


@lru_cache(maxsize=8)
def _pixel_lengths(camera: OpenCVPinholeCamera) -> Float64:
    """Length of the ray to depth 1 through each pixel, [H, W]."""
    rays, _ = camera.pixel_rays()
    return np.asarray(1.0 / rays[..., 2])


@lru_cache(maxsize=8)
def _faces(model: LidarModel) -> tuple[_Face, ...]:
    """Pictures that together cover the turn."""
    count = FACES if model.fov_deg > 180.0 else 2 if model.fov_deg > 90.0 else 1
    opening = model.fov_deg / count
    half = np.radians(opening / 2)
    width = int(np.ceil(opening / PIXEL_DEG)) + 2
    focal = (width / 2 - 1) / np.tan(half)
    elevations = np.radians(model.elevations_deg)
    # Lines towards the corners of a face leave the level fastest.
    highest, lowest = (np.tan(edge) / np.cos(half) for edge in (elevations.max(), elevations.min()))
    top, bottom = max(highest, np.tan(elevations.max())), min(lowest, np.tan(elevations.min()))
    height = int(np.ceil((top - bottom) * focal)) + 4
    camera = OpenCVPinholeCamera(width, height, (focal, focal), (width / 2, top * focal + 2))
    # Azimuth from the start of the turn, clockwise; the front is in its middle.
    azimuth = (np.arange(model.columns) + 0.5) / model.columns * np.radians(model.fov_deg)
    faces = []
    for index in range(count):
        centre = np.radians(opening) * (index + 0.5)
        columns = np.flatnonzero((azimuth >= centre - half) & (azimuth < centre + half))
        inside = azimuth[columns] - centre
        turned = np.radians(model.fov_deg) / 2 - centre  # of the face against the front, to the left
        cos, sin = np.cos(turned), np.sin(turned)
        lidar_from_camera = transform_from(np.array([[sin, 0, cos], [-cos, 0, sin], [0, -1, 0]]), np.zeros(3))
        rise = np.tan(elevations)[None, :] / np.cos(inside)[:, None]
        pixel_u = np.tan(inside) * focal + width / 2
        pixel_v = top * focal + 2 - rise * focal
        ways = np.stack([np.broadcast_to(np.tan(inside)[:, None], rise.shape), -rise, np.ones_like(rise)], axis=-1)
        lengths = np.linalg.norm(ways, axis=-1)
        rays = (ways / lengths[..., None]) @ lidar_from_camera[:3, :3].T
        seen_at = np.arctan((np.arange(width) + 0.5 - width / 2) / focal) + centre
        share = np.clip(seen_at / np.radians(model.fov_deg), 0.0, 1.0)
        faces.append(_Face(camera, lidar_from_camera, share, columns, pixel_u, pixel_v, rays, 1.0 / lengths))
    return tuple(faces)
