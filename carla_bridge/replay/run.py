"""A replay under way: a world that waits for it, the actors in it, and one step after another."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from avrec.scenario import Scenario
from carla_bridge.replay.case import CaseRun
from carla_bridge.replay.sensors import Moment
from carla_bridge.replay.stage import EGO, Cast, last_things, load_map
from carla_bridge.tick_guard import tick

__all__ = ["Run"]


class Run:
    """Takes a world over when it is made, and gives it back in the end.

    Args:
        carla: the client's module.
        client: connected.
        case: what is played.
        step_s: between ticks.
        ego_blueprint: None takes one that fits.
        own_map: load the scene's map, else keep the simulator's.
        traffic_manager_port: for autopilots.

    Attributes:
        cast: the actors.
        case_run: the case's director; None where no actor does anything but its recording.
        moment: the last tick.
        ended: whether the world was given back.

    Raises:
        AvrecError: the scene has no map, or somebody who is needed cannot be spawned.
    """

    def __init__(
        self,
        carla: Any,
        client: Any,
        case: Scenario,
        *,
        step_s: float,
        ego_blueprint: str | None,
        own_map: bool,
        traffic_manager_port: int,
    ) -> None:
        self.case, self.step_s = case, step_s
        self.case_run: CaseRun | None = None
        self.moment = Moment(case.start_us, 0, 0.0)
        self.ended = False
        self._ticks = -1
        self._leave = ExitStack()
        world = load_map(carla, client, case.scene) if own_map else client.get_world()
        try:
            settings = world.get_settings()
            self._at_the_end(lambda: client.get_world().apply_settings(settings))
            wanted = world.get_settings()
            wanted.synchronous_mode = True
            wanted.fixed_delta_seconds = step_s
            world.apply_settings(wanted)
            self.cast = cast = Cast(carla, client, world, case.scene, traffic_manager_port, frozenset(case.actors))
            self._at_the_end(cast.leave_traffic_manager)
            self._at_the_end(lambda: tick(world))  # so that everybody sees that they are gone
            self._at_the_end(lambda: cast.remove(list(cast.players.values())))
            cast.add_ego(ego_blueprint, case.start_us)
            if case.actors:
                self.case_run = CaseRun(carla, case, cast)
                self._at_the_end(self.case_run.close)
            self.advance()  # to the beginning, so that everybody is where they belong
        except BaseException:
            self.end()
            raise

    def _at_the_end(self, do: Any) -> None:
        """Do something when the world is given back, before what was asked for earlier."""

        def done() -> None:
            with last_things():
                do()

        self._leave.callback(done)

    def end(self) -> None:
        """Destroy what was spawned and restore the world's settings; a simulator that is gone is only noted."""
        self.ended = True
        self._leave.close()

    def advance(self) -> None:
        """One step: everybody moves, the world ticks, and everybody is looked at."""
        self._ticks += 1
        time_us = self._time_us(self._ticks)
        directed = {} if self.case_run is None else self.case_run.step(time_us)
        self.cast.update(time_us)
        self.cast.drive(time_us, self.step_s, directed)
        frame = tick(self.cast.world)
        snapshot = self.cast.world.get_snapshot()
        self.cast.saw(time_us, snapshot)
        if self.case_run is not None:
            self.case_run.saw(time_us, frame)
        self.moment = Moment(time_us, frame, float(snapshot.timestamp.elapsed_seconds))

    def _time_us(self, ticks: int) -> int:
        return self.case.start_us + round(ticks * self.step_s * 1e6)

    @property
    def ego_gone(self) -> bool:
        """Whether somebody destroyed the ego; a Traffic Manager does so where a road ends."""
        return EGO in self.cast.given_up

    @property
    def is_done(self) -> bool:
        """Whether the next step would leave the recording, or the ego is gone."""
        return self.ego_gone or self._time_us(self._ticks + 1) > self.case.end_us
