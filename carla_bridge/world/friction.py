"""Areas where the road is more or less slippery than elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from carla_bridge.world.actor import Actor
from carla_bridge.world.fleet import FRICTION_SCALE, Fleet
from carla_bridge.world.motion import Float64

__all__ = ["FrictionArea", "friction_areas", "set_friction"]

TYPE = "static.trigger.friction"
LEAST_HEIGHT_M = 2.0
MOST_FRICTION = 1e6


@dataclass(frozen=True)
class FrictionArea:
    """A box; ``friction`` is that of the tyres inside, in CARLA's numbers."""

    row: int
    half: tuple[float, float, float]
    friction: float


def friction_areas(actors: Iterable[Actor]) -> tuple[FrictionArea, ...]:
    """The areas among actors; their extents are attributes in centimetres."""
    found = []
    for actor in actors:
        if actor.spec.type_id == TYPE:
            values = actor.spec.attributes
            x, y, z = (abs(float(values[f"extent_{axis}"])) / 100 for axis in "xyz")
            found.append(
                FrictionArea(
                    actor.row, (x, y, max(z, LEAST_HEIGHT_M)), min(max(float(values["friction"]), 0.0), MOST_FRICTION)
                )
            )
    return tuple(found)


def set_friction(fleet: Fleet, motion: Float64, areas: tuple[FrictionArea, ...]) -> None:
    """Give every vehicle the friction of the ground it is on: the area's, or its own tyres'."""
    body = motion[fleet.row]
    friction = fleet.p["dry"].copy()
    for area in areas:
        gap = body[:, :3] - motion[area.row, :3]
        yaw = motion[area.row, 5]
        cos, sin = np.cos(yaw), np.sin(yaw)
        inside = np.abs(gap[:, 0] * cos + gap[:, 1] * sin) <= area.half[0]
        inside &= np.abs(gap[:, 1] * cos - gap[:, 0] * sin) <= area.half[1]
        inside &= np.abs(gap[:, 2]) <= area.half[2]
        friction[inside] = area.friction * FRICTION_SCALE
    fleet.p["friction"][:] = friction
