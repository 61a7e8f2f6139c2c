"""Held-out frames stay out of everything, and the scene says which they are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avrec.drive import Drive
from avrec.errors import AvrecError
from avrec.progress import NO_PROGRESS
from avrec.reconstruction import held_out_frames
from avrec.reconstruction.pictures import load_pictures
from avrec.reconstruction.points import InitialPoints, initial_points
from avrec.scene import Scene
from tests.reconstruction.small import SMALL, bits, copy_with_noise, quick


@given(every=st.integers(2, 50), length=st.integers(1, 120))
def test_the_rule(every: int, length: int) -> None:
    """Index i of each camera is out where i mod N == N // 2, and at least one frame always stays."""
    mask = held_out_frames(_of_length({"a": length, "b": 3}), every)["a"]
    assert np.flatnonzero(mask).tolist() == [i for i in range(length) if i % every == every // 2]
    assert not mask.all()


def test_by_hand() -> None:
    def of_20(every: int) -> list[int]:
        return np.flatnonzero(held_out_frames(_of_length({"a": 20}), every)["a"]).tolist()

    assert of_20(8) == [4, 12]
    assert of_20(5) == [2, 7, 12, 17]
    assert of_20(2) == list(range(1, 20, 2))
    assert of_20(0) == []


@pytest.mark.parametrize("every", [1, -1, -8])
def test_rules_that_leave_nothing(every: int) -> None:
    with pytest.raises(AvrecError, match="is not possible"):
        held_out_frames(_of_length({"a": 20}), every)


def test_pictures_to_learn_from(drive: Drive) -> None:
    held_out = held_out_frames(drive, 4)
    pictures = load_pictures(drive, held_out, [], downscale=1, rolling=True, progress=NO_PROGRESS)
    seen = {(picture.camera, picture.timestamp_us) for picture in pictures}
    assert seen == {(f.camera, f.timestamp_us) for f in drive.all_frames if f.index % 4 != 2}
    assert len(pictures) == len(seen) == 12
    assert [p.timestamp_us for p in pictures] == sorted(p.timestamp_us for p in pictures)


def test_noise_in_held_out_pictures_changes_no_bit(
    drive: Drive, points: InitialPoints, tiny_street: Path, tmp_path: Path
) -> None:
    """Everything included: initial points, their colours, sky, poses. Noise in one other picture changes all of it."""
    out = copy_with_noise(tiny_street, tmp_path / "a" / "tiny", cameras=("front", "left"), indices=(2, 6))
    noisy = Drive.open(out)
    again = initial_points(noisy, held_out_frames(noisy, 4), seed=0, max_points=SMALL.most_points)
    for name in ("xyz", "rgb", "source"):
        assert np.array_equal(getattr(again, name), getattr(points, name)), name
    assert bits(quick(noisy, points=again)) == bits(quick(drive, points=points))

    other = Drive.open(copy_with_noise(tiny_street, tmp_path / "b" / "tiny", cameras=("left",), indices=(3,)))
    theirs = initial_points(other, held_out_frames(other, 4), seed=0, max_points=SMALL.most_points)
    assert not np.array_equal(theirs.rgb, points.rgb)


def test_held_out_files_need_not_even_be_readable(tiny_street: Path, tmp_path: Path, points: InitialPoints) -> None:
    out = copy_with_noise(tiny_street, tmp_path / "tiny", cameras=("front", "left"), indices=(2, 6))
    for victim in (out / "images").glob("*/0006.png"):
        victim.write_bytes(victim.read_bytes()[:100])
    quick(Drive.open(out), points=points, iterations=2)


def test_the_scene_says_which(drive: Drive, points: InitialPoints, tmp_path: Path) -> None:
    quick(drive, points=points, iterations=2, output=tmp_path / "scene.usdz")
    scene = Scene.open(tmp_path / "scene.usdz")
    assert scene.source["holdout"] == 4
    for camera, frames in drive.frames.items():
        assert scene.frames[camera].tolist() == [frame.timestamp_us for frame in frames]
        assert np.flatnonzero(scene.held_out[camera]).tolist() == [2, 6]


def test_the_rule_counts_from_the_first_selected_frame(drive: Drive, points: InitialPoints) -> None:
    part = drive.select(cameras=["left"], frames=slice(1, 7))
    scene = quick(part, points=points, iterations=2)
    assert list(scene.held_out) == ["left"]
    recorded = [frame.timestamp_us for frame in drive.frames["left"]]
    assert scene.frames["left"].tolist() == recorded[1:7]
    assert scene.frames["left"][scene.held_out["left"]].tolist() == [recorded[3]]  # index 2 of the six


def test_too_few_frames_are_a_warning(drive: Drive, points: InitialPoints, caplog: pytest.LogCaptureFixture) -> None:
    scene = quick(drive.select(frames=slice(0, 3)), points=points, iterations=2, holdout=8)
    assert "keeps none of front, left" in caplog.text
    assert not any(mask.any() for mask in scene.held_out.values())


def _of_length(frames: dict[str, int]) -> Drive:
    """A drive of which only the number of frames matters."""
    return replace(_EMPTY, frames={name: (None,) * count for name, count in frames.items()})  # type: ignore[dict-item]


_EMPTY = Drive("made up", Path(), "made up", {}, {}, None)  # type: ignore[arg-type]
