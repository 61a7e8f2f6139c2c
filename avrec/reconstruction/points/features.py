"""SIFT keypoints of training views with the ray of each at its own exposure time."""

from __future__ import annotations

import signal
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from avrec.drive.drive import Track
from avrec.progress import NO_PROGRESS, Progress
from avrec.reconstruction.points.boxes import entry_distance
from avrec.reconstruction.points.views import TrainingView, sample_image

__all__ = ["Features", "Keypoints", "extract_features"]

Float64 = NDArray[np.float64]
Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]

# Lower than COLMAP's default, which finds little in dark or hazy pictures; false keypoints do not survive the poses.
_PEAK_THRESHOLD = 0.002
_MOST_PER_VIEW = 2500
# Doubling the picture first finds four times the keypoints at three times the cost; larger pictures do without.
_DOUBLE_BELOW_PX = 100_000


@dataclass(frozen=True, eq=False)
class Features:
    """Keypoints of all views in one row of arrays; those of view ``i`` are ``starts[i]:starts[i + 1]``.

    Attributes:
        starts: int64 [V + 1].
        view: int64 [K] number of the view.
        pixels: float64 [K, 2] working-size pixels, centres at .5.
        descriptors: float32 [K, 128], whole numbers of at most 255, so that dot products are exact in float32 and
            do not depend on how many threads sum them.
        origins: float64 [K, 3] world, where the camera was.
        directions: float64 [K, 3] unit rays in the world.
        radians_per_pixel: float64 [K].
        rgb: float32 [K, 3], 0..1.
    """

    starts: Int64
    view: Int64
    pixels: Float64
    descriptors: Float32
    origins: Float64
    directions: Float64
    radians_per_pixel: Float64
    rgb: Float32

    def of(self, view: int) -> slice:
        """Rows of one view."""
        return slice(int(self.starts[view]), int(self.starts[view + 1]))


@dataclass(frozen=True, eq=False)
class Keypoints:
    """Keypoints and what matches what.

    Attributes:
        features: of all views; without descriptors once they are matched.
        matches: int64 [M, 2] rows of ``features``.
        likeness: float32 [M], higher is surer.
    """

    features: Features
    matches: Int64
    likeness: Float32


def extract_features(
    views: Sequence[TrainingView], moving: Sequence[Track], progress: Progress = NO_PROGRESS
) -> Features:
    """Keypoints of each view. Those whose ray meets a moving actor's box are left out.

    Args:
        views: the pictures.
        moving: actors with tracks.
        progress: told about each picture.
    """
    pycolmap = _pycolmap()
    level = pycolmap.logging.minloglevel
    pycolmap.logging.minloglevel = 2
    progress.start("Finding keypoints", len(views))
    parts = []
    try:
        for done, view in enumerate(views):
            parts.append(_of_view(pycolmap, view, moving))
            progress.update(done + 1)
    finally:
        pycolmap.logging.minloglevel = level
    counts = [len(part[0]) for part in parts]
    pixels, descriptors, origins, directions, rgb = (np.concatenate(column) for column in zip(*parts, strict=True))
    progress.finish(f"{len(pixels)} keypoints")
    return Features(
        starts=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        view=np.repeat(np.arange(len(views)), counts),
        pixels=pixels,
        descriptors=descriptors,
        origins=origins,
        directions=directions,
        radians_per_pixel=np.repeat([1.0 / view.focal_px for view in views], counts),
        rgb=rgb,
    )


def _of_view(
    pycolmap: ModuleType, view: TrainingView, moving: Sequence[Track]
) -> tuple[Float64, Float32, Float64, Float64, Float32]:
    image = view.image()
    gray = np.ascontiguousarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))
    keypoints, found = _extractor(pycolmap, gray.size < _DOUBLE_BELOW_PX).extract_from_uint8_array(gray)
    pixels = np.array([(point.x, point.y) for point in keypoints], dtype=np.float64).reshape(-1, 2)
    descriptors = np.asarray(found.data, dtype=np.float32).reshape(-1, 128)
    origins, directions, times, valid = view.world_rays(pixels)
    valid &= np.isinf(entry_distance(moving, origins, np.nan_to_num(directions), times))
    return pixels[valid], descriptors[valid], origins[valid], directions[valid], sample_image(image, pixels[valid])


def _pycolmap() -> ModuleType:
    """The package, imported when first needed and without its taking over SIGTERM."""
    before = signal.getsignal(signal.SIGTERM)
    import pycolmap

    if threading.current_thread() is threading.main_thread() and before is not None:
        signal.signal(signal.SIGTERM, before)
    module: ModuleType = pycolmap
    return module


def _extractor(pycolmap: ModuleType, doubled: bool) -> Any:
    options = pycolmap.FeatureExtractionOptions()
    options.use_gpu = False
    options.num_threads = 1
    options.sift.peak_threshold = _PEAK_THRESHOLD
    options.sift.max_num_features = _MOST_PER_VIEW
    options.sift.first_octave = -1 if doubled else 0
    return pycolmap.FeatureExtractor.create(options, device=pycolmap.Device.cpu)
