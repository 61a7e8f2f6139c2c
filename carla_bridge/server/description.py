"""Actors as clients are told of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from carla_bridge.server.blueprints.blueprint import AttributeType
from carla_bridge.server.wire.values import box_out
from carla_bridge.world.actor import Actor
from carla_bridge.world.labels import Label
from carla_bridge.world.walls import NOBODY

__all__ = ["STANDING", "describe"]

_NO_BOX = box_out((0.0, 0.0, 0.0), (0.0, 0.0, 0.0))
STANDING = [NOBODY, 0, [0, "static.building", []], _NO_BOX, bytes((Label.BUILDING,)), b""]
"""What a collision with the scene itself is told to be with."""


def describe(
    actor: Actor, number: int, kinds: Mapping[str, AttributeType], first_attribute_type: int, token: bytes
) -> list[Any]:
    """An actor's description in the order of the protocol.

    Args:
        actor: who.
        number: of its blueprint in the library.
        kinds: of the blueprint's attributes; what a client added is text.
        first_attribute_type: the profile's number of the first kind.
        token: of a sensor's stream, empty for others.
    """
    spec = actor.spec
    attributes = [
        [name, int(kinds.get(name, AttributeType.STRING)) + first_attribute_type, value]
        for name, value in spec.attributes.items()
    ]
    return [
        actor.id,
        actor.parent,
        [number, spec.type_id, attributes],
        box_out(spec.box_center, spec.half, actor.id),
        bytes(spec.labels),
        token,
    ]
