"""What stands or moves in the world, one record each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from carla_bridge.world.physics import VehiclePhysics
from carla_bridge.world.pose import ORIGIN, Pose, Vector
from carla_bridge.world.spring_arm import SpringArm

__all__ = ["Actor", "ActorError", "ActorSpec", "Kind", "SpawnError"]


class ActorError(ValueError):
    """A call about an actor that is not there, or cannot do what was asked."""


class SpawnError(ActorError):
    """An actor cannot be put where it was asked for."""


class Kind(Enum):
    """What the world does with an actor."""

    VEHICLE = "vehicle"
    WALKER = "walker"
    TRAFFIC_LIGHT = "traffic light"
    TRAFFIC_SIGN = "traffic sign"
    SENSOR = "sensor"
    PROP = "prop"
    OTHER = "other"


SOLID = frozenset({Kind.VEHICLE, Kind.WALKER, Kind.PROP})
"""Kinds that other bodies bump into."""


@dataclass(frozen=True)
class ActorSpec:
    """What an actor is made of; it does not change during its life.

    Attributes:
        type_id: e.g. ``vehicle.tesla.model3``.
        kind: what it does.
        half: half sizes of its box, metres along x, y and z of its own frame.
        box_center: of the box in the actor's frame, metres.
        labels: semantic classes, for the pictures and for clients.
        mass_kg: 0 for what cannot be moved.
        physics: of a vehicle's drive line and tyres.
        attributes: as text, by name.
    """

    type_id: str
    kind: Kind
    half: Vector = (0.0, 0.0, 0.0)
    box_center: Vector = (0.0, 0.0, 0.0)
    labels: tuple[int, ...] = ()
    mass_kg: float = 0.0
    physics: VehiclePhysics | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Actor:
    """An actor in the world; its motion is row ``row`` of `World.motion`.

    Attributes:
        id: never used again in the same world.
        mount: pose in the parent's frame, for actors with a parent.
        slot: place in the fleet, vehicles only.
        physics_on: moved by the simulation rather than only by the client.
        lights: bits of lamps that are on, vehicles only.
        doors: bits of doors that are open, in the order of CARLA's door numbers, vehicles only.
        wheels_deg: angles that a client gave the wheels of a vehicle without physics, degrees to the right, by number.
        mass_kg: as it is now; a client may change a vehicle's.
        arm: what holds it to its parent, ``None`` for a rigid mount.
    """

    id: int
    spec: ActorSpec
    row: int
    parent: int = 0
    mount: Pose = ORIGIN
    children: list[int] = field(default_factory=list)
    slot: int = -1
    physics_on: bool = True
    gravity: bool = True
    collides: bool = True
    dead: bool = False
    lights: int = 0
    doors: int = 0
    wheels_deg: dict[int, float] = field(default_factory=dict)
    mass_kg: float = 0.0
    arm: SpringArm | None = None

    @property
    def kind(self) -> Kind:
        """What the world does with it."""
        return self.spec.kind

    @property
    def solid(self) -> bool:
        """Whether other bodies bump into it."""
        return self.spec.kind in SOLID and self.collides and self.parent == 0
