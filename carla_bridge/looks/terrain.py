"""The land around roads, as it looks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from avrec.mesh.painted import Kind, Surface
from carla_bridge.looks.classes import GRASS
from carla_bridge.world.ground import Ground
from carla_bridge.world.labels import Label

__all__ = ["terrain"]

Float64 = NDArray[np.float64]

FAR_M = 4000.0
"""How far the land goes on, level, beyond its grid."""
BELOW_M = 0.08
"""Of the sheet below roads that it passes under."""


def terrain(ground: Ground) -> Surface:
    """The land that bodies stand on off the roads."""
    land = ground.land
    z = land.z - BELOW_M * land.beside
    return _sheet(_outward(land.x), _outward(land.y), np.pad(z, 1, mode="edge"))


def _outward(line: Float64) -> Float64:
    return np.concatenate([[line[0] - FAR_M], line, [line[-1] + FAR_M]])


def _sheet(x: Float64, y: Float64, z: Float64) -> Surface:
    columns = len(y)
    index = (np.arange(len(x) - 1)[:, None] * columns + np.arange(columns - 1)).reshape(-1)
    faces = np.concatenate(
        [
            np.stack([index, index + columns, index + 1], axis=1),
            np.stack([index + columns, index + columns + 1, index + 1], axis=1),
        ]
    )
    corners = np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1).reshape(-1, 2)
    return Surface.of(np.column_stack([corners, z.reshape(-1)]), faces, GRASS, Label.TERRAIN, Kind.GRASS)
