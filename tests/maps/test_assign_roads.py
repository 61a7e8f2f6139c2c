"""Lanes without roads: forks, merges and slanted stop lines become roads and junctions that meet exactly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

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


def backward(lanes: Mapping[str, Lane]) -> float:
    """Metres that borders and centre lines run against the course of their lane, in all."""
    total = 0.0
    for lane in lanes.values():
        course = np.gradient(lane.center[:, :2], axis=0)
        course /= np.linalg.norm(course, axis=1, keepdims=True)
        for line in (lane.left, lane.center, lane.right):
            steps = (np.diff(line[:, :2], axis=0) * (course[1:] + course[:-1]) / 2).sum(axis=1)
            total -= float(steps[steps < 0].sum())
    return total


def turning(side: int) -> LaneGraph:
    """A lane 7.8 m wide turns by 90 degrees, radius 9.5 m, and forks where the turn ends; borders are coarse."""
    angles = np.linspace(0.0, np.pi / 2, 7)

    def arc(radius: float) -> list[tuple[float, float]]:
        turn = [(20 + radius * np.sin(a), side * (9.5 - radius * np.cos(a))) for a in angles]
        return [(0.0, side * (9.5 - radius)), *turn]

    inner, outer = arc(5.6), arc(13.4)
    straight = [(inner[-1], (25.6, side * 40.0)), (outer[-1], (33.4, side * 40.0))]
    bent = [(inner[-1], (23.0, side * 40.0)), (outer[-1], (28.0, side * 40.0))]
    lanes = [
        strip(name, *(pair if side > 0 else pair[::-1]), **links)
        for name, pair, links in (
            ("in", (inner, outer), {"successors": ("on", "off")}),
            ("on", straight, {"predecessors": ("in",)}),
            ("off", bent, {"predecessors": ("in",)}),
        )
    ]
    return LaneGraph(lanes={lane.id: lane for lane in lanes})


@pytest.mark.parametrize("side", [1, -1])
def test_a_fork_at_the_end_of_a_turn_is_cut_across_the_turn(side: int) -> None:
    """The lane is cut 8 m before its end: there it heads elsewhere than at the end."""
    lanes = turning(side)
    lanes = lanes.with_changes(lanes={**lanes.lanes, "in": replace(lanes.lanes["in"], junction="x")})
    graph = assign_roads(lanes)
    assert set(graph.lanes) == {"in", "on", "off", "in>on", "in>off"}
    end = graph.lanes["in"]
    across = end.right[-1, :2] - end.left[-1, :2]
    assert np.linalg.norm(across) == pytest.approx(7.8, abs=0.25)
    middle = np.array([20.0, side * 9.5])  # of the turn: cuts run through it
    radius = (end.left if side > 0 else end.right)[-1, :2] - middle
    assert abs(across @ radius) == pytest.approx(np.linalg.norm(across) * np.linalg.norm(radius), rel=0.02)
    found = read_opendrive(write_opendrive(graph))
    assert apart(graph, found) < 0.05
    assert backward(found.lanes) < 0.05
    assert {finding.what for finding in check_map(found)} <= {"no projection"}
    for name in ("in", "in>on"):
        assert np.percentile(found.lanes[name].widths_m, [0, 100]) == pytest.approx([7.8, 7.8], abs=0.4)


def test_lanes_far_from_a_kink_at_the_end_of_their_road_do_not_turn_back() -> None:
    """The road ends square to all its lanes, and its reference line comes in at 8 degrees to that."""
    lanes = []
    for index in range(4):
        kink = 0.06 if index == 0 else 0.0
        left, right = ([(0.0, -3.5 * k), (39.6, -3.5 * k), (40.0, -3.5 * k)] for k in (index, index + 1))
        left[-1] = (40.0, left[-1][1] + kink)
        neighbors = {"left_neighbor": Neighbor(f"a{index - 1}") if index else None,
                     "right_neighbor": Neighbor(f"a{index + 1}") if index < 3 else None}  # fmt: skip
        lanes.append(strip(f"a{index}", left, right, successors=(f"b{index}",), **neighbors))
        after = [[(40.0, y[-1][1]), (80.0, y[0][1])] for y in (left, right)]
        neighbors = {side: n and replace(n, lane=n.lane.replace("a", "b")) for side, n in neighbors.items()}
        lanes.append(strip(f"b{index}", after[0], after[1], predecessors=(f"a{index}",), **neighbors))
    graph = assign_roads(LaneGraph(lanes={lane.id: lane for lane in lanes}))
    assert len(graph.roads) == 2
    found = read_opendrive(write_opendrive(graph))
    assert apart(graph, found) < 0.02
    assert backward(found.lanes) < 1e-3
    assert {finding.what for finding in check_map(found)} <= {"no projection"}


@pytest.mark.parametrize(("radius", "narrow", "wide", "count"), [(1.5, 3.0, 7.0, 7), (2.0, 4.0, 8.0, 9)])
def test_cross_sections_of_a_wide_lane_in_a_tight_turn_settle(
    radius: float, narrow: float, wide: float, count: int
) -> None:
    """Close together, each turns its neighbours by more than it was turned itself."""
    angles = np.linspace(0.0, np.pi / 2, count)
    turn = np.stack([np.sin(angles), np.cos(angles) - 1, 0 * angles], axis=1)
    inner = np.array([[-4.0, 0.0, 0.0], *(radius * turn), [radius, -radius - 3, 0.0]])
    outer = turn * (radius + wide, radius + narrow, 0.0) + (0.0, narrow, 0.0)
    outer = np.array([[-4.0, narrow, 0.0], *outer, [radius + wide, -radius - 3, 0.0]])
    center, left, right = pair_borders(outer, inner, 0.5)
    steps = np.diff(center[:, :2], axis=0)
    turns = np.degrees(np.diff(np.unwrap(np.arctan2(steps[:, 1], steps[:, 0]))))
    assert turns.min() > -20.0  # to the right; the inner border turns by 10 to 15 degrees at each of its points
    assert turns.max() < 2.0
    for side, line in ((left, outer), (right, inner)):
        assert farthest(side, line) < 1e-6


def test_a_tight_turn_keeps_its_centre_line() -> None:
    """The inner border shrinks to a point."""
    angles = np.linspace(0.0, np.pi / 2, 20)
    outer = [(8 * np.sin(a), 8 * np.cos(a)) for a in angles]
    lanes = [strip("t", outer, [(0.0, 1.0), (0.2, 0.2), (1.0, 0.0)])]
    graph = assign_roads(LaneGraph(lanes={lane.id: lane for lane in lanes}))
    assert apart(graph, read_opendrive(write_opendrive(graph))) < 0.05
