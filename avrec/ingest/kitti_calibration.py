"""KITTI raw calibration text files: what maps the IMU to each camera and what its lens does."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avrec.errors import DataError
from avrec.geometry import OpenCVPinholeCamera, invert, transform_from
from avrec.ingest.checks import finite_array, rigid_matrix

__all__ = ["KittiCalibration", "read_kitti_calibration"]

Float64 = NDArray[np.float64]

_CAMERA_FILE = "calib_cam_to_cam.txt"
_VELODYNE_FILE = "calib_velo_to_cam.txt"
_IMU_FILE = "calib_imu_to_velo.txt"


@dataclass(frozen=True)
class KittiCalibration:
    """The three calibration files of one recording date.

    Attributes:
        cameras: entries of calib_cam_to_cam.txt by key, e.g. ``"P_rect_02"``.
        source: that file, for messages.
        velodyne_from_imu: float64 [4, 4].
        camera0_from_velodyne: float64 [4, 4], to the unrectified camera 0.
    """

    cameras: dict[str, Float64]
    source: Path
    velodyne_from_imu: Float64
    camera0_from_velodyne: Float64

    def camera(self, index: int, size: tuple[int, int], *, rectified: bool) -> tuple[OpenCVPinholeCamera, Float64]:
        """Intrinsics for pictures of ``size`` (width, height), and imu_from_camera float64 [4, 4].

        Rectified (``_sync``) pictures follow ``P_rect`` without distortion; unrectified (``_extract``) ones follow
        ``K``, ``D``, ``R`` and ``T``. KITTI's principal points count from the middle of the first pixel, avrec's from
        its corner, hence the added half pixel.

        Raises:
            DataError: an entry is missing or not usable.
        """
        suffix = f"{index:02d}"
        if rectified:
            projection = self._entry(f"P_rect_{suffix}", 12).reshape(3, 4)
            intrinsic = projection[:, :3]
            camera_from_reference = transform_from(np.eye(3), np.linalg.solve(intrinsic, projection[:, 3]))
            rectification = self._entry("R_rect_00", 9).reshape(3, 3)
            reference_from_camera0 = rigid_matrix(
                transform_from(rectification, np.zeros(3)), f"R_rect_00 in {self.source}"
            )
            calibrated_size = self._entry(f"S_rect_{suffix}", 2)
            distortion = np.zeros(5)
        else:
            intrinsic = self._entry(f"K_{suffix}", 9).reshape(3, 3)
            rotation = self._entry(f"R_{suffix}", 9).reshape(3, 3)
            camera_from_reference = rigid_matrix(
                transform_from(rotation, self._entry(f"T_{suffix}", 3)), f"R_{suffix} in {self.source}"
            )
            reference_from_camera0 = np.eye(4)
            calibrated_size = self._entry(f"S_{suffix}", 2)
            distortion = self._entry(f"D_{suffix}", 5)
        scale_x, scale_y = np.asarray(size) / calibrated_size
        k1, k2, p1, p2, k3 = (float(value) for value in distortion)
        model = OpenCVPinholeCamera(
            width=size[0],
            height=size[1],
            focal=(float(intrinsic[0, 0] * scale_x), float(intrinsic[1, 1] * scale_y)),
            principal_point=(float((intrinsic[0, 2] + 0.5) * scale_x), float((intrinsic[1, 2] + 0.5) * scale_y)),
            radial=(k1, k2, k3, 0.0, 0.0, 0.0),
            tangential=(p1, p2),
        )
        camera_from_imu = (
            camera_from_reference @ reference_from_camera0 @ self.camera0_from_velodyne @ self.velodyne_from_imu
        )
        return model, invert(camera_from_imu)

    def _entry(self, key: str, count: int) -> Float64:
        if key not in self.cameras:
            raise DataError(
                f"{self.source} has no entry {key}. Use the calibration file that KITTI gives for this date."
            )
        return finite_array(self.cameras[key], (count,), f"{key} in {self.source}")


def read_kitti_calibration(drive_folder: Path) -> KittiCalibration:
    """Read the calibration files from the date folder above a drive (or from the drive folder itself).

    Raises:
        DataError: a file or an entry is missing or not usable.
    """
    velodyne_path = _find(drive_folder, _VELODYNE_FILE)
    imu_path = _find(drive_folder, _IMU_FILE)
    camera_path = _find(drive_folder, _CAMERA_FILE)
    return KittiCalibration(
        cameras=_read_entries(camera_path),
        source=camera_path,
        velodyne_from_imu=_rigid(imu_path),
        camera0_from_velodyne=_rigid(velodyne_path),
    )


def _find(drive_folder: Path, name: str) -> Path:
    for folder in (drive_folder.parent, drive_folder):
        if (folder / name).is_file():
            return folder / name
    raise DataError(
        f"The calibration file {name} is missing: looked in {drive_folder.parent} and {drive_folder}. "
        "Put KITTI's three calib_*.txt files of this date into the date folder."
    )


def _read_entries(path: Path) -> dict[str, Float64]:
    """Lines ``key: numbers``; lines whose value is not numeric (dates) are left out."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not a text file. Restore KITTI's calibration file.") from error
    entries: dict[str, Float64] = {}
    for line in text.splitlines():
        key, _, values = line.partition(":")
        try:
            entries[key.strip()] = np.array([float(value) for value in values.split()])
        except ValueError:
            continue
    return entries


def _rigid(path: Path) -> Float64:
    entries = _read_entries(path)
    if "R" not in entries or "T" not in entries:
        raise DataError(
            f"{path} needs the entries R and T; found {', '.join(entries) or 'none'}. Restore KITTI's file."
        )
    rotation = finite_array(entries["R"], (9,), f"R in {path}").reshape(3, 3)
    return rigid_matrix(transform_from(rotation, finite_array(entries["T"], (3,), f"T in {path}")), f"R in {path}")
