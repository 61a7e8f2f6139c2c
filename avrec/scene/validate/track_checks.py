"""`sequence_tracks.json`: the actors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from avrec.scene.tracks_json import CHUNK, CONSUMER_LABELS, consumer_label
from avrec.scene.validate.facts import Facts
from avrec.scene.validate.report import DRIVING, Finding, error, note, warning
from avrec.scene.validate.values import Float64, entry, floats, is_text, times

__all__ = ["check_tracks"]

TRACKS = "sequence_tracks.json"
_CARLA = ("carla",)
_ALPASIM = ("alpasim",)
_SHORT_US = 3_000_000
_MAX_TRACKS = 100_000
_MOVED_M = 5.0
_KEYS = ("tracks_id", "tracks_label_class", "tracks_flags", "tracks_timestamps_us", "tracks_poses")


def check_tracks(document: Any, facts: Facts) -> Iterator[Finding]:
    """Findings about the parsed document."""
    if not isinstance(document, dict) or not document:
        yield error(DRIVING, TRACKS, "it is no JSON object with a chunk", "Nothing in it is found", "Write it again")
        return
    if CHUNK not in document:
        found = f"the top-level key is {str(next(iter(document)))[:40]!r}"
        yield error(_CARLA, TRACKS, found, f"CARLA's client reads the key {CHUNK} only", f"Name it {CHUNK}")
    if len(document) != 1:
        found = f"there are {len(document)} top-level keys"
        yield error(_ALPASIM, TRACKS, found, "AlpaSim takes exactly one", f"Put all tracks below {CHUNK}")
    top = CHUNK if CHUNK in document else next(iter(document))
    where = f"{TRACKS}: {top}.tracks_data"
    data = entry(document, top, "tracks_data")
    sizes = entry(document, top, "cuboidtracks_data", "cuboids_dims")
    columns = {key: entry(data, key) for key in _KEYS}
    missing = [key for key, value in columns.items() if not isinstance(value, list)]
    for key in missing:
        yield error(DRIVING, f"{where}.{key}", "it is missing or no list", "Every track needs it", "Write the list")
    if not isinstance(sizes, list):
        where_sizes = f"{TRACKS}: {top}.cuboidtracks_data.cuboids_dims"
        yield error(DRIVING, where_sizes, "it is missing or no list", "Actors need a size", "Write [K, 3] metres")
        missing.append("cuboids_dims")
    if missing:
        return
    lengths = {key: len(value) for key, value in columns.items()} | {"cuboids_dims": len(sizes)}
    if len(set(lengths.values())) != 1:
        found = ", ".join(f"{key} has {length}" for key, length in lengths.items())
        yield error(DRIVING, where, found, "The lists belong together entry by entry", "Write all of equal length")
        return
    yield from _columns(where, columns, sizes, facts)


def _columns(where: str, columns: dict[str, Any], sizes: list[Any], facts: Facts) -> Iterator[Finding]:
    ids = columns["tracks_id"][:_MAX_TRACKS]
    names = [str(track)[:40] for track in ids]
    if any(not is_text(track) for track in ids):
        yield error(DRIVING, f"{where}.tracks_id", "an id is no text", "Readers take texts", "Write ids as strings")
    elif len(set(ids)) != len(ids):
        twice = [name for name, count in Counter(names).items() if count > 1]
        found = f"{_listed(twice)} appears more than once"
        yield error(DRIVING, f"{where}.tracks_id", found, "Later tracks hide earlier ones", "Give each its own id")
    dims = floats(sizes, (None, 3))
    if isinstance(dims, str) or (dims <= 0).any():
        found = dims if isinstance(dims, str) else "a size is not positive"
        key = f"{where.removesuffix('.tracks_data')}.cuboidtracks_data.cuboids_dims"
        yield error(DRIVING, key, found, "It is the size of the actor's box", "Write metres: length, width, height")
    yield from _labels(where, columns["tracks_label_class"])
    short, still, wrong, paths = [], [], [], []
    for name, flags, stamps, poses in zip(
        names, columns["tracks_flags"], columns["tracks_timestamps_us"], columns["tracks_poses"], strict=False
    ):
        path = _path(stamps, poses)
        if isinstance(path, str):
            wrong.append((name, path))
            continue
        knots, rows = path
        paths.append(rows)
        lived = (knots[-1] - knots[0]) if facts.span_us is None else _overlap(knots, facts.span_us)
        moving = bool(np.ptp(rows[:, :3], axis=0).max() > 0.5)
        if moving and lived < _SHORT_US:
            short.append(name)
        if moving and (not isinstance(flags, list) or not {"CONTROLLABLE", "DYNAMIC"} <= _texts(flags)):
            still.append(name)
    for reason in dict.fromkeys(reason for _, reason in wrong):
        affected = [name for name, other in wrong if other == reason]
        remedy = "Write increasing times in whole microseconds and one [x, y, z, qx, qy, qz, qw] a time"
        found = f"track {_listed(affected)}: {reason}"
        yield error(DRIVING, f"{where}.tracks_poses", found, "The actor cannot be placed", remedy)
    yield from _lifetimes(where, short, still)
    if paths:
        yield from _quaternions(f"{where}.tracks_poses", paths)


def _path(stamps: Any, poses: Any) -> tuple[Any, Float64] | str:
    knots = times(stamps, (None,))
    if isinstance(knots, str):
        return f"its time {knots}"
    if not len(knots):
        return "it has no times"
    if (np.diff(knots) <= 0).any():
        return "its time does not increase"
    rows = floats(poses, (len(knots), 7))
    return f"its pose {rows}" if isinstance(rows, str) else (knots, rows)


def _overlap(knots: Any, span_us: tuple[int, int]) -> int:
    return max(0, min(int(knots[-1]), span_us[1]) - max(int(knots[0]), span_us[0]))


def _texts(flags: list[Any]) -> set[str]:
    return {flag for flag in flags if isinstance(flag, str)}


def _labels(where: str, labels: list[Any]) -> Iterator[Finding]:
    counts = Counter(label for label in labels if isinstance(label, str))
    if sum(counts.values()) < len(labels):
        yield error(DRIVING, f"{where}.tracks_label_class", "a label is no text", "Readers take texts", "Write strings")
    unknown = [label for label in counts if label not in CONSUMER_LABELS]
    if unknown:
        better = {label: consumer_label(label) for label in unknown if consumer_label(label) != label}
        found = f"CARLA does not know {_listed([repr(label[:40]) for label in unknown])}"
        why = f"It skips such actors without a word ({sum(counts[label] for label in unknown)} here)"
        remedy = "; ".join(f"write {new!r} for {old[:40]!r}" for old, new in list(better.items())[:5])
        known = f"Use one of {', '.join(CONSUMER_LABELS)}"
        say = warning if better else note
        yield say(_CARLA, f"{where}.tracks_label_class", found, why, remedy[:1].upper() + remedy[1:] or known)


def _lifetimes(where: str, short: list[str], still: list[str]) -> Iterator[Finding]:
    if short:
        found = f"{len(short)} moving tracks are there for less than 3 s: {_listed(short)}"
        why = "AlpaSim removes them from the traffic and sends them to the renderer 100 m below the ground"
        remedy = "Lower min_traffic_duration_us, or join the pieces of one actor"
        yield warning(_ALPASIM, f"{where}.tracks_timestamps_us", found, why, remedy)
    if still:
        found = f"{len(still)} moving tracks are not CONTROLLABLE and DYNAMIC: {_listed(still)}"
        why = "AlpaSim never sends them to the renderer, and CARLA does not move them"
        yield warning(DRIVING, f"{where}.tracks_flags", found, why, "Write both flags for everything that moves")


def _quaternions(where: str, paths: Sequence[Float64]) -> Iterator[Finding]:
    """Wrong length, and wrong order: boxes of road users stand upright in one of the two orders only.

    Boxes that point to -x stand upright in both, and to +x in the other one; which way they drive tells these.
    """
    rows = np.concatenate(paths)
    norms = np.linalg.norm(rows[:, 3:], axis=1)
    off = int(np.count_nonzero(np.abs(norms - 1) > 1e-2))
    if off:
        found = f"{off} of {len(rows)} quaternions are not of unit length"
        yield error(DRIVING, where, found, "They are rotations", "Write [x, y, z, qx, qy, qz, qw], normalised")
        return
    as_xyzw = 1 - 2 * (rows[:, 3] ** 2 + rows[:, 4] ** 2)  # how far up the box's z axis points
    as_wxyz = 1 - 2 * (rows[:, 4] ** 2 + rows[:, 5] ** 2)
    remedy = "Write them as qx, qy, qz, qw"
    if np.mean(as_xyzw > 0.7) < 0.9 and np.mean(as_wxyz > 0.7) > 0.9:
        found = "the boxes stand upright only if the quaternions are read as w, x, y, z"
        yield error(DRIVING, where, found, "Readers take the scalar last here, and roll the actors over", remedy)
    elif np.mean(as_xyzw > 0.7) < 0.5:
        found = "most boxes lie on their side or on their head"
        yield warning(DRIVING, where, found, "The world has z up", "Convert the axes of the boxes")
    elif _ahead(paths, [3, 4, 5, 6]) < -0.7 and _ahead(paths, [4, 5, 6, 3]) > 0.7:
        found = "the actors move backwards, and forwards if the quaternions are read as w, x, y, z"
        yield warning(DRIVING, where, found, "Readers take the scalar last here, and turn the actors round", remedy)


def _ahead(paths: Sequence[Float64], order: list[int]) -> float:
    """Share of the way that the actors go along their x axis, -1 to 1, their quaternions' x, y, z, w in ``order``."""
    along = travelled = 0.0
    for rows in paths:
        moved = np.diff(rows[:, :2], axis=0)
        x, y, z, w = rows[:-1, order].T
        along += float((moved[:, 0] * (1 - 2 * (y * y + z * z)) + moved[:, 1] * 2 * (x * y + w * z)).sum())
        travelled += float(np.linalg.norm(moved, axis=1).sum())
    return along / travelled if travelled > _MOVED_M else 0.0


def _listed(names: Sequence[str]) -> str:
    text = ", ".join(names[:5])
    return text if len(names) <= 5 else f"{text} and {len(names) - 5} more"
