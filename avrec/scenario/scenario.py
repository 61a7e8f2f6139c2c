"""A recorded drive, and what is different in it: `Scenario`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avrec.drive import Track
from avrec.errors import AvrecError
from avrec.gaussians import Gaussians
from avrec.scenario.actions import Action, Appear
from avrec.scenario.boxes import CAR_SHAPE, EgoShape
from avrec.scenario.guide import Guide
from avrec.scenario.road import Road, road_of
from avrec.scenario.triggers import Trigger
from avrec.scene import Scene

__all__ = ["Event", "Scenario", "replay"]

Float64 = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Event:
    """When a trigger holds for the first time, an actor begins to do something.

    Attributes:
        actor: a track's id.
        trigger: looked at in every step while the actor is there.
        actions: begun together.
    """

    actor: str
    trigger: Trigger
    actions: tuple[Action, ...]

    @property
    def appears(self) -> bool:
        """Whether the actor is not there before."""
        return any(isinstance(action, Appear) for action in self.actions)


@dataclass(frozen=True, eq=False)
class Scenario:
    """A scene whose actors do other things than in the recording; a new one comes of every change.

    Actors that no event has reached follow their recorded tracks.

    Attributes:
        scene: with the tracks and Gaussians of added actors.
        name: of the case; ``replay`` is the recording as it is.
        start_us, end_us: of the recording.
        events: in the order in which they are looked at.
        added: ids of actors that are not in the recording.
        tags: words to find it by.
        kpis: measures that matter in it.
        parameters: what it was made with.
        notes: what a user should know, e.g. how an added actor looks.
        ways: lines that added vehicles drive along from their start on; other actors go on as recorded.
        wardrobe: scene whose actors lend their looks, where not all of them are in ``scene`` any more.
    """

    scene: Scene
    name: str
    start_us: int
    end_us: int
    events: tuple[Event, ...] = ()
    added: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    kpis: tuple[str, ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    ways: Mapping[str, Guide] = field(default_factory=dict)
    wardrobe: Scene | None = None

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return (self.end_us - self.start_us) / 1e6

    @property
    def actors(self) -> tuple[str, ...]:
        """Ids of the actors that events or additions concern."""
        return tuple(dict.fromkeys([*self.added, *(event.actor for event in self.events)]))

    @cached_property
    def appearing(self) -> frozenset[str]:
        """Actors that are not there until an event lets them appear."""
        return frozenset(event.actor for event in self.events if event.appears)

    @property
    def ego_shape(self) -> EgoShape:
        """The recording car's box, or that of an ordinary car."""
        box = self.scene.rig_box
        return CAR_SHAPE if box is None else EgoShape(*box.size_m, box.center_m[0])

    @property
    def road(self) -> Road:
        """The lanes.

        Raises:
            AvrecError: the scene has no map.
        """
        return road_of(self.scene)

    def fork(self, name: str, *, tags: tuple[str, ...] = (), kpis: tuple[str, ...] = (), **parameters: Any) -> Scenario:
        """A case that begins as this one is; words and parameters are added to those that there are."""
        if not name:
            raise AvrecError("A scenario needs a name. Give one that says what happens.")
        return replace(
            self,
            name=name,
            tags=tuple(dict.fromkeys([*self.tags, *tags])),
            kpis=tuple(dict.fromkeys([*self.kpis, *kpis])),
            parameters={**self.parameters, **parameters},
        )

    def when(self, trigger: Trigger, *actions: Action, actor: str) -> Scenario:
        """Let an actor do something from the first moment on at which a trigger holds.

        Raises:
            AvrecError: no such actor, or nothing to do.
        """
        self.scene.track(actor)
        if not hasattr(trigger, "holds"):
            raise AvrecError(f"{trigger!r} is no trigger. Take one of avrec.scenario, such as ElapsedTime(1.0).")
        if not actions or not all(hasattr(action, "begin") for action in actions):
            raise AvrecError("An event needs actions of avrec.scenario, such as SpeedTo(0.0). Give at least one.")
        return replace(self, events=(*self.events, Event(actor, trigger, actions)))

    def without_actor(self, track_id: str) -> Scenario:
        """Leave a recorded actor out; added ones may still look like them.

        Raises:
            AvrecError: no such actor, or one that the scenario needs.
        """
        if track_id in self.actors:
            raise AvrecError(f"The actor {track_id} plays a part in {self.name}. Leave it out before making the case.")
        return replace(self, scene=self.scene.without_actor(track_id), wardrobe=self.wardrobe or self.scene)

    def with_actor(self, track: Track, look: Gaussians | None, note: str = "", *, way: Guide | None = None) -> Scenario:
        """Add an actor.

        Args:
            track: its box and what it does unless events say otherwise; its id must be new.
            look: Gaussians in the frame of its box; None leaves it out of the pictures.
            note: about its look.
            way: line from where its box's middle is at the start; None goes on along the track, then its lane.
        """
        notes = (*self.notes, note) if note else self.notes
        ways = self.ways if way is None else {**self.ways, track.id: way}
        scene = self.scene.with_actor(track, look)
        return replace(self, scene=scene, added=(*self.added, track.id), ways=ways, notes=notes)


def replay(scene: Scene | Scenario, *, start_us: int | None = None, end_us: int | None = None) -> Scenario:
    """The recording as it is, the case that all others are made from. A scenario comes back as it is.

    Args:
        scene: what was recorded.
        start_us, end_us: part of the recording; None for the first and the last recorded frame.

    Raises:
        AvrecError: times outside the recording, or times for a scenario that has them.
    """
    if isinstance(scene, Scenario):
        if start_us is not None or end_us is not None:
            raise AvrecError("A scenario has its times already. Give them to replay(scene, ...) of the scene itself.")
        return scene
    if not isinstance(scene, Scene):
        raise AvrecError(f"A scenario is made from a Scene, found {type(scene).__name__}. Use Scene.open(path).")
    first, last = scene.span_us
    start, end = (first if start_us is None else int(start_us)), (last if end_us is None else int(end_us))
    low, high = scene.ego.span_us
    if not low <= start < end <= high:
        raise AvrecError(
            f"A replay from {start} to {end} us is not within the recording, which runs from {low} to {high} us. "
            "Choose times inside it."
        )
    return Scenario(scene, "replay", start, end)
