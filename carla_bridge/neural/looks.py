"""Which Gaussians stand for which actor of the embedded world."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from avrec.drive import Track
from avrec.gaussians import Gaussians, with_both_sides
from avrec.geometry import matrix_from_rpy, transform_from
from avrec.mesh.painted import Surface
from avrec.scene import Scene
from carla_bridge.looks.bodies import Key, doors_of, lamps_of, paint_of, shape_of
from carla_bridge.neural.completion import completed, looks_at, within_box
from carla_bridge.neural.shells import Shell, coloured, lit_by, shadow, shell_of
from carla_bridge.replay.fit import kind_of, track_in_role
from carla_bridge.world.actor import Actor, Kind
from carla_bridge.world.bumping import open_doors
from carla_bridge.world.pose import Pose

__all__ = ["Looks", "pose_matrix", "track_of"]

Float64 = NDArray[np.float64]

FAMILIES = {"car": "car", "truck": "car", "bus": "car", "motorcycle": "two", "bicycle": "two", "person": "person"}
"""Kinds that may stand in for one another."""
MOST_STRETCH = 2.0
MOST_UNLIKE = 1.4
"""A vehicle does not look like a recorded one that is so many times longer, wider or higher, or less."""
LEAST_SEEN = 0.4
"""Share of a recorded vehicle's surface that has to be seen for others to look like it."""
LEAST_BLOBS, LEAST_SHARE, MOST_MODELS = 300, 0.5, 6
"""Recorded actors with fewer Gaussians, also than this share of the best one's, are models for nobody."""
MOST_KEPT = 64
LAMPS_OUT_M = 0.03
"""Lamps that are lit are set on recorded bodies, which are not as even as plain ones."""


def track_of(actor: Actor) -> str | None:
    """Id of the recorded track that an actor was spawned for."""
    return track_in_role(actor.spec.attributes.get("role_name", ""))


def pose_matrix(pose: Pose) -> Float64:
    """``world_from_body`` [4, 4]."""
    return transform_from(matrix_from_rpy(pose.roll, pose.pitch, pose.yaw), np.array(pose.position))


class Looks:
    """Clouds for actors, in the frames of their boxes.

    A track's actor has the track's own. Another one has that of a recorded actor of its kind and about its size, closed
    where the recording saw nothing of it, and stretched to its box. Where there is none, it has the body that it has on
    a bare map, in its own colour.
    """

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self._tracks = {track.id: track for track in scene.tracks}
        self._models = _models(scene)
        self._whole: dict[str, tuple[Gaussians, float]] = {}
        self._shells: dict[Key, Shell] = {}
        self._made: dict[str, Gaussians] = {}

    def of(self, actor: Actor, time_s: float = 0.0) -> tuple[str, Gaussians]:
        """Name and cloud of an actor, in the frame of its box; at a time, for lamps may blink."""
        track = track_of(actor)
        if track in self.scene.actors:
            return str(track), self.scene.actors[str(track)]
        model, lamps = self._model(actor), lamps_of(actor, time_s)
        if model is not None:
            name = f"{model.id} as {actor.spec.half} {lamps}"
            return name, self._kept(name, lambda: self._stand_in(model, actor, lamps))
        name = f"{actor.spec.type_id} {actor.spec.half} {paint_of(actor.spec)} {lamps} {open_doors(actor)}"
        return name, self._kept(name, lambda: self._body(actor, lamps))

    def is_plain(self, actor: Actor) -> bool:
        """Whether an actor has the body that it has on a bare map."""
        return track_of(actor) not in self.scene.actors and self._model(actor) is None

    def _kept(self, name: str, make: Callable[[], Gaussians]) -> Gaussians:
        """Clouds are kept, but not ever more of them: clients may paint vehicles in all colours."""
        if name not in self._made:
            if len(self._made) >= MOST_KEPT:
                del self._made[next(iter(self._made))]
            self._made[name] = make()
        return self._made[name]

    def _model(self, actor: Actor) -> Track | None:
        """The recorded actor that another one looks like; who is of the same type and colour looks the same."""
        family = _family(actor)
        half = np.array(actor.spec.half)
        fits = [
            track
            for track in self._models.get(family, ())
            if family != "car" or (np.abs(np.log(2 * half / track.size_m)) <= np.log(MOST_UNLIKE)).all()
        ]
        first = crc32(f"{actor.spec.type_id} {actor.spec.attributes.get('color', '')}".encode())
        for number in range(len(fits)):
            track = fits[(first + number) % len(fits)]
            if self._completed(track, family)[1] >= LEAST_SEEN:
                return track
        return None

    def _completed(self, track: Track, family: str) -> tuple[Gaussians, float]:
        """A recorded actor as seen from all sides, and how much of it was recorded."""
        if track.id not in self._whole:
            cloud, half = self.scene.actors[track.id], np.asarray(track.size_m) / 2
            if family == "car":
                self._whole[track.id] = completed(cloud, half, looks_at(self.scene, track))
            else:
                self._whole[track.id] = within_box(with_both_sides(cloud), half), 1.0
        return self._whole[track.id]

    def _stand_in(self, model: Track, actor: Actor, lamps: int) -> Gaussians:
        """A recorded actor in another's size, with that one's lamps where they are lit, and its shadow."""
        cloud = _stretched(self._whole[model.id][0], 2 * np.array(actor.spec.half) / model.size_m)
        parts = [cloud, shadow(actor.spec.half)]
        if lamps:
            shell = self._shell(actor, shape_of(actor.spec))
            lit = shell.take(lit_by(shell, lamps))
            before = replace(lit, places=lit.places + LAMPS_OUT_M * lit.normals)
            parts.append(coloured(before, paint_of(actor.spec), lamps))
        return Gaussians.concatenate(parts)

    def _body(self, actor: Actor, lamps: int) -> Gaussians:
        """The plain body, with open doors, and its shadow."""
        shapes = [shape_of(actor.spec), *([doors_of(actor)] if open_doors(actor) else [])]
        paint = paint_of(actor.spec)
        bodies = [coloured(self._shell(actor, shape), paint, lamps) for shape in shapes]
        return Gaussians.concatenate([shadow(actor.spec.half), *bodies])

    def _shell(self, actor: Actor, shape: tuple[Key, Callable[[], Surface]]) -> Shell:
        key, make = shape
        if key not in self._shells:
            if len(self._shells) >= MOST_KEPT:
                del self._shells[next(iter(self._shells))]
            self._shells[key] = shell_of(make(), actor.spec.half[2])
        return self._shells[key]

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


def _models(scene: Scene) -> dict[str, list[Track]]:
    """Recorded actors of each family that others may look like: those with the most Gaussians, the best first."""
    found: dict[str, list[Track]] = {}
    for track in scene.tracks:
        family = FAMILIES.get(kind_of(track.label, track.size_m))
        if family is not None and len(scene.actors.get(track.id, ())) >= LEAST_BLOBS:
            found.setdefault(family, []).append(track)
    for family, tracks in found.items():
        tracks.sort(key=lambda track: (-len(scene.actors[track.id]), track.id))
        enough = LEAST_SHARE * len(scene.actors[tracks[0].id])
        found[family] = [track for track in tracks if len(scene.actors[track.id]) >= enough][:MOST_MODELS]
    return found


def _stretched(cloud: Gaussians, factors: Float64) -> Gaussians:
    """A cloud drawn to another box size; the blobs grow alike in all directions."""
    factors = np.clip(factors, 1 / MOST_STRETCH, MOST_STRETCH)
    packed = cloud.packed.copy()
    packed[:, 0:3] *= factors
    packed[:, 7:10] += np.log(factors).mean()
    return Gaussians(packed)
