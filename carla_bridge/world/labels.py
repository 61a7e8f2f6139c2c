"""CARLA's semantic classes."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum

__all__ = ["GROUND", "LABEL_OF_KIND", "Label"]


class Label(IntEnum):
    """Numbers of CARLA 0.9.15 and 0.9.16; those that nothing here takes are left out."""

    NONE = 0
    ROAD = 1
    SIDEWALK = 2
    BUILDING = 3
    POLE = 6
    TRAFFIC_LIGHT = 7
    TRAFFIC_SIGN = 8
    TERRAIN = 10
    SKY = 11
    PEDESTRIAN = 12
    RIDER = 13
    CAR = 14
    TRUCK = 15
    BUS = 16
    MOTORCYCLE = 18
    BICYCLE = 19
    STATIC = 20
    DYNAMIC = 21
    ROAD_LINE = 24
    RAIL = 27


GROUND = (Label.ROAD, Label.SIDEWALK, Label.TERRAIN, Label.ROAD_LINE, Label.RAIL)
"""What one drives and walks on."""
LABEL_OF_KIND: Mapping[str, Label] = {
    "car": Label.CAR,
    "van": Label.CAR,
    "truck": Label.TRUCK,
    "bus": Label.BUS,
    "motorcycle": Label.MOTORCYCLE,
    "bicycle": Label.BICYCLE,
    "person": Label.PEDESTRIAN,
    "prop": Label.STATIC,
}
"""Of kinds of road users, as blueprints and replays name them."""
