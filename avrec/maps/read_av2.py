"""Argoverse 2 vector maps as lane graphs."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyproj import Proj

from avrec.drive.borders import pair_borders
from avrec.drive.lane_graph import Crosswalk, Lane, LaneGraph, LaneMark, Neighbor
from avrec.drive.move_lanes import move_lanes
from avrec.errors import DataError
from avrec.files import read_bounded
from avrec.geometry import Anchor, local_from_geodetic

__all__ = ["read_av2_map"]

Float64 = NDArray[np.float64]

MAX_BYTES = 32 * 2**20
"""Some twenty times that as Python objects; a log's map has less than two MiB."""
MAX_CROSSINGS = 200_000
_KINDS = {"VEHICLE": "driving", "BIKE": "biking", "BUS": "bus"}
_COLORS = {"WHITE": "white", "YELLOW": "yellow", "BLUE": "blue"}
_LINES = {
    "SOLID": "solid", "DASHED": "broken", "DOUBLE_SOLID": "solid solid", "DOUBLE_DASH": "broken broken",
    "SOLID_DASH": "solid broken", "DASH_SOLID": "broken solid",
}  # fmt: skip
CITIES: Mapping[str, tuple[float, float, int]] = {
    "ATX": (30.27464237939507, -97.7404457407424, 14),
    "DTW": (42.29993066912924, -83.17555750783717, 17),
    "MIA": (25.77452579915163, -80.19656914449405, 17),
    "PAO": (37.416065, -122.13571963362166, 10),
    "PIT": (40.44177902989321, -80.01294377242584, 17),
    "WDC": (38.889377, -77.0355047439081, 18),
}
"""Latitude and longitude of each city frame's origin and its UTM zone, as the dataset publishes them."""


def read_av2_map(
    path: str | Path, *, city: str | None = None, anchor: Anchor | None = None, city_frame: bool = False
) -> LaneGraph:
    """Read ``log_map_archive_*.json`` of an Argoverse 2 log.

    Where the city is known, the map is moved out of the dataset's city frame (UTM, shifted) into the local frame of an
    anchor: re-projected, since UTM is turned and scaled against it. Heights stay as they are. Otherwise it stays in
    the city frame, without an anchor.

    Args:
        path: the file, a log's ``map`` folder, or the log.
        city: three letters; from the file's name where it says so.
        anchor: where the local frame has its origin; in the middle of the map where not given.
        city_frame: stay in the city frame.

    Raises:
        DataError: no such file, not such a map, or an unknown city.
    """
    path = _file(Path(path))
    content = _load(path)
    found = re.search(r"____([A-Z]{3})_", path.name)
    city = city or (found.group(1) if found else None)
    if city is not None and city not in CITIES:
        raise DataError(f"The city {city!r} of {path.name} is unknown; Argoverse 2 has {', '.join(CITIES)}.")
    segments = content.get("lane_segments")
    if not isinstance(segments, dict) or not segments:
        raise DataError(f"{path} has no lane segments. Give the log_map_archive file of an Argoverse 2 log.")
    try:
        lanes = _lanes(segments)
        walks = [
            Crosswalk(str(walk["id"]), np.concatenate([_points(walk["edge1"]), _points(walk["edge2"])[::-1]]))
            for walk in content.get("pedestrian_crossings", {}).values()
        ]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{path} is not an Argoverse 2 map as published: {error!r} is missing or wrong.") from error
    graph = LaneGraph(lanes=lanes, crosswalks=tuple(walks), name=path.stem)
    if city_frame:
        return graph
    if city is None:
        return graph.with_changes(notes=("city unknown: the map stays in the city frame, without an anchor",))
    return _anchored(graph, city, anchor)


def _lanes(segments: Mapping[str, Any]) -> dict[str, Lane]:
    names = {str(segment["id"]) for segment in segments.values()}
    crossings = _junctions(segments)
    lanes: dict[str, Lane] = {}
    for segment in segments.values():
        name = str(segment["id"])
        center, left, right = pair_borders(
            _points(segment["left_lane_boundary"]), _points(segment["right_lane_boundary"])
        )
        lanes[name] = Lane(
            id=name,
            kind=_KINDS.get(segment["lane_type"], "driving"),
            center=center,
            left=left,
            right=right,
            left_marks=_marks(segment["left_lane_mark_type"]),
            right_marks=_marks(segment["right_lane_mark_type"]),
            successors=tuple(str(other) for other in segment["successors"] if str(other) in names),
            predecessors=tuple(str(other) for other in segment["predecessors"] if str(other) in names),
            left_neighbor=_neighbor(segment, "left", segments),
            right_neighbor=_neighbor(segment, "right", segments),
            junction=crossings.get(name),
        )
    return lanes


def _neighbor(segment: Mapping[str, Any], side: str, segments: Mapping[str, Any]) -> Neighbor | None:
    """The lane beside; it drives the same way where their common border runs the same way in both."""
    found = segment.get(f"{side}_neighbor_id")
    if found is None or str(found) not in segments:
        return None
    mine = _points(segment[f"{side}_lane_boundary"])[[0, -1], :2]
    other = segments[str(found)]
    facing = _points(other["right_lane_boundary" if side == "left" else "left_lane_boundary"])[[0, -1], :2]
    turned = _points(other[f"{side}_lane_boundary"])[[-1, 0], :2]
    return Neighbor(str(found), bool(np.linalg.norm(mine - facing) <= np.linalg.norm(mine - turned)))


def _junctions(segments: Mapping[str, Any]) -> dict[str, str]:
    """Intersection lanes that share where they come from or go to, or cross, as junctions named by number."""
    inside = {str(s["id"]): s for s in segments.values() if s["is_intersection"]}
    leader = {name: name for name in inside}

    def root(name: str) -> str:
        while leader[name] != name:
            name = leader[name] = leader[leader[name]]
        return name

    doors: dict[tuple[str, str], str] = {}
    middles = {}
    for name, segment in inside.items():
        middles[name] = pair_borders(
            _points(segment["left_lane_boundary"]), _points(segment["right_lane_boundary"]), 3.0, refine=0
        )[0][:, :2]
        for side in ("predecessors", "successors"):
            for other in segment[side]:
                leader[root(name)] = root(doors.setdefault((side, str(other)), name))
                if str(other) in inside:
                    leader[root(name)] = root(str(other))
    names = list(inside)
    low = np.array([middles[name].min(axis=0) for name in names]).reshape(-1, 2)
    high = np.array([middles[name].max(axis=0) for name in names]).reshape(-1, 2)
    tried = 0
    for index, first in enumerate(names):
        meet = ((low[:index] <= high[index]) & (high[:index] >= low[index])).all(axis=1)
        for second in (names[other] for other in np.flatnonzero(meet)):
            if root(first) == root(second):
                continue
            tried += 1
            if tried > MAX_CROSSINGS:
                raise DataError("Too many intersection lanes of the map lie on one another. Check its coordinates.")
            if _cross(middles[first], middles[second]):
                leader[root(first)] = root(second)
    roots = sorted({root(name) for name in inside})
    return {name: str(1 + roots.index(root(name))) for name in inside}


def _cross(first: Float64, second: Float64) -> bool:
    """Whether two polylines in the plane cross."""
    p, r = first[:-1, None], np.diff(first, axis=0)[:, None]
    q, s = second[None, :-1], np.diff(second, axis=0)[None]
    area = r[..., 0] * s[..., 1] - r[..., 1] * s[..., 0]
    safe = np.where(np.abs(area) < 1e-12, np.inf, area)
    gap = q - p
    t = (gap[..., 0] * s[..., 1] - gap[..., 1] * s[..., 0]) / safe
    u = (gap[..., 0] * r[..., 1] - gap[..., 1] * r[..., 0]) / safe
    return bool(((t > 0) & (t < 1) & (u > 0) & (u < 1)).any())


def _marks(kind: str) -> tuple[LaneMark, ...]:
    line, _, color = kind.rpartition("_")
    return (LaneMark(_LINES[line], _COLORS[color]),) if line in _LINES and color in _COLORS else (LaneMark(),)


def _anchored(graph: LaneGraph, city: str, anchor: Anchor | None) -> LaneGraph:
    """From the city frame into the local frame of an anchor."""
    latitude, longitude, zone = CITIES[city]
    utm = Proj(proj="utm", zone=zone, ellps="WGS84", units="m")
    origin = np.array(utm(longitude, latitude))
    middle = np.mean([lane.center.mean(axis=0) for lane in graph.lanes.values()], axis=0)
    if anchor is None:
        lon, lat = utm(middle[0] + origin[0], middle[1] + origin[1], inverse=True)
        anchor = Anchor(round(float(lat), 7), round(float(lon), 7))
    place = anchor

    def moved(points: Float64) -> Float64:
        lon, lat = utm(points[:, 0] + origin[0], points[:, 1] + origin[1], inverse=True)
        local = local_from_geodetic(place, lat, lon, np.full(len(points), place.altitude_m))
        return np.concatenate([local[:, :2], points[:, 2:]], axis=1)

    return move_lanes(graph, moved).with_changes(
        anchor=anchor,
        notes=(f"re-projected from the city frame of {city}; heights are the dataset's",),
    )


def _points(items: list[Mapping[str, float]]) -> Float64:
    return np.array([[item["x"], item["y"], item["z"]] for item in items], dtype=np.float64)


def _file(path: Path) -> Path:
    if path.is_dir():
        files = sorted([*path.glob("log_map_archive_*.json"), *path.glob("map/log_map_archive_*.json")])
        if len(files) != 1:
            raise DataError(f"{path} holds {len(files)} Argoverse 2 maps. Give the log_map_archive file itself.")
        return files[0]
    return path


def _load(path: Path) -> Mapping[str, Any]:
    try:
        content = json.loads(read_bounded(path, MAX_BYTES))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} could not be read as JSON ({error}). Check the path and the file.") from error
    if not isinstance(content, dict):
        raise DataError(f"{path} holds no map. Give the log_map_archive file of an Argoverse 2 log.")
    return content
