"""Pictures of the embedded world from a scene's Gaussians: colour, depth, classes, instances, normals, flow."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from avrec.gaussians import Gaussians
from avrec.geometry import OpenCVPinholeCamera, transform_from
from avrec.raster import SCENE_SETTINGS, Raster, View, rasterize
from avrec.raster.native.rasterizer import NativeRasterizer
from avrec.rendering.shot import sky_background
from avrec.scene import Scene
from carla_bridge.neural.fog import Fog, air_colour, fog_of, foggy, transmittance
from carla_bridge.neural.labels import Labels
from carla_bridge.neural.looks import Looks, pose_matrix
from carla_bridge.neural.rays import AGREE, read_along, surface_depth
from carla_bridge.sensors.caster import cast
from carla_bridge.sensors.encoding import FAR_M, encode_depth, encode_flow, encode_labels, encode_normals
from carla_bridge.sensors.rendering import CameraRequest, WorldView, focal_px, solid_actors
from carla_bridge.world.actor import Actor
from carla_bridge.world.labels import GROUND, Label
from carla_bridge.world.pose import Pose, rows
from carla_bridge.world.world import World

__all__ = ["SceneRenderer"]

Float64 = NDArray[np.float64]
Float32 = NDArray[np.float32]
Uint8 = NDArray[np.uint8]
Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]

KEPT_CLOUDS = 2
"""One for cameras on a car, one for those that see it; each has a copy of the scene's Gaussians."""
MESH_ALONE_M = 12.0
"""Nearer than this the surface mesh needs no second opinion; on the synthetic street it is 1 to 4 cm off there."""
SAME = 0.05
"""Depths of mesh and Gaussians that differ by less than this share are one surface; the mesh's is the better one."""
OWN_BODY_M = 1.0
"""A camera that is nearer to the box of what it is mounted on does not see it; cameras that follow a car are not."""
_MOUNT_FROM_OPTICAL = transform_from(np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]]), np.zeros(3))


@dataclass(frozen=True)
class _Hits:
    """What a picture's rays meet, [H, W]: distance (infinite for the sky) and normal."""

    distance: Float64
    normal: Float64
    rays: Float64  # [H, W, 3] unit, in the world
    along: Float64  # [H, W] part of each ray along the camera's axis


class SceneRenderer:
    """Draws a scene with the world's actors in it; see `carla_bridge.sensors.rendering.SensorRenderer`.

    An actor that a replay spawned for a track looks like the track, others as `Looks` has it. A camera sees what it is
    mounted on only from further off. A camera whose ``role_name`` is the name of one of the scene's cameras takes that
    one's colours, any other the first one's.

    Args:
        scene: the scene whose map the world drives on.
    """

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.looks = Looks(scene)
        self.labels = Labels(scene)
        self._still = scene.world_gaussians()
        self._sky = None if scene.sky is None else np.ascontiguousarray(scene.sky)
        self._air = air_colour(scene.sky).astype(np.float32)
        self._kernel = NativeRasterizer()
        self._joined: dict[tuple[str, ...], tuple[Gaussians, Int32]] = {}

    def camera(self, view: WorldView, request: CameraRequest) -> Uint8 | Float32:
        """See `SensorRenderer`."""
        ignored = _looked_through(view.world, request)
        drawn = self._actors(view.world, ignored)
        shot = self._view(request, view.world, drawn)
        cloud, body = self._cloud(drawn)
        fog = fog_of(view.weather) if request.kind == "rgb" else None
        if request.kind == "rgb" and fog is None:
            return _bgra(self._coloured(self._colours(cloud, body if drawn else None, shot), request))
        raster = rasterize(
            cloud,
            shot,
            body=body if drawn else None,
            background=sky_background(self.scene, shot),
            settings=SCENE_SETTINGS,
            normals=request.kind == "normals",
        )
        if fog is not None:
            return _bgra(self._through(fog, self._coloured(raster.rgb, request), raster, view, shot, request))
        plain = frozenset(actor.id for actor, _, _ in drawn if self.looks.is_plain(actor))
        hits = _hits(view, shot, raster, plain, mesh=self.scene.mesh is not None)
        if request.kind == "depth":
            return encode_depth(np.minimum(hits.distance * hits.along, FAR_M))
        points = shot.origin[0] + hits.rays * np.where(np.isfinite(hits.distance), hits.distance, FAR_M)[..., None]
        if request.kind == "normals":
            return encode_normals(hits.normal)
        owner = self.labels.owners(view.world, points, np.isfinite(hits.distance), ignored)
        if request.kind == "optical_flow":
            return encode_flow(request, view.world, points, owner)
        label = self.labels.classes(view, points, owner, np.isfinite(hits.distance))
        return encode_labels(label, owner if request.kind == "instance_segmentation" else None)

    def _colours(self, cloud: Gaussians, body: Int32 | None, shot: View) -> Float32:
        """The rgb of `rasterize`, without the depth that costs a tenth more."""
        self._kernel.project(cloud.packed, shot, body=body, settings=SCENE_SETTINGS)
        sky = None if self._sky is None else self._kernel.sky(self._sky)
        return self._kernel.forward(sky)["rgb"]

    def cast(
        self, view: WorldView, pose: Pose, ways: Float64, reach: float, ignore: frozenset[int]
    ) -> tuple[Float64, Int64, Int64, Float64]:
        """What rays meet; see `carla_bridge.sensors.rack.SensorRack.cast`.

        Actors and the surface mesh are met as `carla_bridge.sensors.caster.cast` has them. The mesh has the lidar's
        accuracy near the recorded path and ends some way off it, so further away it counts only where the Gaussians
        agree; where they do not, or there is no mesh, the surface is where the Gaussians are.
        """
        turn, origin = np.array(rows(pose)), np.array(pose.position)
        world_ways = ways @ turn.T
        distance, label, owner, normal = cast(view, origin, world_ways, reach, ignore)
        open_ = np.flatnonzero(~(distance < (0.0 if self.scene.mesh is None else MESH_ALONE_M)))
        far, facing = read_along(self._depth_of_the_still_world, origin, turn, ways[open_])
        before, actor = distance[open_], owner[open_] > 0
        with np.errstate(invalid="ignore"):
            other = np.where(actor, far < before * (1 - AGREE), ~(np.abs(far - before) < AGREE * far))
        other &= np.isfinite(far)
        taken = open_[other]
        distance[taken], owner[taken], normal[taken] = far[other], 0, facing[other]
        points = origin + world_ways[taken] * far[other, None]
        label[taken] = self.labels.classes(view, points, owner[taken], np.ones(len(taken), np.bool_))
        low = np.isfinite(distance) & (owner == 0) & np.isin(label, GROUND)
        low[taken] = False
        label[low] = self.labels.ground(view, origin + world_ways[low] * distance[low, None])
        lost = ~(distance <= reach)
        distance[lost], label[lost], owner[lost] = np.inf, Label.SKY, 0
        return distance, label, owner, normal

    def _depth_of_the_still_world(self, shot: View) -> Raster:
        return rasterize(self._still, shot, background=np.zeros(3, np.float32), settings=SCENE_SETTINGS, normals=True)

    def _actors(self, world: World, ignored: set[int]) -> list[tuple[Actor, str, Gaussians]]:
        """Actors that are drawn, and how they look."""
        return [
            (actor, *self.looks.of(actor, world.time_s))
            for actor in solid_actors(world)
            if actor.id not in ignored and not self.looks.is_part_of_the_still_world(actor, world.pose(actor))
        ]

    def _cloud(self, drawn: list[tuple[Actor, str, Gaussians]]) -> tuple[Gaussians, Int32]:
        """All Gaussians, and the body of each; kept, for picture after picture shows the same actors."""
        names = tuple(name for _, name, _ in drawn)
        if names not in self._joined:
            clouds = [self._still, *(cloud for _, _, cloud in drawn)]
            body = np.repeat(np.arange(len(clouds), dtype=np.int32), [len(cloud) for cloud in clouds])
            for oldest in list(self._joined)[: 1 - KEPT_CLOUDS]:
                del self._joined[oldest]
            self._joined[names] = Gaussians.concatenate(clouds) if drawn else self._still, body
        return self._joined[names]

    def _view(self, request: CameraRequest, world: World, drawn: list[tuple[Actor, str, Gaussians]]) -> View:
        world_from_camera = pose_matrix(request.pose) @ _MOUNT_FROM_OPTICAL
        placed = [self.looks.box_pose(actor, world.pose(actor))[None] for actor, _, _ in drawn]
        return View(
            camera=_camera(request.width, request.height, request.fov_deg),
            rotation=np.ascontiguousarray(world_from_camera[None, :3, :3]),
            origin=np.ascontiguousarray(world_from_camera[None, :3, 3]),
            axis="none",
            bodies=np.stack(placed) if placed else np.zeros((0, 1, 4, 4)),
        )

    def _through(
        self, fog: Fog, rgb: Float32, raster: Raster, view: WorldView, shot: View, request: CameraRequest
    ) -> Float32:
        """A picture as it is seen through fog."""
        local, _ = shot.camera.pixel_rays()
        x, y, z = request.pose.position
        ground = view.world.road_map.ground.at(*(np.array([each]) for each in (x, y, z)))
        up, height = local @ shot.rotation[0, 2], z - float(ground.z[0])
        met = np.nan_to_num(raster.depth.astype(np.float64), nan=FAR_M)  # smooth at edges, which let some sky through
        sky = transmittance(fog, np.full(met.shape, FAR_M), up, height)
        kept = sky + raster.alpha * (transmittance(fog, met, up, height) - sky)
        return foggy(rgb, kept, self._coloured(self._air, request).astype(np.float64))

    def _coloured(self, rgb: Float32, request: CameraRequest) -> Float32:
        role = request.attributes.get("role_name", "")
        name = role if role in self.scene.cameras else next(iter(self.scene.cameras), "")
        affine = self.scene.appearance.get(name)
        if affine is None:
            return rgb
        return np.asarray(rgb @ affine[:, :3].T.astype(np.float32) + affine[:, 3].astype(np.float32))


def _hits(view: WorldView, shot: View, raster: Raster, plain: frozenset[int], *, mesh: bool) -> _Hits:
    """What the pixels show: Gaussians, sharpened by the mesh and by plain bodies where both tell of one surface."""
    local, _ = shot.camera.pixel_rays()
    rays = local @ shot.rotation[0].T
    distance = surface_depth(raster)
    normal = np.zeros(rays.shape) if raster.normal is None else raster.normal.astype(np.float64)
    if mesh or plain:
        others = frozenset(view.world.actors) - plain
        width = distance.shape[1]
        far, _, owner, facing = cast(view, shot.origin[0], rays.reshape(-1, 3), FAR_M, others, width=width)
        far, owner = far.reshape(distance.shape), owner.reshape(distance.shape)
        allowed = np.where(owner > 0, AGREE, SAME if mesh else 0.0)
        with np.errstate(invalid="ignore"):
            same = np.abs(far - distance) < allowed * distance  # False for the sky
        distance = np.where(same, far, distance)
        normal = np.where(same[..., None], facing.reshape(normal.shape), normal)
    return _Hits(distance, normal, rays, local[..., 2])


def _looked_through(world: World, request: CameraRequest) -> set[int]:
    """The camera, and what it is mounted on where that is so near that Gaussians would only be a blur before it."""
    found = {request.actor}
    actor = world.actors.get(request.actor)
    while actor is not None and actor.parent in world.actors:
        actor = world.actors[actor.parent]
        local = (np.array(request.pose.position) - world.pose(actor).position) @ np.array(rows(world.pose(actor)))
        outside = np.maximum(np.abs(local - actor.spec.box_center) - actor.spec.half, 0.0)
        if float(outside @ outside) < OWN_BODY_M**2:
            found.add(actor.id)
    return found


@lru_cache(maxsize=16)
def _camera(width: int, height: int, fov_deg: float) -> OpenCVPinholeCamera:
    # The same object for every picture, so that its rays are computed once.
    focal = focal_px(width, fov_deg)
    return OpenCVPinholeCamera(width, height, (focal, focal), (width / 2, height / 2))


def _bgra(rgb: NDArray[np.floating]) -> Uint8:
    out = np.full((*rgb.shape[:2], 4), 255, np.uint8)
    out[..., :3] = np.rint(np.clip(rgb[..., ::-1], 0.0, 1.0) * 255.0)
    return out
