"""Cars and pedestrians: their parts in the box frame, and where they are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from avrec.drive.street.houses import placed
from avrec.drive.street.motion import Motion, Parked, RoadRunner
from avrec.drive.street.road import CROSS_SECTION, Road
from avrec.drive.street.shapes import Look, Part, Semantic, convex_half_spaces
from avrec.drive.street.world import Actor
from avrec.geometry import matrix_from_rpy, transform_from

__all__ = ["CAR_SIZE_M", "PERSON_SIZE_M", "car_parts", "people_the_street", "person_parts"]

Float64 = NDArray[np.float64]

CAR_SIZE_M = np.array([4.4, 1.84, 1.5])
PERSON_SIZE_M = np.array([0.5, 0.66, 1.76])

_PAINTS = (
    (0.66, 0.22, 0.18), (0.25, 0.38, 0.58), (0.78, 0.78, 0.78), (0.36, 0.37, 0.39), (0.55, 0.58, 0.6),
    (0.3, 0.46, 0.38), (0.76, 0.62, 0.32), (0.58, 0.47, 0.38),
)  # fmt: skip
_CLOTHES = ((0.7, 0.2, 0.18), (0.2, 0.32, 0.55), (0.85, 0.75, 0.3), (0.3, 0.5, 0.36), (0.75, 0.72, 0.68))


def car_parts(body: int, paint: tuple[float, float, float]) -> list[Part]:
    """A car in its box frame (x forward, origin in the middle of the box)."""
    length, width, height = CAR_SIZE_M
    look: Look = {"wall": paint, "salt": body}
    lower = np.array([length / 2, width / 2, 0.36])
    z_low = -height / 2 + 0.2 + lower[2]
    bevels = convex_half_spaces(
        lower,
        [
            (0.10, 0.0, 1.0, 0.36 + 0.10 * 1.1),  # bonnet
            (-0.06, 0.0, 1.0, 0.36 + 0.06 * 1.5),  # boot
            (1.0, 0.0, 0.22, length / 2 - 0.02),  # nose
            (-1.0, 0.0, 0.18, length / 2 - 0.02),  # tail
            (0.0, 1.0, 0.3, width / 2),  # flanks lean in above the middle
            (0.0, -1.0, 0.3, width / 2),
        ],
    )
    cabin = np.array([1.35, width / 2 - 0.08, (height / 2 - (z_low + 0.3)) / 2])
    slopes = convex_half_spaces(
        cabin,
        [
            (0.62, 0.0, 0.78, 0.62 * 0.9 + 0.78 * cabin[2] * 0.9),
            (-0.75, 0.0, 0.62, 0.75 * 1.12 + 0.62 * cabin[2] * 0.9),
            (0.0, 1.0, 0.35, cabin[1] - 0.1),
            (0.0, -1.0, 0.35, cabin[1] - 0.1),
        ],
    )
    parts = [
        Part("convex", _at(0, 0, z_low), lower, "car", look, Semantic.CAR, body, bevels),
        Part("convex", _at(-0.25, 0, height / 2 - cabin[2]), cabin, "cabin", look, Semantic.CAR, body, slopes),
    ]
    lying = transform_from(matrix_from_rpy(np.asarray(np.pi / 2), np.zeros(()), np.zeros(())), np.zeros(3))
    for x in (-0.62 * length / 2, 0.62 * length / 2):
        for y in (-width / 2 + 0.11, width / 2 - 0.11):
            pose = _at(x, y, -height / 2 + 0.33) @ lying
            parts.append(Part("cylinder", pose, np.array([0.33, 0.33, 0.105]), "wheel", {}, Semantic.CAR, body))
    return parts


def person_parts(body: int, top: tuple[float, float, float], legs: tuple[float, float, float]) -> list[Part]:
    """A pedestrian caught in mid-stride, in the box frame (x forward)."""
    skin, hair = (0.8, 0.6, 0.48), (0.25, 0.18, 0.12)
    bottom = -float(PERSON_SIZE_M[2]) / 2

    def piece(x: float, y: float, z: float, half: tuple[float, ...], color: tuple[float, ...]) -> Part:
        look: Look = {"wall": color, "salt": body}
        pose = _at(x, y, bottom + z)
        return Part("ellipsoid", pose, np.array(half), "plain", look, Semantic.PERSON, body, thin=True)

    return [
        piece(0.0, 0.0, 1.16, (0.15, 0.22, 0.34), top),
        piece(0.0, 0.0, 1.62, (0.1, 0.085, 0.13), skin),
        piece(-0.02, 0.0, 1.67, (0.1, 0.09, 0.1), hair),
        piece(0.1, 0.1, 0.45, (0.1, 0.09, 0.46), legs),
        piece(-0.1, -0.1, 0.45, (0.1, 0.09, 0.46), legs),
        piece(0.07, -0.26, 1.1, (0.07, 0.06, 0.33), top),
        piece(-0.07, 0.26, 1.1, (0.07, 0.06, 0.33), top),
    ]


def people_the_street(
    road: Road, rng: np.random.Generator, first_s: float, last_s: float, moving: bool
) -> tuple[list[Actor], list[Part]]:
    """Parked cars on both sides, moving cars in both lanes, pedestrians on the pavements."""
    actors: list[Actor] = []
    parts: list[Part] = []

    def add(label: str, motion: Motion, moves: bool) -> None:
        body = len(actors) + 1
        car = label == "car"
        size = CAR_SIZE_M if car else PERSON_SIZE_M
        number = sum(actor.label == label for actor in actors)
        actors.append(Actor(f"{label}_{number:02d}", label, size, motion, moves))
        palette = _PAINTS if car else _CLOTHES
        first = palette[int(rng.integers(len(palette)))]
        parts.extend(car_parts(body, first) if car else person_parts(body, first, (0.2, 0.22, 0.3)))

    half = float(CAR_SIZE_M[2]) / 2
    bay = (CROSS_SECTION.lane_width + CROSS_SECTION.kerb) / 2 + 0.05
    for side in (1.0, -1.0):
        for s in np.arange(np.ceil(first_s / 6) * 6 + 3, last_s, 6.0):
            crossing = any(abs(s - c - 1.6) < 5.5 for c in crossing_stations(last_s))
            if rng.random() < (0.5 if side > 0 else 0.3) and not crossing:
                turn = (np.pi if side > 0 else 0.0) + float(rng.normal(0, 0.015))
                pose = placed(road, float(s) + float(rng.uniform(-0.3, 0.3)), side * bay, half, turn)
                add("car", Parked(pose), False)
    people = PERSON_SIZE_M[2] / 2 + CROSS_SECTION.kerb_height
    for _ in range(max(4, int((last_s - first_s) / 12))):
        s, side = float(rng.uniform(first_s + 20, last_s - 10)), float(rng.choice([-1, 1]))
        offset, pace = side * float(rng.uniform(7.2, 8.5)), float(rng.choice([-1, 1]) * rng.uniform(1.0, 1.5))
        if moving:
            add("pedestrian", RoadRunner(road, s, offset, pace, float(people)), True)
    if moving:
        lane = CROSS_SECTION.lane_center
        add("car", RoadRunner(road, 13.0, -lane, 8.1, half), True)
        for s in np.arange(26.0, last_s - 6, 31.0):  # none may come out of the house at the street's end
            add("car", RoadRunner(road, float(s) + float(rng.uniform(-3, 3)), lane, -7.5, half), True)
    return actors, parts


def crossing_stations(last_s: float) -> tuple[float, ...]:
    """Where the zebra crossings begin."""
    return tuple(float(s) for s in np.arange(19.0, last_s, 58.0))


def _at(x: float, y: float, z: float) -> Float64:
    pose = np.eye(4)
    pose[:3, 3] = x, y, z
    return pose
