"""How each reader takes latitude, longitude and height out of a map's `geoReference`.

The rules differ, and a text that suits one is refused by another. Written from their descriptions.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable

from avrec.geometry import Anchor

__all__ = [
    "READERS",
    "alpasim_reads",
    "carla_reads",
    "geo_reference_in",
    "proj_accepts",
    "recipe_reads",
    "ros_reads",
]


def carla_reads(text: str) -> Anchor:
    """CARLA's NuRec client: single spaces; exactly one token with each name; values from a fixed place.

    Raises:
        ValueError: it prints an error and uses the identity.
    """
    tokens = text.split(" ")
    values = (_only(tokens, "+lat_0")[7:], _only(tokens, "+lon_0")[7:], _only(tokens, "+=alt_0")[8:])
    return _anchor(*values)


def alpasim_reads(text: str) -> Anchor:
    """AlpaSim (trajdata): any white space; tokens that start with the name; another altitude token.

    Raises:
        ValueError: it uses the identity.
    """
    found = {}
    for token in text.split():
        key, _, value = token.partition("=")
        found[key] = value
    if "+lat_0" not in found or "+lon_0" not in found:
        raise ValueError("there is no +lat_0= or no +lon_0=")
    return _anchor(found["+lat_0"], found["+lon_0"], found.get("+alt_0", found.get("+h_0", "0")))


def recipe_reads(text: str) -> Anchor:
    """NVIDIA's documented recipe: single spaces; tokens that start with the name and the sign.

    Raises:
        ValueError: it stops.
    """
    found = {"+lat_0=": "", "+lon_0=": "", "+alt_0=": "0"}
    for token in text.split(" "):
        for name in found:
            if token.startswith(name):
                found[name] = token.removeprefix(name)
    return _anchor(*found.values())


def ros_reads(text: str) -> Anchor:
    """A ROS-based reader: sliced like CARLA's, but either spelling of the altitude, one token in all.

    Raises:
        ValueError: it stops.
    """
    tokens = text.split(" ")
    altitude = [token for token in tokens if "+=alt_0" in token or "+alt_0" in token]
    if len(altitude) != 1:
        raise ValueError(f"{len(altitude)} tokens give an altitude")
    return _anchor(_only(tokens, "+lat_0")[7:], _only(tokens, "+lon_0")[7:], altitude[0][8:])


READERS: dict[str, Callable[[str], Anchor]] = {
    "carla": carla_reads,
    "alpasim": alpasim_reads,
    "NVIDIA's recipe": recipe_reads,
    "ROS readers": ros_reads,
}
"""All of them, by name."""


def proj_accepts(text: str) -> bool:
    """Whether PROJ, and so CARLA's own map loader, GIS tools and `pyproj`, can read it."""
    from pyproj import CRS
    from pyproj.exceptions import ProjError

    if len(text) > 2000:
        return False
    try:
        CRS.from_user_input(text.strip())
    except (ProjError, ValueError, TypeError):
        return False
    return True


def geo_reference_in(data: bytes) -> str | None:
    """The text in the header of a map, without reading its roads; None where there is none."""
    found = re.search(rb"<geoReference[^>]*>(.{1,600}?)</geoReference>", data[: 1 << 16], re.DOTALL)
    if found is None:
        return None
    text = found[1].decode("utf-8", "replace").strip()
    return text.removeprefix("<![CDATA[").removesuffix("]]>").strip()


def _only(tokens: list[str], name: str) -> str:
    found = [token for token in tokens if name in token]
    if len(found) != 1:
        raise ValueError(f"{len(found)} tokens contain {name}, not one")
    return found[0]


def _anchor(latitude: str, longitude: str, altitude: str) -> Anchor:
    values = [float(value) for value in (latitude, longitude, altitude)]
    limits = (90.0, 360.0, 1e5)
    if any(not math.isfinite(value) or abs(value) > limit for value, limit in zip(values, limits, strict=True)):
        raise ValueError(f"{latitude[:20]}, {longitude[:20]}, {altitude[:20]} is no place on Earth")
    return Anchor(values[0], (values[1] + 180) % 360 - 180 if abs(values[1]) > 180 else values[1], values[2])
