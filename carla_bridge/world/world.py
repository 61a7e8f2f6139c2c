"""The world: its actors, and the step that moves them.

Same actors, same calls in the same order, same steps: same bits. Time only passes in `World.step`.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil, inf

import numpy as np

from carla_bridge.world.ackermann import AckermannController
from carla_bridge.world.actor import Actor, ActorError, ActorSpec, Kind, SpawnError
from carla_bridge.world.bumping import Bumper, Collision, overlaps
from carla_bridge.world.drawings import Drawings
from carla_bridge.world.fleet import Fleet
from carla_bridge.world.forces import hurt, kick
from carla_bridge.world.friction import FrictionArea, friction_areas, set_friction
from carla_bridge.world.loose import mass_of_thing, slide
from carla_bridge.world.motion import COLUMNS, POSE, SPIN, VELOCITY, Float64
from carla_bridge.world.physics import VehicleControl, VehiclePhysics
from carla_bridge.world.pose import ORIGIN, Pose, Vector, compose
from carla_bridge.world.road_map import RoadMap
from carla_bridge.world.signals import Signals
from carla_bridge.world.skeleton import Posture
from carla_bridge.world.spring_arm import Sight, SpringArm, follow
from carla_bridge.world.vehicle_step import step_vehicles
from carla_bridge.world.walking import Gait, walk
from carla_bridge.world.walls import WallBumper

__all__ = ["World"]

GRAVITY_MPS2 = 9.81
MAX_ACTORS = 10_000
MAX_DEPTH = 32
"""Of actors that are mounted on one another."""
LONGEST_STEP_S = 0.025
"""Vehicles are stepped at least this finely, whatever the world's step."""


class World:
    """A map with actors on it.

    Attributes:
        road_map: lanes, ground, signals.
        actors: by id, in the order of their birth.
        motion: float64 [N, 15], a row per actor (see `carla_bridge.world.motion`).
        fleet: the vehicles' numbers.
        signals: traffic lights and who waits at them.
        gaits: what walkers were told, by id.
        postures: how clients posed walkers' bones, by id.
        ackermann: controllers of vehicles that are driven by speed and angle, by id.
        collisions: contacts of the last step.
        frame, time_s: of the last step.
        gravity: m/s².
        next_id: of the next actor.
        sight: how far one sees, for attachments on spring arms.
        drawings: debug shapes.
        pushes: forces and torques on loose things in the next step.
    """

    def __init__(self, road_map: RoadMap, first_id: int = 1) -> None:
        self.road_map = road_map
        self.actors: dict[int, Actor] = {}
        self._motion = np.zeros((64, COLUMNS))
        self.motion: Float64 = self._motion[:0]
        self.fleet = Fleet()
        self.gaits: dict[int, Gait] = {}
        self.postures: dict[int, Posture] = {}
        self.ackermann: dict[int, AckermannController] = {}
        self.collisions: list[Collision] = []
        self.frame = 0
        self.time_s = 0.0
        self.gravity = GRAVITY_MPS2
        self.version = 0  # grows when actors come or go
        self.next_id = first_id
        self._rows: list[Actor] = []
        self._bumper: Bumper | None = None
        self._wall_bumper: WallBumper | None = None
        self._attached: list[Actor] = []
        self._loose: list[Actor] = []
        self.pushes: list[tuple[Actor, Vector, float]] = []
        self.sight: Sight = _clear
        self.drawings = Drawings()
        self._areas: tuple[FrictionArea, ...] = ()
        self.signals = Signals(road_map.graph)

    def spawn(self, spec: ActorSpec, pose: Pose, parent: int = 0, *, check: bool = True) -> Actor:
        """Put an actor into the world, ``pose`` in the world or in its parent's frame.

        Raises:
            SpawnError: something solid stands there, the world is full, or too much is mounted on one another.
            ActorError: no such parent.
        """
        if len(self.actors) >= MAX_ACTORS:
            raise SpawnError(f"The world holds {MAX_ACTORS} actors already; destroy some first")
        mother = self.actor(parent) if parent else None
        if mother and self._depth(mother) >= MAX_DEPTH:
            raise SpawnError(f"Actor {parent} is the end of a chain of {MAX_DEPTH} actors; attach to an earlier one")
        place = compose(self.pose(mother), pose) if mother else pose
        actor = Actor(self.next_id, spec, len(self._rows), parent, pose if mother else ORIGIN, mass_kg=spec.mass_kg)
        if check and actor.solid and (found := overlaps(spec, place, self.actors, self.motion)):
            raise SpawnError(
                f"Spawn failed because of collision at spawn position with actor {found} "
                f"({self.actors[found].spec.type_id})"
            )
        if actor.row == len(self._motion):
            self._motion = np.concatenate([self._motion, np.zeros_like(self._motion)])
        self._motion[actor.row] = 0.0
        self._motion[actor.row, POSE] = place
        self.next_id += 1
        self.actors[actor.id] = actor
        self._rows.append(actor)
        if spec.kind is Kind.VEHICLE and spec.physics is not None:
            actor.slot = self.fleet.add(actor.row, spec.physics, spec.half)
        elif spec.kind is Kind.WALKER:
            self.gaits[actor.id] = Gait()
        if mother:
            mother.children.append(actor.id)
        self._changed()
        return actor

    def destroy(self, actor_id: int) -> list[int]:
        """Take an actor and everything attached to it out of the world; returns the ids, empty if it was not there."""
        actor = self.actors.get(actor_id)
        if actor is None:
            return []
        if actor.parent in self.actors:
            self.actors[actor.parent].children.remove(actor_id)
        gone = self._family(actor)
        for each in reversed(gone):
            self._take_out(each)
        self._changed()
        return [each.id for each in gone]

    def _family(self, actor: Actor) -> list[Actor]:
        """An actor and all that is attached to it, parents before children."""
        found = [actor]
        for child in actor.children:
            found += self._family(self.actors[child])
        return found

    def _take_out(self, actor: Actor) -> None:
        """Take one actor's row and all that is kept about it away; the last row moves into its place."""
        del self.actors[actor.id]
        last = self._rows.pop()
        if last is not actor:
            self._motion[actor.row] = self._motion[last.row]
            self._rows[actor.row] = last
            last.row = actor.row
            if last.slot >= 0:
                self.fleet.row[last.slot] = last.row
        if actor.slot >= 0:
            moved = self.fleet.remove(actor.slot)
            for other in self._rows:
                if other.slot == moved and moved != actor.slot:
                    other.slot = actor.slot
        self.pushes = [push for push in self.pushes if push[0] is not actor]
        self.gaits.pop(actor.id, None)
        self.postures.pop(actor.id, None)
        self.ackermann.pop(actor.id, None)

    def actor(self, actor_id: int) -> Actor:
        """An actor by id.

        Raises:
            ActorError: it is not there (any more).
        """
        try:
            return self.actors[actor_id]
        except KeyError:
            raise ActorError(f"There is no actor {actor_id}; it may have been destroyed") from None

    def vehicle(self, actor_id: int) -> Actor:
        """A vehicle by id.

        Raises:
            ActorError: it is not there, or not a vehicle.
        """
        actor = self.actor(actor_id)
        if actor.slot < 0:
            raise ActorError(f"Actor {actor_id} ({actor.spec.type_id}) is not a vehicle")
        return actor

    def _depth(self, actor: Actor) -> int:
        """How many actors carry one another up to this one, itself included."""
        count = 1
        while actor.parent in self.actors:
            actor, count = self.actors[actor.parent], count + 1
        return count

    def by_row(self) -> Iterator[Actor]:
        """All actors in the order of ``motion``'s rows."""
        return iter(self._rows)

    def pose(self, actor: Actor) -> Pose:
        """Where an actor is."""
        return Pose(*self.motion[actor.row, POSE].tolist())

    def velocity(self, actor: Actor) -> Vector:
        """How fast it moves, m/s in the world."""
        x, y, z = self.motion[actor.row, VELOCITY].tolist()
        return x, y, z

    def set_pose(self, actor: Actor, pose: Pose) -> None:
        """Move an actor at once: in the world, or in its parent's frame if it has one. It keeps its velocity."""
        if actor.parent in self.actors:
            actor.mount = pose
            pose = compose(self.pose(self.actors[actor.parent]), pose)
        self.motion[actor.row, POSE] = pose
        if actor.slot >= 0:
            self.fleet.grip[actor.slot] = 0.0
        for child in actor.children:
            self._carry(self.actors[child], 0.0)

    def hold(self, actor: Actor, arm: SpringArm) -> None:
        """Attach an actor by a spring arm instead of rigidly."""
        actor.arm = arm
        self._carry(actor, 0.0)

    def set_physics(self, actor: Actor, physics: VehiclePhysics) -> None:
        """Give a vehicle another data sheet."""
        self.fleet.set_physics(actor.slot, physics, actor.spec.half)
        actor.mass_kg = max(physics.mass_kg, 1.0)
        self._bumper = self._wall_bumper = None

    def set_collides(self, actor: Actor, collides: bool) -> None:
        """Whether others bump into it."""
        actor.collides = collides
        self._bumper = self._wall_bumper = None

    def set_doors(self, actor: Actor, doors: int) -> None:
        """Which doors of a vehicle are open, as bits; open side doors are in the way of others."""
        actor.doors = doors
        self._bumper = None

    def set_physics_on(self, actor: Actor, on: bool) -> None:
        """Whether the simulation moves it, or only calls do. Things stand fast until they are set loose."""
        actor.physics_on = on
        if actor.kind is Kind.PROP:
            actor.mass_kg = mass_of_thing(actor.spec) if on else 0.0
            self._loose = [each for each in self._rows if each.kind is Kind.PROP and each.mass_kg > 0.0]
        if actor.slot >= 0:
            self.fleet.p["moving"][actor.slot] = float(on)
        self._bumper = self._wall_bumper = None

    def set_gravity(self, actor: Actor, on: bool) -> None:
        """Whether it falls."""
        actor.gravity = on
        if actor.slot >= 0:
            self.fleet.p["weight"][actor.slot] = float(on)

    def control(self, actor: Actor, control: VehicleControl) -> None:
        """Pedals and wheel of a vehicle, until the next call; a dead one does not heed them."""
        if actor.dead:
            return
        self.ackermann.pop(actor.id, None)
        self.fleet.set_control(actor.slot, control)

    def step(self, dt: float) -> None:
        """Let ``dt`` seconds pass."""
        start = self.motion.copy()
        before = start[:, VELOCITY]
        for actor_id, controller in self.ackermann.items():
            self._steer(self.actors[actor_id], controller, dt)
        if self._areas:
            set_friction(self.fleet, self.motion, self._areas)
        step_vehicles(
            self.fleet, self.motion, self.road_map.ground, self.gravity, dt, max(ceil(dt / LONGEST_STEP_S - 1e-9), 1)
        )
        for actor_id, gait in self.gaits.items():
            actor = self.actors[actor_id]
            if actor.physics_on and actor.parent == 0:
                if actor.dead:
                    gait = Gait()
                gravity = self.gravity if actor.gravity else 0.0
                walk(self.motion, actor.row, gait, actor.spec.half[2], self.road_map.ground, gravity, dt)
        if self._bumper is None:
            self._bumper = Bumper(self.actors)
        for actor, (x, y, z), torque in self.pushes:
            kick(self, actor, (x * dt, y * dt, z * dt), torque * dt)
        self.pushes.clear()
        for actor in self._loose:
            raised = actor.spec.half[2] - actor.spec.box_center[2]
            slide(self.motion, actor.row, raised, self.road_map.ground, self.gravity * actor.gravity, dt)
        self.collisions = self._bumper.resolve(self.motion)
        for hit in self.collisions:
            hurt(self.actors[hit.actor], hit.impulse)
        if self.road_map.walls is not None:
            if self._wall_bumper is None:
                self._wall_bumper = WallBumper(self.road_map.walls, self.actors)
            self.collisions += self._wall_bumper.resolve(self.motion, start)
        self.motion[:, 12:15] = (self.motion[:, VELOCITY] - before) / dt
        for actor in self._attached:
            self._carry(actor, dt)
        self.signals.step(dt, self)
        self.frame += 1
        self.time_s += dt
        self.drawings.expire(self.time_s, self.frame)

    def _steer(self, actor: Actor, controller: AckermannController, dt: float) -> None:
        vx, vy, _ = self.velocity(actor)
        ax, ay = self.motion[actor.row, 12:14].tolist()
        yaw = self.motion[actor.row, 5]
        c, s = float(np.cos(yaw)), float(np.sin(yaw))
        lock = float(self.fleet.p["lock"][actor.slot])
        throttle, steer, brake, reverse = controller.step(vx * c + vy * s, ax * c + ay * s, lock, dt)
        self.fleet.set_control(actor.slot, VehicleControl(throttle, steer, brake, reverse=reverse))

    def _carry(self, actor: Actor, dt: float) -> None:
        """Put an attached actor where its parent took it."""
        parent = self.actors[actor.parent]
        row = self.motion[actor.row]
        if actor.arm is None:
            row[POSE] = compose(self.pose(parent), actor.mount)
        else:
            ignored = frozenset({parent.id, *parent.children})
            pivot = parent.spec.box_center[2]
            row[POSE] = follow(
                actor.arm, self.pose(parent), pivot, actor.mount, dt, lambda a, b: self.sight(a, b, ignored)
            )
        row[6:] = self.motion[parent.row, 6:]
        row[SPIN] = self.motion[parent.row, SPIN]
        for child in actor.children:
            self._carry(self.actors[child], dt)

    def _changed(self) -> None:
        self.motion = self._motion[: len(self._rows)]
        self.version += 1
        self._bumper = self._wall_bumper = None
        areas = friction_areas(self.actors.values())
        if self._areas and not areas:
            self.fleet.p["friction"][:] = self.fleet.p["dry"]
        self._areas = areas
        self._loose = [each for each in self._rows if each.kind is Kind.PROP and each.mass_kg > 0.0]
        self._attached = [
            actor for actor in self.actors.values() if actor.parent and self.actors[actor.parent].parent == 0
        ]


def _clear(start: Vector, end: Vector, ignored: frozenset[int]) -> float:
    """Nothing is in the way."""
    return inf
