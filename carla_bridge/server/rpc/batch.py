"""Many commands in one call."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from avrec.errors import AvrecError
from carla_bridge.server.rpc import actors, lights, motion, vehicles, walkers
from carla_bridge.server.rpc.registry import RpcError, RpcGroup
from carla_bridge.server.wire.values import Value, numbers_in, pose_in
from carla_bridge.world.actor import ActorError
from carla_bridge.world.pose import rotate

if TYPE_CHECKING:
    from carla_bridge.server.host import Host

__all__ = ["rpc"]

log = logging.getLogger(__name__)

rpc = RpcGroup()

SPAWN = 0
MAX_COMMANDS = 50_000


def _ticks(arguments: list[Any]) -> bool:
    return len(arguments) > 1 and bool(arguments[1])


@rpc.raw("apply_batch", ticks=_ticks)
def apply_batch(host: Host, commands: list[Any], do_tick: bool = False) -> list[Any]:
    """Run commands one after another; each succeeds or fails for itself."""
    if len(commands) > MAX_COMMANDS:
        log.warning("A batch of %d commands was refused; %d is the most.", len(commands), MAX_COMMANDS)
        raise RpcError(f"a batch of {len(commands)} commands is too long; {MAX_COMMANDS} is the most")
    answers = [_run(host, command, 0) for command in commands]
    if do_tick and host.settings.synchronous:
        host.tick()
    return answers


def _run(host: Host, command: Value, future: int) -> list[Any]:
    """One command; ``future`` is the actor that commands without one are about."""
    try:
        index, payload = command[0]
        if index == SPAWN:
            return [[1, _spawn(host, payload)]]
        call = _CALLS.get(index)
        if call is None:
            return [[0, [f"command {index} is not available here"]]]
        actor_id = payload[0] or future
        call(host, actor_id, *payload[1:])
        return [[1, actor_id]]
    except (RpcError, AvrecError, ActorError, ValueError, TypeError, IndexError, KeyError) as error:
        log.debug("A command failed: %s", error)
        return _failed(error)
    except Exception as problem:  # a value that no client would send; the other commands are none the worse for it
        host.failures["apply_batch", type(problem).__name__] += 1
        log.warning("A command failed with %s: %s", type(problem).__name__, problem)
        return _failed(problem)


def _failed(error: Exception) -> list[Any]:
    return [[0, [str(error) or type(error).__name__]]]


def _spawn(host: Host, payload: Value) -> int:
    """``[description, transform, parent, attachment, socket, after]``, without two of them before 0.9.16."""
    parent = payload[2][1] if len(payload[2]) == 2 else 0
    actor = actors.spawn(host, payload[0], payload[1], parent)
    after = payload[-1] if len(payload) in (4, 6) and isinstance(payload[-1], list) else []
    for command in after:
        _run(host, command, actor.id)
    return actor.id


def _destroy(host: Host, actor_id: int) -> None:
    if actor_id == host.spectator.id or not host.destroy(actor_id):
        raise ActorError(f"There is no actor {actor_id} to destroy")


def _walker_state(host: Host, actor_id: int, transform: Value, speed: float) -> None:
    """Pose and speed as a walker controller in the client sets them: with the feet on the mesh."""
    world = host.world
    actor = world.actor(actor_id)
    pose = pose_in(transform)
    pose = pose._replace(z=pose.z + actor.spec.half[2])
    world.set_pose(actor, pose)
    world.motion[actor.row, 6:9] = rotate(pose, (numbers_in([speed], 1)[0], 0.0, 0.0))


def _nothing(host: Host, actor_id: int, *arguments: Any) -> None:
    """Autopilot is the Traffic Manager's; telemetry drawings are not shown."""
    host.world.actor(actor_id)


_CALLS: dict[int, Callable[..., Any]] = {
    1: _destroy,
    2: vehicles.apply_control_to_vehicle,
    3: vehicles.apply_ackermann_control_to_vehicle,
    4: walkers.apply_control_to_walker,
    5: vehicles.apply_physics_control,
    6: motion.set_actor_transform,
    7: _walker_state,
    8: motion.set_actor_target_velocity,
    9: motion.set_actor_target_angular_velocity,
    10: motion.add_actor_impulse,
    11: motion.add_actor_force,
    12: motion.add_actor_angular_impulse,
    13: motion.add_actor_torque,
    14: motion.set_actor_simulate_physics,
    15: motion.set_actor_enable_gravity,
    16: _nothing,
    17: _nothing,
    18: vehicles.set_vehicle_light_state,
    19: motion.set_actor_location,
    21: lights.set_traffic_light_state,
}
"""Commands by their place in the protocol's variant."""
