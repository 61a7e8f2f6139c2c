"""What a track is: recordings name classes in many words."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["KINDS", "kind_of"]

KINDS: Mapping[str, frozenset[str]] = {
    "car": frozenset({"car", "automobile", "vehicle", "passenger_car", "regular_vehicle", "van", "suv", "trailer"}),
    "truck": frozenset({"truck", "heavy_truck", "large_vehicle", "box_truck", "truck_cab", "construction_vehicle"}),
    "bus": frozenset({"bus", "school_bus", "articulated_bus", "tram", "train"}),
    "motorcycle": frozenset({"motorcycle", "motorcyclist", "motorbike"}),
    "bicycle": frozenset({"bicycle", "cyclist", "bicyclist", "rider", "wheeled_rider"}),
    "person": frozenset({"person", "pedestrian", "people", "walker", "person_sitting", "stroller", "wheelchair"}),
    "prop": frozenset({"barrier", "cone", "traffic_cone", "movable_object", "bollard", "construction_cone", "misc"}),
}
"""Classes that recordings name, by what stands for them."""


def kind_of(label: str, size_m: ArrayLike) -> str:
    """What stands for an actor: a key of :data:`KINDS`. Unknown classes go by their size [3] in metres."""
    word = label.strip().lower().replace(" ", "_").replace("-", "_").rsplit(".", 1)[-1]
    for kind, words in KINDS.items():
        if word in words:
            return kind
    length, width, height = (float(value) for value in np.asarray(size_m))
    if max(length, width) < 1.1:
        return "person" if height > 1.0 else "prop"
    if length < 2.6 and width < 1.2:
        return "bicycle"
    return "car" if length < 6.5 else "truck"
