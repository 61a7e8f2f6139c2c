"""The projection line in an OpenDRIVE header, spelled so that every known reader understands the same place.

PROJ refuses the token ``+=alt_0=0`` that CARLA's NuRec reader looks for; ``x+=alt_00`` satisfies both: PROJ skips an
unknown parameter, CARLA takes what follows the eighth character. Readers that know ``+alt_0=`` find none and take 0,
so the altitude is 0 for all of them, and heights in the map are heights above the ellipsoid or the anchor lies on it.
"""

from __future__ import annotations

import re

from avrec.drive.lane_graph import LaneGraph
from avrec.errors import DataError
from avrec.geometry import Anchor

__all__ = ["anchor_of_geo_reference", "geo_reference", "geo_reference_of"]

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"


def geo_reference(anchor: Anchor) -> str:
    """The projection whose origin is the anchor. Its altitude is not part of it."""
    latitude, longitude = (_plain(value) for value in (anchor.latitude_deg, anchor.longitude_deg))
    return (
        f"+proj=tmerc +lat_0={latitude} +lon_0={longitude} +k=1 +x_0=0 +y_0=0 x+=alt_00 +datum=WGS84 +units=m +no_defs"
    )


def anchor_of_geo_reference(text: str) -> Anchor | None:
    """The anchor of a projection whose origin lies at x = y = 0; ``None`` for all others (UTM, for example).

    Lines that only give ``+lat_0`` and ``+lon_0``, as CARLA's towns do, count as a transverse Mercator there.
    """
    values = dict(re.findall(rf"(?:^|\s)\+([a-z]+_?0?)=({_NUMBER}|\S+)", text))
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


def geo_reference_of(graph: LaneGraph) -> str:
    """The projection line of a map: its anchor's, else the one it was read with, else empty."""
    return geo_reference(graph.anchor) if graph.anchor is not None else graph.geo_reference


def _plain(value: float) -> str:
    """Decimal digits without an exponent, at least one after the point; 1e-10 degree is 11 micrometres."""
    shown = f"{value:.10f}".rstrip("0")
    return shown + "0" if shown.endswith(".") else shown
