"""A configuration that goes through everything a reconstruction does in a second, and what to compare."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from avrec.drive import Drive
from avrec.reconstruction import ReconstructionConfig, reconstruct
from avrec.scene import Scene

__all__ = ["HOLDOUT", "SMALL", "bits", "copy_with_noise", "quick"]

HOLDOUT = 4
SMALL = ReconstructionConfig(
    most_gaussians=4000,
    most_points=2500,
    refine_every=10,
    refine_from=10,
    noise_every=3,
    sky_size=16,
    levels=((0.3, 2), (1.0, 1)),
)


def quick(drive: Drive, *, iterations: int = 40, **more: Any) -> Scene:
    """Reconstruct with `SMALL`, Gaussians only."""
    return reconstruct(
        drive, **{"iterations": iterations, "holdout": HOLDOUT, "config": SMALL, "complete": False, **more}
    )


def bits(scene: Scene) -> dict[str, str]:
    """A hash of each thing that was optimised."""
    assert scene.sky is not None
    arrays = {
        "static": scene.static.packed,
        **{f"actor {key}": cloud.packed for key, cloud in scene.actors.items()},
        "sky": scene.sky,
        "ego": scene.ego.poses,
        **{f"camera {key}": sensor.rig_from_camera for key, sensor in scene.cameras.items()},
        **{f"colour {key}": color for key, color in scene.appearance.items()},
    }
    return {key: hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest() for key, value in arrays.items()}


def copy_with_noise(street: Path, to: Path, *, cameras: tuple[str, ...], indices: tuple[int, ...]) -> Path:
    """A copy of a street whose pictures at these indices show noise."""
    shutil.copytree(street, to, ignore=shutil.ignore_patterns("truth"))
    rng = np.random.default_rng(0)
    for camera in cameras:
        for index in indices:
            path = to / "images" / camera / f"{index:04d}.png"
            assert path.is_file()
            assert cv2.imwrite(str(path), rng.integers(0, 256, cv2.imread(str(path)).shape, dtype=np.uint8))
    return to
