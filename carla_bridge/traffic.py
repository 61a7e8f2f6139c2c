"""Traffic that does not run dry: the client's Traffic Manager and walker controllers, filled up as vehicles leave.

Written against the public client alone, so it works with the embedded world and with a real server. A Traffic Manager
destroys a vehicle that comes to a road's end; on the map of one street that is each of them after some seconds. For
every one that is gone another enters, as far back from a road's end as the map allows.
"""

from __future__ import annotations

import logging
import random
import socket
from contextlib import ExitStack
from types import TracebackType
from typing import Any

from avrec.errors import AvrecError, require
from carla_bridge.raw_rpc import is_answered
from carla_bridge.tick_guard import tick, watched

__all__ = ["Traffic", "is_free", "manager_on"]

log = logging.getLogger(__name__)

REACH_M = 200.0
LOOK_M = 10.0
ENTRIES = 0.25
"""Share of the spawn points, those with most road ahead, at which newcomers enter where roads end."""
ROOM_M = 25.0
"""Around a newcomer: others must be able to brake for it."""
RETRY_STEPS = 10
"""Between two tries to let someone in."""
MAX_TRIES = 20
ANSWER_S = 5.0
PORTS = 5
"""Free ports to try: between two calls somebody else may take one."""
WALK_MPS = 1.4


class Traffic:
    """Vehicles and people of a client's world, as a context manager.

    `tick` steps a synchronous world and fills up the roads. Where somebody else ticks, or the world runs by itself,
    call `step` after each tick.

    Attributes:
        manager: the Traffic Manager, for its own settings.
        vehicles: who drives now, by id.
        people: who walks now, by id; ``controllers`` what walks them.
        left: vehicles that came to a road's end so far.
        entered: vehicles that came after the first ones.
    """

    def __init__(self, client: Any, *, vehicles: int = 20, people: int = 20, seed: int = 0, port: int = 0) -> None:
        """Prepare traffic; it appears when the ``with`` block is entered.

        Args:
            client: a `carla.Client`.
            vehicles: cars to keep on the road; fewer where the map has no room.
            people: to keep walking; none where the map has no sidewalks.
            seed: same seed, same choices.
            port: of the Traffic Manager, 0 for a free one.

        Raises:
            AvrecError: negative numbers.
        """
        if vehicles < 0 or people < 0:
            raise AvrecError(f"Traffic of {vehicles} vehicles and {people} people cannot be. Give numbers from 0 on.")
        self.client = client
        self.world = client.get_world()
        self.manager: Any = None
        self.vehicles: dict[int, Any] = {}
        self.people: dict[int, Any] = {}
        self.controllers: list[Any] = []
        self.left = self.entered = 0
        self._wanted, self._crowd = vehicles, people
        self._seed, self._port = seed, port
        self._random = random.Random(seed)
        self._steps = 0
        self._watch = ExitStack()
        self._entries: list[Any] = []
        self._seen: set[int] = set()  # a newcomer is in no snapshot before the next tick

    def __enter__(self) -> Traffic:
        synchronous = self.world.get_settings().synchronous_mode
        self.manager = manager_on(self.client, self._port)
        try:
            self._watch.enter_context(watched(self.manager.get_port()))
            self.manager.set_synchronous_mode(synchronous)
            self.manager.set_random_device_seed(self._seed)
            self._populate(synchronous)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def tick(self, *arguments: float) -> int:
        """``world.tick(*arguments)`` and `step`; the frame's number.

        Unlike the plain call it does not hang where the client's Traffic Manager misses a tick: see
        `carla_bridge.tick_guard`.
        """
        frame = tick(self.world, *arguments)
        self.step()
        return frame

    def step(self) -> None:
        """After a tick: replace the vehicles that are gone."""
        self._steps += 1
        snapshot = self.world.get_snapshot()
        self._seen.update(actor_id for actor_id in self.vehicles if snapshot.has_actor(actor_id))
        gone = [
            actor_id
            for actor_id, vehicle in self.vehicles.items()
            if not vehicle.is_alive or (actor_id in self._seen and not snapshot.has_actor(actor_id))
        ]
        for actor_id in gone:
            self._seen.discard(actor_id)
            del self.vehicles[actor_id]
        self.left += len(gone)
        if len(self.vehicles) < self._wanted and self._steps % RETRY_STEPS == 0:
            self._enter()

    def close(self) -> None:
        """Take everybody off the road, and end the Traffic Manager."""
        self._watch.close()
        if self.manager is None:
            return
        for controller in self.controllers:
            controller.stop()
        command = require("carla", "carla").command
        for vehicle in self.vehicles.values():
            if vehicle.is_alive:
                vehicle.set_autopilot(False, self.manager.get_port())
        self.manager.set_synchronous_mode(False)
        self.manager.shut_down()
        self.manager = None
        ids = [*(each.id for each in self.controllers), *self.people, *self.vehicles]
        self.client.apply_batch_sync([command.DestroyActor(actor_id) for actor_id in ids], False)
        self.vehicles, self.people, self.controllers, self._seen = {}, {}, [], set()

    def _populate(self, synchronous: bool) -> None:
        spots = list(self.world.get_map().get_spawn_points())
        self._random.shuffle(spots)
        for spot in spots:
            if len(self.vehicles) == self._wanted:
                break
            self._drive(spot)
        ahead = [(_road_ahead(self.world.get_map(), spot), number) for number, spot in enumerate(spots)]
        ahead.sort(reverse=True)
        self._entries = [spots[number] for _, number in ahead[: max(round(len(spots) * ENTRIES), 1)]]
        carla = require("carla", "carla")
        self.world.set_pedestrians_seed(self._seed)
        walkers = self.world.get_blueprint_library().filter("walker.pedestrian.*")
        for _ in range(self._crowd * MAX_TRIES):
            spot = self.world.get_random_location_from_navigation() if len(self.people) < self._crowd else None
            if spot is None:
                break
            place = carla.Transform(spot + carla.Location(0.0, 0.0, 1.0))
            person = self.world.try_spawn_actor(self._random.choice(walkers), place)
            if person is not None:
                self.people[person.id] = person
        self._wait(synchronous)  # a controller whose walker is in no snapshot yet is destroyed by the client
        kind = self.world.get_blueprint_library().find("controller.ai.walker")
        for person in self.people.values():
            self.controllers.append(self.world.spawn_actor(kind, carla.Transform(), attach_to=person))
        self._wait(synchronous)
        for controller in self.controllers:
            controller.start()
            controller.go_to_location(self.world.get_random_location_from_navigation())
            controller.set_max_speed(WALK_MPS)

    def _wait(self, synchronous: bool) -> None:
        if self._crowd:
            tick(self.world) if synchronous else self.world.wait_for_tick()

    def _enter(self) -> None:
        places = [vehicle.get_location() for vehicle in self.vehicles.values()]
        for spot in self._random.sample(self._entries, len(self._entries)):
            free = all(place.distance(spot.location) > ROOM_M for place in places)
            if free and self._drive(spot):
                self.entered += 1
                return

    def _drive(self, spot: Any) -> bool:
        cars = [
            each
            for each in self.world.get_blueprint_library().filter("vehicle.*")
            if each.get_attribute("base_type").as_str() == "car"
        ]
        vehicle = self.world.try_spawn_actor(self._random.choice(cars), spot)
        if vehicle is None:
            return False
        vehicle.set_autopilot(True, self.manager.get_port())
        self.vehicles[vehicle.id] = vehicle
        return True


def _road_ahead(town: Any, spot: Any) -> float:
    """Metres from a place along its lane to where the road ends, `REACH_M` at most."""
    waypoint, length = town.get_waypoint(spot.location), 0.0
    while waypoint is not None and length < REACH_M:
        following = waypoint.next(LOOK_M)
        waypoint, length = (following[0] if following else None), length + LOOK_M
    return length


def manager_on(client: Any, port: int) -> Any:
    """The client's Traffic Manager on a port, 0 for a free one.

    Raises:
        AvrecError: the port is somebody else's.
    """
    taken = port != 0 and not is_free(port) and not _is_manager(port)  # the client would find out after ten seconds
    for _ in range(0 if taken else 1 if port else PORTS):
        try:
            return client.get_trafficmanager(port or _free_port())
        except RuntimeError as error:
            if "bind error" not in str(error):
                raise
    raise AvrecError(f"Port {port or 'for it'} is in use, so no Traffic Manager can be there. Choose another one.")


def is_free(port: int) -> bool:
    """Whether nobody listens on a port of this machine."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # what was closed a minute ago does not count
        try:
            probe.bind(("", port))
        except OSError:
            return False
        return True


def _is_manager(port: int) -> bool:
    """Whether what listens on a port of this machine answers as a Traffic Manager does."""
    try:
        with socket.create_connection(("127.0.0.1", port), ANSWER_S) as asking:
            return is_answered(asking, "health_check_remote_TM")
    except OSError:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
