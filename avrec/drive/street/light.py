"""Sun and sky light: one fixed direction, soft ground shadows baked once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avrec.drive.street.ground import GroundFace

__all__ = ["Light", "contact_shade"]

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class Light:
    """Light that depends on the surface only, never on the viewer.

    Attributes:
        to_sun: float64 [3] unit, world.
        shadow: float32 [S, D] share of sunlight that reaches the ground, on a grid over (station, offset); None
            before it is baked.
        shadow_origin: (station, offset) of the first cell's centre.
        shadow_step: metres between cells.
    """

    to_sun: Float64
    shadow: Float32 | None = None
    shadow_origin: tuple[float, float] = (0.0, 0.0)
    shadow_step: float = 0.2

    def on_part(self, normal: Float32, world_from_part: Float64) -> Float32:
        """Brightness [N] or [1] of a surface with this part-frame normal [3, N]."""
        rotation = world_from_part[:3, :3].astype(np.float32)
        sun = np.maximum((rotation.T @ self.to_sun.astype(np.float32)) @ normal, 0)
        up = rotation[2] @ normal
        result: Float32 = 0.7 + 0.36 * sun + 0.06 * up
        return result

    def on_ground(self, face: int, s: Float32, d: Float32) -> Float32:
        """Brightness [N] of the ground at station ``s`` and offset ``d``."""
        sun = np.ones_like(s)
        if self.shadow is not None:
            sun = self._sunlight(s, d)
        if face == GroundFace.KERB:
            return (0.7 + 0.12 * sun).astype(np.float32)
        result: Float32 = (0.74 + 0.34 * np.float32(self.to_sun[2]) * sun).astype(np.float32)
        return result

    def _sunlight(self, s: Float32, d: Float32) -> Float32:
        assert self.shadow is not None
        rows, columns = self.shadow.shape
        i = np.clip((s - np.float32(self.shadow_origin[0])) / np.float32(self.shadow_step), 0, rows - 1.001)
        j = np.clip((d - np.float32(self.shadow_origin[1])) / np.float32(self.shadow_step), 0, columns - 1.001)
        row, column = i.astype(np.int32), j.astype(np.int32)
        fi, fj = i - row, j - column
        low = self.shadow[row, column] * (1 - fj) + self.shadow[row, column + 1] * fj
        high = self.shadow[row + 1, column] * (1 - fj) + self.shadow[row + 1, column + 1] * fj
        result: Float32 = low * (1 - fi) + high * fi
        return result


def contact_shade(along: Float32, across: Float32, size_m: Float64) -> Float32:
    """How much light is left on the ground under and just beside a body, from points in its box frame."""
    margin = np.float32(min(0.35, 0.3 * float(size_m[1])))
    x = np.clip((np.float32(size_m[0] / 2) + margin * 0.3 - np.abs(along)) / margin, 0, 1)
    y = np.clip((np.float32(size_m[1] / 2) + margin * 0.3 - np.abs(across)) / margin, 0, 1)
    inside = (x * x * (3 - 2 * x)) * (y * y * (3 - 2 * y))
    result: Float32 = 1 - 0.6 * inside
    return result
