"""KITTI's Velodyne sweeps: points as measured, each with the moment its laser fired."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avrec.drive import LidarPoints
from avrec.errors import DataError

__all__ = ["firing_times_us", "velodyne_loader", "velodyne_period_us"]

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]


def firing_times_us(xyz_lidar: Float32, stamp_us: int, period_us: float) -> Int64:
    """Firing time of each point of an uncompensated sweep, int64 [N].

    The scanner turns clockwise seen from above (left, front, right) and the stamp is the moment it faces forward,
    so a point at azimuth ``atan2(y, x)`` left of forward was measured earlier by that share of a revolution.

    Args:
        xyz_lidar: float32 [N, 3] metres, x forward, y left.
        stamp_us: when the scanner faced forward.
        period_us: one revolution.
    """
    azimuth = np.arctan2(xyz_lidar[:, 1].astype(np.float64), xyz_lidar[:, 0].astype(np.float64))
    return stamp_us - np.rint(azimuth * (period_us / (2 * np.pi))).astype(np.int64)


def velodyne_period_us(stamps_us: Int64) -> float:
    """One revolution from consecutive stamps: their mean gap, leaving out gaps with lost sweeps."""
    gaps = np.diff(stamps_us)
    usual = gaps[(gaps > 50_000) & (gaps < 150_000)]
    return float(usual.mean()) if len(usual) else 100_000.0


def velodyne_loader(
    path: Path, stamp_us: int, period_us: float, rig_from_lidar: Float64, ego_low: Float64, ego_high: Float64
) -> Callable[[], LidarPoints]:
    """A function that reads one ``.bin`` sweep (float32 x, y, z, reflectance) when called.

    Args:
        path: the file.
        stamp_us: when the scanner faced forward.
        period_us: one revolution.
        rig_from_lidar: float64 [4, 4].
        ego_low: float64 [3] lower corner of the ego's body in the rig frame, metres; points inside are dropped.
        ego_high: its upper corner.
    """

    def load() -> LidarPoints:
        try:
            data = path.read_bytes()
        except OSError as error:
            raise DataError(f"The sweep {path} cannot be read: {error.strerror}. Restore the file.") from error
        if len(data) % 16 or not data:
            raise DataError(f"The sweep {path} is truncated ({len(data)} bytes, not a multiple of 16). Copy it again.")
        points = np.frombuffer(data, dtype="<f4").reshape(-1, 4)
        rig = points[:, :3] @ rig_from_lidar[:3, :3].T + rig_from_lidar[:3, 3]
        own_body = ((rig >= ego_low) & (rig <= ego_high)).all(axis=1)
        points = points[np.isfinite(points).all(axis=1) & ~own_body]
        xyz = np.ascontiguousarray(points[:, :3], dtype=np.float32)
        intensity = np.ascontiguousarray(points[:, 3], dtype=np.float32)
        return LidarPoints(xyz, intensity, firing_times_us(xyz, stamp_us, period_us))

    return load
