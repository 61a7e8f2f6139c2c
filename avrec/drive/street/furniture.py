"""Trees, lamps, signs and bins on the pavement."""

from __future__ import annotations

import numpy as np

from avrec.drive.street.houses import placed
from avrec.drive.street.road import CROSS_SECTION, Road
from avrec.drive.street.shapes import Look, Part, Semantic

__all__ = ["build_furniture"]


def build_furniture(road: Road, rng: np.random.Generator, first_s: float, last_s: float) -> list[Part]:
    """A row of trees with lamps and signs between them along each kerb."""
    parts: list[Part] = []
    for side in (1.0, -1.0):
        s = first_s + float(rng.uniform(2, 8))
        while s < last_s:
            parts += _tree(road, rng, s, side * (CROSS_SECTION.kerb + 0.9))
            if rng.random() < 0.5:
                parts += _lamp(road, s + 4.5, side)
            elif rng.random() < 0.6:
                parts += _sign(road, rng, s + 4.0, side)
            if rng.random() < 0.5:
                parts.append(_bin(road, rng, s + 2.5, side))
            s += float(rng.uniform(9, 15))
    return parts


def _tree(road: Road, rng: np.random.Generator, s: float, d: float) -> list[Part]:
    height = float(rng.uniform(2.3, 2.9))
    salt = int(rng.integers(1, 99))
    bark: Look = {"wall": (0.36, 0.28, 0.21), "salt": salt}
    trunk = Part(
        "cylinder", placed(road, s, d, height / 2 + 0.1), np.array([0.14, 0.14, height / 2 + 0.3]), "plain", bark,
        Semantic.VEGETATION, thin=True,
    )  # fmt: skip
    hue = rng.uniform(-0.04, 0.05)
    green = (0.4 + hue, 0.52 + 0.5 * hue, 0.26)
    crown = []
    for k in range(6):
        angle = 2 * np.pi * k / 5 + float(rng.uniform(-0.4, 0.4))
        reach = 0.75 if k < 5 else 0.0
        size = float(rng.uniform(0.95, 1.25))
        z = height + 1.0 + float(rng.uniform(-0.25, 0.35)) + (0.0 if k < 5 else 0.85)
        pose = placed(road, s + reach * np.cos(angle), d + reach * np.sin(angle), z, float(rng.uniform(0, 3)))
        half = np.array([size, size * 0.95, size * 0.85])
        look: Look = {"wall": green, "salt": salt + 3 * k}
        crown.append(Part("ellipsoid", pose, half, "leaves", look, Semantic.VEGETATION))
    return [trunk, *crown]


def _lamp(road: Road, s: float, side: float) -> list[Part]:
    metal: Look = {"wall": (0.3, 0.33, 0.34), "salt": 1}
    d = side * (CROSS_SECTION.kerb + 0.45)
    pole = Part(
        "cylinder", placed(road, s, d, 2.7), np.array([0.07, 0.07, 2.7]), "plain", metal, Semantic.POLE, thin=True
    )
    arm = Part(
        "box",
        placed(road, s, d - side * 0.6, 5.4),
        np.array([0.05, 0.7, 0.05]),
        "plain",
        metal,
        Semantic.POLE,
        thin=True,
    )
    head = Part(
        "box", placed(road, s, d - side * 1.35, 5.36), np.array([0.13, 0.32, 0.08]), "plain",
        {"wall": (0.82, 0.82, 0.78), "salt": 2}, Semantic.POLE, thin=True,
    )  # fmt: skip
    return [pole, arm, head]


def _sign(road: Road, rng: np.random.Generator, s: float, side: float) -> list[Part]:
    d = side * (CROSS_SECTION.kerb + 0.4)
    pole = Part(
        "cylinder", placed(road, s, d, 1.3), np.array([0.04, 0.04, 1.3]), "plain",
        {"wall": (0.55, 0.56, 0.57), "salt": 1}, Semantic.POLE, thin=True,
    )  # fmt: skip
    colors = ((0.12, 0.3, 0.65), (0.75, 0.12, 0.1), (0.85, 0.7, 0.1))
    plate = Part(
        "box", placed(road, s, d, 2.5), np.array([0.025, 0.32, 0.32]), "plain",
        {"wall": colors[int(rng.integers(3))], "salt": 4}, Semantic.TRAFFIC_SIGN, thin=True,
    )  # fmt: skip
    return [pole, plate]


def _bin(road: Road, rng: np.random.Generator, s: float, side: float) -> Part:
    pose = placed(road, s, side * (CROSS_SECTION.kerb + 0.6), 0.55, float(rng.uniform(-0.2, 0.2)))
    color = ((0.2, 0.35, 0.25), (0.3, 0.3, 0.33), (0.45, 0.35, 0.2))[int(rng.integers(3))]
    return Part("box", pose, np.array([0.32, 0.3, 0.45]), "plain", {"wall": color, "salt": 9}, Semantic.POLE)
