"""`sequence_tracks.json`: the actors' boxes through time, as NuRec's readers expect them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from avrec.drive import Track
from avrec.geometry import quaternion_from_matrix

__all__ = ["CHUNK", "CONSUMER_LABELS", "consumer_label", "sequence_tracks"]

CHUNK = "dummy_chunk_id"
"""The one top-level key; CARLA's client knows no other."""

CONSUMER_LABELS = ("automobile", "heavy_truck", "bus", "trailer", "rider", "person")
"""Labels that CARLA spawns actors for. It skips every other label without a word."""

_LABELS = {
    **dict.fromkeys(("car", "van", "vehicle", "regular_vehicle", "automobile", "taxi", "suv"), "automobile"),
    **dict.fromkeys(("truck", "box_truck", "large_vehicle", "heavy_truck", "construction_vehicle"), "heavy_truck"),
    **dict.fromkeys(("bus", "school_bus", "articulated_bus"), "bus"),
    **dict.fromkeys(("trailer", "vehicular_trailer"), "trailer"),
    **dict.fromkeys(("cyclist", "bicyclist", "motorcyclist", "rider", "bicycle", "motorcycle"), "rider"),
    **dict.fromkeys(("pedestrian", "person", "person_sitting", "walker"), "person"),
}


def consumer_label(label: str) -> str:
    """The class name that CARLA understands, or the recording's own where it has none."""
    words = "".join(char if char.isalnum() else " " for char in label.lower()).split()
    return _LABELS.get("_".join(words), label)


def sequence_tracks(tracks: Iterable[Track]) -> dict[str, Any]:
    """Content of `sequence_tracks.json`.

    Moving actors are `CONTROLLABLE` and `DYNAMIC`, so that simulators move them and tell the renderer. Parked ones are
    neither: they are part of the static layer, and a box that moves away would leave its picture behind.
    Poses are the box centres in the world, ``[x, y, z, qx, qy, qz, qw]``; readers want the scalar last here.
    """
    kept = list(tracks)
    return {
        CHUNK: {
            "tracks_data": {
                "tracks_id": [track.id for track in kept],
                "tracks_label_class": [consumer_label(track.label) for track in kept],
                "tracks_flags": [["CONTROLLABLE", "DYNAMIC"] if track.moving else [] for track in kept],
                "tracks_timestamps_us": [track.world_from_box.timestamps_us.tolist() for track in kept],
                "tracks_poses": [_poses(track) for track in kept],
            },
            "cuboidtracks_data": {"cuboids_dims": [np.asarray(track.size_m, np.float64).tolist() for track in kept]},
        }
    }


def _poses(track: Track) -> list[list[float]]:
    poses = track.world_from_box.poses
    wxyz = quaternion_from_matrix(poses[:, :3, :3])
    rows: list[list[float]] = np.concatenate([poses[:, :3, 3], np.roll(wxyz, -1, axis=1)], axis=1).tolist()
    return rows
