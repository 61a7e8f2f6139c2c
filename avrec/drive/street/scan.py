"""Lidar sweeps of the street."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avrec.drive.street.caster import SKY_SURFACE, Caster, Rays, Selection
from avrec.drive.street.rig import SpinningLidar
from avrec.drive.street.world import Street

__all__ = ["Sweep", "sweep"]

Float32 = NDArray[np.float32]


@dataclass(frozen=True)
class Sweep:
    """Returns of one turn, in the lidar's frame at each point's own moment.

    Attributes:
        xyz_lidar: float32 [N, 3] metres, range noise included.
        intensity: float32 [N] 0..1.
        offset_us: int64 [N] firing time after the sweep's start.
        range_m: float32 [N] the true range.
        semantic: uint8 [N].
        instance: uint16 [N].
    """

    xyz_lidar: Float32
    intensity: Float32
    offset_us: NDArray[np.int64]
    range_m: Float32
    semantic: NDArray[np.uint8]
    instance: NDArray[np.uint16]


def sweep(street: Street, lidar: SpinningLidar, start_s: float, rng: np.random.Generator) -> Sweep:
    """One turn that starts at ``start_s`` seconds; ``rng`` draws the range noise."""
    offsets = lidar.column_times_us()
    times = np.asarray(start_s + offsets * 1e-6, np.float64)
    caster = Caster(street, street.ego.poses(times) @ lidar.rig_from_lidar, times, beam_angle=3e-3)
    middle = len(times) // 2

    def select(number: int) -> list[Selection]:
        part = street.parts[number]
        lidar_from_part = np.linalg.inv(caster.bodies[part.body][middle]) @ part.body_from_part
        radius = float(np.linalg.norm(part.half))
        return [(columns, slice(None)) for columns in _columns_of(lidar, lidar_from_part[:3, 3], radius)]

    rays = Rays(lidar.rays(), np.arange(lidar.columns, dtype=np.intp), select)
    seen = caster.cast(rays)
    bright = caster.shade(rays, seen).mean(-1)
    hit = (seen.surface != SKY_SURFACE) & (seen.distance < lidar.range_m)
    # drawn for every ray, so that what is hit does not shift the sequence
    noise = rng.standard_normal(hit.shape)[hit]
    distance = seen.distance[hit]
    measured = distance * (1 + lidar.noise * noise)
    semantic, instance = caster.label_tables()
    surface = seen.surface[hit]
    return Sweep(
        (rays.directions[:, hit] * measured).T.astype(np.float32),
        np.clip(bright[hit], 0, 1).astype(np.float32),
        np.broadcast_to(offsets[:, None], hit.shape)[hit],
        distance,
        semantic[surface],
        instance[surface],
    )


def _columns_of(lidar: SpinningLidar, center: NDArray[np.float64], radius: float) -> list[slice]:
    """Columns that may touch a ball, given where it is in the lidar's frame halfway through the turn."""
    # while the lidar turns, it and the ball move by a metre or so and the rig yaws by a degree or two
    radius += 1.2
    away = float(np.hypot(center[0], center[1]))
    if away <= radius:
        return [slice(0, lidar.columns)]
    opening = float(np.arcsin(radius / away)) + 0.05
    turn = (np.pi - float(np.arctan2(center[1], center[0]))) / (2 * np.pi) * lidar.columns
    reach = opening / (2 * np.pi) * lidar.columns
    first, last = int(np.floor(turn - reach)), int(np.ceil(turn + reach))
    spans = [(max(0, first + t), min(lidar.columns, last + t)) for t in (0, lidar.columns, -lidar.columns)]
    return [slice(a, b) for a, b in spans if a < b]
