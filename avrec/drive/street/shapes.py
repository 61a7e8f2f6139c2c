"""The street's solid parts and exact ray intersection with each kind.

Every part fills the cube [-1, 1]^3 of its own unit frame; ``body_from_unit`` places and scales it. A ray keeps its
parameter under an affine map, so the parameter found in the unit frame is the metric distance along the unit ray.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["Kind", "Look", "Part", "Semantic", "convex_half_spaces", "intersect"]

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Look = Mapping[str, float | tuple[float, ...]]
"""Numbers of a part's shader by name."""

Kind = Literal["box", "convex", "ellipsoid", "cylinder"]

_NEAR = np.float32(1e-3)
_FAR = np.float32(np.inf)


class Semantic(IntEnum):
    """Classes of the truth labels, numbered as the widely used 19 street-scene training classes."""

    ROAD = 0
    SIDEWALK = 1
    BUILDING = 2
    WALL = 3
    FENCE = 4
    POLE = 5
    TRAFFIC_LIGHT = 6
    TRAFFIC_SIGN = 7
    VEGETATION = 8
    TERRAIN = 9
    SKY = 10
    PERSON = 11
    RIDER = 12
    CAR = 13


@dataclass(frozen=True)
class Part:
    """One solid.

    Attributes:
        kind: which intersection.
        body_from_part: float64 [4, 4] rigid pose of the part in its body.
        half: float64 [3] half extents, metres; unit frame = part frame / half.
        material: name of its shader in ``materials``.
        look: numbers for the shader (colours, window pitch, ...).
        semantic: label.
        body: 0 for the static world, k for actor k.
        planes: float64 [K, 4], ``n . p <= c`` in the unit frame, for kind "convex".
        thin: True where the part may be narrower than a pixel, so that every pixel it may touch is refined.
    """

    kind: Kind
    body_from_part: Float64
    half: Float64
    material: str
    look: Look = field(default_factory=dict)
    semantic: int = Semantic.BUILDING
    body: int = 0
    planes: Float64 | None = None
    thin: bool = False

    @property
    def body_from_unit(self) -> Float64:
        """Affine placement of the unit frame, float64 [4, 4]."""
        return self.body_from_part @ np.diag([*self.half, 1.0])


def convex_half_spaces(half: Float64, planes: list[tuple[float, float, float, float]]) -> Float64:
    """Half-spaces given in metres (n . p <= c), moved to the unit frame and normalised, after the 6 of the box."""
    box = [[*axis, 1.0] for axis in (*np.eye(3), *-np.eye(3))]
    scaled = np.array([[n[0] * half[0], n[1] * half[1], n[2] * half[2], n[3]] for n in planes]).reshape(-1, 4)
    scaled /= np.linalg.norm(scaled[:, :3], axis=1, keepdims=True)
    return np.concatenate([np.array(box), scaled])


Ray3 = tuple[Float32, Float32, Float32]


def intersect(part: Part, origin: Ray3, direction: Ray3) -> tuple[Float32, NDArray[np.uint8]]:
    """First crossing of rays with a part, from outside.

    Args:
        part: the solid.
        origin: three float32 arrays, unit frame, broadcastable to the direction's.
        direction: three float32 arrays [R, C], unit frame, not normalised.

    Returns:
        (distance along the ray, infinite where it misses; face number).
    """
    if part.kind == "ellipsoid":
        return _sphere(origin, direction)
    if part.kind == "cylinder":
        return _cylinder(origin, direction)
    if part.kind == "box":
        return _box(origin, direction)
    assert part.planes is not None
    return _convex(part.planes.astype(np.float32), origin, direction)


def _slab(o: Float32, d: Float32) -> tuple[Float32, Float32]:
    """Parameters where a ray enters and leaves -1..1 along one axis."""
    inverse: Float32 = np.reciprocal(np.where(np.abs(d) < 1e-12, np.float32(1e-12), d))
    middle, half = -o * inverse, np.abs(inverse)
    return middle - half, middle + half


def _box(o: Ray3, d: Ray3) -> tuple[Float32, NDArray[np.uint8]]:
    x_in, x_out = _slab(o[0], d[0])
    y_in, y_out = _slab(o[1], d[1])
    z_in, z_out = _slab(o[2], d[2])
    t_in = np.maximum(np.maximum(x_in, y_in), z_in)
    t_out = np.minimum(np.minimum(x_out, y_out), z_out)
    hit = (t_in <= t_out) & (t_in > _NEAR)
    # faces 0..2 look along +x +y +z, 3..5 along -x -y -z; the face seen looks against the ray
    axis = np.where(x_in == t_in, 0, np.where(y_in == t_in, 1, 2)).astype(np.uint8)
    facing = np.where(axis == 0, d[0], np.where(axis == 1, d[1], d[2])) > 0
    return np.where(hit, t_in, _FAR), axis + 3 * facing.astype(np.uint8)


def _sphere(o: Ray3, d: Ray3) -> tuple[Float32, NDArray[np.uint8]]:
    a = d[0] * d[0] + d[1] * d[1] + d[2] * d[2]
    nearest = -(o[0] * d[0] + o[1] * d[1] + o[2] * d[2]) / a
    # distance of the line from the centre: no cancellation for a small ball far away
    qx, qy, qz = o[0] + nearest * d[0], o[1] + nearest * d[1], o[2] + nearest * d[2]
    inside = 1 - (qx * qx + qy * qy + qz * qz)
    t = nearest - np.sqrt(np.maximum(inside, 0) / a)
    return np.where((inside > 0) & (t > _NEAR), t, _FAR), np.zeros(t.shape, np.uint8)


def _cylinder(o: Ray3, d: Ray3) -> tuple[Float32, NDArray[np.uint8]]:
    """Axis z, closed by caps: face 0 is the side, 1 the top, 2 the bottom."""
    a = np.maximum(d[0] * d[0] + d[1] * d[1], np.float32(1e-20))
    nearest = -(o[0] * d[0] + o[1] * d[1]) / a
    qx, qy = o[0] + nearest * d[0], o[1] + nearest * d[1]
    inside = 1 - (qx * qx + qy * qy)
    reach = np.sqrt(np.maximum(inside, 0) / a)
    z_in, z_out = _slab(o[2], d[2])
    t_in = np.maximum(nearest - reach, z_in)
    t_out = np.minimum(nearest + reach, z_out)
    hit = (inside > 0) & (t_in <= t_out) & (t_in > _NEAR)
    face = np.where(t_in == z_in, np.where(d[2] < 0, 1, 2), 0).astype(np.uint8)
    return np.where(hit, t_in, _FAR), face


def _convex(planes: Float32, o: Ray3, d: Ray3) -> tuple[Float32, NDArray[np.uint8]]:
    t_in = np.full(np.broadcast_shapes(o[0].shape, d[0].shape), -_FAR, np.float32)
    t_out = np.full_like(t_in, _FAR)
    face = np.zeros(t_in.shape, np.uint8)
    for index, (nx, ny, nz, c) in enumerate(planes):
        slope = nx * d[0] + ny * d[1] + nz * d[2]
        slope = np.where(np.abs(slope) < 1e-12, np.float32(1e-12), slope)
        t = (c - (nx * o[0] + ny * o[1] + nz * o[2])) / slope
        entering = slope < 0
        later = entering & (t > t_in)
        t_in = np.where(later, t, t_in)
        face[later] = index
        t_out = np.where(entering, t_out, np.minimum(t_out, t))
    return np.where((t_in <= t_out) & (t_in > _NEAR), t_in, _FAR), face
