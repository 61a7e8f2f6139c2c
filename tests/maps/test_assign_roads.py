"""Lanes without roads: forks, merges and slanted stop lines become roads and junctions that meet exactly."""

from __future__ import annotations

import numpy as np
import pytest

from avrec.drive.borders import pair_borders
from avrec.drive.lane_graph import Lane, LaneGraph, Neighbor
from avrec.maps import assign_roads, check_map, read_opendrive, shortest_route, write_opendrive
from avrec.maps.write_links import link_roads
from tests.maps.support import apart, farthest
from tests.maps.test_write_opendrive import carla_deviation


def strip(name: str, left: list[tuple[float, float]], right: list[tuple[float, float]], **values: object) -> Lane:
    sides = [np.array([[x, y, 0.0] for x, y in points]) for points in (left, right)]
    center, lefts, rights = pair_borders(sides[0], sides[1])
    return Lane(name, center, lefts, rights, **values)  # type: ignore[arg-type]


def crossing(slant: float) -> LaneGraph:
    """Two lanes side by side end at a slanted line; the left goes straight on, the right straight on or turns right."""
    turn = [(30 + 12 * np.sin(a), -3.5 - 12 + 12 * np.cos(a)) for a in np.linspace(0, np.pi / 2, 15)]
    inner = [(30 + slant + 5 * np.sin(a), -7 - 8.5 + 8.5 * np.cos(a)) for a in np.linspace(0, np.pi / 2, 15)]
    turn[0] = (30.0, -3.5)
    lanes = [
        strip("a", [(0, 0), (30 - slant, 0)], [(0, -3.5), (30, -3.5)], successors=("as",),
              right_neighbor=Neighbor("b")),
        strip("b", [(0, -3.5), (30, -3.5)], [(0, -7), (30 + slant, -7)], successors=("bs", "br"),
              left_neighbor=Neighbor("a")),
        strip("as", [(30 - slant, 0), (60, 0)], [(30, -3.5), (60, -3.5)], predecessors=("a",), successors=("c",),
              junction="x"),
        strip("bs", [(30, -3.5), (60, -3.5)], [(30 + slant, -7), (60, -7)], predecessors=("b",), successors=("d",),
              junction="x"),
        strip("br", turn, inner, predecessors=("b",), successors=("e",), junction="x"),
        strip("c", [(60, 0), (90, 0)], [(60, -3.5), (90, -3.5)], predecessors=("as",), right_neighbor=Neighbor("d")),
        strip("d", [(60, -3.5), (90, -3.5)], [(60, -7), (90, -7)], predecessors=("bs",), left_neighbor=Neighbor("c")),
        strip("e", [turn[-1], (42, -50)], [inner[-1], (35 + slant, -50)], predecessors=("br",)),
    ]  # fmt: skip
    return LaneGraph(lanes={lane.id: lane for lane in lanes})


@pytest.mark.parametrize("slant", [0.0, 2.0])
def test_a_crossing_becomes_a_junction(slant: float) -> None:
    graph = assign_roads(crossing(slant))
    assert set(graph.lanes) == {"a", "b", "as", "bs", "br", "c", "d", "e"}
    assert graph.lanes["a"].road == graph.lanes["b"].road
    assert (graph.lanes["a"].slot, graph.lanes["b"].slot) == (-1, -2)
    assert len({graph.lanes[name].junction for name in ("as", "bs", "br")}) == 1
    assert graph.lanes["a"].junction is None
    for lane in graph.lanes.values():  # neither gap nor overlap where lanes follow one another
        for name in lane.successors:
            other = graph.lanes[name]
            assert other.left[0, :2] == pytest.approx(lane.left[-1, :2], abs=1e-6)
            assert other.right[0, :2] == pytest.approx(lane.right[-1, :2], abs=1e-6)
    end = graph.lanes["a"].left[-1] - graph.lanes["b"].right[-1]
    assert end[0] == pytest.approx(0.0, abs=1e-6)  # square
    links = link_roads(graph)
    assert links.lost == ()
    assert sorted(connection.lanes[0] for connection in next(iter(links.connections.values()))) == [
        (-2, -1), (-2, -1), (-1, -1)
    ]  # fmt: skip
    content = write_opendrive(graph)
    found = read_opendrive(content)
    assert apart(graph, found) < 0.05
    assert {n: set(lane.successors) for n, lane in found.lanes.items()} == {
        n: set(lane.successors) for n, lane in graph.lanes.items()
    }
    count, worst = carla_deviation(graph, content, 1.0)
    assert count > 150
    assert worst < 0.05


def test_a_fork_outside_a_junction_gets_connecting_roads() -> None:
    lanes = [
        strip("in", [(0, 0), (40, 0)], [(0, -3.5), (40, -3.5)], successors=("left", "right")),
        strip("left", [(40, 0), (60, 2), (90, 8)], [(40, -3.5), (60, -1.5), (90, 4.5)], predecessors=("in",)),
        strip("right", [(40, 0), (60, -2), (90, -8)], [(40, -3.5), (60, -5.5), (90, -11.5)], predecessors=("in",)),
    ]
    graph = assign_roads(LaneGraph(lanes={lane.id: lane for lane in lanes}))
    assert set(graph.lanes) == {"in", "left", "right", "in>left", "in>right"}
    assert graph.lanes["in>left"].junction == graph.lanes["in>right"].junction is not None
    assert graph.lanes["in"].successors == ("in>left", "in>right")
    assert graph.lanes["right"].predecessors == ("in>right",)
    assert link_roads(graph).lost == ()
    route = shortest_route(graph, "in", "left")
    assert route is not None
    assert route.lanes == ("in", "in>left", "left")
    assert route.length_m == pytest.approx(lanes[0].length_m + lanes[1].length_m, abs=0.1)
    whole = np.concatenate([graph.lanes[name].center for name in route.lanes])
    original = np.concatenate([lane.center for lane in lanes[:2]])
    assert farthest(whole, original) < 0.05
    assert not [finding for finding in check_map(graph) if finding.severity == "error"]


def test_a_tight_turn_keeps_its_centre_line() -> None:
    """The inner border shrinks to a point."""
    angles = np.linspace(0.0, np.pi / 2, 20)
    outer = [(8 * np.sin(a), 8 * np.cos(a)) for a in angles]
    lanes = [strip("t", outer, [(0.0, 1.0), (0.2, 0.2), (1.0, 0.0)])]
    graph = assign_roads(LaneGraph(lanes={lane.id: lane for lane in lanes}))
    assert apart(graph, read_opendrive(write_opendrive(graph))) < 0.05
