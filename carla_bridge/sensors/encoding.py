"""What cameras see as CARLA's pixels: depth, classes and instances, normals, motion."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from carla_bridge.frames import flip_points
from carla_bridge.sensors.rendering import CameraRequest
from carla_bridge.world.motion import SPIN, VELOCITY
from carla_bridge.world.pose import rows
from carla_bridge.world.world import World

__all__ = ["FAR_M", "decode_depth", "encode_depth", "encode_flow", "encode_labels", "encode_normals"]

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
Uint8 = NDArray[np.uint8]

FAR_M = 1000.0
"""The farthest depth that CARLA's pixels can tell."""


def encode_depth(depth: Float64) -> Uint8:
    """Depth along the axis in metres as CARLA's 24 bits, float64 [H, W] to uint8 [H, W, 4] BGRA."""
    steps = np.rint(np.clip(depth / FAR_M, 0.0, 1.0) * (2**24 - 1)).astype(np.int64)
    out = np.empty((*depth.shape, 4), dtype=np.uint8)
    out[..., 2], out[..., 1], out[..., 0], out[..., 3] = steps & 255, (steps >> 8) & 255, steps >> 16, 255
    return out


def decode_depth(bgra: NDArray[np.generic]) -> Float64:
    """Depth along the axis in metres, float64 [H, W], of pixels as `encode_depth` makes them."""
    seen = np.asarray(bgra, np.int64)
    return np.asarray((seen[..., 2] + 256 * seen[..., 1] + 65536 * seen[..., 0]) / (2**24 - 1) * FAR_M)


def encode_labels(label: Int64, owner: Int64 | None = None) -> Uint8:
    """Classes [H, W], and actors for instances, as uint8 [H, W, 4] BGRA: class in red, actor in green and blue."""
    out = np.zeros((*label.shape, 4), dtype=np.uint8)
    out[..., 2], out[..., 3] = label, 255
    if owner is not None:
        out[..., 1], out[..., 0] = owner & 255, (owner >> 8) & 255
    return out


def encode_normals(normal: Float64) -> Uint8:
    """Unit normals float64 [H, W, 3] in the world, NaN for none, as uint8 [H, W, 4] BGRA in CARLA's world."""
    out = np.full((*normal.shape[:2], 4), 255, dtype=np.uint8)
    seen = flip_points(np.nan_to_num(normal))[..., ::-1]
    out[..., :3] = np.rint(np.clip(seen * 0.5 + 0.5, 0.0, 1.0) * 255)
    return out


def encode_flow(request: CameraRequest, world: World, points: Float64, owner: Int64) -> Float32:
    """Motion in a picture since the last one, as a share of its size, x right and y up.

    Args:
        request: of the picture.
        world: whose actors moved.
        points: float64 [H, W, 3] what the pixels show, in the world; changed.
        owner: int64 [H, W] actor there, 0 for the still world.

    Returns:
        float32 [H, W, 2].
    """
    for actor_id in np.unique(owner[owner > 0]).tolist():
        row, mine = world.motion[world.actors[actor_id].row], owner == actor_id
        points[mine] -= (row[VELOCITY] + np.cross(row[SPIN], points[mine] - row[:3])) * request.step_s
    before = (points - np.array(request.before.position)) @ np.array(rows(request.before))
    per_metre = request.focal_px / np.maximum(before[..., 0], 1e-3)
    grid_v, grid_u = np.mgrid[0 : request.height, 0 : request.width] + 0.5
    right = grid_u - (request.width / 2 - before[..., 1] * per_metre)
    down = grid_v - (request.height / 2 - before[..., 2] * per_metre)
    return np.stack([right / request.width * 2, -down / request.height * 2], axis=-1, dtype=np.float32)
