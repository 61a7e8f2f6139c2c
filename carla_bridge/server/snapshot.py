"""The state of all actors as clients read it after every step."""

from __future__ import annotations

import time
from struct import Struct

import numpy as np

from carla_bridge.frames import motion_to_carla, plain_point
from carla_bridge.world.actor import Kind
from carla_bridge.world.world import World

__all__ = ["EPISODE", "HEADER", "SnapshotWriter"]

HEADER = Struct("<QQd6f")
"""Before every message: kind of stream, frame, seconds, and the sensor's transform in CARLA's frame."""
EPISODE = Struct("<Qdf3iI")
"""Before the actors: episode, platform seconds, step, map origin, flags."""
MAP_CHANGED = 1

ACTOR = np.dtype(
    {
        "names": [
            "id", "state", "motion",
            "pedals", "flags", "gear", "limit", "light_state", "at_light", "light_id", "failure",
            "direction", "speed", "jump",
            "sign", "times", "pole", "frozen", "shown",
        ],
        "formats": [
            "<u4", "u1", ("<f4", 15),
            ("<f4", 3), ("u1", 3), "<i4", "<f4", "u1", "u1", "<u4", "u1",
            ("<f4", 3), "<f4", "u1",
            "S32", ("<f4", 4), "<u4", "u1", "u1",
        ],
        "offsets": [
            0, 4, 5,
            65, 77, 80, 84, 88, 89, 90, 94,
            65, 77, 81,
            65, 97, 113, 117, 118,
        ],
        "itemsize": 119,
    }
)  # fmt: skip
"""One actor. From byte 65 on lies what only vehicles, walkers or lights have."""


class SnapshotWriter:
    """Writes snapshots of one world; keeps what does not change between steps."""

    def __init__(self, stream_type: int) -> None:
        self._type = stream_type
        self._version = -1
        self._actors = np.zeros(0, dtype=ACTOR)
        self._walkers: list[tuple[int, int]] = []
        self._lights: list[tuple[int, int]] = []

    def write(self, world: World, episode: int, dt: float, flags: int) -> bytes:
        """The message for the stream of the world."""
        if world.version != self._version:
            self._lay_out(world)
        actors = self._actors
        actors["motion"] = motion_to_carla(world.motion)
        self._vehicles(world)
        for row, actor_id in self._walkers:
            gait = world.gaits[actor_id]
            actors["direction"][row] = plain_point(gait.direction)
            actors["speed"][row] = gait.speed
            actors["jump"][row] = gait.jump
        for row, index in self._lights:
            light = world.signals.lights[index]
            actors["times"][row] = light.green_s, light.yellow_s, light.red_s, light.elapsed_s
            actors["frozen"][row] = light.frozen or world.signals.groups[light.group].frozen
            actors["shown"][row] = light.state
        head = HEADER.pack(self._type, world.frame, world.time_s, 0, 0, 0, 0, 0, 0)
        return b"".join((head, EPISODE.pack(episode, time.monotonic(), dt, 0, 0, 0, flags), actors.tobytes()))

    def _vehicles(self, world: World) -> None:
        fleet, actors = world.fleet, self._actors
        if not fleet.count:
            return
        rows, s = fleet.row, fleet.states
        actors["pedals"][rows] = s[0:3].T
        actors["flags"][rows] = s[3:6].T
        actors["gear"][rows] = fleet.s["gear"]
        actors["limit"][rows] = world.road_map.limits_kmh[fleet.lane]
        at = world.signals.at
        if len(world.signals.lights) and len(at) == fleet.count:
            lights = world.signals.lights
            states = np.array([light.state for light in lights] + [2], dtype=np.uint8)
            ids = np.array([light.actor for light in lights] + [0], dtype=np.uint32)
            actors["light_state"][rows] = states[at]
            actors["at_light"][rows] = at >= 0
            actors["light_id"][rows] = ids[at]
        else:
            actors["light_state"][rows] = 2  # CARLA says green where there is no light

    def _lay_out(self, world: World) -> None:
        self._version = world.version
        self._actors = np.zeros(len(world.motion), dtype=ACTOR)
        self._actors["id"] = [actor.id for actor in world.by_row()]
        self._actors["state"] = 1
        self._walkers, self._lights = [], []
        sign_of = {sign.actor: sign.signal for sign in world.signals.signs}
        by_actor = {light.actor: index for index, light in enumerate(world.signals.lights)}
        for actor in world.by_row():
            if actor.kind is Kind.WALKER:
                self._walkers.append((actor.row, actor.id))
            elif actor.id in sign_of:
                self._actors["sign"][actor.row] = sign_of[actor.id].encode()[:32]
            elif actor.kind is Kind.TRAFFIC_LIGHT and actor.id in by_actor:
                index = by_actor[actor.id]
                self._lights.append((actor.row, index))
                self._actors["sign"][actor.row] = world.signals.lights[index].signal.encode()[:32]
                self._actors["pole"][actor.row] = world.signals.lights[index].pole
