"""The truth that a synthetic street writes beside its recording."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from avrec.errors import DataError

__all__ = ["StreetTruth"]

UInt8 = NDArray[np.uint8]
Bool = NDArray[np.bool_]

_OPENCV_FROM_OPENGL = np.diag([1.0, -1.0, -1.0, 1.0])


@dataclass(frozen=True)
class StreetTruth:
    """The truth folder of a synthetic street.

    Attributes:
        folder: ``<street>/truth``.
        frames: place below each kind's folder without suffix, e.g. ``front/0004``, by camera and exposure start.
        world_from_camera: exact pose at the exposure start, float64 [4, 4], OpenCV axes, by the same keys.
        instances: actor's track id by instance number.
        shifts: metres to the left by folder name.
        has_empty: whether the street without its movers was recorded.
    """

    folder: Path
    frames: Mapping[tuple[str, int], str]
    world_from_camera: Mapping[tuple[str, int], NDArray[np.float64]]
    instances: Mapping[int, str]
    shifts: Mapping[str, float]
    has_empty: bool

    @staticmethod
    def open(street_dir: str | Path) -> StreetTruth:
        """Read ``truth/truth.json`` of a street.

        Raises:
            DataError: there is no truth, or not as avrec writes it.
        """
        folder = Path(street_dir) / "truth"
        try:
            content = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
            frames, poses = {}, {}
            for entry in content["frames"]:
                key = str(entry["camera"]), int(entry["timestamp_us"])
                frames[key] = Path(entry["file_path"]).relative_to("images").with_suffix("").as_posix()
                poses[key] = np.asarray(entry["transform_matrix"], np.float64) @ _OPENCV_FROM_OPENGL
            return StreetTruth(
                folder=folder,
                frames=frames,
                world_from_camera=poses,
                instances={int(number): str(track) for number, track in content["instances"].items()},
                shifts={str(name): float(entry["left_m"]) for name, entry in content["shifts"].items()},
                has_empty=(folder / "empty").is_dir(),
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"{street_dir} holds no truth of a synthetic street ({error}). Write one with: avrec drive synth"
            ) from error

    def image(self, kind: str, place: str, size: tuple[int, int]) -> UInt8:
        """A truth picture, uint8 RGB [H, W, 3]; ``kind`` is a folder such as ``"shift_+1.50"``."""
        picture = _read(self.folder / kind / "images" / f"{place}.png")[..., ::-1]
        small = picture if picture.shape[1::-1] == size else cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        return np.ascontiguousarray(small, np.uint8)

    def mask(self, place: str, size: tuple[int, int], tracks: frozenset[str], label: int | None) -> Bool:
        """Pixels that show some actors, bool [H, W]; ``label`` narrows them to a semantic class."""
        wanted = [number for number, track in self.instances.items() if track in tracks]
        shown = np.isin(_read(self.folder / "instance" / f"{place}.png"), wanted)
        if label is not None:
            shown &= _read(self.folder / "semantic" / f"{place}.png") == label
        small = cv2.resize(shown.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
        return np.asarray(small, bool)

    def depth(self, place: str, size: tuple[int, int]) -> NDArray[np.float32]:
        """Distance along the pixel's ray, float32 [H, W] metres, infinite for sky."""
        try:
            full = np.load(self.folder / "depth" / f"{place}.npy")
        except (OSError, ValueError) as error:
            raise DataError(f"The truth is damaged: {error}. Write the street again.") from error
        return np.asarray(cv2.resize(full, size, interpolation=cv2.INTER_NEAREST), np.float32)


def _read(path: Path) -> NDArray[Any]:
    picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if picture is None:
        raise DataError(f"The truth lacks the picture {path}, or it cannot be read. Write the street again.")
    return np.asarray(picture)
