"""The plain renderer: flat colours from ray casts, for worlds without pictures of their own."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from carla_bridge.sensors.caster import cast
from carla_bridge.sensors.rendering import CameraRequest, WorldView
from carla_bridge.world.pose import rows

__all__ = ["PlainRenderer", "encode_depth"]

Float64 = NDArray[np.float64]
Uint8 = NDArray[np.uint8]
Float32 = NDArray[np.float32]

FAR_M = 1000.0
_COLOURS = {1: (90, 90, 95), 2: (170, 160, 160), 10: (95, 120, 70), 11: (200, 175, 140), 12: (60, 60, 220)}
_ACTOR = (150, 90, 40)


class PlainRenderer:
    """Draws level ground, sky and the actors' boxes; the same world gives the same pixels."""

    def camera(self, view: WorldView, request: CameraRequest) -> Uint8 | Float32:
        """See `SensorRenderer`."""
        local = _rays(request.width, request.height, request.fov_deg)
        turn = np.array(rows(request.pose))
        length = np.linalg.norm(local, axis=1)
        ways = (local / length[:, None]) @ turn.T
        ignore = frozenset({request.actor})
        distance, label, owner, normal = cast(view, np.array(request.pose.position), ways, FAR_M, ignore)
        shape = (request.height, request.width)
        out = np.zeros((*shape, 4), dtype=np.uint8)
        out[..., 3] = 255
        if request.kind == "depth":
            return encode_depth((distance / length).reshape(shape))
        if request.kind == "semantic_segmentation":
            out[..., 2] = label.reshape(shape)
        elif request.kind == "instance_segmentation":
            out[..., 2], out[..., 1] = label.reshape(shape), (owner & 255).reshape(shape)
            out[..., 0] = ((owner >> 8) & 255).reshape(shape)
        elif request.kind == "normals":
            seen = normal * [1.0, -1.0, 1.0]  # in CARLA's world
            out[..., :3] = np.rint((seen[:, ::-1] * 0.5 + 0.5) * 255).reshape(*shape, 3)
        elif request.kind == "optical_flow":
            return _flow(request, distance, ways)
        else:
            table = np.array([_COLOURS.get(index, _ACTOR) for index in range(256)], dtype=np.float64)
            light = np.where(label == 11, 1.0, 0.65 + 0.35 * np.abs(normal @ [0.36, 0.48, 0.8]))
            out[..., :3] = (table[label] * light[:, None]).reshape(*shape, 3)
        return out


def encode_depth(depth: Float64) -> Uint8:
    """Depth along the axis in metres as CARLA's 24 bits, float64 [H, W] to uint8 [H, W, 4] BGRA."""
    steps = np.rint(np.clip(depth / FAR_M, 0.0, 1.0) * (2**24 - 1)).astype(np.int64)
    out = np.empty((*depth.shape, 4), dtype=np.uint8)
    out[..., 2], out[..., 1], out[..., 0], out[..., 3] = steps & 255, (steps >> 8) & 255, steps >> 16, 255
    return out


def _flow(request: CameraRequest, distance: Float64, ways: Float64) -> Float32:
    """Motion of the still world in the picture since the last one, as a share of its size, x right and y up."""
    far = np.minimum(distance, FAR_M)
    points = np.array(request.pose.position) + ways * far[:, None]
    before = (points - np.array(request.before.position)) @ np.array(rows(request.before))
    ahead = np.maximum(before[:, 0], 1e-3)
    focal = request.width / (2 * np.tan(np.radians(request.fov_deg) / 2))
    u = request.width / 2 - before[:, 1] / ahead * focal
    v = request.height / 2 - before[:, 2] / ahead * focal
    grid_v, grid_u = np.mgrid[0 : request.height, 0 : request.width] + 0.5
    out = np.empty((request.height, request.width, 2), dtype=np.float32)
    out[..., 0] = (grid_u - u.reshape(grid_u.shape)) / request.width * 2
    out[..., 1] = -(grid_v - v.reshape(grid_v.shape)) / request.height * 2
    return out


@lru_cache(maxsize=8)
def _rays(width: int, height: int, fov_deg: float) -> Float64:
    """Rays through pixel centres, x = 1, y left, z up: float64 [height * width, 3]."""
    focal = width / (2 * np.tan(np.radians(fov_deg) / 2))
    v, u = np.mgrid[0:height, 0:width] + 0.5
    rays = np.stack([np.ones_like(u), (width / 2 - u) / focal, (height / 2 - v) / focal], axis=-1).reshape(-1, 3)
    rays.flags.writeable = False
    return np.asarray(rays)
