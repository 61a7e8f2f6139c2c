"""What a renderer of pictures and lidar sweeps has to offer the embedded world.

A `SensorRenderer` gets the world as it is now (`WorldView`) and a sensor (`CameraRequest`), and gives arrays. It knows
nothing of streams, attributes or CARLA's frame. The world calls it between two steps; it must not keep the view.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import radians, tan
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from carla_bridge.world.actor import SOLID, Actor
from carla_bridge.world.pose import Pose
from carla_bridge.world.world import World

__all__ = ["CameraRequest", "RayRenderer", "SensorRenderer", "WorldView", "focal_px", "solid_actors"]

Uint8 = NDArray[np.uint8]
Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class WorldView:
    """The world between two steps, to look at.

    Attributes:
        world: all actors and their motion, in avrec's frame; not to be changed.
        weather: CARLA's 14 numbers.
    """

    world: World
    weather: tuple[float, ...]


@dataclass(frozen=True)
class CameraRequest:
    """One picture to be taken.

    Attributes:
        kind: ``rgb``, ``depth``, ``semantic_segmentation``, ``instance_segmentation``, ``normals``, ``optical_flow``.
        actor: the camera, 0 where the picture belongs to none.
        pose: of the camera in the world: x along the optical axis, y left, z up.
        before: pose at the last picture, for motion.
        width, height: pixels.
        fov_deg: horizontal.
        attributes: of the blueprint, as text.
        step_s: seconds since the last picture.
    """

    kind: str
    actor: int
    pose: Pose
    before: Pose
    width: int
    height: int
    fov_deg: float
    attributes: Mapping[str, str]
    step_s: float = 0.05

    @property
    def focal_px(self) -> float:
        """The focal length, for both axes."""
        return focal_px(self.width, self.fov_deg)


def focal_px(width: int, fov_deg: float) -> float:
    """Focal length in pixels of a camera without distortion that sees ``fov_deg`` across its width."""
    return width / (2 * tan(radians(fov_deg) / 2))


class SensorRenderer(Protocol):
    """Draws what cameras see."""

    def camera(self, view: WorldView, request: CameraRequest) -> Uint8 | Float32:
        """A picture: uint8 [height, width, 4] BGRA as CARLA encodes the kind, or float32 [height, width, 2] flow."""
        ...


@runtime_checkable
class RayRenderer(Protocol):
    """A renderer that also knows what rays meet, better than `carla_bridge.sensors.caster` does."""

    def cast(
        self, view: WorldView, pose: Pose, ways: Float64, reach: float, ignore: frozenset[int]
    ) -> tuple[Float64, NDArray[np.int64], NDArray[np.int64], Float64]:
        """See `carla_bridge.sensors.rack.SensorRack.cast`."""
        ...


def solid_actors(world: World) -> list[Actor]:
    """Actors with a body, for drawing."""
    return [
        actor
        for actor in world.actors.values()
        if actor.kind in SOLID and actor.spec.half[0] > 0.0 and actor.spec.labels
    ]
