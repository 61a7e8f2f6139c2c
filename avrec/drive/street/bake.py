"""Sunlight on the ground, computed once by casting rays towards the sun."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from avrec.drive.street.light import Light
from avrec.drive.street.road import CROSS_SECTION
from avrec.drive.street.shapes import Part, intersect
from avrec.drive.street.world import Street

__all__ = ["bake_shadows"]

_STEP_M = 0.16
_REACH_M = 15.0
_PENUMBRA_M = 0.22


def bake_shadows(street: Street) -> Street:
    """The street with the shadows of everything that never moves laid on its ground.

    The edges are blurred as the sun's disc and leaves blur them, so that no beam aliases on them.
    """
    stations = np.arange(street.extent_s[0] - 8, street.extent_s[1] + 8, _STEP_M)
    offsets = np.arange(-_REACH_M, _REACH_M, _STEP_M)
    s, d = np.meshgrid(stations, offsets, indexing="ij")
    x, y, _ = (np.asarray(v, np.float64) for v in street.road.place(s, d))
    z = np.where(np.abs(d) > CROSS_SECTION.kerb, CROSS_SECTION.kerb_height, 0.0) + 1e-3
    lit = np.ones(s.shape, np.float32)
    for part in street.parts:
        if part.body == 0 or not street.actors[part.body - 1].moving:
            _darken(street, part, x, y, z, lit)
    sigma = _PENUMBRA_M / _STEP_M
    soft = cv2.GaussianBlur(lit, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    light: Light = replace(
        street.light,
        shadow=np.asarray(soft, np.float32),
        shadow_origin=(float(stations[0]), float(offsets[0])),
        shadow_step=_STEP_M,
    )
    return replace(street, light=light)


def _darken(
    street: Street,
    part: Part,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    z: NDArray[np.float64],
    lit: NDArray[np.float32],
) -> None:
    sun = street.light.to_sun
    world_from_unit = street.world_from_part(part) @ np.diag([*part.half, 1.0])
    corners = np.array([[i, j, k, 1] for i in (-1, 1) for j in (-1, 1) for k in (-1, 1)]) @ world_from_unit.T
    ground = np.concatenate([corners[:, :2], corners[:, :2] - corners[:, 2:3] * sun[:2] / sun[2]])
    (x0, y0), (x1, y1) = ground.min(0), ground.max(0)
    near = np.nonzero((x >= x0) & (x <= x1) & (y >= y0) & (y <= y1))
    if not near[0].size:
        return
    unit_from_world = np.linalg.inv(world_from_unit)
    points = np.stack([x[near], y[near], z[near], np.ones(near[0].size)])
    ox, oy, oz = (unit_from_world @ points)[:3].astype(np.float32)
    direction = (unit_from_world[:3, :3] @ sun).astype(np.float32)
    dx, dy, dz = (np.full_like(ox, v) for v in direction)
    distance, _ = intersect(part, (ox, oy, oz), (dx, dy, dz))
    lit[near] = np.where(np.isfinite(distance), 0, lit[near])
