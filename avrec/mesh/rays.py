"""Rays against triangles: trees of boxes for surfaces that stand still and bodies that move, and plain pictures."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avrec.errors import AvrecError, DataError
from avrec.mesh.painted import Surface, check_surface

__all__ = ["Hits", "RayStage"]

Float64 = NDArray[np.float64]
Float32 = NDArray[np.float32]
Int32 = NDArray[np.int32]
UInt8 = NDArray[np.uint8]

_NAMES = {4: ("v4", "v3", "v2"), 3: ("v3", "v2"), 2: ("v2",)}
SKY_NUMBERS = 32
LAMP_NUMBERS = 9


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
        check_surface(surface)
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
