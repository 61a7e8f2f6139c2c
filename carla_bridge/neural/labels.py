"""Semantic classes of what a picture of a scene shows, from tracks, map, mesh and sky."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from avrec.scene import Scene
from carla_bridge.neural.ground_classes import GroundClasses
from carla_bridge.sensors.caster import ground_labels
from carla_bridge.sensors.rendering import WorldView, solid_actors
from carla_bridge.world.furniture import parked_tracks
from carla_bridge.world.labels import LABEL_OF_KIND, Label
from carla_bridge.world.pose import Pose, compose, rows
from carla_bridge.world.road_map import RoadMap
from carla_bridge.world.world import World

__all__ = ["Labels"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
Bool = NDArray[np.bool_]

FIXTURES = (Label.POLE, Label.TRAFFIC_LIGHT, Label.TRAFFIC_SIGN)
"""Poles, traffic lights and signs of the map, as far as the scene shows something where they stand."""
GROUND_M = 0.25
"""Nearer to the ground than this is ground."""
MARGIN_M = 0.15
"""Actors' surfaces reach a little out of their boxes."""
FEET_M = 0.05
"""Less than this above an actor's lower face is the ground it stands on."""


class Labels:
    """Classes by CARLA's numbers."""

    def __init__(self, scene: Scene) -> None:
        self._path = scene.ego.poses[:, :3, 3]
        self._ground: tuple[RoadMap, GroundClasses] | None = None
        self._parked = [
            (track.world_from_box.poses[0], np.asarray(track.size_m) / 2, LABEL_OF_KIND[kind])
            for track, kind in parked_tracks(scene)
        ]

    def owners(self, world: World, points: Float64, there: Bool, ignored: Collection[int]) -> Int64:
        """Actor at each point [..., 3], 0 for none: the one in whose box it lies."""
        owner = np.zeros(there.shape, np.int64)
        for actor in solid_actors(world):
            if actor.id in ignored:
                continue
            pose = compose(world.pose(actor), Pose(*actor.spec.box_center))
            inside = _inside(points, np.array(pose.position), np.array(rows(pose)), np.array(actor.spec.half))
            owner[there & (owner == 0) & inside] = actor.id
        return owner

    def classes(self, view: WorldView, points: Float64, owner: Int64, there: Bool) -> Int64:
        """Class at each point [..., 3]; where nothing is ``there``, the sky."""
        label = np.full(owner.shape, int(Label.STATIC), np.int64)
        flat = points.reshape(-1, 3)
        ground = view.world.road_map.ground.at(flat[:, 0], flat[:, 1], flat[:, 2])
        low = (np.abs(flat[:, 2] - ground.z) < GROUND_M).reshape(owner.shape) & there
        label[low] = self.ground(view, points[low])
        for piece in view.world.road_map.furniture:
            if piece.label in FIXTURES:
                middle, half = np.array(piece.pose.position), np.array(piece.half)
                label[there & _inside(points, middle, np.array(rows(piece.pose)), half)] = piece.label
        for pose, half, kind in self._parked:
            label[_inside(points, pose[:3, 3], pose[:3, :3], half)] = kind
        for actor_id in np.unique(owner[owner > 0]).tolist():
            label[owner == actor_id] = (view.world.actors[actor_id].spec.labels or (0,))[0]
        label[~there] = Label.SKY
        return label

    def ground(self, view: WorldView, points: Float64) -> Int64:
        """Class at points [N, 3] on the ground."""
        road_map = view.world.road_map
        if self._ground is None or self._ground[0] is not road_map:
            self._ground = road_map, GroundClasses(road_map, self._path)
        return self._ground[1].at(points, ground_labels(view, points))


def _inside(points: Float64, middle: Float64, turn: Float64, half: Float64) -> Bool:
    """Whether points [..., 3] are in a box, or at its faces."""
    reach = float(np.linalg.norm(half)) + MARGIN_M
    found: Bool = np.asarray((np.abs(points - middle) <= reach).all(-1))
    local = (points[found] - middle) @ turn
    within = (np.abs(local) <= half + MARGIN_M).all(-1) & (local[:, 2] >= FEET_M - half[2])
    found[found] = within
    return found
