"""From a scored scene to a FiftyOne dataset: `curate`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avrec.curation.database import refuse_taken_name
from avrec.curation.dataset import fresh_dataset, write_scene_file
from avrec.curation.plan import SCENE_SLICE, Kind, StepFrame, StepPlan, kinds_for, picture_path, plain_names, plan_step
from avrec.curation.solid import Box, boxes_at, chase_view, nodes_at, write_clouds
from avrec.curation.steps import time_steps
from avrec.curation.target import MARKER, Target, refuse_foreign_folder
from avrec.drive import Drive, Frame
from avrec.evaluation import Evaluation
from avrec.evaluation.evaluate import held_out_frames, recorded_at, score_of, shot_of
from avrec.evaluation.sheet import error_picture
from avrec.files import fresh_folder
from avrec.geometry import Offset
from avrec.progress import NO_PROGRESS, Progress
from avrec.raster import Backend
from avrec.rendering import Shot
from avrec.rendering.files import write_bytes, write_png
from avrec.scene import Scene

__all__ = ["Curated", "check", "curate"]

UInt8 = NDArray[np.uint8]


@dataclass(frozen=True)
class Curated:
    """What :func:`curate` wrote.

    Attributes:
        dataset: its name in FiftyOne.
        folder: its pictures and Gaussians.
        time_steps: number of groups.
        samples: number of samples of all slices together.
        slices: names of the slices; the first is the one the App opens with, the last shows the Gaussians.
    """

    dataset: str
    folder: Path
    time_steps: int
    samples: int
    slices: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """The same for JSON."""
        return {**vars(self), "folder": str(self.folder), "slices": list(self.slices)}


def check(target: Target, shifts_left_m: Sequence[float] = (1.5,)) -> None:
    """Say before any work that :func:`curate` could not write: no FiftyOne, no database, name or folder taken.

    Raises:
        MissingExtraError: FiftyOne is not installed.
        OutputError: the name or the folder is taken.
        AvrecError: FiftyOne's database does not answer, or shifts that are not usable.
    """
    kinds_for(shifts_left_m)
    refuse_foreign_folder(target)
    refuse_taken_name(target)


def curate(
    scene: Scene,
    drive: Drive,
    evaluation: Evaluation,
    target: Target,
    *,
    shifts_left_m: Sequence[float] = (1.5,),
    held_out_only: bool = False,
    backend: Backend = "auto",
    progress: Progress = NO_PROGRESS,
) -> Curated:
    """Write the frames of a scene as a grouped FiftyOne dataset.

    A group is a time step. Each camera has the slices ``<camera>/recorded``, ``/rendered``, ``/error`` and one for each
    novel view, such as ``/left 150 cm``; the slice ``scene`` holds the Gaussians as 3D nodes, with the actors where
    they were at that time. Held-out frames carry the scores of ``evaluation``; the others are scored the same way and
    marked, for they flatter the scene. Dataset and folder appear when both are complete.

    Args:
        scene: a scene with held-out frames.
        drive: the recording it was made from.
        evaluation: its scores, see :func:`avrec.evaluation.evaluate`; gives the size of the pictures too.
        target: name and folder.
        shifts_left_m: novel views, metres to the left of the recorded path.
        held_out_only: leave out the frames that the scene was trained on.
        backend: which rasteriser.
        progress: told about every frame.

    Raises:
        MissingExtraError: FiftyOne is not installed.
        OutputError: the name or the folder is taken, or disk or database refuse.
        DataError: a drive that lacks frames of the scene.
        AvrecError: FiftyOne's database does not answer, or shifts that are not usable.
    """
    kinds = kinds_for(shifts_left_m)
    check(target, shifts_left_m)
    known = {(score.camera, score.index): score for score in evaluation.frames}
    steps, held = _frames_by_step(scene, drive, held_out_only)
    cameras = plain_names(list(scene.cameras))
    plans: list[StepPlan] = []
    sizes: dict[str, tuple[int, int, int]] = {}
    boxes: dict[int, tuple[Box, ...]] = {}
    progress.start("Rendering for FiftyOne", sum(len(step) for step in steps))
    done = 0
    with (
        fresh_dataset(target) as draft,
        fresh_folder(target.folder, overwrite=target.overwrite, marker=MARKER) as folder,
    ):
        (folder / SCENE_SLICE).mkdir()
        files = write_clouds(scene, folder / SCENE_SLICE)
        for index, step in enumerate(steps):
            rows = []
            for frame in step:
                recorded = recorded_at(frame, evaluation.downscale)
                shot = shot_of(scene, drive, frame, recorded, backend=backend)
                score = known.get((frame.camera, frame.index)) or score_of(frame, shot, recorded)
                out = (frame.camera, frame.index) in held
                rows.append(StepFrame(frame.camera, frame.index, frame.timestamp_us, out, score))
                for kind, picture in _pictures(scene, drive, frame, recorded, shot, kinds, backend):
                    path = picture_path(cameras[frame.camera], kind, frame.index)
                    write_png(folder / path, picture)
                    sizes[path] = (picture.shape[1], picture.shape[0], (folder / path).stat().st_size)
                done += 1
                progress.update(done, psnr=score.psnr)
            plan = plan_step(index, rows, kinds, cameras, start_us=scene.span_us[0])
            look_from, look_at = chase_view(scene, plan.timestamp_us)
            nodes = nodes_at(scene, files, plan.timestamp_us)
            write_scene_file(folder / plan.samples[-1].path, nodes, look_from, look_at)
            boxes[index] = boxes_at(scene, plan.timestamp_us)
            plans.append(plan)
        slices = _slices(plans)
        info = _info(evaluation, target, slices)
        write_bytes(folder / MARKER, json.dumps({"format": "avrec curation 1", **info}, indent=1).encode())
        draft.fill(target.folder.absolute(), plans, slices[:-1], sizes, boxes, info)
        draft.take_name()
    samples = sum(len(plan.samples) for plan in plans)
    progress.finish(f"{samples} samples in {len(plans)} time steps")
    return Curated(target.name, target.folder, len(plans), samples, slices)


def _frames_by_step(
    scene: Scene, drive: Drive, held_out_only: bool
) -> tuple[list[list[Frame]], frozenset[tuple[str, int]]]:
    """The scene's frames grouped into time steps, and camera and index of those that were held out."""
    held, trained = held_out_frames(scene, drive)
    frames: dict[str, list[Frame]] = {camera: [] for camera in scene.frames}
    for frame in [*held, *([] if held_out_only else (frame for own in trained.values() for frame in own))]:
        frames[frame.camera].append(frame)
    ordered = {camera: sorted(own, key=lambda frame: frame.timestamp_us) for camera, own in frames.items()}
    steps = time_steps({camera: [frame.timestamp_us for frame in own] for camera, own in ordered.items()})
    grouped = [[ordered[camera][position] for camera, position in step.items()] for step in steps]
    return grouped, frozenset((frame.camera, frame.index) for frame in held)


def _pictures(
    scene: Scene,
    drive: Drive,
    frame: Frame,
    recorded: UInt8,
    shot: Shot,
    kinds: Sequence[Kind],
    backend: Backend,
) -> Iterator[tuple[Kind, UInt8]]:
    """The pictures of a frame, one of each kind."""
    for kind in kinds:
        if kind.name == "recorded":
            yield kind, recorded
        elif kind.name == "rendered":
            yield kind, shot.rgb_uint8
        elif kind.name == "error":
            # Pixels without a ray do not count in the scores either.
            difference = error_picture(recorded, shot.rgb_uint8)
            yield kind, np.where(shot.valid[..., None], difference, np.uint8(0))
        else:
            beside = Offset(left_m=kind.left_m)
            yield kind, shot_of(scene, drive, frame, recorded, offset=beside, backend=backend).rgb_uint8


def _slices(plans: Sequence[StepPlan]) -> tuple[str, ...]:
    """Names of the slices: of the camera with most frames first, for the App's grid shows one; the scene's last."""
    count: dict[str, int] = {}
    for plan in plans:
        for sample in plan.samples:
            count[sample.slice] = count.get(sample.slice, 0) + 1
    del count[SCENE_SLICE]
    return (*sorted(count, key=lambda name: -count[name]), SCENE_SLICE)


def _info(evaluation: Evaluation, target: Target, slices: Sequence[str]) -> Mapping[str, Any]:
    figures = evaluation.to_dict()
    kept = ("scene", "drive", "psnr", "ssim", "gmsd", "psnr_aligned", "perceptual_metric", "frames", "downscale")
    means = {"held_out_frames" if name == "frames" else name: figures[name] for name in kept if name in figures}
    return {"dataset": target.name, "folder": str(target.folder.absolute()), **means, "slices": list(slices)}
