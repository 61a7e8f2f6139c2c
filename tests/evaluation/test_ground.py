from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from avrec.evaluation.ground import ground_error
from avrec.geometry import Trajectory
from avrec.mesh import Mesh
from avrec.scene import Scene
from tests.rendering.scenes import tiny_scene


@pytest.fixture
def map_json(tmp_path: Path) -> Path:
    """One lane of 3 m along x, climbing 1 in 10."""

    def line(y: float) -> list[list[float]]:
        return [[x, y, 0.1 * x] for x in (-20.0, 0.0, 60.0)]

    lane = {
        "id": "1",
        "type": "driving",
        "center": line(0),
        "left": line(1.5),
        "right": line(-1.5),
        "successors": [],
        "predecessors": [],
    }
    path = tmp_path / "map.json"
    path.write_text(json.dumps({"format": "avrec-lane-graph", "version": 1, "lanes": [lane]}), encoding="utf-8")
    return path


def on_a_slope(raised_m: float, *, until_x: float = 40.0) -> Scene:
    """A drive of 20 m along x over a ground that lies this much too high."""
    scene = tiny_scene()
    first, last = scene.span_us
    poses = np.tile(np.eye(4), (2, 1, 1))
    poses[1, :3, 3] = [20.0, 0.0, 2.0]
    corners = np.array([[-20.0, -9, -2], [until_x, -9, 0.1 * until_x], [until_x, 9, 0.1 * until_x], [-20, 9, -2]])
    raised = corners + np.array([0, 0, raised_m])
    ground = Mesh(raised, np.array([[0, 1, 2], [0, 2, 3]], np.int32))
    ego = Trajectory(np.array([first, max(last, first + 1)]), poses)
    return replace(scene, ego=ego, ego_recorded=ego, ground=ground)


def test_a_ground_that_lies_two_centimetres_too_high(map_json: Path) -> None:
    found = ground_error(on_a_slope(0.02), map_json)
    assert found is not None
    assert found["median_m"] == pytest.approx(0.02, abs=1e-9)
    assert found["p95_m"] == pytest.approx(0.02, abs=1e-9)
    assert found["missing"] == 0


def test_ground_that_ends_early_is_missing(map_json: Path) -> None:
    found = ground_error(on_a_slope(0.0, until_x=10.0), map_json)
    assert found is not None
    assert 0.3 < found["missing"] < 0.7
    assert found["p95_m"] == pytest.approx(0.0, abs=1e-9)


def test_a_scene_without_ground_has_no_error(map_json: Path) -> None:
    assert ground_error(replace(on_a_slope(0.0), ground=None), map_json) is None
