"""The ground of a scene: its mesh where there is one, its lanes elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from avrec.drive.lane_graph import Lane
from avrec.errors import DataError
from avrec.mesh.mesh import Mesh
from carla_bridge.world.cells import points_on_faces
from carla_bridge.world.ground import MAX_SAMPLES, SAMPLE_M, Ground, GroundSamples, gridded, lane_samples
from carla_bridge.world.motion import Float64

__all__ = ["ground_of_mesh"]

STEEPEST = 2.0
"""Slope above which a face is a wall, not ground."""


def ground_of_mesh(mesh: Mesh, lanes: Sequence[Lane]) -> Ground:
    """The surface of a mesh, with the lanes that lie on it; where the mesh ends the lanes' own surface goes on.

    Raises:
        DataError: a mesh too large to be sampled.
    """
    of_lanes = lane_samples(lanes)
    points, slopes = _samples(mesh)
    if not len(points):
        return gridded(of_lanes)
    none = np.full(len(points), -1)
    of_mesh = GroundSamples(points, slopes, none, np.zeros_like(none))
    covered = gridded(of_mesh)
    if len(of_lanes.points):
        below = gridded(of_lanes)
        of_mesh = of_mesh._replace(owner=below.lane_at(points[:, 0], points[:, 1]))
        outside = ~covered.covers(of_lanes.points[:, 0], of_lanes.points[:, 1])
        rest = GroundSamples._make(column[outside] for column in of_lanes)
        of_mesh = GroundSamples._make(np.concatenate(pair) for pair in zip(of_mesh, rest, strict=True))
    return gridded(of_mesh)


def _samples(mesh: Mesh) -> tuple[Float64, Float64]:
    """Points [S, 3] all over the faces that can be driven on, and the slope [S, 2] there."""
    corners = mesh.vertices[mesh.faces]
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    normal = np.cross(first, second)
    up = np.abs(normal[:, 2])
    flat = up * STEEPEST > np.hypot(normal[:, 0], normal[:, 1])
    slopes = -normal[flat, :2] / normal[flat, 2:]
    longest = np.maximum(np.linalg.norm(first[flat], axis=1), np.linalg.norm(second[flat], axis=1))
    side = np.maximum(np.ceil(longest / SAMPLE_M), 1).astype(np.int64)
    if (side * side).sum() > MAX_SAMPLES:
        raise DataError(f"The ground mesh would take {(side * side).sum()} samples, too many. Cut it to the road.")
    points, face = points_on_faces(corners[flat], side)
    return points, slopes[face]
