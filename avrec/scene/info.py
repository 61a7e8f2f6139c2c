"""What a scene file holds, told without reading its tensors. Takes packages by others too."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from avrec.errors import DataError
from avrec.scene.manifest import FORMAT
from avrec.scene.tracks_json import CHUNK
from avrec.scene.validate.archive import Archive
from avrec.scene.validate.georeference import geo_reference_in
from avrec.scene.validate.nurec_checks import layer_counts, volume_state
from avrec.scene.validate.record_checks import parse_yaml
from avrec.scene.validate.values import entry, parse_json, times

__all__ = ["scene_info"]

_MAX_JSON = 256 << 20
_MAX_YAML = 256 << 10
_MAX_MAP = 192 << 20
_MAX_VOLUME = 600 << 20
_MOST = 2000


def scene_info(path: str | Path) -> dict[str, Any]:
    """Contents, sizes, layers, time span, cameras, actors, map and provenance, as values that JSON can hold.

    What a package does not say, or says in a way that cannot be read, is None or left out.

    Raises:
        DataError: there is no such file, or it is no archive.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"Cannot read {path}: there is no such file; check the path.")
    with Archive(path) as archive:
        rig = _json(archive, "rig_trajectories.json")
        manifest = _json(archive, "manifest.json")
        ours = manifest if entry(manifest, "format") == FORMAT else None
        trajectories = entry(rig, "rig_trajectories")
        ego = trajectories[0] if isinstance(trajectories, list) and trajectories else None
        return {
            "path": str(path),
            "bytes": archive.total,
            "written_by": "avrec" if ours is not None else "another tool",
            "scene_id": _scene_id(archive, ego),
            "members": [{"name": member.name, "bytes": member.size} for member in archive.entries[:_MOST]],
            "layers": _layers(archive, ours),
            "span_us": (span := _span(entry(ego, "T_rig_world_timestamps_us"))),
            "seconds": None if span is None else (span[1] - span[0]) / 1e6,
            "cameras": _cameras(rig, ego, ours),
            "actors": _actors(_json(archive, "sequence_tracks.json"), ours),
            "map": _map(archive),
            "meshes": _meshes(archive, ours),
            "georeference": entry(ours, "georeference"),
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


def _layers(archive: Archive, manifest: Any) -> dict[str, Any]:
    """Gaussians by layer; of foreign packages those of the volumes."""
    counts = entry(manifest, "gaussians")
    if isinstance(counts, dict):
        actors = entry(counts, "actors")
        numbers = [count for count in actors.values() if type(count) is int] if isinstance(actors, dict) else []
        return {
            "static": counts.get("static"),
            "road": counts.get("road"),
            "actors": {"count": len(numbers), "gaussians": sum(numbers)},
            "sky": "avrec/sky.npy" in archive.members,
            "sh_degree": counts.get("sh_degree"),
        }
    layers: dict[str, Any] = {}
    for name in [name for name in archive.members if name.endswith(".nurec")][:16]:
        try:
            layers[name] = layer_counts(volume_state(archive.read(name, limit=_MAX_VOLUME), name))
        except DataError:
            layers[name] = None
    return layers


def _span(value: Any) -> list[int] | None:
    knots = times(value, (None,))
    return None if isinstance(knots, str) or not len(knots) else [int(knots.min()), int(knots.max())]


def _cameras(rig: Any, ego: Any, manifest: Any) -> dict[str, Any]:
    calibrations = entry(rig, "camera_calibrations")
    cameras = {}
    for key, calibration in list(calibrations.items())[:_MOST] if isinstance(calibrations, dict) else ():
        frames = entry(ego, "cameras_frame_timestamps_us", key)
        name = entry(calibration, "logical_sensor_name")
        cameras[key] = {
            "model": entry(calibration, "camera_model", "type"),
            "resolution": entry(calibration, "camera_model", "parameters", "resolution"),
            "shutter": entry(calibration, "camera_model", "parameters", "shutter_type"),
            "frames": len(frames) if isinstance(frames, list) else 0,
            "ftheta_residual_px": entry(manifest, "cameras", name, "ftheta_max_px") if isinstance(name, str) else None,
        }
    return cameras


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
    try:
        data = archive.read("map.xodr", limit=_MAX_MAP)
    except DataError:
        return None
    return {"bytes": len(data), "roads": data.count(b"<road "), "geoReference": geo_reference_in(data)}


def _meshes(archive: Archive, manifest: Any) -> dict[str, Any]:
    members = {"mesh": "mesh.ply", "ground": "mesh_ground.ply"}
    found = {name: member for name, member in members.items() if member in archive.members}
    counts = {name: {key: entry(manifest, "meshes", name, key) for key in ("vertices", "faces")} for name in found}
    return {name: {"bytes": archive.members[member].size, **counts[name]} for name, member in found.items()}


def _provenance(archive: Archive, manifest: Any) -> dict[str, Any]:
    if isinstance(manifest, dict):
        ours = ("name", "versions", "seed", "config", "source", "licence", "assumed")
        return {key: manifest.get(key) for key in ours}
    metadata = _metadata(archive)
    theirs = ("version_string", "training_date", "dataset_hash", "uuid")
    return {key: str(entry(metadata, key))[:200] for key in theirs if entry(metadata, key) is not None}
