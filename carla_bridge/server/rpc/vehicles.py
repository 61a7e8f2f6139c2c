"""Vehicles: controls, physics, lamps, doors, wheels, telemetry."""

from __future__ import annotations

from math import atan, degrees, hypot, tan
from typing import TYPE_CHECKING, Any

from carla_bridge.server.rpc.registry import RpcError, RpcGroup
from carla_bridge.server.wire.values import Value, control_in, numbers_in, physics_in, physics_out
from carla_bridge.world.ackermann import AckermannController, AckermannGains, AckermannTarget
from carla_bridge.world.actor import Actor
from carla_bridge.world.fleet import FRICTION_SCALE
from carla_bridge.world.physics import VehiclePhysics, Wheel

if TYPE_CHECKING:
    from carla_bridge.server.host import Host

__all__ = ["rpc", "steer_angle"]

rpc = RpcGroup()

HOOD, TRUNK, ALL_DOORS = 4, 5, 6


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
    before = host.physics_of(actor)
    host.physics[actor.id] = wanted
    host.world.set_physics(actor, wanted)
    if (wanted.center_of_mass[1], wanted.center_of_mass[2]) != before.center_of_mass[1:]:
        host.warn_once("lean", "Vehicles do not lean here: the height and side of the centre of mass have no effect.")


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


@rpc.nothing("open_vehicle_door")
def open_vehicle_door(host: Host, actor_id: int, door: int) -> None:
    """Open a door, or all of them."""
    _move_doors(host, host.world.vehicle(actor_id), door, True)


@rpc.nothing("close_vehicle_door")
def close_vehicle_door(host: Host, actor_id: int, door: int) -> None:
    """Close a door, or all of them."""
    _move_doors(host, host.world.vehicle(actor_id), door, False)


def _move_doors(host: Host, actor: Actor, door: int, opened: bool) -> None:
    number = int(door)
    if not 0 <= number <= ALL_DOORS:
        raise ValueError(f"there is no door {number}; doors are 0 to {ALL_DOORS - 1}, and {ALL_DOORS} is all of them")
    if actor.spec.attributes.get("has_dynamic_doors") != "true":
        host.warn_once(actor.spec.type_id, f"{actor.spec.type_id} has no doors that open (has_dynamic_doors is false).")
        return
    bits = (1 << ALL_DOORS) - 1 if number == ALL_DOORS else 1 << number
    host.world.set_doors(actor, actor.doors | bits if opened else actor.doors & ~bits)
    if number in (HOOD, TRUNK):
        host.warn_once("hood", "Hood and trunk are kept as open or closed, but nothing shows it.")
    elif host.road_map.scene is not None:
        host.warn_once("doors", "Vehicles that look like recorded ones are not drawn with open doors.")


@rpc.nothing("set_wheel_steer_direction")
def set_wheel_steer_direction(host: Host, actor_id: int, wheel: int, angle: float) -> None:
    """Turn a wheel of a vehicle whose physics is off; else its steering does."""
    actor = host.world.vehicle(actor_id)
    _wheel(host, actor, wheel)
    actor.wheels_deg[int(wheel)] = numbers_in([angle], 1)[0]
    host.warn_once("wheels", "Wheels are drawn straight; the angle is told back while the vehicle's physics is off.")


@rpc.value("get_wheel_steer_angle")
def get_wheel_steer_angle(host: Host, actor_id: int, wheel: int) -> float:
    """Degrees, positive to the right; of the four wheels the inner ones turn farther (Ackermann)."""
    actor = host.world.vehicle(actor_id)
    found = _wheel(host, actor, wheel)
    if not actor.physics_on:
        return actor.wheels_deg.get(int(wheel), 0.0)
    return -degrees(steer_angle(host, actor, found))


def steer_angle(host: Host, actor: Actor, wheel: Wheel) -> float:
    """Angle of one wheel in radians, positive to the left."""
    if wheel.max_steer_deg <= 0.0:
        return 0.0
    fleet = host.world.fleet
    base = float(fleet.p["front"][actor.slot] + fleet.p["rear"][actor.slot])
    slope = tan(float(fleet.s["angle"][actor.slot]))
    return atan(base * slope / max(base - wheel.position[1] * slope, 1e-6))


def _wheel(host: Host, actor: Actor, number: int) -> Wheel:
    wheels = host.physics_of(actor).wheels
    if not 0 <= int(number) < len(wheels):
        raise ValueError(f"vehicle {actor.id} has no wheel {number}; it has {len(wheels)}")
    return wheels[int(number)]


@rpc.nothing("set_wheel_pitch_angle")
def set_wheel_pitch_angle(host: Host, actor_id: int, wheel: int, angle: float) -> None:
    """Refused: wheels are drawn as they stand, and nothing else would follow from it."""
    _wheel(host, host.world.vehicle(actor_id), wheel)
    _refuse(host, "The pitch angle of wheels cannot be set: they are drawn as they stand.")


@rpc.value("get_wheel_pitch_angle")
def get_wheel_pitch_angle(host: Host, actor_id: int, wheel: int) -> float:
    """Refused: wheels are drawn as they stand."""
    _wheel(host, host.world.vehicle(actor_id), wheel)
    raise RpcError("Wheels have no pitch angle here: they are drawn as they stand. Telemetry tells how fast they turn.")


@rpc.value("get_telemetry_data")
def get_telemetry_data(host: Host, actor_id: int) -> list[Any]:
    """What drive line and tyres did in the last step; the two wheels of an axle share its forces."""
    actor = host.world.vehicle(actor_id)
    physics, fleet, slot = host.physics_of(actor), host.world.fleet, actor.slot
    p = {name: float(column[slot]) for name, column in fleet.p.items()}
    s = {name: float(column[slot]) for name, column in fleet.s.items()}
    vx, vy, _ = host.world.velocity(actor)
    speed = hypot(vx, vy)
    wheels = [_wheel_telemetry(wheel, physics, p, s, speed, host.world.gravity) for wheel in physics.wheels]
    return [speed, s["steer"], s["throttle"], s["brake"], s["rpm"], int(s["gear"]), p["drag"] * speed**2, wheels]


def _wheel_telemetry(
    wheel: Wheel, physics: VehiclePhysics, p: dict[str, float], s: dict[str, float], speed: float, gravity: float
) -> list[float]:
    """In the order of the protocol; forces in N, loads at rest."""
    front = wheel.position[0] > 0.0
    axle = [each for each in physics.wheels if (each.position[0] > 0.0) == front]
    base = p["front"] + p["rear"]
    rest = p["mass"] * gravity * (p["rear"] if front else p["front"]) / base / len(axle)
    name = "front" if front else "rear"
    side, slip = s[f"side_{name}"] / len(axle), s[f"slip_{name}"]
    brakes = sum(each.max_brake_nm for each in physics.wheels)
    braking = s["brake"] * wheel.max_brake_nm + (s["hand_brake"] > 0.0) * wheel.max_handbrake_nm
    locked = braking / max(wheel.radius_m, 0.05) > p["friction"] * rest and speed > 0.0
    along = s["pull"] / len(physics.wheels)
    if speed > 0.0 and brakes > 0.0:
        along -= min(braking / max(wheel.radius_m, 0.05), p["friction"] * rest)
    omega = 0.0 if locked else speed / max(wheel.radius_m, 0.05)
    long_slip = along / max(wheel.long_stiffness * gravity, 1e-6)
    load = rest / max(p["mass"] * gravity / len(physics.wheels), 1e-6)
    torque = along * wheel.radius_m
    return [
        p["friction"] / FRICTION_SCALE, slip, long_slip, omega, rest, load, torque,
        along, -side, along / max(rest, 1e-6), -side / max(rest, 1e-6),
    ]  # fmt: skip


@rpc.nothing("show_vehicle_debug_telemetry")
def show_vehicle_debug_telemetry(host: Host, actor_id: int, on: bool) -> None:
    """There is no window to show it in; ``get_telemetry_data`` tells the same."""
    host.world.vehicle(actor_id)
    if on:
        host.warn_once("telemetry", "There is no window to show telemetry in; use get_telemetry_data() instead.")


@rpc.nothing("enable_carsim", "use_carsim_road")
def carsim(host: Host, actor_id: int, *arguments: Any) -> None:
    """Refused: there is one vehicle model here."""
    host.world.vehicle(actor_id)
    _refuse(host, "CarSim is not available: this server has one vehicle model of its own.")


@rpc.nothing("enable_chrono_physics")
def chrono(host: Host, actor_id: int, *arguments: Any) -> None:
    """Refused: there is one vehicle model here."""
    host.world.vehicle(actor_id)
    _refuse(host, "Chrono is not available: this server has one vehicle model of its own.")


def _refuse(host: Host, text: str) -> None:
    """Clients do not read the answer of these calls, so the log says it as well."""
    host.warn_once(text, text)
    raise RpcError(text)


@rpc.nothing("restore_physx_physics")
def restore_physx_physics(host: Host, actor_id: int) -> None:
    """Back to the usual data sheet."""
    actor = host.world.vehicle(actor_id)
    host.physics.pop(actor.id, None)
    host.world.set_physics(actor, host.physics_of(actor))
