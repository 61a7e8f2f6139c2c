"""The plain renderer: the world's surfaces and bodies in plain colours, for maps without pictures of their own."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from carla_bridge.sensors.caster import cast
from carla_bridge.sensors.rendering import CameraRequest, WorldView
from carla_bridge.world.motion import SPIN, VELOCITY
from carla_bridge.world.pose import rows
from carla_bridge.world.world import World

__all__ = ["PlainRenderer", "encode_depth"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
Uint8 = NDArray[np.uint8]
Float32 = NDArray[np.float32]

FAR_M = 1000.0


class PlainRenderer:
    """Draws roads, land, sky and the actors' shapes; the same world gives the same pixels."""

    def camera(self, view: WorldView, request: CameraRequest) -> Uint8 | Float32:
        """See `SensorRenderer`."""
        local, lengths = _rays(request.width, request.height, request.fov_deg)
        ways = local @ np.array(rows(request.pose)).T
        origin = np.array(request.pose.position)
        ignore = frozenset({request.actor})
        shape = (request.height, request.width)
        if request.kind == "rgb":
            return view.world.road_map.stage.picture(view.world, view.weather, origin, ways.reshape(*shape, 3), ignore)
        distance, label, owner, normal = cast(view, origin, ways, FAR_M, ignore, width=request.width)
        if request.kind == "depth":
            return encode_depth((distance / lengths).reshape(shape))
        if request.kind == "optical_flow":
            return _flow(request, view.world, distance, ways, owner)
        out = np.zeros((*shape, 4), dtype=np.uint8)
        out[..., 3] = 255
        if request.kind == "normals":
            seen = normal * [1.0, -1.0, 1.0]  # in CARLA's world
            out[..., :3] = np.rint((seen[:, ::-1] * 0.5 + 0.5) * 255).reshape(*shape, 3)
            return out
        out[..., 2] = label.reshape(shape)
        if request.kind == "instance_segmentation":
            out[..., 1], out[..., 0] = (owner & 255).reshape(shape), ((owner >> 8) & 255).reshape(shape)
        return out


def encode_depth(depth: Float64) -> Uint8:
    """Depth along the axis in metres as CARLA's 24 bits, float64 [H, W] to uint8 [H, W, 4] BGRA."""
    steps = np.rint(np.clip(depth / FAR_M, 0.0, 1.0) * (2**24 - 1)).astype(np.int64)
    out = np.empty((*depth.shape, 4), dtype=np.uint8)
    out[..., 2], out[..., 1], out[..., 0], out[..., 3] = steps & 255, (steps >> 8) & 255, steps >> 16, 255
    return out


def _flow(request: CameraRequest, world: World, distance: Float64, ways: Float64, owner: Int64) -> Float32:
    """Motion in the picture since the last one, as a share of its size, x right and y up: float32 [H, W, 2]."""
    points = np.array(request.pose.position) + ways * np.minimum(distance, FAR_M)[:, None]
    for actor_id in np.unique(owner[owner > 0]).tolist():
        row = world.motion[world.actors[actor_id].row]
        mine = owner == actor_id
        points[mine] -= (row[VELOCITY] + np.cross(row[SPIN], points[mine] - row[:3])) * request.step_s
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
def _rays(width: int, height: int, fov_deg: float) -> tuple[Float64, Float64]:
    """Unit rays through pixel centres [height * width, 3], x ahead, y left, z up; and their lengths at x = 1."""
    focal = width / (2 * np.tan(np.radians(fov_deg) / 2))
    v, u = np.mgrid[0:height, 0:width] + 0.5
    rays = np.stack([np.ones_like(u), (width / 2 - u) / focal, (height / 2 - v) / focal], axis=-1).reshape(-1, 3)
    lengths = np.linalg.norm(rays, axis=1)
    rays /= lengths[:, None]
    rays.flags.writeable = lengths.flags.writeable = False
    return rays, lengths
