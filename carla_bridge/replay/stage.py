"""The simulator's side of a replay: map, settings, actors coming and going, driven tick by tick."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from avrec.drive import Track
from avrec.errors import AvrecError
from avrec.geometry import Trajectory, apply, invert, transform_from
from avrec.scenario import ActorState
from avrec.scene import Scene
from carla_bridge.frames import flip_points
from carla_bridge.replay.fit import actor_from_box, actor_from_rig, kind_of, ranked, track_role
from carla_bridge.replay.path_follower import Path, PathFollower, path_of
from carla_bridge.replay.player import Driver, Player, carla_transform, matrix_of
from carla_bridge.tick_guard import watched
from carla_bridge.traffic import is_free, manager_on
from carla_bridge.world.client_map import text_for_clients

__all__ = ["EGO", "Cast", "last_things", "load_map"]

log = logging.getLogger(__name__)

EGO = "ego"
EGO_SIZE_M = (4.8, 1.9, 1.6)
"""Of the ego where nothing better is known."""
TRIES = 3
"""Blueprints that are tried for one actor."""
WAITING_M = 60.0
"""Above the place where something stands in the way of spawning; the first step puts the actor where it belongs."""


def load_map(carla: Any, client: Any, scene: Scene) -> Any:
    """The world with the scene's map, loaded unless it is there already.

    Raises:
        AvrecError: the scene has no map.
    """
    world = client.get_world()
    if scene.map_xodr is None:
        raise AvrecError(
            f"The scene {scene.name} has no map, which CARLA needs to drive on. Reconstruct it with one, or keep the "
            "simulator's own map with load_map=False."
        )
    text = text_for_clients(scene.map_xodr)  # as the embedded world sends it; the clients of a real server need it too
    if world.get_map().to_opendrive() == text:
        return world
    shape = carla.OpendriveGenerationParameters(
        vertex_distance=2.0, max_road_length=50.0, wall_height=0.0, additional_width=0.6, smooth_junctions=True
    )
    return client.generate_opendrive_world(text, shape)


@contextlib.contextmanager
def last_things() -> Iterator[None]:
    """What a simulator that is gone can no longer do is only noted."""
    try:
        yield
    except RuntimeError as error:
        log.warning("The world could not be restored in full: %s", error)


@dataclass
class Cast:
    """The actors of a replay.

    Attributes:
        carla: the client's module.
        client, world: of the simulator.
        scene: what is replayed.
        traffic_manager_port: for autopilots.
        needed: tracks without whose actors a case cannot be played.
        players: by track id, while their actors are there; ``ego`` is the ego.
        absent: tracks that a case keeps away for now.
    """

    carla: Any
    client: Any
    world: Any
    scene: Scene
    traffic_manager_port: int = 8000
    needed: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        self._traffic_manager: Any = None
        self._brought_traffic_manager = False
        self._watch = ExitStack()
        self.players: dict[str, Player] = {}
        self.given_up: set[str] = set()
        self._destroyed: set[str] = set()
        self.absent: frozenset[str] = frozenset()
        self._library = self.world.get_blueprint_library()

    def add_ego(self, blueprint: str | None, time_us: int) -> Player:
        """Spawn the ego.

        Raises:
            AvrecError: no such blueprint, or it could not be spawned.
        """
        box = self.scene.rig_box
        names = [blueprint] if blueprint else ranked("car", EGO_SIZE_M if box is None else box.size_m, self._library)
        recorded = self.scene.ego
        actor = self._spawn(names, recorded.at(time_us, outside="extrapolate"), "hero")
        if actor is None:
            raise AvrecError(f"The ego could not be spawned as {names[0] if names else 'a vehicle'}. Is it in the way?")
        player = Player(EGO, "car", recorded, actor, actor_from_rig(actor.bounding_box, self._wheels(actor)))
        return self._enter(player, time_us)

    def update(self, time_us: int) -> None:
        """Bring actors whose time has come, and take away those whose time is over."""
        for track in self.scene.tracks:
            first, last = track.world_from_box.span_us
            player = self.players.get(track.id)
            away = track.id in self.given_up or track.id in self.absent
            if player is None and first <= time_us <= last and not away:
                self._add_track(track, time_us)
            elif player is not None and time_us > last and not player.path.free:
                self.remove([player])

    def _add_track(self, track: Track, time_us: int) -> None:
        kind = kind_of(track.label, track.size_m)
        pose = track.world_from_box.at(time_us)
        actor = self._spawn(ranked(kind, track.size_m, self._library)[:TRIES], pose, track_role(track.id))
        if actor is None and track.id in self.needed:
            raise AvrecError(
                f"The actor {track.id} ({track.label}) could not be spawned, and the case cannot be played without it. "
                "Does the simulator have a blueprint of that kind?"
            )
        if actor is None:
            self.given_up.add(track.id)
            log.warning("The actor %s (%s) could not be spawned; it is only seen in pictures.", track.id, track.label)
            return
        box = actor_from_box(track.size_m, actor.bounding_box)
        self._enter(Player(track.id, kind, track.world_from_box, actor, box), time_us)

    def _enter(self, player: Player, time_us: int) -> Player:
        self.players[player.key] = player
        self.run([self.carla.command.SetSimulatePhysics(player.actor, False), *player.commands(self.carla, time_us)])
        return player

    def _spawn(self, names: list[str], world_from_body: Any, role: str) -> Any:
        """The first of some blueprints that can be spawned: where it belongs, or above, where nothing stands."""
        above = transform_from(np.eye(3), np.array([0.0, 0.0, WAITING_M + 5.0 * len(self.players)]))
        for name in names:
            try:
                blueprint = self._library.find(name)
            except IndexError as error:
                raise AvrecError(f"The simulator has no blueprint '{name}'. Choose one of its library.") from error
            if blueprint.has_attribute("role_name"):
                blueprint.set_attribute("role_name", role)
            for place in (world_from_body, above @ world_from_body):
                actor = self.world.try_spawn_actor(blueprint, carla_transform(self.carla, place))
                if actor is not None:
                    return actor
        return None

    def _wheels(self, actor: Any) -> Any:
        """Positions of a vehicle's wheels [N, 3] in its own frame, None where the simulator does not say."""
        try:
            wheels = [(w.position.x, w.position.y, w.position.z) for w in actor.get_physics_control().wheels]
        except (RuntimeError, AttributeError):
            return None
        if len(wheels) < 2:
            return None
        points = flip_points(np.array(wheels) / 100.0)  # CARLA gives centimetres, in the world
        return apply(invert(matrix_of(actor.get_transform())), points)

    def wheels(self, player: Player) -> tuple[float, float]:
        """Wheelbase in metres and lock in radians of a vehicle."""
        half = player.actor.bounding_box.extent.x
        points = self._wheels(player.actor)
        base = 1.16 * half if points is None else float(np.ptp(points[:, 0]))
        try:
            lock = max(wheel.max_steer_angle for wheel in player.actor.get_physics_control().wheels)
        except (RuntimeError, AttributeError, ValueError):
            lock = 70.0
        return (base if 0.5 < base < 2 * half else 1.16 * half), float(np.radians(lock))

    def hand_over(self, player: Player, driver: Driver, time_us: int, path: Path | None) -> None:
        """Let somebody else than the recording drive a body; a path follower without a path takes the recorded one.

        Raises:
            AvrecError: a person is to be driven, nothing is left of the recorded path, or the Traffic Manager's port is
                somebody else's.
        """
        if player.walks and driver is not Driver.USER:
            raise AvrecError(f"The actor '{player.key}' is a person, whom no {driver} can drive. Choose user.")
        follower = None
        if driver is Driver.PATH:
            follower = PathFollower(path or path_of(player.recorded, time_us), *self.wheels(player))
        if player.driver is Driver.AUTOPILOT and driver is not Driver.AUTOPILOT:
            player.actor.set_autopilot(False, self.traffic_manager_port)
        if driver is Driver.AUTOPILOT and self._traffic_manager is None:
            self._brought_traffic_manager = is_free(self.traffic_manager_port)
            self._traffic_manager = manager_on(self.client, self.traffic_manager_port)
            self._watch.enter_context(watched(self._traffic_manager.get_port()))
            self._traffic_manager.set_synchronous_mode(True)
        self.run(player.free(self.carla, time_us, driver, follower))
        if driver is Driver.AUTOPILOT:
            player.actor.set_autopilot(True, self._traffic_manager.get_port())

    def take_back(self, player: Player) -> None:
        """A body follows the recording again."""
        if player.driver is Driver.AUTOPILOT:
            player.actor.set_autopilot(False, self.traffic_manager_port)
        self.run(player.follow_recording(self.carla))

    def let_go(self, player: Player, time_us: int) -> None:
        """Physics take over a body that was hit."""
        self.run(player.let_go(self.carla, time_us))

    def leave_traffic_manager(self) -> None:
        """Synchronous without a session it would wedge the server, and one that stays crashes the next load of a world.

        One that was there before is somebody else's and stays.
        """
        manager, self._traffic_manager = self._traffic_manager, None
        if manager is not None:
            with self._watch:
                manager.set_synchronous_mode(False)
                if self._brought_traffic_manager:
                    manager.shut_down()

    def drive(self, time_us: int, dt: float, directed: Mapping[str, ActorState]) -> None:
        """Give every actor what it needs to be where it belongs after the next tick; a case moves the directed ones."""
        moves: list[Any] = []
        for player in self.players.values():
            if player.driver in (Driver.RECORDING, Driver.CASE) and player.key in directed:
                moves += player.direct(self.carla, time_us, directed[player.key])
            elif player.driver is Driver.RECORDING:
                moves += player.commands(self.carla, time_us)
            else:
                moves += player.steer(self.carla, dt)
        self.run(moves)

    def saw(self, time_us: int, snapshot: Any) -> None:
        """Take over where the client sees everybody; who is gone is not spawned again."""
        gone = [player for player in self.players.values() if not player.saw(time_us, snapshot)]
        for player in gone:
            log.warning(
                "The actor %s was destroyed by somebody else. A Traffic Manager does so where a road ends.", player.key
            )
            self.given_up.add(player.key)
            self._destroyed.add(player.key)
            if player.key != EGO:
                self.players.pop(player.key)

    def run(self, commands: list[Any]) -> None:
        """Run commands at once; what fails is told, not fatal."""
        for answer in self.client.apply_batch_sync(commands, False) if commands else ():
            if answer.error:
                log.warning("The simulator refused a command for actor %s: %s", answer.actor_id, answer.error)

    def remove(self, players: Iterable[Player]) -> None:
        """Take actors out of the world; their drivers first, for a Traffic Manager does not survive the opposite."""
        gone = [player for player in players if player.key not in self.given_up]
        for player in gone:
            if player.driver is Driver.AUTOPILOT:
                player.actor.set_autopilot(False, self.traffic_manager_port)
        self.run([self.carla.command.DestroyActor(player.actor) for player in gone])
        for player in gone:
            self.players.pop(player.key, None)

    def move_spectator(self) -> None:
        """Put the spectator behind and above the ego."""
        carla, place = self.carla, self.players[EGO].actor.get_transform()
        behind = place.transform(carla.Location(-8.0, 0.0, 4.0))
        view = carla.Transform(behind, carla.Rotation(-15.0, place.rotation.yaw, 0.0))
        self.world.get_spectator().set_transform(view)

    def ego_during(self, first_us: float) -> Trajectory:
        """The ego's true path from a time in the near past to now."""
        return self.players[EGO].path.during(first_us)

    def tracks_during(self, first_us: float, middle_us: float) -> tuple[Track, ...]:
        """Actors with Gaussians that are there at a time, with their true paths from ``first_us`` to now."""
        found = []
        for track in self.scene.tracks:
            if track.id not in self.scene.actors or track.id in self._destroyed:
                continue
            player = self.players.get(track.id)
            if player is not None and player.path.free:
                found.append(replace(track, world_from_box=player.path.during(first_us)))
            elif track.covers(middle_us) and track.id not in self.absent:
                found.append(track)
        return tuple(found)
