"""What an added actor looks like."""

from __future__ import annotations

import logging

import numpy as np
from numpy.typing import NDArray

from avrec.drive import Track
from avrec.gaussians import SH_C0, Gaussians, with_both_sides
from avrec.scenario.director import is_person
from avrec.scene import Scene

__all__ = ["look_for", "plain_look"]

log = logging.getLogger(__name__)

Float64 = NDArray[np.float64]

SPACING_M = 0.11
_CAR = (
    ((-1.0, -1.0, -0.65), (1.0, 1.0, 0.2), 0.45),
    ((-0.75, -0.85, 0.2), (0.35, 0.85, 0.95), 0.22),
    ((-0.73, -0.83, 0.95), (0.33, 0.83, 1.0), 0.42),
    *(((x - 0.14, y - 0.1, -1.0), (x + 0.14, y + 0.1, -0.3), 0.08) for x in (-0.6, 0.62) for y in (-0.88, 0.88)),
)
_PERSON = (
    ((-0.45, -0.55, -1.0), (0.45, 0.55, -0.05), 0.2),
    ((-0.55, -1.0, -0.05), (0.55, 1.0, 0.68), 0.45),
    ((-0.45, -0.4, 0.72), (0.45, 0.4, 1.0), 0.6),
)
"""Parts of plain figures: corners as shares of the box's half sizes, and a shade of grey."""


def look_for(scene: Scene, *, person: bool, facing_rad: float, size_m: Float64) -> tuple[Gaussians, Float64, str]:
    """Gaussians for an actor that was not recorded, the size [3] of their box, and a note for the user.

    They are those of a recorded actor of the kind: of those that were seen from the same side the one with the most
    Gaussians. A flank that the recording did not see is that of the other side. Where no actor of the kind has any, it
    is a plain grey figure.

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
        return with_both_sides(scene.actors[best[2]]), scene.track(best[2]).size_m, note
    kind = "person" if person else "car"
    note = f"No {kind} was reconstructed in this scene, so the added one is a plain grey figure in the pictures."
    log.warning(note)
    return plain_look(size_m, scene.static.sh_degree, person=person), np.asarray(size_m, np.float64), note


def _facing(scene: Scene, track: Track) -> float:
    """Heading of a recorded actor against the ego's in the middle of its track."""
    first, last = track.world_from_box.span_us
    middle = (first + last) // 2
    own = track.world_from_box.at(middle)
    ego = scene.ego.at(middle, outside="hold")
    return float(np.arctan2(own[1, 0], own[0, 0]) - np.arctan2(ego[1, 0], ego[0, 0]))


def plain_look(size_m: Float64, sh_degree: int = 0, *, person: bool = False) -> Gaussians:
    """A grey figure of a few boxes, of flat blobs on their faces; in the frame of the actor's box and within it.

    Args:
        size_m: length, width and height of the actor's box.
        sh_degree: of the cloud; the colours do not depend on the direction.
        person: legs, trunk and head; else body, cabin and wheels.
    """
    parts = [_faces(np.asarray(size_m, np.float64), *part) for part in (_PERSON if person else _CAR)]
    means, scales, shades = (np.concatenate(column) for column in zip(*parts, strict=True))
    cloud = Gaussians.from_parts(
        means,
        np.tile([1.0, 0.0, 0.0, 0.0], (len(means), 1)),
        np.log(scales),
        np.full(len(means), 4.0),
        ((np.repeat(shades[:, None], 3, axis=1) - 0.5) / SH_C0)[:, None, :],
    )
    return cloud.with_sh_degree(sh_degree)


def _faces(
    size_m: Float64, low: tuple[float, float, float], high: tuple[float, float, float], shade: float
) -> tuple[Float64, Float64, Float64]:
    """Blobs on the faces of a part that reaches from ``low`` to ``high``, shares -1..1 of the half sizes."""
    first, last = np.array(low) * size_m / 2, np.array(high) * size_m / 2
    half, middle = (last - first) / 2, (first + last) / 2
    step = min(SPACING_M, float(np.sort(half)[1]) / 3)
    places, scales, shades = [], [], []
    for axis in range(3):
        u, v = (axis + 1) % 3, (axis + 2) % 3
        counts = [max(int(np.ceil(2 * half[side] / step)), 2) for side in (u, v)]
        grid = np.stack(np.meshgrid(*[(np.arange(n) + 0.5) / n * 2 - 1 for n in counts], indexing="ij"), -1)
        grid = grid.reshape(-1, 2)
        for sign in (-1.0, 1.0):
            face = np.empty((len(grid), 3))
            face[:, axis] = sign * half[axis]
            face[:, u], face[:, v] = grid[:, 0] * half[u], grid[:, 1] * half[v]
            spread = np.full((len(grid), 3), step * 0.6)
            spread[:, axis] = 0.01
            places.append(face + middle)
            scales.append(spread)
            shades.append(np.full(len(grid), shade + (0.08 if axis == 2 else -0.04 if axis == 0 else 0.0)))
    return np.concatenate(places), np.concatenate(scales), np.concatenate(shades)
