"""What an evaluation found, as data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["Difficulty", "Evaluation", "FrameScore", "mean_of"]


@dataclass(frozen=True)
class FrameScore:
    """Scores of one held-out frame.

    Attributes:
        camera: name of the camera.
        index: position among the camera's recorded frames.
        timestamp_us: start of its exposure.
        psnr: dB.
        ssim: 0..1, larger is better.
        gmsd: gradient magnitude similarity deviation, smaller is better.
        psnr_aligned: dB after the pose was fitted to this very frame; None unless asked for.
        aligned_deg: rotation of that fit in degrees, None likewise.
        aligned_m: translation of that fit in metres, None likewise.
    """

    camera: str
    index: int
    timestamp_us: int
    psnr: float
    ssim: float
    gmsd: float
    psnr_aligned: float | None = None
    aligned_deg: float | None = None
    aligned_m: float | None = None


@dataclass(frozen=True)
class Difficulty:
    """How well one can guess the same frames without a scene, means over them.

    Attributes:
        nearest_frame_psnr: dB of the nearest frame in time that was not held out; None where a camera has no other.
        half_size_psnr: dB of the frame itself at half size and back: what a blurred but perfectly placed picture gets.
    """

    nearest_frame_psnr: float | None
    half_size_psnr: float


@dataclass(frozen=True)
class Evaluation:
    """Scores of a scene on the frames that its reconstruction never saw.

    Attributes:
        scene: name of the scene.
        drive: name of the drive.
        downscale: pictures were compared at the recorded size divided by this.
        frames: one score per held-out frame, by camera then time.
        difficulty: the guesses to compare with.
        sheet: picture sheet that was written, if any.
        street: scores against the truth of a synthetic street, keyed by figure; empty for other drives.
    """

    scene: str
    drive: str
    downscale: float
    frames: tuple[FrameScore, ...]
    difficulty: Difficulty
    sheet: Path | None = None
    street: Mapping[str, Any] | None = None

    @property
    def psnr(self) -> float:
        """Mean over the held-out frames, dB."""
        return mean_of([frame.psnr for frame in self.frames])

    @property
    def ssim(self) -> float:
        """Mean over the held-out frames."""
        return mean_of([frame.ssim for frame in self.frames])

    @property
    def gmsd(self) -> float:
        """Mean over the held-out frames."""
        return mean_of([frame.gmsd for frame in self.frames])

    @property
    def psnr_aligned(self) -> float | None:
        """Mean over the held-out frames after each one's pose was fitted to it, dB; None unless asked for."""
        values = [frame.psnr_aligned for frame in self.frames if frame.psnr_aligned is not None]
        return mean_of(values) if values else None

    def to_dict(self) -> dict[str, Any]:
        """Figures for JSON; values that do not exist (PSNR of equal pictures, empty masks) become None."""
        per_camera: dict[str, Any] = {}
        for camera in dict.fromkeys(frame.camera for frame in self.frames):
            own = [frame for frame in self.frames if frame.camera == camera]
            per_camera[camera] = {"frames": len(own), **_means(own)}
        document: dict[str, Any] = {
            "scene": self.scene,
            "drive": self.drive,
            **_means(self.frames),
            "perceptual_metric": "gmsd (gradient magnitude similarity deviation; 0 is best)",
            "frames": len(self.frames),
            "downscale": self.downscale,
            "difficulty": {field.name: getattr(self.difficulty, field.name) for field in fields(self.difficulty)},
            "per_camera": per_camera,
            "per_frame": [
                {name: value for name, value in vars(frame).items() if value is not None} for frame in self.frames
            ],
            "sheet": None if self.sheet is None else str(self.sheet),
        }
        if self.street is not None:
            document["street"] = dict(self.street)
        finite: dict[str, Any] = _finite(document)
        return finite


def mean_of(values: Sequence[float]) -> float:
    """Mean of the values that are not NaN; NaN where none is left."""
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")


def _means(frames: Sequence[FrameScore]) -> dict[str, float]:
    means = {name: mean_of([getattr(frame, name) for frame in frames]) for name in ("psnr", "ssim", "gmsd")}
    aligned = [frame.psnr_aligned for frame in frames if frame.psnr_aligned is not None]
    return {**means, "psnr_aligned": mean_of(aligned)} if aligned else means


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(entry) for entry in value]
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
