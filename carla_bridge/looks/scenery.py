"""The still surface of a map: its lanes, paint and land, or the surface mesh of the scene that it came with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from avrec.mesh.mesh import Mesh
from avrec.mesh.painted import Kind, Surface
from carla_bridge.looks.classes import ASPHALT, OFF_ROAD, lane_labels, lane_look
from carla_bridge.looks.paint import paint_surfaces
from carla_bridge.looks.roads import lane_surfaces
from carla_bridge.looks.terrain import terrain
from carla_bridge.world.cells import keys_at, points_on_faces
from carla_bridge.world.furniture import parked_tracks
from carla_bridge.world.ground import CELL_M
from carla_bridge.world.labels import LABEL_OF_KIND, Label

if TYPE_CHECKING:
    from avrec.drive import Track
    from carla_bridge.world.road_map import RoadMap

__all__ = ["scenery"]

Float64 = NDArray[np.float64]
Bool = NDArray[np.bool_]

GROUND_M = 0.25
"""A scene's surface this near to the ground is ground."""
STEEPEST = 0.5
"""Least upward part of a ground face's normal."""
MARGIN_M = 0.1
STONE = (0.30, 0.29, 0.27)


def scenery(road_map: RoadMap) -> Surface:
    """Everything of a map that never moves, in the world."""
    scene = road_map.scene
    mesh = None if scene is None else scene.mesh or scene.ground
    if scene is None or mesh is None or not len(mesh.faces):
        parts = [*lane_surfaces(road_map.lanes), *paint_surfaces(road_map.graph, road_map.ground)]
        return Surface.joined([*parts, terrain(road_map.ground)])
    return Surface.joined([_of_mesh(mesh, road_map, parked_tracks(scene)), *_around(mesh, road_map)])


def _of_mesh(mesh: Mesh, road_map: RoadMap, parked: Sequence[tuple[Track, str]]) -> Surface:
    """A scene's mesh with classes: ground by the map, things that never moved by their boxes, the rest static."""
    middle = mesh.vertices[mesh.faces].mean(axis=1)
    ground = road_map.ground.at(middle[:, 0], middle[:, 1], middle[:, 2])
    flat = np.abs(mesh.face_normals[:, 2]) > STEEPEST
    low = flat & (np.abs(middle[:, 2] - ground.z) < GROUND_M)
    looks = [*(lane_look(lane) for lane in road_map.lanes), OFF_ROAD]
    labels = np.where(low, lane_labels(road_map.lanes)[ground.lane], int(Label.STATIC))
    kinds = np.where(low, np.array([int(look[2]) for look in looks])[ground.lane], int(Kind.PLAIN))
    colours = np.where(low[:, None], np.array([look[1] for look in looks])[ground.lane], STONE)
    if mesh.colours is not None:
        colours = (mesh.colours[mesh.faces].mean(axis=1) / 255.0) ** 2.2
        kinds = np.zeros_like(kinds)
    for track, kind in parked:
        labels[_inside(middle, track) & ~low] = LABEL_OF_KIND[kind]
    return Surface.of(mesh.vertices, mesh.faces, colours, labels, kinds)


def _inside(points: Float64, track: Track) -> Bool:
    pose = track.world_from_box.poses[0]
    local = (points - pose[:3, 3]) @ pose[:3, :3]
    return np.asarray((np.abs(local) <= np.asarray(track.size_m) / 2 + MARGIN_M).all(-1))


def _around(mesh: Mesh, road_map: RoadMap) -> list[Surface]:
    """The ground where a scene's mesh ends: the planes that bodies stand on, and the land beyond."""
    ground = road_map.ground
    spots, _, _ = ground.surfaces()
    bare = ~np.isin(keys_at(spots, CELL_M), keys_at(_scattered(mesh), CELL_M))
    land = terrain(ground)
    found = [land]
    if bare.any():
        planes, lanes = ground.planes[bare], ground.lane[bare]
        corners = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]]) * CELL_M
        xy = spots[bare][:, None] + corners
        z = planes[:, None, 0] + (planes[:, None, 1:] * corners).sum(-1)
        vertices = np.concatenate([xy, z[..., None]], axis=-1).reshape(-1, 3)
        first = np.arange(len(planes)) * 4
        faces = np.concatenate([np.stack([first, first + 1, first + 2], 1), np.stack([first, first + 2, first + 3], 1)])
        label = lane_labels(road_map.lanes)[lanes]
        found.append(Surface.of(vertices, faces, ASPHALT, np.tile(label, 2), Kind.ASPHALT))
    return found


def _scattered(mesh: Mesh) -> Float64:
    """Points [N, 2] on upward faces, close enough to touch every cell that a face covers well."""
    flat = np.abs(mesh.face_normals[:, 2]) > STEEPEST
    corners = mesh.vertices[mesh.faces[flat]]
    longest = (
        np.linalg.norm(np.diff(corners[:, [0, 1, 2, 0]], axis=1), axis=2).max(axis=1) if len(corners) else np.zeros(0)
    )
    side = np.clip(np.ceil(longest / (0.4 * CELL_M)), 1, 400).astype(np.int64)
    return np.concatenate([corners.reshape(-1, 3), points_on_faces(corners, side)[0]])[:, :2]
