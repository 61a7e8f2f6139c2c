"""The plain renderer: the world's surfaces and bodies in plain colours, for maps without pictures of their own."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from carla_bridge.sensors.caster import cast
from carla_bridge.sensors.encoding import FAR_M, encode_depth, encode_flow, encode_labels, encode_normals
from carla_bridge.sensors.rendering import CameraRequest, WorldView, focal_px
from carla_bridge.world.pose import rows

__all__ = ["PlainRenderer"]

Float64 = NDArray[np.float64]
Uint8 = NDArray[np.uint8]
Float32 = NDArray[np.float32]


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
            points = origin + ways * np.minimum(distance, FAR_M)[:, None]
            return encode_flow(request, view.world, points.reshape(*shape, 3), owner.reshape(shape))
        if request.kind == "normals":
            return encode_normals(normal.reshape(*shape, 3))
        instances = request.kind == "instance_segmentation"
        return encode_labels(label.reshape(shape), owner.reshape(shape) if instances else None)


@lru_cache(maxsize=8)
def _rays(width: int, height: int, fov_deg: float) -> tuple[Float64, Float64]:
    """Unit rays through pixel centres [height * width, 3], x ahead, y left, z up; and their lengths at x = 1."""
    focal = focal_px(width, fov_deg)
    v, u = np.mgrid[0:height, 0:width] + 0.5
    rays = np.stack([np.ones_like(u), (width / 2 - u) / focal, (height / 2 - v) / focal], axis=-1).reshape(-1, 3)
    lengths = np.linalg.norm(rays, axis=1)
    rays /= lengths[:, None]
    rays.flags.writeable = lengths.flags.writeable = False
    return rays, lengths
