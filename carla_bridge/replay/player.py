"""One recorded body in the simulator: its actor, where the client sees it, and who drives it."""

from __future__ import annotations

from enum import StrEnum
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avrec.geometry import Trajectory, invert, rpy_from_matrix
from avrec.scenario import ActorState
from carla_bridge.frames import flip_axial, flip_points, matrix_from_carla, matrix_to_carla
from carla_bridge.replay.live_path import LivePath
from carla_bridge.replay.path_follower import PathFollower

__all__ = ["Driver", "Player", "carla_transform", "matrix_of"]

Float64 = NDArray[np.float64]


HIT_BRAKE = 0.6
"""How those who were hit come to rest: a car does so at about 6 m/s², as `avrec.scenario` takes it."""


class Driver(StrEnum):
    """Who moves an actor; nobody does so after a collision in a case."""

    RECORDING = "recording"
    CASE = "case"
    USER = "user"
    AUTOPILOT = "autopilot"
    PATH = "path"
    NOBODY = "nobody"


def carla_transform(carla: Any, world_from_body: Float64) -> Any:
    """A pose [4, 4] as `carla.Transform`."""
    (x, y, z), (pitch, yaw, roll) = (part.tolist() for part in matrix_to_carla(world_from_body))
    return carla.Transform(carla.Location(x, y, z), carla.Rotation(pitch, yaw, roll))


def matrix_of(transform: Any) -> Float64:
    """A `carla.Transform` as a pose [4, 4]."""
    place, turn = transform.location, transform.rotation
    return matrix_from_carla((place.x, place.y, place.z), (turn.pitch, turn.yaw, turn.roll))


class Player:
    """A recorded body and its actor.

    Attributes:
        key: the track's id, or ``ego``.
        recorded: world_from_body as recorded; the body is the box of an actor, the rig of the ego.
        path: its true path.
        actor: `carla.Actor`.
        actor_from_body: where the body sits in the actor's frame.
        driver: who moves it.
        label: of its kind, see `carla_bridge.replay.fit`.
    """

    def __init__(self, key: str, label: str, recorded: Trajectory, actor: Any, actor_from_body: Float64) -> None:
        self.key = key
        self.label = label
        self.recorded = recorded
        self.path = LivePath(recorded)
        self.actor = actor
        self.actor_from_body = actor_from_body
        self.body_from_actor = invert(actor_from_body)
        self.driver = Driver.RECORDING
        self.pose: Float64 = recorded.at(recorded.span_us[0])
        self.seen_us: int | None = None
        self._stands = bool(np.ptp(recorded.poses, axis=0).max() < 1e-6)
        self._settled = False
        self._state: ActorState | None = None
        self._follower: PathFollower | None = None

    @property
    def walks(self) -> bool:
        """True for people."""
        return str(self.actor.type_id).startswith("walker.")

    def recorded_pose(self, time_us: int) -> Float64:
        """world_from_body of the recording."""
        return self.recorded.at(time_us, outside="extrapolate")

    def commands(self, carla: Any, time_us: int) -> list[Any]:
        """What moves the actor along the recording, to where it is at a time; nothing where it stands there already."""
        if self._settled:
            return []
        pose = self.recorded_pose(time_us) @ self.body_from_actor
        return [
            carla.command.ApplyTransform(self.actor, carla_transform(carla, pose)),
            *self._velocities(carla, time_us),
        ]

    def direct(self, carla: Any, time_us: int, state: ActorState) -> list[Any]:
        """What moves the actor to where a case has it at a time."""
        if not self.path.free:
            begun = time_us - 1 if self.seen_us is None else self.seen_us
            self.path.release(begun, self.recorded_pose(begun))
        self.driver, self._state = Driver.CASE, state
        pose = state.world_from_box @ self.body_from_actor
        return [
            carla.command.ApplyTransform(self.actor, carla_transform(carla, pose)),
            *self._velocities(carla, time_us),
        ]

    def planned_velocity(self, time_us: int) -> Float64:
        """Of the body [3] in the recording, or in the case."""
        if self.driver is Driver.CASE and self._state is not None:
            return self._state.velocity_mps
        return np.asarray(np.nan_to_num(self.recorded.velocity_at(time_us)[0]))

    def _velocities(self, carla: Any, time_us: int) -> list[Any]:
        """Commands that give the actor the motion of its own origin: the recording's, or the case's."""
        if self.driver is Driver.CASE and self._state is not None:
            linear, angular = self._state.velocity_mps, np.array([0.0, 0.0, self._state.yaw_rate_radps])
            turn = self._state.world_from_box[:3, :3]
        else:
            linear, angular = self.recorded.velocity_at(time_us)
            turn = self.recorded_pose(time_us)[:3, :3]
        if not (np.isfinite(linear).all() and np.isfinite(angular).all()):  # a NaN would bring the simulator down
            return []
        arm = turn @ self.body_from_actor[:3, 3]
        speed = carla.Vector3D(*flip_points(linear + np.cross(angular, arm)).tolist())
        spin = carla.Vector3D(*np.degrees(flip_axial(angular)).tolist())
        return [
            carla.command.ApplyTargetVelocity(self.actor, speed),
            carla.command.ApplyTargetAngularVelocity(self.actor, spin),
        ]

    def saw(self, time_us: int, snapshot: Any) -> bool:
        """Take over where the client sees the actor in a `carla.WorldSnapshot`; False where it is gone."""
        found = snapshot.find(self.actor.id)
        if found is None:
            return False
        self.pose = matrix_of(found.get_transform()) @ self.actor_from_body
        directed = self._state if self.driver is Driver.CASE else None
        # A simulator may not let bodies lean; a case does.
        self.path.saw(time_us, self.pose if directed is None else directed.world_from_box)
        self.seen_us = time_us
        self._settled = self._stands and bool(np.abs(self.pose - self.recorded.poses[0]).max() < 1e-3)
        return True

    def free(self, carla: Any, time_us: int, driver: Driver, follower: PathFollower | None = None) -> list[Any]:
        """Hand the actor to the simulator at the speed that it has; the commands that do so."""
        moves = []
        if not self.path.free:
            self.path.release(time_us, self.recorded_pose(time_us))
        if self.driver in (Driver.RECORDING, Driver.CASE):
            moves.append(carla.command.SetSimulatePhysics(self.actor, True))
            moves += [] if self.walks else self._velocities(carla, time_us)  # people heed none
        self.driver = driver
        self._follower = follower
        return moves

    def let_go(self, carla: Any, time_us: int) -> list[Any]:
        """The body is about to be hit: physics have it, at the speed that it has; the commands that do so."""
        velocity = flip_points(self.planned_velocity(time_us))
        moves = self.free(carla, time_us, Driver.NOBODY)
        if self.walks:
            ahead, speed = carla.Vector3D(*velocity.tolist()), float(np.hypot(*velocity[:2]))
            moves.append(carla.command.ApplyWalkerControl(self.actor, carla.WalkerControl(ahead, speed)))
        return moves

    def rest(self, carla: Any) -> list[Any]:
        """The body was hit: a vehicle brakes, a person walks no more; the commands that do so."""
        if self.walks:
            return [carla.command.ApplyWalkerControl(self.actor, carla.WalkerControl())]
        return [carla.command.ApplyVehicleControl(self.actor, carla.VehicleControl(brake=HIT_BRAKE))]

    def follow_recording(self, carla: Any) -> list[Any]:
        """Take the actor back; it jumps to where the recording, or the case, has it."""
        if self._state is None:
            self.path.follow()
        self._settled = False
        self.driver = Driver.RECORDING
        self._follower = None
        return [carla.command.SetSimulatePhysics(self.actor, False)]

    def steer(self, carla: Any, dt: float) -> list[Any]:
        """Commands of the path follower for the next step."""
        if self._follower is None or self.driver is not Driver.PATH:
            return []
        velocity = self.actor.get_velocity()
        yaw = float(rpy_from_matrix(self.pose[:3, :3])[2])
        speed = float(velocity.x * np.cos(yaw) - velocity.y * np.sin(yaw))
        if not isfinite(speed):
            return []
        throttle, steer, brake = self._follower.step(self.pose[:2, 3], yaw, speed, dt)
        return [carla.command.ApplyVehicleControl(self.actor, carla.VehicleControl(throttle, steer, brake))]
