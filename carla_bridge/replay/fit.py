"""Which blueprint stands for a recorded actor, and where its body sits in the recorded box."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avrec.drive.kinds import KINDS, kind_of
from avrec.geometry import transform_from
from carla_bridge.frames import flip_points
from carla_bridge.server.blueprints import catalogue

__all__ = [
    "KINDS",
    "actor_from_box",
    "actor_from_rig",
    "kind_of",
    "known_sizes",
    "ranked",
    "track_in_role",
    "track_role",
]

Float64 = NDArray[np.float64]

_BASE_TYPES: Mapping[str, tuple[str, ...]] = {
    "car": ("car", "van", "truck"),
    "truck": ("truck", "van", "bus"),
    "bus": ("bus", "truck"),
    "motorcycle": ("motorcycle",),
    "bicycle": ("bicycle",),
}
_REAR_AXLE = 0.58
"""Distance from the middle to the rear axle as a share of half the length, of an ordinary car."""
_ROLE = "track "


def track_role(track_id: str) -> str:
    """The ``role_name`` of the actor that stands for a track; the embedded world draws its Gaussians by it."""
    return _ROLE + track_id


def track_in_role(role_name: str) -> str | None:
    """Id of the track that an actor with this ``role_name`` stands for."""
    return role_name[len(_ROLE) :] if role_name.startswith(_ROLE) else None


@lru_cache(maxsize=1)
def known_sizes() -> Mapping[str, tuple[float, float, float]]:
    """Half sizes of the blueprints that CARLA has, approximate; clients only learn them from spawned actors."""
    return {name: blueprint.half for name, blueprint in catalogue().items() if blueprint.half[0] > 0.0}


def ranked(kind: str, size_m: ArrayLike, library: Iterable[Any]) -> list[str]:
    """Blueprints of a kind, the one whose box differs least from the actor's first.

    Args:
        kind: a key of :data:`KINDS`.
        size_m: length, width and height of the recorded box.
        library: the server's `carla.BlueprintLibrary`.

    Returns:
        Ids, sorted by the sum of squared differences of the half sizes, then by name. Blueprints of unknown size come
        last; where the library has none of the kind, any vehicle (or prop) may come.
    """
    every = list(library)
    found = [blueprint.id for blueprint in every if _is(blueprint, kind)]
    if not found:
        found = [each.id for each in every if each.id.startswith("static.prop." if kind == "prop" else "vehicle.")]
    wanted = np.asarray(size_m, dtype=np.float64) / 2
    sizes = known_sizes()

    def order(name: str) -> tuple[float, str]:
        half = sizes.get(name)
        return (np.inf if half is None else float(((np.array(half) - wanted) ** 2).sum()), name)

    return sorted(found, key=order)


def _is(blueprint: Any, kind: str) -> bool:
    name = str(blueprint.id)
    if kind == "person":
        return name.startswith("walker.pedestrian.")
    if kind == "prop":
        return name.startswith("static.prop.")
    if not name.startswith("vehicle."):
        return False
    if blueprint.has_attribute("base_type"):
        return str(blueprint.get_attribute("base_type").as_str()).lower() in _BASE_TYPES[kind]
    wheels = blueprint.get_attribute("number_of_wheels").as_int() if blueprint.has_attribute("number_of_wheels") else 4
    return (wheels == 2) == (kind in ("motorcycle", "bicycle"))


def actor_from_box(size_m: ArrayLike, bounding_box: Any) -> Float64:
    """Pose of a recorded box in the frame of the CARLA actor that stands for it, float64 [4, 4].

    Both boxes have the same middle seen from above and stand on the same ground.

    Args:
        size_m: length, width and height of the recorded box.
        bounding_box: the actor's `carla.BoundingBox`.
    """
    middle, half = bounding_box.location, bounding_box.extent
    above = float(np.asarray(size_m, dtype=np.float64)[2]) / 2
    return transform_from(np.eye(3), flip_points((middle.x, middle.y, middle.z - half.z + above)))


def actor_from_rig(bounding_box: Any, wheels_actor: ArrayLike | None = None) -> Float64:
    """Pose of the rig (on the ground under the rear axle) in the frame of the ego's CARLA vehicle, float64 [4, 4].

    Args:
        bounding_box: the vehicle's `carla.BoundingBox`.
        wheels_actor: positions of its wheels [N, 3] in its own frame; None where they are not known.
    """
    middle, half = bounding_box.location, bounding_box.extent
    back = middle.x - _REAR_AXLE * half.x
    if wheels_actor is not None and len(np.asarray(wheels_actor)) >= 2:
        wheels = np.asarray(wheels_actor, dtype=np.float64)
        rear = wheels[wheels[:, 0] <= wheels[:, 0].mean(), 0]
        if np.isfinite(rear).all() and abs(float(rear.mean()) - middle.x) <= half.x:
            back = float(rear.mean())
    return transform_from(np.eye(3), np.array([back, 0.0, 0.0]))
