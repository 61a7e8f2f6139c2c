"""Write a synthetic street as a drive on disk."""

from __future__ import annotations

import json
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avrec.drive.street.crew import record_all, usable_cores
from avrec.drive.street.describe import describe_drive, describe_truth
from avrec.drive.street.difficulty import LIMITS, street_difficulty
from avrec.drive.street.lane_map import describe_map
from avrec.drive.street.plan import Plan
from avrec.drive.street.rig import MAX_CAMERAS
from avrec.errors import DataError, OutputError
from avrec.files import fresh_folder
from avrec.progress import NO_PROGRESS, Progress

__all__ = ["StreetReport", "synthesise_street"]


@dataclass(frozen=True)
class StreetReport:
    """What was written.

    Attributes:
        path: the drive's folder.
        images: recorded images, truth not counted.
        sweeps: lidar turns.
        actors: tracks.
        elapsed_s: wall time.
        difficulty: see ``street_difficulty``.
    """

    path: Path
    images: int
    sweeps: int
    actors: int
    elapsed_s: float
    difficulty: dict[str, float | None]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "path": str(self.path),
            "images": self.images,
            "sweeps": self.sweeps,
            "actors": self.actors,
            "elapsed_s": round(self.elapsed_s, 2),
            "difficulty": self.difficulty,
        }

    def difficulty_line(self) -> str:
        """The difficulty in one line, to stand beside every PSNR."""
        values = self.difficulty
        parts = []
        if values["nearest_frame_psnr"] is not None:
            parts.append(f"nearest frame {values['nearest_frame_psnr']:.1f} dB (<= {LIMITS['nearest_frame_psnr']:.0f})")
        if values["half_size_psnr"] is not None:
            parts.append(f"half size and back {values['half_size_psnr']:.1f} dB (<= {LIMITS['half_size_psnr']:.0f})")
        if values["sky_share"] is not None:
            parts.append(f"sky {100 * values['sky_share']:.0f} % (<= {100 * LIMITS['sky_share']:.0f})")
        parts.append(f"yaw rate up to {values['yaw_rate_max_dps']:.1f} deg/s")
        return ", ".join(parts)


def synthesise_street(
    out: Path,
    *,
    seconds: float = 4.0,
    cameras: int = 3,
    width: int = 480,
    height: int = 320,
    fps: float = 10,
    seed: int = 0,
    readout_us: int = 30_000,
    moving: bool = True,
    lidar: bool = True,
    truth: bool = True,
    empty: bool = True,
    shifts_m: tuple[float, ...] = (),
    yaw_rate_max_dps: float = 20.0,
    pose_noise_deg: float = 0.0,
    pose_noise_m: float = 0.0,
    noise_seed: int | None = None,
    workers: int | None = None,
    overwrite: bool = False,
    progress: Progress = NO_PROGRESS,
) -> StreetReport:
    """Render a street and write it as a recorded drive: ``transforms.json``, images, lidar, map, truth beside them.

    The same settings give the same bytes, whatever ``workers`` is. The layout is described in the written
    ``truth/truth.json``. Images are rendered with an exact pose for every row.

    Args:
        out: folder to make; must not exist or be empty.
        seconds: length of the drive.
        cameras: front, left, right, rear, rear left, rear right, in this order.
        width: of the images, pixels.
        height: of the images, pixels.
        fps: moments a second; all cameras start at the same moment.
        seed: of the street and the drive.
        readout_us: from the first row's exposure to the last row's; 0 for a global shutter.
        moving: let cars and pedestrians move; without, only parked cars are there.
        lidar: record a 32-beam lidar at 10 Hz.
        truth: write depth, semantic and instance truth and exact poses.
        empty: with truth, also every frame with all that moves taken out.
        shifts_m: with truth, also every frame from a rig shifted this far to its left.
        yaw_rate_max_dps: the ego's yaw rate swings up to this, degrees per second.
        pose_noise_deg: root mean square of the random angle laid on each moment's recorded pose.
        pose_noise_m: the same for position, metres.
        noise_seed: of the pose noise; ``seed`` by default.
        workers: processes; all usable cores by default.
        overwrite: replace a street that is there already, once the new one is complete; nothing but a street.
        progress: hears how far the rendering is.

    Raises:
        DataError: settings that make no drive.
        OutputError: ``out`` holds something already, or cannot be written.
    """
    started = time.monotonic()
    plan = Plan(
        seconds=seconds, cameras=cameras, width=width, height=height, fps=fps, seed=seed, readout_us=readout_us,
        moving=moving, lidar=lidar, truth=truth, empty=empty and moving, shifts_m=tuple(shifts_m),
        yaw_rate_max_dps=yaw_rate_max_dps, pose_noise_deg=pose_noise_deg, pose_noise_m=pose_noise_m,
        noise_seed=seed if noise_seed is None else noise_seed,
    )  # fmt: skip
    _check(plan)
    out = Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        if not overwrite:
            raise OutputError(f"{out} exists already. Remove it, name another folder, or ask for it to be overwritten.")
        if not all((out / name).is_file() for name in ("transforms.json", "map.json")):
            raise OutputError(f"{out} exists and is no synthetic street, so it stays. Name another folder.")
    street = plan.street()
    with fresh_folder(out, overwrite=overwrite, marker="map.json") as partial:
        _write_json(partial / "transforms.json", describe_drive(plan, street))
        _write_json(partial / "map.json", describe_map(street))
        if truth:
            (partial / "truth").mkdir()
            _write_json(partial / "truth" / "truth.json", describe_truth(plan, street))
        jobs = len(plan.frame_offsets_us()) * cameras + len(plan.sweep_offsets_us())
        progress.start("Rendering the street", jobs)
        record_all(plan, partial, min(workers or usable_cores(), jobs), lambda count: progress.update(count))
        difficulty = street_difficulty(partial)
    report = StreetReport(
        path=out,
        images=len(plan.frame_offsets_us()) * cameras,
        sweeps=len(plan.sweep_offsets_us()),
        actors=len(street.actors),
        elapsed_s=time.monotonic() - started,
        difficulty=difficulty,
    )
    progress.finish(f"Difficulty: {report.difficulty_line()}")
    return report


def _check(plan: Plan) -> None:
    """Refuse settings that make no drive."""
    ranges = (
        ("seconds", plan.seconds, 0.1, 600.0),
        ("cameras", plan.cameras, 1, MAX_CAMERAS),
        ("width", plan.width, 16, 8192),
        ("height", plan.height, 16, 8192),
        ("fps", plan.fps, 1, 100),
        ("seed", plan.seed, 0, 2**31),
        ("readout_us", plan.readout_us, 0, 100_000),
        ("yaw_rate_max_dps", plan.yaw_rate_max_dps, 0, 90),
        ("pose_noise_deg", plan.pose_noise_deg, 0, 10),
        ("pose_noise_m", plan.pose_noise_m, 0, 5),
        ("noise_seed", plan.noise_seed, 0, 2**31),
    )
    for name, value, low, high in ranges:
        if not (math.isfinite(value) and low <= value <= high):
            raise DataError(f"{name} is {value}; give a value from {low} to {high}.")
    if round(plan.seconds * plan.fps) < 1:
        raise DataError(f"{plan.seconds} s at {plan.fps} frames a second hold no frame. Drive longer.")
    if any(not abs(shift) <= 3.5 for shift in plan.shifts_m):
        raise DataError(
            f"shifts_m is {plan.shifts_m}; give metres within 3.5 to either side: the rig stays on the road."
        )


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, allow_nan=False) + "\n", encoding="utf-8")
