"""Sorting lanes into roads."""

from avrec.drive.lane_graph import LaneGraph


def assign_roads(graph: LaneGraph) -> LaneGraph:
    raise NotImplementedError
