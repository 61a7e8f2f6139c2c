"""What a scene file holds, told without reading its tensors. Takes packages by others too.

Only of a package without a NuRec volume the stage is opened, in a child process, to count its particle fields.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from avrec.errors import DataError
from avrec.geometry import ecef_from_world
from avrec.scene.foreign.front_door import import_gaussians
from avrec.scene.importing.members import is_package
from avrec.scene.importing.placement import anchor_at
from avrec.scene.manifest import FORMAT
from avrec.scene.rig_json import PLACEHOLDER_ANCHOR
from avrec.scene.tracks_json import CHUNK
from avrec.scene.validate.archive import Archive
from avrec.scene.validate.georeference import geo_reference_in
from avrec.scene.validate.nurec_checks import layer_counts, volume_state
from avrec.scene.validate.record_checks import parse_yaml
from avrec.scene.validate.values import entry, floats, is_rotation, parse_json, times

__all__ = ["scene_info"]

_MAX_JSON = 256 << 20
_MAX_YAML = 256 << 10
_MAX_MAP = 192 << 20
_MAX_VOLUME = 600 << 20
_MOST = 2000
_SKY = "avrec/sky.npy"
_NPY_HEAD = 128


def scene_info(path: str | Path) -> dict[str, Any]:
    """Contents, sizes, layers, time span, cameras, actors, map and provenance, as values that JSON can hold.

    What a package does not say, or says in a way that cannot be read, is None or left out.

    Raises:
        DataError: there is no such file, or it is no archive.
    """
    path = Path(path)
    if not path.is_file():
        why = "it is not an ordinary file" if path.exists() else "there is no such file"
        raise DataError(f"Cannot read {path}: {why}; check the path.")
    if not is_package(path):
        raise DataError(f"{path} is no scene file (a USDZ package); make one of Gaussians with avrec scene import.")
    with Archive(path) as archive:
        rig = _json(archive, "rig_trajectories.json")
        manifest = _json(archive, "manifest.json")
        ours = manifest if entry(manifest, "format") == FORMAT else None
        record = _json(archive, "avrec/scene.json") if ours is not None else None
        trajectories = entry(rig, "rig_trajectories")
        ego = trajectories[0] if isinstance(trajectories, list) and trajectories else None
        volumes = {} if ours is not None else _volumes(archive)
        return {
            "path": str(path),
            "bytes": archive.total,
            "written_by": "avrec" if ours is not None else "another tool",
            "scene_id": _scene_id(archive, ego),
            "members": [{"name": member.name, "bytes": member.size} for member in archive.entries[:_MOST]],
            "layers": _layers(archive, ours, volumes),
            "sky": _sky(archive, volumes),
            "span_us": (span := _span(entry(ego, "T_rig_world_timestamps_us"))),
            "seconds": None if span is None else (span[1] - span[0]) / 1e6,
            "cameras": _cameras(rig, ego, ours, record),
            "car": _car(ego, ours),
            "actors": _actors(_json(archive, "sequence_tracks.json"), ours),
            "map": _map(archive),
            "meshes": _meshes(archive, ours),
            "meshing": _meshing(ours),
            "georeference": _own_place(ours) or _place(rig),
            "provenance": _provenance(archive, ours),
        }


def _json(archive: Archive, name: str) -> Any:
    try:
        return parse_json(archive.read(name, limit=_MAX_JSON))
    except DataError:
        return None


def _metadata(archive: Archive) -> Any:
    try:
        return parse_yaml(archive.read("metadata.yaml", limit=_MAX_YAML))
    except DataError:
        return None


def _scene_id(archive: Archive, ego: Any) -> str | None:
    for found in (
        entry(_metadata(archive), "scene_id"),
        entry(_json(archive, "data_info.json"), "sequence_id"),
        entry(ego, "sequence_id"),
    ):
        if isinstance(found, str):
            return found
    return None


def _volumes(archive: Archive) -> dict[str, dict[str, Any] | None]:
    """What each volume of a foreign package holds: Gaussians by layer, and the side of its sky."""
    found: dict[str, dict[str, Any] | None] = {}
    for name in [name for name in archive.members if name.endswith(".nurec")][:16]:
        try:
            state = volume_state(archive.read(name, limit=_MAX_VOLUME), name)
        except DataError:
            found[name] = None
            continue
        shape = state.get(".background.textures.shape")
        side = shape[-2] if isinstance(shape, list) and len(shape) >= 4 and type(shape[-2]) is int else None
        found[name] = {"layers": layer_counts(state), "sky": side}
    return found


def _layers(archive: Archive, manifest: Any, volumes: Mapping[str, dict[str, Any] | None]) -> dict[str, Any]:
    """Gaussians by layer; of foreign packages those of the volumes."""
    counts = entry(manifest, "gaussians")
    if isinstance(counts, dict):
        actors = entry(counts, "actors")
        numbers = [count for count in actors.values() if type(count) is int] if isinstance(actors, dict) else []
        return {
            "static": counts.get("static"),
            "road": counts.get("road"),
            "actors": {"count": sum(number > 0 for number in numbers), "gaussians": sum(numbers)},
            "sky": _SKY in archive.members,
            "sh_degree": counts.get("sh_degree"),
        }
    if not volumes:
        try:
            cloud = import_gaussians(archive.path)
            return {"stage": {cloud.format: len(cloud.gaussians)}}
        except DataError:
            return {}
    return {name: None if volume is None else volume["layers"] for name, volume in volumes.items()}


def _sky(archive: Archive, volumes: Mapping[str, dict[str, Any] | None]) -> dict[str, Any] | None:
    """The cubemap's side in pixels; avrec's own follows from its size, six faces of three floats a pixel."""
    if _SKY in archive.members:
        return {"side_px": math.isqrt(max(archive.members[_SKY].size - _NPY_HEAD, 0) // 72)}
    sides = [volume["sky"] for volume in volumes.values() if volume is not None and volume["sky"] is not None]
    return {"side_px": sides[0]} if sides else None


def _span(value: Any) -> list[int] | None:
    knots = times(value, (None,))
    return None if isinstance(knots, str) or not len(knots) else [int(knots.min()), int(knots.max())]


def _cameras(rig: Any, ego: Any, manifest: Any, record: Any) -> dict[str, Any]:
    """Cameras of the rig; ``exact`` is the model that avrec itself keeps, of which the rig holds an f-theta copy."""
    calibrations = entry(rig, "camera_calibrations")
    cameras = {}
    for key, calibration in list(calibrations.items())[:_MOST] if isinstance(calibrations, dict) else ():
        frames = entry(ego, "cameras_frame_timestamps_us", key)
        name = entry(calibration, "logical_sensor_name")
        own = entry(record, "cameras", name) if isinstance(name, str) else None
        held_out = entry(record, "held_out", name) if isinstance(name, str) else None
        cameras[key] = {
            "model": entry(calibration, "camera_model", "type"),
            "resolution": entry(calibration, "camera_model", "parameters", "resolution"),
            "shutter": entry(calibration, "camera_model", "parameters", "shutter_type"),
            "shutter_known": entry(own, "shutter_known"),
            "readout_us": entry(own, "shutter", "readout_us") if own is not None else _lasting_us(frames),
            "frames": len(frames) if isinstance(frames, list) else 0,
            "held_out": sum(flag is True for flag in held_out) if isinstance(held_out, list) else None,
            "exact": entry(own, "model", "model"),
            "ftheta_residual_px": _residual_px(manifest, name),
        }
    own_cameras = entry(record, "cameras")
    for name in own_cameras if isinstance(own_cameras, dict) else ():  # a lens that no f-theta camera comes near
        if not any(key.split("@")[0] == name for key in cameras):
            model = entry(record, "cameras", name, "model")
            size = [entry(model, "width"), entry(model, "height")]
            frames = entry(record, "frames", name)
            count = len(frames) if isinstance(frames, list) else 0
            cameras[name] = {"model": None, "resolution": size, "frames": count, "exact": entry(model, "model")}
    return cameras


def _residual_px(manifest: Any, name: Any) -> float | None:
    found = floats([entry(manifest, "cameras", name, "ftheta_max_px") if isinstance(name, str) else None], (1,))
    return None if isinstance(found, str) else float(found[0])


def _lasting_us(frames: Any) -> int | None:
    intervals = times(frames, (None, 2))
    if isinstance(intervals, str) or not len(intervals):
        return None
    return int(np.median(intervals[:, 1].astype(np.float64) - intervals[:, 0]))


def _actors(document: Any, manifest: Any) -> dict[str, Any]:
    """How many of each label, and each actor's label, seconds, and Gaussians where known."""
    chunk = document.get(CHUNK, next(iter(document.values()), None)) if isinstance(document, dict) else None
    data = entry(chunk, "tracks_data")
    columns = [entry(data, key) for key in ("tracks_id", "tracks_label_class", "tracks_timestamps_us")]
    if not all(isinstance(column, list) for column in columns):
        return {"count": 0, "labels": {}, "tracks": []}
    gaussians = entry(manifest, "gaussians", "actors")
    tracks = []
    for name, label, stamps in zip(*columns, strict=False):
        span = _span(stamps)
        row = {"id": str(name)[:100], "label": str(label)[:100]}
        seconds = None if span is None else (span[1] - span[0]) / 1e6
        count = gaussians.get(name) if isinstance(gaussians, dict) and isinstance(name, str) else None
        tracks.append({**row, "seconds": seconds, "gaussians": count})
    return {
        "count": len(tracks),
        "labels": dict(Counter(str(track["label"]) for track in tracks)),
        "tracks": tracks[:_MOST],
    }


def _map(archive: Archive) -> dict[str, Any] | None:
    """Roads, lanes and their length; where the roads cannot be read, what is wrong with them."""
    from avrec.maps.read_opendrive import read_opendrive

    try:
        data = archive.read("map.xodr", limit=_MAX_MAP)
    except DataError:
        return None
    found: dict[str, Any] = {
        "bytes": len(data),
        "roads": data.count(b"<road "),
        "geoReference": geo_reference_in(data),
    }
    try:
        lanes = [lane for lane in read_opendrive(data).lanes.values() if lane.drivable]
    except DataError as reason:
        return {**found, "damaged": str(reason)[:300]}
    length = sum(float(np.linalg.norm(np.diff(lane.center, axis=0), axis=1).sum()) for lane in lanes)
    guessed = [lane.confidence for lane in lanes if lane.inferred]
    return {
        **found,
        "driving_lanes": len(lanes),
        "driving_lanes_m": round(length, 1),
        "inferred_lanes": len(guessed),
        "least_confidence": min(guessed) if guessed else None,
    }


def _meshes(archive: Archive, manifest: Any) -> dict[str, Any]:
    members = {"mesh": "mesh.ply", "ground": "mesh_ground.ply"}
    found = {name: member for name, member in members.items() if member in archive.members}
    counts = {name: {key: entry(manifest, "meshes", name, key) for key in ("vertices", "faces")} for name in found}
    return {name: {"bytes": archive.members[member].size, **counts[name]} for name, member in found.items()}


def _car(ego: Any, manifest: Any) -> dict[str, Any] | None:
    """The box of the recording car, and whether an ordinary car stands in for it (None where nobody says)."""
    size, center = (floats(entry(ego, "rig_bbox", key), (3,)) for key in ("dim", "centroid"))
    if isinstance(size, str) or isinstance(center, str):
        return None
    assumed = None if manifest is None else entry(manifest, "assumed", "rig_bbox") is not None
    return {"size_m": size.tolist(), "center_m": center.tolist(), "assumed": assumed}


def _meshing(manifest: Any) -> dict[str, Any] | None:
    """How the meshes came about: what can be read of the numbers and words of the source's ``meshes``."""
    told = entry(manifest, "source", "meshes")
    if not isinstance(told, dict) or not told:
        return None
    found: dict[str, Any] = {}
    for key in ("voxel_m", "ground_measured", "lane_measured", "missed_m", "worst_miss_m", "pictures", "levels"):
        value = floats([told.get(key)], (1,))
        found[key] = None if isinstance(value, str) else float(value[0])
    source, warnings = told.get("ground_from"), entry(manifest, "source", "warnings")
    found["ground_from"] = source if isinstance(source, str) else None
    found["warnings"] = [str(each)[:300] for each in warnings[:20]] if isinstance(warnings, list) else []
    return found


def _own_place(manifest: Any) -> dict[str, Any] | None:
    place = entry(manifest, "georeference")
    numbers = [entry(place, key) for key in ("latitude_deg", "longitude_deg", "altitude_m")]
    return place if isinstance(place, dict) and not isinstance(floats(numbers, (3,)), str) else None


def _place(rig: Any) -> dict[str, Any] | None:
    """Where on Earth a foreign package says its world's origin is."""
    matrix = floats(entry(rig, "T_world_base"), (4, 4))
    if isinstance(matrix, str) or not is_rotation(matrix[:3, :3]):
        return None
    if not 6.3e6 < float(np.linalg.norm(matrix[:3, 3])) < 6.5e6:
        return None
    anchor = anchor_at(matrix[:3, 3])
    return {
        "placeholder": np.array_equal(matrix, ecef_from_world(PLACEHOLDER_ANCHOR)),
        "latitude_deg": anchor.latitude_deg,
        "longitude_deg": anchor.longitude_deg,
        "altitude_m": anchor.altitude_m,
    }


def _provenance(archive: Archive, manifest: Any) -> dict[str, Any]:
    if isinstance(manifest, dict):
        ours = ("name", "versions", "seed", "config", "source", "licence", "assumed")
        return {key: manifest.get(key) for key in ours}
    metadata = _metadata(archive)
    theirs = ("version_string", "training_date", "dataset_hash", "uuid")
    return {key: str(entry(metadata, key))[:200] for key in theirs if entry(metadata, key) is not None}
