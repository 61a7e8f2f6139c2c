"""Driving along a route: pure pursuit for the wheel, a PI controller for the pedals.

The wheel follows R. C. Coulter, Implementation of the Pure Pursuit Path Tracking Algorithm (1992), from the rear axle.
The speed is the least of: the speed limit, what bends and the end of the route allow, and what lets it stop before a
red light or behind whoever is on the route ahead.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import atan, atan2, cos, hypot, radians, sin, sqrt, tan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avrec.errors import require
from carla_bridge.route_agent.route import Place, Route

__all__ = ["AgentSettings", "RouteAgent"]

SEARCH_BACK_M, SEARCH_AHEAD_M = 3.0, 10.0
"""Stretch of the route around the last place in which the vehicle is looked for; a route may cross itself."""
LIGHT_REACH_M = 2.0
"""A stop line belongs to the route when it is this near to it."""
GOAL_M = 1.0
SIDE_MARGIN_M = 0.4
"""Gap beside the vehicle that is kept free."""


@dataclass(frozen=True)
class AgentSettings:
    """How the agent drives.

    Attributes:
        max_speed_mps: never faster, whatever the limit.
        share_of_limit: of the speed limit that it drives.
        side_mps2, brake_mps2: sideways acceleration in bends, deceleration it plans with.
        gap_m: behind a standing vehicle, and before a stop line.
        look_m, look_s: the point it steers at lies look_m + look_s * speed ahead.
        view_m: how far ahead on the route it minds others.
    """

    max_speed_mps: float = 25.0
    share_of_limit: float = 0.95
    side_mps2: float = 1.8
    brake_mps2: float = 2.0
    gap_m: float = 3.0
    look_m: float = 2.2
    look_s: float = 0.25
    view_m: float = 80.0


@dataclass
class RouteAgent:
    """Drives one vehicle along one route.

    Call `step` after every tick and apply the `carla.VehicleControl` it returns, until ``done``.

    Attributes:
        world: `carla.World`.
        vehicle: `carla.Vehicle` with physics, on the route's start.
        route: where to.
        settings: how.
        place: where on the route the middle of the vehicle is, and how far beside it.
        waits_for: ``"light"``, ``"traffic"`` or ``""``: what keeps it slow at the moment.
    """

    world: Any
    vehicle: Any
    route: Route
    settings: AgentSettings = field(default_factory=AgentSettings)
    place: Place = field(default=Place(0.0, 0.0), init=False)
    waits_for: str = field(default="", init=False)

    def __post_init__(self) -> None:
        self._carla = require("carla", "carla")
        box = self.vehicle.bounding_box
        self._front_m, self._half_width_m = box.location.x + box.extent.x, box.extent.y
        physics = self.vehicle.get_physics_control()
        self._rear_m, self._base_m, track_m = _axles(self.vehicle, physics)
        inner = radians(max((wheel.max_steer_angle for wheel in physics.wheels), default=0.0) or 70.0)
        # `steer` turns the inner wheel to its lock; the angle between both wheels is smaller (Ackermann)
        self._lock_rad = atan2(tan(inner), 1.0 + tan(inner) * track_m / (2 * self._base_m))
        self._steering = sorted((point.x, point.y) for point in physics.steering_curve) or [(0.0, 1.0)]
        self._allowed = _speeds(self.route, self.settings)
        self._stops = self._stop_lines()
        self._integral = 0.0

    @property
    def done(self) -> bool:
        """Whether the vehicle stands at the end of the route."""
        return self.left_m < GOAL_M and self._speed() < 0.2

    @property
    def left_m(self) -> float:
        """Metres of route before the vehicle."""
        return self.route.length_m - self.place.along_m

    def step(self) -> Any:
        """Look, and decide: a `carla.VehicleControl` for the next tick."""
        transform = self.vehicle.get_transform()
        here = transform.location
        along = self.place.along_m
        self.place = self.route.locate(here.x, here.y, along - SEARCH_BACK_M, along + SEARCH_AHEAD_M)
        throttle, brake = self._pedals(self._target(), self._speed())
        return self._carla.VehicleControl(throttle=throttle, brake=brake, steer=self._wheel(transform))

    def _speed(self) -> float:
        velocity, forward = self.vehicle.get_velocity(), self.vehicle.get_transform().get_forward_vector()
        return float(velocity.x * forward.x + velocity.y * forward.y + velocity.z * forward.z)

    def _wheel(self, transform: Any) -> float:
        yaw = radians(transform.rotation.yaw)
        x = transform.location.x + self._rear_m * cos(yaw)
        y = transform.location.y + self._rear_m * sin(yaw)
        speed = max(self._speed(), 0.0)
        rear_m = self.place.along_m + self._rear_m
        target = self.route.point_at(max(rear_m, 0.0) + self.settings.look_m + self.settings.look_s * speed)
        dx, dy = float(target[0]) - x, float(target[1]) - y
        right = dy * cos(yaw) - dx * sin(yaw)
        angle = atan(self._base_m * 2.0 * right / max(dx * dx + dy * dy, 1.0))
        xs, ys = zip(*self._steering, strict=True)
        share = max(float(np.interp(speed * 3.6, xs, ys)), 0.05)
        return min(max(angle / (self._lock_rad * share), -1.0), 1.0)

    def _pedals(self, target: float, speed: float) -> tuple[float, float]:
        if target < 0.1 and speed < 1.0:
            self._integral = 0.0
            return 0.0, 0.7
        error = target - speed
        step_s = self.world.get_snapshot().timestamp.delta_seconds
        self._integral = min(max(self._integral + error * step_s, -2.0), 4.0) if target > 0.1 else 0.0
        wanted = 0.5 * error + 0.15 * self._integral
        if wanted >= 0.0:
            return min(wanted, 0.8), 0.0
        # small excess rolls out
        return 0.0, min(max(-wanted * 0.6 - 0.05, 0.0), 1.0)

    def _target(self) -> float:
        settings = self.settings
        limit = self.vehicle.get_speed_limit() / 3.6 * settings.share_of_limit
        bends = float(np.interp(self.place.along_m, self.route.along, self._allowed))
        target = min(limit if limit > 0.1 else settings.max_speed_mps, settings.max_speed_mps, bends)
        self.waits_for = ""
        for reason, gap, speed in (("light", self._gap_to_light(), 0.0), ("traffic", *self._ahead())):
            allowed = sqrt(max(speed * abs(speed) + 2.0 * settings.brake_mps2 * max(gap, 0.0), 0.0))
            if allowed < target:
                target, self.waits_for = allowed, reason
        return target

    def _stop_lines(self) -> list[tuple[float, Any]]:
        """Where the route meets stop lines (metres along it), and their traffic lights."""
        found = []
        for light in self.world.get_actors().filter("traffic.traffic_light*"):
            for waypoint in light.get_stop_waypoints():
                spot, forward = waypoint.transform.location, waypoint.transform.get_forward_vector()
                from_m = 0.0
                while from_m < self.route.length_m:  # a route may pass a light more than once
                    place = self.route.locate(spot.x, spot.y, from_m, from_m + 100.0)
                    heading = float(np.interp(place.along_m, self.route.along, self.route.headings))
                    same_way = cos(heading) * forward.x + sin(heading) * forward.y > 0.5
                    inside = from_m < place.along_m < from_m + 100.0
                    if abs(place.right_m) < LIGHT_REACH_M and same_way and inside:
                        found.append((place.along_m, light))
                    from_m += 99.5
        return sorted(found, key=lambda each: each[0])

    def _gap_to_light(self) -> float:
        """To where it has to stop for the next light that is not green, metres; infinite if there is none."""
        states = self._carla.TrafficLightState
        speed = self._speed()
        for along_m, light in self._stops:
            gap = along_m - self.place.along_m - self._front_m
            if gap < -1.0 or gap > self.settings.view_m or light.state not in (states.Red, states.Yellow):
                continue
            if light.state == states.Yellow and speed * speed > 2.0 * 2.0 * self.settings.brake_mps2 * max(gap, 0.01):
                continue  # too late to stop
            return float(gap) - 1.0
        return float("inf")

    def _ahead(self) -> tuple[float, float]:
        """Gap to the nearest vehicle or person on the route, metres, and its speed along it, m/s."""
        here, reach = self.vehicle.get_location(), self.settings.view_m
        nearest = (float("inf"), 0.0)
        for other in self.world.get_actors():
            if other.id == self.vehicle.id or not other.type_id.startswith(("vehicle.", "walker.")):
                continue
            place = other.get_location()
            if place.distance(here) > reach or abs(place.z - here.z) > 4.0:
                continue
            spot = self.route.locate(place.x, place.y, self.place.along_m, self.place.along_m + reach)
            heading = float(np.interp(spot.along_m, self.route.along, self.route.headings))
            turn = radians(other.get_transform().rotation.yaw) - heading
            extent = other.bounding_box.extent
            half_along = abs(cos(turn)) * extent.x + abs(sin(turn)) * extent.y
            half_across = abs(sin(turn)) * extent.x + abs(cos(turn)) * extent.y
            gap = spot.along_m - self.place.along_m - self._front_m - half_along - self.settings.gap_m
            beside = abs(spot.right_m) > self._half_width_m + half_across + SIDE_MARGIN_M
            if spot.along_m <= self.place.along_m or beside or gap > nearest[0]:
                continue
            velocity = other.get_velocity()
            nearest = gap, velocity.x * cos(heading) + velocity.y * sin(heading)
        return nearest


def _axles(vehicle: Any, physics: Any) -> tuple[float, float, float]:
    """Where the rear axle is (metres ahead of the vehicle's origin), the wheelbase and the track."""
    extent = vehicle.bounding_box.extent
    transform = vehicle.get_transform()
    forward, right = transform.get_forward_vector(), transform.get_right_vector()
    places = []
    for wheel in physics.wheels:  # in the world, in centimetres
        x, y = wheel.position.x / 100 - transform.location.x, wheel.position.y / 100 - transform.location.y
        places.append((x * forward.x + y * forward.y, x * right.x + y * right.y))
    along, across = [place[0] for place in places], [place[1] for place in places]
    if len(places) < 2 or max(hypot(*place) for place in places) > 1.5 * hypot(extent.x, extent.y):
        return -0.6 * extent.x, 1.2 * extent.x, 1.6 * extent.y  # a server that does not know yet
    return min(along), max(max(along) - min(along), 0.5), max(across) - min(across)


def _speeds(route: Route, settings: AgentSettings) -> NDArray[np.float64]:
    """What bends and the end of the route allow at each of its points, m/s, with room to brake."""
    speeds = np.sqrt(settings.side_mps2 / np.maximum(np.abs(route.curvature), 1e-4))
    speeds[-1] = 0.0
    squares, step = speeds**2, np.diff(route.along)
    for index in range(len(squares) - 2, -1, -1):
        squares[index] = min(squares[index], squares[index + 1] + 2.0 * settings.brake_mps2 * step[index])
    return np.asarray(np.sqrt(squares), dtype=np.float64)
