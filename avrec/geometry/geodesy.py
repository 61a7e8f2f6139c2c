"""Between the local world and the Earth (WGS84, ellipsoidal heights).

The local frame has x east, y north and z up at the anchor. Over the size of a drive the map projection (transverse
Mercator, scale 1 at the anchor) keeps lengths on the ellipsoid to 1 mm per km within 9 km of the anchor's meridian,
and heights stay heights, as OpenDRIVE files want it; `ecef_from_world` is the flat tangent frame at the anchor.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pyproj import Proj, Transformer

from avrec.errors import DataError
from avrec.geometry.transforms import transform_from

__all__ = [
    "Anchor",
    "anchor_of_geo_reference",
    "anchor_on_ellipsoid",
    "ecef_from_world",
    "geo_reference",
    "geodetic_from_local",
    "local_from_geodetic",
]

Float64 = NDArray[np.float64]

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_LONGEST_REFERENCE = 2000


@dataclass(frozen=True)
class Anchor:
    """Geodetic position of the world's origin.

    Attributes:
        latitude_deg: WGS84, within +-90.
        longitude_deg: WGS84, within +-180.
        altitude_m: height above the ellipsoid.

    Raises:
        DataError: a value out of range or not finite.
    """

    latitude_deg: float
    longitude_deg: float
    altitude_m: float = 0.0

    def __post_init__(self) -> None:
        limits = {"latitude_deg": 90.0, "longitude_deg": 180.0, "altitude_m": 1e5}
        for name, limit in limits.items():
            value = float(getattr(self, name))
            if not abs(value) <= limit:
                raise DataError(f"The anchor's {name} is {value}. Give a number between {-limit:g} and {limit:g}.")
            object.__setattr__(self, name, value)


def local_from_geodetic(
    anchor: Anchor, latitude_deg: ArrayLike, longitude_deg: ArrayLike, altitude_m: ArrayLike
) -> Float64:
    """Local x east, y north, z up in metres, float64 [..., 3], of geodetic positions [...].

    Raises:
        DataError: a position that is not finite or out of the projection's reach.
    """
    latitude, longitude, altitude = np.broadcast_arrays(
        *(np.asarray(values, dtype=np.float64) for values in (latitude_deg, longitude_deg, altitude_m))
    )
    east, north = _projection(anchor)(longitude, latitude)
    local = np.stack([np.asarray(east), np.asarray(north), altitude - anchor.altitude_m], axis=-1)
    if not np.isfinite(local).all():
        raise DataError(
            f"A geodetic position is not finite or too far from the anchor ({anchor.latitude_deg}, "
            f"{anchor.longitude_deg}). Check latitude and longitude, in degrees and in this order."
        )
    return local


def geodetic_from_local(anchor: Anchor, points: ArrayLike) -> Float64:
    """Latitude and longitude in degrees and altitude in metres, float64 [..., 3], of local points [..., 3]."""
    xyz = np.asarray(points, dtype=np.float64)
    longitude, latitude = _projection(anchor)(xyz[..., 0], xyz[..., 1], inverse=True)
    return np.stack([np.asarray(latitude), np.asarray(longitude), xyz[..., 2] + anchor.altitude_m], axis=-1)


def ecef_from_world(anchor: Anchor) -> Float64:
    """Pose of the world (x east, y north, z up at the anchor) in the Earth-centred frame, float64 [4, 4]."""
    origin = _cartesian().transform(anchor.longitude_deg, anchor.latitude_deg, anchor.altitude_m)
    lat, lon = np.radians((anchor.latitude_deg, anchor.longitude_deg))
    east = (-np.sin(lon), np.cos(lon), 0.0)
    north = (-np.sin(lat) * np.cos(lon), -np.sin(lat) * np.sin(lon), np.cos(lat))
    up = (np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat))
    return transform_from(np.stack([east, north, up], axis=-1), origin)


def geo_reference(anchor: Anchor) -> str:
    """The `geoReference` of an OpenDRIVE map in the world frame, readable by PROJ and by every NuRec consumer.

    CARLA's NuRec reader insists on a token with ``+=alt_0`` in it, which PROJ refuses; PROJ lets ``x+=alt_00`` pass as
    a parameter it does not know, and CARLA's reader, which takes the value from the ninth character on, finds 0. The
    height is always 0: the readers understand any other one differently (see :func:`anchor_on_ellipsoid`).
    """
    return (
        f"+proj=tmerc +lat_0={_decimal(anchor.latitude_deg)} +lon_0={_decimal(anchor.longitude_deg)} "
        "+k=1 +x_0=0 +y_0=0 x+=alt_00 +datum=WGS84 +units=m +no_defs"
    )


def anchor_of_geo_reference(text: str) -> Anchor | None:
    """The anchor of a projection whose origin lies at x = y = 0; ``None`` for all others (UTM, for example).

    Lines that only give ``+lat_0`` and ``+lon_0``, as CARLA's towns do, count as a transverse Mercator there.
    """
    values = dict(re.findall(rf"(?:^|\s)\+([a-z]+_?0?)=({_NUMBER}|\S+)", text[:_LONGEST_REFERENCE]))
    if values.get("proj", "tmerc") != "tmerc":
        return None
    try:
        if any(abs(float(values.get(key, "0"))) > 1e-9 for key in ("x_0", "y_0")):
            return None
        if not 0.999999 <= float(values.get("k") or values.get("k_0") or "1") <= 1.000001:
            return None
        return Anchor(float(values["lat_0"]), float(values["lon_0"]))
    except (KeyError, ValueError, DataError):
        return None


def anchor_on_ellipsoid(anchor: Anchor) -> Anchor:
    """The point below (or above) an anchor at ellipsoidal height 0.

    Simulators turn `T_world_base` and the map's `geoReference`, whose height is 0, into the pose of the world in the
    map. With this anchor for both, that pose is the identity, and the map's heights are the world's.
    """
    return Anchor(anchor.latitude_deg, anchor.longitude_deg, 0.0)


def _decimal(degrees: float) -> str:
    """To 1e-12 degrees (a ten-thousandth of a millimetre), without an exponent, which some readers cannot take."""
    text = f"{degrees:.12f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


@lru_cache(maxsize=8)
def _projection(anchor: Anchor) -> Proj:
    return Proj(proj="tmerc", lat_0=anchor.latitude_deg, lon_0=anchor.longitude_deg, k=1, ellps="WGS84", units="m")


@lru_cache(maxsize=1)
def _cartesian() -> Transformer:
    return Transformer.from_pipeline(
        "+proj=pipeline +step +proj=unitconvert +xy_in=deg +xy_out=rad +step +proj=cart +ellps=WGS84"
    )
