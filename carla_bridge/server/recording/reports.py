"""What a recording holds, as text."""

from __future__ import annotations

from collections.abc import Sequence
from math import hypot

from carla_bridge.frames import plain_point
from carla_bridge.server.recording.log_file import Birth, Recording

__all__ = ["blocked_actors", "collisions", "file_info"]

KINDS = {"h": "hero", "v": "vehicle.", "w": "walker.", "t": "traffic.", "o": "", "a": ""}
"""Letters by which clients choose actors: hero, vehicle, walker, traffic, other, any."""
NUMBERS = {"vehicle.": 1, "walker.": 2, "traffic.traffic_light": 3}
"""Of the kinds of actors in CARLA's own reports; 0 for others."""


def _births(recording: Recording) -> dict[int, Birth]:
    return {birth.id: birth for frame in recording.frames for birth in frame.births}


def _location(place: Sequence[float]) -> str:
    """In centimetres, as CARLA's own reports are."""
    x, y, z = (100.0 * value for value in plain_point(place))
    return f"({x:.6g}, {y:.6g}, {z:.6g})"


def _head(recording: Recording) -> list[str]:
    return ["Version: 1", f"Map: {recording.map_name}", f"Date: {recording.date}", ""]


def _tail(recording: Recording) -> list[str]:
    return ["", f"Frames: {len(recording.frames)}", f"Duration: {recording.duration_s:.6g} seconds", ""]


def _number(birth: Birth) -> int:
    return next((number for start, number in NUMBERS.items() if birth.type_id.startswith(start)), 0)


def _letter(birth: Birth) -> str:
    return next(letter for letter in "hvwto" if _is(birth, letter))


def file_info(recording: Recording, *, everything: bool) -> str:
    """Who came and went when; with ``everything`` also where everybody was in each frame."""
    lines = _head(recording)
    for number, frame in enumerate(recording.frames, start=1):
        details = [
            line
            for each in frame.births
            for line in (
                f" Create {each.id}: {each.type_id} ({_number(each)}) at {_location(each.pose)}",
                *(f"  {name} = {value}" for name, value in each.attributes.items()),
            )
        ]
        details += [f" Destroy {each}" for each in frame.deaths]
        details += [f" Collision {a} with {b}" for a, b in frame.collisions]
        if everything:
            details.append(f" Positions: {len(frame.ids)}")
            for one, row in zip(frame.ids.tolist(), frame.motion.tolist(), strict=True):
                details.append(f"  Id: {one} Location: {_location(row)}")
        if details:
            lines += [f"Frame {number} at {frame.time_s:.6g} seconds", *details]
    lines += _tail(recording)
    return "\n".join(lines)


def collisions(recording: Recording, first: str, second: str) -> str:
    """When actors of two kinds touched; once for each time they came together."""
    births = _births(recording)
    lines = [*_head(recording), f"{'Time':>8} {'Types':>8} {'Id':>6} {'Actor 1':<35} {'Id':>6} {'Actor 2':<35}"]
    before: set[tuple[int, int]] = set()
    for frame in recording.frames:
        for pair in sorted(set(frame.collisions) - before):
            a, b = (births.get(one) for one in pair)
            if a is None or b is None:
                continue
            if _is(b, first) and _is(a, second) and not (_is(a, first) and _is(b, second)):
                a, b = b, a
            if _is(a, first) and _is(b, second):
                kinds = f"{_letter(a)} {_letter(b)}"
                lines.append(f"{frame.time_s:8.2f} {kinds:>8} {a.id:6d} {a.type_id:<35} {b.id:6d} {b.type_id:<35}")
        before = set(frame.collisions)
    lines += _tail(recording)
    return "\n".join(lines)


def blocked_actors(recording: Recording, least_s: float, least_m: float) -> str:
    """Vehicles that moved less than a distance for at least a time."""
    births = _births(recording)
    since: dict[int, tuple[float, float, float]] = {}
    found: list[tuple[float, float, int]] = []
    for frame in recording.frames:
        for one in set(since).difference(frame.ids.tolist()):  # destroyed: it stood until then
            start = since.pop(one)
            if frame.time_s - start[0] >= least_s:
                found.append((start[0], frame.time_s - start[0], one))
        for one, row in zip(frame.ids.tolist(), frame.motion.tolist(), strict=True):
            if one not in births or not births[one].type_id.startswith("vehicle."):
                continue
            start = since.setdefault(one, (frame.time_s, row[0], row[1]))
            if hypot(row[0] - start[1], row[1] - start[2]) >= least_m:
                if frame.time_s - start[0] >= least_s:
                    found.append((start[0], frame.time_s - start[0], one))
                since[one] = (frame.time_s, row[0], row[1])
    end = recording.duration_s
    found += [(start[0], end - start[0], one) for one, start in since.items() if end - start[0] >= least_s]
    lines = [*_head(recording), f"{'Time':>8} {'Id':>6} {'Actor':<35} {'Duration':>10}"]
    for start_s, lasted_s, one in sorted(found, key=lambda item: -item[1]):
        lines.append(f"{start_s:8.2f} {one:6d} {births[one].type_id:<35} {lasted_s:10.2f}")
    lines += _tail(recording)
    return "\n".join(lines)


def _is(birth: Birth, letter: str) -> bool:
    if letter == "h":
        return birth.attributes.get("role_name") == "hero"
    if letter == "o":
        return not birth.type_id.startswith(("vehicle.", "walker.", "traffic."))
    return birth.type_id.startswith(KINDS.get(letter, ""))
