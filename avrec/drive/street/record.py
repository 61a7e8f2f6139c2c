"""Render and write single images and sweeps; runs in the main process or in workers."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from avrec.drive.street.imaging import Picture, picture, picture_without, row_times_s
from avrec.drive.street.plan import Plan, image_file, shift_name
from avrec.drive.street.scan import sweep
from avrec.errors import OutputError

__all__ = ["Recorder"]


class Recorder:
    """Writes the bulky files of a street below a folder.

    Args:
        plan: the settings.
        root: where the drive is being put together.
    """

    def __init__(self, plan: Plan, root: Path) -> None:
        self.plan, self.root = plan, root
        self.street = plan.street()
        self.rig = plan.rig()

    def jobs(self) -> list[tuple[str, int]]:
        """Everything to do, as (what, index): a moment of one camera, or a sweep."""
        frames = len(self.plan.frame_offsets_us())
        jobs = [(camera.name, index) for index in range(frames) for camera in self.rig]
        return jobs + [("", index) for index in range(len(self.plan.sweep_offsets_us()))]

    def run(self, what: str, index: int) -> None:
        """Do one job; ``what`` is a camera's name, or empty for a sweep."""
        if what:
            self._image(what, index)
        else:
            self._sweep(index)

    def _image(self, name: str, index: int) -> None:
        plan = self.plan
        camera = next(camera for camera in self.rig if camera.name == name)
        times = plan.frame_offsets_us()[index] * 1e-6 + row_times_s(plan.height, plan.readout_us)
        world_from_rig = self.street.ego.poses(times)
        shot = picture(self.street, camera, world_from_rig, times)
        _write(self.root / "images" / image_file(name, index), shot.rgb)
        if not plan.truth:
            return
        truth = self.root / "truth"
        _write_truth(truth, name, index, shot)
        for shift in plan.shifts_m:
            aside = np.eye(4)
            aside[1, 3] = shift
            shifted = picture(self.street, camera, world_from_rig @ aside, times)
            folder = truth / shift_name(shift)
            _write(folder / "images" / image_file(name, index), shifted.rgb)
            _write_truth(folder, name, index, shifted)
        if plan.empty:
            movers = frozenset(body for body, actor in enumerate(self.street.actors, start=1) if actor.moving)
            bare = picture_without(self.street, camera, world_from_rig, times, movers, shot)
            _write(truth / "empty" / "images" / image_file(name, index), bare.rgb)
            _write_truth(truth / "empty", name, index, bare)

    def _sweep(self, index: int) -> None:
        start_s = float(self.plan.sweep_offsets_us()[index]) * 1e-6
        rng = np.random.default_rng([self.plan.seed, 77, index])
        turn = sweep(self.street, self.plan.lidar_sensor(), start_s, rng)
        table = np.column_stack([turn.xyz_lidar, turn.intensity, turn.offset_us.astype(np.float32)])
        _store(self.root / "lidar" / f"{index:04d}.bin", table.astype("<f4").tobytes())
        if self.plan.truth:
            records = np.zeros(len(turn.range_m), [("range_m", "<f4"), ("semantic", "u1"), ("instance", "<u2")])
            records["range_m"], records["semantic"], records["instance"] = turn.range_m, turn.semantic, turn.instance
            path = self.root / "truth" / "lidar" / f"{index:04d}.npy"
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, records)


def _write_truth(folder: Path, name: str, index: int, shot: Picture) -> None:
    _write(folder / "semantic" / image_file(name, index), shot.semantic)
    _write(folder / "instance" / image_file(name, index), shot.instance)
    path = folder / "depth" / image_file(name, index, "npy")
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, shot.depth)


def _write(path: Path, image: NDArray[np.uint8] | NDArray[np.uint16]) -> None:
    """Write a PNG; colour images are RGB."""
    ordered = image[..., ::-1] if image.ndim == 3 else image
    done, data = cv2.imencode(".png", ordered, [cv2.IMWRITE_PNG_COMPRESSION, 2])
    if not done:
        raise OutputError(f"The image {path.name} could not be encoded as PNG.")
    _store(path, data.tobytes())


def _store(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
