"""The exact record of a scene as JSON: everything but the tensors; every float64 reads back equal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from avrec.drive import CameraSensor, RigBox, Track
from avrec.geometry import Anchor, Trajectory
from avrec.mesh.mesh import Mesh
from avrec.scene.scene import Scene

__all__ = [
    "FORMAT",
    "MESH_ARRAYS",
    "ArrayNames",
    "array_names",
    "encode_scene",
]

FORMAT = 1
"""Version of the record."""


@dataclass(frozen=True)
class ArrayNames:
    """Members that hold the tensors of a scene. Actor members are numbered, since an id may hold any character.

    A mesh has one member for each of its arrays, by the array's name.
    """

    static: str
    actors: Mapping[str, str]
    sky: str | None
    road: str | None = None
    mesh: Mapping[str, str] | None = None
    ground: Mapping[str, str] | None = None
    map_xodr: str | None = None


MESH_ARRAYS = {"vertices": "float64", "faces": "int32", "colours": "uint8", "normals": "float64"}
"""The arrays of a mesh and their types; the last two may be missing."""


def array_names(scene: Scene) -> ArrayNames:
    """The members a scene's tensors are saved under."""
    actors = {key: f"avrec/actors/{number:05d}.npy" for number, key in enumerate(scene.actors)}
    return ArrayNames(
        static="avrec/static.npy",
        actors=actors,
        sky=None if scene.sky is None else "avrec/sky.npy",
        road=None if scene.road is None else "avrec/road.npy",
        mesh=_mesh_names("mesh", scene.mesh),
        ground=_mesh_names("ground", scene.ground),
        map_xodr=None if scene.map_xodr is None else "map.xodr",
    )


def _mesh_names(layer: str, mesh: Mesh | None) -> dict[str, str] | None:
    if mesh is None:
        return None
    return {array: f"avrec/{layer}/{array}.npy" for array in MESH_ARRAYS if getattr(mesh, array) is not None}


def encode_scene(scene: Scene, names: ArrayNames) -> dict[str, Any]:
    """Everything but the tensors, as JSON values."""
    return {
        "format": FORMAT,
        "name": scene.name,
        "static": names.static,
        "actors": dict(names.actors),
        "sky": names.sky,
        "road": names.road,
        "mesh": None if names.mesh is None else dict(names.mesh),
        "ground": None if names.ground is None else dict(names.ground),
        "map_xodr": names.map_xodr,
        "anchor": None if scene.anchor is None else _anchor(scene.anchor),
        "rig_box": None if scene.rig_box is None else _box(scene.rig_box),
        "cameras": {name: _camera(sensor) for name, sensor in scene.cameras.items()},
        "cameras_recorded": {name: _camera(sensor) for name, sensor in scene.cameras_recorded.items()},
        "appearance": {name: matrix.tolist() for name, matrix in scene.appearance.items()},
        "frames": {name: times.tolist() for name, times in scene.frames.items()},
        "held_out": {name: mask.tolist() for name, mask in scene.held_out.items()},
        "ego": _trajectory(scene.ego),
        "ego_recorded": _trajectory(scene.ego_recorded),
        "tracks": [_track(track) for track in scene.tracks],
        "source": dict(scene.source),
    }


def _anchor(anchor: Anchor) -> dict[str, float]:
    return {
        "latitude_deg": anchor.latitude_deg,
        "longitude_deg": anchor.longitude_deg,
        "altitude_m": anchor.altitude_m,
    }


def _box(box: RigBox) -> dict[str, list[float]]:
    return {"center_m": [float(value) for value in box.center_m], "size_m": [float(value) for value in box.size_m]}


def _trajectory(trajectory: Trajectory) -> dict[str, Any]:
    return {
        "timestamps_us": trajectory.timestamps_us.tolist(),
        "poses": trajectory.poses.reshape(-1, 16).tolist(),
    }


def _track(track: Track) -> dict[str, Any]:
    return {
        "id": track.id,
        "label": track.label,
        "size_m": np.asarray(track.size_m, np.float64).tolist(),
        "world_from_box": _trajectory(track.world_from_box),
    }


def _camera(sensor: CameraSensor) -> dict[str, Any]:
    shutter = sensor.shutter
    times = {"readout_us": shutter.readout_us, "exposure_us": shutter.exposure_us}
    return {
        "model": sensor.model.to_dict(),
        "rig_from_camera": np.asarray(sensor.rig_from_camera, np.float64).tolist(),
        "shutter": {"direction": str(shutter.direction), **times},
        "shutter_known": bool(sensor.shutter_known),
    }
