"""What one server holds: the world, its clients and streams; and how time passes for all of them."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from carla_bridge.sensors.rack import SensorRack
from carla_bridge.sensors.sight import sight_of
from carla_bridge.server.blueprints import catalogue, spec_of
from carla_bridge.server.blueprints.blueprint import Blueprint
from carla_bridge.server.blueprints.others import SPECTATOR, TRAFFIC_LIGHT
from carla_bridge.server.description import STANDING, describe
from carla_bridge.server.profiles import Profile
from carla_bridge.server.recording import Recorder, Replayer
from carla_bridge.server.rpc import METHODS
from carla_bridge.server.rpc.registry import Method
from carla_bridge.server.snapshot import MAP_CHANGED, SnapshotWriter
from carla_bridge.server.streaming.streams import Streams
from carla_bridge.server.streaming.tokens import token
from carla_bridge.server.wire.settings import FRESH_WEATHER, EpisodeSettings
from carla_bridge.world import RoadMap, World
from carla_bridge.world.ackermann import AckermannGains
from carla_bridge.world.actor import Actor, ActorSpec, Kind
from carla_bridge.world.labels import Label
from carla_bridge.world.physics import VehicleControl, VehiclePhysics
from carla_bridge.world.pose import ORIGIN, Pose
from carla_bridge.world.walls import NOBODY

if TYPE_CHECKING:
    from carla_bridge.sensors.rendering import SensorRenderer

__all__ = ["WORLD_STREAM", "Host"]

log = logging.getLogger(__name__)

WORLD_STREAM = 1
FREE_STEP_S = 0.05
"""Step of a world that runs by itself and has none set."""


@dataclass
class Host:
    """One server's state; touched only from its loop.

    Attributes:
        road_map: the map that is loaded; ``maps`` by name those that can be.
        traffic_managers: port to address, and the client in which it runs.
        clients: connections; ``caller`` is the one whose call is served.
        unknown_calls, failures: how often a function was missing, or failed and how.
        unfinished: bytes of requests that have not ended yet, of all clients.
        uploaded: the map that a client sent last.
        recordings: folder of recordings; clients give only names.
        recorder, replayer: at work, if any.
        replay_factor, replay_ignores: for the next replay; whether it leaves out heroes and the spectator's moves.
    """

    road_map: RoadMap
    profile: Profile
    seed: int = 0
    renderer: SensorRenderer | None = None
    maps: dict[str, RoadMap] = field(default_factory=dict)
    streams: Streams = field(default_factory=Streams)
    settings: EpisodeSettings = field(default_factory=EpisodeSettings)
    weather: list[float] = field(default_factory=lambda: list(FRESH_WEATHER))
    traffic_managers: dict[int, tuple[str, int, Any]] = field(default_factory=dict)
    unknown_calls: Counter[str] = field(default_factory=Counter)
    failures: Counter[tuple[str, str]] = field(default_factory=Counter)
    clients: set[Any] = field(default_factory=set)
    caller: Any = None
    unfinished: int = 0
    methods: Mapping[str, Method] = field(default_factory=lambda: METHODS)
    episode: int = 0
    uploaded: RoadMap | None = None
    recordings: Path = Path("carla_recordings")
    recorder: Recorder | None = None
    replayer: Replayer | None = None
    replay_factor: float = 1.0
    replay_ignores: tuple[bool, bool] = (False, True)

    def __post_init__(self) -> None:
        self.blueprints = catalogue()
        self.numbers = {name: number for number, name in enumerate(self.blueprints, start=1)}
        self.maps.setdefault(self.road_map.name, self.road_map)
        self._next_id = 1
        self._told: set[str] = set()
        self._next_stream = WORLD_STREAM + 1
        self.streams.open(WORLD_STREAM)
        self._begin(self.road_map)

    def left(self, client: Any) -> None:
        """A client is gone, and with it the Traffic Managers that ran in it: nobody shall look for them there."""
        self.clients.discard(client)
        if self.caller is client:
            self.caller = None
        for port in [port for port, manager in self.traffic_managers.items() if manager[2] is client]:
            del self.traffic_managers[port]

    def load(self, road_map: RoadMap, *, reset_settings: bool) -> None:
        """Begin a new episode on a map; all actors go."""
        self.rack.close()
        if self.recorder is not None:
            self.recorder.stop()
        self.recorder = self.replayer = None
        if reset_settings:
            self.settings = EpisodeSettings()
        self.weather = list(FRESH_WEATHER)
        self._begin(road_map, self.world)

    def _begin(self, road_map: RoadMap, before: World | None = None) -> None:
        self.road_map = road_map
        self.maps[road_map.name] = road_map
        self.episode += 1
        self.world = World(road_map, self._next_id if before is None else before.next_id)
        if before is not None:
            self.world.frame, self.world.time_s = before.frame, 0.0
        self.world.sight = sight_of(self.world)
        self.rack = SensorRack(self.world, self.streams, self.profile, self.seed, self.renderer or _look(road_map))
        self.writer = SnapshotWriter(self.profile.sensor_types["world"])
        self.descriptions: dict[int, list[Any]] = {NOBODY: STANDING}
        self.rack.descriptions, self.rack.weather = self.descriptions, self.weather
        self.physics: dict[int, VehiclePhysics] = {}
        self.gains: dict[int, AckermannGains] = {}
        self._flags = MAP_CHANGED
        self._unsticky: list[Actor] = []
        view = road_map.spawn_points[0] if road_map.spawn_points else ORIGIN
        self.spectator = self.spawn(SPECTATOR, {}, Pose(view.x, view.y, view.z + 5.0, 0.0, 0.0, view.yaw))
        for light in self.world.signals.lights:
            spec = ActorSpec(
                TRAFFIC_LIGHT.name, Kind.TRAFFIC_LIGHT, light.zone_half, light.zone_center, TRAFFIC_LIGHT.labels
            )
            light.actor = self.enter(TRAFFIC_LIGHT, spec, light.pose).id
        for sign in self.world.signals.signs:
            blueprint = Blueprint(sign.type_id, Kind.TRAFFIC_SIGN, labels=(Label.TRAFFIC_SIGN,))
            spec = ActorSpec(sign.type_id, Kind.TRAFFIC_SIGN, sign.zone_half, sign.zone_center, blueprint.labels)
            sign.actor = self.enter(blueprint, spec, sign.pose).id

    @property
    def step_s(self) -> float:
        """Seconds of one tick."""
        return self.settings.fixed_delta_s or FREE_STEP_S

    def tick(self) -> int:
        """One step of the world, told to all readers; returns the frame."""
        dt = self.step_s
        if self.replayer is not None:
            if self.replayer.over:
                self.replayer.stop(keep=True)
                self.replayer = None
            else:
                self.replayer.step(dt)
        self.world.step(dt)
        if self.recorder is not None:
            self._record(self.recorder)
        for actor in self._unsticky:
            if actor.id in self.world.actors:
                self.world.control(actor, VehicleControl())
        flags, self._flags = self._flags, 0
        self.streams.publish(WORLD_STREAM, self.writer.write(self.world, self.episode, dt, flags))
        self.rack.step(dt, no_rendering=self.settings.no_rendering)
        return self.world.frame

    def warn_once(self, about: str, text: str) -> None:
        """Say in the log, the first time, that something a client wants has no effect here."""
        if about not in self._told:
            self._told.add(about)
            log.warning("%s", text)

    def _record(self, recorder: Recorder) -> None:
        try:
            recorder.step()
        except OSError as error:  # a full disk must not stop the world
            log.error("The recording %s cannot go on: %s", recorder.path, error)
            self.recorder = None

    def spawn(self, blueprint: Blueprint, attributes: Mapping[str, str], pose: Pose, parent: int = 0) -> Actor:
        """Spawn an actor of a blueprint.

        Raises:
            SpawnError: something stands there.
            ValueError: an attribute is not what it should be.
        """
        return self.enter(blueprint, spec_of(blueprint, attributes), pose, parent)

    def enter(self, blueprint: Blueprint, spec: ActorSpec, pose: Pose, parent: int = 0) -> Actor:
        """Put an actor into the world and describe it for the clients."""
        actor = self.world.spawn(spec, pose, parent)
        stream = 0
        if spec.kind is Kind.SENSOR:
            stream = self._next_stream
            self._next_stream += 1
            try:
                self.rack.add(actor, stream, blueprint.defaults)
            except ValueError:
                self.world.destroy(actor.id)
                raise
        self.descriptions[actor.id] = describe(
            actor,
            self.numbers.get(spec.type_id, 0),
            {each.name: each.kind for each in blueprint.attributes},
            self.profile.first_attribute_type,
            token(stream, self.streams.port) if stream else b"",
        )
        if spec.attributes.get("sticky_control", "true").lower() in ("false", "0"):
            self._unsticky.append(actor)
        return actor

    def destroy(self, actor_id: int) -> bool:
        """Take an actor and what is attached to it out of the world."""
        gone = self.world.destroy(actor_id)
        for each in gone:
            self.rack.remove(each)
            self.descriptions.pop(each, None)
            self.physics.pop(each, None)
            self.gains.pop(each, None)
        if self._unsticky and gone:
            self._unsticky = [actor for actor in self._unsticky if actor.id not in gone]
        return bool(gone)

    def physics_of(self, actor: Actor) -> VehiclePhysics:
        """A vehicle's data sheet as it is now."""
        found = self.physics.get(actor.id, actor.spec.physics)
        if found is None:
            raise ValueError(f"Actor {actor.id} ({actor.spec.type_id}) has no physics")
        return found


def _look(road_map: RoadMap) -> SensorRenderer | None:
    """What draws a map that came with a scene; nothing of its own otherwise."""
    if road_map.scene is None:
        return None
    from carla_bridge.neural import SceneRenderer  # brings the rasteriser, which a bare map does not need

    return SceneRenderer(road_map.scene)
