"""Depth from the lidar: its gradient by hand and by differences, and its agreement with the street's truth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from avrec.drive import Drive
from avrec.progress import NO_PROGRESS
from avrec.reconstruction import held_out_frames
from avrec.reconstruction.depths import PictureDepth, depth_gradient, picture_depths
from avrec.reconstruction.points.boxes import moving_tracks


def loss(depth: PictureDepth, alpha: np.ndarray, depth_sum: np.ndarray, weight: float) -> float:
    height, width = alpha.shape
    x, y = (depth.place * (width, height)).astype(int).T
    return float(weight * np.mean(np.abs(depth_sum[y, x] / alpha[y, x] / depth.distance_m - 1)))


def test_gradient_by_hand() -> None:
    depth = PictureDepth(np.array([[0.75, 0.25]], np.float32), np.array([10.0], np.float32))
    alpha, depth_sum = np.full((2, 2), 0.5, np.float32), np.full((2, 2), 5.5, np.float32)  # 11 m instead of 10 m
    found = depth_gradient(depth, alpha, depth_sum, weight=2.0)
    assert found.error == pytest.approx(0.1, rel=1e-5)
    assert found.v_depth[0, 1] == pytest.approx(2.0 / (10 * 0.5))
    assert found.v_alpha[0, 1] == pytest.approx(-2.0 * 11 / (10 * 0.5))
    assert np.count_nonzero(found.v_depth) == np.count_nonzero(found.v_alpha) == 1


def test_gradient_by_differences() -> None:
    rng = np.random.default_rng(0)
    depth = PictureDepth(rng.random((40, 2)).astype(np.float32), rng.uniform(5, 50, 40).astype(np.float32))
    alpha = rng.uniform(0.4, 1, (6, 8)).astype(np.float32)
    x, y = (depth.place * (8, 6)).astype(int).T
    depth_sum = np.full((6, 8), 10.0, np.float32)
    depth_sum[y, x] = alpha[y, x] * depth.distance_m * rng.uniform(0.8, 1.2, 40).astype(np.float32)
    near = np.abs(depth_sum[y, x] / alpha[y, x] / depth.distance_m - 1) < 0.39
    depth = PictureDepth(depth.place[near], depth.distance_m[near])
    found = depth_gradient(depth, alpha, depth_sum, weight=1.0)
    step = 1e-3
    for _ in range(10):
        pixel = (int(rng.integers(6)), int(rng.integers(8)))
        for array, gradient in ((alpha, found.v_alpha), (depth_sum, found.v_depth)):
            up, down = array.astype(np.float64), array.astype(np.float64)
            up[pixel] += step
            down[pixel] -= step
            pair = [(a, depth_sum) if array is alpha else (alpha, a) for a in (up, down)]
            expected = (loss(depth, *pair[0], 1.0) - loss(depth, *pair[1], 1.0)) / (2 * step)
            assert gradient[pixel] == pytest.approx(expected, rel=2e-2, abs=1e-5)


def test_what_is_far_off_or_transparent_pulls_at_nothing() -> None:
    depth = PictureDepth(np.array([[0.5, 0.5]], np.float32), np.array([10.0], np.float32))
    for alpha, mean in ((1.0, 30.0), (0.1, 11.0)):
        full = np.full((1, 1), alpha, np.float32)
        found = depth_gradient(depth, full, full * np.float32(mean), weight=1.0)
        assert not found.v_depth.any()
        assert not found.v_alpha.any()


def test_agrees_with_the_truth_of_the_street(tiny_street: Path) -> None:
    drive = Drive.open(tiny_street)
    held_out = held_out_frames(drive, 4)
    depths = picture_depths(drive, held_out, moving_tracks(drive.tracks), downscale=1, progress=NO_PROGRESS)
    training = sum(int((~mask).sum()) for mask in held_out.values())
    assert len(depths) == training, "one per training picture, none of a held-out one"
    errors = []
    for (camera, timestamp_us), depth in depths.items():
        frame = next(frame for frame in drive.frames[camera] if frame.timestamp_us == timestamp_us)
        truth = np.load(tiny_street / "truth" / "depth" / camera / f"{frame.index:04d}.npy")
        height, width = truth.shape
        x, y = (depth.place * (width, height)).astype(int).T
        errors.append(np.abs(depth.distance_m / truth[y, x] - 1))
    every = np.concatenate(errors)
    assert len(every) > 100 * training / 2
    assert np.median(every) < 0.02
    assert np.percentile(every, 90) < 0.15
