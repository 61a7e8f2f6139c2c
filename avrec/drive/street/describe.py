"""The drive's text files: transforms.json, map.json and the truth beside them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from avrec.drive.street.noise_injection import PoseNoise
from avrec.drive.street.plan import START_US, Plan, image_file, shift_name
from avrec.drive.street.rig import RigCamera
from avrec.drive.street.shapes import Semantic
from avrec.drive.street.world import Street
from avrec.geometry import Anchor, Trajectory

__all__ = ["ANCHOR", "describe_drive", "describe_truth", "true_ego"]

Float64 = NDArray[np.float64]

ANCHOR = Anchor(latitude_deg=48.1371, longitude_deg=11.5754, altitude_m=519.0)
"""Where the made-up street is said to lie."""

_OPENGL_FROM_OPENCV = np.diag([1.0, -1.0, -1.0, 1.0])
_POSE_KEYS = ("file_path", "camera", "timestamp_us", "transform_matrix", "transform_matrix_end")
_FIELDS = ["x", "y", "z", "intensity", "time_us"]


def true_ego(plan: Plan, street: Street) -> Trajectory:
    """The exact path of the rig at the recorded knots."""
    offsets = plan.ego_offsets_us()
    return Trajectory(START_US + offsets, street.ego.poses(_seconds(offsets)))


def describe_drive(plan: Plan, street: Street) -> dict[str, Any]:
    """Content of ``transforms.json``: what a recording would know, pose noise included."""
    rig = plan.rig()
    moments = plan.frame_offsets_us()
    noise = PoseNoise(moments, plan.readout_us, plan.pose_noise_deg, plan.pose_noise_m, plan.noise_seed)
    ego = true_ego(plan, street)
    noisy = Trajectory(ego.timestamps_us, ego.poses @ noise.at(plan.ego_offsets_us()))
    lidar = plan.lidar_sensor()
    sweeps = plan.sweep_offsets_us()
    at_sweeps = street.ego.poses(_seconds(sweeps)) @ noise.at(sweeps) @ lidar.rig_from_lidar
    content: dict[str, Any] = {
        "name": f"synthetic street, seed {plan.seed}",
        "license": "made by avrec; free to use without conditions (CC0-1.0)",
        "camera_model": "OPENCV",
        "world": "z-up metres, x east, y north of the anchor",
        "anchor": {
            "latitude": ANCHOR.latitude_deg,
            "longitude": ANCHOR.longitude_deg,
            "altitude": ANCHOR.altitude_m,
        },
        "map": "map.json",
        "cameras": {camera.name: _camera(plan, camera) for camera in rig},
        "ego": {"timestamps_us": noisy.timestamps_us.tolist(), "world_from_rig": noisy.poses.tolist()},
        "frames": _frames(plan, street, rig, noise),
        "tracks": _tracks(plan, street),
        "lidars": [
            {
                "name": "lidar_top",
                "file_path": f"lidar/{index:04d}.bin",
                "fields": _FIELDS,
                "timestamp_us": int(START_US + offset),
                "transform_matrix": at_sweeps[index].tolist(),
                "rig_from_lidar": lidar.rig_from_lidar.tolist(),
            }
            for index, offset in enumerate(sweeps)
        ],
        "lidar_layout": "little-endian float32 table, one row per point; time_us counts from the sweep's timestamp_us",
    }
    if not plan.lidar:
        del content["lidars"], content["lidar_layout"]
    return content


def describe_truth(plan: Plan, street: Street) -> dict[str, Any]:
    """Content of ``truth/truth.json``: exact poses and what the label images mean."""
    ego = true_ego(plan, street)
    exact = PoseNoise(plan.frame_offsets_us(), plan.readout_us, 0.0, 0.0, 0)
    return {
        "settings": plan.to_dict(),
        "ego": {"timestamps_us": ego.timestamps_us.tolist(), "world_from_rig": ego.poses.tolist()},
        "frames": [{key: frame[key] for key in _POSE_KEYS} for frame in _frames(plan, street, plan.rig(), exact)],
        "classes": {str(int(label)): label.name.lower() for label in Semantic},
        "instances": {str(number): actor.id for number, actor in enumerate(street.actors, start=1)},
        "shifts": {shift_name(shift): {"left_m": shift} for shift in plan.shifts_m},
        "layout": {
            "depth": "float32 .npy, metres along the pixel centre's unit ray, inf for sky",
            "semantic": "8-bit PNG, see classes",
            "instance": "16-bit PNG, see instances; 0 elsewhere",
            "shift_*": "the same frames from a rig shifted to its left, rolling shutter included",
            "empty": "the same frames with everything that moves taken out, its shadow too",
            "lidar": ".npy records per point: range_m without noise, semantic, instance",
        },
    }


def _seconds(offsets_us: NDArray[np.int64]) -> Float64:
    return offsets_us.astype(np.float64) * 1e-6


def _camera(plan: Plan, camera: RigCamera) -> dict[str, Any]:
    return {"rig_from_camera": camera.rig_from_camera.tolist(), **_intrinsics(camera), **_shutter(plan)}


def _intrinsics(camera: RigCamera) -> dict[str, Any]:
    model = camera.model
    keys: dict[str, Any] = {"w": model.width, "h": model.height, "camera_model": "OPENCV"}
    keys |= {"fl_x": model.focal[0], "fl_y": model.focal[1]}
    keys |= {"cx": model.principal_point[0], "cy": model.principal_point[1]}
    keys |= {"k1": model.radial[0], "k2": model.radial[1], "k3": model.radial[2]}
    return keys | {"p1": model.tangential[0], "p2": model.tangential[1]}


def _shutter(plan: Plan) -> dict[str, Any]:
    if plan.readout_us == 0:
        return {"shutter": "global", "readout_us": 0}
    return {"shutter": "top_to_bottom", "readout_us": plan.readout_us}


def _frames(plan: Plan, street: Street, rig: tuple[RigCamera, ...], noise: PoseNoise) -> list[dict[str, Any]]:
    frames = []
    for index, offset in enumerate(plan.frame_offsets_us()):
        ends = np.array([offset, offset + plan.readout_us])
        world_from_rig = street.ego.poses(_seconds(ends)) @ noise.at(ends)
        for camera in rig:
            matrices = world_from_rig @ camera.rig_from_camera @ _OPENGL_FROM_OPENCV
            frames.append(
                {
                    "file_path": f"images/{image_file(camera.name, index).as_posix()}",
                    "camera": camera.name,
                    "timestamp_us": int(START_US + offset),
                    "traversal": 0,
                    "transform_matrix": matrices[0].tolist(),
                    "transform_matrix_end": matrices[1].tolist(),
                    **_intrinsics(camera),
                    **_shutter(plan),
                }
            )
    return frames


def _tracks(plan: Plan, street: Street) -> list[dict[str, Any]]:
    """Every actor; 40 Hz where it moves, first and last pose where it stays."""
    every = np.append(np.arange(-100_000, int(plan.seconds * 1e6) + plan.readout_us + 100_000, 25_000), 0)
    every = np.unique(every)
    tracks = []
    for number, actor in enumerate(street.actors, start=1):
        times = every if actor.moving else every[[0, -1]]
        tracks.append(
            {
                "id": actor.id,
                "class": actor.label,
                "instance": number,
                "size_m": actor.size_m.tolist(),
                "timestamps_us": (START_US + times).tolist(),
                "world_from_box": actor.motion.poses(_seconds(times)).tolist(),
            }
        )
    return tracks
