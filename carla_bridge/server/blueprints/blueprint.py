"""Blueprints: a name, tags and attributes with their kinds and usual values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from carla_bridge.world.actor import Kind
from carla_bridge.world.pose import Vector

__all__ = ["Attribute", "AttributeType", "Blueprint", "attribute", "boolean", "colour", "floats", "integer", "text"]


class AttributeType(IntEnum):
    """Kinds of attributes in the protocol's order; the first one's number depends on the version."""

    BOOL = 0
    INT = 1
    FLOAT = 2
    STRING = 3
    COLOR = 4


@dataclass(frozen=True)
class Attribute:
    """One attribute; all values are text.

    Attributes:
        recommended: values a user may want; the first one is the default.
        modifiable: whether a client may set it.
        restricted: only recommended values are allowed.
    """

    name: str
    kind: AttributeType
    value: str
    recommended: tuple[str, ...] = ()
    modifiable: bool = True
    restricted: bool = False


@dataclass(frozen=True)
class Blueprint:
    """What can be spawned.

    Attributes:
        half, mass_kg: of its body, metres and kilograms.
        labels: semantic classes.
        raised: its origin is at the foot of its box, not in the middle.
        max_steer_deg: of vehicles' front wheels.
    """

    name: str
    kind: Kind
    attributes: tuple[Attribute, ...] = ()
    half: Vector = (0.0, 0.0, 0.0)
    mass_kg: float = 0.0
    labels: tuple[int, ...] = ()
    raised: bool = True
    max_steer_deg: float = 70.0
    defaults: Mapping[str, str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "defaults", {each.name: each.value for each in self.attributes})

    @property
    def tags(self) -> str:
        """The parts of its name, as filters match them."""
        return ",".join(self.name.split("."))


def attribute(name: str, kind: AttributeType, values: Iterable[object], **options: bool) -> Attribute:
    """An attribute with recommended values, the first of which is the default."""
    words = tuple(str(value) for value in values)
    return Attribute(name, kind, words[0], words, **options)


def text(name: str, *values: str, **options: bool) -> Attribute:
    """A word."""
    return attribute(name, AttributeType.STRING, values, **options)


def integer(name: str, *values: int, **options: bool) -> Attribute:
    """A whole number."""
    return attribute(name, AttributeType.INT, values, **options)


def floats(**values: float) -> tuple[Attribute, ...]:
    """Several real numbers, by name."""
    return tuple(attribute(name, AttributeType.FLOAT, (value,)) for name, value in values.items())


def boolean(name: str, value: bool, **options: bool) -> Attribute:
    """Yes or no."""
    return attribute(name, AttributeType.BOOL, (str(value).lower(),), **options)


def colour(name: str, *values: str) -> Attribute:
    """A colour such as ``"255,0,0"``."""
    return attribute(name, AttributeType.COLOR, values)
