"""Score a scene on the frames that its reconstruction never saw: `evaluate`."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from avrec.drive import Drive, Frame
from avrec.errors import DataError
from avrec.evaluation.align import align_shot
from avrec.evaluation.baselines import half_size_and_back, nearest_frame
from avrec.evaluation.metrics import gmsd, masked_psnr, psnr, ssim
from avrec.evaluation.scores import Difficulty, Evaluation, FrameScore, mean_of
from avrec.evaluation.sheet import SheetRow, write_sheet
from avrec.evaluation.street import evaluate_street
from avrec.geometry import Offset
from avrec.progress import NO_PROGRESS, Progress
from avrec.raster import Backend
from avrec.rendering import Shot, modelled_shutter, render
from avrec.scene.scene import Scene

__all__ = ["evaluate", "held_out_frames", "recorded_at", "score_of", "shot_of"]

logger = logging.getLogger(__name__)

UInt8 = NDArray[np.uint8]


def evaluate(
    scene: Scene,
    drive: Drive,
    *,
    align: bool = False,
    downscale: float | None = None,
    sheet: str | Path | None = None,
    sheet_rows: int = 8,
    street: bool = True,
    backend: Backend = "auto",
    progress: Progress = NO_PROGRESS,
) -> Evaluation:
    """Compare the held-out frames of a drive with the scene's pictures of them.

    Poses come from the scene's refined path, which its neighbours determined, and colour from the camera's affine:
    nothing is fitted to a held-out frame's pixels, except in the figures named ``aligned``.

    Args:
        scene: a scene reconstructed with held-out frames.
        drive: the recording it was made from.
        align: also report ``psnr_aligned``, with each frame's pose fitted to its own pixels.
        downscale: compare at the recorded size divided by this; None for the size the scene was made at.
        sheet: where to write a picture sheet.
        sheet_rows: frames on the sheet, spread evenly.
        street: also compare with the truth of a synthetic street, where the drive has it (see `evaluate_street`).
        backend: which rasteriser.
        progress: told about every frame.

    Raises:
        DataError: a scene without held-out frames, or a drive that lacks them.
        OutputError: the sheet cannot be written.
    """
    scale = _downscale(scene, downscale)
    held, others = held_out_frames(scene, drive)
    on_sheet = set(np.unique(np.linspace(0, len(held) - 1, min(max(sheet_rows, 1), len(held))).round()).tolist())
    scores: list[FrameScore] = []
    rows: list[SheetRow] = []
    nearest_scores: list[float] = []
    half_scores: list[float] = []
    progress.start("Evaluating", len(held))
    for position, frame in enumerate(held):
        recorded = recorded_at(frame, scale)
        shot = shot_of(scene, drive, frame, recorded, backend=backend)
        score = score_of(frame, shot, recorded)
        if align:
            fit = align_shot(scene, shot, recorded, backend=backend)
            score = replace(
                score,
                psnr_aligned=_psnr_where_valid(fit.shot, recorded),
                aligned_deg=fit.rotation_deg,
                aligned_m=fit.translation_m,
            )
        scores.append(score)
        half_scores.append(psnr(half_size_and_back(recorded), recorded))
        guess = nearest_frame(frame, others[frame.camera])
        if guess is not None:
            nearest_scores.append(psnr(recorded_at(guess, scale), recorded))
        if sheet is not None and position in on_sheet:
            caption = f"{frame.camera} #{frame.index}  {score.psnr:.2f} dB"
            rows.append(SheetRow(caption, recorded, shot.rgb_uint8))
        progress.update(position + 1, psnr=score.psnr)
    written = None if sheet is None else write_sheet(sheet, rows)
    folder = drive.source if drive.source.is_dir() else drive.source.parent
    has_truth = street and (folder / "truth" / "truth.json").is_file()
    beside = evaluate_street(scene, folder, downscale=scale, backend=backend) if has_truth else None
    result = Evaluation(
        scene=scene.name,
        drive=drive.name,
        downscale=scale,
        frames=tuple(scores),
        difficulty=Difficulty(
            nearest_frame_psnr=mean_of(nearest_scores) if nearest_scores else None,
            half_size_psnr=mean_of(half_scores),
        ),
        sheet=written,
        street=beside,
    )
    progress.finish(f"{result.psnr:.2f} dB over {len(held)} held-out frames")
    return result


def held_out_frames(scene: Scene, drive: Drive) -> tuple[list[Frame], Mapping[str, list[Frame]]]:
    """The drive's frames that the scene held out, by camera then time, and per camera those it was trained on.

    Raises:
        DataError: nothing was held out, or the drive lacks a camera or frame of the scene.
    """
    held: list[Frame] = []
    trained: dict[str, list[Frame]] = {}
    for camera, mask in scene.held_out.items():
        if camera not in drive.frames:
            raise DataError(
                f"The scene was made with camera '{camera}', which {drive.name} does not have. "
                "Evaluate against the recording the scene was made from."
            )
        by_time = {frame.timestamp_us: frame for frame in drive.frames[camera]}
        for time_us, out in zip(scene.frames[camera].tolist(), np.asarray(mask, bool).tolist(), strict=True):
            frame = by_time.get(time_us)
            if frame is None and out:
                raise DataError(
                    f"{drive.name} has no frame of camera '{camera}' at {time_us} us, which the scene held out. "
                    "Evaluate against the recording the scene was made from."
                )
            if frame is not None:
                (held if out else trained.setdefault(camera, [])).append(frame)
        trained.setdefault(camera, [])
    if not held:
        raise DataError(
            f"No frame was held out when '{scene.name}' was made, so there is nothing honest to compare with. "
            "Reconstruct with --holdout 8."
        )
    return held, trained


def recorded_at(frame: Frame, downscale: float) -> UInt8:
    """The recorded picture, averaged down by ``downscale``, uint8 RGB."""
    image = frame.image()
    if downscale == 1:
        return image
    size = (max(1, round(image.shape[1] / downscale)), max(1, round(image.shape[0] / downscale)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def shot_of(
    scene: Scene,
    drive: Drive,
    frame: Frame,
    recorded: UInt8,
    *,
    offset: Offset | None = None,
    backend: Backend = "auto",
) -> Shot:
    """The scene's picture of a recorded frame, as `evaluate` scores it, or the same seen from beside the path.

    Args:
        scene: the scene.
        drive: the recording it was made from.
        frame: when and by which camera.
        recorded: what it is compared with, uint8 [H, W, 3]; gives the size.
        offset: rig pose relative to the recorded one.
        backend: which rasteriser.
    """
    # Intrinsics are not refined, so a frame with its own keeps them.
    own = frame.model if frame.model != drive.cameras[frame.camera].model else None
    high, wide = recorded.shape[:2]
    return render(
        scene,
        frame.camera,
        frame.timestamp_us,
        offset=offset,
        rolling_shutter=modelled_shutter(scene),
        width=wide,
        height=high,
        model=own,
        backend=backend,
    )


def score_of(frame: Frame, shot: Shot, recorded: UInt8) -> FrameScore:
    """Scores of a frame's picture against the recorded one, uint8 [H, W, 3]; pixels without a ray do not count."""
    # Structure cannot skip single pixels: those without a ray count as equal.
    rendered = np.where(shot.valid[..., None], shot.rgb, recorded.astype(np.float32) / 255)
    return FrameScore(
        camera=frame.camera,
        index=frame.index,
        timestamp_us=frame.timestamp_us,
        psnr=_psnr_where_valid(shot, recorded),
        ssim=ssim(rendered, recorded),
        gmsd=gmsd(rendered, recorded),
    )


def _downscale(scene: Scene, downscale: float | None) -> float:
    scale = scene.source.get("downscale", 1) if downscale is None else downscale
    if not isinstance(scale, (int, float)) or not np.isfinite(scale) or scale < 1:
        raise DataError(f"Pictures can be scaled down by 1 or more, found {scale}. Give for instance 2.")
    return scale


def _psnr_where_valid(shot: Shot, recorded: UInt8) -> float:
    return masked_psnr(shot.rgb, recorded, shot.valid)
