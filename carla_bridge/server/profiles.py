"""What differs between the versions of the client, which never says which one it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from avrec.errors import AvrecError

__all__ = ["PROFILES", "Profile", "profile_of"]

_COMMON = (
    "collision",
    "depth",
    "normals",
    "dvs",
    "gnss",
    "imu",
    "lane_invasion",
    "obstacle",
    "optical_flow",
    "radar",
    "lidar_semantic",
    "lidar",
    "rss",
    "rgb",
    "semantic_segmentation",
    "instance_segmentation",
)
"""The registry of sensors compiled into the client, in its order; the number of a sensor is its place."""


@dataclass(frozen=True)
class Profile:
    """One version of the protocol.

    Attributes:
        version: as the server answers.
        sensor_types: number of each kind of stream.
        first_attribute_type: number of the boolean attribute type; the others follow.
        subscribes_anew: whether this client leaves the world's stream when it has loaded a world, and comes back.
    """

    version: str
    sensor_types: Mapping[str, int]
    first_attribute_type: int
    subscribes_anew: bool


def _numbers(*names: str) -> dict[str, int]:
    return {name: number for number, name in enumerate(names)}


PROFILES: Mapping[str, Profile] = {
    "0.9.16": Profile(
        "0.9.16",
        _numbers(*_COMMON, "cosmos", "world", "gbuffer_u8", "gbuffer_f32", "v2x", "v2x_custom"),
        first_attribute_type=1,
        subscribes_anew=True,
    ),
    "0.9.15": Profile(
        "0.9.15",
        _numbers(*_COMMON, "world", "gbuffer_u8", "gbuffer_f32"),
        first_attribute_type=0,
        subscribes_anew=False,
    ),
}


def profile_of(version: str) -> Profile:
    """The profile of a client's version.

    Raises:
        AvrecError: no such profile.
    """
    try:
        return PROFILES[version]
    except KeyError:
        raise AvrecError(f"There is no profile for CARLA {version}. Choose one of: {', '.join(PROFILES)}.") from None
