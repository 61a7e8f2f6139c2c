"""What an added actor looks like."""

from __future__ import annotations

import logging

import numpy as np
from numpy.typing import NDArray

from avrec.drive import Track
from avrec.gaussians import SH_C0, Gaussians
from avrec.scenario.director import is_person
from avrec.scene import Scene

__all__ = ["box_look", "look_for"]

log = logging.getLogger(__name__)

Float64 = NDArray[np.float64]

SPACING_M = 0.11
GREY = 0.42


def look_for(scene: Scene, *, person: bool, facing_rad: float, size_m: Float64) -> tuple[Gaussians, Float64, str]:
    """Gaussians for an actor that was not recorded, the size [3] of their box, and a note for the user.

    They are those of a recorded actor of the kind: of those that were seen from the same side the one with the most
    Gaussians. Where no actor of the kind has any, it is a plain grey box.

    Args:
        scene: with recorded actors.
        person: a person, else a car.
        facing_rad: heading of the new actor against the ego's; 0 is seen from behind.
        size_m: of the box where nothing like it was recorded.
    """
    best: tuple[bool, int, str] | None = None
    for track in scene.tracks:
        cloud = scene.actors.get(track.id)
        if cloud is None or not len(cloud) or is_person(track) != person:
            continue
        if not person and not 3.0 <= float(track.size_m[0]) <= 6.5:
            continue
        alike = person or np.cos(_facing(scene, track) - facing_rad) > 0.5
        rank = (bool(alike), len(cloud), track.id)
        if best is None or rank > best:
            best = rank
    if best is not None:
        note = f"The added {'person' if person else 'car'} looks like the recorded {best[2]}."
        return scene.actors[best[2]], scene.track(best[2]).size_m, note
    kind = "person" if person else "car"
    note = f"No {kind} was reconstructed in this scene, so the added one is a plain grey box in the pictures."
    log.warning(note)
    return box_look(size_m, scene.static.sh_degree), np.asarray(size_m, np.float64), note


def _facing(scene: Scene, track: Track) -> float:
    """Heading of a recorded actor against the ego's in the middle of its track."""
    first, last = track.world_from_box.span_us
    middle = (first + last) // 2
    own = track.world_from_box.at(middle)
    ego = scene.ego.at(middle, outside="hold")
    return float(np.arctan2(own[1, 0], own[0, 0]) - np.arctan2(ego[1, 0], ego[0, 0]))


def box_look(size_m: Float64, sh_degree: int = 0) -> Gaussians:
    """A grey box with darker ends, of flat blobs on its faces; in the frame of the box."""
    half = np.asarray(size_m, np.float64) / 2
    places, scales, shades = [], [], []
    for axis in range(3):
        u, v = (axis + 1) % 3, (axis + 2) % 3
        counts = [max(int(np.ceil(2 * half[side] / SPACING_M)), 2) for side in (u, v)]
        steps = [(np.arange(count) + 0.5) / count * 2 - 1 for count in counts]
        grid = np.stack(np.meshgrid(*steps, indexing="ij"), -1).reshape(-1, 2)
        for sign in (-1.0, 1.0):
            face = np.empty((len(grid), 3))
            face[:, axis] = sign * half[axis]
            face[:, u], face[:, v] = grid[:, 0] * half[u], grid[:, 1] * half[v]
            spread = np.full((len(grid), 3), SPACING_M * 0.6)
            spread[:, axis] = 0.01
            places.append(face)
            scales.append(spread)
            shades.append(np.full(len(grid), GREY + (0.12 if axis == 2 else 0.0) - (0.12 if axis == 0 else 0.0)))
    means = np.concatenate(places)
    colour = np.repeat(np.concatenate(shades)[:, None], 3, axis=1)
    cloud = Gaussians.from_parts(
        means,
        np.tile([1.0, 0.0, 0.0, 0.0], (len(means), 1)),
        np.log(np.concatenate(scales)),
        np.full(len(means), 4.0),
        ((colour - 0.5) / SH_C0)[:, None, :],
    )
    return cloud.with_sh_degree(sh_degree)
