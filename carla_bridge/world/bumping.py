"""Collisions of the world's bodies: find them, push them apart, tell who hit whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from math import cos, hypot, sin
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from carla_bridge.world.actor import Actor, ActorSpec, Kind
from carla_bridge.world.contacts import Box, Contact, Pairs, contact_between, impulse_between
from carla_bridge.world.pose import Pose, Vector

__all__ = ["Bumper", "Collision", "box_of", "overlaps", "yaw_inertia"]

Float64 = NDArray[np.float64]

DOOR_HALF_M = (0.06, 0.45, 0.5)
"""Half sizes of an open side door."""
HINGES = (0.42, -0.12)
"""Where front and rear doors hang, over half the vehicle's length."""
ROUNDS = 3
"""Passes over the contacts of one step, so that a push goes on through a row of bodies."""


class Collision(NamedTuple):
    """One contact in one step; ``impulse`` N s on ``actor``, in the world."""

    actor: int
    other: int
    impulse: Vector


class Bumper:
    """Knows the solid bodies; made anew when they change."""

    def __init__(self, actors: Mapping[int, Actor]) -> None:
        self.solid: Sequence[Actor] = [actor for actor in actors.values() if actor.solid]
        halves = [actor.spec.half for actor in self.solid]
        self._doors = [open_doors(actor) for actor in self.solid]
        self.pairs = Pairs(
            [actor.row for actor in self.solid],
            [_movable(actor) for actor in self.solid],
            [
                hypot(x, y) + hypot(*actor.spec.box_center[:2]) + bool(doors) * 2 * DOOR_HALF_M[1]
                for (x, y, _), actor, doors in zip(halves, self.solid, self._doors, strict=True)
            ],
            [z for _, _, z in halves],
        )

    def resolve(self, motion: Float64) -> list[Collision]:
        """Push overlapping bodies apart in ``motion`` float64 [N, 15]; returns this step's contacts."""
        near = self.pairs.near(motion)
        if not near:
            return []
        boxes: dict[int, Box] = {}
        for index in sorted({place for pair in near for place in pair}):
            body = self.solid[index]
            boxes[index] = box_of(body.spec, motion[body.row], _movable(body), body.mass_kg)
        totals: dict[tuple[int, int], tuple[float, float]] = {}
        for _ in range(ROUNDS):
            moved = False
            for pair in near:
                contact = self._contact(boxes, *pair)
                if contact is None:
                    continue
                moved = True
                jx, jy = impulse_between(boxes[pair[0]], boxes[pair[1]], contact)
                before = totals.get(pair, (0.0, 0.0))
                totals[pair] = before[0] + jx, before[1] + jy
            if not moved:
                break
        for index in sorted({place for pair in totals for place in pair}):
            if _movable(self.solid[index]):
                _write(motion[self.solid[index].row], self.solid[index].spec, boxes[index])
        found = []
        for (first, second), (jx, jy) in totals.items():
            a, b = self.solid[first].id, self.solid[second].id
            found += [Collision(a, b, (-jx, -jy, 0.0)), Collision(b, a, (jx, jy, 0.0))]
        return found

    def _contact(self, boxes: Mapping[int, Box], first: int, second: int) -> Contact | None:
        """Of two bodies, or else of an open door with the other body; doors are as heavy as their vehicles."""
        a, b = boxes[first], boxes[second]
        contact = contact_between(a, b)
        if contact is None and (self._doors[first] or self._doors[second]):
            parts = ((_placed(a, one), b) for one in self._doors[first])
            others = ((a, _placed(b, one)) for one in self._doors[second])
            found = (contact_between(*pair) for pair in chain(parts, others))
            contact = next((each for each in found if each is not None), None)
        return contact


def open_doors(actor: Actor) -> tuple[Vector, ...]:
    """Middles of a vehicle's open side doors, which stand out at right angles, from the middle of its box."""
    x, y, _ = actor.spec.half
    reach = y + DOOR_HALF_M[1]
    places = ((HINGES[0] * x, reach), (HINGES[0] * x, -reach), (HINGES[1] * x, reach), (HINGES[1] * x, -reach))
    return tuple((dx, dy, 0.0) for bit, (dx, dy) in enumerate(places) if actor.doors >> bit & 1)


def _placed(body: Box, door: Vector) -> Box:
    c, s = cos(body.yaw), sin(body.yaw)
    x, y = body.x + c * door[0] - s * door[1], body.y + s * door[0] + c * door[1]
    return Box(x, y, body.z, *DOOR_HALF_M, body.yaw)


def overlaps(spec: ActorSpec, pose: Pose, actors: Mapping[int, Actor], motion: Float64) -> int:
    """Id of a solid actor that stands where a new one would, 0 for none."""
    row = np.zeros(15)
    row[:6] = pose
    mine = box_of(spec, row, movable=False)
    reach = hypot(mine.half_x, mine.half_y)
    for actor in actors.values():
        if actor.solid:
            x, y = motion[actor.row, :2]
            far = reach + hypot(*actor.spec.half[:2]) + hypot(*actor.spec.box_center[:2])
            if hypot(x - mine.x, y - mine.y) > far:
                continue
            if contact_between(mine, box_of(actor.spec, motion[actor.row], movable=False)) is not None:
                return actor.id
    return 0


def box_of(spec: ActorSpec, row: Float64, movable: bool, mass_kg: float | None = None) -> Box:
    """The box of a body with a row float64 [15] of motion; its mass is the blueprint's unless it is given."""
    x, y, z, _, _, yaw, vx, vy, _, _, _, turn = row[:12].tolist()
    cx, cy, cz = spec.box_center
    c, s = cos(yaw), sin(yaw)
    dx, dy = c * cx - s * cy, s * cx + c * cy
    mass = max(spec.mass_kg if mass_kg is None else mass_kg, 0.1)
    inertia = max(yaw_inertia(spec, mass), 1e-6)
    # People are pushed along, not spun.
    spins = movable and spec.kind is not Kind.WALKER
    return Box(
        x + dx,
        y + dy,
        z + cz,
        *spec.half,
        yaw,
        vx - turn * dy,
        vy + turn * dx,
        turn,
        1.0 / mass if movable else 0.0,
        1.0 / inertia if spins else 0.0,
    )


def yaw_inertia(spec: ActorSpec, mass_kg: float) -> float:
    """Of a solid box about its upright axis, kg m²."""
    return mass_kg * (spec.half[0] ** 2 + spec.half[1] ** 2) / 3


def _write(row: Float64, spec: ActorSpec, box: Box) -> None:
    c, s = cos(box.yaw), sin(box.yaw)
    dx, dy = c * spec.box_center[0] - s * spec.box_center[1], s * spec.box_center[0] + c * spec.box_center[1]
    row[0], row[1] = box.x - dx, box.y - dy
    row[6], row[7], row[11] = box.vx + box.turn * dy, box.vy - box.turn * dx, box.turn


def _movable(actor: Actor) -> bool:
    return actor.physics_on and actor.mass_kg > 0.0
