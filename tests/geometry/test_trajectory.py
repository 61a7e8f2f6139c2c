import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import CubicHermiteSpline
from scipy.spatial.transform import Rotation, Slerp

from avrec.errors import DataError
from avrec.geometry import Trajectory, exp_se3, exp_so3, log_so3, transform_from

T0 = 1_700_000_000_000_000


def drive(count: int = 30, seed: int = 0) -> Trajectory:
    random = np.random.default_rng(seed)
    times = T0 + np.cumsum(random.integers(30_000, 170_000, count))
    rotation = Rotation.from_rotvec(np.cumsum(random.normal(size=(count, 3)) * 0.2, axis=0)).as_matrix()
    return Trajectory(times, transform_from(rotation, np.cumsum(random.normal(size=(count, 3)), axis=0)))


def inside(path: Trajectory, count: int = 200) -> np.ndarray:
    return np.random.default_rng(9).integers(path.span_us[0], path.span_us[1], count)


def test_linear_agrees_with_scipy():
    path, times = drive(), inside(drive())
    poses = path.at(times)
    judge = Slerp(path.timestamps_us - T0, Rotation.from_matrix(path.poses[:, :3, :3]))(times - T0)
    assert np.abs(poses[:, :3, :3] - judge.as_matrix()).max() < 1e-12
    for axis in range(3):
        line = np.interp(times - T0, path.timestamps_us - T0, path.poses[:, axis, 3])
        assert np.abs(poses[:, axis, 3] - line).max() < 1e-9


def test_hermite_positions_agree_with_scipy():
    path, times = drive(), inside(drive())
    knots = (path.timestamps_us - T0) / 1e6
    # numpy's gradient of second order uses the same three-point formula
    slopes = np.gradient(path.poses[:, :3, 3], knots, axis=0, edge_order=2)
    judge = CubicHermiteSpline(knots, path.poses[:, :3, 3], slopes)
    seconds = (times - T0) / 1e6
    assert np.abs(path.at(times, interpolation="hermite")[:, :3, 3] - judge(seconds)).max() < 1e-9
    assert np.abs(path.velocity_at(times)[0] - judge(seconds, 1)).max() < 1e-8


@pytest.mark.parametrize("interpolation", ["linear", "hermite"])
@pytest.mark.parametrize("count", [1, 2, 3, 30])
def test_exact_at_the_knots(interpolation, count):
    path = drive(count)
    assert np.array_equal(path.at(path.timestamps_us, interpolation=interpolation), path.poses)
    assert np.array_equal(path.at(path.timestamps_us.astype(float), interpolation=interpolation), path.poses)


def test_hermite_is_continuous_in_pose_and_velocity():
    path = drive()
    path = Trajectory(path.timestamps_us - T0, path.poses)
    knots, step = path.timestamps_us[1:-1], 1e-2
    before, after = (path.at(knots + d, interpolation="hermite") for d in (-step, step))
    assert np.abs(after - before).max() < 1e-5
    for v_before, v_after in zip(path.velocity_at(knots - step), path.velocity_at(knots + step), strict=True):
        assert np.abs(v_after - v_before).max() < 1e-3


def test_velocity_is_the_derivative_of_the_hermite_curve():
    path = drive()
    path = Trajectory(path.timestamps_us - T0, path.poses)
    times = inside(path).astype(float)
    h = 20.0
    ahead, back = (path.at(times + d, interpolation="hermite", outside="extrapolate") for d in (h, -h))
    linear, angular = path.velocity_at(times)
    assert np.abs((ahead - back)[:, :3, 3] / (2 * h * 1e-6) - linear).max() < 1e-4
    turned = log_so3(ahead[:, :3, :3] @ back[:, :3, :3].swapaxes(1, 2)) / (2 * h * 1e-6)
    assert np.abs(turned - angular).max() < 1e-4


def test_hermite_reproduces_a_constant_turn_and_a_parabola():
    # constant yaw rate 0.3 rad/s, braking at 2 m/s^2 from 10 m/s, on uneven knots
    t = np.array([0.0, 0.1, 0.35, 0.5, 0.9, 1.0])
    poses = transform_from(exp_so3(np.outer(t, (0, 0, 0.3))), np.stack([10 * t - t**2, 0 * t, 0 * t], axis=-1))
    path = Trajectory((t * 1e6).astype(int), poses)
    s = np.linspace(0, 1, 41)
    found = path.at(s * 1e6, interpolation="hermite")
    assert np.abs(found[:, 0, 3] - (10 * s - s**2)).max() < 1e-12
    assert np.abs(found[:, :3, :3] - exp_so3(np.outer(s, (0, 0, 0.3)))).max() < 1e-12
    linear, angular = path.velocity_at(s * 1e6)
    assert np.abs(linear[:, 0] - (10 - 2 * s)).max() < 1e-10
    assert np.abs(angular - (0, 0, 0.3)).max() < 1e-10


def test_by_hand():
    path = Trajectory([0, 1_000_000], [np.eye(4), transform_from(exp_so3([0, 0, np.pi / 2]), (2, 0, 4))])
    half = path.at(500_000)
    c = np.sqrt(0.5)
    assert np.allclose(half, [[c, -c, 0, 1], [c, c, 0, 0], [0, 0, 1, 2], [0, 0, 0, 1]], atol=1e-15)
    assert path.at(-500_000, outside="extrapolate")[0, 3] == pytest.approx(-1.0)
    assert path.at(2_000_000, outside="extrapolate")[0, 0] == pytest.approx(-1.0)
    assert np.array_equal(path.at(2_000_000, outside="hold"), path.poses[1])
    assert path.span_us == (0, 1_000_000)
    assert len(path) == 2


@pytest.mark.parametrize("interpolation", ["linear", "hermite"])
def test_extrapolation_goes_on_at_constant_velocity(interpolation):
    path = drive()
    first, last = path.span_us
    for end, sign in ((first, -1), (last, 1)):
        one, two, three = path.at(
            end + sign * np.array([0, 40_000, 80_000]), interpolation=interpolation, outside="extrapolate"
        )
        assert np.abs((two - one)[:3, 3] - (three - two)[:3, 3]).max() < 1e-12
        assert np.abs(one[:3, :3].T @ two[:3, :3] - two[:3, :3].T @ three[:3, :3]).max() < 1e-12
    # and joins the curve without a jump in velocity
    near = path.at(last + np.array([-1, 0, 1]), interpolation=interpolation, outside="extrapolate")
    assert np.abs((near[2] - near[1]) - (near[1] - near[0])).max() < 1e-9


@pytest.mark.parametrize("interpolation", ["linear", "hermite"])
def test_standing_still_and_half_turns_stay_finite(interpolation):
    still = exp_se3([3.0, 2.0, 1.0, 0.1, 0.2, 3.0])
    path = Trajectory(np.arange(5), np.broadcast_to(still, (5, 4, 4)))
    assert np.abs(path.at(np.linspace(0, 4, 33), interpolation=interpolation) - still).max() < 1e-14
    assert np.abs(np.concatenate(path.velocity_at([0, 2.5]))).max() < 1e-9
    # rotations past pi flip the sign of their quaternions; the way between neighbours stays the short one
    turn = np.arange(9) * 0.8
    path = Trajectory(np.arange(9) * 1000, transform_from(exp_so3(np.outer(turn, (0, 0, 1))), np.zeros(3)))
    angles = np.linspace(0, 6.4, 50)
    found = path.at(angles * 1250, interpolation=interpolation)
    assert np.abs(found[:, :3, :3] - exp_so3(np.outer(angles, (0, 0, 1)))).max() < 1e-12
    half = Trajectory([0, 10], [np.eye(4), transform_from(exp_so3([np.pi, 0, 0]), np.zeros(3))])
    assert np.isfinite(half.at(np.arange(11), interpolation=interpolation)).all()


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 12), st.integers(0, 10_000), st.sampled_from(["linear", "hermite"]))
def test_any_result_is_rigid_and_follows_the_frame(count, seed, interpolation):
    path = drive(count, seed)
    times = np.linspace(*path.span_us, 23)
    poses = path.at(times, interpolation=interpolation, outside="hold")
    rotation = poses[:, :3, :3]
    assert np.abs(rotation.swapaxes(1, 2) @ rotation - np.eye(3)).max() < 1e-12
    left, right = exp_se3([5, 6, 7, 0.3, 0.4, 0.5]), transform_from(np.eye(3), [1, 2, 3])
    moved = path.transformed(left).at(times, interpolation=interpolation, outside="hold")
    assert np.abs(moved - left @ poses).max() < 1e-10
    turned = path.body_shifted(transform_from(exp_so3([0.1, 0.2, 0.3]), np.zeros(3)))
    assert (
        np.abs(turned.at(times, interpolation=interpolation, outside="hold")[:, :3, 3] - poses[:, :3, 3]).max() < 1e-10
    )
    assert np.array_equal(path.body_shifted(right).poses, path.poses @ right)


def test_one_pose_is_known_but_not_its_velocity():
    path = Trajectory([T0], [np.eye(4)])
    for interpolation in ("linear", "hermite"):
        for outside in ("hold", "extrapolate"):
            assert np.array_equal(path.at(T0 + 5, interpolation=interpolation, outside=outside), np.eye(4))
    assert np.isnan(path.velocity_at(T0)[0]).all()


def test_shapes_and_scalars():
    path = drive()
    assert path.at(path.span_us[0]).shape == (4, 4)
    assert path.at(np.full((3, 2), path.span_us[1])).shape == (3, 2, 4, 4)
    assert path.at(np.zeros(0, dtype=np.int64)).shape == (0, 4, 4)
    assert path.at(np.uint64(path.span_us[0])).shape == (4, 4)
    assert path.velocity_at(inside(path).reshape(10, 20))[1].shape == (10, 20, 3)


def test_many_queries_are_fast():
    path = drive(1000)
    times = np.random.default_rng(0).uniform(*path.span_us, 100_000)
    for interpolation in ("linear", "hermite"):
        spent = []
        for _ in range(3):  # processor time and the best of three: other work on the machine must not count
            start = time.process_time()
            path.at(times, interpolation=interpolation)
            spent.append(time.process_time() - start)
        assert min(spent) < 1.0


def test_rounded_rotations_are_repaired_and_inputs_are_copied():
    rounded = np.round(drive().poses, 6)
    times = drive().timestamps_us.copy()
    path = Trajectory(times, rounded)
    rotation = path.poses[:, :3, :3]
    assert np.abs(rotation.swapaxes(1, 2) @ rotation - np.eye(3)).max() < 1e-14
    assert np.abs(rotation - rounded[:, :3, :3]).max() < 2e-6
    times[:] = 0
    assert path.timestamps_us[0] > 0
    with pytest.raises(ValueError, match="read-only"):
        path.poses[0, 0, 0] = 2.0


def spoiled(value: float, *index: int) -> np.ndarray:
    poses = np.array(drive(3).poses)
    poses[index] = value
    return poses


@pytest.mark.parametrize(
    ("times", "poses", "message"),
    [
        ([], np.zeros((0, 4, 4)), "at least one"),
        ([1, 2], np.eye(4)[None], "shape"),
        ([1, 2, 2], drive(3).poses, "do not increase: entry 2"),
        ([1, 3, 2], drive(3).poses, "do not increase"),
        ([1, 2.5, 3], drive(3).poses, "whole numbers"),
        ([1, np.nan, 3], drive(3).poses, "whole numbers"),
        ([1, 2, 3], spoiled(np.nan, 1, 0, 3), "Pose 1 .* NaN"),
        ([1, 2, 3], spoiled(np.inf, 2, 1, 1), "Pose 2 .* NaN"),
        ([1, 2, 3], 2 * drive(3).poses, "not rigid"),
        ([1, 2, 3], drive(3).poses * ((1,), (1,), (-1,), (1,)), "not rigid"),
        ([1, 2, 3], spoiled(0.5, 0, 3, 0), "not rigid"),
    ],
)
def test_bad_input_is_named(times, poses, message):
    with pytest.raises(DataError, match=message):
        Trajectory(times, poses)


def test_questions_that_cannot_be_answered():
    path = drive()
    first, last = path.span_us
    for outside in (first - 1, last + 1, [first, last + 10]):
        with pytest.raises(DataError, match=f"covers {first} to {last}"):
            path.at(outside)
    with pytest.raises(DataError, match="finite"):
        path.at(np.nan)
    with pytest.raises(DataError, match="'cubic'"):
        path.at(first, interpolation="cubic")
    with pytest.raises(DataError, match="'clip'"):
        path.at(first, outside="clip")
