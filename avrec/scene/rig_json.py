"""`rig_trajectories.json`: the rig's path, its cameras and their frame times, as NuRec's readers expect them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avrec.drive import CameraSensor, RigBox
from avrec.geometry import (
    Anchor,
    FThetaCamera,
    ShutterDirection,
    Trajectory,
    anchor_on_ellipsoid,
    ecef_from_world,
)
from avrec.scene.scene import Scene

__all__ = ["PLACEHOLDER_ANCHOR", "RIG_BOX", "box_json", "camera_key", "frame_intervals_us", "rig_trajectories"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

PLACEHOLDER_ANCHOR = Anchor(0.0, 0.0, 0.0)
"""Stands in where the recording knows no position on Earth; the manifest says so."""

RIG_BOX = RigBox((1.4, 0.0, 0.8), (4.8, 1.9, 1.6))
"""An ordinary passenger car around the rig's origin: AlpaSim refuses scenes without a box. The manifest says so."""

_SHUTTER_TYPES = {
    ShutterDirection.TOP_TO_BOTTOM: "ROLLING_TOP_TO_BOTTOM",
    ShutterDirection.BOTTOM_TO_TOP: "ROLLING_BOTTOM_TO_TOP",
    ShutterDirection.LEFT_TO_RIGHT: "ROLLING_LEFT_TO_RIGHT",
    ShutterDirection.RIGHT_TO_LEFT: "ROLLING_RIGHT_TO_LEFT",
    ShutterDirection.GLOBAL: "GLOBAL",
}


def camera_key(camera: str, sequence_id: str) -> str:
    """Name of a camera in the package: ``<logical>@<sequence>``."""
    return f"{camera}@{sequence_id}"


def box_json(box: RigBox) -> dict[str, list[float]]:
    """A box as NuRec's `rig_bbox`."""
    center, size = ([float(value) for value in each] for each in (box.center_m, box.size_m))
    return {"centroid": center, "dim": size, "rot": [0.0, 0.0, 0.0]}


def rig_trajectories(
    scene: Scene, sequence_id: str, fitted: Mapping[str, FThetaCamera], center: Float64
) -> dict[str, Any]:
    """Content of `rig_trajectories.json`.

    Args:
        scene: the scene.
        sequence_id: base name of the package.
        fitted: f-theta models of the cameras to write; CARLA reads no other model.
        center: float64 [3], what was subtracted from the volume's positions, world frame.
    """
    world_to_nre = np.eye(4)
    world_to_nre[:3, 3] = -center + 0.0
    frames = {
        camera_key(name, sequence_id): frame_intervals_us(sensor, scene.frames[name])
        for name, sensor in scene.cameras.items()
        if name in scene.frames and name in fitted
    }
    knots, poses = _covering_path(scene.ego, list(frames.values()))
    frame_poses = {key: scene.ego.at(times, outside="extrapolate").tolist() for key, times in frames.items()}
    path = {
        "sequence_id": sequence_id,
        "T_rig_world_timestamps_us": knots.tolist(),
        "T_rig_worlds": poses.tolist(),
        "cameras_frame_timestamps_us": {key: times.tolist() for key, times in frames.items()},
        "cameras_frame_T_rig_worlds": frame_poses,
        "lidars_frame_timestamps_us": {},
        "lidars_frame_T_rig_worlds": {},
        "rig_bbox": box_json(scene.rig_box or RIG_BOX),
    }
    calibrations = {
        camera_key(name, sequence_id): _calibration(sensor, index, sequence_id, fitted[name])
        for index, (name, sensor) in enumerate(scene.cameras.items())
        if name in fitted
    }
    return {
        "world_to_nre": {"matrix": world_to_nre.tolist()},
        "T_world_base": ecef_from_world(anchor_on_ellipsoid(scene.anchor or PLACEHOLDER_ANCHOR)).tolist(),
        "camera_calibrations": calibrations,
        "rig_trajectories": [path],
    }


def frame_intervals_us(sensor: CameraSensor, starts_us: Int64) -> Int64:
    """Start and end of each frame, int64 [F, 2], end > start.

    Readers place line i of L at start + i / (L - 1) * (end - start), so the interval runs from the middle of the first
    line's exposure to the middle of the last one's. That of a global shutter is one microsecond.
    """
    rolling = sensor.shutter.direction is not ShutterDirection.GLOBAL
    first = starts_us + round(sensor.shutter.exposure_us / 2)
    readout = round(sensor.shutter.readout_us) if rolling else 0
    return np.stack([first, first + max(readout, 1)], axis=1).astype(np.int64)


def _covering_path(ego: Trajectory, frames: list[Int64]) -> tuple[Int64, Float64]:
    """The ego's knots, with one more at either end where frames lie beyond it: readers refuse to extrapolate."""
    knots = ego.timestamps_us
    times = np.concatenate([knots, *(interval.ravel() for interval in frames)])
    low, high = times.min(), times.max()
    before = [low] if low < knots[0] else []
    after = [high] if high > knots[-1] else []
    covering = np.concatenate([np.array(before, np.int64), knots, np.array(after, np.int64)])
    poses = [ego.at(np.array(end, np.int64), outside="extrapolate").reshape(-1, 4, 4) for end in (before, after)]
    return covering, np.concatenate([poses[0], ego.poses, poses[1]])


def _calibration(sensor: CameraSensor, index: int, sequence_id: str, fitted: FThetaCamera) -> dict[str, Any]:
    parameters = {
        "resolution": [fitted.width, fitted.height],
        "shutter_type": _SHUTTER_TYPES[sensor.shutter.direction],
        "external_distortion_parameters": None,
        "principal_point": [float(value) - 0.5 for value in fitted.principal_point],  # pixel centres at integers here
        "reference_poly": str(fitted.reference_poly),
        "pixeldist_to_angle_poly": [float(value) for value in fitted.pixeldist_to_angle_poly],
        "angle_to_pixeldist_poly": [float(value) for value in fitted.angle_to_pixeldist_poly],
        "max_angle": float(fitted.max_angle),
        "linear_cde": [float(value) for value in fitted.linear_cde],
    }
    return {
        "sequence_id": sequence_id,
        "logical_sensor_name": sensor.name,
        "unique_sensor_idx": index,
        "T_sensor_rig": np.asarray(sensor.rig_from_camera, np.float64).tolist(),
        "camera_model": {"type": "ftheta", "parameters": parameters},
    }
