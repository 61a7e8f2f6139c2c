"""What a rig-extended ``transforms.json`` knows beside its frames: lidar, tracks, anchor and map."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avrec.drive import LidarSweep, RigBox, Side, Track
from avrec.errors import DataError
from avrec.geometry import Anchor, Trajectory, invert
from avrec.ingest.checks import check_increasing, finite_array, integer, number, rigid_matrix
from avrec.ingest.point_files import point_loader
from avrec.ingest.transforms_file import records, table

__all__ = [
    "read_anchor",
    "read_map_path",
    "read_rig_box",
    "read_sweep_records",
    "read_tracks",
    "read_traffic",
    "read_trajectory",
    "sweep_on_rig",
]

Float64 = NDArray[np.float64]


def read_trajectory(entry: Mapping[str, Any], key: str, what: str) -> Trajectory:
    """The path stored as ``timestamps_us`` and a list of matrices under ``key``."""
    stamps, matrices = entry.get("timestamps_us"), entry.get(key)
    if not isinstance(stamps, list) or not isinstance(matrices, list) or len(stamps) != len(matrices) or not stamps:
        raise DataError(
            f"{what} needs as many {key} matrices as timestamps_us, at least one. Complete it or remove it."
        )
    times = np.array([integer(stamp, f"timestamps_us of {what}") for stamp in stamps], dtype=np.int64)
    check_increasing(times, what)
    poses = [rigid_matrix(matrix, f"{key} {index} of {what}") for index, matrix in enumerate(matrices)]
    return Trajectory(times, np.stack(poses))


def read_sweep_records(content: Mapping[str, Any], path: Path) -> list[dict[str, Any]]:
    """Sweeps in time order: name, timestamp_us, world_from_lidar, source and load."""
    sweeps = []
    for index, entry in enumerate(records(content, "lidars", path)):
        what = f"lidar sweep {index} in {path}"
        fields = entry.get("fields", ["x", "y", "z", "intensity"])
        if not isinstance(entry.get("file_path"), str) or not isinstance(fields, list) or not fields:
            raise DataError(f"The {what} needs a file_path and a list of fields. Complete it or remove it.")
        stamp = integer(entry.get("timestamp_us"), f"timestamp_us of {what}")
        file_path = path.parent / entry["file_path"]
        sweeps.append(
            {
                "name": str(entry.get("name", "lidar")),
                "timestamp_us": stamp,
                "world_from_lidar": rigid_matrix(entry.get("transform_matrix"), f"transform_matrix of {what}"),
                "rig_from_lidar": _optional_matrix(entry, "rig_from_lidar", what),
                "source": str(file_path),
                "load": point_loader(file_path, [str(field) for field in fields], stamp),
            }
        )
    for name in {sweep["name"] for sweep in sweeps}:
        stamps = np.array([sweep["timestamp_us"] for sweep in sweeps if sweep["name"] == name], dtype=np.int64)
        check_increasing(stamps, f"lidar {name} in {path}")
    return sorted(sweeps, key=lambda sweep: int(sweep["timestamp_us"]))


def _optional_matrix(entry: Mapping[str, Any], key: str, what: str) -> Float64 | None:
    return None if entry.get(key) is None else rigid_matrix(entry[key], f"{key} of {what}")


def sweep_on_rig(record: dict[str, Any], ego: Trajectory) -> LidarSweep:
    """One sweep; without a mounting in the file, one that keeps its recorded pose at its own stamp exactly."""
    rig_from_lidar = record["rig_from_lidar"]
    if rig_from_lidar is None:
        world_from_rig = ego.at(record["timestamp_us"], outside="extrapolate")
        rig_from_lidar = invert(world_from_rig) @ record["world_from_lidar"]
    return LidarSweep(record["name"], record["timestamp_us"], rig_from_lidar, record["source"], record["load"])


def read_tracks(content: Mapping[str, Any], path: Path) -> tuple[Track, ...]:
    """All actors."""
    tracks = []
    for index, entry in enumerate(records(content, "tracks", path)):
        name = str(entry.get("id", index))
        what = f"track {name} in {path}"
        size = finite_array(entry.get("size_m"), (3,), f"size_m of {what}")
        if (size <= 0).any():
            raise DataError(f"The size of {what} is {size.tolist()}. Give length, width and height in metres.")
        label = str(entry.get("class", entry.get("label", "unknown")))
        tracks.append(Track(name, label, size, read_trajectory(entry, "world_from_box", what)))
    names = [track.id for track in tracks]
    repeated = {name for name in names if names.count(name) > 1}
    if repeated:
        raise DataError(f"The track id {sorted(repeated)[0]} in {path} is used twice. Give each actor its own id.")
    return tuple(tracks)


def read_anchor(content: Mapping[str, Any], path: Path) -> Anchor | None:
    """Geodetic position of the world's origin; None where the file has none."""
    entry = table(content, "anchor", path)
    if entry is None:
        return None
    latitude = number(entry.get("latitude"), f"anchor.latitude in {path}")
    longitude = number(entry.get("longitude"), f"anchor.longitude in {path}")
    return Anchor(latitude, longitude, number(entry.get("altitude", 0.0), f"anchor.altitude in {path}"))


def read_rig_box(content: Mapping[str, Any], path: Path) -> RigBox | None:
    """The recording car's body, ``ego_body_m``: lower and upper corner in the rig's frame; None where not given."""
    entry = content.get("ego_body_m")
    if entry is None:
        return None
    low, high = finite_array(entry, (2, 3), f"ego_body_m in {path}")
    return RigBox.between(low.tolist(), high.tolist())


def read_traffic(content: Mapping[str, Any], path: Path) -> Side | None:
    """The side that traffic keeps to; None where the file does not say."""
    entry = content.get("traffic")
    if entry is None or entry == "right" or entry == "left":
        return entry
    raise DataError(f"The traffic in {path} keeps to {str(entry)[:40]!r}. Write right or left, or leave it out.")


def read_map_path(content: Mapping[str, Any], path: Path, notes: list[str]) -> Path | None:
    """The map beside the recording; None, with a note where one is named but missing."""
    name = content.get("map")
    if not isinstance(name, str):
        return None
    map_path = path.parent / name
    if map_path.is_file():
        return map_path
    notes.append(f"The map {name} is named but does not exist.")
    return None
