"""Vehicles: controls, physics, lamps, doors, wheels, telemetry."""

from __future__ import annotations

from math import degrees, hypot
from typing import TYPE_CHECKING, Any

from carla_bridge.server.rpc.registry import RpcGroup
from carla_bridge.server.wire.values import Value, control_in, numbers_in, physics_in, physics_out
from carla_bridge.world.ackermann import AckermannController, AckermannGains, AckermannTarget

if TYPE_CHECKING:
    from carla_bridge.server.host import Host

__all__ = ["rpc"]

rpc = RpcGroup()

FRONT_WHEELS = 2


@rpc.nothing("apply_control_to_vehicle")
def apply_control_to_vehicle(host: Host, actor_id: int, control: Value) -> None:
    """Pedals and wheel."""
    host.world.control(host.world.vehicle(actor_id), control_in(control))


@rpc.nothing("apply_ackermann_control_to_vehicle")
def apply_ackermann_control_to_vehicle(host: Host, actor_id: int, control: Value) -> None:
    """Speed and steering angle."""
    actor = host.world.vehicle(actor_id)
    controller = host.world.ackermann.setdefault(actor.id, AckermannController(gains=_gains(host, actor_id)))
    controller.target = AckermannTarget(*numbers_in(control, 5))


@rpc.value("get_ackermann_controller_settings")
def get_ackermann_controller_settings(host: Host, actor_id: int) -> list[float]:
    """Gains of the two controllers."""
    host.world.vehicle(actor_id)
    gains = _gains(host, actor_id)
    return [gains.speed_kp, gains.speed_ki, gains.speed_kd, gains.accel_kp, gains.accel_ki, gains.accel_kd]


@rpc.nothing("apply_ackermann_controller_settings")
def apply_ackermann_controller_settings(host: Host, actor_id: int, settings: Value) -> None:
    """Gains of the two controllers."""
    actor = host.world.vehicle(actor_id)
    host.gains[actor.id] = AckermannGains(*numbers_in(settings, 6))
    if actor.id in host.world.ackermann:
        host.world.ackermann[actor.id].gains = host.gains[actor.id]


def _gains(host: Host, actor_id: int) -> AckermannGains:
    return host.gains.get(actor_id, AckermannGains())


@rpc.value("get_physics_control")
def get_physics_control(host: Host, actor_id: int) -> Any:
    """The data sheet."""
    actor = host.world.vehicle(actor_id)
    return physics_out(host.physics_of(actor), host.world.pose(actor))


@rpc.nothing("apply_physics_control")
def apply_physics_control(host: Host, actor_id: int, physics: Value) -> None:
    """Another data sheet."""
    actor = host.world.vehicle(actor_id)
    wanted = physics_in(physics, host.world.pose(actor))
    if not wanted.wheels:
        raise ValueError("a vehicle needs wheels")
    host.physics[actor.id] = wanted
    host.world.fleet.set_physics(actor.slot, wanted, actor.spec.half)


@rpc.value("get_vehicle_light_state")
def get_vehicle_light_state(host: Host, actor_id: int) -> list[int]:
    """Lamps that are on."""
    return [host.world.vehicle(actor_id).lights]


@rpc.nothing("set_vehicle_light_state")
def set_vehicle_light_state(host: Host, actor_id: int, lights: Value) -> None:
    """Switch lamps."""
    bits = lights[0] if isinstance(lights, list) else lights
    host.world.vehicle(actor_id).lights = int(bits) & 0xFFFFFFFF


@rpc.value("get_vehicle_light_states")
def get_vehicle_light_states(host: Host) -> list[list[int]]:
    """Lamps of all vehicles."""
    return [[actor.id, actor.lights] for actor in host.world.actors.values() if actor.slot >= 0]


@rpc.nothing("open_vehicle_door", "close_vehicle_door")
def vehicle_door(host: Host, actor_id: int, door: int) -> None:
    """Boxes have no doors; the call is accepted for a vehicle."""
    host.world.vehicle(actor_id)


@rpc.nothing("set_wheel_steer_direction", "set_wheel_pitch_angle")
def set_wheel(host: Host, actor_id: int, wheel: int, angle: float) -> None:
    """The wheels' looks, not their effect: there are none to see here."""
    host.world.vehicle(actor_id)


@rpc.value("get_wheel_steer_angle")
def get_wheel_steer_angle(host: Host, actor_id: int, wheel: int) -> float:
    """Degrees, positive to the right."""
    angle = float(host.world.fleet.s["angle"][host.world.vehicle(actor_id).slot])
    return -degrees(angle) if int(wheel) < FRONT_WHEELS else 0.0


@rpc.value("get_wheel_pitch_angle")
def get_wheel_pitch_angle(host: Host, actor_id: int, wheel: int) -> float:
    """Wheels are not drawn turning."""
    host.world.vehicle(actor_id)
    return 0.0


@rpc.value("get_telemetry_data")
def get_telemetry_data(host: Host, actor_id: int) -> list[Any]:
    """What the drive line does."""
    actor = host.world.vehicle(actor_id)
    fleet, slot = host.world.fleet, actor.slot
    physics = host.physics_of(actor)
    vx, vy, _ = host.world.velocity(actor)
    speed = hypot(vx, vy)
    load = float(fleet.p["mass"][slot]) * host.world.gravity / max(len(physics.wheels), 1)
    wheels = [
        [wheel.friction, 0.0, 0.0, speed / max(wheel.radius_m, 0.05), load, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]
        for wheel in physics.wheels
    ]
    s = {name: float(column[slot]) for name, column in fleet.s.items()}
    drag = float(fleet.p["drag"][slot]) * speed * speed
    return [speed, s["steer"], s["throttle"], s["brake"], s["rpm"], int(s["gear"]), drag, wheels]


@rpc.nothing("show_vehicle_debug_telemetry", "enable_carsim", "use_carsim_road", "enable_chrono_physics")
def other_engines(host: Host, actor_id: int, *arguments: Any) -> None:
    """There is one vehicle model here; other engines are not available, and nothing changes."""
    host.world.vehicle(actor_id)


@rpc.nothing("restore_physx_physics")
def restore_physx_physics(host: Host, actor_id: int) -> None:
    """Back to the usual data sheet."""
    actor = host.world.vehicle(actor_id)
    host.physics.pop(actor.id, None)
    host.world.fleet.set_physics(actor.slot, host.physics_of(actor), actor.spec.half)
