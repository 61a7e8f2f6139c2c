"""Colours of the street's parts: procedural, matte, and free of detail finer than the beam."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avrec.drive.street.noise import cell_random, pulse, single_pulse, smooth_noise, soft_disc
from avrec.drive.street.shapes import Part

__all__ = ["Hit", "albedo", "mix"]

Float32 = NDArray[np.float32]


@dataclass(frozen=True)
class Hit:
    """Where beams meet one face of one part, in the part's own metric frame.

    Attributes:
        part: what was hit.
        face: which face of it.
        point: float32 [3, N] metres.
        direction: float32 [3, N] unit.
        normal: float32 [3, N] or [3, 1] outward unit normal.
        beam: float32 [N] width of the beam across itself, metres.
    """

    part: Part
    face: int
    point: Float32
    direction: Float32
    normal: Float32
    beam: Float32

    def width(self, axis: int) -> Float32:
        """Extent of the beam's footprint along a part axis lying in the surface, metres."""
        sine = np.maximum(np.abs((self.normal * self.direction).sum(0)), np.float32(0.03))
        result: Float32 = self.beam * np.sqrt(1 + (self.direction[axis] / sine) ** 2)
        return result

    @property
    def look(self) -> dict[str, float | int | tuple[float, ...]]:
        """The part's shader numbers."""
        return self.part.look

    def color(self, name: str) -> Float32:
        """A colour of the part, float32 [1, 3]."""
        return np.array([self.look[name]], np.float32)

    def number(self, name: str) -> float:
        """A number of the part's look."""
        value = self.look[name]
        return float(value[0]) if isinstance(value, tuple) else float(value)


def mix(under: Float32, over: Float32, share: Float32) -> Float32:
    """Cover ``under`` [N, 3] with ``over`` by ``share`` [N]."""
    result: Float32 = under + (over - under) * share[:, None]
    return result


def _facade(hit: Hit) -> Float32:
    half, salt = hit.part.half, int(hit.number("salt"))
    wall, trim = hit.color("wall"), hit.color("trim")
    if hit.face % 3 == 2:  # the flat roof
        return _noisy(np.full((1, 3), 0.45, np.float32), hit, 0, 1, ((0.5, 0.06), (2.0, 0.06)))
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

    color = _noisy(wall, hit, u_axis, 2, ((0.23, 0.07), (0.9, 0.05), (2.2, 0.04)))
    courses = pulse(v, wv, 0, 0.06, 0.42)
    color = color * (1 - hit.number("courses") * courses)[:, None]
    stains = single_pulse(v, wv, 0, 0.5)
    color = mix(color, 0.55 * trim, stains * 0.8)
    color = mix(color, trim, 0.85 * pulse(rise, wv, 0, 0.16, storey) * single_pulse(rise, wv, -0.1, storeys * storey + 0.2))

    top = storeys * storey
    dentils = pulse(u_raw, wu, 0, 0.16, 0.36) * single_pulse(rise, wv, top + 0.22, top + 0.46)
    color = color * (1 - 0.4 * dentils)[:, None]
    left, right = bay * (0.5 - hit.number("glass")), bay * (0.5 + hit.number("glass"))
    frame = pulse(u, wu, left - 0.13, right + 0.13, bay) * pulse(rise, wv, 0.72, 2.48, storey) * inside
    glass = pulse(u, wu, left, right, bay) * pulse(rise, wv, 0.85, 2.35, storey) * inside
    bars = pulse(u, wu, bay / 2 - 0.035, bay / 2 + 0.035, bay) + pulse(rise, wv, 1.3, 1.37, storey) + pulse(rise, wv, 1.83, 1.9, storey)
    sides = pulse(u, wu, left - 0.55, left - 0.13, bay) + pulse(u, wu, right + 0.13, right + 0.55, bay)
    shutters = sides * pulse(rise, wv, 0.78, 2.42, storey) * inside * hit.number("shutters")
    slats = pulse(rise, wv, 0, 0.05, 0.164)
    color = mix(color, hit.color("shutter"), shutters)
    color = color * (1 - 0.55 * slats * shutters)[:, None]
    color = mix(color, trim, frame)
    color = mix(color, _panes(u, rise, wu, wv, bay, storey, salt), glass)
    color = mix(color, trim, glass * np.minimum(bars, 1))
    return _ground_floor(hit, color, u, v, wu, wv, bay, bays, ground, salt)


def _panes(
    u: Float32, rise: Float32, wu: Float32, wv: Float32, bay: float, storey: float, salt: int
) -> Float32:
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
    hit: Hit, color: Float32, u: Float32, v: Float32, wu: Float32, wv: Float32, bay: float, bays: int, ground: float, salt: int
) -> Float32:
    """Shop windows, awnings and doors below the first storey."""
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
    letters = pulse(u, wu, 0.1, 0.28, 0.42) * pulse(u, wu, 1.0, wide - 1.0, wide) * single_pulse(v, wv, 2.85, ground - 0.5)
    color = mix(color, np.full((1, 3), 0.92, np.float32), letters * inside * 0.85)
    color = mix(color, glass.astype(np.float32), window)
    return mix(color, 0.55 * sign.astype(np.float32), door)


def _noisy(base: Float32, hit: Hit, u: int, v: int, octaves: tuple[tuple[float, float], ...]) -> Float32:
    """A base colour modulated by noise over two part axes, each part with its own piece of the noise."""
    salt = np.float32(hit.number("salt") * 13.7 if "salt" in hit.look else 0.0)
    width = np.maximum(hit.width(u), hit.width(v))
    noise = smooth_noise(hit.point[u] + salt, hit.point[v] - salt, width, octaves)
    result: Float32 = base * (1 + noise)[:, None]
    return result


def _plain(hit: Hit) -> Float32:
    octaves = ((1.5, 0.07), (5.0, 0.07))
    if hit.normal.shape[1] == 1:
        axis = int(np.argmax(np.abs(hit.normal[:, 0])))
        u, v = [a for a in range(3) if a != axis]
        return _noisy(hit.color("wall"), hit, u, v, octaves)
    return _round(hit, hit.color("wall"), octaves)


def _round(hit: Hit, base: Float32, octaves: tuple[tuple[float, float], ...]) -> Float32:
    """Noise for curved parts: two skewed planes averaged, so that no direction shows streaks."""
    x, y, z = hit.point
    salt = np.float32(hit.number("salt") * 13.7 if "salt" in hit.look else 0.0)
    width = hit.beam * 1.6
    noise = smooth_noise(x + 0.4 * y + salt, z + 0.4 * y, width, octaves)
    noise = noise + smooth_noise(y - 0.4 * z, x * 0.6 + 0.7 * z + salt, width, octaves)
    result: Float32 = base * (1 + 0.75 * noise)[:, None]
    return result


def _leaves(hit: Hit) -> Float32:
    height = hit.point[2] / np.float32(hit.part.half[2])
    base = hit.color("wall") * (0.95 + 0.13 * height)[:, None]
    return _round(hit, base.astype(np.float32), ((0.8, 0.16), (2.1, 0.22), (5.0, 0.2)))


def _roof(hit: Hit) -> Float32:
    rows = pulse(hit.point[2], hit.width(2), 0, 0.07, 0.24)
    base = hit.color("wall") * (1 - 0.25 * rows)[:, None]
    axis = int(np.argmax(np.abs(hit.normal[:2, 0])))
    return _noisy(base.astype(np.float32), hit, 1 - axis, 2, ((0.5, 0.08), (2.2, 0.09), (6.0, 0.07)))


def _hedge(hit: Hit) -> Float32:
    axis = hit.face % 3
    u, v = [a for a in range(3) if a != axis]
    return _noisy(hit.color("wall"), hit, u, v, ((0.6, 0.12), (2.0, 0.2), (5.0, 0.2)))


def _fence(hit: Hit) -> Float32:
    axis = hit.face % 3
    if axis == 2:
        return _plain(hit)
    gaps = pulse(hit.point[1 - axis], hit.width(1 - axis), 0, hit.number("gap"), 0.26)
    gaps = gaps * (1 - pulse(hit.point[2], hit.width(2), 0, 0.08, 0.4))
    return mix(_plain(hit), hit.color("behind"), gaps)


def _car(hit: Hit) -> Float32:
    """Painted lower body: lamps, plates, doors, wheel arches, dark sill. The part frame is the car's."""
    x, y, z = hit.point
    length = float(hit.part.half[0])
    wx, wy, wz = (hit.width(axis) for axis in range(3))
    color = _plain(hit)
    dark, white = np.full((1, 3), 0.17, np.float32), np.full((1, 3), 0.88, np.float32)
    facing = int(np.argmax(np.abs(hit.normal[:, 0]))) if hit.normal.shape[1] == 1 else 0
    if facing == 1:
        for door in (-0.75, 0.15, 1.0):
            color = color * (1 - 0.55 * single_pulse(x, wx, door - 0.018, door + 0.018))[:, None]
        handles = (single_pulse(x, wx, -0.65, -0.47) + single_pulse(x, wx, 0.26, 0.44)) * single_pulse(z, wz, 0.18, 0.23)
        color = mix(color, dark, handles)
        color = mix(color, dark, single_pulse(z, wz, -2, -float(hit.part.half[2]) + 0.12))
        for wheel in (-0.62 * length, 0.62 * length):
            far = np.hypot(x - np.float32(wheel), z + np.float32(hit.part.half[2]))
            color = mix(color, dark, soft_disc(far, 0.4, np.maximum(wx, wz)))
        ends = single_pulse(np.abs(x), wx, length - 0.28, 3) * single_pulse(z, wz, 0.02, 0.2)
        return mix(color, np.where(x[:, None] > 0, white, np.float32([[0.75, 0.08, 0.06]])).astype(np.float32), ends)
    if facing == 0:
        front = float(np.mean(hit.normal[0])) > 0
        lamps = single_pulse(np.abs(y), wy, 0.48, 0.82) * single_pulse(z, wz, 0.0, 0.2)
        color = mix(color, white if front else np.float32([[0.75, 0.08, 0.06]]), lamps)
        color = mix(color, dark, single_pulse(z, wz, -2, -0.16) * 0.85)
        if front:
            color = mix(color, dark, single_pulse(np.abs(y), wy, -1, 0.4) * pulse(z, wz, 0, 0.05, 0.09) * single_pulse(z, wz, -0.05, 0.15))
        return mix(color, white, single_pulse(np.abs(y), wy, -1, 0.26) * single_pulse(z, wz, -0.2, -0.09))
    return color


def _cabin(hit: Hit) -> Float32:
    """Roof in the car's colour, glass all round, pillars between."""
    x, y, z = hit.point
    top = float(hit.part.half[2])
    paint = _plain(hit)
    n = np.abs(hit.normal[:, 0])
    if n[2] > 0.9:
        return paint
    sky = np.array([[0.31, 0.35, 0.39]], np.float32) * (1 + 0.35 * z / np.float32(top))[:, None]
    glass = single_pulse(z, hit.width(2), -top + 0.06, top - 0.08)
    if n[1] > n[0]:
        lean = x + z * np.float32(0.15)
        for pillar in (-0.42, 0.5):
            glass = glass * (1 - single_pulse(lean, hit.width(0), pillar - 0.05, pillar + 0.05))
    else:
        glass = glass * single_pulse(np.abs(y), hit.width(1), -1, float(hit.part.half[1]) - 0.16)
    return mix(paint, sky.astype(np.float32), glass)


def _wheel(hit: Hit) -> Float32:
    rubber = np.full((hit.point.shape[1], 3), 0.18, np.float32)
    if hit.face == 0:
        return rubber
    far = np.hypot(hit.point[0], hit.point[1])
    spokes = 0.5 + 0.12 * np.cos(5 * np.arctan2(hit.point[1], hit.point[0])) * np.clip(1.5 - 8 * hit.beam, 0, 1)
    rim = np.repeat(spokes.astype(np.float32)[:, None], 3, 1)
    return mix(rubber, rim, soft_disc(far, 0.62 * float(hit.part.half[0]), hit.beam * 1.5))


_SHADERS: dict[str, Callable[[Hit], Float32]] = {
    "facade": _facade,
    "plain": _plain,
    "leaves": _leaves,
    "roof": _roof,
    "hedge": _hedge,
    "fence": _fence,
    "car": _car,
    "cabin": _cabin,
    "wheel": _wheel,
}


def albedo(hit: Hit) -> Float32:
    """Colour before light, float32 [N, 3]."""
    color = _SHADERS[hit.part.material](hit)
    return np.broadcast_to(color, (hit.point.shape[1], 3))
