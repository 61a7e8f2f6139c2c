"""The street as data: everything that stands, lies or moves in it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from avrec.drive.street.ground import Ground
from avrec.drive.street.light import Light
from avrec.drive.street.motion import EgoMotion, Motion
from avrec.drive.street.road import Road
from avrec.drive.street.shapes import Part

__all__ = ["Actor", "Street"]

Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class Actor:
    """Something with a track.

    Attributes:
        id: unique name.
        label: ``"car"`` or ``"pedestrian"``.
        size_m: float64 [3] box length, width, height.
        motion: pose of the box centre through time.
        moving: False for what stays where it is.
    """

    id: str
    label: str
    size_m: Float64
    motion: Motion
    moving: bool


@dataclass(frozen=True)
class Street:
    """The whole scene.

    Attributes:
        road: reference line.
        ground: road surface and paint.
        parts: all solids; ``part.body`` k > 0 belongs to ``actors[k - 1]``, 0 to the static world.
        actors: by body number.
        ego: how the recording car moves.
        light: sun and baked shadows.
        extent_s: first and last station that are built up.
    """

    road: Road
    ground: Ground
    parts: tuple[Part, ...]
    actors: tuple[Actor, ...]
    ego: EgoMotion
    light: Light
    extent_s: tuple[float, float]

    @cached_property
    def headings(self) -> tuple[Float64, ...]:
        """World-from-body poses at time 0; they fix the light on a body, so that its colours never change."""
        return (np.eye(4), *(actor.motion.poses(np.zeros(())) for actor in self.actors))

    @cached_property
    def body_from_unit(self) -> Float64:
        """Placement of each part's unit frame in its body, [P, 4, 4]."""
        return np.stack([part.body_from_unit for part in self.parts])

    @cached_property
    def unit_from_body(self) -> Float64:
        """Inverse of ``body_from_unit``."""
        return np.asarray(np.linalg.inv(self.body_from_unit), np.float64)

    def world_from_part(self, part: Part) -> Float64:
        """Where a part is at time 0, [4, 4]."""
        return self.headings[part.body] @ part.body_from_part
