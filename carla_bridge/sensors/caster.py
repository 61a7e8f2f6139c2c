"""Rays against the plainest picture of the world: the level ground below a point, and the actors' boxes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from carla_bridge.sensors.rendering import WorldView
from carla_bridge.world.actor import SOLID
from carla_bridge.world.pose import Pose, compose, rows

__all__ = ["cast", "ground_labels"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

LABEL_ROAD, LABEL_SIDEWALK, LABEL_TERRAIN, LABEL_SKY = 1, 2, 10, 11


def cast(
    view: WorldView, origin: Float64, directions: Float64, reach: float, ignore: frozenset[int] = frozenset()
) -> tuple[Float64, Int64, Int64, Float64]:
    """Nearest hits of rays from one point.

    Args:
        view: the world.
        origin: float64 [3].
        directions: float64 [R, 3] of unit length.
        reach: metres.
        ignore: ids of actors that are looked through.

    Returns:
        Distance [R] in metres (infinite where nothing is hit), class [R], actor id [R] (0 for none), and the surface's
        normal [R, 3].
    """
    world = view.world
    ground = world.road_map.ground
    floor = ground.height(float(origin[0]), float(origin[1]), float(origin[2]))
    count = len(directions)
    distance = np.full(count, np.inf)
    label = np.full(count, LABEL_SKY)
    owner = np.zeros(count, dtype=np.int64)
    normal = np.zeros((count, 3))
    down = (directions[:, 2] < -1e-6) if origin[2] > floor else np.zeros(count, dtype=bool)
    if down.any():
        along = (floor - origin[2]) / directions[down, 2]
        distance[down] = np.where(along <= reach, along, np.inf)
        hit = np.flatnonzero(down)[along <= reach]
        spots = origin + directions[hit] * distance[hit, None]
        label[hit] = ground_labels(view, spots)
        normal[hit] = (0.0, 0.0, 1.0)
    for actor in world.actors.values():
        if actor.kind not in SOLID or actor.id in ignore:
            continue
        x, y, z = actor.spec.half
        pose = compose(world.pose(actor), Pose(*actor.spec.box_center))
        away = np.subtract(pose.position, origin)
        radius = float(np.sqrt(x * x + y * y + z * z))
        far = float(np.linalg.norm(away))
        if far - radius > reach:
            continue
        toward = directions @ away
        near = (toward > 0.0) | (far < radius)
        near &= far * far - toward * toward <= radius * radius
        rays = np.flatnonzero(near)
        if len(rays):
            found, face = _box(origin, directions[rays], pose, np.array([x, y, z]))
            closer = (found < distance[rays]) & (found <= reach)
            kept = rays[closer]
            distance[kept], owner[kept], label[kept] = found[closer], actor.id, (actor.spec.labels or (0,))[0]
            normal[kept] = face[closer]
    return distance, label, owner, normal


def ground_labels(view: WorldView, points: Float64) -> Int64:
    """Road, sidewalk or terrain at points [N, 3]."""
    road_map = view.world.road_map
    lane = road_map.ground.lane_at(points[:, 0], points[:, 1])
    kinds = np.array(
        [LABEL_ROAD if lane.drivable else _OTHER.get(lane.kind, LABEL_ROAD) for lane in road_map.lanes]
        + [LABEL_TERRAIN]
    )
    return np.asarray(kinds[lane])


_OTHER = {"sidewalk": LABEL_SIDEWALK, "walking": LABEL_SIDEWALK, "none": LABEL_TERRAIN}


def _box(origin: Float64, directions: Float64, pose: Pose, half: Float64) -> tuple[Float64, Float64]:
    """Distance [R] to a box, infinite where it is missed, and the face's normal [R, 3] in the world (slab method)."""
    turn = np.array(rows(pose))
    start = (origin - np.array(pose.position)) @ turn
    way = directions @ turn
    with np.errstate(divide="ignore", invalid="ignore"):
        first = (-np.sign(way) * half - start) / way
        last = (np.sign(way) * half - start) / way
    flat = way == 0.0
    inside = np.abs(start) <= half
    first = np.where(flat, np.where(inside, -np.inf, np.inf), first)
    last = np.where(flat, np.where(inside, np.inf, -np.inf), last)
    axis = first.argmax(axis=1)
    enter, leave = first.max(axis=1), last.min(axis=1)
    hit = (enter <= leave) & (enter > 0.0)
    face = np.zeros_like(directions)
    index = np.arange(len(directions))
    face[index, axis] = -np.sign(way[index, axis])
    return np.where(hit, enter, np.inf), face @ turn.T
