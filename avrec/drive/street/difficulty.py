"""How hard a street is, measured on its images before any training."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from avrec.errors import DataError
from avrec.geometry import Trajectory

__all__ = ["LIMITS", "street_difficulty"]

LIMITS = {"nearest_frame_psnr": 20.0, "half_size_psnr": 31.0, "sky_share": 0.25}
"""A street at or below these is hard enough for its PSNR to mean something."""


def street_difficulty(drive_dir: str | Path, *, every: int = 8) -> dict[str, float | None]:
    """Scores of two guesses that know nothing, and facts that make a street hard.

    Args:
        drive_dir: a folder written by ``synthesise_street``.
        every: only frames i with ``i % every == every // 2`` of each camera are scored, as in the hold-out.

    Returns:
        ``nearest_frame_psnr``: the better of the same camera's two neighbouring frames taken as a guess, dB.
        ``half_size_psnr``: halved (area) and enlarged again (cubic), dB.
        ``sky_share``: of all pixels; None without truth.
        ``yaw_rate_max_dps``: largest yaw rate of the ego, degrees per second.

    Raises:
        DataError: not such a folder.
    """
    root = Path(drive_dir)
    try:
        content: dict[str, Any] = json.loads((root / "transforms.json").read_text())
        exact = root / "truth" / "truth.json"
        ego = json.loads(exact.read_text())["ego"] if exact.is_file() else content["ego"]
        files: dict[str, list[str]] = defaultdict(list)
        for frame in sorted(content["frames"], key=lambda frame: int(frame["timestamp_us"])):
            files[frame["camera"]].append(frame["file_path"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{root} is not a synthetic street: {error}. Write one with: avrec drive synth") from error
    nearest, halved = [], []
    for paths in files.values():
        for index in range(every // 2, len(paths), every):
            image = _read(root / paths[index])
            beside = [paths[i] for i in (index - 1, index + 1) if 0 <= i < len(paths)]
            nearest.append(max((_psnr(image, _read(root / path)) for path in beside), default=np.nan))
            halved.append(_psnr(image, _half_and_back(image)))
    path = Trajectory(np.array(ego["timestamps_us"], np.int64), np.array(ego["world_from_rig"], np.float64))
    return {
        "nearest_frame_psnr": _mean(nearest),
        "half_size_psnr": _mean(halved),
        "sky_share": _sky_share(root),
        "yaw_rate_max_dps": _yaw_rate(path),
    }


def _mean(values: list[float]) -> float | None:
    return float(np.mean(values)) if values else None


def _read(path: Path) -> NDArray[np.uint8]:
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise DataError(f"The image {path} is missing or cannot be read.")
    return np.asarray(image, np.uint8)


def _psnr(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    square = float(np.mean((a.astype(np.float64) - b.astype(np.float64)) ** 2))
    return float(10 * np.log10(255.0**2 / max(square, 1e-6)))


def _half_and_back(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = image.shape[:2]
    small = cv2.resize(image, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def _sky_share(root: Path) -> float | None:
    paths = sorted((root / "truth" / "semantic").glob("*/*.png"))
    if not paths:
        return None
    return float(np.mean([np.mean(cv2.imread(str(path), cv2.IMREAD_UNCHANGED) == 10) for path in paths]))


def _yaw_rate(path: Trajectory) -> float:
    heading = np.unwrap(np.arctan2(path.poses[:, 1, 0], path.poses[:, 0, 0]))
    return float(np.rad2deg(np.abs(np.gradient(heading, path.timestamps_us * 1e-6)).max()))
