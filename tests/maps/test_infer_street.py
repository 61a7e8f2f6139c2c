"""Lanes inferred from the synthetic street and from real recordings."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from avrec.drive import Drive
from avrec.drive.street import synthesise_street
from avrec.maps import check_map, read_street_map
from avrec.maps.infer import infer_map
from bench.infer_map import compare


def test_the_street_has_its_lanes(tmp_path: Path) -> None:
    """Centre line within 0.3 m in the median, number of lanes right on nine tenths of the way."""
    synthesise_street(tmp_path / "street", seconds=2.0, cameras=1, width=240, height=160, fps=5.0, truth=False, seed=5)
    drive = Drive.open(tmp_path / "street")
    graph = infer_map(drive)
    centre, lanes, right = compare(graph, read_street_map(tmp_path / "street" / "map.json"), drive)
    assert np.median(centre) < 0.1
    assert np.median(lanes) < 0.2
    assert right >= 0.9
    assert [finding.what for finding in check_map(graph) if finding.severity != "note"] == []


@pytest.fixture
def data() -> Path:
    root = os.environ.get("AVREC_DEV_DATA")
    if not root:
        pytest.skip("AVREC_DEV_DATA is not set: real recordings are not here")
    return Path(root)


def test_a_city_road_has_its_painted_lanes(data: Path) -> None:
    """The car keeps to the right one of two lanes between a kerb and a solid line, 2.9 and 3.0 m wide."""
    drive = Drive.open(data / "kitti_raw_0001/2011_09_26/2011_09_26_drive_0001_sync")
    graph = infer_map(drive.select(cameras=["image_02"], frames=slice(0, 36)))
    rig = drive.ego.poses[20, :3, 3]
    near = {
        lane.slot: float(np.linalg.norm(lane.center[:, :2] - rig[:2], axis=1).min())
        for lane in graph.lanes.values()
        if lane.drivable
    }
    own = min(near, key=lambda slot: near[slot])
    lanes = [lane for lane in graph.lanes.values() if lane.slot == own]
    assert {-1, -2} <= set(near)
    assert own == -2
    for lane in lanes:
        assert lane.confidence > 0.7
        assert np.median(lane.widths_m) == pytest.approx(2.95, abs=0.2)
        assert (lane.left_marks[0].kind, lane.right_marks[0].kind) == ("broken", "curb")
    assert "solid" in {lane.left_marks[0].kind for lane in graph.lanes.values() if lane.slot == -1}


def test_a_narrow_street_without_paint_is_one_unsure_lane(data: Path) -> None:
    graph = infer_map(Drive.open(data / "paris_5cam").select(cameras=["front"]))
    assert len(graph.lanes) == 1
    assert all(lane.confidence < 0.4 for lane in graph.lanes.values())
