"""The actors of an imported scene: from `sequence_tracks.json`, or from avrec's own record."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from avrec.drive import Track
from avrec.errors import DataError
from avrec.geometry import Trajectory, matrix_from_quaternion, transform_from
from avrec.scene.foreign.files import problem
from avrec.scene.importing.members import Source, parsed_json
from avrec.scene.importing.rig import MAX_TIME_US, RECORD, printable
from avrec.scene.scene_from_json import decode_scene
from avrec.scene.tracks_json import CHUNK
from avrec.scene.validate.values import entry, floats, is_text, times

__all__ = ["read_tracks"]

_TRACKS = "sequence_tracks.json"
_SUMMARY = "datasource_summary.json"
_KEYS = ("tracks_id", "tracks_label_class", "tracks_timestamps_us", "tracks_poses")
_MAX_TRACKS = 20_000
_MAX_NAME = 200
_LONGEST_M = 1000.0


def read_tracks(source: Source, notes: list[str]) -> tuple[Track, ...] | None:
    """The tracks in a JSON file or a package; None where a package has none.

    Args:
        source: `sequence_tracks.json`, avrec's own `avrec/scene.json`, or a package with one of them.
        notes: receives what was mended or left out, one sentence each.

    Raises:
        DataError: it cannot be read.
    """
    found = source.read(RECORD, _TRACKS, _SUMMARY)
    if found is None:
        return None
    document = parsed_json(*found)
    with np.errstate(all="ignore"):
        if "ego" in document and "format" in document:
            try:
                tracks: tuple[Track, ...] = decode_scene(document)[0]["tracks"]
                return tracks
            except DataError as error:
                raise problem(found[1], str(error)[:200].rstrip(".")) from error
        return _nurec(document.get("sequence_tracks_dynamic", document), found[1], notes)


def _nurec(document: Any, name: str, notes: list[str]) -> tuple[Track, ...]:
    chunks = [CHUNK] if entry(document, CHUNK) is not None else list(document) if isinstance(document, dict) else []
    if not chunks:
        raise problem(name, "it has no chunk of tracks")
    if len(document) > 1:
        notes.append(f"Of {len(document)} chunks of tracks only {printable(chunks[0])} was taken, as simulators do.")
    columns = [entry(document, chunks[0], "tracks_data", key) for key in _KEYS]
    columns.append(entry(document, chunks[0], "cuboidtracks_data", "cuboids_dims"))
    if not all(isinstance(column, list) for column in columns) or len({len(column) for column in columns}) != 1:
        raise problem(name, "its lists of ids, labels, times, poses and sizes are missing or of different lengths")
    if len(columns[0]) > _MAX_TRACKS:
        raise problem(name, f"it has {len(columns[0])} tracks, which no drive has")
    tracks: list[Track] = []
    taken: set[str] = set()
    bad: Counter[str] = Counter()
    for identity, label, stamps, poses, size in zip(*columns, strict=True):
        try:
            track = _track(identity, label, stamps, poses, size, notes)
            if track.id in taken:
                raise DataError("another one has the same id")
        except DataError as error:
            bad[str(error).rstrip(".")[:120]] += 1
            continue
        taken.add(track.id)
        tracks.append(track)
    notes += [f"{count} of {len(columns[0])} tracks were left out: {why}." for why, count in bad.most_common(5)]
    if len(bad) > 5:
        notes.append(f"{sum(bad.values()) - sum(n for _, n in bad.most_common(5))} more tracks were left out.")
    return tuple(tracks)


def _track(identity: Any, label: Any, stamps: Any, poses: Any, size: Any, notes: list[str]) -> Track:
    if not is_text(identity) or len(identity) > _MAX_NAME or not identity.isprintable():
        raise DataError("their id is no text")
    knots, rows, sides = times(stamps, (None,)), floats(poses, (None, 7)), floats(size, (3,))
    if isinstance(knots, str) or isinstance(rows, str) or len(knots) != len(rows) or not len(knots):
        raise DataError("their times and poses are no lists of equal length")
    if isinstance(sides, str) or not (sides > 0).all() or not (sides < _LONGEST_M).all():
        raise DataError("their size is not three lengths in metres")
    if np.abs(knots.astype(np.float64)).max() > MAX_TIME_US or np.abs(rows).max() > 1e9:
        raise DataError("their times or places cannot be")
    order = np.unique(knots, return_index=True)[1]
    lengths = np.linalg.norm(rows[:, 3:], axis=1)
    order = order[lengths[order] > 1e-6]
    if not len(order):
        raise DataError("they have no rotation")
    if len(order) != len(knots) or (np.diff(order) < 0).any():
        notes.append(f"Track {printable(identity)} was sorted by time, and what has no use dropped.")
    quaternions = rows[order][:, [6, 3, 4, 5]] / lengths[order, None]  # the scalar is last in these files
    path = Trajectory(knots[order], transform_from(matrix_from_quaternion(quaternions), rows[order, :3]))
    return Track(identity, label if is_text(label) else "unknown", sides, path)
