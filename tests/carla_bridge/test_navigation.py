from __future__ import annotations

from math import pi
from struct import unpack_from

import numpy as np

from avrec.drive.lane_graph import LaneGraph
from avrec.maps import read_opendrive
from carla_bridge.navigation import Area, navigation_file, walk_mesh
from carla_bridge.navigation.verges import verges
from tests.carla_bridge.support import LANE_M, RADIUS_M, STRAIGHT_M, WALK_M, loop_map


def area(points: np.ndarray) -> float:
    x, y = points[:, 0], points[:, 1]
    return float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2


def test_the_mesh_covers_sidewalks_and_crossing_once() -> None:
    """Areas by hand: two straights and two rings of each sidewalk, and the crossing between them."""
    mesh = walk_mesh(read_opendrive(loop_map()))
    sizes = {kind: 0.0 for kind in Area}
    for polygon, kind in zip(mesh.polygons, mesh.areas, strict=True):
        assert area(mesh.points[list(polygon)]) > 0.0
        sizes[kind] += area(mesh.points[list(polygon)])
    rings = 0.0
    for inner in (RADIUS_M - LANE_M - WALK_M, RADIUS_M + LANE_M):
        rings += pi * ((inner + WALK_M) ** 2 - inner**2)
    assert np.isclose(sizes[Area.SIDEWALK], 4 * STRAIGHT_M * WALK_M + rings, rtol=1e-3)
    assert np.isclose(sizes[Area.CROSSWALK], 4.0 * 2 * LANE_M, rtol=1e-6)


def test_neighbours_share_their_edge_and_everything_hangs_together() -> None:
    mesh = walk_mesh(read_opendrive(loop_map()))
    for number, (polygon, beside) in enumerate(zip(mesh.polygons, mesh.neighbours, strict=True)):
        for place, other in enumerate(beside):
            if other >= 0:
                assert number in mesh.neighbours[other]
                assert {polygon[place], polygon[(place + 1) % len(polygon)]} <= set(mesh.polygons[other])
    seen, ahead = {0}, [0]
    while ahead:
        for other in mesh.neighbours[ahead.pop()]:
            if other >= 0 and other not in seen:
                seen.add(other)
                ahead.append(other)
    assert len(seen) == len(mesh.polygons)


def test_the_file_has_the_size_its_head_says() -> None:
    mesh = walk_mesh(read_opendrive(loop_map()))
    data = navigation_file(mesh)
    assert data[:4] == b"TESM"  # little-endian
    size = unpack_from("<i", data, 44)[0]
    assert len(data) == 48 + size
    polygons, points, links, details, _, triangles, nodes = unpack_from("<7i", data, 48 + 24)
    assert polygons == details == len(mesh.polygons)
    assert nodes == 2 * polygons - 1
    assert size == 100 + 12 * points + 32 * polygons + 12 * links + 12 * details + 4 * triangles + 16 * nodes


def bare_loop() -> bytes:
    return loop_map().replace(b'"sidewalk"', b'"shoulder"')


def test_without_sidewalks_people_walk_beside_the_road() -> None:
    """Areas by hand: strips of 1.5 m, 0.3 m beside the shoulders, two straights and two half rings each."""
    mesh = walk_mesh(read_opendrive(bare_loop()))
    walked = sum(
        area(mesh.points[list(polygon)])
        for polygon, kind in zip(mesh.polygons, mesh.areas, strict=True)
        if kind is Area.SIDEWALK
    )
    edge = LANE_M + WALK_M + 0.3
    rings = sum(pi * ((inner + 1.5) ** 2 - inner**2) for inner in (RADIUS_M - edge - 1.5, RADIUS_M + edge))
    assert np.isclose(walked, 4 * STRAIGHT_M * 1.5 + rings, rtol=1e-3)
    assert np.abs(mesh.points[:, 1] - RADIUS_M).max() < RADIUS_M + edge + 1.5 + 1e-6
    assert navigation_file(mesh)


def test_strips_beside_the_road_leave_out_what_stands_there() -> None:
    def standing(points: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        assert np.allclose(high - low, 1.45)
        return np.where(np.abs(points[:, 0] - 60.0) < 5.0, 0, -1)

    lanes = verges(read_opendrive(bare_loop()), standing)
    assert len(lanes) == 2 * 4 + 4  # each of the two straights' two strips in two pieces
    assert all(lane.kind == "sidewalk" for lane in lanes)
    points = np.concatenate([lane.center for lane in lanes])
    assert (np.abs(points[:, 0] - 60.0) >= 5.0).all()
    assert verges(read_opendrive(bare_loop()), lambda points, low, high: np.zeros(len(points), dtype=np.int64)) == ()
    assert navigation_file(walk_mesh(LaneGraph(lanes={}))) == b""
