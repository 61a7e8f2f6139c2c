"""Is the ground mesh where the street's map says that the road is?"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import LinearNDInterpolator
from scipy.spatial import cKDTree

from avrec.maps import read_street_map
from avrec.mesh.cells import resample
from avrec.scene.scene import Scene

__all__ = ["ground_error"]

Float64 = NDArray[np.float64]

_CORRIDOR_M = 6.0
_STEP_M = 0.25


def ground_error(scene: Scene, map_json: str | Path) -> dict[str, float] | None:
    """Distance in height between the ground mesh and the exact borders and centre lines of the street's lanes.

    Args:
        scene: reconstructed from the street, in whose world its map is.
        map_json: the street's map.

    Returns:
        ``median_m`` and ``p95_m`` of the absolute difference over ``points`` places within 6 m of the driven path, and
        ``missing``, the share of such places without ground; None for a scene without ground, or without such places.

    Raises:
        DataError: the map cannot be read.
    """
    if scene.ground is None:
        return None
    lanes = [lane for lane in read_street_map(map_json).lanes.values() if lane.drivable]
    lines = [resample(line, _STEP_M) for lane in lanes for line in (lane.left, lane.center, lane.right)]
    truth = np.concatenate(lines) if lines else np.zeros((0, 3))
    path = scene.ego.at(np.linspace(*scene.span_us, 200), outside="extrapolate")[:, :3, 3]
    truth = truth[cKDTree(path[:, :2]).query(truth[:, :2])[0] < _CORRIDOR_M]
    if not len(truth):
        return None
    vertices = scene.ground.vertices
    height = LinearNDInterpolator(vertices[:, :2], vertices[:, 2])(truth[:, :2])
    known = np.isfinite(height)
    if not known.any():
        return None
    error = np.abs(height[known] - truth[known, 2])
    return {
        "median_m": float(np.median(error)),
        "p95_m": float(np.quantile(error, 0.95)),
        "points": float(known.sum()),
        "missing": float(1 - known.mean()),
    }
