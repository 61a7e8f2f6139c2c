"""Moving actors by hand: poses, velocities, forces, what physics may do to them."""

from __future__ import annotations

from math import hypot, radians
from typing import TYPE_CHECKING

from carla_bridge.server.rpc.registry import RpcGroup
from carla_bridge.server.wire.values import Value, axial_in, pose_in, vector_in
from carla_bridge.world.actor import SOLID, Actor, Kind
from carla_bridge.world.forces import kick, push
from carla_bridge.world.motion import SPIN, VELOCITY
from carla_bridge.world.physics import VehicleControl
from carla_bridge.world.pose import Pose, Vector, compose
from carla_bridge.world.vehicle_step import FASTEST_MPS

if TYPE_CHECKING:
    from carla_bridge.server.host import Host

__all__ = ["rpc"]

rpc = RpcGroup()

SWAY_DEGPS = 15.0
"""What a driven car leans by on an uneven road; a client that asks for no more has not asked for a fall."""
LEAP_MPS = 0.5
"""A vehicle that is sent up faster than this, beside the slope it drives on, leaves the road."""


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
    if (actor := _movable(host, actor_id, kept=True)) is not None:
        x, y, z = vector_in(velocity)
        host.world.motion[actor.row, VELOCITY] = x, y, z
        if actor.slot >= 0:
            along, across = host.world.fleet.slope[:, actor.slot]
            if z > along * x + across * y + LEAP_MPS:
                host.world.fleet.grip[actor.slot] = 0.0


@rpc.nothing("set_actor_target_angular_velocity")
def set_actor_target_angular_velocity(host: Host, actor_id: int, velocity: Value) -> None:
    """Give it an angular velocity, deg/s."""
    if (actor := _movable(host, actor_id, kept=True)) is not None:
        x, y, z = axial_in(velocity)
        if actor.physics_on:
            if hypot(x, y) < SWAY_DEGPS:
                x = y = 0.0
            x, y, z = 0.0, 0.0, _upright(host, (x, y, z))
        host.world.motion[actor.row, SPIN] = radians(x), radians(y), radians(z)


@rpc.nothing("enable_actor_constant_velocity")
def enable_actor_constant_velocity(host: Host, actor_id: int, velocity: Value) -> None:
    """Hold a velocity in the vehicle's own frame."""
    slot = host.world.vehicle(actor_id).slot
    forward, left, up = vector_in(velocity)
    if abs(up) > 1e-6:
        host.warn_once("upward", "Vehicles follow the ground: a constant velocity upwards has no effect.")
    host.world.fleet.cruise[:, slot] = [min(max(each, -FASTEST_MPS), FASTEST_MPS) for each in (forward, left)]
    host.world.fleet.cruising[slot] = 1.0


@rpc.nothing("disable_actor_constant_velocity")
def disable_actor_constant_velocity(host: Host, actor_id: int) -> None:
    """Let it go."""
    host.world.fleet.cruising[host.world.vehicle(actor_id).slot] = 0.0


@rpc.nothing("add_actor_impulse")
def add_actor_impulse(host: Host, actor_id: int, impulse: Value) -> None:
    """Change its velocity at once; N s."""
    if (actor := _movable(host, actor_id)) is not None:
        kick(host.world, actor, vector_in(impulse))


@rpc.nothing("add_actor_impulse_at_location")
def add_actor_impulse_at_location(host: Host, actor_id: int, impulse: Value, location: Value) -> None:
    """Change its velocity and its turning at once."""
    if (actor := _movable(host, actor_id)) is not None:
        given = vector_in(impulse)
        kick(host.world, actor, given, _arm(host, actor, vector_in(location), given))


@rpc.nothing("add_actor_angular_impulse")
def add_actor_angular_impulse(host: Host, actor_id: int, impulse: Value) -> None:
    """Change its turning at once; N m s."""
    if (actor := _movable(host, actor_id)) is not None:
        kick(host.world, actor, (0.0, 0.0, 0.0), _upright(host, axial_in(impulse)))


@rpc.nothing("add_actor_force")
def add_actor_force(host: Host, actor_id: int, force: Value) -> None:
    """Push a vehicle during the next step; N."""
    if (actor := _movable(host, actor_id)) is not None:
        push(host.world, actor, vector_in(force))


@rpc.nothing("add_actor_force_at_location")
def add_actor_force_at_location(host: Host, actor_id: int, force: Value, location: Value) -> None:
    """Push a vehicle at a point during the next step."""
    if (actor := _movable(host, actor_id)) is not None:
        given = vector_in(force)
        push(host.world, actor, given, _arm(host, actor, vector_in(location), given))


@rpc.nothing("add_actor_torque")
def add_actor_torque(host: Host, actor_id: int, torque: Value) -> None:
    """Turn a vehicle during the next step; N m."""
    if (actor := _movable(host, actor_id)) is not None:
        push(host.world, actor, (0.0, 0.0, 0.0), _upright(host, axial_in(torque)))


@rpc.nothing("set_actor_simulate_physics")
def set_actor_simulate_physics(host: Host, actor_id: int, on: bool) -> None:
    """Whether the simulation moves it."""
    host.world.set_physics_on(_body(host, actor_id), bool(on))


@rpc.nothing("set_actor_collisions")
def set_actor_collisions(host: Host, actor_id: int, on: bool) -> None:
    """Whether others bump into it."""
    host.world.set_collides(_body(host, actor_id), bool(on))


@rpc.nothing("set_actor_enable_gravity")
def set_actor_enable_gravity(host: Host, actor_id: int, on: bool) -> None:
    """Whether it falls."""
    host.world.set_gravity(_body(host, actor_id), bool(on))


@rpc.nothing("set_actor_dead")
def set_actor_dead(host: Host, actor_id: int) -> None:
    """It no longer moves by itself."""
    actor = host.world.actor(actor_id)
    if actor.slot >= 0:
        host.world.control(actor, VehicleControl())
    elif actor_id in host.world.gaits:
        host.world.gaits[actor_id].speed = 0.0
    actor.dead = True


@rpc.nothing("set_actor_autopilot")
def set_actor_autopilot(host: Host, actor_id: int, on: bool) -> None:
    """The Traffic Manager in the client drives; the server has nothing to do."""


def _body(host: Host, actor_id: int) -> Actor:
    """An actor; the log says where it has no body."""
    actor = host.world.actor(actor_id)
    if actor.kind not in SOLID:
        host.warn_once(
            f"body of {actor.kind.value}",
            f"{actor.spec.type_id} has no body: physics, collisions and gravity have no effect on it.",
        )
    return actor


def _movable(host: Host, actor_id: int, *, kept: bool = False) -> Actor | None:
    """The vehicle or loose thing that forces move; ``None``, and a warning, for anything else.

    With ``kept`` also a body whose physics is off: what only calls move has the velocity that it is told to have.
    """
    actor = host.world.actor(actor_id)
    if actor.slot >= 0 or (actor.kind is Kind.PROP and actor.mass_kg > 0.0):
        return actor
    if kept and actor.kind in SOLID and not actor.physics_on:
        return actor
    host.warn_once(
        f"forces on {actor.kind.value}",
        f"Forces, impulses and target velocities move vehicles, and things whose physics is switched on; "
        f"{actor.spec.type_id} does not heed them.",
    )
    return None


def _upright(host: Host, vector: Vector) -> float:
    """The part about the vertical of a turn."""
    if abs(vector[0]) > 1e-6 or abs(vector[1]) > 1e-6:
        host.warn_once("tilt", "Vehicles follow the ground and do not lean: turns about x and y have no effect.")
    return vector[2]


def _arm(host: Host, actor: Actor, at: Vector, push: Vector) -> float:
    """Moment about the vertical through the middle of the box, of a push at a point."""
    middle = compose(host.world.pose(actor), Pose(*actor.spec.box_center))
    return (at[0] - middle.x) * push[1] - (at[1] - middle.y) * push[0]
