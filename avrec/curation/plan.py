"""What a curated dataset holds: its slices, and the samples of a time step with their fields. No FiftyOne here."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from avrec.errors import AvrecError
from avrec.evaluation import FrameScore

__all__ = [
    "FIELDS",
    "SCENE_SLICE",
    "Kind",
    "SamplePlan",
    "StepFrame",
    "StepPlan",
    "Value",
    "kinds_for",
    "picture_path",
    "plain_names",
    "plan_step",
]

Value = str | int | float | bool | None

SCENE_SLICE = "scene"
"""Name of the slice that shows the Gaussians, and of the folder with their files."""

FIELDS: Mapping[str, tuple[type, str]] = {
    "camera": (str, "name of the camera"),
    "kind": (str, "recorded, rendered, error, novel or scene"),
    "time_step": (int, "position of the time step in the dataset"),
    "timestamp_us": (int, "start of the exposure, microseconds"),
    "seconds": (float, "start of the exposure since the scene's first frame, seconds"),
    "frame_index": (int, "position among the camera's recorded frames"),
    "held_out": (bool, "true where the frame was kept out of the reconstruction"),
    "psnr": (float, "rendered against recorded, dB; larger is better"),
    "ssim": (float, "structural similarity, rendered against recorded, 0..1; larger is better"),
    "gmsd": (float, "gradient magnitude similarity deviation, a perceptual distance; smaller is better"),
    "psnr_aligned": (float, "dB after the pose was fitted to this very frame"),
    "aligned_deg": (float, "rotation of that fit, degrees"),
    "aligned_m": (float, "translation of that fit, metres"),
    "left_m": (float, "how far to the left of the recorded path, metres; negative is right"),
}
"""Type and meaning of every field of a sample."""

_SCORES = ("psnr", "ssim", "gmsd", "psnr_aligned", "aligned_deg", "aligned_m")


@dataclass(frozen=True)
class Kind:
    """One kind of picture that every camera gets.

    Attributes:
        name: what it is.
        label: how it is called in the name of a slice.
        left_m: how far beside the recorded path; 0 but for novel views.
    """

    name: Literal["recorded", "rendered", "error", "novel"]
    label: str
    left_m: float = 0.0


@dataclass(frozen=True)
class StepFrame:
    """A recorded frame of a time step: what it scored, and whether it was held out."""

    camera: str
    index: int
    timestamp_us: int
    held_out: bool
    score: FrameScore


@dataclass(frozen=True)
class SamplePlan:
    """One sample.

    Attributes:
        slice: of the group, e.g. ``"front/rendered"``.
        path: of its file in the dataset's folder, with forward slashes.
        fields: by the names of :data:`FIELDS`; what does not exist is left out.
    """

    slice: str
    path: str
    fields: Mapping[str, Value]


@dataclass(frozen=True)
class StepPlan:
    """One group: the samples of a time step, whose first exposure starts at ``timestamp_us``."""

    index: int
    timestamp_us: int
    samples: tuple[SamplePlan, ...]


def kinds_for(shifts_left_m: Sequence[float]) -> tuple[Kind, ...]:
    """Recorded, rendered, error, and a novel view for each shift to the left in metres.

    Raises:
        AvrecError: a shift that is not a number, below a millimetre, or given twice.
    """
    kinds = [Kind("recorded", "recorded"), Kind("rendered", "rendered"), Kind("error", "error")]
    for left_m in shifts_left_m:
        # FiftyOne keeps slice names as keys of its database, where a dot means something else: whole numbers only.
        millimetres = round(abs(left_m) * 1000) if math.isfinite(left_m) else 0
        if not millimetres:
            raise AvrecError(
                f"A novel view lies beside the recorded path, found a shift of {left_m} m. Give metres to the left, "
                "negative to the right, e.g. 1.5"
            )
        side = "left" if left_m > 0 else "right"
        length = f"{millimetres // 10} cm" if millimetres % 10 == 0 else f"{millimetres} mm"
        kinds.append(Kind("novel", f"{side} {length}", left_m))
    labels = [kind.label for kind in kinds]
    if len(set(labels)) < len(labels):
        raise AvrecError("Two novel views have the same shift. Give each shift once.")
    return tuple(kinds)


def plain_names(names: Sequence[str]) -> dict[str, str]:
    """A name for each camera that slices and folders can have: letters, digits, ``_ + -``, and no two alike."""
    plain: dict[str, str] = {}
    for name in names:
        base = re.sub(r"[^\w+-]+", "-", name).strip("-") or "camera"
        taken = {SCENE_SLICE, *(other.lower() for other in plain.values())}
        candidates = (base, *(f"{base}-{number}" for number in range(2, len(names) + 4)))
        plain[name] = next(candidate for candidate in candidates if candidate.lower() not in taken)
    return plain


def picture_path(camera: str, kind: Kind, index: int) -> str:
    """Where a frame's picture lies in the dataset's folder; ``camera`` is its plain name."""
    return f"{camera}/{kind.label.replace(' ', '-')}/{index:06d}.png"


def plan_step(
    index: int, frames: Sequence[StepFrame], kinds: Sequence[Kind], cameras: Mapping[str, str], *, start_us: int
) -> StepPlan:
    """The samples of a time step: for each frame one of every kind, then the Gaussians.

    Recorded, rendered and error pictures of a frame carry its scores alike, so that any of them can be sorted; a novel
    view has none, for nobody recorded what it shows.

    Args:
        index: position of the step.
        frames: its frames, one a camera.
        kinds: kinds of pictures.
        cameras: plain name of each camera, see :func:`plain_names`.
        start_us: start of the scene's first frame, microseconds.
    """
    samples = []
    for frame in frames:
        for kind in kinds:
            fields: dict[str, Value] = {
                "camera": frame.camera,
                "kind": kind.name,
                **_when(index, frame.timestamp_us, start_us),
                "frame_index": frame.index,
                "held_out": frame.held_out,
                "left_m": kind.left_m,
            }
            if kind.name != "novel":
                fields.update(_scores(frame.score))
            plain = cameras[frame.camera]
            path = picture_path(plain, kind, frame.index)
            samples.append(SamplePlan(f"{plain}/{kind.label}", path, fields))
    time_us = min(frame.timestamp_us for frame in frames)
    fields = {"kind": "scene", **_when(index, time_us, start_us)}
    samples.append(SamplePlan(SCENE_SLICE, f"{SCENE_SLICE}/{index:06d}.fo3d", fields))
    return StepPlan(index, time_us, tuple(samples))


def _when(index: int, time_us: int, start_us: int) -> dict[str, Value]:
    return {"time_step": index, "timestamp_us": time_us, "seconds": (time_us - start_us) / 1e6}


def _scores(score: FrameScore) -> dict[str, float]:
    """The scores that are numbers: equal pictures have no PSNR, and only some evaluations align."""
    values = {name: getattr(score, name) for name in _SCORES}
    return {name: value for name, value in values.items() if value is not None and math.isfinite(value)}
