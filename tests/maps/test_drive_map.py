"""The map beside a recording comes in the drive's world, whatever frame it was in."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from avrec.drive import Drive
from avrec.drive.move_lanes import move_lanes
from avrec.errors import DataError
from avrec.geometry import Anchor, Trajectory, geodetic_from_local, local_from_geodetic
from avrec.maps import drive_map, open_map, read_opendrive, read_street_map, write_opendrive
from tests.maps.support import apart, farthest


@pytest.fixture(scope="module")
def drive(tiny_street: Path) -> Drive:
    return Drive.open(tiny_street)


def test_a_street_s_map_lies_below_its_drive(drive: Drive, tiny_street: Path) -> None:
    graph = drive_map(drive)
    assert graph is not None
    assert graph.anchor == drive.anchor
    assert apart(graph, read_street_map(tiny_street / "map.json")) == 0.0
    assert apart(graph, open_map(tiny_street)) == 0.0
    lane = graph.lanes["lane_right"].center
    assert farthest(drive.ego.poses[:, :3, 3], lane) < 1.0


def test_a_drive_without_a_map_has_none(drive: Drive) -> None:
    assert drive_map(replace(drive, map_path=None)) is None


def test_a_world_that_was_moved_moves_its_map(drive: Drive) -> None:
    graph, moved = drive_map(drive), drive_map(replace(drive, origin_m=(1000.0, -200.0, 5.0)))
    assert graph is not None
    assert moved is not None
    back = move_lanes(moved, lambda points: points + np.array([1000.0, -200.0, 5.0]))
    assert apart(graph, back) < 1e-9


def test_an_opendrive_map_of_another_anchor_and_height_is_re_projected(drive: Drive, tmp_path: Path) -> None:
    """The same place on Earth, 3 km away from the map's own origin, heights above the ellipsoid."""
    assert drive.anchor is not None
    graph = drive_map(drive)
    assert graph is not None
    mine, theirs = drive.anchor, Anchor(drive.anchor.latitude_deg + 0.02, drive.anchor.longitude_deg - 0.03)

    def elsewhere(points: np.ndarray) -> np.ndarray:
        place = geodetic_from_local(mine, points)
        local = local_from_geodetic(theirs, place[:, 0], place[:, 1], np.zeros(len(points)))
        return np.column_stack([local[:, :2], points[:, 2] + 520.0])

    away = move_lanes(graph, elsewhere).with_changes(anchor=theirs)
    path = tmp_path / "map.xodr"
    write_opendrive(away, path, tolerance_m=0.004)
    found = drive_map(replace(drive, map_path=path))
    assert found is not None
    assert found.anchor == mine
    assert "heights were moved by -520.0" in found.notes[-1]
    assert apart(graph, found) < 0.02


def test_a_map_of_another_town_is_refused(drive: Drive, tmp_path: Path) -> None:
    graph = drive_map(drive)
    assert graph is not None
    path = tmp_path / "map.xodr"
    write_opendrive(graph.with_changes(anchor=Anchor(10.0, 10.0)), path)
    with pytest.raises(DataError, match="from the drive"):
        drive_map(replace(drive, map_path=path, anchor=Anchor(10.1, 10.0)))


def test_an_opendrive_map_without_a_place_is_in_the_recording_s_coordinates(drive: Drive, tmp_path: Path) -> None:
    graph = drive_map(drive)
    assert graph is not None
    path = tmp_path / "map.xodr"
    write_opendrive(graph.with_changes(anchor=None), path)
    found = drive_map(replace(drive, map_path=path))
    assert found is not None
    assert apart(graph, found) < 0.02
    assert apart(open_map(path), read_opendrive(path)) == 0.0


@pytest.mark.parametrize("origin_m", [(0.0, 0.0, 0.0), (3000.0, -5000.0, 40.0)])
def test_without_gps_the_map_says_where_the_world_is(
    drive: Drive, tmp_path: Path, origin_m: tuple[float, float, float]
) -> None:
    """The map lies 250 m above the drive; its places on Earth stay where they are when the world's origin moves."""
    graph = drive_map(drive)
    assert graph is not None
    path = tmp_path / "map.xodr"
    theirs = Anchor(48.0, 11.0, 0.0)
    raised = move_lanes(graph, lambda points: points + np.array([*origin_m[:2], origin_m[2] + 250.0]))
    write_opendrive(raised.with_changes(anchor=theirs), path)
    found = drive_map(replace(drive, anchor=None, map_path=path, origin_m=origin_m))
    assert found is not None
    assert found.anchor is not None
    assert apart(graph, found) < 0.02
    lane = next(iter(graph.lanes))
    expected = geodetic_from_local(theirs, raised.lanes[lane].center[0])
    place = geodetic_from_local(found.anchor, found.lanes[lane].center[0])
    assert np.abs(np.array(place[:2]) - expected[:2]).max() * 111_000 < 0.05
    assert place[2] == pytest.approx(expected[2], abs=0.02)


@pytest.mark.parametrize(("origin_m", "kept"), [((0.0, 0.0, 0.0), True), ((5.0, 0.0, 0.0), False)])
def test_a_projection_without_an_anchor_is_kept_while_it_holds(
    drive: Drive, tmp_path: Path, origin_m: tuple[float, float, float], kept: bool
) -> None:
    graph = drive_map(drive)
    assert graph is not None
    utm = "+proj=utm +zone=32 +datum=WGS84 +units=m +no_defs"
    path = tmp_path / "map.xodr"
    write_opendrive(graph.with_changes(anchor=None, geo_reference=utm), path)
    found = drive_map(replace(drive, anchor=None, map_path=path, origin_m=origin_m))
    assert found is not None
    assert found.anchor is None
    assert found.geo_reference == (utm if kept else "")
    assert any("left out" in note for note in found.notes) is not kept


def test_things_that_are_no_map(tmp_path: Path, tiny_street: Path) -> None:
    with pytest.raises(DataError, match="nothing at"):
        open_map(tmp_path / "none.xodr")
    with pytest.raises(DataError, match="empty"):
        open_map(tmp_path)
    path = tmp_path / "x.json"
    path.write_text("{}")
    with pytest.raises(DataError, match="no lane segments"):
        open_map(path)


@pytest.mark.skipif("AVREC_DEV_DATA" not in os.environ, reason="AVREC_DEV_DATA is not set: no Argoverse 2 map")
def test_an_argoverse_map_follows_the_drive_s_anchor(drive: Drive) -> None:
    log = next((Path(os.environ["AVREC_DEV_DATA"]) / "av2_sensor_val").glob("*-*"))
    graph = open_map(log)
    assert graph.anchor is not None
    anchor = Anchor(graph.anchor.latitude_deg + 0.001, graph.anchor.longitude_deg + 0.002)
    lane = max(graph.lanes.values(), key=lambda lane: lane.length_m)
    place = geodetic_from_local(graph.anchor, lane.center)
    path = local_from_geodetic(anchor, place[:, 0], place[:, 1], np.zeros(len(place)))
    path[:, 2] = lane.center[:, 2] - 300.0
    poses = np.tile(np.eye(4), (len(path), 1, 1))
    poses[:, :3, 3] = path
    ego = Trajectory(np.arange(len(path), dtype=np.int64) * 100_000, poses)
    found = drive_map(replace(drive, map_path=log, anchor=anchor, ego=ego))
    assert found is not None
    assert found.anchor == anchor
    assert np.abs(found.lanes[lane.id].center - path).max() < 0.01
