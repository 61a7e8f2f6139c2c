import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation, Slerp

from avrec.errors import DataError
from avrec.geometry import (
    apply,
    exp_se3,
    exp_so3,
    invert,
    log_se3,
    log_so3,
    matrix_from_quaternion,
    matrix_from_rpy,
    quaternion_from_matrix,
    rpy_from_matrix,
    slerp,
    transform_from,
)


def rotations(count: int = 500, seed: int = 0) -> Rotation:
    return Rotation.random(count, rng=np.random.default_rng(seed))


def wxyz(rotation: Rotation) -> np.ndarray:
    return np.roll(rotation.as_quat(canonical=True), 1, axis=-1)


def test_matrices_and_quaternions_agree_with_scipy():
    turn = rotations()
    assert np.abs(matrix_from_quaternion(wxyz(turn)) - turn.as_matrix()).max() < 1e-14
    assert np.abs(quaternion_from_matrix(turn.as_matrix()) - wxyz(turn)).max() < 1e-14
    assert np.abs(log_so3(turn.as_matrix()) - turn.as_rotvec()).max() < 1e-12
    assert np.abs(exp_so3(turn.as_rotvec()) - turn.as_matrix()).max() < 1e-14


def test_rpy_agrees_with_scipy_and_by_hand():
    angles = np.random.default_rng(1).uniform((-3, -1.5, -3), (3, 1.5, 3), (300, 3))
    matrix = matrix_from_rpy(*angles.T)
    assert np.abs(matrix - Rotation.from_euler("xyz", angles).as_matrix()).max() < 1e-14
    assert np.abs(np.stack(rpy_from_matrix(matrix), axis=-1) - angles).max() < 1e-12
    # yaw 90 degrees: the nose (x) points left (y); pitch 90 degrees: the nose points down
    assert np.allclose(matrix_from_rpy(0, 0, np.pi / 2) @ (1, 0, 0), (0, 1, 0))
    assert np.allclose(matrix_from_rpy(0, np.pi / 2, 0) @ (1, 0, 0), (0, 0, -1))
    assert np.allclose(matrix_from_rpy(np.pi / 2, 0, 0) @ (0, 1, 0), (0, 0, 1))


def test_rpy_in_gimbal_lock_gives_the_same_rotation():
    for pitch in (np.pi / 2, -np.pi / 2):
        matrix = matrix_from_rpy(0.4, pitch, 1.1)
        assert np.abs(matrix_from_rpy(*rpy_from_matrix(matrix)) - matrix).max() < 1e-12


@pytest.mark.parametrize("angle", [0.0, 1e-300, 1e-12, 1e-8, 1e-4, 0.0999, 0.1001, 1.0, 3.0, np.pi - 1e-7, np.pi])
def test_exponential_and_logarithm_at_hard_angles(angle):
    axis = np.array([2.0, -1.0, 2.0]) / 3.0
    matrix = exp_so3(angle * axis)
    assert np.abs(matrix - Rotation.from_rotvec(angle * axis).as_matrix()).max() < 1e-15
    back = log_so3(matrix)
    assert min(
        np.abs(back - angle * axis).max(), np.abs(back + angle * axis).max() if angle == np.pi else 1
    ) < 1e-15 + 2e-9 * (angle > 3.1)
    twist = np.concatenate([(0.3, -4.0, 5.0), angle * axis])
    assert np.abs(exp_se3(log_se3(exp_se3(twist))) - exp_se3(twist)).max() < 1e-12


def test_se3_exponential_is_the_matrix_exponential():
    from scipy.linalg import expm

    for twist in np.random.default_rng(2).normal(size=(20, 6)):
        generator = np.zeros((4, 4))
        x, y, z = twist[3:]
        generator[:3] = [[0, -z, y, twist[0]], [z, 0, -x, twist[1]], [-y, x, 0, twist[2]]]
        assert np.abs(exp_se3(twist) - expm(generator)).max() < 1e-13


def test_quarter_circle_by_hand():
    # one metre per radian of yaw over a quarter turn: a quarter circle of radius one
    pose = exp_se3([np.pi / 2, 0, 0, 0, 0, np.pi / 2])
    assert np.allclose(pose, [[0, -1, 0, 1], [1, 0, 0, 1], [0, 0, 1, 0], [0, 0, 0, 1]], atol=1e-15)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(-3, 3), min_size=6, max_size=6), st.lists(st.floats(-50, 50), min_size=6, max_size=6))
def test_inverse_and_application(twist, coordinates):
    pose, points = exp_se3(twist), np.reshape(coordinates, (2, 3))
    assert np.abs(invert(pose) @ pose - np.eye(4)).max() < 1e-12
    assert np.abs(apply(invert(pose), apply(pose, points)) - points).max() < 1e-11
    assert np.allclose(apply(pose, points)[1], (pose @ (*points[1], 1.0))[:3], atol=1e-11)
    assert np.allclose(apply(pose, points[0]), apply(pose, points)[0], atol=1e-13)


def test_batches_broadcast():
    turn = rotations(6).as_matrix().reshape(2, 3, 3, 3)
    poses = transform_from(turn, np.ones(3))
    assert poses.shape == (2, 3, 4, 4)
    assert apply(poses, np.ones((5, 3))).shape == (2, 3, 5, 3)
    assert apply(np.eye(4), np.ones((2, 7, 3))).shape == (2, 7, 3)
    assert log_se3(poses).shape == (2, 3, 6)
    assert exp_se3(np.zeros((0, 6))).shape == (0, 4, 4)


def test_slerp_agrees_with_scipy():
    ends, weights = rotations(40), np.linspace(0, 1, 9)
    q = wxyz(ends)
    for i in range(0, 40, 2):
        judge = Slerp([0, 1], ends[i : i + 2])(weights).as_matrix()
        for sign in (1.0, -1.0):
            mine = slerp(q[i], sign * q[i + 1], weights)
            assert np.abs(matrix_from_quaternion(mine) - judge).max() < 1e-13


def test_slerp_of_nearly_and_exactly_equal_rotations():
    q = wxyz(rotations(1))[0]
    assert np.array_equal(slerp(q, q, 0.3), slerp(q, -q, 0.3))
    near = quaternion_from_matrix(matrix_from_quaternion(q) @ exp_so3([1e-10, 0, 0]))
    turn = log_so3(matrix_from_quaternion(q).T @ matrix_from_quaternion(slerp(q, near, 0.25)))
    assert abs(turn[0] - 0.25e-10) < 1e-15
    # extrapolation goes on at the same rate
    turned = slerp((1, 0, 0, 0), (np.cos(0.1), np.sin(0.1), 0, 0), 3.0)
    assert np.allclose(turned, (np.cos(0.3), np.sin(0.3), 0, 0), atol=1e-15)


@pytest.mark.parametrize("bad", [(0, 0, 0, 0), (np.nan, 0, 0, 1)])
def test_a_quaternion_without_a_rotation_is_refused(bad):
    with pytest.raises(DataError, match="quaternion"):
        matrix_from_quaternion(bad)
