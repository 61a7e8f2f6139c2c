"""A lane graph in another frame."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from avrec.drive.lane_graph import LaneGraph

__all__ = ["move_lanes"]

Float64 = NDArray[np.float64]


def move_lanes(graph: LaneGraph, moved: Callable[[Float64], Float64], turn_rad: float = 0.0) -> LaneGraph:
    """All positions of a graph put through a function of points float64 [N, 3]; the anchor stays.

    Args:
        graph: the map.
        moved: from the old frame to the new one.
        turn_rad: that adds to headings.
    """
    return graph.with_changes(
        lanes={
            lane.id: replace(lane, center=moved(lane.center), left=moved(lane.left), right=moved(lane.right))
            for lane in graph.lanes.values()
        },
        roads={
            road.id: replace(
                road,
                reference=moved(road.reference),
                headings=None if road.headings is None else road.headings + turn_rad,
            )
            for road in graph.roads.values()
        },
        signals=tuple(
            replace(
                signal,
                position=moved(signal.position[None])[0],
                heading_rad=signal.heading_rad + turn_rad,
                facing_rad=signal.facing_rad + turn_rad,
            )
            for signal in graph.signals
        ),
        stop_lines=tuple(replace(line, line=moved(line.line)) for line in graph.stop_lines),
        crosswalks=tuple(replace(walk, polygon=moved(walk.polygon)) for walk in graph.crosswalks),
    )
