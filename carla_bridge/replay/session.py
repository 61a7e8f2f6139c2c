"""Replaying a scene in CARLA: `ReplaySession`."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avrec.drive import CameraSensor
from avrec.errors import AvrecError, require
from avrec.geometry import Offset
from avrec.scenario import Scenario
from avrec.scene import Scene
from carla_bridge.replay.camera_spec import camera_named
from carla_bridge.replay.case import CaseSource, scenario_of
from carla_bridge.replay.lidar_models import LidarModel
from carla_bridge.replay.measurements import Image, LidarMeasurement
from carla_bridge.replay.path_follower import checked_path
from carla_bridge.replay.player import Driver
from carla_bridge.replay.run import Run
from carla_bridge.replay.sensors import CameraRig, LidarRig, NeuralSensor, camera_rig, lidar_rig
from carla_bridge.replay.stage import EGO
from carla_bridge.replay.view import View

__all__ = ["ReplaySession"]

Float64 = NDArray[np.float64]

DriverName = Literal["user", "autopilot", "path"]


class ReplaySession(View):
    """A recorded drive, played in a CARLA world; a context manager.

    It uses nothing but CARLA's public client, so a real server and the embedded one are the same to it. Entering loads
    the scene's map, makes the world synchronous with a fixed step, and spawns the ego and the recorded actors;
    leaving destroys them and restores the world's settings. Between them `tick` moves everybody one step along the
    recording, and neural cameras and lidars measure.

    Example:
        with ReplaySession(client, "scene.usdz") as session:
            session.add_camera("front", callback=show, offset=Offset(left_m=1.0))
            while session.tick():
                ...

    Args:
        client: `carla.Client`, connected.
        scene: a scene, the path of its file, or a scenario made from it.
        case: an edge case: a scenario made from the scene, or a function that makes one, such as `scenarios.cut_in`.
        step_s: seconds of simulation between ticks.
        start_us: recording time to begin at; None for the first recorded frame.
        end_us: recording time to end at; None for the last recorded frame.
        ego_blueprint: of the ego; None takes the car nearest in size to the recording's, or of ordinary size.
        load_map: False keeps the simulator's map.
        move_spectator: the spectator follows the ego.
        traffic_manager_port: for autopilots.

    Raises:
        AvrecError: the scene or a setting cannot be used.
    """

    def __init__(
        self,
        client: Any,
        scene: str | Path | Scene | Scenario,
        *,
        case: CaseSource | None = None,
        step_s: float = 0.05,
        start_us: int | None = None,
        end_us: int | None = None,
        ego_blueprint: str | None = None,
        load_map: bool = True,
        move_spectator: bool = False,
        traffic_manager_port: int = 8000,
    ) -> None:
        self.carla: Any = require("carla", "carla")
        self.client = client
        self.case = scenario_of(scene, case, start_us, end_us)
        self.scene, self.start_us, self.end_us = self.case.scene, self.case.start_us, self.case.end_us
        if not 1e-3 <= step_s <= 0.5:
            raise AvrecError(f"A step of {step_s} s is out of range. Choose 0.001 to 0.5 s; 0.05 is usual.")
        self.step_s = step_s
        self.moves_spectator = move_spectator
        self._begin = partial(
            Run,
            self.carla,
            client,
            self.case,
            step_s=step_s,
            ego_blueprint=ego_blueprint,
            own_map=load_map,
            traffic_manager_port=traffic_manager_port,
        )
        self._sensors: list[NeuralSensor] = []
        self._run: Run | None = None
        self.paused = False

    def __enter__(self) -> ReplaySession:
        self._run = self._begin()
        self._look_after_ego()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Destroy what was spawned and restore the world's settings; a simulator that is gone is only noted."""
        self._sensors.clear()
        if self._run is not None:
            self._run.end()

    # Time

    def tick(self) -> bool:
        """One step: everybody moves, the world ticks, sensors measure. False when the recording is over.

        While the session is paused nothing moves, and it returns True after the time of a step.
        """
        run = self._running
        if self.paused:
            time.sleep(self.step_s)
            return True
        if run.is_done:
            return False
        before = run.moment.time_us
        run.advance()
        if run.ego_gone:
            return False
        self._look_after_ego()
        for sensor in tuple(self._sensors):
            sensor.step(self.carla, run.cast, before, run.moment)
        return True

    def _look_after_ego(self) -> None:
        if self.moves_spectator:
            self.cast.move_spectator()

    def pause(self) -> None:
        """Stop time until `resume`; the world can be looked at meanwhile."""
        self.paused = True

    def resume(self) -> None:
        """Let time pass again."""
        self.paused = False

    # Sensors

    def add_camera(
        self,
        camera: str | CameraSensor | Mapping[str, Any],
        callback: Callable[[Image], object],
        *,
        offset: Offset | None = None,
        transform: Any = None,
        framerate: float | Literal["recorded"] | None = None,
        width: int | None = None,
        height: int | None = None,
        rolling_shutter: bool = True,
    ) -> CameraRig:
        """Put a neural camera on the ego.

        Its pictures are made of the scene's Gaussians, from where the ego truly was while each line was exposed. A
        picture is delivered by the tick in which its exposure ends. While the ego follows the recording it equals
        `avrec.render(scene, camera, image.time_us, offset=offset)` in every pixel.

        Args:
            camera: name of a recorded camera, a `CameraSensor`, or a dictionary (see docs/carla.md).
            callback: gets an `Image`, which has the attributes of `carla.Image`.
            offset: of the rig against the ego: left, up, forward metres; yaw, pitch, roll degrees.
            transform: mount of the camera where it is not the recorded one: a `carla.Transform` against the rig, or
                ``rig_from_camera`` [4, 4] with OpenCV axes.
            framerate: pictures per second; ``"recorded"`` takes the exposures of the recorded frames; None takes one
                that ends with each tick.
            width, height: pixels, unless as recorded.
            rolling_shutter: False exposes all lines at once.

        Raises:
            AvrecError: no such camera.
        """
        sensor = camera_named(self.scene, camera, transform)
        look = {"width": width, "height": height, "rolling_shutter": rolling_shutter}
        rig = camera_rig(self.scene, sensor, callback, offset or Offset(), framerate, self.time_us, **look)
        self._sensors.append(rig)
        return rig

    def add_lidar(
        self,
        callback: Callable[[LidarMeasurement], object],
        model: str | LidarModel = "VLP-32C",
        *,
        transform: Any = None,
        framerate: float = 10.0,
    ) -> LidarRig:
        """Put a neural lidar on the ego; it delivers full turns, each point measured when the laser pointed there.

        Args:
            callback: gets a `LidarMeasurement`, which has the attributes of `carla.LidarMeasurement`.
            model: a name of `carla_bridge.replay.LIDARS`, or a `LidarModel`.
            transform: its mount against the rig, `carla.Transform` or [4, 4]; None puts it on the roof.
            framerate: turns per second.

        Raises:
            AvrecError: no such lidar.
        """
        rig = lidar_rig(model, callback, transform, framerate, self.time_us)
        self._sensors.append(rig)
        return rig

    def remove_sensor(self, sensor: NeuralSensor) -> None:
        """Take a sensor off; nothing happens if it is off already."""
        with contextlib.suppress(ValueError):
            self._sensors.remove(sensor)

    # Who drives

    def take_over_ego(self, driver: DriverName = "user", path: ArrayLike | None = None, speed_mps: float = 8.0) -> Any:
        """The ego leaves the recording with the speed that it has; the actors go on. Returns its `carla.Vehicle`.

        Args:
            driver: ``"user"``: whoever applies controls to the ego; ``"autopilot"``: the Traffic Manager;
                ``"path"``: a path follower, along the recorded path unless another one is given.
            path: float64 [N, 2] or [N, 3] of the rig, in the recording's world.
            speed_mps: along a path that is given.

        Raises:
            AvrecError: no such driver or path.
        """
        return self.control_actor(EGO, driver, path, speed_mps)

    def apply_ego_control(self, control: Any) -> None:
        """Apply a `carla.VehicleControl`; the ego leaves the recording if it has not yet."""
        if self.cast.players[EGO].driver is not Driver.USER:
            self.take_over_ego("user")
        self.ego.apply_control(control)

    def release_ego(self) -> None:
        """The ego goes back to the recording: it jumps to where it was then."""
        self.release_actor(EGO)

    def control_actor(
        self, track_id: str, driver: DriverName = "user", path: ArrayLike | None = None, speed_mps: float = 8.0
    ) -> Any:
        """One actor leaves the recording; see `take_over_ego`. People can only be given to the user.

        Raises:
            AvrecError: no such actor, driver or path.
        """
        if driver not in ("user", "autopilot", "path"):
            raise AvrecError(f"No driver is named '{driver}'. Choose user, autopilot or path.")
        player = self._player(track_id)
        line = None if path is None else checked_path(path, speed_mps)
        self.cast.hand_over(player, Driver(driver), self.time_us, line)
        return player.actor

    def release_actor(self, track_id: str) -> None:
        """An actor goes back to the recording, or to where the case has it.

        Raises:
            AvrecError: no such actor, or one of a case that was hit, so that nothing directs it any more.
        """
        player = self._player(track_id)
        if track_id in self.struck:
            raise AvrecError(
                f"The actor '{track_id}' touched {self.struck[track_id]}, and the case directs it no more. Leave it to "
                "physics, or drive it with control_actor."
            )
        self.cast.take_back(player)
