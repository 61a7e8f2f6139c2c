"""Scores of a scene whose pictures are known."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from avrec.drive import Drive
from avrec.errors import DataError
from avrec.evaluation import evaluate, psnr, ssim
from avrec.evaluation.align import align_shot, moved_view
from avrec.evaluation.baselines import half_size_and_back
from avrec.evaluation.evaluate import held_out_frames
from avrec.geometry import log_se3
from avrec.rendering import render, render_view
from avrec.scene.scene import Scene
from tests.rendering.scenes import START_US, drive_of, tiny_scene


def recorded_drive(scene: Scene, noise: float = 8.0) -> Drive:
    random = np.random.default_rng(5)
    pictures = {}
    for time in scene.frames["front"].tolist():
        exact = render(scene, "front", time).rgb * 255
        pictures["front", time] = np.clip(exact + random.normal(0, noise, exact.shape), 0, 255).astype(np.uint8)
    return drive_of(scene, pictures)


def test_only_held_out_frames_count_and_figures_are_their_means(tmp_path: Path) -> None:
    scene = tiny_scene()
    drive = recorded_drive(scene)
    result = evaluate(scene, drive, sheet=tmp_path / "sheet.png")
    assert [frame.index for frame in result.frames] == [1, 3]
    frames = drive.frames["front"]
    by_hand = [psnr(render(scene, "front", frames[i].timestamp_us).rgb, frames[i].image()) for i in (1, 3)]
    document = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert document["psnr"] == pytest.approx(np.mean(by_hand), abs=1e-4)
    assert document["psnr"] == pytest.approx(-20 * np.log10(8 / 255), abs=0.6)  # the noise
    assert document["per_camera"]["front"]["psnr"] == document["psnr"]
    assert 0.5 < document["ssim"] < 1
    assert document["gmsd"] > 0
    assert len(document["per_frame"]) == 2
    nearest = [psnr(frames[1].image(), frames[0].image()), psnr(frames[3].image(), frames[2].image())]
    assert document["difficulty"]["nearest_frame_psnr"] == pytest.approx(np.mean(nearest), abs=1e-4)
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    assert sheet.shape[0] >= 2 * 32
    assert sheet.shape[1] >= 3 * 48


def test_nothing_is_fitted_to_held_out_pixels() -> None:
    scene = tiny_scene()
    drive = recorded_drive(scene)
    poses = scene.ego.poses.copy()
    poses[:, :3, 3] += [0.0, 0.6, 0.0]
    moved = replace(scene, ego=type(scene.ego)(scene.ego.timestamps_us, poses))
    plain, aligned = evaluate(moved, drive), evaluate(moved, drive, align=True)
    assert plain.psnr == aligned.psnr
    assert plain.psnr_aligned is None
    assert aligned.psnr_aligned is not None
    assert aligned.psnr_aligned > plain.psnr + 3
    assert aligned.psnr_aligned == pytest.approx(-20 * np.log10(8 / 255), abs=1.0)
    assert aligned.frames[0].aligned_m == pytest.approx(0.6, abs=0.25)
    assert "psnr_aligned" in aligned.to_dict()["per_camera"]["front"]


def test_alignment_undoes_a_known_motion() -> None:
    scene = tiny_scene()
    truth = render(scene, "front", START_US + 100_000)
    motion = np.array([0.05, -0.1, 0.2, 0.01, -0.008, 0.012])
    start = render_view(scene, moved_view(truth.view, motion), "front", truth.time_us)
    fit = align_shot(scene, start, truth.rgb_uint8)
    assert psnr(fit.shot.rgb, truth.rgb) > psnr(start.rgb, truth.rgb) + 6

    def pose(view_index: int, shot: object) -> np.ndarray:
        matrix = np.eye(4)
        matrix[:3, :3], matrix[:3, 3] = shot.view.rotation[view_index], shot.view.origin[view_index]  # type: ignore[attr-defined]
        return matrix

    left = np.abs(log_se3(np.linalg.inv(pose(5, truth)) @ pose(5, fit.shot)))
    assert np.degrees(left[3:].max()) < 0.3 * np.degrees(np.abs(motion[3:]).max())


def test_downscale_compares_averaged_pictures() -> None:
    scene = tiny_scene(source={"downscale": 2})
    drive = recorded_drive(scene)
    result = evaluate(scene, drive)
    assert result.downscale == 2
    frame = drive.frames["front"][1]
    small = cv2.resize(frame.image(), (24, 16), interpolation=cv2.INTER_AREA)
    shot = render(scene, "front", frame.timestamp_us, width=24, height=16)
    assert result.frames[0].psnr == pytest.approx(psnr(shot.rgb, small), abs=1e-5)
    assert result.frames[0].ssim == pytest.approx(ssim(shot.rgb, small), abs=1e-6)
    assert evaluate(scene, drive, downscale=1).psnr < result.psnr  # averaging removes noise


def test_half_size_and_back_by_hand() -> None:
    picture = np.zeros((2, 4, 3), np.uint8)
    picture[:, 2:] = 100
    picture[0, 0] = 44  # averages to 11 in the left block
    np.testing.assert_array_equal(half_size_and_back(picture)[0, :, 0], [11, 33, 78, 100])  # bilinear: .75, .25


def test_mistakes_are_named() -> None:
    scene = tiny_scene()
    drive = recorded_drive(scene)
    nothing = replace(scene, held_out={"front": np.zeros(5, bool)})
    with pytest.raises(DataError, match=r"No frame was held out.*--holdout"):
        evaluate(nothing, drive)
    with pytest.raises(DataError, match="does not have"):
        held_out_frames(scene, replace(drive, frames={}))
    with pytest.raises(DataError, match="no frame of camera 'front'"):
        held_out_frames(scene, replace(drive, frames={"front": drive.frames["front"][:1]}))
    with pytest.raises(DataError, match="scaled down"):
        evaluate(scene, drive, downscale=0.5)
