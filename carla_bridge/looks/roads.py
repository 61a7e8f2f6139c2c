"""The surfaces of lanes as triangles."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from avrec.drive.lane_graph import Lane
from avrec.mesh.painted import Surface
from carla_bridge.looks.classes import lane_look
from carla_bridge.world.labels import Label

__all__ = ["KERB", "lane_surfaces", "strip"]

Float64 = NDArray[np.float64]

EDGE_M = 0.3
"""Height of the road's side where nothing adjoins."""
SEAM_M = 0.005
KERB = (0.40, 0.39, 0.37)


def strip(left: Float64, right: Float64) -> tuple[Float64, NDArray[np.int64]]:
    """Vertices [2 N, 3] and faces [2 (N - 1), 3] of the band between two lines [N, 3]."""
    count = len(left)
    index = np.arange(count - 1)
    faces = np.concatenate(
        [
            np.stack([index, index + count, index + 1], axis=1),
            np.stack([index + count, index + count + 1, index + 1], axis=1),
        ]
    )
    return np.concatenate([left, right]), faces


def lane_surfaces(lanes: Iterable[Lane]) -> list[Surface]:
    """All lanes at their heights, and the sides of those that end in the open or stand above what is beside them."""
    found = []
    for lane in lanes:
        label, colour, kind, below = lane_look(lane)
        if label is Label.ROAD and lane.junction is None:
            below = 0.0  # lies beside the lanes, not across others
        left, right = (_lengthened(border - [0.0, 0.0, below]) for border in (lane.left, lane.right))
        found.append(Surface.of(*strip(left, right), colour, label, kind))
        raised = label is Label.SIDEWALK or lane.kind == "median"
        for border, neighbour in ((left, lane.left_neighbor), (right, lane.right_neighbor)):
            if raised or neighbour is None:
                side = KERB if label is Label.SIDEWALK else colour
                found.append(Surface.of(*strip(border, border - [0.0, 0.0, EDGE_M]), side, label, kind))
    return found


def _lengthened(line: Float64) -> Float64:
    """A line that goes on a little at both ends, so that no gap is left where lanes meet."""
    found = line.copy()
    for end, inner in ((0, 1), (-1, -2)):
        way = line[end] - line[inner]
        found[end] += way * (SEAM_M / max(float(np.linalg.norm(way)), SEAM_M))
    return found
