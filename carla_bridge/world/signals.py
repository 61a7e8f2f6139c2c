"""The traffic lights of the world, and which vehicle waits at which."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from avrec.drive.lane_graph import LaneGraph
from carla_bridge.world.motion import VELOCITY, Float64
from carla_bridge.world.pose import Pose, compose
from carla_bridge.world.traffic_lights import lights_of_map
from carla_bridge.world.traffic_signs import signs_of_map

if TYPE_CHECKING:
    from carla_bridge.world.world import World

__all__ = ["Signals"]

BRAKING_MPS2 = 5.0
"""With which a vehicle can come to a stop before a light; Traffic Managers brake harder."""
LONGEST_LEAD_M = 20.0


class Signals:
    """Lights, groups, and for each vehicle the light it is at.

    Attributes:
        lights: in the order of the map's signals.
        groups: lights that switch together or in turn.
        signs: signs that have actors.
        at: int64 [V] index of the light at which each vehicle of the fleet is, -1 for none.
    """

    def __init__(self, graph: LaneGraph) -> None:
        self.lights, self.groups = lights_of_map(graph)
        self.signs = signs_of_map(graph)
        self.at: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        zones = [compose(light.pose, Pose(*light.zone_center, 0.0, 0.0, np.pi / 2)) for light in self.lights]
        self._center: Float64 = np.array([zone.position for zone in zones]).reshape(-1, 3)
        yaw = np.array([zone.yaw for zone in zones])
        self._cos, self._sin, self._yaw = np.cos(yaw), np.sin(yaw), yaw
        self._half = np.array([light.zone_half for light in self.lights]).reshape(-1, 3)

    def of_actor(self, actor_id: int) -> int:
        """Index of the light that an actor shows, -1 for none."""
        for index, light in enumerate(self.lights):
            if light.actor == actor_id:
                return index
        return -1

    def step(self, dt: float, world: World) -> None:
        """Switch lights and find who is at one."""
        for group in self.groups:
            group.step(self.lights, dt)
        fleet = world.fleet
        if not self.lights or not fleet.count:
            self.at = np.full(fleet.count, -1, dtype=np.int64)
            return
        body = world.motion[fleet.row]
        reach = fleet.p["front"] + fleet.p["ahead"]  # the front axle meets the zone
        yaw = body[:, 5]
        x, y = body[:, 0] + reach * np.cos(yaw), body[:, 1] + reach * np.sin(yaw)
        # A moving vehicle is at a light as soon as it has to brake for it, or it would stop behind the line.
        lead = np.minimum((body[:, VELOCITY] ** 2).sum(axis=1) / (2 * BRAKING_MPS2), LONGEST_LEAD_M)
        dx, dy = x[:, None] - self._center[:, 0], y[:, None] - self._center[:, 1]
        along, across = dx * self._cos + dy * self._sin, dy * self._cos - dx * self._sin
        inside = (along <= self._half[:, 1]) & (along >= -self._half[:, 1] - lead[:, None]) & (self._half[:, 0] > 0.0)
        inside &= np.abs(across) <= self._half[:, 0]
        inside &= np.abs(body[:, 2, None] - self._center[:, 2]) <= 3.0
        inside &= np.cos(yaw[:, None] - self._yaw) > 0.5  # driving the way the light speaks to
        nearest = np.where(inside, along, -np.inf)
        self.at = np.where(inside.any(axis=1), nearest.argmax(axis=1), -1)
