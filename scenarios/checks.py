"""What the cases of the catalogue ask of the recording and the map."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from avrec.drive import Track
from avrec.drive.kinds import kind_of
from avrec.errors import AvrecError
from avrec.scenario import Guide, Scenario, ego_state, gap_ahead, guide_of
from avrec.scenario.boxes import Box, box_of_pose
from avrec.scenario.director import is_person
from avrec.scenario.guide import thinned
from avrec.scenario.rehearsal import Beginning
from avrec.scenario.road import Place

__all__ = [
    "ahead_in_lane",
    "box_at",
    "can_brake",
    "ego_box",
    "ego_path",
    "ego_place",
    "is_vehicle",
    "on_the_way",
    "one_of",
    "right_gap",
    "times_of",
    "track_of_kind",
    "within",
]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

GAP_OFF_M, GAP_OFF = 0.5, 0.1
"""A gap may be off by so many metres, or by this share of it."""


ASIDE_M = 1.6
"""Who is no farther beside a line than this is taken to drive along it."""


def one_of(name: str, value: object, *choices: object) -> None:
    """Refuse what is not among some choices.

    Raises:
        AvrecError: it is not.
    """
    if not any(type(value) is type(choice) and value == choice for choice in choices):
        raise AvrecError(f"{name}={value!r} is none. Choose {' or '.join(repr(choice) for choice in choices)}.")


def right_gap(found: Beginning, gap_m: float) -> str:
    """Why the gap at an event is not the one that was asked for; empty where it is."""
    if abs(found.gap_m - gap_m) <= max(GAP_OFF_M, GAP_OFF * gap_m):
        return ""
    return (
        f"the gap is {found.gap_m:.1f} m after {found.time_s:.1f} s, not {gap_m:g} m: the car cannot keep pace with "
        "the recorded ego, which speeds up, brakes or turns too much."
    )


def on_the_way(found: Beginning, aside_m: float = 0.0) -> str:
    """Why somebody is not ``aside_m`` beside the recorded ego's way at an event; empty where they are."""
    if abs(abs(found.aside_m) - aside_m) <= ASIDE_M:
        return ""
    return (
        f"the car is {abs(found.aside_m):.1f} m beside the ego's way after {found.time_s:.1f} s, not {aside_m:.1f} m, "
        "because the ego turns off where the car's lane does not lead."
    )


def can_brake(found: Beginning, to_mps: float) -> str:
    """Why nobody brakes to a speed at an event; empty where somebody does."""
    if found.speed_mps > to_mps + 0.1:
        return ""
    return f"the car goes only {found.speed_mps:.1f} m/s when it is to brake to {to_mps:g} m/s. Choose a lower to_mps."


def within(case: Scenario, at_s: float, lasts_s: float) -> None:
    """Refuse what would not be over before the recording is.

    Raises:
        AvrecError: it would not.
    """
    if at_s + lasts_s > case.seconds:
        raise AvrecError(
            f"{case.name} would begin at {at_s:g} s and take {lasts_s:.1f} s, but the recording lasts only "
            f"{case.seconds:.1f} s. Choose an earlier at_s{', or a shorter manoeuvre' if at_s < 0.5 else ''}."
        )


def times_of(case: Scenario) -> Int64:
    """Every 50 ms of the scenario."""
    return np.arange(case.start_us, case.end_us + 1, 50_000)


def ego_box(case: Scenario, time_us: int) -> Box:
    """The recorded ego's box."""
    return ego_state(case, time_us).box(case.ego_shape)


def ego_place(case: Scenario, time_us: int) -> Place:
    """The lane of the recorded ego.

    Raises:
        AvrecError: the ego is on no lane.
    """
    box = ego_box(case, time_us)
    place = case.road.place(np.array([box.x, box.y]), box.yaw)
    if place is None:
        raise AvrecError(
            f"The recorded ego is on no lane of the map {(time_us - case.start_us) / 1e6:.1f} s after the start. "
            "Begin later (--start SECONDS; replay(scene, start_us=...) in Python), or give the scene a better map."
        )
    return place


def ego_path(case: Scenario) -> Guide:
    """Where the recorded ego's rig goes.

    Raises:
        AvrecError: it stands still.
    """
    points = case.scene.ego.at(times_of(case), outside="hold")[:, :2, 3]
    kept = points[thinned(points, 0.3)]
    if len(kept) < 4:
        raise AvrecError(f"The recorded ego hardly moves in {case.scene.name}; {case.name} needs one that drives.")
    return guide_of(kept)


def box_at(track: Track, time_us: int) -> Box:
    """A recorded actor's box."""
    pose = track.world_from_box.at(time_us, outside="hold")
    return box_of_pose(pose, float(track.size_m[0]), float(track.size_m[1]))


def is_vehicle(track: Track) -> bool:
    """Whether an actor drives or rides."""
    return kind_of(track.label, track.size_m) not in ("person", "prop")


def track_of_kind(case: Scenario, actor: str, *, person: bool) -> Track:
    """A recorded actor of a kind.

    Raises:
        AvrecError: no such actor, or of another kind.
    """
    track = case.scene.track(actor)
    fits = is_person if person else is_vehicle
    if not fits(track):
        wanted = "a person" if person else "a vehicle"
        names = ", ".join(other.id for other in case.scene.tracks if fits(other))[:200] or "none"
        raise AvrecError(f"{case.name} needs {wanted}, but {actor} is a {track.label}. The scene has {names}.")
    return track


def ahead_in_lane(case: Scenario, time_us: int, within_m: float) -> tuple[Track, float] | None:
    """The nearest vehicle ahead on the recorded ego's way that drives as the ego does, and the gap to it."""
    ego, path = ego_box(case, time_us), ego_path(case)
    best: tuple[Track, float] | None = None
    for track in case.scene.tracks:
        first, last = track.world_from_box.span_us
        if not is_vehicle(track) or not track.moving or not first <= time_us <= last:
            continue
        box = box_at(track, time_us)
        along, left = path.nearest(np.array([box.x, box.y]))
        turn = np.cos(float(path.at(along)[1]) - box.yaw)
        gap = gap_ahead(ego, box)
        if abs(float(left)) < ASIDE_M and turn > 0.7 and 0.0 < gap <= within_m and (best is None or gap < best[1]):
            best = track, gap
    return best
