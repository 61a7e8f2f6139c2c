"""The Gaussians of a scene as files, and where each of them lies at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avrec.gaussians import Gaussians
from avrec.geometry import apply, quaternion_from_matrix
from avrec.rendering import present_actors
from avrec.scene import Scene
from avrec.scene.foreign import export_gaussians

__all__ = ["Box", "Node", "boxes_at", "chase_view", "nodes_at", "write_clouds"]

_STATIC = "static"
_BEHIND_M = (-9.0, 0.0, 4.5)
_AHEAD_M = (15.0, 0.0, 1.0)

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Node:
    """A cloud placed in the world.

    Attributes:
        name: unique in a time step.
        file: its name.
        position: of its origin in the world, metres.
        quaternion_xyzw: turn from its frame into the world's.
    """

    name: str
    file: str
    position: Triple = (0.0, 0.0, 0.0)
    quaternion_xyzw: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 1.0)


@dataclass(frozen=True)
class Box:
    """An actor's box: centre and size (length, width, height) in metres, and angles.

    Attributes:
        track: the actor's id.
        label: its class.
        center_world: metres.
        size_m: length, width, height.
        rotation_xyz: radians a, b, c of ``Rx(a) Ry(b) Rz(c)``, the order FiftyOne reads.
    """

    track: str
    label: str
    center_world: Triple
    size_m: Triple
    rotation_xyz: Triple


def write_clouds(scene: Scene, folder: Path) -> dict[str | None, str]:
    """Write each layer as 3DGS PLY, float32 and all harmonics.

    Args:
        scene: its road lies with what does not move; actors are in the frames of their boxes.
        folder: an existing one.

    Returns:
        Name of each actor's file by track id, under None that of what does not move; without the layers that are empty.

    Raises:
        OutputError: the disk refuses.
        DataError: Gaussians that are not finite.
    """
    clouds: dict[str | None, Gaussians] = {None: scene.world_gaussians()}
    clouds.update(scene.actors.items())
    files = {track: f"{_STATIC if track is None else f'actor-{i:04d}'}.ply" for i, track in enumerate(clouds)}
    written = {track: files[track] for track, cloud in clouds.items() if len(cloud)}
    for track, name in written.items():
        export_gaussians(clouds[track], folder / name)
    return written


def nodes_at(scene: Scene, files: Mapping[str | None, str], time_us: int) -> tuple[Node, ...]:
    """Where the written clouds lie at a time; actors whose track does not cover it are left out."""
    nodes = [Node(_STATIC, files[None])] if None in files else []
    for track in present_actors(scene.tracks, time_us):
        if track in files:
            pose = scene.track(track).world_from_box.at(time_us, outside="hold")
            w, x, y, z = quaternion_from_matrix(pose[:3, :3]).tolist()
            nodes.append(Node(f"actor {track}", files[track], _triple(pose[:3, 3]), (x, y, z, w)))
    return tuple(nodes)


def boxes_at(scene: Scene, time_us: int) -> tuple[Box, ...]:
    """Boxes of the tracks that cover a time, with or without Gaussians."""
    boxes = []
    for track_id in present_actors(scene.tracks, time_us):
        track = scene.track(track_id)
        pose = track.world_from_box.at(time_us, outside="hold")
        angles = _angles_xyz(pose[:3, :3])
        boxes.append(Box(track.id, track.label, _triple(pose[:3, 3]), _triple(track.size_m), angles))
    return tuple(boxes)


def chase_view(scene: Scene, time_us: int) -> tuple[Triple, Triple]:
    """Where to look from, above and behind the car, and at what, in the world, metres."""
    world_from_rig = scene.ego.at(time_us, outside="hold")
    seen = apply(world_from_rig, np.array([_BEHIND_M, _AHEAD_M]))
    return _triple(seen[0]), _triple(seen[1])


def _angles_xyz(rotation: NDArray[np.float64]) -> Triple:
    """Radians a, b, c of ``Rx(a) Ry(b) Rz(c)``; a is 0 where b is a right angle and only their sum counts."""
    b = float(np.arcsin(np.clip(rotation[0, 2], -1.0, 1.0)))
    if abs(rotation[0, 2]) > 1 - 1e-12:
        return 0.0, b, float(np.arctan2(rotation[1, 0], rotation[1, 1]))
    a = float(np.arctan2(-rotation[1, 2], rotation[2, 2]))
    return a, b, float(np.arctan2(-rotation[0, 1], rotation[0, 0]))


def _triple(values: NDArray[np.floating]) -> Triple:
    x, y, z = (float(value) for value in values)
    return x, y, z
