"""What a replay session tells: where it is in time, who is there, and what happened."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avrec.errors import AvrecError
from avrec.scenario import Measures, Scenario
from avrec.scene import Scene
from carla_bridge.replay.player import Driver, Player
from carla_bridge.replay.run import Run
from carla_bridge.replay.stage import EGO, Cast
from carla_bridge.replay.touches import Collision

__all__ = ["View"]

Float64 = NDArray[np.float64]


class View:
    """The part of a session that only looks; `ReplaySession` is one.

    Attributes:
        case: what is played.
        scene: of the case.
        start_us, end_us: of the replay, in recording time.
    """

    case: Scenario
    scene: Scene
    start_us: int
    end_us: int
    _run: Run | None

    @property
    def _running(self) -> Run:
        if self._run is None or self._run.ended:
            raise AvrecError("The session is not running. Use it as 'with ReplaySession(client, scene) as session:'.")
        return self._run

    @property
    def is_done(self) -> bool:
        """Whether the next step would leave the recording, or the ego is gone."""
        return self._running.is_done

    @property
    def time_us(self) -> int:
        """Recording time of the last tick."""
        return self.start_us if self._run is None else self._run.moment.time_us

    @property
    def seconds(self) -> float:
        """Since the beginning of the replay."""
        return (self.time_us - self.start_us) / 1e6

    @property
    def frame(self) -> int:
        """Of the simulator's last tick."""
        return 0 if self._run is None else self._run.moment.frame

    @property
    def cast(self) -> Cast:
        """The actors.

        Raises:
            AvrecError: outside the ``with`` block.
        """
        return self._running.cast

    @property
    def world(self) -> Any:
        """`carla.World`."""
        return self.cast.world

    @property
    def ego(self) -> Any:
        """The ego's `carla.Vehicle`."""
        return self.cast.players[EGO].actor

    @property
    def camera_names(self) -> tuple[str, ...]:
        """Cameras of the recording."""
        return self.scene.camera_names

    @property
    def track_ids(self) -> tuple[str, ...]:
        """Actors that are in the simulator now."""
        return tuple(key for key in self.cast.players if key != EGO)

    def actor(self, track_id: str) -> Any:
        """The `carla.Actor` of a track.

        Raises:
            AvrecError: it is not in the simulator now.
        """
        return self._player(track_id).actor

    @property
    def ego_follows(self) -> bool:
        """Whether the ego follows the recording."""
        return self.cast.players[EGO].driver is Driver.RECORDING

    def ego_pose(self) -> Float64:
        """world_from_rig float64 [4, 4] as the client saw it at the last tick, in the recording's world."""
        return self.cast.players[EGO].pose

    def actor_pose(self, track_id: str) -> Float64:
        """world_from_box float64 [4, 4] of an actor as the client saw it at the last tick."""
        return self._player(track_id).pose

    @property
    def collisions(self) -> tuple[Collision, ...]:
        """Whom the ego of a case has touched so far, by time; without a case nobody looks.

        What a sensor tells may arrive a moment after the tick.
        """
        return () if self._run is None or self._run.case_run is None else self._run.case_run.collisions

    @property
    def struck(self) -> Mapping[str, str]:
        """Actors that touched somebody in a case, and whom; from then on physics have them."""
        return {} if self._run is None or self._run.case_run is None else dict(self._run.case_run.struck)

    @property
    def measures(self) -> Measures | None:
        """How critical it became so far between the ego and the actors of the case; None without a case."""
        return None if self._run is None or self._run.case_run is None else self._run.case_run.measures

    def _player(self, track_id: str) -> Player:
        player = self.cast.players.get(track_id)
        if player is None:
            here = ", ".join(self.track_ids) or "nobody"
            raise AvrecError(f"The actor '{track_id}' is not in the simulator now; here are {here}.")
        return player
