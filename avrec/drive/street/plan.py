"""What is to be recorded: the settings of a street, its clock, and where each file goes."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avrec.drive.street.build import build_street
from avrec.drive.street.rig import RigCamera, SpinningLidar, lidar_of_the_rig, rig_cameras
from avrec.drive.street.world import Street

__all__ = ["START_US", "Plan", "image_file", "shift_name"]

Float64 = NDArray[np.float64]

START_US = 1_700_000_000_000_000
"""Time of the first exposure; a real epoch, so that readers that lose precision are found out."""


@dataclass(frozen=True)
class Plan:
    """The settings of a street; see ``synthesise_street``."""

    seconds: float
    cameras: int
    width: int
    height: int
    fps: float
    seed: int
    readout_us: int
    moving: bool
    lidar: bool
    truth: bool
    empty: bool
    shifts_m: tuple[float, ...]
    yaw_rate_max_dps: float
    pose_noise_deg: float
    pose_noise_m: float
    noise_seed: int

    @staticmethod
    def from_dict(values: dict[str, Any]) -> Plan:
        """The plan written by ``to_dict``."""
        return Plan(**{**values, "shifts_m": tuple(values["shifts_m"])})

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    def street(self) -> Street:
        """The scene itself."""
        return build_street(
            seed=self.seed, seconds=self.seconds, yaw_rate_max_dps=self.yaw_rate_max_dps, moving=self.moving
        )

    def rig(self) -> tuple[RigCamera, ...]:
        """The cameras."""
        return rig_cameras(self.cameras, self.width, self.height)

    def lidar_sensor(self) -> SpinningLidar:
        """The lidar."""
        return lidar_of_the_rig()

    def frame_offsets_us(self) -> NDArray[np.int64]:
        """Start of each moment's exposure after ``START_US``, int64 [F]."""
        return np.asarray(np.rint(np.arange(round(self.seconds * self.fps)) * 1e6 / self.fps), np.int64)

    def sweep_offsets_us(self) -> NDArray[np.int64]:
        """Start of each lidar turn after ``START_US``, int64 [S]; empty without a lidar."""
        period = self.lidar_sensor().period_us
        return np.arange(int(self.seconds * 1e6) // period if self.lidar else 0, dtype=np.int64) * period

    def ego_offsets_us(self) -> NDArray[np.int64]:
        """Knots of the recorded ego path after ``START_US``: 200 Hz, a tenth of a second beyond all exposures."""
        return np.arange(-100_000, int(self.seconds * 1e6) + self.readout_us + 100_000, 5_000, dtype=np.int64)


def shift_name(shift_m: float) -> str:
    """Folder of the truth for a rig shifted to the left, e.g. ``"shift_+1.50"``."""
    return f"shift_{shift_m:+.2f}"


def image_file(camera: str, index: int, suffix: str = "png") -> Path:
    """Place of a frame below its kind's folder."""
    return Path(camera) / f"{index:04d}.{suffix}"
