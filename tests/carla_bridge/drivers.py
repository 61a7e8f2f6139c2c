"""Two who drive a session's ego along the recorded path: one who looks at nobody, one who brakes for others."""

from __future__ import annotations

from math import inf
from typing import Any

import numpy as np

from avrec.geometry import rpy_from_matrix
from avrec.scenario import Box, gap_ahead, time_to_collision
from carla_bridge.replay import ReplaySession
from carla_bridge.replay.path_follower import PathFollower, path_of

BRAKE_TTC_S = 1.7
KEEP_M = 3.0
LATERAL_M = 0.6


class Blind:
    """Keeps to the recorded path and speed, whatever happens."""

    def __init__(self, session: ReplaySession, carla: Any) -> None:
        self.session, self.carla = session, carla
        self.vehicle = session.take_over_ego("user")
        ego = session.cast.players["ego"]
        self.follower = PathFollower(path_of(session.scene.ego, session.time_us), *session.cast.wheels(ego))

    def step(self) -> None:
        throttle, steer, brake = self.pedals()
        self.vehicle.apply_control(self.carla.VehicleControl(throttle=throttle, steer=steer, brake=brake))

    def pedals(self) -> tuple[float, float, float]:
        pose = self.session.ego_pose()
        yaw = float(rpy_from_matrix(pose[:3, :3])[2])
        return self.follower.step(pose[:2, 3], yaw, self.speed, self.session.step_s)

    @property
    def speed(self) -> float:
        velocity = self.vehicle.get_velocity()
        return float(np.hypot(velocity.x, velocity.y))


class Careful(Blind):
    """Brakes fully while somebody is about to be hit, or comes near in front."""

    def pedals(self) -> tuple[float, float, float]:
        _, steer, _ = plain = super().pedals()
        return (0.0, steer, 1.0) if self.danger() else plain

    def danger(self) -> bool:
        ego = box_of(self.vehicle, LATERAL_M)
        here = self.session.ego_pose()[:2, 3]
        for key in self.session.track_ids:
            if np.linalg.norm(self.session.actor_pose(key)[:2, 3] - here) > 40.0:
                continue
            other = box_of(self.session.actor(key))
            ahead = gap_ahead(ego, other)
            aside = abs(float(ego.axes[1] @ (other.x - ego.x, other.y - ego.y)))
            near = 0.0 < ahead < KEEP_M + 0.4 * self.speed and aside < (ego.width_m + other.width_m) / 2
            soon = time_to_collision(ego, other) if ahead > -1.0 else inf
            if near or soon < BRAKE_TTC_S:
                return True
        return False


def box_of(actor: Any, wider_m: float = 0.0) -> Box:
    """A client's actor from above, in the right-handed world."""
    place, velocity, shape = actor.get_transform(), actor.get_velocity(), actor.bounding_box
    yaw = -np.radians(place.rotation.yaw)
    middle = place.transform(shape.location)
    return Box(middle.x, -middle.y, yaw, 2 * shape.extent.x, 2 * shape.extent.y + wider_m, velocity.x, -velocity.y)
