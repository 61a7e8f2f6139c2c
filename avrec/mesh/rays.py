"""Rays against triangles: trees of boxes for surfaces that stand still and bodies that move, and plain pictures."""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avrec.errors import AvrecError, DataError

__all__ = ["Hits", "Kind", "RayStage", "Surface"]

Float64 = NDArray[np.float64]
Float32 = NDArray[np.float32]
Int32 = NDArray[np.int32]
UInt8 = NDArray[np.uint8]

_NAMES = {4: ("v4", "v3", "v2"), 3: ("v3", "v2"), 2: ("v2",)}
FARTHEST_M = 1e9
"""Beyond it single precision ends in infinities, by which no tree can be sorted."""
KINDS = 64
SKY_NUMBERS = 32
LAMP_NUMBERS = 9


class Kind(IntEnum):
    """How a face answers light; ``LAMP + n`` shines when bit n of its body's lamps is set, n from 0 to 31."""

    PLAIN = 0
    ASPHALT = 1
    GRASS = 2
    CONCRETE = 3
    GLASS = 4
    GLOSS = 5
    LAMP = 32


@dataclass(frozen=True)
class Surface:
    """Triangles with what they look like.

    Attributes:
        vertices: float64 [V, 3] metres.
        faces: int32 [F, 3]; both sides are seen.
        colours: float32 [F, 3] linear, 0 to 1.
        paint: float32 [F] share of the colour that the body's own takes; of lamps, what is left when they are off.
        kinds: uint8 [F], see `Kind`.
        labels: uint8 [F], the user's classes.
    """

    vertices: Float64
    faces: Int32
    colours: Float32
    paint: Float32
    kinds: UInt8
    labels: UInt8

    @staticmethod
    def of(
        vertices: ArrayLike,
        faces: ArrayLike,
        colours: ArrayLike,
        label: ArrayLike,
        kind: ArrayLike = 0,
        paint: float = 0.0,
    ) -> Surface:
        """A surface whose colour, label, kind and paint may be the same for all faces."""
        index = np.asarray(faces, dtype=np.int32).reshape(-1, 3)
        count = len(index)
        return Surface(
            np.asarray(vertices, dtype=np.float64).reshape(-1, 3),
            index,
            np.array(np.broadcast_to(np.asarray(colours, dtype=np.float32), (count, 3))),
            np.full(count, paint, np.float32),
            np.array(np.broadcast_to(np.asarray(kind, dtype=np.uint8), (count,))),
            np.array(np.broadcast_to(np.asarray(label, dtype=np.uint8), (count,))),
        )

    @staticmethod
    def joined(parts: list[Surface]) -> Surface:
        """Several surfaces as one."""
        if not parts:
            return Surface.of(np.zeros((0, 3)), np.zeros((0, 3)), (0.0, 0.0, 0.0), 0)
        starts = np.cumsum([0, *(len(part.vertices) for part in parts)])
        return Surface(
            np.concatenate([part.vertices for part in parts]),
            np.concatenate([part.faces + start for part, start in zip(parts, starts, strict=False)], dtype=np.int32),
            np.concatenate([part.colours for part in parts]),
            np.concatenate([part.paint for part in parts]),
            np.concatenate([part.kinds for part in parts]),
            np.concatenate([part.labels for part in parts]),
        )


@dataclass(frozen=True)
class Hits:
    """What rays met first.

    Attributes:
        distance: float32 [R] metres, infinite for nothing.
        body: int32 [R], -1 for nothing.
        label: uint8 [R] of the face, 0 for nothing.
        normal: float32 [R, 3] of the face, towards the ray's start.
    """

    distance: Float32
    body: Int32
    label: UInt8
    normal: Float32


class RayStage:
    """Surfaces, and bodies made of them at their places. Double precision places, single precision rays."""

    def __init__(self) -> None:
        self._native: Any = _module().Caster()
        self._shapes = 0
        self._bodies = 0

    def add(self, surface: Surface) -> int:
        """Keep a surface; returns its number.

        Raises:
            DataError: vertices that are not finite or beyond all measure, faces that name none, kinds that are none, or
                arrays of different lengths.
        """
        _check(surface)
        faces = surface.faces
        materials = np.concatenate([surface.colours, surface.paint[:, None]], axis=1, dtype=np.float32)
        self._shapes += 1
        return int(
            self._native.add(
                np.ascontiguousarray(surface.vertices, np.float64),
                np.ascontiguousarray(faces, np.int32),
                np.ascontiguousarray(materials),
                np.ascontiguousarray(surface.kinds, np.uint8),
                np.ascontiguousarray(surface.labels, np.uint8),
            )
        )

    def place(self, shapes: ArrayLike, poses: Float64, paint: ArrayLike, lamps: ArrayLike) -> None:
        """Put bodies into the world, in place of all before.

        Args:
            shapes: [B] numbers of surfaces.
            poses: float64 [B, 4, 4] world_from_body, rigid.
            paint: [B, 3] linear colours.
            lamps: [B] bits.

        Raises:
            DataError: unknown shapes, or arrays of different lengths.
        """
        number = np.ascontiguousarray(shapes, np.int32)
        count = len(number)
        if count and (number.min() < 0 or number.max() >= self._shapes):
            raise DataError(f"A body is made of surface {number.max()}; there are {self._shapes}.")
        places = np.concatenate([poses[:, :3, :3].reshape(count, 9), poses[:, :3, 3]], axis=1)
        colours = np.ascontiguousarray(np.asarray(paint, np.float32).reshape(-1, 3))
        bits = np.ascontiguousarray(lamps, np.uint32)
        if not len(places) == len(colours) == len(bits) == count:
            raise DataError(f"{count} bodies have {len(places)} poses, {len(colours)} colours and {len(bits)} lamps.")
        self._bodies = count
        self._native.place(number, np.ascontiguousarray(places), colours, bits)

    def trace(self, origin: ArrayLike, directions: NDArray[Any], reach_m: float, *, width: int = 0) -> Hits:
        """What rays from one point meet first.

        Args:
            origin: [3] metres.
            directions: [R, 3] of unit length.
            reach_m: farthest.
            width: of the picture whose rows the rays are, for speed; 0 for none.

        Raises:
            DataError: directions that are not finite, or no whole number of rows.
        """
        ways = np.ascontiguousarray(directions, np.float32).reshape(-1, 3)
        count = len(ways)
        if width < 0 or (width and count % width):
            raise DataError(f"{count} rays are no picture with rows of {width}.")
        _finite(ways)
        hits = Hits(
            np.empty(count, np.float32),
            np.empty(count, np.int32),
            np.empty(count, np.uint8),
            np.empty((count, 3), np.float32),
        )
        start = np.ascontiguousarray(origin, np.float64).reshape(3)
        if count:
            self._native.trace(start, ways, width, float(reach_m), hits.distance, hits.body, hits.label, hits.normal)
        return hits

    def picture(self, origin: ArrayLike, rays: NDArray[Any], sky: ArrayLike, lamps: ArrayLike) -> UInt8:
        """A picture with shadows and smoothed edges, uint8 [H, W, 4] BGRA.

        Args:
            origin: [3] metres.
            rays: [H, W, 3] of unit length.
            sky: float32 [32] as ``Sky`` in native/look.h lists them.
            lamps: float32 [L, 9] spotlights: place relative to the origin, direction, linear colour.

        Raises:
            DataError: arrays of other shapes, or rays that are not finite.
        """
        ways = np.ascontiguousarray(rays, np.float32)
        numbers = np.asarray(sky, np.float32)
        lights = np.ascontiguousarray(lamps, np.float32).reshape(-1, LAMP_NUMBERS)
        if ways.ndim != 3 or ways.shape[2] != 3 or numbers.shape != (SKY_NUMBERS,):
            raise DataError(f"A picture needs rays [H, W, 3] and {SKY_NUMBERS} numbers of the sky.")
        _finite(ways)
        out = np.empty((*ways.shape[:2], 4), np.uint8)
        if out.size:
            start = np.ascontiguousarray(origin, np.float64).reshape(3)
            self._native.picture(start, ways, numbers.tolist(), lights, out)
        return out


def _check(surface: Surface) -> None:
    """The native code reads as many numbers as there are faces, and trusts them."""
    vertices, faces = surface.vertices, surface.faces
    if not np.abs(vertices).max(initial=0.0) <= FARTHEST_M:
        raise DataError(f"A surface has a vertex that is not finite, or beyond {FARTHEST_M:g} m. Remove such vertices.")
    if len(faces) and (faces.min() < 0 or faces.max() >= len(vertices)):
        raise DataError(f"A face names none of the {len(vertices)} vertices. Count from 0.")
    found = tuple(
        each.shape for each in (vertices, faces, surface.colours, surface.paint, surface.kinds, surface.labels)
    )
    count = len(faces)
    if found != ((len(vertices), 3), (count, 3), (count, 3), (count,), (count,), (count,)):
        raise DataError(f"A surface of {count} faces has arrays of the shapes {found}. Give one row for each face.")
    if surface.kinds.max(initial=0) >= KINDS:
        raise DataError(f"There is no kind {surface.kinds.max()} of face. Choose one below {KINDS}.")


def _finite(ways: Float32) -> None:
    if not np.isfinite(ways).all():
        raise DataError("A ray's direction is not finite. Leave such rays out.")


@cache
def _module() -> ModuleType:
    """The best build that this processor runs, or the one that AVREC_KERNEL names."""
    wanted = os.environ.get("AVREC_KERNEL")
    first = next((found for name in ("v2", "generic") if (found := _build(name)) is not None), None)
    names = (wanted,) if wanted else _NAMES.get(first.level() if first is not None else 4, ("v2",))
    for name in (*names, "generic"):
        found = _build(name)
        if found is not None:
            return found
    raise AvrecError(
        "The ray caster is not built for this processor. "
        "Build it with a C++17 compiler: pip install . in avrec's folder, or ./install_nurec.sh install."
    )


def _build(name: str) -> ModuleType | None:
    try:
        return import_module(f"avrec.mesh.native._rays_{name}")
    except ImportError:
        return None
