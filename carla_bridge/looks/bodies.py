"""Which shape, paint and lamps an actor has."""

from __future__ import annotations

from collections.abc import Callable

from avrec.mesh.painted import Surface
from carla_bridge.looks.body_parts import Lamp
from carla_bridge.looks.people import person_shape, prop_shape
from carla_bridge.looks.vehicles import door_shape, vehicle_shape
from carla_bridge.world.actor import Actor, ActorSpec, Kind
from carla_bridge.world.bumping import open_doors
from carla_bridge.world.labels import Label

__all__ = ["DEFAULT_PAINT", "HIGH", "LOW", "Key", "doors_of", "lamps_of", "paint_of", "shape_of"]

Key = tuple[object, ...]

# carla.VehicleLightState
POSITION, LOW, HIGH, BRAKE, RIGHT, LEFT, REVERSE, SPECIAL = 0x1, 0x2, 0x4, 0x8, 0x10, 0x20, 0x40, 0x200 | 0x400
BASES = frozenset({"car", "van", "truck", "bus", "motorcycle", "bicycle"})
SPECIALS = frozenset({"emergency", "taxi"})
BLINK_S = 0.8
DEFAULT_PAINT = (0.20, 0.21, 0.23)


def shape_of(spec: ActorSpec) -> tuple[Key, Callable[[], Surface]]:
    """The shape for a blueprint, x forward, y left, z up from the ground below its box's middle; and its name."""
    label = int((spec.labels or (Label.NONE,))[0])
    if spec.kind is Kind.VEHICLE:
        base, special = (spec.attributes.get(name, "") for name in ("base_type", "special_type"))
        if spec.attributes.get("number_of_wheels") == "2" and base != "bicycle":
            base = "motorcycle"
        # Clients may write anything here; shapes are kept, so there must not be ever more of them.
        base, special = base if base in BASES else "car", special if special in SPECIALS else ""
        return (base, special, spec.half, label), lambda: vehicle_shape(base, spec.half, label, special)
    if spec.kind is Kind.WALKER:
        return (spec.type_id, spec.half), lambda: person_shape(spec.type_id, spec.half)
    return (spec.type_id, spec.half, label), lambda: prop_shape(spec.type_id, spec.half, label)


def doors_of(actor: Actor) -> tuple[Key, Callable[[], Surface]]:
    """Open doors, of which there must be some; and their name."""
    spec, places = actor.spec, open_doors(actor)
    label = int((spec.labels or (Label.NONE,))[0])
    return ("doors", spec.half, places, label), lambda: door_shape(spec.half, places, label)


def paint_of(spec: ActorSpec) -> tuple[float, float, float]:
    """The blueprint's colour, linear."""
    parts = spec.attributes.get("color", "").split(",")
    try:
        red, green, blue = ((max(0, min(int(part), 255)) / 255) ** 2.2 for part in parts)
    except ValueError:
        return DEFAULT_PAINT
    return red, green, blue


def lamps_of(actor: Actor, time_s: float) -> int:
    """Bits of the shape's lamps from CARLA's bits; indicators and sirens blink."""
    on = actor.lights
    if not on:
        return 0
    half = (time_s % BLINK_S) < BLINK_S / 2
    wanted = {
        Lamp.FRONT: on & (LOW | HIGH),
        Lamp.TAIL: on & (POSITION | LOW | HIGH),
        Lamp.BRAKE: on & BRAKE,
        Lamp.RIGHT: on & RIGHT and half,
        Lamp.LEFT: on & LEFT and half,
        Lamp.REVERSE: on & REVERSE,
        Lamp.SIREN_RED: on & SPECIAL and half,
        Lamp.SIREN_BLUE: on & SPECIAL and not half,
    }
    return sum(1 << lamp for lamp, lit in wanted.items() if lit)
