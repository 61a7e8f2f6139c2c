"""Shortest ways, and what the checks find in maps that were broken on purpose."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from avrec.drive.lane_graph import Lane, LaneGraph, Neighbor, Signal
from avrec.errors import DataError
from avrec.geometry import Anchor
from avrec.maps import check_map, check_opendrive, shortest_route
from tests.maps.support import lane, road, section, xodr


def straight(name: str, start: float, end: float, y: float = 0.0, **values: object) -> Lane:
    x = np.linspace(start, end, 5)
    lines = [np.stack([x, np.full(5, y + side), np.zeros(5)], axis=1) for side in (0.0, 1.75, -1.75)]
    return Lane(name, *lines, **values)  # type: ignore[arg-type]


def ladder() -> LaneGraph:
    """Two lanes beside each other, of which only the right one leads on."""
    lanes = [
        straight("a", 0, 50, 3.5, right_neighbor=Neighbor("b")),
        straight("b", 0, 50, 0.0, left_neighbor=Neighbor("a"), successors=("c",)),
        straight("c", 50, 120, 0.0, predecessors=("b",)),
    ]
    return LaneGraph(lanes={each.id: each for each in lanes}, anchor=Anchor(48.0, 11.0))


def test_routes_follow_successors_and_change_lanes() -> None:
    graph = ladder()
    route = shortest_route(graph, "b", "c")
    assert route is not None
    assert (route.lanes, route.length_m) == (("b", "c"), pytest.approx(120.0))
    route = shortest_route(graph, "a", "c")
    assert route is not None
    assert (route.lanes, route.length_m) == (("a", "b", "c"), pytest.approx(120.0))
    assert shortest_route(graph, "a", "c", lane_changes=False) is None
    assert shortest_route(graph, "c", "a") is None
    single = shortest_route(graph, "a", "a")
    assert single is not None
    assert single.lanes == ("a",)
    with pytest.raises(DataError, match="no lane 'z'"):
        shortest_route(graph, "a", "z")


def test_a_sound_map_has_no_findings() -> None:
    assert check_map(ladder()) == ()


def changed(name: str, **values: object) -> LaneGraph:
    graph = ladder()
    return graph.with_changes(lanes={**graph.lanes, name: replace(graph.lanes[name], **values)})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("graph", "severity", "words"),
    [
        (changed("b", successors=("c", "zz")), "error", "successor zz does not exist"),
        (changed("c", predecessors=()), "warning", "does not lead back"),
        (changed("c", center=ladder().lanes["c"].center + np.array([0.3, 0, 0])), "warning", "0.30 m from the start"),
        (changed("c", center=ladder().lanes["c"].center + np.array([30, 0, 0])), "error", "30.00 m from the start"),
        (changed("c", center=ladder().lanes["c"].center[::-1]), "error", "from the start of c"),
        (changed("a", left=ladder().lanes["a"].right, right=ladder().lanes["a"].left), "error", "swapped"),
        (changed("a", left=ladder().lanes["a"].left + np.array([0, 9, 0])), "warning", "12.50 m wide"),
        (changed("a", left=ladder().lanes["a"].left[[0, 2, 1, 3, 4]]), "warning", "left border runs back by 12.50 m"),
        (changed("a", right_neighbor=Neighbor("zz")), "error", "neighbour zz"),
        (changed("a", right_neighbor=None), "warning", "not the reverse"),
        (changed("a", inferred=True, confidence=0.4), "note", "confidence from 0.40"),
        (changed("a", road="7"), "error", "road 7 does not exist"),
        (ladder().with_changes(anchor=None), "note", "no projection"),
        (ladder().with_changes(anchor=None, geo_reference="+proj=utm +zone=32"), "warning", "origin is not a point"),
        (
            ladder().with_changes(signals=(Signal("t", np.zeros(3), dynamic=True),)),
            "warning",
            "governs no lane",
        ),
        (LaneGraph(lanes={}), "error", "no lane to drive on"),
    ],
)
def test_broken_maps_are_found_out(graph: LaneGraph, severity: str, words: str) -> None:
    found = [finding for finding in check_map(graph) if words in finding.what]
    assert [finding.severity for finding in found] == [severity]
    assert found[0].remedy


def test_many_of_one_kind_are_counted() -> None:
    lanes = {str(i): straight(str(i), 0, 10, 5.0 * i, successors=("gone",)) for i in range(30)}
    found = check_map(LaneGraph(lanes=lanes, anchor=Anchor(0.0, 0.0)))
    assert len([finding for finding in found if finding.severity == "error"]) == 9
    assert "22 more" in " ".join(finding.what for finding in found)


def test_opendrive_files_are_checked_as_read() -> None:
    found = check_opendrive(xodr(road(section(lane(1), lane(-1)), rule="LHT")))
    assert any("left-hand" in finding.what for finding in found)
