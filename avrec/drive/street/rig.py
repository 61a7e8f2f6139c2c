"""The recording car's sensors."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from avrec.geometry import OpenCVPinholeCamera, matrix_from_rpy, transform_from

__all__ = [
    "MAX_CAMERAS",
    "RigCamera",
    "SpinningLidar",
    "center_rays",
    "corner_rays",
    "lidar_of_the_rig",
    "pixel_samples",
    "rig_cameras",
]

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Index = NDArray[np.intp]

# the rays of larger pictures are computed anew for each: kept, they would take gigabytes
_CACHED_PIXELS = 400_000

# name, yaw (degrees, positive left), position in the rig, metres; added in this order
_PLACES = (
    ("front", 0.0, (1.7, 0.0, 1.55)),
    ("left", 60.0, (1.5, 0.45, 1.6)),
    ("right", -60.0, (1.5, -0.45, 1.6)),
    ("rear", 180.0, (-0.4, 0.0, 1.6)),
    ("rear_left", 120.0, (0.2, 0.5, 1.6)),
    ("rear_right", -120.0, (0.2, -0.5, 1.6)),
)
MAX_CAMERAS = len(_PLACES)


@dataclass(frozen=True)
class RigCamera:
    """A camera of the rig.

    Attributes:
        name: of the camera.
        model: intrinsics.
        rig_from_camera: float64 [4, 4], OpenCV axes.
    """

    name: str
    model: OpenCVPinholeCamera
    rig_from_camera: Float64

    @property
    def pixel_angle(self) -> float:
        """Width of a pixel's beam at the image centre, radians."""
        return 1.0 / self.model.focal[0]


def rig_cameras(count: int, width: int, height: int) -> tuple[RigCamera, ...]:
    """The first ``count`` cameras: a front camera with lens distortion, then sides and rear, which are rectified."""
    cameras = []
    for name, yaw, position in _PLACES[:count]:
        front = name == "front"
        focal = (0.69 if front else 0.62) * width
        off_x, off_y = (0.006 * width, -0.004 * width) if front else (0.0, 0.0)
        model = OpenCVPinholeCamera(
            width=width,
            height=height,
            focal=(focal, focal * (1.002 if front else 1.0)),
            principal_point=(width / 2 + off_x, height / 2 + off_y),
            radial=(-0.11, 0.024, 0.0, 0.0, 0.0, 0.0) if front else (0.0,) * 6,
            tangential=(6e-4, -4e-4) if front else (0.0, 0.0),
        )
        pitch = np.deg2rad(2.0 if front else 0.0)
        turned = matrix_from_rpy(np.zeros(()), np.asarray(pitch), np.asarray(np.deg2rad(yaw)))
        # columns: where the camera's right, down and forward point in a rig that looks along x
        axes = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
        cameras.append(RigCamera(name, model, transform_from(turned @ axes, np.array(position))))
    return tuple(cameras)


@lru_cache(maxsize=8)
def center_rays(model: OpenCVPinholeCamera) -> Float32:
    """Unit camera rays through pixel centres, float32 [3, H, W]."""
    rows, columns = np.mgrid[: model.height, : model.width]
    return _sampled(model, rows, columns, 1)[..., 0]


def pixel_samples(model: OpenCVPinholeCamera, rows: Index, columns: Index, samples: int) -> Float32:
    """Unit camera rays through ``samples`` x ``samples`` points of each listed pixel, float32 [3, N, samples^2]."""
    if model.width * model.height <= _CACHED_PIXELS:
        return np.ascontiguousarray(_all_samples(model, samples)[:, rows, columns])
    return _sampled(model, rows, columns, samples)


@lru_cache(maxsize=8)
def _all_samples(model: OpenCVPinholeCamera, samples: int) -> Float32:
    rows, columns = np.mgrid[: model.height, : model.width]
    return _sampled(model, rows, columns, samples)


def _sampled(model: OpenCVPinholeCamera, rows: Index, columns: Index, samples: int) -> Float32:
    offsets = (np.arange(samples) + 0.5) / samples
    dv, du = (grid.reshape(-1) for grid in np.meshgrid(offsets, offsets, indexing="ij"))
    rays, _ = model.unproject(np.stack([columns[..., None] + du, rows[..., None] + dv], -1))
    return np.ascontiguousarray(np.moveaxis(rays, -1, 0)).astype(np.float32)


@lru_cache(maxsize=8)
def corner_rays(model: OpenCVPinholeCamera) -> Float32:
    """Unit camera rays through pixel corners, float32 [3, H + 1, W + 1]."""
    u, v = np.meshgrid(np.arange(model.width + 1.0), np.arange(model.height + 1.0))
    rays, _ = model.unproject(np.stack([u, v], -1))
    return np.ascontiguousarray(np.moveaxis(rays, -1, 0)).astype(np.float32)


@dataclass(frozen=True)
class SpinningLidar:
    """A lidar that turns once per sweep, clockwise from straight behind.

    Attributes:
        rig_from_lidar: float64 [4, 4].
        elevations_deg: float64 [B].
        columns: firings per turn; all beams fire at once.
        period_us: time of a turn.
        range_m: farthest return.
        noise: standard deviation of the range, as a share of it.
    """

    rig_from_lidar: Float64
    elevations_deg: Float64
    columns: int
    period_us: int
    range_m: float = 80.0
    noise: float = 0.003

    def azimuths(self) -> Float64:
        """Azimuth of each column in the lidar frame, radians, positive left, [columns]."""
        return np.pi - 2 * np.pi * (np.arange(self.columns) + 0.5) / self.columns

    def column_times_us(self) -> NDArray[np.int64]:
        """When each column fires after the sweep's start, int64 [columns]."""
        return np.rint((np.arange(self.columns) + 0.5) * self.period_us / self.columns).astype(np.int64)

    def rays(self) -> Float32:
        """Unit rays in the lidar frame, float32 [3, columns, B]."""
        azimuth, rise = np.meshgrid(self.azimuths(), np.deg2rad(self.elevations_deg), indexing="ij")
        rays = np.stack([np.cos(rise) * np.cos(azimuth), np.cos(rise) * np.sin(azimuth), np.sin(rise)])
        return rays.astype(np.float32)


def lidar_of_the_rig() -> SpinningLidar:
    """A roof lidar: 32 beams from -24 to +14 degrees, 10 turns a second, 0.4 degrees between columns."""
    pose = transform_from(matrix_from_rpy(np.zeros(()), np.zeros(()), np.zeros(())), np.array([0.8, 0.0, 1.95]))
    return SpinningLidar(pose, np.linspace(-24.0, 14.0, 32), columns=900, period_us=100_000)
