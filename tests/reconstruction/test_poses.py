"""Pose correction: its gradient against finite differences, and its path against its poses."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from avrec.geometry import OpenCVPinholeCamera, Trajectory, exp_so3, transform_from
from avrec.raster.native import NativeRasterizer
from avrec.raster.view import RasterSettings, View
from avrec.reconstruction.poses import METRES_PER_RADIAN, PoseCorrection

START_US = 1_700_000_000_000_000
KNOTS_US = START_US + np.array([0, 100_000, 200_000, 350_000], np.int64)
MOUNTINGS = {
    "front": transform_from(np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]]), np.array([1.7, 0.1, 1.5])),
    "left": transform_from(np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]]), np.array([1.2, 0.8, 1.4])),
}


def curve() -> Trajectory:
    """A path with turns and bumps, 20 Hz."""
    times = START_US + np.arange(-50_000, 500_000, 50_000)
    s = (times - START_US) / 1e6
    turn = exp_so3(np.stack([0.02 * np.sin(9 * s), 0.03 * np.cos(7 * s), 0.4 * s], axis=-1))
    return Trajectory(times, transform_from(turn, np.stack([8 * s, 1.5 * s**2, 0.05 * np.sin(20 * s)], axis=-1)))


def correction(size: float, *, smoothness: float = 0.0, seed: int = 4) -> PoseCorrection:
    """With random values of this size."""
    poses = PoseCorrection(KNOTS_US, MOUNTINGS, smoothness=smoothness)
    rng = np.random.default_rng(seed)
    poses.values[:] = size * rng.normal(size=poses.values.shape)
    for offset in poses.offsets.values():
        offset[:] = size * rng.normal(size=6)
    return poses


def gradients(poses: PoseCorrection, camera: str, times: np.ndarray, lines: np.ndarray) -> dict[str, np.ndarray]:
    """What one descent would follow."""
    found: dict[str, np.ndarray] = {}

    class Watched(PoseCorrection):
        def _adam(self, key: str, values: np.ndarray, gradient: np.ndarray, rows: object, rate: float) -> None:
            found[key] = gradient.copy()

    watched = Watched(KNOTS_US, MOUNTINGS, smoothness=poses._smoothness)
    watched.restore(poses.state())
    watched.descend(watched.pose(camera, times, curve().at(times)), lines.astype(np.float32), 1e-3)
    return found


def differences(loss: Callable[[], float], values: np.ndarray, step: float) -> np.ndarray:
    """Central differences of a loss by every entry of an array that it reads."""
    out = np.zeros_like(values)
    for index in np.ndindex(values.shape):
        kept = values[index]
        values[index] = kept + step
        high = loss()
        values[index] = kept - step
        low = loss()
        values[index] = kept
        out[index] = (high - low) / (2 * step)
    return out


@pytest.mark.parametrize("camera", ["front", "left"])
@pytest.mark.parametrize(("size", "tolerance"), [(0.0, 1e-5), (0.01, 0.03)])
def test_gradient_of_a_known_function(camera: str, size: float, tolerance: float) -> None:
    """L = <V, R> + <v, origin> over the lines; away from zero the code's rotation gradient is right to first order."""
    times = START_US + np.linspace(60_000, 320_000, 9)
    lines = np.random.default_rng(0).normal(size=(9, 12)).astype(np.float32)
    poses = correction(size)

    def loss() -> float:
        pose = poses.pose(camera, times, curve().at(times))
        return float((lines[:, :9] * pose.rotation.reshape(-1, 9)).sum() + (lines[:, 9:] * pose.origin).sum())

    found = gradients(poses, camera, times, lines)
    ego = differences(loss, poses.values, 1e-6)
    assert np.abs(found["ego"] - ego).max() <= tolerance * np.abs(ego).max()
    offset = poses.offsets[camera]
    mounting = differences(loss, offset, 1e-6)
    pull = 1e-2 * offset * np.r_[np.ones(3), np.full(3, 1 / METRES_PER_RADIAN**2)]
    assert np.abs(found[f"camera:{camera}"] - pull - mounting).max() <= tolerance * np.abs(mounting).max()
    assert set(found) == {"ego", f"camera:{camera}"}


def test_smoothness_is_the_gradient_of_the_squared_second_difference() -> None:
    poses = correction(0.05, smoothness=0.3)
    times = START_US + np.linspace(60_000, 320_000, 9)

    def bend() -> float:
        second = poses.values[:-2] - 2 * poses.values[1:-1] + poses.values[2:]
        return 0.5 * 0.3 * float((second**2).sum())

    found = gradients(poses, "front", times, np.zeros((9, 12)))["ego"]
    assert np.allclose(found, differences(bend, poses.values, 1e-6), rtol=1e-6, atol=1e-9)


def test_gradient_through_the_kernel() -> None:
    """The whole chain: a rendered picture's loss by knots and mounting, under a rolling shutter."""
    rng = np.random.default_rng(5)
    count, model = 150, OpenCVPinholeCamera(64, 48, (50.0, 50.0), (32.0, 24.0))
    poses = correction(0.002)
    times = START_US + np.linspace(110_000, 140_000, model.height)
    packed = np.zeros((count, 14), np.float32)
    middle = curve().at(float(times.mean())) @ MOUNTINGS["front"]
    local = np.stack([rng.uniform(-6, 6, count), rng.uniform(-4, 4, count), rng.uniform(6, 14, count)], axis=-1)
    packed[:, :3] = local @ middle[:3, :3].T + middle[:3, 3]
    packed[:, 3:7] = rng.normal(size=(count, 4))
    packed[:, 7:10] = np.log(rng.uniform(0.3, 0.9, (count, 3)))
    packed[:, 10] = rng.normal(size=count)
    packed[:, 11:] = rng.normal(size=(count, 3))
    weights = rng.normal(size=(1, 1, 3)) * np.sin(np.arange(model.height) / 9)[:, None, None]
    v_rgb = np.ascontiguousarray(np.broadcast_to(weights, (model.height, model.width, 3)), np.float32)
    raster = NativeRasterizer()
    # Hardly any thresholds: with them single pixels jump, and differences are no judge.
    smooth = RasterSettings(inflate_bounds=1e3, margin=1e3, min_alpha=1e-6, min_transmittance=1e-6)

    def loss() -> float:
        pose = poses.pose("front", times, curve().at(times))
        view = View(model, pose.rotation, pose.origin, "rows", np.zeros((0, model.height, 4, 4)))
        raster.project(packed, view, settings=smooth)
        return float((raster.forward()["rgb"].astype(np.float64) * v_rgb).sum())

    loss()
    lines = raster.backward(v_rgb, pose=True)[2]
    assert lines is not None
    found = gradients(poses, "front", times, lines)
    for mine, values in ((found["ego"], poses.values), (found["camera:front"], poses.offsets["front"])):
        judge = differences(loss, values, 2e-4)
        assert np.linalg.norm(mine - judge) < 0.01 * np.linalg.norm(judge)


def test_the_corrected_path_shows_the_corrected_poses() -> None:
    poses, ego = correction(0.01), curve()
    path = poses.corrected(ego)
    first, last = ego.span_us
    assert path.span_us == (first, last)
    assert set(KNOTS_US) <= set(path.timestamps_us)
    # At the knots of both exactly; between them, two ways of interpolating differ in the second order.
    exact = path.timestamps_us.astype(np.float64)
    for times, tolerance in ((exact, 1e-12), (np.linspace(first, last, 400), 2e-4)):
        for camera in MOUNTINGS:
            shown = path.at(times) @ poses.rig_from_camera(camera)
            pose = poses.pose(camera, times, ego.at(times))
            assert np.abs(shown[:, :3, :3] - pose.rotation).max() < tolerance
            assert np.abs(shown[:, :3, 3] - pose.origin).max() < max(tolerance, 1e-9)


def test_before_the_first_and_after_the_last_knot_the_correction_holds() -> None:
    poses = correction(0.01)
    far = np.array([START_US - 10_000_000.0, START_US + 10_000_000.0])
    found, _, _ = poses.at(far)
    ends, _, _ = poses.at(KNOTS_US[[0, -1]].astype(np.float64))
    assert np.allclose(found, ends, atol=1e-15)
    between, low, share = poses.at(np.array([START_US + 275_000.0]))
    assert low.tolist() == [2]
    assert share[0] == pytest.approx(0.5)
    assert np.allclose(between[0, :3, 3], poses.values[2:, 3:].mean(axis=0))


def test_no_correction_changes_nothing() -> None:
    poses = PoseCorrection(KNOTS_US[::-1], MOUNTINGS, smoothness=1.0)
    ego = curve()
    assert np.array_equal(poses.knots_us, KNOTS_US)
    assert np.allclose(poses.corrected(ego).at(ego.timestamps_us), ego.poses, atol=1e-14)
    for camera, mounting in MOUNTINGS.items():
        assert np.allclose(poses.rig_from_camera(camera), mounting, atol=1e-15)


@pytest.mark.parametrize("knots", [1, 2])
def test_drives_of_one_or_two_moments(knots: int) -> None:
    poses = PoseCorrection(KNOTS_US[:knots], MOUNTINGS, smoothness=1e-3)
    times = START_US + np.linspace(0, 30_000, 5)
    lines = np.ones((5, 12), np.float32)
    poses.descend(poses.pose("left", times, curve().at(times)), lines, 1e-3)
    assert np.isfinite(poses.values).all()
    assert np.abs(poses.values).max() > 0
    assert np.abs(poses.offsets["left"]).max() > 0
    # Together the cameras do not move in the rig: that part belongs to the ego's path.
    for part in (slice(0, 3), slice(3, 6)):
        common = sum(MOUNTINGS[name][:3, :3] @ offset[part] for name, offset in poses.offsets.items())
        assert np.abs(common).max() < 1e-12


def test_a_step_moves_only_the_knots_around_the_picture() -> None:
    poses = PoseCorrection(KNOTS_US, MOUNTINGS, smoothness=0.0)
    times = START_US + np.linspace(110_000, 140_000, 5)
    poses.descend(poses.pose("front", times, curve().at(times)), np.ones((5, 12), np.float32), 1e-3)
    assert not poses.values[[0, 3]].any()
    # Adam's first step is the rate itself, in radians and in metres.
    assert np.allclose(np.abs(poses.values[1:3]), 1e-3 * np.r_[1, 1, 1, [METRES_PER_RADIAN] * 3], rtol=1e-3)


def test_descent_finds_the_poses_again() -> None:
    """A quadratic: lines are pulled to where other corrections would put them."""
    wanted, poses = correction(0.01, seed=9), PoseCorrection(KNOTS_US, MOUNTINGS, smoothness=0.0)
    ego = curve()
    rng = np.random.default_rng(0)

    def distance() -> float:
        times = START_US + np.linspace(0, 350_000, 40)
        total = 0.0
        for camera in MOUNTINGS:
            one, other = (p.pose(camera, times, ego.at(times)) for p in (poses, wanted))
            total += float(np.abs(one.rotation - other.rotation).max() + np.abs(one.origin - other.origin).max())
        return total

    before = distance()
    for step in range(800):
        camera = ("front", "left")[step % 2]
        times = START_US + rng.uniform(0, 320_000) + np.linspace(0, 30_000, 7)
        rig = ego.at(times)
        now, goal = poses.pose(camera, times, rig), wanted.pose(camera, times, rig)
        pull = np.concatenate([(now.rotation - goal.rotation).reshape(-1, 9) * 5, now.origin - goal.origin], axis=1)
        poses.descend(now, pull.astype(np.float32), 1e-3 * 0.01 ** (step / 800))
    assert distance() < 0.1 * before
