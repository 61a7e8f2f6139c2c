"""Triangles with what they look like, for `avrec.mesh.rays`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avrec.errors import DataError

__all__ = ["Kind", "Surface", "check_surface"]

Float64 = NDArray[np.float64]
Float32 = NDArray[np.float32]
Int32 = NDArray[np.int32]
UInt8 = NDArray[np.uint8]

FARTHEST_M = 1e9
"""Beyond it single precision ends in infinities, by which no tree can be sorted."""
KINDS = 64


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


def check_surface(surface: Surface) -> None:
    """Refuse what would mislead native code, which reads as many numbers as there are faces and trusts them.

    Raises:
        DataError: vertices that are not finite or beyond all measure, faces that name none, kinds that are none, or
            arrays of different lengths.
    """
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
