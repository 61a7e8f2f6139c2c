"""Scores against the truth of a synthetic street: shifted lanes, moving cars, removed cars, depth, poses."""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avrec.errors import DataError
from avrec.evaluation.ground import ground_error
from avrec.evaluation.metrics import gmsd, psnr, ssim
from avrec.evaluation.poses import pose_errors
from avrec.evaluation.scores import mean_of
from avrec.evaluation.street_truth import StreetTruth
from avrec.geometry import Offset, Trajectory
from avrec.progress import NO_PROGRESS, Progress
from avrec.raster import Backend
from avrec.rendering import Shot, modelled_shutter, render
from avrec.scene.scene import Scene

__all__ = ["evaluate_street"]

UInt8 = NDArray[np.uint8]
Bool = NDArray[np.bool_]

_CAR, _PERSON = 13, 11


def evaluate_street(
    scene: Scene,
    street_dir: str | Path,
    *,
    downscale: float = 1,
    backend: Backend = "auto",
    progress: Progress = NO_PROGRESS,
) -> dict[str, Any]:
    """Score a scene where only a synthetic street knows what is right, at the held-out moments (or else all).

    Args:
        scene: reconstructed from the street.
        street_dir: the street's folder.
        downscale: compare at the recorded size divided by this.
        backend: which rasteriser.
        progress: told about every frame.

    Returns:
        ``shifts``: psnr, ssim and gmsd per lane shift, e.g. under ``"+1.50"``.
        ``cars``, ``people``: PSNR inside the masks of those that move: ``psnr`` over all their pixels together,
        ``psnr_frame_mean`` over frames with at least 100 of them.
        ``removed``: the same inside the masks of all that moves, without those actors, against the empty street.
        ``depth``: median of ``|depth - truth| / truth`` of the expected and of the median depth.
        ``poses``: errors of recorded and refined camera poses, root mean square after one rigid fit of the whole path;
        of the frames learned from, as no picture tells a held-out frame's own error.
        ``ground``: see `avrec.evaluation.ground.ground_error`.
        Keys are missing where the street has no such truth.

    Raises:
        DataError: no truth there, or not of this scene's drive.
    """
    truth = StreetTruth.open(street_dir)
    keys = _moments(scene, truth)
    movers = frozenset(track.id for track in scene.tracks if track.moving)
    bare = reduce(lambda edited, track: edited.without_actor(track), sorted(movers), scene)
    rolling = modelled_shutter(scene)
    squares = {"cars": _Squares(), "people": _Squares(), "removed": _Squares()}
    shifted: dict[str, list[tuple[float, float, float]]] = {name: [] for name in truth.shifts}
    depth_errors: list[tuple[float, float]] = []
    progress.start("Comparing with the street's truth", len(keys))
    for count, (camera, time_us) in enumerate(keys, start=1):
        place = truth.frames[camera, time_us]
        model = scene.cameras[camera].model
        size = max(1, round(model.width / downscale)), max(1, round(model.height / downscale))

        def shoot(
            shown: Scene,
            offset: Offset | None = None,
            at: tuple[str, int] = (camera, time_us),
            size: tuple[int, int] = size,
        ) -> Shot:
            return render(
                shown, *at, offset=offset, rolling_shutter=rolling, width=size[0], height=size[1], backend=backend
            )

        shot = shoot(scene)
        depth_errors.append(_depth_error(shot, truth.depth(place, size)))
        recorded = truth.image("..", place, size)
        for name, label in (("cars", _CAR), ("people", _PERSON)):
            squares[name].add(shot.rgb, recorded, truth.mask(place, size, movers, label))
        if truth.has_empty:
            everyone = truth.mask(place, size, movers, None)
            squares["removed"].add(shoot(bare).rgb, truth.image("empty", place, size), everyone)
        for name, left_m in truth.shifts.items():
            aside, expected = shoot(scene, Offset(left_m=left_m)).rgb, truth.image(name, place, size)
            shifted[name].append((psnr(aside, expected), ssim(aside, expected), gmsd(aside, expected)))
        progress.update(count)
    figures: dict[str, Any] = {"frames": len(keys)}
    if shifted:
        figures["shifts"] = {
            name.removeprefix("shift_"): dict(
                zip(("psnr", "ssim", "gmsd"), map(mean_of, zip(*rows, strict=True)), strict=True)
            )
            for name, rows in shifted.items()
        }
    figures |= {name: found.to_dict() for name, found in squares.items() if found.pixels}
    expected_error, median_error = zip(*depth_errors, strict=True)
    figures["depth"] = {"expected_relative": mean_of(expected_error), "median_relative": mean_of(median_error)}
    figures["poses"] = {
        "recorded": _pose_errors(scene, truth, scene.ego_recorded, recorded_rig=True),
        "refined": _pose_errors(scene, truth, scene.ego, recorded_rig=False),
    }
    street_map = Path(street_dir) / "map.json"
    if street_map.is_file() and (ground := ground_error(scene, street_map)) is not None:
        figures["ground"] = ground
    progress.finish()
    return figures


class _Squares:
    """Collects squared differences inside masks."""

    def __init__(self) -> None:
        self.total = 0.0
        self.pixels = 0
        self.frames: list[float] = []

    def add(self, rendered: NDArray[np.float32], recorded: UInt8, mask: Bool) -> None:
        pixels = int(mask.sum())
        if not pixels:
            return
        difference = rendered[mask].astype(np.float64) - recorded[mask] / 255.0
        square = float(np.mean(difference**2))
        self.total += square * pixels
        self.pixels += pixels
        if pixels >= 100:
            self.frames.append(_decibel(square))

    def to_dict(self) -> dict[str, Any]:
        return {
            "psnr": _decibel(self.total / self.pixels),
            "psnr_frame_mean": mean_of(self.frames) if self.frames else None,
            "pixels": self.pixels,
            "frames": len(self.frames),
        }


def _decibel(square: float) -> float:
    return float(-10 * np.log10(max(square, 1e-12)))


def _moments(scene: Scene, truth: StreetTruth) -> list[tuple[str, int]]:
    """Held-out frames of the scene that the truth knows, or all of them where nothing was held out."""
    kept = list(_frames(scene, truth, held_out=True)) or list(_frames(scene, truth, held_out=False))
    if not kept:
        raise DataError("This street's truth has no frame of the scene. Evaluate against the street it was made from.")
    return kept


def _frames(scene: Scene, truth: StreetTruth, *, held_out: bool) -> Iterator[tuple[str, int]]:
    """Camera and exposure start of the frames that were (not) held out."""
    for camera, times in scene.frames.items():
        kept = np.asarray(scene.held_out.get(camera, np.zeros(len(times), bool)))
        for time_us, out in zip(times.tolist(), kept.tolist(), strict=True):
            if (camera, time_us) in truth.frames and out == held_out:
                yield camera, time_us


def _pose_errors(scene: Scene, truth: StreetTruth, ego: Trajectory, *, recorded_rig: bool) -> dict[str, float]:
    cameras = scene.cameras_recorded if recorded_rig else scene.cameras
    keys = [key for key in _frames(scene, truth, held_out=False) if key[0] in cameras]
    found = np.stack([ego.at(time, outside="extrapolate") @ cameras[camera].rig_from_camera for camera, time in keys])
    rotation_deg, translation_m = pose_errors(found, np.stack([truth.world_from_camera[key] for key in keys]))
    return {"rotation_deg": rotation_deg, "translation_m": translation_m}


def _depth_error(shot: Shot, truth: NDArray[np.float32]) -> tuple[float, float]:
    solid = np.isfinite(truth) & (truth > 0)
    errors = [np.abs(found - truth)[solid] / truth[solid] for found in (shot.depth, shot.median_depth)]
    known = [error[np.isfinite(error)] for error in errors]
    first, second = (float(np.median(error)) if error.size else float("nan") for error in known)
    return first, second
