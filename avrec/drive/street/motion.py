"""How the ego car and the actors move: exact poses at any time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from avrec.drive.street.road import CROSS_SECTION, Road
from avrec.geometry import matrix_from_rpy, transform_from

__all__ = ["EgoMotion", "Motion", "Parked", "RoadRunner", "plan_ego"]

Float64 = NDArray[np.float64]


class Motion(Protocol):
    """Anything with an exact pose at any time."""

    def poses(self, times_s: Float64) -> Float64:
        """World-from-body poses [..., 4, 4] at times in seconds since the drive's start."""
        ...


@dataclass(frozen=True)
class EgoMotion:
    """The ego along its lane: speed swings about a mean, the body yaws, pitches and rolls about the path.

    Attributes:
        road: the street.
        speed_mps: mean speed; the speed swings by ``swing`` of it with ``swing_hz``.
        yaw_amplitude: radians of the yaw oscillation, of frequency ``yaw_hz`` and phase ``yaw_phase``.
    """

    road: Road
    speed_mps: float
    swing: float
    swing_hz: float
    swing_phase: float
    yaw_amplitude: float
    yaw_hz: float
    yaw_phase: float
    sway_phase: float

    def station(self, times_s: Float64) -> Float64:
        """Metres along the reference line; 0 at time 0."""
        omega = 2 * np.pi * self.swing_hz
        swung = np.cos(self.swing_phase) - np.cos(omega * times_s + self.swing_phase)
        result: Float64 = self.speed_mps * (times_s + self.swing * swung / omega)
        return result

    def poses(self, times_s: Float64) -> Float64:
        """World-from-rig poses [..., 4, 4]."""
        times_s = np.asarray(times_s, np.float64)
        x, y, heading = self.road.place(self.station(times_s), -CROSS_SECTION.lane_center)
        yaw = heading + self.yaw_amplitude * np.sin(2 * np.pi * self.yaw_hz * times_s + self.yaw_phase)
        pitch = np.deg2rad(0.25) * np.sin(2 * np.pi * 0.8 * times_s + self.sway_phase)
        roll = np.deg2rad(0.2) * np.sin(2 * np.pi * 0.55 * times_s + 2 * self.sway_phase)
        return transform_from(matrix_from_rpy(roll, pitch, yaw), np.stack([x, y, np.zeros_like(yaw)], -1))


@dataclass(frozen=True)
class RoadRunner:
    """An actor at a constant offset from the centre line and a constant speed (negative: towards smaller stations).

    ``height`` is the body origin's height above the road.
    """

    road: Road
    station: float
    offset: float
    speed_mps: float
    height: float

    def poses(self, times_s: Float64) -> Float64:
        """World-from-box poses [..., 4, 4]; x points where the actor goes."""
        times_s = np.asarray(times_s, np.float64)
        x, y, heading = self.road.place(self.station + self.speed_mps * times_s, self.offset)
        yaw = heading + (np.pi if self.speed_mps < 0 else 0.0)
        zero = np.zeros_like(yaw)
        return transform_from(matrix_from_rpy(zero, zero, yaw), np.stack([x, y, zero + self.height], -1))


@dataclass(frozen=True)
class Parked:
    """A body that stays where it is."""

    world_from_body: Float64

    def poses(self, times_s: Float64) -> Float64:
        """The same pose for every time, [..., 4, 4]."""
        return np.broadcast_to(self.world_from_body, (*np.shape(times_s), 4, 4))


def plan_ego(road: Road, rng: np.random.Generator, yaw_rate_max_dps: float) -> EgoMotion:
    """The ego's motion; bends and yaw oscillation together stay within ``yaw_rate_max_dps``."""
    speed, swing = 8.0, 0.14
    steepest = max((abs(piece.curvature) for piece in road.pieces), default=0.0)
    left_over = np.deg2rad(yaw_rate_max_dps) - steepest * speed * (1 + swing)
    yaw_hz = 1.3
    return EgoMotion(
        road=road,
        speed_mps=speed,
        swing=swing,
        swing_hz=0.27,
        swing_phase=float(rng.uniform(0, 2 * np.pi)),
        yaw_amplitude=max(0.0, float(left_over)) / (2 * np.pi * yaw_hz),
        yaw_hz=yaw_hz,
        yaw_phase=float(rng.uniform(0, 2 * np.pi)),
        sway_phase=float(rng.uniform(0, 2 * np.pi)),
    )
