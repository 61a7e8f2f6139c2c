"""Driving by speed and steering angle: two nested PID controllers for the pedals, rate limits for the wheel."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import copysign

__all__ = ["AckermannController", "AckermannGains", "AckermannTarget"]


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

    ``steer_speed`` rad/s and ``acceleration`` m/s² limit how fast, 0 for as fast as possible.
    """

    steer: float = 0.0
    steer_speed: float = 0.0
    speed: float = 0.0
    acceleration: float = 0.0
    jerk: float = 0.0


@dataclass(slots=True)
class _Pid:
    integral: float = 0.0
    last: float = 0.0

    def step(self, error: float, kp: float, ki: float, kd: float, dt: float) -> float:
        self.integral = min(max(self.integral + error * dt, -10.0), 10.0)
        slope = (error - self.last) / dt
        self.last = error
        return kp * error + ki * self.integral + kd * slope


@dataclass(slots=True)
class AckermannController:
    """Turns a target into throttle, brake and reverse; keeps its own state from step to step."""

    target: AckermannTarget = field(default_factory=AckermannTarget)
    gains: AckermannGains = field(default_factory=AckermannGains)
    steer: float = 0.0
    pedal: float = 0.0
    _speed: _Pid = field(default_factory=_Pid)
    _accel: _Pid = field(default_factory=_Pid)

    def step(self, speed: float, acceleration: float, lock: float, dt: float) -> tuple[float, float, float, bool]:
        """Throttle, steer (-1..1), brake and reverse for the next step.

        Args:
            speed: forward, m/s.
            acceleration: forward, m/s².
            lock: wheel angle in radians that a steer of 1 gives.
            dt: seconds.
        """
        target, gains = self.target, self.gains
        angle = min(max(target.steer, -lock), lock)
        if target.steer_speed > 0.0:
            step = target.steer_speed * dt
            angle = min(max(angle, self.steer - step), self.steer + step)
        self.steer = angle
        backwards = target.speed < 0.0
        sign = -1.0 if backwards else 1.0
        error = (target.speed - speed) * sign
        limit = target.acceleration if target.acceleration > 0.0 else 8.0
        if abs(target.speed) < 1e-3 and abs(speed) < 0.3:
            self.pedal = 0.0
            return 0.0, angle / max(lock, 1e-6), 1.0, False
        wanted = self._speed.step(error, gains.speed_kp, gains.speed_ki, gains.speed_kd, dt) * 10.0
        wanted = min(max(wanted, -limit), limit)
        change = self._accel.step(wanted - acceleration * sign, gains.accel_kp, gains.accel_ki, gains.accel_kd, dt)
        self.pedal = min(max(self.pedal + change, -1.0), 1.0)
        # Moving the wrong way: brake before changing gear.
        if speed * sign < -0.5:
            return 0.0, angle / max(lock, 1e-6), 1.0, backwards
        throttle, brake = (self.pedal, 0.0) if self.pedal > 0 else (0.0, -self.pedal)
        return throttle, copysign(min(abs(angle) / max(lock, 1e-6), 1.0), angle), brake, backwards
