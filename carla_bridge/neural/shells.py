"""Bodies of `carla_bridge.looks` as Gaussians: flat blobs all over their faces, in colours that light gives them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from avrec.gaussians import SH_C0, Gaussians
from avrec.geometry import quaternion_from_matrix
from avrec.mesh.painted import Kind, Surface
from carla_bridge.sensors.development import GAMMA

__all__ = ["Shell", "coloured", "lit_by", "shade", "shadow", "shell_of"]

Float64 = NDArray[np.float64]
Bool = NDArray[np.bool_]
Colour = tuple[float, float, float]

BLOBS = 7000
"""About how many a shell has; their spacing follows from its area, within these limits."""
FINEST_M, COARSEST_M = 0.03, 0.2
WIDE = 0.7
"""Deviation of a blob over the distance to the next: so wide, at least 97 % of the light is absorbed between them."""
THICK_M = 0.004
OPACITY = 0.99
PANE = np.array([0.20, 0.23, 0.26])
"""What is seen in windows."""
SHADOW, SHADOW_REACH, SHADOW_STEP_M = 0.65, 1.12, 0.3
"""Opacity of the shadow below a body's middle, how far it reaches over the half sizes, and between its blobs."""
SHADOW_FULL_M = 0.8
"""Of the half length and width; below what is narrower light comes in from the sides."""
SHADOW_UP_M, SHADOW_THICK_M = 0.08, 0.03
SET_ON_M = 0.04
"""Faces so near before others of the same direction are set on them."""


@dataclass(frozen=True)
class Shell:
    """Blobs on a surface.

    Attributes:
        places, normals: float64 [S, 3] metres, unit vectors out of closed bodies.
        turns: float64 [S, 3, 3]; the columns are the blob's two axes in the face, and the normal.
        widths: float64 [S, 2] deviations along these axes, metres.
        colours: float64 [S, 3] linear; ``paint``, ``kinds`` float64, uint8 [S] as in `Surface`.
    """

    places: Float64
    turns: Float64
    widths: Float64
    colours: Float64
    paint: Float64
    kinds: NDArray[np.uint8]

    @property
    def normals(self) -> Float64:
        """Float64 [S, 3]."""
        return self.turns[:, :, 2]

    def take(self, keep: Bool) -> Shell:
        """Some of the blobs."""
        return Shell(*(each[keep] for each in vars(self).values()))


def shell_of(surface: Surface, up_m: float) -> Shell:
    """Blobs all over a surface.

    Args:
        surface: any.
        up_m: subtracted from heights; half the box's height where the surface starts at its foot.
    """
    corners = surface.vertices[surface.faces] - [0.0, 0.0, up_m]
    sides = np.roll(corners, -1, axis=1) - corners
    longest = np.linalg.norm(sides, axis=2).argmax(1)
    pick = np.arange(len(corners)), longest
    start, base, apex = corners[pick], sides[pick], corners[pick[0], (longest + 2) % 3]
    normal = np.cross(base, apex - start)
    area = np.linalg.norm(normal, axis=1) / 2
    real = np.flatnonzero(area > 1e-7)
    start, base, apex, normal, area = (each[real] for each in (start, base, apex, normal, area))
    coarse = float(np.clip(np.sqrt(area.sum() / BLOBS), FINEST_M, COARSEST_M))
    step = np.clip(np.sqrt(area) / 3, min(FINEST_M, coarse), coarse)  # small faces keep their shape
    length = np.linalg.norm(base, axis=1)
    along, up = base / length[:, None], normal / (2 * area)[:, None]
    over = np.cross(up, along)
    height, lean = 2 * area / length, ((apex - start) * along).sum(1)

    # Strips along the longest side, and blobs on each strip.
    rows = np.maximum(np.rint(height / step), 1.0).astype(np.int64)
    face, strip = _expand(rows)
    share = (strip + 0.5) / rows[face]
    span = length[face] * (1 - share)
    columns = np.maximum(np.rint(span / step[face]), 1.0).astype(np.int64)
    which, place = _expand(columns)
    face, share, span, columns = face[which], share[which], span[which], columns[which]
    far = lean[face] * share + span * (place + 0.5) / columns
    places = start[face] + far[:, None] * along[face] + (height[face] * share)[:, None] * over[face]
    turns = np.stack([along[face], over[face], up[face]], axis=-1)
    turns[_inward(places, up[face])] *= [1.0, -1.0, -1.0]
    number = real[face]
    shell = Shell(
        places,
        turns,
        WIDE * np.stack([span / columns, height[face] / rows[face]], axis=-1),
        surface.colours[number].astype(np.float64),
        surface.paint[number].astype(np.float64),
        surface.kinds[number],
    )
    return shell.take(~_covered(shell))


def _expand(counts: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For each of so many things in each group: the group, and its number there."""
    group = np.repeat(np.arange(len(counts)), counts)
    return group, np.arange(len(group)) - np.repeat(np.cumsum(counts) - counts, counts)


def _inward(places: Float64, normals: Float64) -> Bool:
    """Whether normals point towards the spine of the body: faces have two sides, and no common direction."""
    low, high = places.min(0), places.max(0)
    middle, half = (low + high) / 2, (high - low) / 2
    spine = np.tile(middle, (len(places), 1))
    spine[:, 0] = np.clip(places[:, 0], middle[0] - 0.7 * half[0], middle[0] + 0.7 * half[0])
    return np.asarray(((places - spine) * normals).sum(1) < 0.0)


def _covered(shell: Shell) -> Bool:
    """Blobs right behind another face: a pane, lamp or plate set on a wall. Gaussians so near mix their colours."""
    size = shell.widths.max(1) / WIDE
    pairs = cKDTree(shell.places).query_pairs(float(np.quantile(size, 0.9)), output_type="ndarray")
    below, above = np.concatenate([pairs, pairs[:, ::-1]]).T
    away = shell.places[above] - shell.places[below]
    out = (away * shell.normals[below]).sum(1)
    aside = np.linalg.norm(away - out[:, None] * shell.normals[below], axis=1)
    alike = (shell.normals[below] * shell.normals[above]).sum(1) > 0.9
    hidden = np.zeros(len(shell.places), np.bool_)
    hidden[below[alike & (out > 0.002) & (out < SET_ON_M) & (aside < 0.7 * size[above])]] = True
    return hidden


def shade(normals: Float64) -> Float64:
    """How bright faces look, [S], 1 for upright ones: under an open sky more light comes from above than from below."""
    return np.asarray(1.0 + np.where(normals[:, 2] > 0, 0.18, 0.45) * normals[:, 2])


def lit_by(shell: Shell, lamps: int) -> Bool:
    """Blobs of the lamps of which the bits are set."""
    bit = np.maximum(shell.kinds.astype(np.int64) - int(Kind.LAMP), 0)
    return np.asarray((shell.kinds >= int(Kind.LAMP)) & ((lamps >> bit & 1) > 0))


def coloured(shell: Shell, paint: Colour | Float64, lamps: int = 0, bright: float = 1.0) -> Gaussians:
    """Gaussians of a shell, of one colour from all sides.

    Args:
        shell: blobs.
        paint: linear colour of the body.
        lamps: bits of those that are lit.
        bright: multiplies colours as they are shown.
    """
    lamp, lit = shell.kinds >= int(Kind.LAMP), lit_by(shell, lamps)
    share = shell.paint[:, None]
    linear = np.where(lamp[:, None], shell.colours * share, shell.colours * (1 - share) + np.asarray(paint) * share)
    shown = np.clip(linear, 0.0, 1.0) ** (1 / GAMMA)
    shown[shell.kinds == int(Kind.GLASS)] = PANE
    shown *= (shade(shell.normals) * bright)[:, None]
    shown[lit] = np.clip(shell.colours[lit] * 1.6, 0.0, 1.0) ** (1 / GAMMA)
    count = len(shell.places)
    scales = np.concatenate([shell.widths, np.full((count, 1), THICK_M)], axis=1)
    return Gaussians.from_parts(
        shell.places,
        quaternion_from_matrix(shell.turns),
        np.log(scales),
        np.full(count, np.log(OPACITY / (1 - OPACITY))),
        ((np.clip(shown, 0.0, 1.0) - 0.5) / SH_C0)[:, None, :],
    )


def shadow(half: Float64 | tuple[float, float, float]) -> Gaussians:
    """What a body takes from the sky's light on the ground below it, in the frame of its box: soft dark blobs.

    Many, for Gaussians are blended in the order of their middles: one big blob would lie behind the road's nearer half.
    """
    hx, hy, hz = (float(each) for each in half)
    counts = [max(round(2 * side * SHADOW_REACH / SHADOW_STEP_M), 6) for side in (hx, hy)]
    x, y = (((np.arange(n) + 0.5) / n * 2 - 1) * SHADOW_REACH for n in counts)
    share = (np.minimum(1.0, (SHADOW_REACH - np.abs(each)) / (SHADOW_REACH - 0.7)) for each in (x, y))
    dark = SHADOW * min(hx / SHADOW_FULL_M, hy / SHADOW_FULL_M, 1.0) * np.multiply.outer(*share).ravel()
    places = np.stack(np.meshgrid(x * hx, y * hy, [SHADOW_UP_M - hz], indexing="ij"), axis=-1).reshape(-1, 3)
    widths = [2 * SHADOW_REACH * side / n * WIDE for side, n in zip((hx, hy), counts, strict=True)]
    return Gaussians.from_parts(
        places,
        np.tile([1.0, 0.0, 0.0, 0.0], (len(places), 1)),
        np.tile(np.log([*widths, SHADOW_THICK_M]), (len(places), 1)),
        np.log(dark / (1 - dark)),
        np.full((len(places), 1, 3), (0.03 - 0.5) / SH_C0),
    )
