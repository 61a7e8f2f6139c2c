"""Pose alignment: corrections of ego poses and mountings that make the rays of matched keypoints meet."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from avrec.drive.drive import Drive, Track
from avrec.progress import NO_PROGRESS, Progress
from avrec.reconstruction.alignment.adjust import adjust, judged
from avrec.reconstruction.alignment.problem import Unknowns
from avrec.reconstruction.alignment.sighting import chosen_sightings, exposed, reaim
from avrec.reconstruction.points.features import Features, Keypoints, extract_features
from avrec.reconstruction.points.matching import candidate_pairs, key_views, match_pairs
from avrec.reconstruction.points.views import TrainingView, training_views
from avrec.reconstruction.poses import PoseCorrection

__all__ = ["PoseAlignment", "align_poses", "aligned_drive"]

logger = logging.getLogger(__name__)

Float64 = NDArray[np.float64]
Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]
Bool = NDArray[np.bool_]

_MOST_VIEWS = 400
_FEWEST_POINTS = 50
# How wrong the rays may be in each round: neighbours 0.2 degrees and 3 cm off each, seen at 5 m; and what is left.
_GATES_RAD = (float(np.radians(1.5)), float(np.radians(0.6)))
# A larger correction is a mistake of the alignment rather than of the recording.
_MOST_TURN_RAD, _MOST_SHIFT_M = np.radians(3.0), 1.0


@dataclass(frozen=True, eq=False)
class PoseAlignment:
    """Corrections as `PoseCorrection` has them.

    Attributes:
        knots_us: int64 [K] mid exposure times of all training pictures.
        ego: float64 [K, 6] rotation vector, translation in the rig.
        mountings: float64 [6] of each camera.
        points: how many points they rest on; 0 where there were too few to tell.
        observations: how many keypoints.
        before_px: median angle between keypoints and their points with the recorded poses, in working pixels.
        after_px: the same with the corrected poses.
        radians_per_px: median size of a working pixel.
        keypoints: all that was matched in the last round.
    """

    knots_us: Int64
    ego: Float64
    mountings: Mapping[str, Float64]
    points: int = 0
    observations: int = 0
    before_px: float = float("nan")
    after_px: float = float("nan")
    radians_per_px: float = float("nan")
    keypoints: Keypoints | None = None

    @property
    def uncertainty_rad(self) -> float:
        """How far off a corrected pose may still be: the miss of one keypoint over the root of how many a pose has."""
        if not self.points:
            return float("inf")
        return self.after_px * self.radians_per_px / math.sqrt(max(1.0, self.observations / len(self.knots_us)))


def align_poses(
    drive: Drive,
    held_out: Mapping[str, Bool],
    moving: Sequence[Track],
    *,
    downscale: float = 1,
    progress: Progress = NO_PROGRESS,
) -> PoseAlignment:
    """Align the recorded poses to what the training pictures show, the same at any number of threads.

    Args:
        drive: the recording.
        held_out: per camera, bool [F]; these frames are not looked at.
        moving: actors whose keypoints are left out.
        downscale: recorded pixels per working pixel.
        progress: told about each stage.

    Returns:
        Corrections. All zero where the recorded poses are as good, and, with a warning in the log, where the pictures
        do not tell.

    Raises:
        DataError: no training frame left, or pictures that cannot be read.
    """
    views = training_views(drive, held_out, downscale)
    knots_us = np.unique(np.array([round(view.mid_time_us) for view in views], dtype=np.int64))
    none = PoseAlignment(knots_us, np.zeros((len(knots_us), 6)), {name: np.zeros(6) for name in drive.cameras})
    mounting = np.stack([sensor.rig_from_camera for sensor in drive.cameras.values()])
    chosen = _spread_views(views)
    features = extract_features(chosen, moving, progress)
    shown = exposed(features, chosen, drive)
    now, found = none, Unknowns(none.ego, np.zeros((len(mounting), 6)), np.zeros((0, 3)))
    for gate in _GATES_RAD:
        aimed = _aimed(chosen, drive, now)
        features = reaim(features, aimed)
        matches, likeness = match_pairs(features, candidate_pairs(aimed), gate_rad=gate, progress=progress)
        keypoints = Keypoints(_bare(features), matches, likeness)
        sightings, points = chosen_sightings(features, shown, matches, likeness, knots_us, mounting, gate_rad=gate)
        if len(points) < _FEWEST_POINTS:
            logger.warning("Only %d points were matched between pictures, so the poses stay as recorded.", len(points))
            return replace(none, keypoints=Keypoints(_bare(reaim(features, chosen)), matches, likeness))
        progress.start("Aligning the poses")
        found = adjust(sightings, replace(found, points=points), knots_us)
        progress.finish(f"{len(points)} points in {len(sightings)} places")
        if not _plausible(found):
            logger.warning("The pictures would move the poses too far to be true, so the poses stay as recorded.")
            return replace(none, keypoints=Keypoints(_bare(reaim(features, chosen)), matches, likeness))
        now = replace(none, ego=found.ego, mountings=dict(zip(drive.cameras, found.mountings, strict=True)))
    verdict = judged(sightings, found, knots_us)
    logger.info(
        "Matched keypoints miss their points by %.2f pixels with the recorded poses, by %.2f with aligned ones%s.",
        verdict.before_px,
        verdict.after_px,
        "" if verdict.better else ", too little to change them",
    )
    kept = now if verdict.better else none
    return replace(
        kept,
        points=len(points),
        observations=len(sightings),
        before_px=verdict.before_px,
        after_px=verdict.after_px if verdict.better else verdict.before_px,
        radians_per_px=float(1 / np.median(sightings.focal_px)),
        keypoints=replace(keypoints, features=_bare(reaim(features, _aimed(chosen, drive, kept)))),
    )


def aligned_drive(drive: Drive, alignment: PoseAlignment) -> Drive:
    """The drive with corrected path and mountings."""
    correction = PoseCorrection(
        alignment.knots_us, {name: sensor.rig_from_camera for name, sensor in drive.cameras.items()}, smoothness=0.0
    )
    correction.begin_at(alignment.ego, alignment.mountings)
    cameras = {
        name: replace(sensor, rig_from_camera=correction.rig_from_camera(name))
        for name, sensor in drive.cameras.items()
    }
    return replace(drive, ego=correction.corrected(drive.ego), cameras=cameras)


def _spread_views(views: Sequence[TrainingView]) -> list[TrainingView]:
    """All views, or of a long drive those that see something new, and of each camera every n-th of them."""
    if len(views) <= _MOST_VIEWS:
        return list(views)
    kept = key_views(views)
    stride = -(-len(kept) // _MOST_VIEWS)
    cameras = dict.fromkeys(view.camera for view in kept)
    return [view for name in cameras for view in [view for view in kept if view.camera == name][::stride]]


def _aimed(views: Sequence[TrainingView], drive: Drive, alignment: PoseAlignment) -> list[TrainingView]:
    corrected = aligned_drive(drive, alignment)
    return [replace(view, drive=corrected) for view in views]


def _bare(features: Features) -> Features:
    return replace(features, descriptors=np.zeros((0, 128), dtype=np.float32))


def _plausible(found: Unknowns) -> bool:
    every = np.concatenate([found.ego, found.mountings])
    turn, shift = np.linalg.norm(every[:, :3], axis=1), np.linalg.norm(every[:, 3:], axis=1)
    return bool(np.isfinite(every).all() and turn.max() <= _MOST_TURN_RAD and shift.max() <= _MOST_SHIFT_M)
