"""Road, kerb, pavement and verge: exact surface and its paint."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avrec.drive.street.noise import cell_random, pulse, single_pulse, smooth_noise, soft_disc
from avrec.drive.street.road import CROSS_SECTION, Road
from avrec.drive.street.shapes import Semantic
from avrec.drive.street.surface import mix

__all__ = ["GROUND_CLASSES", "Ground", "GroundFace"]

Float32 = NDArray[np.float32]


class GroundFace:
    """Face numbers of the ground."""

    ROAD, PAVEMENT, KERB, VERGE = range(4)


GROUND_CLASSES = (Semantic.ROAD, Semantic.SIDEWALK, Semantic.SIDEWALK, Semantic.TERRAIN)
"""Label of each ground face."""


@dataclass(frozen=True)
class Ground:
    """The road at z = 0, the pavement one kerb higher, and the kerb's upright face between them.

    Attributes:
        road: reference line.
        crossings: stations of the zebra crossings.
    """

    road: Road
    crossings: tuple[float, ...]

    def intersect(
        self, origin: tuple[Float32, Float32, Float32], direction: tuple[Float32, Float32, Float32]
    ) -> tuple[Float32, NDArray[np.uint8]]:
        """Distance (infinite above the horizon) and face of world rays [R, C] that start above the pavement."""
        dz = direction[2]
        origin = tuple(np.broadcast_to(o, dz.shape) for o in origin)  # type: ignore[assignment]
        distance = np.full(dz.shape, np.inf, np.float32)
        face = np.zeros(dz.shape, np.uint8)
        down = dz < -1e-4
        ox, oy, oz = (o[down] for o in origin)
        dx, dy, dz = (d[down] for d in direction)
        t_road = -oz / dz
        t_high = (np.float32(CROSS_SECTION.kerb_height) - oz) / dz
        _, d_road = self.road.locate(ox + t_road * dx, oy + t_road * dy)
        _, d_high = self.road.locate(ox + t_high * dx, oy + t_high * dy)
        kerb = np.float32(CROSS_SECTION.kerb)
        high = np.abs(d_high) >= kerb
        t = np.where(high, t_high, t_road)
        which = np.where(high, GroundFace.PAVEMENT, GroundFace.ROAD).astype(np.uint8)
        which[high & (np.abs(d_high) > CROSS_SECTION.pavement)] = GroundFace.VERGE
        step = np.flatnonzero(~high & (np.abs(d_road) > kerb))
        if step.size:
            t[step] = self._kerb_distance(ox[step], oy[step], dx[step], dy[step], t_high[step], t_road[step])
            which[step] = GroundFace.KERB
        distance[down], face[down] = t, which
        return distance, face

    def _kerb_distance(
        self, ox: Float32, oy: Float32, dx: Float32, dy: Float32, low: Float32, high: Float32
    ) -> Float32:
        """Where rays cross the kerb face, between ``low`` (over the road) and ``high`` (under the pavement)."""
        for _ in range(20):
            middle = 0.5 * (low + high)
            outside = np.abs(self.road.locate(ox + middle * dx, oy + middle * dy)[1]) > CROSS_SECTION.kerb
            low, high = np.where(outside, low, middle), np.where(outside, middle, high)
        result: Float32 = 0.5 * (low + high)
        return result

    def albedo(
        self, face: int, x: Float32, y: Float32, z: Float32, direction: Float32, beam: Float32
    ) -> tuple[Float32, tuple[Float32, Float32]]:
        """Colour float32 [N, 3] of points of one face, and their (station, offset).

        ``direction`` is float32 [3, N], world; ``beam`` the width of the beam across itself.
        """
        s, d = self.road.locate(x, y)
        heading = self.road.place(s)[2].astype(np.float32)
        sine = np.maximum(np.abs(direction[2]), np.float32(0.01))
        cos, sin = np.cos(heading), np.sin(heading)
        ws = beam * np.sqrt(1 + ((direction[0] * cos + direction[1] * sin) / sine) ** 2)
        wd = beam * np.sqrt(1 + ((direction[1] * cos - direction[0] * sin) / sine) ** 2)
        if face == GroundFace.ROAD:
            return self._road_color(s, d, ws, wd), (s, d)
        if face == GroundFace.PAVEMENT:
            return _pavement_color(s, d, ws, wd), (s, d)
        if face == GroundFace.KERB:
            stone = 0.6 + smooth_noise(s, z * 3, np.maximum(beam, ws * 0.3), ((1.2, 0.06), (5, 0.08)))
            stone = stone * (1 - 0.5 * pulse(s, np.maximum(beam, ws * 0.3), 0, 0.03, 1.0))
            return np.repeat(stone.astype(np.float32)[:, None], 3, 1), (s, d)
        lawn = smooth_noise(x, y, np.maximum(ws, wd), ((0.3, 0.12), (1.2, 0.15), (3.5, 0.2)))
        return (1 + lawn)[:, None] * np.array([[0.33, 0.42, 0.2]], np.float32), (s, d)

    def _road_color(self, s: Float32, d: Float32, ws: Float32, wd: Float32) -> Float32:
        # grain is drawn out along the road, so that it survives the grazing view ahead
        coarse = smooth_noise(s * 0.35, d, np.maximum(ws * 0.35, wd), ((0.35, 0.07), (1.1, 0.07), (2.6, 0.05)))
        grey = 0.43 * (1 + coarse)
        lane = np.abs(np.abs(d) - np.float32(CROSS_SECTION.lane_center))
        grey = grey * (1 - 0.13 * np.exp(-(((lane - 0.75) / 0.3) ** 2)))
        cell = np.floor(s / 5)
        patch = np.clip(cell_random(cell, np.sign(d), 5) * 8 - 3, 0, 1) * pulse(s, ws, 0.6, 3.9, 5.0)
        patch = patch * single_pulse(np.abs(d), wd, 0.5, 2.6)
        grey = grey * (1 - 0.2 * patch * np.clip(2 - ws / 2, 0, 1))
        seams = np.maximum(pulse(s, ws, 2.0, 2.06, 5.0), single_pulse(np.abs(d), wd, 0.3, 0.36))
        grey = grey * (1 - 0.35 * seams)
        lid_s = s - 9 * np.floor(s / 9) - 4.5
        grey = grey * (1 - 0.3 * soft_disc(np.hypot(lid_s, np.abs(d) - 1.1), 0.32, np.maximum(ws, wd)))
        color = np.repeat(grey.astype(np.float32)[:, None], 3, 1) * np.array([[1.0, 1.0, 1.03]], np.float32)
        return mix(color, np.array([[0.88, 0.88, 0.86]], np.float32), self._paint(s, d, ws, wd) * (0.85 + 1.2 * coarse))

    def _paint(self, s: Float32, d: Float32, ws: Float32, wd: Float32) -> Float32:
        """Share of white paint: centre dashes, parking bays, zebra crossings."""
        away, section = np.abs(d), CROSS_SECTION
        near = np.zeros_like(s)
        zebra = np.zeros_like(s)
        for station in self.crossings:
            zebra += single_pulse(s, ws, station, station + 3.2)
            near += single_pulse(s, ws, station - 1.2, station + 4.4)
        zebra = zebra * pulse(d, wd, 0.25, 0.8, 1.1) * single_pulse(away, wd, -1, section.kerb - 0.2)
        stop = np.zeros_like(s)
        for station in self.crossings:
            stop += single_pulse(s, ws, station - 1.9, station - 1.5) * single_pulse(d, wd, -section.lane_width, -0.1)
            stop += single_pulse(s, ws, station + 4.7, station + 5.1) * single_pulse(d, wd, 0.1, section.lane_width)
        dashes = single_pulse(d, wd, -0.075, 0.075) * pulse(s, ws, 0, 3, 6)
        edge = single_pulse(away, wd, section.lane_width, section.lane_width + 0.12)
        ticks = pulse(s, ws, 0, 0.12, 6) * single_pulse(away, wd, section.lane_width, section.kerb - 0.3)
        lines = np.maximum(np.maximum(dashes, edge), ticks) * (1 - np.clip(near, 0, 1))
        result: Float32 = np.clip(lines + zebra + stop, 0, 1)
        return result


def _pavement_color(s: Float32, d: Float32, ws: Float32, wd: Float32) -> Float32:
    width = np.maximum(ws, wd)
    joints = np.maximum(pulse(s, ws, 0, 0.045, 0.75), pulse(np.abs(d), wd, 0, 0.045, 0.75))
    grey = 0.58 * (1 + smooth_noise(s, d, width, ((0.3, 0.06), (1.33, 0.07), (3.0, 0.03))))
    grey = grey * (1 - 0.45 * joints)
    stone = single_pulse(np.abs(d), wd, CROSS_SECTION.kerb, CROSS_SECTION.kerb + 0.18)
    slab = grey[:, None] * np.array([[1.0, 0.97, 0.91]], np.float32)
    return mix(slab.astype(np.float32), np.full((1, 3), 0.66, np.float32), stone)
