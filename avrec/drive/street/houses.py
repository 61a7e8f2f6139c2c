"""Buildings, walls and hedges along the street."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from avrec.drive.street.road import CROSS_SECTION, Road
from avrec.drive.street.shapes import Look, Part, Semantic, convex_half_spaces
from avrec.geometry import matrix_from_rpy, transform_from

__all__ = ["build_houses", "placed"]

Float64 = NDArray[np.float64]

_WALLS = (
    (0.76, 0.64, 0.52), (0.72, 0.49, 0.41), (0.78, 0.73, 0.62), (0.63, 0.67, 0.63), (0.8, 0.68, 0.53),
    (0.66, 0.46, 0.4), (0.72, 0.72, 0.75), (0.68, 0.59, 0.5), (0.58, 0.64, 0.71), (0.77, 0.61, 0.54),
)  # fmt: skip
_TRIMS = ((0.93, 0.91, 0.87), (0.88, 0.86, 0.83), (0.95, 0.94, 0.92), (0.9, 0.87, 0.8))
_SHUTTERS = ((0.3, 0.45, 0.36), (0.36, 0.42, 0.5), (0.5, 0.36, 0.28), (0.62, 0.6, 0.55))
_SIGNS = ((0.55, 0.15, 0.14), (0.13, 0.32, 0.42), (0.18, 0.38, 0.24), (0.8, 0.6, 0.18), (0.35, 0.2, 0.35))
_ROOFS = ((0.5, 0.28, 0.22), (0.36, 0.34, 0.36), (0.45, 0.36, 0.3), (0.58, 0.34, 0.24))


def placed(road: Road, s: float, d: float, z: float, turn: float = 0.0) -> Float64:
    """Pose [4, 4] of something beside the road: x along the road (turned by ``turn`` radians), z up."""
    x, y, heading = road.place(s, d)
    rotation = matrix_from_rpy(np.zeros(()), np.zeros(()), np.asarray(heading + turn))
    return transform_from(rotation, np.array([float(x), float(y), z]))


def build_houses(road: Road, rng: np.random.Generator, first_s: float, last_s: float) -> list[Part]:
    """Rows of houses on both sides and one across each end of the street."""
    parts: list[Part] = []
    for side in (1.0, -1.0):
        s = first_s + float(rng.uniform(0, 4))
        while s < last_s:
            width = float(rng.uniform(9, 15))
            if rng.random() < 0.16:
                width = float(rng.uniform(5, 8))
                parts += _garden(road, rng, s, width, side)
            else:
                parts += _house(road, rng, s, width, side)
            s += width + 0.05
    for s, turn in ((last_s + 9, np.pi / 2), (first_s - 9, -np.pi / 2)):
        for offset in (-17.0, 0.0, 17.0):
            pose = placed(road, s, offset, 0.0, turn)
            parts += _block(pose, rng, 17.0, float(rng.uniform(9, 12)), 8.0)
    return parts


def _house(road: Road, rng: np.random.Generator, s: float, width: float, side: float) -> list[Part]:
    depth, height = 9.0, float(rng.choice([7.4, 9.9, 10.6, 13.0]) + rng.uniform(-0.3, 0.5))
    setback = CROSS_SECTION.pavement + float(rng.uniform(0.0, 0.5))
    # x of the pose runs along the front whichever side the house is on
    pose = placed(road, s + width / 2, side * (setback + depth / 2), 0.0, 0.0 if side > 0 else np.pi)
    return _block(pose, rng, width, height, depth)


def _block(pose: Float64, rng: np.random.Generator, width: float, height: float, depth: float) -> list[Part]:
    """One house; ``pose`` stands on the ground in its middle, its front looks along -y."""
    salt = int(rng.integers(1, 200))
    wall, trim = _pick(rng, _WALLS), _pick(rng, _TRIMS)
    storey = float(rng.uniform(2.9, 3.2))
    look: Look = {
        "salt": salt,
        "wall": tuple(np.clip(np.array(wall) * rng.uniform(0.92, 1.05), 0, 0.9).tolist()),
        "trim": trim,
        "bay": float(rng.uniform(2.1, 2.9)),
        "storey": storey,
        "ground": float(rng.uniform(3.6, 4.0)) if rng.random() < 0.65 else 0.45,
        "glass": float(rng.uniform(0.2, 0.25)),
        "courses": float(rng.choice([0.14, 0.22, 0.3])),
        "shutters": float(rng.random() < 0.5),
        "shutter": _pick(rng, _SHUTTERS),
        "sign": _pick(rng, _SIGNS),
        "sign2": _pick(rng, _SIGNS),
    }
    half = np.array([width / 2, depth / 2, height / 2])
    parts = [Part("box", pose @ _shift(0, 0, height / 2), half, "facade", look)]
    cornice: Look = {"wall": trim, "salt": salt}
    parts.append(
        Part(
            "box",
            pose @ _shift(0, -0.12, height + 0.12),
            np.array([width / 2 + 0.03, depth / 2 + 0.1, 0.2]),
            "plain",
            cornice,
        )
    )
    if rng.random() < 0.6:
        parts.append(_gable(pose @ _shift(0, 0, height + 0.3), rng, width, depth, salt))
    if rng.random() < 0.6:
        bay = look["bay"]
        assert isinstance(bay, float)
        parts += _balconies(pose, rng, width, height, depth, bay, look)
    return parts


def _gable(pose: Float64, rng: np.random.Generator, width: float, depth: float, salt: int) -> Part:
    """A saddle roof whose ridge runs along the front."""
    rise = float(rng.uniform(1.4, 2.4))
    half = np.array([width / 2 - 0.02, depth / 2 + 0.3, rise])
    slope = [(0.0, sign * rise, float(half[1]), rise * float(half[1])) for sign in (1, -1)]
    planes = convex_half_spaces(half, [*slope, (0.0, 0.0, -1.0, 0.0)])
    return Part("convex", pose, half, "roof", {"wall": _pick(rng, _ROOFS), "salt": salt}, planes=planes)


def _balconies(
    pose: Float64, rng: np.random.Generator, width: float, height: float, depth: float, bay: float,
    look: Look,
) -> list[Part]:  # fmt: skip
    ground, storey = look["ground"], look["storey"]
    assert isinstance(ground, float)
    assert isinstance(storey, float)
    bays = max(1, int((width - 0.6) / bay))
    column = int(rng.integers(0, bays))
    x = -bays * bay / 2 + (column + 0.5) * bay
    parts = []
    for level in range(1 if ground < 2.5 else 0, max(0, int((height - ground - 0.3) / storey))):
        z = ground + level * storey + 0.35
        rail: Look = {"wall": (0.3, 0.32, 0.34), "salt": level, "gap": 0.16, "behind": (0.55, 0.52, 0.48)}
        slab = Part("box", pose @ _shift(x, -depth / 2 - 0.45, z), np.array([bay * 0.42, 0.45, 0.08]), "plain", rail)
        front = Part(
            "box",
            pose @ _shift(x, -depth / 2 - 0.89, z + 0.55),
            np.array([bay * 0.42 + 0.02, 0.03, 0.45]),
            "fence",
            rail,
        )
        parts += [slab, front]
    return parts


def _garden(road: Road, rng: np.random.Generator, s: float, width: float, side: float) -> list[Part]:
    """A gap between houses: a hedge in front, a wall behind, a tree's crown between."""
    edge = CROSS_SECTION.pavement
    middle = s + width / 2
    green = (float(rng.uniform(0.32, 0.4)), float(rng.uniform(0.46, 0.52)), 0.25)
    picket: Look = {"wall": (0.84, 0.83, 0.79), "salt": 1, "gap": 0.13, "behind": tuple(0.75 * v for v in green)}
    hedge: Look = {"wall": green, "salt": int(rng.integers(1, 99))}
    fenced = rng.random() < 0.6
    front = Part(
        "box", placed(road, middle, side * (edge + 0.8), 0.65 if fenced else 0.8),
        np.array([width / 2, 0.08 if fenced else 0.5, 0.65 if fenced else 0.8]),
        "fence" if fenced else "hedge", picket if fenced else hedge, Semantic.FENCE if fenced else Semantic.VEGETATION,
    )  # fmt: skip
    back = Part(
        "box", placed(road, middle, side * (edge + 8.5), 2.6), np.array([width / 2 + 0.5, 0.3, 2.6]), "plain",
        {"wall": _pick(rng, _WALLS), "salt": 3}, Semantic.WALL,
    )  # fmt: skip
    crowns = [
        Part(
            "ellipsoid",
            placed(road, middle + float(rng.uniform(-1, 1)), side * (edge + float(rng.uniform(3, 5))), 3.0 + 1.3 * k),
            np.array([2.2, 2.2, 1.9]), "leaves", {"wall": green, "salt": k + 1}, Semantic.VEGETATION,
        )
        for k in range(3)
    ]  # fmt: skip
    return [front, back, *crowns]


def _pick(rng: np.random.Generator, colors: tuple[tuple[float, float, float], ...]) -> tuple[float, float, float]:
    return colors[int(rng.integers(len(colors)))]


def _shift(x: float, y: float, z: float) -> Float64:
    pose = np.eye(4)
    pose[:3, 3] = x, y, z
    return pose
