"""A road's reference line in plan view: OpenDRIVE's geometry elements, evaluated by arc length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Arc", "Curve", "Line", "ParamPoly3", "ReferenceLine", "Spiral", "poly3"]

Float64 = NDArray[np.float64]

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(6)
_TABLE = 257


@dataclass(frozen=True)
class Line:
    """Straight ahead."""

    def local(self, d: Float64, length: float) -> tuple[Float64, Float64, Float64, Float64]:
        """At distances [N] from the element's start: x, y, heading and curvature in the element's own frame."""
        zero = np.zeros_like(d)
        return d, zero, zero, zero


@dataclass(frozen=True)
class Arc:
    """Constant curvature, 1/m, positive to the left."""

    curvature: float

    def local(self, d: Float64, length: float) -> tuple[Float64, Float64, Float64, Float64]:
        """See `Line.local`."""
        angle = self.curvature * d
        half = angle / 2
        chord = d * np.sinc(half / np.pi)
        return chord * np.cos(half), chord * np.sin(half), angle, np.full_like(d, self.curvature)


@dataclass(frozen=True)
class Spiral:
    """Curvature changing linearly along the element (a clothoid)."""

    start: float
    end: float

    def local(self, d: Float64, length: float) -> tuple[Float64, Float64, Float64, Float64]:
        """See `Line.local`. Heading is integrated by Gauss-Legendre over steps that turn little."""
        rate = (self.end - self.start) / length
        turn = max(abs(self.start), abs(self.end)) * length
        knots = np.linspace(0.0, length, int(np.ceil(turn / 0.2)) + 2)
        grid = np.unique(np.concatenate([knots, d]))
        half = np.diff(grid)[:, None] / 2
        at = grid[:-1, None] + half * (1 + _NODES)
        angles = at * (self.start + rate * at / 2)
        steps = np.stack([(np.cos(angles) * _WEIGHTS).sum(1), (np.sin(angles) * _WEIGHTS).sum(1)]) * half[:, 0]
        sums = np.concatenate([np.zeros((2, 1)), np.cumsum(steps, axis=1)], axis=1)
        index = np.searchsorted(grid, d)
        return sums[0, index], sums[1, index], d * (self.start + rate * d / 2), self.start + rate * d


@dataclass(frozen=True)
class ParamPoly3:
    """``u(p)``, ``v(p)`` cubic for p in 0..``span``; stations are spread over p by the curve's true arc length."""

    u: tuple[float, float, float, float]
    v: tuple[float, float, float, float]
    span: float

    def local(self, d: Float64, length: float) -> tuple[Float64, Float64, Float64, Float64]:
        """See `Line.local`."""
        grid = np.linspace(0.0, self.span, _TABLE)
        p = np.interp(d, self._arc * (length / max(self._arc[-1], 1e-12)), grid)
        x, y = _polynomial(self.u, p), _polynomial(self.v, p)
        dx, dy = _derivative(self.u, p), _derivative(self.v, p)
        ddx, ddy = _second(self.u, p), _second(self.v, p)
        speed = np.maximum(np.hypot(dx, dy), 1e-9)
        return x, y, np.arctan2(dy, dx), (dx * ddy - dy * ddx) / speed**3

    @cached_property
    def _arc(self) -> Float64:
        """Arc length from p = 0 at the table's parameters, float64 [_TABLE]."""
        grid = np.linspace(0.0, self.span, _TABLE)
        half = np.diff(grid)[:, None] / 2
        at = grid[:-1, None] + half * (1 + _NODES)
        speed = np.hypot(_derivative(self.u, at), _derivative(self.v, at))
        return np.concatenate([[0.0], np.cumsum((speed * _WEIGHTS).sum(1) * half[:, 0])])

    @property
    def arc_length(self) -> float:
        """Length of the curve over its parameter range."""
        return float(self._arc[-1])


def poly3(v: tuple[float, float, float, float], length: float) -> ParamPoly3:
    """``v(u)`` cubic along a curve of a given length: the parameter range is found that has this arc length."""
    span = length
    for _ in range(8):
        curve = ParamPoly3((0.0, 1.0, 0.0, 0.0), v, span)
        span *= length / max(curve.arc_length, 1e-12)
    return ParamPoly3((0.0, 1.0, 0.0, 0.0), v, span)


Curve = Line | Arc | Spiral | ParamPoly3


@dataclass(frozen=True)
class ReferenceLine:
    """Elements one after another.

    Attributes:
        starts: float64 [E] stations at which the elements start, rising.
        poses: float64 [E, 3] x, y and heading of each start.
        curves: E shapes.
        length: of the whole line, metres.
    """

    starts: Float64
    poses: Float64
    curves: Sequence[Curve]
    length: float
    ends: Float64 = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "ends", np.append(self.starts[1:], self.length))

    def at(self, s: ArrayLike) -> tuple[Float64, Float64, Float64]:
        """Points [N, 2], headings [N] and curvatures [N] at stations [N]; straight on beyond both ends."""
        wanted = np.asarray(s, dtype=np.float64)
        inside = np.clip(wanted, self.starts[0], self.length)
        element = np.clip(np.searchsorted(self.starts, inside, side="right") - 1, 0, len(self.curves) - 1)
        points, headings, curvatures = np.empty((len(wanted), 2)), np.empty(len(wanted)), np.empty(len(wanted))
        order = np.argsort(element, kind="stable")
        found, first = np.unique(element[order], return_index=True)
        for index, mine in zip(found, np.split(order, first[1:]), strict=True):
            length = max(float(self.ends[index] - self.starts[index]), 1e-12)
            x, y, turn, curvature = self.curves[index].local(inside[mine] - self.starts[index], length)
            x0, y0, heading = self.poses[index]
            points[mine, 0] = x0 + x * np.cos(heading) - y * np.sin(heading)
            points[mine, 1] = y0 + x * np.sin(heading) + y * np.cos(heading)
            headings[mine], curvatures[mine] = heading + turn, curvature
        beyond = wanted - inside
        points += beyond[:, None] * np.stack([np.cos(headings), np.sin(headings)], axis=1)
        return points, headings, curvatures


def _polynomial(k: tuple[float, float, float, float], p: Float64) -> Float64:
    return k[0] + p * (k[1] + p * (k[2] + p * k[3]))


def _derivative(k: tuple[float, float, float, float], p: Float64) -> Float64:
    return k[1] + p * (2 * k[2] + 3 * p * k[3])


def _second(k: tuple[float, float, float, float], p: Float64) -> Float64:
    return 2 * k[2] + 6 * p * k[3]
