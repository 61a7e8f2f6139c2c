"""A world as rays see it: the map's still surface, what stands beside the road, and the actors at their places."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import ref

import numpy as np
from numpy.typing import NDArray

from avrec.geometry import matrix_from_rpy
from avrec.mesh.painted import Surface
from avrec.mesh.rays import Hits, RayStage
from carla_bridge.looks.bodies import HIGH, LOW, Key, doors_of, lamps_of, paint_of, shape_of
from carla_bridge.looks.furniture import fixtures_of
from carla_bridge.looks.scenery import scenery
from carla_bridge.looks.weather import sky_numbers
from carla_bridge.world.actor import SOLID, Actor, Kind
from carla_bridge.world.bumping import open_doors
from carla_bridge.world.labels import Label
from carla_bridge.world.traffic_lights import LightState, TrafficLight
from carla_bridge.world.traffic_signs import TrafficSign

if TYPE_CHECKING:
    from carla_bridge.world.road_map import RoadMap
    from carla_bridge.world.world import World

__all__ = ["Seen", "WorldStage"]

Float64 = NDArray[np.float64]
Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]

MOST_HEADLIGHTS = 12
HEADLIGHT_M = 160.0
DIP_RAD = 0.045


@dataclass(frozen=True)
class Seen:
    """What rays met: distance [R] metres (infinite for nothing), class, actor (0 for none), normal [R, 3]."""

    distance: Float64
    label: Int64
    owner: Int64
    normal: Float64


class WorldStage:
    """Bodies for rays. One for a map; it looks at whatever world is handed to it."""

    def __init__(self, road_map: RoadMap) -> None:
        self._stage = RayStage()
        self._still = self._stage.add(scenery(road_map))
        fixtures = fixtures_of(road_map.graph, road_map.ground)
        shapes = {id(each.surface): each.surface for each in fixtures}  # many signals look alike
        numbers = {key: self._stage.add(surface) for key, surface in shapes.items()}
        self._fixtures = [numbers[id(each.surface)] for each in fixtures]
        self._fixed = _matrices(np.array([each.pose for each in fixtures]).reshape(-1, 6))
        self._signals = [each.signal for each in fixtures]
        self._shapes: dict[Key, int] = {}
        self._placed: tuple[object, ...] | None = None
        self._world: ref[World] | None = None
        self._owners: Int64 = np.zeros(0, dtype=np.int64)

    def trace(
        self,
        world: World,
        origin: Float64,
        directions: NDArray[np.floating],
        reach_m: float,
        ignore: frozenset[int],
        width: int = 0,
    ) -> Seen:
        """What rays [R, 3] from one point meet first; actors in ``ignore``, or around the point, are looked through."""
        self._place(world, origin, ignore)
        hits: Hits = self._stage.trace(origin, directions, reach_m, width=width)
        none = hits.body < 0
        label = np.where(none, int(Label.SKY), hits.label).astype(np.int64)
        return Seen(hits.distance.astype(np.float64), label, self._owners[hits.body], hits.normal.astype(np.float64))

    def picture(
        self,
        world: World,
        weather: Sequence[float],
        origin: Float64,
        rays: NDArray[np.floating],
        ignore: frozenset[int],
    ) -> NDArray[np.uint8]:
        """A picture of rays [H, W, 3], BGRA."""
        self._place(world, origin, ignore)
        height, width = rays.shape[:2]
        step = rays[height // 2, min(width // 2 + 1, width - 1)] - rays[height // 2, width // 2]
        sky = sky_numbers(weather, max(float(np.linalg.norm(step)), 1e-5))
        return self._stage.picture(origin, rays, sky, self._headlights(world, origin))

    def _place(self, world: World, origin: Float64, ignore: frozenset[int]) -> None:
        """Put all bodies where they are."""
        actors = [
            actor
            for actor in world.actors.values()
            if actor.kind in SOLID and actor.id not in ignore and actor.spec.half[2] > 0.0
        ]
        pose = world.motion[[actor.row for actor in actors], :6] if actors else np.zeros((0, 6))
        around = [_holds(actor, row, origin) for actor, row in zip(actors, pose, strict=True)]
        actors = [actor for actor, inside in zip(actors, around, strict=True) if not inside]
        pose = pose[[not inside for inside in around]]
        lamps = [lamps_of(actor, world.time_s) for actor in actors]
        states = tuple(light.state for light in world.signals.lights)
        doors = tuple(actor.doors for actor in actors)
        key = (world.version, ignore, tuple(around), pose.tobytes(), tuple(lamps), doors, states)
        if key == self._placed and self._world is not None and self._world() is world:
            return
        fixed = len(self._fixtures)
        shapes, poses = [self._still, *self._fixtures], [np.eye(4), *self._fixed]
        paint = [(0.0, 0.0, 0.0)] * (1 + fixed)
        shown = {light.signal: 1 << light.state for light in world.signals.lights if light.state <= LightState.GREEN}
        posts: list[TrafficLight | TrafficSign] = [*world.signals.lights, *world.signals.signs]
        whose = {post.signal: post.actor for post in posts if post.actor in world.actors}  # clients may destroy them
        owners = [0, *(whose.get(signal, 0) for signal in self._signals)]
        bits = [0, *(shown.get(signal, 0) for signal in self._signals)]
        for actor, lit, place in zip(actors, lamps, _matrices(pose), strict=True):
            shapes.append(self._shape(shape_of(actor.spec)))
            owners.append(actor.id)
            x, y, z = actor.spec.box_center
            place[:3, 3] += place[:3, :3] @ np.array([x, y, z - actor.spec.half[2]])
            poses.append(place)
            paint.append(paint_of(actor.spec))
            bits.append(lit)
            if open_doors(actor):
                shapes.append(self._shape(doors_of(actor)))
                owners.append(actor.id)
                poses.append(place)
                paint.append(paint_of(actor.spec))
                bits.append(0)
        self._stage.place(shapes, np.stack(poses), paint, np.array(bits, dtype=np.uint32))
        self._owners = np.array([*owners, 0], dtype=np.int64)  # the last is nobody's: body -1
        self._placed, self._world = key, ref(world)

    def _shape(self, named: tuple[Key, Callable[[], Surface]]) -> int:
        key, make = named
        if key not in self._shapes:
            self._shapes[key] = self._stage.add(make())
        return self._shapes[key]

    def _headlights(self, world: World, origin: Float64) -> Float32:
        """Spotlights of vehicles nearby with their beams on, float32 [L, 9]."""
        found = []
        for actor in world.actors.values():
            if actor.kind is not Kind.VEHICLE or not actor.lights & (LOW | HIGH):
                continue
            pose = world.pose(actor)
            away = float(np.linalg.norm(np.subtract(pose.position, origin)))
            if away > HEADLIGHT_M:
                continue
            turn = matrix_from_rpy(pose.roll, pose.pitch + (0.5 if actor.lights & HIGH else 1.0) * DIP_RAD, pose.yaw)
            hx, _, hz = actor.spec.half
            spot = np.array(pose.position) + turn @ np.array([hx + actor.spec.box_center[0], 0.0, 0.87 * hz]) - origin
            strength = 14.0 if actor.lights & HIGH else 8.0
            found.append((away, actor.id, [*spot, *turn[:, 0], strength, strength * 0.93, strength * 0.80]))
        found.sort()
        return np.array([numbers for _, _, numbers in found[:MOST_HEADLIGHTS]], dtype=np.float32).reshape(-1, 9)


def _holds(actor: Actor, row: Float64, origin: Float64) -> bool:
    """Whether a point is in an actor's box: from inside one sees out."""
    away = origin - row[:3]
    if float(away @ away) > (float(np.abs(actor.spec.half).max()) * 2 + 10.0) ** 2:
        return False
    local = matrix_from_rpy(row[3], row[4], row[5]).T @ away - np.array(actor.spec.box_center)
    return bool((np.abs(local) <= np.array(actor.spec.half)).all())


def _matrices(poses: Float64) -> Float64:
    """world_from_body [N, 4, 4] of rows x, y, z, roll, pitch, yaw."""
    found = np.zeros((len(poses), 4, 4))
    found[:, 3, 3] = 1.0
    found[:, :3, 3] = poses[:, :3]
    if len(poses):
        found[:, :3, :3] = matrix_from_rpy(poses[:, 3], poses[:, 4], poses[:, 5])
    return found
