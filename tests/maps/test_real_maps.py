"""Public maps through reader, lane graph and writer, and an Argoverse 2 map; CARLA judges."""

from __future__ import annotations

import os
import random
from pathlib import Path

import numpy as np
import pytest

from avrec.drive.lane_graph import LaneGraph
from avrec.maps import assign_roads, check_map, read_opendrive, shortest_route, write_opendrive
from avrec.maps.read_av2 import read_av2_map
from avrec.maps.write_links import link_roads
from tests.maps.support import apart
from tests.maps.test_write_opendrive import carla_deviation

pytestmark = pytest.mark.skipif("AVREC_DEV_DATA" not in os.environ, reason="AVREC_DEV_DATA is not set: no real maps")
DATA = Path(os.environ.get("AVREC_DEV_DATA", "."))
ESMINI = sorted((DATA / "maps" / "esmini" / "resources" / "xodr").glob("*.xodr"))
TOWNS = sorted((DATA / "maps" / "carla_towns" / "OpenDrive").glob("*.xodr"))
QUICK = [*ESMINI, *TOWNS[:1]]


def same_map(first: LaneGraph, second: LaneGraph) -> None:
    """Lanes, links, neighbours, what governs them, and 50 routes."""
    assert set(first.lanes) == set(second.lanes)
    assert apart(first, second) < 0.05
    for name, lane in first.lanes.items():
        other = second.lanes[name]
        assert set(lane.successors) == set(other.successors), name
        assert set(lane.predecessors) == set(other.predecessors), name
        assert (lane.left_neighbor, lane.right_neighbor) == (other.left_neighbor, other.right_neighbor), name
        assert (lane.kind, lane.junction) == (other.kind, other.junction), name
    assert [s.id for s in first.signals] == [s.id for s in second.signals]
    for signal, other_signal in zip(first.signals, second.signals, strict=True):
        assert np.linalg.norm(signal.position - other_signal.position) < 0.05
        assert (signal.lanes, signal.type, signal.dynamic) == (
            other_signal.lanes, other_signal.type, other_signal.dynamic,
        )  # fmt: skip
    for line, other_line in zip(first.stop_lines, second.stop_lines, strict=True):
        assert (line.id, line.lanes) == (other_line.id, other_line.lanes)
        assert np.abs(line.line - other_line.line).max() < 0.05
    assert first.controllers == second.controllers
    assert len(first.crosswalks) == len(second.crosswalks)
    rng = random.Random(1)
    drivable = [name for name, lane in first.lanes.items() if lane.drivable]
    found = 0
    for _ in range(50):
        start, goal = rng.choice(drivable), rng.choice(drivable)
        routes = shortest_route(first, start, goal), shortest_route(second, start, goal)
        assert (routes[0] is None) == (routes[1] is None)
        if routes[0] is not None and routes[1] is not None:
            assert routes[1].length_m == pytest.approx(routes[0].length_m, rel=0.01, abs=0.05)
            found += 1
    assert found > 0


@pytest.mark.parametrize("path", QUICK, ids=lambda path: path.stem)
def test_a_public_map_comes_back(path: Path) -> None:
    graph = read_opendrive(path)
    same_map(graph, read_opendrive(write_opendrive(graph)))


@pytest.mark.slow
@pytest.mark.parametrize("path", TOWNS[1:], ids=lambda path: path.stem)
def test_a_town_comes_back(path: Path) -> None:
    graph = read_opendrive(path)
    content = write_opendrive(graph)
    same_map(graph, read_opendrive(content))


@pytest.mark.parametrize("name", ["fabriksgatan", "e6mini", "multi_intersections", "curves_elevation"])
def test_carla_reads_public_maps_as_avrec_does(name: str) -> None:
    """The reader against an independent one, and CARLA on what the writer made of the map."""
    path = next(path for path in ESMINI if path.stem == name)
    graph = read_opendrive(path)
    count, worst = carla_deviation(graph, path.read_bytes(), 5.0)
    assert count > 100
    assert worst < 0.002
    assert carla_deviation(graph, write_opendrive(graph), 5.0)[1] < 0.05


def test_an_argoverse_map_becomes_roads() -> None:
    graph = read_av2_map(next((DATA / "av2_sensor_val").glob("*-*")))
    assert len(graph.lanes) == 183
    assert len(graph.crosswalks) == 11
    assert graph.anchor is not None
    assert graph.anchor.latitude_deg == pytest.approx(40.46, abs=0.02)
    sorted_graph = assign_roads(graph)
    assert set(graph.lanes) <= set(sorted_graph.lanes)
    assert link_roads(sorted_graph).lost == ()
    for source in graph.lanes.values():  # links are kept, by way of connecting roads where lanes fork
        for target in source.successors:
            after = sorted_graph.lanes[source.id].successors
            assert target in after or f"{source.id}>{target}" in after
    content = write_opendrive(sorted_graph)
    found = read_opendrive(content)
    assert {n: set(lane.successors) for n, lane in found.lanes.items()} == {
        n: set(lane.successors) for n, lane in sorted_graph.lanes.items()
    }
    assert apart(sorted_graph, found) < 0.05
    said = check_map(found)
    assert not [finding for finding in said if finding.severity == "error" or "turn" in finding.what]
    folded = [finding for finding in said if "runs back" in finding.what]
    assert len(folded) <= 3  # where the source's lanes turn in less than their width
    for finding in said:  # the map itself has lanes 8 m and 8.5 m wide
        if "wide" in finding.what:
            assert float(finding.what.split()[0]) < 8.6
    count, worst = carla_deviation(sorted_graph, content, 2.0)
    assert count > 1000
    assert worst < 0.05
