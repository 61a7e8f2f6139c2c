"""What is written reads back as the same map, and CARLA's own map class agrees about where the lanes are."""

from __future__ import annotations

import os
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avrec.drive.lane_graph import Crosswalk, Lane, LaneGraph, LaneMark, Road, Signal, StopLine
from avrec.errors import DataError, OutputError
from avrec.geometry import Anchor
from avrec.maps import read_opendrive, read_street_map, write_opendrive
from bench import map_judges
from bench.map_judges import run_asam
from tests.maps.support import apart, lane, road, section, xodr


def carla_deviation(graph: LaneGraph, content: bytes, step: float = 2.0) -> tuple[int, float]:
    """Number of CARLA's waypoints and the largest distance of one from the graph's lanes; skips without CARLA."""
    pytest.importorskip("carla", reason="the extra 'carla' is not installed")
    return map_judges.carla_deviation(graph, content, step)


def winding(widths: list[float], curvature: float, climb: float) -> LaneGraph:
    """A road of lanes to both sides of a curve, its widths changing along it."""
    s = np.linspace(0.0, 120.0, 241)
    heading = curvature * s * np.sin(s / 40.0)
    middle = heading[:-1] + np.diff(heading) / 2
    steps = np.diff(s)[:, None] * np.stack([np.cos(middle), np.sin(middle)], axis=1)
    plan = np.concatenate([[[0.0, 0.0]], np.cumsum(steps, axis=0)])
    normal = np.stack([-np.sin(heading), np.cos(heading)], axis=1)
    z = climb * np.sin(s / 30.0)

    def line(t: np.ndarray) -> np.ndarray:
        return np.column_stack([plan + normal * t[:, None], z])

    lanes: dict[str, Lane] = {}
    for side in (1, -1):
        edge = np.zeros(len(s))
        for number, width in enumerate(widths, start=1):
            outer = edge + side * (width + 0.5 * np.sin(s / 25.0 + number))
            inner_line, outer_line = line(edge), line(outer)
            if side > 0:
                inner_line, outer_line = inner_line[::-1], outer_line[::-1]
            name = f"w{side * number}"
            lanes[name] = Lane(
                name, (inner_line + outer_line) / 2, inner_line, outer_line, road="main", slot=side * number
            )
            edge = outer
    return LaneGraph(lanes=lanes, roads={"main": Road("main", line(np.zeros(len(s))))}, anchor=Anchor(48.0, 11.0))


@settings(max_examples=12, deadline=None)
@given(
    widths=st.lists(st.floats(2.0, 4.5), min_size=1, max_size=3),
    curvature=st.floats(-0.008, 0.008),
    climb=st.floats(0.0, 3.0),
)
def test_winding_roads_come_back(widths: list[float], curvature: float, climb: float) -> None:
    graph = winding(widths, curvature, climb)
    found = read_opendrive(write_opendrive(graph))
    assert set(found.lanes) == set(graph.lanes)
    assert apart(graph, found) < 0.03
    assert found.anchor == graph.anchor


def test_carla_drives_where_the_lanes_are() -> None:
    graph = winding([3.0, 3.5], 0.006, 2.0)
    content = write_opendrive(graph)
    numbered = graph.with_changes(lanes={name: replace(each, road="1") for name, each in graph.lanes.items()})
    count, worst = carla_deviation(numbered, content)
    assert count > 150
    assert worst < 0.05


def test_a_tighter_tolerance_is_kept() -> None:
    graph = winding([3.0], 0.008, 1.0)
    assert apart(graph, read_opendrive(write_opendrive(graph, tolerance_m=0.004))) < 0.006


def test_headings_are_continuous_and_cubics_true_to_their_length() -> None:
    root = ElementTree.fromstring(write_opendrive(winding([3.0], 0.008, 0.0)))
    elements = root.findall("road/planView/geometry")
    assert len(elements) > 3
    for first, second in pairwise(elements):
        length, heading = float(first.get("length", 0)), float(first.get("hdg", 0))
        cubic = first.find("paramPoly3")
        u, v = length, 0.0
        slope = 0.0
        if cubic is not None:
            assert cubic.get("pRange") == "arcLength"
            p = np.linspace(0.0, length, 4001)
            us, vs = ([float(cubic.get(f"{k}{axis}", 0)) for k in "abcd"] for axis in "UV")
            curve = np.polynomial.polynomial.polyval(p, np.array([us, vs]).T)
            assert np.linalg.norm(np.diff(curve.T, axis=0), axis=1).sum() == pytest.approx(length, abs=1e-4)
            u, v = curve[:, -1]
            slope = np.arctan2(*(np.diff(curve.T[-2:], axis=0)[0][::-1]))
        end = np.array([float(first.get("x", 0)), float(first.get("y", 0))])
        end += [u * np.cos(heading) - v * np.sin(heading), u * np.sin(heading) + v * np.cos(heading)]
        assert end == pytest.approx([float(second.get("x", 0)), float(second.get("y", 0))], abs=1e-6)
        assert np.cos(heading + slope - float(second.get("hdg", 0))) == pytest.approx(1.0, abs=1e-6)


def test_what_governs_lanes_comes_back() -> None:
    graph = winding([3.5], 0.004, 0.0)
    middle = graph.lanes["w-1"].center[120]
    across = graph.lanes["w-1"].left[[120]] + np.array([[0, 0, 0], [0.1, -3.4, 0]])
    graph = graph.with_changes(
        signals=(
            Signal(
                "t1", middle + np.array([0, -3, 4]), 0.1, 0.1, ("w-1",), dynamic=True, type="1000001", subtype="-1",
                country="OpenDRIVE", road="main",
            ),
        ),
        stop_lines=(StopLine("s1", across, ("w-1",), "main"),),
        crosswalks=(Crosswalk("c1", middle + np.array([[0, 0, 0], [3, 0, 0.1], [3, 8, 0], [0, 8, 0]])),),
    )  # fmt: skip
    found = read_opendrive(write_opendrive(graph))
    signal = found.signals[0]
    assert signal.position == pytest.approx(graph.signals[0].position, abs=0.01)
    assert (signal.lanes, signal.dynamic, signal.type, signal.country) == (("w-1",), True, "1000001", "OpenDRIVE")
    assert signal.facing_rad == pytest.approx(0.1, abs=0.01)
    assert found.stop_lines[0].lanes == ("w-1",)
    assert found.stop_lines[0].line.mean(axis=0) == pytest.approx(graph.stop_lines[0].line.mean(axis=0), abs=0.1)
    assert found.crosswalks[0].polygon == pytest.approx(graph.crosswalks[0].polygon, abs=0.01)


def test_marks_speed_confidence_and_links_come_back() -> None:
    one = '<link><successor id="-1"/></link><width sOffset="0" a="3" b="0" c="0" d="0"/>'
    graph = read_opendrive(xodr(road(section(right=lane(-1, one)) + section(right=lane(-1), s=40))))
    marked = replace(
        graph.lanes["1.0.-1"],
        left_marks=(LaneMark("solid", "yellow", 0.15), LaneMark("broken", "white", start_m=12.5)),
        right_marks=(LaneMark("curb"),),
        speed_limit_mps=13.9,
        confidence=0.75,
        inferred=True,
    )
    graph = graph.with_changes(lanes={**graph.lanes, marked.id: marked})
    found = read_opendrive(write_opendrive(graph)).lanes["1.0.-1"]
    assert found.left_marks == marked.left_marks
    assert found.right_marks == marked.right_marks
    assert (found.speed_limit_mps, found.confidence, found.inferred) == (13.9, 0.75, True)
    assert found.successors == ("1.1.-1",)


def test_heights_go_above_the_ellipsoid_on_request() -> None:
    graph = winding([3.0], 0.0, 0.0)
    found = read_opendrive(write_opendrive(graph, height_offset_m=512.25))
    assert found.lanes["w-1"].center[:, 2] == pytest.approx(512.25)


def test_the_geo_reference_is_the_safe_spelling() -> None:
    text = ElementTree.fromstring(write_opendrive(winding([3.0], 0.0, 0.0))).findtext("header/geoReference")
    assert text == ("+proj=tmerc +lat_0=48 +lon_0=11 +k=1 +x_0=0 +y_0=0 x+=alt_00 +datum=WGS84 +units=m +no_defs")


def test_files_are_whole_or_absent(tmp_path: Path) -> None:
    graph = winding([3.0], 0.0, 0.0)
    assert write_opendrive(graph, tmp_path / "map.xodr") == (tmp_path / "map.xodr").read_bytes()
    for nowhere in ("sub", "map.xodr"):
        with pytest.raises(OutputError, match="Cannot write"):
            write_opendrive(graph, tmp_path / nowhere / "map.xodr")
    assert [path.name for path in tmp_path.iterdir()] == ["map.xodr"]


def test_contradictions_are_named() -> None:
    with pytest.raises(DataError, match="no lanes"):
        write_opendrive(LaneGraph(lanes={}))
    graph = winding([3.0, 3.0], 0.0, 0.0)
    gap = {name: each for name, each in graph.lanes.items() if name != "w-1"}
    with pytest.raises(DataError, match="slots"):
        write_opendrive(graph.with_changes(lanes=gap))


def test_the_streets_map_becomes_one_road(tiny_street: Path) -> None:
    graph = read_street_map(tiny_street / "map.json", anchor=Anchor(48.0, 11.0))
    content = write_opendrive(graph)
    found = read_opendrive(content)
    assert len(found.roads) == 1
    assert {name: each.slot for name, each in found.lanes.items()} == {
        "lane_right": -1, "parking_right": -2, "lane_left": 1, "parking_left": 2,
    }  # fmt: skip
    assert apart(graph, found) < 0.02
    assert found.lanes["lane_right"].left_neighbor == graph.lanes["lane_right"].left_neighbor
    assert len(found.crosswalks) == len(graph.crosswalks)
    count, worst = carla_deviation(found, content)
    assert count > 20
    assert worst < 0.05


@pytest.mark.skipif("AVREC_ASAM_PYTHON" not in os.environ, reason="AVREC_ASAM_PYTHON names no ASAM checker")
def test_the_asam_checker_finds_nothing(tiny_street: Path) -> None:
    """All checks that version 1.8 has ran, and none found anything."""
    for graph in (read_street_map(tiny_street / "map.json"), winding([3.0, 3.5], 0.006, 2.0)):
        found = run_asam(os.environ["AVREC_ASAM_PYTHON"], write_opendrive(graph))
        assert found.issues == ()
        assert found.completed >= 22
