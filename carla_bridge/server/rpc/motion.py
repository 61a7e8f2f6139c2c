"""Moving actors by hand: poses, velocities, forces, what physics may do to them."""

from __future__ import annotations

from math import radians
from typing import TYPE_CHECKING

import numpy as np

from carla_bridge.server.rpc.registry import RpcGroup
from carla_bridge.server.wire.values import Value, axial_in, pose_in, vector_in
from carla_bridge.world.actor import Actor
from carla_bridge.world.motion import SPIN, VELOCITY
from carla_bridge.world.pose import Vector

if TYPE_CHECKING:
    from carla_bridge.server.host import Host

__all__ = ["rpc"]

rpc = RpcGroup()


@rpc.nothing("set_actor_location")
def set_actor_location(host: Host, actor_id: int, location: Value) -> None:
    """Move it, keeping its attitude."""
    actor = host.world.actor(actor_id)
    x, y, z = vector_in(location)
    before = actor.mount if actor.parent else host.world.pose(actor)
    host.world.set_pose(actor, before._replace(x=x, y=y, z=z))


@rpc.nothing("set_actor_transform")
def set_actor_transform(host: Host, actor_id: int, transform: Value) -> None:
    """Move it, relative to its parent if it has one."""
    host.world.set_pose(host.world.actor(actor_id), pose_in(transform))


@rpc.nothing("set_actor_target_velocity")
def set_actor_target_velocity(host: Host, actor_id: int, velocity: Value) -> None:
    """Give it a velocity, m/s in the world."""
    host.world.motion[host.world.actor(actor_id).row, VELOCITY] = vector_in(velocity)


@rpc.nothing("set_actor_target_angular_velocity")
def set_actor_target_angular_velocity(host: Host, actor_id: int, velocity: Value) -> None:
    """Give it an angular velocity, deg/s."""
    spin = [radians(each) for each in axial_in(velocity)]
    host.world.motion[host.world.actor(actor_id).row, SPIN] = spin


@rpc.nothing("enable_actor_constant_velocity")
def enable_actor_constant_velocity(host: Host, actor_id: int, velocity: Value) -> None:
    """Hold a velocity in the vehicle's own frame."""
    slot = host.world.vehicle(actor_id).slot
    forward, left, _ = vector_in(velocity)
    host.world.fleet.cruise[:, slot] = forward, left
    host.world.fleet.cruising[slot] = 1.0


@rpc.nothing("disable_actor_constant_velocity")
def disable_actor_constant_velocity(host: Host, actor_id: int) -> None:
    """Let it go."""
    host.world.fleet.cruising[host.world.vehicle(actor_id).slot] = 0.0


@rpc.nothing("add_actor_impulse")
def add_actor_impulse(host: Host, actor_id: int, impulse: Value) -> None:
    """Change its velocity at once; N s."""
    _kick(host, host.world.actor(actor_id), vector_in(impulse))


@rpc.nothing("add_actor_impulse_at_location")
def add_actor_impulse_at_location(host: Host, actor_id: int, impulse: Value, location: Value) -> None:
    """Change its velocity and its turning at once."""
    actor = host.world.actor(actor_id)
    push, at = vector_in(impulse), vector_in(location)
    _kick(host, actor, push)
    _spin(host, actor, _arm(host, actor, at, push))


@rpc.nothing("add_actor_angular_impulse")
def add_actor_angular_impulse(host: Host, actor_id: int, impulse: Value) -> None:
    """Change its turning at once; N m s."""
    _spin(host, host.world.actor(actor_id), axial_in(impulse)[2])


@rpc.nothing("add_actor_force")
def add_actor_force(host: Host, actor_id: int, force: Value) -> None:
    """Push a vehicle during the next step; N."""
    _push(host, host.world.actor(actor_id), vector_in(force), 0.0)


@rpc.nothing("add_actor_force_at_location")
def add_actor_force_at_location(host: Host, actor_id: int, force: Value, location: Value) -> None:
    """Push a vehicle at a point during the next step."""
    actor = host.world.actor(actor_id)
    push = vector_in(force)
    _push(host, actor, push, _arm(host, actor, vector_in(location), push))


@rpc.nothing("add_actor_torque")
def add_actor_torque(host: Host, actor_id: int, torque: Value) -> None:
    """Turn a vehicle during the next step; N m."""
    _push(host, host.world.actor(actor_id), (0.0, 0.0, 0.0), axial_in(torque)[2])


@rpc.nothing("set_actor_simulate_physics")
def set_actor_simulate_physics(host: Host, actor_id: int, on: bool) -> None:
    """Whether the simulation moves it."""
    host.world.set_physics_on(host.world.actor(actor_id), bool(on))


@rpc.nothing("set_actor_collisions")
def set_actor_collisions(host: Host, actor_id: int, on: bool) -> None:
    """Whether others bump into it."""
    host.world.set_collides(host.world.actor(actor_id), bool(on))


@rpc.nothing("set_actor_enable_gravity")
def set_actor_enable_gravity(host: Host, actor_id: int, on: bool) -> None:
    """Whether it falls."""
    host.world.set_gravity(host.world.actor(actor_id), bool(on))


@rpc.nothing("set_actor_dead")
def set_actor_dead(host: Host, actor_id: int) -> None:
    """It no longer moves by itself."""
    host.world.actor(actor_id).dead = True
    if actor_id in host.world.gaits:
        host.world.gaits[actor_id].speed = 0.0


@rpc.nothing("set_actor_autopilot")
def set_actor_autopilot(host: Host, actor_id: int, on: bool) -> None:
    """The Traffic Manager in the client drives; the server has nothing to do."""


def _mass(host: Host, actor: Actor) -> float:
    if actor.slot >= 0:
        return float(host.world.fleet.p["mass"][actor.slot])
    return actor.spec.mass_kg


def _kick(host: Host, actor: Actor, impulse: Vector) -> None:
    mass = _mass(host, actor)
    if mass > 0.0:
        host.world.motion[actor.row, VELOCITY] += np.array(impulse) / mass


def _spin(host: Host, actor: Actor, impulse: float) -> None:
    if actor.slot >= 0:
        host.world.motion[actor.row, 11] += impulse / float(host.world.fleet.p["yaw_inertia"][actor.slot])


def _push(host: Host, actor: Actor, force: Vector, torque: float) -> None:
    if actor.slot >= 0:
        host.world.fleet.push[:, actor.slot] += (*force, torque)
        host.world.fleet.pushed = True


def _arm(host: Host, actor: Actor, at: Vector, push: Vector) -> float:
    """Moment about the vertical of a push at a point."""
    pose = host.world.pose(actor)
    return (at[0] - pose.x) * push[1] - (at[1] - pose.y) * push[0]
