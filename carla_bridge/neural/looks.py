"""Which Gaussians stand for which actor of the embedded world."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from avrec.drive import Track
from avrec.gaussians import Gaussians, with_both_sides
from avrec.geometry import matrix_from_rpy, transform_from
from avrec.scene import Scene
from carla_bridge.replay.fit import kind_of, track_in_role
from carla_bridge.world.actor import Actor, Kind
from carla_bridge.world.pose import Pose

__all__ = ["Looks", "pose_matrix", "track_of"]

Float64 = NDArray[np.float64]

FAMILIES = {"car": "car", "truck": "car", "bus": "car", "motorcycle": "two", "bicycle": "two", "person": "person"}
"""Kinds that may stand in for one another."""
MOST_STRETCH = 2.0


def track_of(actor: Actor) -> str | None:
    """Id of the recorded track that an actor was spawned for."""
    return track_in_role(actor.spec.attributes.get("role_name", ""))


def pose_matrix(pose: Pose) -> Float64:
    """``world_from_body`` [4, 4]."""
    return transform_from(matrix_from_rpy(pose.roll, pose.pitch, pose.yaw), np.array(pose.position))


class Looks:
    """Clouds for actors: the track's own, or that of a recorded actor of the same kind, stretched to its box."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self._tracks = {track.id: track for track in scene.tracks}
        self._stand_ins = _best_of_each_family(scene)
        self._stretched: dict[tuple[str, tuple[float, ...]], tuple[str, Gaussians]] = {}

    def of(self, actor: Actor) -> tuple[str, Gaussians] | None:
        """Name and cloud of an actor, in the frame of its box; None where the scene has nothing like it."""
        track = track_of(actor)
        if track in self.scene.actors:
            return str(track), self.scene.actors[str(track)]
        family = _family(actor)
        if family not in self._stand_ins:
            return None
        key = (family, actor.spec.half)
        if key not in self._stretched:
            model = self._stand_ins[family]
            cloud = with_both_sides(self.scene.actors[model.id])
            cloud = _stretched(cloud, 2 * np.array(actor.spec.half) / model.size_m)
            self._stretched[key] = (f"{family} {actor.spec.half}", cloud)
        return self._stretched[key]

    def is_part_of_the_still_world(self, actor: Actor, pose: Pose) -> bool:
        """Whether an actor stands where its track stood all along, in the pictures that the scene was made from."""
        track = self._tracks.get(track_of(actor) or "")
        if track is None or track.moving or track.id in self.scene.actors:
            return False
        away = np.array(pose.position[:2]) - track.world_from_box.poses[0, :2, 3]
        return bool(np.hypot(*away) < 1.0)

    def box_pose(self, actor: Actor, pose: Pose) -> Float64:
        """world_from_box of an actor, the box being its track's where it has one: both stand on the same ground."""
        _, _, half_z = actor.spec.half
        x, y, z = actor.spec.box_center
        track = self._tracks.get(track_of(actor) or "")
        up = z if track is None or track.id not in self.scene.actors else z - half_z + float(track.size_m[2]) / 2
        return pose_matrix(pose) @ transform_from(np.eye(3), np.array([x, y, up]))


def _family(actor: Actor) -> str:
    if actor.kind is Kind.WALKER:
        return "person"
    if actor.kind is not Kind.VEHICLE:
        return ""
    return "two" if actor.spec.attributes.get("number_of_wheels", "4") == "2" else "car"


def _best_of_each_family(scene: Scene) -> dict[str, Track]:
    """The actor with the most Gaussians of each family."""
    found: dict[str, Track] = {}
    for track in scene.tracks:
        family = FAMILIES.get(kind_of(track.label, track.size_m))
        if family is None or track.id not in scene.actors:
            continue
        if family not in found or len(scene.actors[track.id]) > len(scene.actors[found[family].id]):
            found[family] = track
    return found


def _stretched(cloud: Gaussians, factors: Float64) -> Gaussians:
    """A cloud drawn to another box size; the blobs grow alike in all directions."""
    factors = np.clip(factors, 1 / MOST_STRETCH, MOST_STRETCH)
    packed = cloud.packed.copy()
    packed[:, 0:3] *= factors
    packed[:, 7:10] += np.log(factors).mean()
    return Gaussians(packed)
