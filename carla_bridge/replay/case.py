"""An edge case in a session: its director, who is left to physics, and how critical it became."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from avrec.errors import AvrecError
from avrec.scenario import ActorState, Director, Measurer, Measures, Scenario, distance, overlap, replay
from avrec.scene import Scene
from carla_bridge.replay.meeting import LEVEL_M, will_touch
from carla_bridge.replay.player import Driver
from carla_bridge.replay.sightings import PLANNED, Sightings
from carla_bridge.replay.stage import EGO, Cast
from carla_bridge.replay.touches import Collision, Touches

__all__ = ["CaseRun", "CaseSource", "Collision", "scenario_of"]

log = logging.getLogger(__name__)

Float64 = NDArray[np.float64]
CaseSource = Scenario | Callable[[Scenario], Scenario]

NEAR_M = 20.0
"""Farther away nobody touches the ego."""
HIT_MPS = 1.0
"""More than brakes and drag change a speed by in a tick."""
TOUCH_M = 0.02


def scenario_of(
    scene: str | Path | Scene | Scenario, case: CaseSource | None, start_us: int | None, end_us: int | None
) -> Scenario:
    """What a session plays.

    Raises:
        AvrecError: the case is of another scene, or cannot happen in it; or times outside the recording.
    """
    if isinstance(case, Scenario):
        given = scene.scene if isinstance(scene, Scenario) else scene
        if not isinstance(given, Scene) or given.static is not case.scene.static:
            raise AvrecError(
                f"The case {case.name} was made from another scene. Give the one that it was made from, or "
                "ReplaySession(client, case) alone."
            )
        return replay(case, start_us=start_us, end_us=end_us)
    if case is not None and not callable(case):
        raise AvrecError(
            f"{case!r} is no case. Give a Scenario, or a function that makes one, such as scenarios.cut_in."
        )
    played = replay(
        scene if isinstance(scene, Scene | Scenario) else Scene.open(scene), start_us=start_us, end_us=end_us
    )
    made = played if case is None else case(played)
    if not isinstance(made, Scenario):
        raise AvrecError(f"The function of the case returned {type(made).__name__}. Let it return a Scenario.")
    return made


class _Loan(NamedTuple):
    """Somebody whom physics have for a tick: whom they are about to touch, their velocity [3], and by which boxes."""

    other: str
    velocity_mps: Float64
    by_boxes: bool


class CaseRun:
    """Steps the director with the ego that the client sees, and leaves those who touch somebody to physics.

    Args:
        carla: the client's module.
        case: what happens.
        cast: with the ego in it.

    Attributes:
        struck: ids of those who touched somebody and are left to physics, and whom.
    """

    def __init__(self, carla: Any, case: Scenario, cast: Cast) -> None:
        self.case, self.cast, self._carla = case, cast, carla
        self._lent: dict[str, _Loan] = {}
        self.struck: dict[str, str] = {}
        self._seen = Sightings(cast)
        self._director = Director(case, self._seen.shape)
        self._measurer = Measurer()
        self._touches = Touches(carla, cast, self._seen, case.start_us)
        self._beside: dict[str, set[str]] = {}

    def step(self, time_us: int) -> dict[str, ActorState]:
        """Where the case's actors are to be at a time; the ego is taken to go on as it was last seen."""
        ego = self._seen.ego_at(time_us)
        states = self._director.step(time_us, ego)
        poses = {key: state.world_from_box for key, state in states.items()}
        self._part(time_us, {**poses, EGO: ego.world_from_rig})
        self.cast.absent = self._director.absent
        return {key: state for key, state in states.items() if key not in self.struck}

    def _part(self, time_us: int, then: Mapping[str, Float64]) -> None:
        """Leave those who would touch somebody by the next tick to physics, while they are still apart."""
        for key in self.case.actors:
            player = self.cast.players.get(key)
            if player is None or key not in self._seen or player.driver not in PLANNED:
                continue
            mine, ego = (self._seen.course(name, time_us, then) for name in (key, EGO))
            met = {EGO} if will_touch(self._seen.course(key, time_us, then, as_spawned=True), ego) else set()
            there = (other for other in self.cast.players if other not in (key, EGO) and other in self._seen)
            others = {other for other in there if will_touch(mine, self._seen.course(other, time_us, then))}
            for other in sorted(met | others - self._beside.setdefault(key, others)):
                self._lend(key, other, other == EGO and will_touch(mine, ego))
                if other != EGO and self.cast.players[other].driver in PLANNED:
                    self._lend(other, key, False)

    def _lend(self, key: str, other: str, by_boxes: bool) -> None:
        """Physics have somebody for a tick; `_settle` decides whether they keep them."""
        if key not in self._lent:
            player, last_us = self.cast.players[key], self._seen.last_us(key)
            self._lent[key] = _Loan(other, player.planned_velocity(last_us), by_boxes)
            self.cast.let_go(player, last_us)

    def _settle(self, time_us: int) -> None:
        """Who touched somebody rests from now on; who was only near goes on as the case, or the recording, has it."""
        hit = {key for key, loan in self._lent.items() if key in self.cast.players and self._was_hit(key, loan)}
        for key, (other, _, by_boxes) in self._lent.items():
            player = self.cast.players.get(key)
            if player is None or player.driver is not Driver.NOBODY:
                continue  # destroyed, or taken by the user meanwhile
            if key not in hit and other not in hit:
                self.cast.take_back(player)
                continue
            log.info("%.2f s: %s touches %s.", (time_us - self.case.start_us) / 1e6, key, other)
            self.struck.setdefault(key, other)
            if key in self.case.actors:
                self._director.let_go(key)
            if by_boxes:
                self._touches.note(key, time_us, by_boxes=True)
            self.cast.run(player.rest(self._carla))
        self._lent.clear()

    def _was_hit(self, key: str, loan: _Loan) -> bool:
        """Whether something changed a body's motion in the last tick, or still touches it."""
        if float(np.linalg.norm((self._seen.velocity(key) - loan.velocity_mps)[:2])) > HIT_MPS:
            return True
        boxes = self._seen.box(key, as_spawned=True), self._seen.box(loan.other, as_spawned=True)
        return loan.other in self.cast.players and distance(*boxes) < TOUCH_M

    def saw(self, time_us: int, frame: int) -> None:
        """Look at where everybody is after a tick."""
        self._seen.saw(time_us)
        self._touches.saw(time_us, frame, self.cast)
        self._settle(time_us)
        ego = self._seen.box(EGO)
        level = [
            key
            for key in self.cast.players
            if key != EGO and abs(self._seen.height(key) - self._seen.height(EGO)) < LEVEL_M
        ]
        near = {key: self._seen.box(key) for key in level if key in self.case.actors or self._near(key)}
        for key, box in near.items():
            if overlap(ego, box):
                self._touches.note(key, time_us, by_boxes=True)
        actors = {key: box for key, box in near.items() if key in self.case.actors}
        self._measurer.look((time_us - self.case.start_us) / 1e6, ego, actors)

    def _near(self, key: str) -> bool:
        away = self.cast.players[key].pose[:2, 3] - self.cast.players[EGO].pose[:2, 3]
        return float(np.hypot(*away)) < NEAR_M

    @property
    def measures(self) -> Measures:
        """How critical it became so far."""
        return self._measurer.found

    @property
    def collisions(self) -> tuple[Collision, ...]:
        """Whom the ego touched so far, by time."""
        return self._touches.found

    def close(self) -> None:
        """Take the sensor away."""
        self._touches.close()
