"""What pushes bodies besides engines and brakes: impulses and forces of clients, and what a hit does to people."""

from __future__ import annotations

from math import hypot
from typing import TYPE_CHECKING

import numpy as np

from carla_bridge.world.actor import Actor, Kind
from carla_bridge.world.bumping import yaw_inertia
from carla_bridge.world.motion import VELOCITY
from carla_bridge.world.pose import Vector

if TYPE_CHECKING:
    from carla_bridge.world.world import World

__all__ = ["hurt", "kick", "push"]

DEADLY_MPS = 3.0
"""Sudden change of speed that people do not survive, unless they are invincible."""


def kick(world: World, actor: Actor, impulse: Vector, turn: float = 0.0) -> None:
    """Change the motion of a vehicle or a loose thing at once: N s in the world, and N m s about the vertical."""
    world.motion[actor.row, VELOCITY] += np.array(impulse) / actor.mass_kg
    world.motion[actor.row, 11] += turn / max(yaw_inertia(actor.spec, actor.mass_kg), 1e-6)
    if impulse[2] > 0.0 and actor.slot >= 0:
        world.fleet.grip[actor.slot] = 0.0  # thrown up, it no longer sticks to the road


def push(world: World, actor: Actor, force: Vector, torque: float = 0.0) -> None:
    """Push a vehicle or a loose thing during the next step: N in the world, and N m about the vertical."""
    slot, fleet = actor.slot, world.fleet
    if slot < 0:
        world.pushes.append((actor, force, torque))
        return
    fleet.push[:, slot] += (*force, torque)
    fleet.pushed = True
    if fleet.push[2, slot] > world.gravity * actor.mass_kg:
        fleet.grip[slot] = 0.0


def hurt(actor: Actor, impulse: Vector) -> None:
    """People who are not invincible do not survive being run into."""
    if actor.kind is Kind.WALKER and not actor.dead and hypot(*impulse) > DEADLY_MPS * actor.mass_kg:
        actor.dead = actor.spec.attributes.get("is_invincible", "true").lower() in ("false", "0")
