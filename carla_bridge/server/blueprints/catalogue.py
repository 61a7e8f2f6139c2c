"""The catalogue, and actors made from its entries."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from math import isfinite

from carla_bridge.server.blueprints.blueprint import Attribute, AttributeType, Blueprint
from carla_bridge.server.blueprints.others import controllers, props, walkers
from carla_bridge.server.blueprints.sensors import sensors
from carla_bridge.server.blueprints.vehicles import vehicles
from carla_bridge.world.actor import ActorSpec, Kind
from carla_bridge.world.physics import default_physics

__all__ = ["Attribute", "Blueprint", "catalogue", "spec_of"]


@cache
def catalogue() -> Mapping[str, Blueprint]:
    """All blueprints by name."""
    found = (*vehicles(), *walkers(), *sensors(), *props(), *controllers())
    return {blueprint.name: blueprint for blueprint in sorted(found, key=lambda each: each.name)}


def spec_of(blueprint: Blueprint, attributes: Mapping[str, str]) -> ActorSpec:
    """What an actor of a blueprint is, with the attributes a client sent over the usual ones.

    Raises:
        ValueError: an attribute is not of its kind.
    """
    values = dict(blueprint.defaults)
    for each in blueprint.attributes:
        if each.name in attributes:
            values[each.name] = _checked(each, attributes[each.name])
    values.update({name: value for name, value in attributes.items() if name not in values})
    half = blueprint.half
    if values.get("mesh_path"):
        raise ValueError("meshes cannot be loaded here; leave mesh_path empty for a plain box")
    if "scale" in values:
        size = min(max(float(values["scale"]), 0.01), 1000.0)
        half = (half[0] * size, half[1] * size, half[2] * size)
    physics = None
    if blueprint.kind is Kind.VEHICLE:
        wheels = int(values["number_of_wheels"])
        physics = default_physics(half, blueprint.mass_kg, wheels, blueprint.max_steer_deg)
    return ActorSpec(
        type_id=blueprint.name,
        kind=blueprint.kind,
        half=half,
        box_center=(0.0, 0.0, half[2] if blueprint.raised else 0.0),
        labels=blueprint.labels,
        mass_kg=blueprint.mass_kg,
        physics=physics,
        attributes=values,
    )


def _checked(attribute: Attribute, value: str) -> str:
    """The value, if it can be read as the attribute's kind."""
    try:
        if attribute.kind is AttributeType.FLOAT:
            fits = isfinite(float(value))
        elif attribute.kind is AttributeType.INT:
            fits = isfinite(int(float(value)))
        elif attribute.kind is AttributeType.BOOL:
            fits = value.lower() in ("true", "false", "0", "1")
        else:
            fits = attribute.kind is not AttributeType.COLOR or len([int(part) for part in value.split(",")]) == 3
    except (ValueError, OverflowError):
        fits = False
    if not fits:
        raise ValueError(f"the attribute {attribute.name} cannot be {value!r}")
    return value
