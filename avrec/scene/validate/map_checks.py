"""`map.xodr`: whether readers find its place on Earth, and whether the drive lies on its roads."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from avrec.errors import DataError
from avrec.geometry import Anchor, ecef_from_world, invert
from avrec.maps.read_opendrive import read_opendrive
from avrec.maps.xml_text import parse_xml
from avrec.scene.validate.facts import Facts
from avrec.scene.validate.georeference import READERS, proj_accepts
from avrec.scene.validate.report import CONSUMERS, DRIVING, Finding, error, note, warning
from avrec.scene.validate.values import Float64

__all__ = ["check_map"]

MAP = "map.xodr"
_HEADER = f"{MAP}: header/geoReference"
_FAR_M = 10_000.0
_BESIDE_M = 15.0
_ABOVE_M = 2.0
_MOST_POINTS = 300_000
_REMEDY = "Write it as avrec does: +proj=tmerc +lat_0=... +lon_0=... +k=1 +x_0=0 +y_0=0 x+=alt_00 +datum=WGS84 +units=m"
_CARLA = ("carla",)
_ALPASIM = ("alpasim",)


def check_map(data: bytes, facts: Facts) -> Iterator[Finding]:
    """Findings about the file's content."""
    try:
        root = parse_xml(data, "OpenDRIVE")
    except DataError as reason:
        yield error(DRIVING, MAP, str(reason)[:250], "The map cannot be read", "Export it again")
        return
    reference = root.findtext("header/geoReference") or ""
    yield from _reference(reference, facts)
    try:
        graph = read_opendrive(data)
    except DataError as reason:
        yield error(DRIVING, MAP, str(reason)[:250], "The roads cannot be read", "Export the map again")
        return
    lanes = [lane for lane in graph.lanes.values() if lane.kind == "driving"] or list(graph.lanes.values())
    if not lanes:
        yield error(DRIVING, MAP, "it has no lane", "There is nothing to drive on", "Export the map again")
        return
    yield from _meeting(_dense([lane.center for lane in lanes]), facts)


def _reference(text: str, facts: Facts) -> Iterator[Finding]:
    if not text.strip():
        why = "Readers cannot place the map on Earth and put it at the world's origin"
        yield error(_CARLA, _HEADER, "it is missing", why, _REMEDY)
        return
    places: dict[str, Anchor] = {}
    for reader, read in READERS.items():
        try:
            places[reader] = read(text)
        except ValueError as reason:
            found = f"{reader} cannot read it ({str(reason)[:100]})"
            why = "It then takes the identity for the map's place, and cars drive beside the road"
            if reader == "carla":
                yield error(_CARLA, _HEADER, found, why, _REMEDY)
            elif reader == "alpasim":
                yield error(_ALPASIM, _HEADER, found, why, _REMEDY)
            else:
                yield note(DRIVING, _HEADER, found, why, _REMEDY)
    heights = {reader: place.altitude_m for reader, place in places.items()}
    if len(set(heights.values())) > 1 or any(heights.values()):
        found = ", ".join(f"{reader} reads {height:g} m" for reader, height in heights.items())
        why = "Readers understand different altitude tokens, so the map lies at different heights"
        yield error(DRIVING, _HEADER, found, why, "Write altitude 0 (x+=alt_00) and put the world's origin on it")
    if not proj_accepts(text):
        why = "GIS tools and converters refuse the map; PROJ stops at the token +=alt_0"
        yield warning(CONSUMERS, _HEADER, "PROJ refuses it", why, _REMEDY)
    place = places.get("carla") or places.get("alpasim")
    if place is not None and facts.ecef_from_world is not None:
        facts.map_from_world = invert(ecef_from_world(place)) @ facts.ecef_from_world
        shift = float(np.linalg.norm(facts.map_from_world[:3, 3]))
        if shift > _FAR_M:
            found = f"the world of T_world_base lies {shift / 1000:.0f} km from the map"
            why = "CARLA prints an error and takes the identity beyond 10 km"
            remedy = "Write T_world_base and the geoReference for the same anchor"
            yield error(DRIVING, _HEADER, found, why, remedy)
            facts.map_from_world = None


def _meeting(points: Float64, facts: Facts) -> Iterator[Finding]:
    """Whether the drive, moved into the map as readers do it, lies on lanes."""
    if facts.ego_poses is None or facts.map_from_world is None or not np.isfinite(points).all():
        return
    from scipy.spatial import cKDTree

    step = max(1, len(facts.ego_poses) // 200)
    ego = facts.ego_poses[::step, :3, 3] @ facts.map_from_world[:3, :3].T + facts.map_from_world[:3, 3]
    if not np.isfinite(ego).all():
        return
    distance, nearest = cKDTree(points[:, :2]).query(ego[:, :2])
    beside = float(np.median(distance))
    if beside > _BESIDE_M:
        found = f"the drive runs {beside:.0f} m beside the nearest lane"
        why = "Routes and traffic do not meet the recorded road"
        yield warning(DRIVING, MAP, found, why, "Align the map's geoReference, or T_world_base, with the drive")
        return
    above = float(np.median(ego[:, 2] - points[nearest, 2]))
    if abs(above) > _ABOVE_M:
        found = f"the drive runs {abs(above):.1f} m {'above' if above > 0 else 'below'} the road"
        why = "Cars fall, or stand in the ground"
        remedy = "Take the map's heights and T_world_base from the same zero (avrec: the ellipsoid below the anchor)"
        yield warning(DRIVING, MAP, found, why, remedy)


def _dense(lines: list[Float64]) -> Float64:
    """Points along polylines every 2 m, or so far apart that they are not too many, float64 [N, 3]."""
    lengths = [np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))]) for line in lines]
    step = max(2.0, sum(float(length[-1]) for length in lengths) / _MOST_POINTS)
    parts = []
    for line, length in zip(lines, lengths, strict=True):
        along = np.linspace(0.0, length[-1], 2 + int(length[-1] / step))
        parts.append(np.stack([np.interp(along, length, line[:, axis]) for axis in range(3)], axis=-1))
    return np.concatenate(parts)
