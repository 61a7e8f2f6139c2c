"""The map beside a recording, and maps in any format that avrec reads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pyproj import Proj
from pyproj.exceptions import ProjError
from scipy.spatial import cKDTree

from avrec.drive import Drive
from avrec.drive.lane_graph import LaneGraph
from avrec.drive.move_lanes import move_lanes
from avrec.errors import DataError
from avrec.geometry import Anchor, geodetic_from_local, local_from_geodetic
from avrec.maps.read_av2 import read_av2_map
from avrec.maps.read_opendrive import read_opendrive
from avrec.maps.street_map import read_street_map

__all__ = ["drive_map", "open_map"]

Float64 = NDArray[np.float64]

_LONGEST_PROJECTION = 2000
_ON_ROAD_M = 15.0
_LEVEL_M = 0.3
_HEAD_BYTES = 4096


def open_map(path: str | Path) -> LaneGraph:
    """Read a map: an ``.xodr`` file, an Argoverse 2 log or vector map, a ``map.json`` that avrec wrote, or a drive's.

    Args:
        path: the file, or the folder of the log or drive.

    Returns:
        In its own frame; for a drive, in the drive's world.

    Raises:
        DataError: nothing there, or no map that avrec knows.
    """
    path = Path(path)
    if not path.exists():
        raise DataError(f"There is nothing at {path}. Check the spelling of the path.")
    if path.is_dir():
        if any(path.glob("log_map_archive_*.json")) or any(path.glob("map/log_map_archive_*.json")):
            return read_av2_map(path)
        try:
            drive = Drive.open(path)
        except DataError as reason:
            raise DataError(
                f"{path} holds no map that avrec knows: there is no log_map_archive_*.json of Argoverse 2 in it or in "
                f"its map/. As a recording with a map beside it: {reason}"
            ) from reason
        graph = drive_map(drive)
        if graph is None:
            raise DataError(f"The drive {path} has no map beside it. Try: avrec map infer {path} -o map.xodr")
        return graph
    if path.name == "transforms.json":
        return open_map(path.resolve().parent)
    if path.suffix.lower() == ".json":
        return read_street_map(path) if _is_street_map(path) else read_av2_map(path)
    return read_opendrive(path)


def drive_map(drive: Drive) -> LaneGraph | None:
    """The map beside a recording (``drive.map_path``), in the drive's world; ``None`` where there is none.

    A street's ``map.json`` is in the recording's coordinates. Maps with a place on Earth are re-projected to the
    drive's anchor; those without, and all where the drive has no anchor, are taken to be in the recording's
    coordinates. A map's own anchor then says where the drive's world is; a projection that has no anchor (UTM, say) is
    kept where the world's coordinates are the recording's. Where heights count from elsewhere (the ellipsoid, a city's
    own zero), the road is moved below the path that was driven on it, and a note says so.

    Raises:
        DataError: the map cannot be read, or lies nowhere near the drive.
    """
    path = drive.map_path
    if path is None:
        return None
    origin = np.asarray(drive.origin_m, dtype=np.float64)

    def recorded(points: Float64) -> Float64:
        return points - origin

    if path.suffix.lower() == ".json" and path.is_file() and _is_street_map(path):
        return move_lanes(read_street_map(path, anchor=drive.anchor), recorded)
    if path.suffix.lower() == ".json" or path.is_dir():
        if drive.anchor is not None:
            graph = read_av2_map(path, anchor=drive.anchor)
        else:
            graph = read_av2_map(path, city_frame=True)
        if graph.anchor is None:
            graph = move_lanes(graph, recorded)
    else:
        graph = read_opendrive(path)
        project = None if drive.anchor is None else _to_local(graph, drive.anchor)
        place = _place(graph, drive)
        graph = move_lanes(graph, project or recorded, 0.0 if project is None else _turn(graph, project))
        graph = graph.with_changes(anchor=place.anchor, geo_reference=place.geo_reference, notes=place.notes)
        return _below_path(graph, drive)
    return _below_path(graph.with_changes(anchor=drive.anchor), drive)


def _place(graph: LaneGraph, drive: Drive) -> LaneGraph:
    """The graph with anchor and projection of the drive's world: the drive's, else its own."""
    if drive.anchor is not None:
        return graph.with_changes(anchor=drive.anchor, geo_reference="")
    if not any(drive.origin_m):
        return graph
    if graph.anchor is not None:
        latitude, longitude, altitude = geodetic_from_local(graph.anchor, np.asarray(drive.origin_m, np.float64))
        return graph.with_changes(anchor=Anchor(float(latitude), float(longitude), float(altitude)))
    note = "the map's place on Earth was left out, since the world's origin was moved away from the map's"
    return graph.with_changes(geo_reference="", notes=(*graph.notes, *([note] if graph.geo_reference else [])))


def _to_local(graph: LaneGraph, anchor: Anchor) -> Callable[[Float64], Float64] | None:
    """From a map's coordinates into the local frame of an anchor; ``None`` where the map has no place on Earth."""
    if graph.anchor is not None:
        place = graph.anchor
        return lambda points: _local(anchor, geodetic_from_local(place, points)[:, :2], points)
    if not graph.geo_reference or len(graph.geo_reference) > _LONGEST_PROJECTION:
        return None
    try:
        projection = Proj(graph.geo_reference.replace("+=alt_0=0", ""))
    except ProjError:
        return None

    def moved(points: Float64) -> Float64:
        longitude, latitude = projection(points[:, 0], points[:, 1], inverse=True)
        return _local(anchor, np.stack([latitude, longitude], axis=1), points)

    return moved


def _local(anchor: Anchor, places: Float64, points: Float64) -> Float64:
    found = local_from_geodetic(anchor, places[:, 0], places[:, 1], np.full(len(points), anchor.altitude_m))
    return np.concatenate([found[:, :2], points[:, 2:]], axis=1)


def _turn(graph: LaneGraph, moved: Callable[[Float64], Float64]) -> float:
    """By how much a frame turns headings, radians, in the middle of the map (over a map it varies by little)."""
    middle = next(iter(graph.lanes.values())).center[:1]
    step = moved(np.concatenate([middle, middle + np.array([1.0, 0.0, 0.0])]))
    return float(np.arctan2(step[1, 1] - step[0, 1], step[1, 0] - step[0, 0]))


def _below_path(graph: LaneGraph, drive: Drive) -> LaneGraph:
    """The graph with its roads as high as the path that was driven on them."""
    points = np.concatenate([lane.center for lane in graph.lanes.values() if lane.drivable] or [np.zeros((0, 3))])
    if not len(points):
        return graph
    path = drive.ego.poses[:, :3, 3]
    distance, nearest = cKDTree(points[:, :2]).query(path[:, :2])
    on_road = distance < _ON_ROAD_M
    if not on_road.any():
        raise DataError(
            f"The map {drive.map_path} lies {distance.min() / 1000:.1f} km from the drive. Give the map of this place, "
            "or correct its geoReference or the drive's anchor."
        )
    above = float(np.median(path[on_road, 2] - points[nearest[on_road], 2]))
    if abs(above) < _LEVEL_M:
        return graph
    note = f"the map's heights were moved by {above:.2f} m, so that the road lies below the driven path"
    anchor = graph.anchor
    if drive.anchor is None and anchor is not None:
        anchor = replace(anchor, altitude_m=anchor.altitude_m - above)
    moved = move_lanes(graph, lambda line: line + np.array([0.0, 0.0, above]))
    return moved.with_changes(anchor=anchor, notes=(*graph.notes, note))


def _is_street_map(path: Path) -> bool:
    """Whether a JSON file says that it is a map in avrec's own form."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError as error:
        raise DataError(f"{path} could not be read: {error.strerror or error}. Check the path.") from error
    return b"avrec-lane-graph" in head
