"""Driving by speed and steering angle: a controller for speed, one for acceleration, and limits for the wheel."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["AckermannController", "AckermannGains", "AckermannTarget"]

GAS_MPS2, BRAKE_MPS2 = 4.0, 9.0
"""About what a full pedal gives; what it really gives is learnt while driving."""
MOST_MPS2 = 8.0
SPEED_UNIT, TRIM_UNIT = 10.0, 20.0
"""A proportional gain of 0.15 asks for 1.5 m/s² per m/s, one of 0.01 moves the pedal by 0.2 per second and m/s²."""


@dataclass(frozen=True)
class AckermannGains:
    """Gains of the speed controller (m/s to m/s²) and the acceleration controller (m/s² to pedal)."""

    speed_kp: float = 0.15
    speed_ki: float = 0.0
    speed_kd: float = 0.25
    accel_kp: float = 0.01
    accel_ki: float = 0.0
    accel_kd: float = 0.01


@dataclass(frozen=True)
class AckermannTarget:
    """What is wanted: steering angle in radians (positive to the right, as in CARLA) and speed in m/s.

    ``steer_speed`` rad/s, ``acceleration`` m/s² and ``jerk`` m/s³ limit how fast, 0 for as fast as possible.
    """

    steer: float = 0.0
    steer_speed: float = 0.0
    speed: float = 0.0
    acceleration: float = 0.0
    jerk: float = 0.0


@dataclass(slots=True)
class AckermannController:
    """Turns a target into throttle, brake and reverse; keeps its own state from step to step."""

    target: AckermannTarget = field(default_factory=AckermannTarget)
    gains: AckermannGains = field(default_factory=AckermannGains)
    steer: float = 0.0
    wanted: float = 0.0
    trim: float = 0.0
    drift: float = 0.0
    last: float = 0.0

    def step(self, speed: float, acceleration: float, lock: float, dt: float) -> tuple[float, float, float, bool]:
        """Throttle, steer (-1..1), brake and reverse for the next step.

        Args:
            speed: forward, m/s.
            acceleration: forward, m/s².
            lock: wheel angle in radians that a steer of 1 gives.
            dt: seconds.
        """
        target = self.target
        angle = min(max(target.steer, -lock), lock)
        if target.steer_speed > 0.0:
            turn = target.steer_speed * dt
            angle = min(max(angle, self.steer - turn), self.steer + turn)
        self.steer = angle
        steer = angle / max(lock, 1e-6)
        backwards = target.speed < 0.0
        sign = -1.0 if backwards else 1.0
        if abs(target.speed) < 1e-3 and abs(speed) < 0.3:
            self.wanted = self.trim = self.drift = 0.0
            return 0.0, steer, 1.0, False
        if speed * sign < -0.5:  # moving the wrong way: brake before changing gear
            return 0.0, steer, 1.0, not backwards
        pedal = self._pedal((target.speed - speed) * sign, acceleration * sign, dt)
        return max(pedal, 0.0), steer, max(-pedal, 0.0), backwards

    def _pedal(self, error: float, acceleration: float, dt: float) -> float:
        """Gas (positive) or brake (negative), from what is missing in m/s and what the car does in m/s²."""
        gains, target = self.gains, self.target
        self.drift = min(max(self.drift + error * dt, -10.0), 10.0)
        wanted = SPEED_UNIT * (gains.speed_kp * error + gains.speed_ki * self.drift) - gains.speed_kd * acceleration
        limit = target.acceleration if target.acceleration > 0.0 else MOST_MPS2
        wanted = min(max(wanted, -limit), limit)
        if target.jerk > 0.0:
            wanted = min(max(wanted, self.wanted - target.jerk * dt), self.wanted + target.jerk * dt)
        self.wanted = wanted
        slope, self.last = acceleration - self.last, acceleration
        change = TRIM_UNIT * (gains.accel_kp * (wanted - acceleration) * dt - gains.accel_kd * slope * dt)
        self.trim = min(max(self.trim + change, -0.5), 0.5)
        return min(max(wanted / (GAS_MPS2 if wanted > 0.0 else BRAKE_MPS2) + self.trim, -1.0), 1.0)
