"""Ray casting with a z-buffer: which part each ray meets first, and the colour there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avrec.drive.street.ground import GROUND_CLASSES
from avrec.drive.street.light import contact_shade
from avrec.drive.street.materials import albedo
from avrec.drive.street.shapes import Part, Semantic, intersect
from avrec.drive.street.sky import sky_color
from avrec.drive.street.surface import Hit
from avrec.drive.street.world import Street

__all__ = ["SKY_SURFACE", "Caster", "Rays", "Seen", "Selection", "move"]

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

_FACES = 16
SKY_SURFACE = 65535
"""Surface number of the sky."""

Selection = tuple[slice | NDArray[np.intp], slice]
"""Rows and columns of a ray table that a part may touch."""


@dataclass(frozen=True)
class Rays:
    """A table of rays; all rays of one row leave from one pose.

    Attributes:
        directions: float32 [3, R, C] unit rays in the sensor's frame.
        pose: intp [R] which of the caster's poses each row has.
        select: the rows and columns a part may touch, given the part's number.
    """

    directions: Float32
    pose: NDArray[np.intp]
    select: Callable[[int], list[Selection]]


@dataclass(frozen=True)
class Seen:
    """What a ray table sees.

    Attributes:
        distance: float32 [R, C] metres along the unit ray, infinite for sky.
        surface: uint16 [R, C] part number * 16 + face; the ground follows the last part; ``SKY_SURFACE`` for sky.
    """

    distance: Float32
    surface: NDArray[np.uint16]


class Caster:
    """The street at the poses and moments of one exposure.

    Args:
        street: what is there.
        world_from_sensor: float64 [L, 4, 4], one pose per line.
        times_s: float64 [L] moment of each line.
        beam_angle: width of one beam, radians (a pixel's).
        hidden: bodies left out.
    """

    def __init__(
        self,
        street: Street,
        world_from_sensor: Float64,
        times_s: Float64,
        beam_angle: float,
        hidden: frozenset[int] = frozenset(),
    ) -> None:
        self.street = street
        self.beam_angle = np.float32(beam_angle)
        self.world_from_sensor = world_from_sensor
        self.bodies = {0: world_from_sensor}
        self._body_from_world: dict[int, Float32] = {}
        self._centers: dict[int, Float32] = {}
        for index, actor in enumerate(street.actors, start=1):
            if index not in hidden:
                body_from_world = np.asarray(np.linalg.inv(actor.motion.poses(times_s)), np.float64)
                self.bodies[index] = body_from_world @ world_from_sensor
                self._body_from_world[index] = _rows(body_from_world)
                self._centers[index] = actor.motion.poses(times_s[len(times_s) // 2])[:2, 3].astype(np.float32)
        # near parts first, so that what they hide needs no work
        away = self._distances()
        self.visible = [int(number) for number in np.argsort(away, kind="stable") if np.isfinite(away[number])]
        self._away = away
        self._placed: dict[int, Float32] = {}
        self._world = _rows(world_from_sensor)

    def _distances(self) -> Float64:
        """Lower bound of each part's distance from the sensor at any line, infinite for hidden parts."""
        picked = sorted({0, len(self.world_from_sensor) // 2, len(self.world_from_sensor) - 1})
        away = np.full(len(self.street.parts), np.inf)
        centers = self.street.body_from_unit[:, :3, 3]
        radii = np.linalg.norm(np.stack([part.half for part in self.street.parts]), axis=1)
        bodies = np.array([part.body for part in self.street.parts])
        for body, body_from_sensor in self.bodies.items():
            own = bodies == body
            spots = body_from_sensor[picked, :3, 3]
            nearest = np.linalg.norm(centers[own, None] - spots, axis=-1).min(1)
            # the sensor moves less than this between the lines looked at
            slack = np.linalg.norm(np.diff(spots, axis=0), axis=1).max(initial=0.0)
            away[own] = nearest - radii[own] - slack
        return away

    def unit_from_sensor(self, number: int) -> Float32:
        """Per line, the affine map into a part's unit frame, float32 [L, 3, 4]."""
        if number not in self._placed:
            part = self.street.parts[number]
            self._placed[number] = _rows(self.street.unit_from_body[number] @ self.bodies[part.body])
        return self._placed[number]

    def cast(self, rays: Rays) -> Seen:
        """First surface along each ray."""
        origin, direction = move(self._world, rays.pose[:, None], rays.directions)
        distance, face = self.street.ground.intersect(origin, direction)
        below = face.astype(np.int32) + self.ground_surface
        surface = np.where(np.isfinite(distance), below, SKY_SURFACE).astype(np.uint16)
        for number in self.visible:
            part = self.street.parts[number]
            for rows, columns in rays.select(number):
                some = rays.directions[:, rows, columns]
                if some.size == 0:
                    continue
                before = distance[rows, columns]
                if before.max() < self._away[number]:
                    continue
                matrices = self.unit_from_sensor(number)
                t, face = intersect(part, *move(matrices, rays.pose[rows, None], some))
                nearer = t < before
                if nearer.any():
                    distance[rows, columns] = np.where(nearer, t, before)
                    code = (number * _FACES + face.astype(np.int32)).astype(np.uint16)
                    surface[rows, columns] = np.where(nearer, code, surface[rows, columns])
        return Seen(distance, surface)

    @property
    def ground_surface(self) -> int:
        """Surface number of the ground's face 0."""
        return len(self.street.parts) * _FACES

    def label_tables(self) -> tuple[NDArray[np.uint8], NDArray[np.uint16]]:
        """Semantic class and actor number by surface number; the last entry is the sky's."""
        semantic = np.repeat(np.array([part.semantic for part in self.street.parts], np.uint8), _FACES)
        instance = np.repeat(np.array([part.body for part in self.street.parts], np.uint16), _FACES)
        return np.append(semantic, [*GROUND_CLASSES, Semantic.SKY]).astype(np.uint8), np.append(
            instance, np.zeros(len(GROUND_CLASSES) + 1)
        ).astype(np.uint16)

    def shade(self, rays: Rays, seen: Seen) -> Float32:
        """Colour of what was seen, float32 [R, C, 3] in 0..1."""
        columns = seen.surface.shape[1]
        flat = seen.surface.reshape(-1)
        order = np.argsort(flat, kind="stable")
        starts = np.flatnonzero(np.diff(flat[order], prepend=-1))
        colors = np.empty((flat.size, 3), np.float32)
        directions = rays.directions.reshape(3, -1)
        distance = seen.distance.reshape(-1)
        for start, end in zip(starts, [*starts[1:], flat.size], strict=True):
            chosen = order[start:end]
            surface = int(flat[chosen[0]])
            lines = rays.pose[chosen // columns]
            colors[chosen] = self._face_color(surface, lines, directions[:, chosen], distance[chosen])
        return np.clip(colors, 0, 1).reshape(*seen.surface.shape, 3)

    def _face_color(self, surface: int, lines: NDArray[np.intp], directions: Float32, t: Float32) -> Float32:
        """Colour [N, 3] of hits on one face."""
        light = self.street.light
        if surface == SKY_SURFACE:
            _, (x, y, z) = move(self._world, lines, directions)
            return sky_color(x, y, z, float(self.beam_angle))
        if surface >= self.ground_surface:
            origin, direction = move(self._world, lines, directions)
            x, y, z = (o + t * d for o, d in zip(origin, direction, strict=True))
            face = surface - self.ground_surface
            color, at = self.street.ground.albedo(face, x, y, z, np.stack(direction), t * self.beam_angle)
            return color * self._ground_light(face, x, y, at, lines)
        number, face = divmod(surface, _FACES)
        part = self.street.parts[number]
        half = part.half.astype(np.float32)[:, None]
        origin, direction = move(self.unit_from_sensor(number), lines, directions)
        unit = np.stack(direction)
        point = np.stack(origin) + t * unit
        normal = _normal(part, face, point)
        hit = Hit(part, face, point * half, unit * half, normal, t * self.beam_angle)
        return albedo(hit) * light.on_part(normal, self.street.world_from_part(part))[:, None]

    def _ground_light(
        self, face: int, x: Float32, y: Float32, at: tuple[Float32, Float32], lines: NDArray[np.intp]
    ) -> Float32:
        """Light on the ground, the soft dark under each actor included, float32 [N, 1]."""
        shade = self.street.light.on_ground(face, *at)
        for body, body_from_world in self._body_from_world.items():
            actor = self.street.actors[body - 1]
            middle = self._centers[body]
            reach = np.float32(np.hypot(*actor.size_m[:2]) / 2 + 1.5)
            near = np.flatnonzero((np.abs(x - middle[0]) < reach) & (np.abs(y - middle[1]) < reach))
            if near.size:
                m = body_from_world[lines[near]]
                along = m[:, 0, 0] * x[near] + m[:, 0, 1] * y[near] + m[:, 0, 3]
                across = m[:, 1, 0] * x[near] + m[:, 1, 1] * y[near] + m[:, 1, 3]
                shade[near] *= contact_shade(along, across, actor.size_m)
        return shade[:, None]


def _rows(matrices: Float64) -> Float32:
    return np.ascontiguousarray(matrices[..., :3, :]).astype(np.float32)


def move(
    matrices: Float32, lines: NDArray[np.intp], directions: Float32
) -> tuple[tuple[Float32, Float32, Float32], tuple[Float32, Float32, Float32]]:
    """Ray origins (shape of ``lines``) and directions in another frame."""
    m = matrices[lines]
    x, y, z = directions
    moved = tuple(m[..., i, 0] * x + m[..., i, 1] * y + m[..., i, 2] * z for i in range(3))
    origin = tuple(m[..., i, 3] for i in range(3))
    return (origin[0], origin[1], origin[2]), (moved[0], moved[1], moved[2])


def _normal(part: Part, face: int, unit_point: Float32) -> Float32:
    """Outward unit normal in the part frame, [3, 1] for a plane face, else [3, N]."""
    half = part.half.astype(np.float32)[:, None]
    if part.kind == "box":
        flat = np.zeros((3, 1), np.float32)
        flat[face % 3] = 1 if face < 3 else -1
        return flat
    if part.kind == "convex":
        assert part.planes is not None
        normal = part.planes[face, :3, None].astype(np.float32) / half
    elif part.kind == "cylinder" and face:
        return np.array([[0], [0], [1 if face == 1 else -1]], np.float32)
    else:
        normal = unit_point / half
        if part.kind == "cylinder":
            normal[2] = 0
    unit: Float32 = normal / np.linalg.norm(normal, axis=0, keepdims=True).astype(np.float32)
    return unit
