"""A stand-in for a rig that nobody gave: one camera that drives up to the cloud, so that every verb has something."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from avrec.drive import CameraSensor
from avrec.gaussians import Gaussians
from avrec.geometry import OpenCVPinholeCamera, Shutter, Trajectory, transform_from
from avrec.scene.importing.rig import RigPart

__all__ = ["PLACEHOLDER_CAMERA", "placeholder_rig"]

Float64 = NDArray[np.float64]

PLACEHOLDER_CAMERA = "placeholder"
"""Name of the camera, so that nobody takes it for a recorded one."""

_SIZE = (960, 540)
_HALF_WIDTH = math.radians(35.0)
_FIRST_US = 1_000_000
_LASTING_US = 5_000_000  # AlpaSim drops actors, and wants rigs, of less than 3 s
_STEP_US = 100_000
_SAMPLES = 100_000
_SURE_LOGIT = -1.0  # fainter Gaussians say little about where the scene is
_MARGIN = 1.15
_HIGHEST_M = 9.0  # of a camera over the rig's origin; over a taller cloud the rig floats


def placeholder_rig(cloud: Gaussians) -> RigPart:
    """A level camera that looks along the cloud's longest horizontal axis from just outside, and moves towards it.

    Args:
        cloud: in the world, z up, metres.

    Returns:
        A rig on the ground (the lowest tenth of the cloud), x forward, 5 s of path, a frame every 0.1 s.
    """
    center, axis, reach, ground = _extent(cloud)
    along, across, high = reach
    focal = _SIZE[0] / 2 / math.tan(_HALF_WIDTH)
    half_height = math.atan(_SIZE[1] / 2 / focal)
    gap = _MARGIN * max(across / math.tan(_HALF_WIDTH), high / math.tan(half_height))
    start, stop = along + gap, along + 0.6 * gap
    times = _FIRST_US + np.arange(0, _LASTING_US + 1, _STEP_US, dtype=np.int64)
    distance = np.linspace(start, stop, len(times))[:, None]
    mounted = min(center[2] - ground, _HIGHEST_M)
    origins = np.concatenate([center[:2] - distance * axis, np.full((len(times), 1), center[2] - mounted)], axis=1)
    turn = np.array([[axis[0], -axis[1], 0.0], [axis[1], axis[0], 0.0], [0.0, 0.0, 1.0]])
    rig_from_camera = transform_from(np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]]), (0.0, 0.0, mounted))
    model = OpenCVPinholeCamera(*_SIZE, (focal, focal), (_SIZE[0] / 2, _SIZE[1] / 2))
    sensor = CameraSensor(PLACEHOLDER_CAMERA, model, rig_from_camera, Shutter(), shutter_known=False)
    ego = Trajectory(times, transform_from(np.broadcast_to(turn, (len(times), 3, 3)), origins))
    return RigPart(ego=ego, cameras={sensor.name: sensor}, frames={sensor.name: times})


def _extent(cloud: Gaussians) -> tuple[Float64, Float64, tuple[float, float, float], float]:
    """Centre [3], longest horizontal axis [2], half sizes along, across and up, and the height of the ground.

    Percentiles, since nearly every cloud has a few Gaussians far away.
    """
    sure = cloud.packed[cloud.logit_opacities > _SURE_LOGIT]
    rows = sure if len(sure) else cloud.packed
    if not len(rows):
        return np.zeros(3), np.array([1.0, 0.0]), (1.0, 1.0, 1.0), -1.0
    points = rows[:: -(-len(rows) // _SAMPLES), :3].astype(np.float64)
    inner = np.clip(points, *np.percentile(points, (5, 95), axis=0))
    spread = np.cov(inner[:, :2].T) if len(inner) > 1 else np.eye(2)
    axis = _from_fine_to_coarse(inner, rows[:: -(-len(rows) // _SAMPLES), 7:10], np.linalg.eigh(spread)[1][:, 1])
    turned = np.stack([inner[:, :2] @ axis, inner[:, :2] @ (-axis[1], axis[0]), inner[:, 2]], axis=1)
    low, high = turned.min(axis=0), turned.max(axis=0)
    middle, half = (low + high) / 2, np.maximum((high - low) / 2, 0.5)
    center = np.array([middle[0] * axis[0] - middle[1] * axis[1], middle[0] * axis[1] + middle[1] * axis[0], middle[2]])
    ground = min(float(np.percentile(points[:, 2], 10)), float(center[2]))
    return center, axis, (float(half[0]), float(half[1]), float(half[2])), ground


def _from_fine_to_coarse(points: Float64, log_scales: NDArray[np.float32], axis: Float64) -> Float64:
    """The axis in the direction in which a drive would have gone: what cameras came near is made of small Gaussians."""
    along = points[:, :2] @ axis
    low, high = np.quantile(along, (0.25, 0.75))
    sizes = log_scales.max(axis=1)
    return axis if np.median(sizes[along <= low]) <= np.median(sizes[along >= high]) else -axis
