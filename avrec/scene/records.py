"""The small members that simulators look up first: what the scene is called, how long it is and where it was driven."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping
from typing import Any

import numpy as np

from avrec.geometry import Anchor, geodetic_from_local, log_so3
from avrec.scene.scene import Scene

__all__ = ["data_info", "datasource_summary", "metadata_yaml", "pose_record", "scene_uuid"]

_NAMESPACE = uuid.UUID("6d0b7b1c-2f0e-5a55-9d0b-1d1f0c0a7e11")
_POSE_PERIOD_US = 100_000
_MAX_POSES = 100_000


def data_info(sequence_id: str, rig: Mapping[str, Any]) -> dict[str, Any]:
    """Content of `data_info.json`. CARLA asks the renderer for ``sequence_id`` and for times up to the end minus one.

    Args:
        sequence_id: base name of the package.
        rig: content of `rig_trajectories.json`.
    """
    first, last = _span_us(rig)
    return {
        "sequence_id": sequence_id,
        "pose-range": {"start-timestamp_us": first, "end-timestamp_us": last + 1},
        "shards": [{"id": "0", "start-timestamp_us": first, "end-timestamp_us": last + 1}],
    }


def datasource_summary(rig: Mapping[str, Any], tracks: Mapping[str, Any]) -> dict[str, Any]:
    """Content of `datasource_summary.json`: the rig and the tracks once more, where web viewers look for them."""
    keys = ("rig_trajectories", "world_to_nre", "T_world_base", "camera_calibrations")
    return {"sequence_tracks_dynamic": dict(tracks), "rig_trajectories": {key: rig[key] for key in keys}}


def pose_record(scene: Scene, anchor: Anchor) -> dict[str, Any]:
    """Content of `pose_record.json`: the rig at 10 Hz as latitude, longitude (degrees), ellipsoidal height (metres).

    ``axis_angle`` is the rig's rotation from east-north-up, its direction times its angle in radians.

    Args:
        scene: the scene.
        anchor: the scene's, or the placeholder.
    """
    first, last = scene.ego.span_us
    count = min((last - first) // _POSE_PERIOD_US + 1, _MAX_POSES)
    times = first + np.arange(count, dtype=np.int64) * _POSE_PERIOD_US
    poses = scene.ego.at(times)
    with np.errstate(all="ignore"):
        geodetic = geodetic_from_local(anchor, poses[:, :3, 3])
    turns = log_so3(poses[:, :3, :3])
    record = [
        {"timestamp_us": int(time), "lat_lng_alt": place.tolist(), "axis_angle": turn.tolist()}
        for time, place, turn in zip(times, geodetic, turns, strict=True)
        if np.isfinite(place).all() and np.isfinite(turn).all()  # a world far beyond the projection's reach
    ]
    return {"record": record}


def scene_uuid(sequence_id: str, record: bytes) -> str:
    """The same for the same scene under the same name."""
    return str(uuid.uuid5(_NAMESPACE, f"{sequence_id}/{hashlib.sha256(record).hexdigest()}"))


def metadata_yaml(scene: Scene, sequence_id: str, record: bytes, rig: Mapping[str, Any], version: str) -> str:
    """Content of `metadata.yaml`, the exact set of keys that AlpaSim takes.

    Args:
        scene: the scene.
        sequence_id: base name of the package.
        record: avrec's own record of the scene, which the scene's uuid is derived from.
        rig: content of `rig_trajectories.json`.
        version: of avrec.
    """
    first, last = _span_us(rig)
    trained = scene.source.get("date")
    inputs = repr((scene.name, scene.source.get("layout"), [(k, v.tolist()) for k, v in scene.frames.items()]))
    cameras = [f"    - {_quoted(key)}" for key in rig["camera_calibrations"]]
    lines = [
        f"scene_id: {_quoted(sequence_id)}",
        f"version_string: {_quoted(f'avrec-{version}')}",
        f"training_date: {_quoted(trained if isinstance(trained, str) else 'unknown')}",
        f"dataset_hash: {_quoted(hashlib.sha256(inputs.encode('utf-8', 'replace')).hexdigest())}",
        f"uuid: {_quoted(scene_uuid(sequence_id, record))}",
        "is_resumable: false",
        "sensors:",
        *(["  camera_ids:", *cameras] if cameras else ["  camera_ids: []"]),
        "  lidar_ids: []",
        "logger:",
        "  name: null",
        "  run_id: null",
        "  run_url: null",
        "time_range:",
        f"  start: {float(first)!r}",
        f"  end: {float(max(last, first + 1))!r}",
        "training_step_outputs: {}",
    ]
    return "\n".join(lines) + "\n"


def _span_us(rig: Mapping[str, Any]) -> tuple[int, int]:
    times = rig["rig_trajectories"][0]["T_rig_world_timestamps_us"]
    return int(times[0]), int(times[-1])


def _quoted(text: str) -> str:
    """A YAML string in ASCII; what is not printable ASCII is escaped."""
    return '"' + "".join(_escaped(char) for char in text) + '"'


def _escaped(char: str) -> str:
    if char in '"\\':
        return "\\" + char
    return char if " " <= char <= "~" else f"\\U{ord(char):08x}"
