"""What a dataset holds, without FiftyOne."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avrec.curation.plan import FIELDS, StepFrame, kinds_for, plain_names, plan_step
from avrec.errors import AvrecError
from avrec.evaluation import FrameScore


def frame(camera: str, time_us: int, psnr: float, *, held_out: bool) -> StepFrame:
    return StepFrame(camera, 7, time_us, held_out, FrameScore(camera, 7, time_us, psnr, 0.9, 0.1))


def test_a_step_by_hand() -> None:
    frames = [
        frame("front", 1_500_000, 30.5, held_out=True),
        frame("rear.left", 1_400_000, float("inf"), held_out=False),
    ]
    cameras = plain_names(["front", "rear.left"])
    step = plan_step(3, frames, kinds_for([1.5]), cameras, start_us=1_000_000)
    assert step.timestamp_us == 1_400_000
    assert {sample.slice: sample.path for sample in step.samples} == {
        "front/recorded": "front/recorded/000007.png",
        "front/rendered": "front/rendered/000007.png",
        "front/error": "front/error/000007.png",
        "front/left 150 cm": "front/left-150-cm/000007.png",
        "rear-left/recorded": "rear-left/recorded/000007.png",
        "rear-left/rendered": "rear-left/rendered/000007.png",
        "rear-left/error": "rear-left/error/000007.png",
        "rear-left/left 150 cm": "rear-left/left-150-cm/000007.png",
        "scene": "scene/000003.fo3d",
    }
    when = {"time_step": 3, "timestamp_us": 1_500_000, "seconds": 0.5}
    front = {"camera": "front", "frame_index": 7, "held_out": True, **when}
    scores = {"psnr": 30.5, "ssim": 0.9, "gmsd": 0.1}
    assert step.samples[1].fields == {**front, "kind": "rendered", "left_m": 0.0, **scores}
    assert step.samples[3].fields == {**front, "kind": "novel", "left_m": 1.5}  # nobody recorded what it shows
    assert step.samples[4].fields["camera"] == "rear.left"
    assert "psnr" not in step.samples[4].fields  # infinite
    assert step.samples[-1].fields == {"kind": "scene", "time_step": 3, "timestamp_us": 1_400_000, "seconds": 0.4}
    for sample in step.samples:
        assert all(isinstance(value, FIELDS[name][0]) for name, value in sample.fields.items())


def test_shifts_become_labels_without_dots() -> None:
    labels = [kind.label for kind in kinds_for([1.5, -1.5, 0.125, -3])]
    assert labels == ["recorded", "rendered", "error", "left 150 cm", "right 150 cm", "left 125 mm", "right 300 cm"]
    assert [kind.label for kind in kinds_for([])] == ["recorded", "rendered", "error"]


@pytest.mark.parametrize("shift", [0.0, 1e-4, float("nan"), float("inf")])
def test_a_shift_that_is_none_is_refused(shift: float) -> None:
    with pytest.raises(AvrecError, match="beside the recorded path"):
        kinds_for([shift])


def test_a_shift_given_twice_is_refused() -> None:
    with pytest.raises(AvrecError, match="same shift"):
        kinds_for([1.5, 1.5001])


@given(st.lists(st.text(max_size=8), unique=True, max_size=8))
def test_plain_names_are_safe_and_distinct(names: list[str]) -> None:
    plain = plain_names(names)
    assert list(plain) == names
    assert len({name.lower() for name in plain.values()}) == len(names)
    assert all(re.fullmatch(r"[\w+-]+", name) for name in plain.values())
    assert "scene" not in {name.lower() for name in plain.values()}


def test_plain_names_keep_what_is_plain() -> None:
    assert plain_names(["CAM_FRONT", "image_02", "../x", "scene", "A.b", "a-B"]) == {
        "CAM_FRONT": "CAM_FRONT",
        "image_02": "image_02",
        "../x": "x",
        "scene": "scene-2",
        "A.b": "A-b",
        "a-B": "a-B-2",
    }
