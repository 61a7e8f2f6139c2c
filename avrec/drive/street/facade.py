"""House fronts: windows, shutters, courses, shops."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from avrec.drive.street.noise import cell_random, pulse, single_pulse, smooth_noise
from avrec.drive.street.surface import Hit, mix, noisy

__all__ = ["facade"]

Float32 = NDArray[np.float32]


def facade(hit: Hit) -> Float32:
    """A house: rows of windows, storey bands, shops below; the part's z is up."""
    half, salt = hit.part.half, int(hit.number("salt"))
    wall, trim = hit.color("wall"), hit.color("trim")
    if hit.face % 3 == 2:  # the flat roof
        return noisy(np.full((1, 3), 0.45, np.float32), hit, 0, 1, ((0.5, 0.06), (2.0, 0.06)))
    u_axis = 1 - hit.face % 3
    u_raw, v = hit.point[u_axis] + np.float32(half[u_axis]), hit.point[2] + np.float32(half[2])
    wu, wv = hit.width(u_axis), hit.width(2)
    bay, storey, ground = hit.number("bay"), hit.number("storey"), hit.number("ground")
    across, height = 2 * float(half[u_axis]), 2 * float(half[2])
    bays = max(1, int((across - 0.6) / bay))
    storeys = max(0, int((height - ground - 0.3) / storey))
    u = u_raw - np.float32((across - bays * bay) / 2)
    rise = v - np.float32(ground)
    inside = single_pulse(u, wu, 0, bays * bay) * single_pulse(rise, wv, 0, storeys * storey)

    color = noisy(wall, hit, u_axis, 2, ((0.23, 0.07), (0.9, 0.05), (2.2, 0.04)))
    courses = pulse(v, wv, 0, 0.06, 0.42)
    color = color * (1 - hit.number("courses") * courses)[:, None]
    stains = single_pulse(v, wv, 0, 0.5)
    color = mix(color, 0.55 * trim, stains * 0.8)
    bands = pulse(rise, wv, 0, 0.16, storey) * single_pulse(rise, wv, -0.1, storeys * storey + 0.2)
    color = mix(color, trim, 0.85 * bands)

    top = storeys * storey
    dentils = pulse(u_raw, wu, 0, 0.16, 0.36) * single_pulse(rise, wv, top + 0.22, top + 0.46)
    color = color * (1 - 0.4 * dentils)[:, None]
    left, right = bay * (0.5 - hit.number("glass")), bay * (0.5 + hit.number("glass"))
    frame = pulse(u, wu, left - 0.13, right + 0.13, bay) * pulse(rise, wv, 0.72, 2.48, storey) * inside
    glass = pulse(u, wu, left, right, bay) * pulse(rise, wv, 0.85, 2.35, storey) * inside
    bars = pulse(u, wu, bay / 2 - 0.035, bay / 2 + 0.035, bay)
    bars = bars + pulse(rise, wv, 1.3, 1.37, storey) + pulse(rise, wv, 1.83, 1.9, storey)
    sides = pulse(u, wu, left - 0.55, left - 0.13, bay) + pulse(u, wu, right + 0.13, right + 0.55, bay)
    shutters = sides * pulse(rise, wv, 0.78, 2.42, storey) * inside * np.float32(hit.number("shutters"))
    slats = pulse(rise, wv, 0, 0.05, 0.164)
    color = mix(color, hit.color("shutter"), shutters)
    color = color * (1 - np.float32(0.55) * slats * shutters)[:, None]
    color = mix(color, trim, frame)
    color = mix(color, _panes(u, rise, wu, wv, bay, storey, salt), glass)
    color = mix(color, trim, glass * np.minimum(bars, 1))
    return _ground_floor(hit, color, (u, v), (wu, wv), bay, bays)


def _panes(u: Float32, rise: Float32, wu: Float32, wv: Float32, bay: float, storey: float, salt: int) -> Float32:
    """Window glass: a pale reflection above, a darker room below, a curtain here and there."""
    column, row = np.floor(u / np.float32(bay)), np.floor(rise / np.float32(storey))
    near = np.clip(1.6 - 1.6 * np.maximum(wu / np.float32(bay), wv / np.float32(storey)), 0, 1)
    level = rise - row * np.float32(storey)
    chance = cell_random(column, row, salt) * near
    bright = 0.27 + 0.1 * (level - 0.85) + 0.06 * chance
    glass = bright[:, None] * np.array([[0.8, 0.95, 1.1]], np.float32)
    drawn = np.clip(cell_random(column, row, salt + 7) * 4 - 1.4, 0, 1) * near
    curtain = np.array([[0.72, 0.68, 0.6]], np.float32)
    result: Float32 = mix(glass.astype(np.float32), curtain, drawn * np.clip(level - 0.9, 0, 1) * 0.8)
    return result


def _ground_floor(
    hit: Hit, color: Float32, at: tuple[Float32, Float32], width: tuple[Float32, Float32], bay: float, bays: int
) -> Float32:
    """Shop windows, signs and doors below the first storey; ``at`` and ``width`` run along the front and up."""
    (u, v), (wu, wv) = at, width
    ground, salt = hit.number("ground"), int(hit.number("salt"))
    if ground < 2.5:
        return color
    wide = 2 * bay
    inside = single_pulse(u, wu, 0, bays * bay)
    column = np.floor(u / np.float32(wide))
    near = np.clip(1.6 - 1.6 * wu / np.float32(wide), 0, 1)
    tint = 0.5 + 0.5 * cell_random(column, np.zeros_like(column), salt + 3) * near
    sign = (1 - tint)[:, None] * hit.color("sign") + tint[:, None] * hit.color("sign2")
    front = pulse(u, wu, 0.25, wide - 0.25, wide) * inside
    window = pulse(u, wu, 0.4, wide - 1.5, wide) * single_pulse(v, wv, 0.75, 2.5) * inside
    door = pulse(u, wu, wide - 1.25, wide - 0.4, wide) * single_pulse(v, wv, 0.08, 2.45) * inside
    wares = smooth_noise(u, v, np.maximum(wu, wv), ((1.1, 0.1), (2.2, 0.08)))
    shelves = pulse(v, wv, 0.0, 0.06, 0.42) + pulse(u, wu, 0.0, 0.08, 0.95)
    glass = (0.36 + wares + 0.04 * v + 0.4 * np.minimum(shelves, 1))[:, None] * np.array([[0.95, 1.0, 1.0]], np.float32)
    color = mix(color, sign.astype(np.float32), front * single_pulse(v, wv, 2.62, ground - 0.25))
    letters = pulse(u, wu, 0.1, 0.28, 0.42) * pulse(u, wu, 1.0, wide - 1.0, wide)
    letters = letters * single_pulse(v, wv, 2.85, ground - 0.5)
    color = mix(color, np.full((1, 3), 0.92, np.float32), letters * inside * 0.85)
    color = mix(color, glass.astype(np.float32), window)
    return mix(color, 0.55 * sign.astype(np.float32), door)
