"""`reconstruct`: a drive becomes a scene."""

from __future__ import annotations

import hashlib
import json
import logging
import math
import platform
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from avrec.drive import Drive, Side, Track
from avrec.errors import AvrecError, OutputError
from avrec.progress import NO_PROGRESS, Progress
from avrec.raster.native import NativeRasterizer
from avrec.reconstruction import checkpoint
from avrec.reconstruction.alignment import PoseAlignment, align_poses, aligned_drive
from avrec.reconstruction.checks import (
    check_choices,
    check_size,
    held_out_frames,
    moving_tracks,
    warn_of_gaps,
    writable_scene,
)
from avrec.reconstruction.complete import completed
from avrec.reconstruction.config import ReconstructionConfig, affordable, checked
from avrec.reconstruction.config import preset as preset_of
from avrec.reconstruction.depths import picture_depths
from avrec.reconstruction.model import LayeredModel, start_model
from avrec.reconstruction.pictures import load_pictures
from avrec.reconstruction.points import InitialPoints, initial_points
from avrec.reconstruction.poses import PoseCorrection
from avrec.reconstruction.sky import first_sky
from avrec.reconstruction.trainer import StepReport, Trainer
from avrec.scene import Scene

if TYPE_CHECKING:  # it needs torch, which takes a second to import
    from avrec.raster.autograd_rasterizer import AutogradRasterizer

__all__ = ["reconstruct"]

logger = logging.getLogger(__name__)

Bool = NDArray[np.bool_]
Observer = Callable[[float, Callable[[], Scene]], None]

REPORT_EVERY_S = 0.5


def reconstruct(
    drive: Drive,
    *,
    output: str | Path | None = None,
    budget_s: float = 300.0,
    iterations: int | None = None,
    downscale: float = 1,
    holdout: int = 0,
    preset: str = "balanced",
    device: Literal["auto", "cpu", "cuda"] = "auto",
    seed: int = 0,
    resume: bool = False,
    overwrite: bool = False,
    refine_poses: bool = True,
    shutter: Literal["model", "ignore"] = "model",
    complete: bool = True,
    traffic: Side | None = None,
    config: ReconstructionConfig | None = None,
    points: InitialPoints | None = None,
    progress: Progress = NO_PROGRESS,
    observer: Observer | None = None,
) -> Scene:
    """Reconstruct a drive.

    Args:
        drive: the recording.
        output: scene file to write; None only returns the scene (and keeps no checkpoint).
        budget_s: seconds to optimise, after initialisation.
        iterations: steps to optimise instead; the same seed and machine then give the same bits.
        downscale: recorded pixels per working pixel.
        holdout: keep every N-th frame of each camera out of everything; 0 keeps none.
        preset: ``"fast"``, ``"balanced"`` or ``"best"``.
        device: ``"cpu"``, ``"cuda"`` (through gsplat; without photometric pose refinement) or ``"auto"``, the CPU.
        seed: of everything random.
        resume: go on from the checkpoint of ``output``, and replace what an interrupted run has written there.
        overwrite: replace an ``output`` that exists.
        refine_poses: correct ego poses and camera mountings.
        shutter: ``"ignore"`` treats every picture as taken at once, to measure what the shutter is worth.
        complete: end with meshes, the road as a layer of its own and a map; a run that was stopped early goes without.
        traffic: the side that traffic keeps to, for a map that is inferred; None for the recording's, else right.
        config: all constants, instead of the preset; budget, iterations, seed and refine_poses still come from above.
        points: initial points made earlier (by `initial_points` with the same hold-out).
        progress: told what is going on.
        observer: called every second of optimisation with the seconds spent and a function that gives the scene as it
            is; the clock stands still meanwhile.

    Returns:
        The scene, already saved where ``output`` was given. Its source says how it came about.

    Raises:
        AvrecError: settings that make no sense, a recording that cannot be used, an output that cannot be written.
    """
    overwrite = overwrite or resume
    target = writable_scene(output, overwrite)
    changes: dict[str, Any] = {
        "budget_s": budget_s, "iterations": iterations, "seed": seed,
        "refine_poses": refine_poses, "model_shutter": shutter == "model",
    }  # fmt: skip
    config = preset_of(preset, **changes) if config is None else checked(replace(config, **changes))
    config = affordable(config)
    check_choices(device, shutter)
    check_size(drive, downscale)
    held_out = held_out_frames(drive, holdout)
    warn_of_gaps(drive, held_out, holdout)
    fingerprint = _fingerprint(drive, config, downscale, holdout)
    kept = checkpoint.checkpoint_path(target) if target else None
    if resume and kept is None:
        raise AvrecError("Resuming needs the output whose checkpoint to go on from.")
    stored = checkpoint.read(kept, fingerprint) if resume and kept is not None else None

    # What was optimised with is as large as the meshes are: it goes when `_learned` returns.
    scene, interrupted = _learned(
        drive, config, fingerprint, stored, held_out=held_out, downscale=downscale, holdout=holdout, device=device,
        points=points, kept=kept, keep_whole=complete, progress=progress, observer=observer,
    )  # fmt: skip
    points = stored = None
    if complete and not interrupted:
        try:
            scene = completed(scene, drive, traffic=traffic, progress=progress)
        except KeyboardInterrupt:
            interrupted = True
    if target is not None and kept is not None:
        try:
            scene.save(target, overwrite=overwrite)
        except OutputError as error:
            if not kept.exists():
                raise
            raise OutputError(f"{error} The last checkpoint stays: then repeat the command with --resume.") from error
        if interrupted:
            logger.info("Stopped early; go on with --resume.")
        else:
            checkpoint.discard(kept)
    return scene


def _learned(
    drive: Drive,
    config: ReconstructionConfig,
    fingerprint: str,
    stored: checkpoint.Stored | None,
    *,
    held_out: Mapping[str, Bool],
    downscale: float,
    holdout: int,
    device: str,
    points: InitialPoints | None,
    kept: Path | None,
    keep_whole: bool,
    progress: Progress,
    observer: Observer | None,
) -> tuple[Scene, bool]:
    """Start, optimise and hand over a scene of Gaussians; and whether it was stopped early.

    With ``keep_whole`` a checkpoint stays at the end: an hour of optimisation must not hang on a mesh.
    """
    started = time.perf_counter()

    moving = moving_tracks(drive)
    pictures = load_pictures(
        drive, held_out, moving, downscale=downscale, rolling=config.model_shutter, progress=progress
    )
    working = max(1, downscale)
    alignment, aligned = None, drive
    if config.refine_poses and config.model_shutter:
        alignment = align_poses(drive, held_out, moving, downscale=working, progress=progress)
        aligned = aligned_drive(drive, alignment)
    if points is None:
        points = initial_points(
            aligned, held_out, seed=config.seed, max_points=config.most_points, downscale=working,
            keypoints=alignment.keypoints if alignment else None, progress=progress,
        )  # fmt: skip
    depths = {}
    if config.depth_weight or config.solid_pull:
        depths = picture_depths(aligned, held_out, moving, downscale=downscale, progress=progress)
    sky = first_sky(pictures, dict(aligned.cameras), aligned.ego, size=config.sky_size)
    poses = PoseCorrection(
        np.array([picture.mid_time_us for picture in pictures], np.int64),
        {name: sensor.rig_from_camera for name, sensor in drive.cameras.items()},
        smoothness=config.pose_smoothness,
    )
    if alignment is not None:
        poses.begin_at(alignment.ego, alignment.mountings)
    trainer = Trainer(
        model=start_model(points, moving, list(drive.cameras), sky, config),
        poses=poses,
        pictures=pictures,
        depths=depths,
        config=config,
        rng=np.random.default_rng(config.seed),
        pose_uncertainty_rad=alignment.uncertainty_rad if alignment else math.inf,
        rasterizer=_rasterizer(device),
    )
    if stored is not None:
        checkpoint.restore(stored, trainer)
    initialised_s = time.perf_counter() - started

    def scene_now() -> Scene:
        about = _source(drive, config, downscale, holdout, trainer, initialised_s, points, alignment)
        return _scene(drive, held_out, trainer.model, trainer.poses, moving, about)

    interrupted = _optimise(trainer, kept, fingerprint, progress, observer, scene_now)
    if keep_whole and not interrupted and kept is not None:
        _keep(kept, trainer, fingerprint)
    return scene_now(), interrupted


def _rasterizer(device: str) -> NativeRasterizer | AutogradRasterizer:
    if device != "cuda":
        return NativeRasterizer()
    from avrec.raster.autograd_rasterizer import AutogradRasterizer
    from avrec.raster.gsplat_adapter import rasterize_cuda

    logger.warning("gsplat has no gradient by poses: they are aligned to the pictures' keypoints only.")
    return AutogradRasterizer(rasterize_cuda)


def _optimise(
    trainer: Trainer,
    kept: Path | None,
    fingerprint: str,
    progress: Progress,
    observer: Observer | None,
    scene_now: Callable[[], Scene],
) -> bool:
    """Run to the end of the budget, or to Ctrl-C. Returns whether it was stopped early."""
    config = trainer.config
    progress.start("Optimising", config.iterations if config.iterations is not None else config.budget_s)
    smoothed = {"psnr": 0.0, "weight": 0.0}
    clock = {"report": 0.0, "checkpoint": time.perf_counter(), "observer": trainer.spent_s}

    def after_step(report: StepReport) -> None:
        smoothed["psnr"] = 0.98 * smoothed["psnr"] + 0.02 * report.psnr
        smoothed["weight"] = 0.98 * smoothed["weight"] + 0.02
        now = time.perf_counter()
        if now - clock["report"] >= REPORT_EVERY_S:
            clock["report"] = now
            done = report.iteration if config.iterations is not None else trainer.spent_s
            progress.update(
                done,
                iteration=report.iteration,
                train_psnr=round(smoothed["psnr"] / smoothed["weight"], 2),
                gaussians=report.gaussians,
            )
        if observer is not None and trainer.spent_s - clock["observer"] >= 1.0:
            observer(trainer.spent_s, scene_now)
            clock["observer"] = trainer.spent_s
        if kept is not None and now - clock["checkpoint"] >= config.checkpoint_s:
            _keep(kept, trainer, fingerprint)
            clock["checkpoint"] = time.perf_counter()

    with _ctrl_c() as asked_to_stop:
        trainer.run(stop=asked_to_stop, after_step=after_step)
        interrupted = asked_to_stop() and trainer.progress < 1.0
    if interrupted and kept is not None:
        _keep(kept, trainer, fingerprint)
    progress.finish(
        f"{trainer.iteration} iterations in {trainer.spent_s:.0f} s, {trainer.model.count} Gaussians, "
        f"{smoothed['psnr'] / max(smoothed['weight'], 1e-9):.2f} dB on the training pictures"
        + (", stopped early" if interrupted else "")
    )
    return interrupted


def _keep(path: Path, trainer: Trainer, fingerprint: str) -> None:
    """Write a checkpoint. A disk that is full now must not end a run that may still find room for its scene."""
    try:
        checkpoint.save(path, trainer, fingerprint)
    except OutputError as error:
        logger.warning("%s The optimisation goes on without it.", error)


@contextmanager
def _ctrl_c() -> Iterator[Callable[[], bool]]:
    """The first Ctrl-C asks for a clean end, the second one ends at once. Only the main thread can listen."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return

    def listen(number: int, frame: object) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    before = signal.signal(signal.SIGINT, listen)
    try:
        yield asked.is_set
    finally:
        signal.signal(signal.SIGINT, before)


def _scene(
    drive: Drive,
    held_out: Mapping[str, Bool],
    model: LayeredModel,
    poses: PoseCorrection,
    moving: list[Track],
    source: dict[str, Any],
) -> Scene:
    """The scene as the optimiser sees it now."""
    return Scene(
        name=drive.name,
        static=model.layer(0),
        actors={track.id: cloud for body, track in enumerate(moving, start=1) if len(cloud := model.layer(body))},
        tracks=drive.tracks,
        sky=model.sky.copy(),
        ego=poses.corrected(drive.ego),
        ego_recorded=drive.ego,
        cameras={
            name: replace(sensor, rig_from_camera=poses.rig_from_camera(name)) for name, sensor in drive.cameras.items()
        },
        cameras_recorded=dict(drive.cameras),
        appearance={name: color.copy() for name, color in model.colors.items()},
        frames={
            name: np.array([frame.timestamp_us for frame in frames], np.int64) for name, frames in drive.frames.items()
        },
        held_out=dict(held_out),
        anchor=drive.anchor,
        rig_box=drive.rig_box,
        source=source,
    )


def _source(
    drive: Drive,
    config: ReconstructionConfig,
    downscale: float,
    holdout: int,
    trainer: Trainer,
    initialised_s: float,
    points: InitialPoints,
    alignment: PoseAlignment | None,
) -> dict[str, Any]:
    import torch

    from avrec.raster.native import instruction_set, threads

    return {
        "drive": drive.name,
        "layout": drive.layout,
        "notes": list(drive.notes),
        "config": json.loads(json.dumps(asdict(config))),
        "downscale": downscale,
        "holdout": holdout,
        "iterations": trainer.iteration,
        "optimised_s": round(trainer.spent_s, 1),
        "total_s": round(initialised_s + trainer.spent_s, 1),
        "initial_points": {
            "static": len(points.xyz),
            "actors": sum(len(actor.xyz) for actor in points.actors.values()),
        },
        "alignment": None
        if alignment is None
        else {
            "points": alignment.points,
            "recorded_miss_px": round(alignment.before_px, 3) if alignment.points else None,
            "aligned_miss_px": round(alignment.after_px, 3) if alignment.points else None,
        },
        "kernel": {"instruction_set": instruction_set(), "threads": threads()},
        "versions": {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__},
    }


def _fingerprint(drive: Drive, config: ReconstructionConfig, downscale: float, holdout: int) -> str:
    """Of everything that a resumed run must have in common with the first one; the length may differ."""
    free = ("budget_s", "iterations", "checkpoint_s")
    settings = {key: value for key, value in asdict(config).items() if key not in free}
    frames = {name: [frame.timestamp_us for frame in frames] for name, frames in drive.frames.items()}
    tracks = [track.id for track in drive.tracks]
    text = json.dumps([drive.name, frames, tracks, settings, downscale, holdout], sort_keys=True)
    return hashlib.sha256(text.encode() + drive.ego.poses.tobytes()).hexdigest()
