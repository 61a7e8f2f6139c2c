"""Clouds in other frames: pictures and covariances must not notice."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from avrec.errors import DataError
from avrec.gaussians import Gaussians
from avrec.geometry import matrix_from_quaternion, matrix_from_rpy
from avrec.raster.reference import spherical_harmonics
from avrec.scene.foreign import transformed
from avrec.scene.foreign.similarity import harmonics_rotation
from tests.scene.scenes import random_cloud


def covariances(cloud: Gaussians) -> np.ndarray:
    axes = matrix_from_quaternion(cloud.quaternions.astype(float)) * np.exp(cloud.log_scales.astype(float))[:, None, :]
    return axes @ axes.transpose(0, 2, 1)


def colors(cloud: Gaussians, directions: np.ndarray) -> np.ndarray:
    basis = spherical_harmonics(torch.from_numpy(directions), cloud.sh.shape[1]).numpy()
    return np.einsum("dk,nkc->ndc", basis, cloud.sh)


def affine(linear: np.ndarray, offset: tuple[float, float, float] = (1, -2, 3)) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = linear, offset
    return matrix


@settings(max_examples=30, deadline=None)
@given(
    angles=st.tuples(*[st.floats(-3, 3)] * 3),
    scale=st.floats(0.05, 20),
    mirrored=st.booleans(),
    degree=st.integers(0, 3),
)
def test_rotation_scale_and_reflection_are_exact(
    angles: tuple[float, float, float], scale: float, mirrored: bool, degree: int
) -> None:
    cloud = random_cloud(np.random.default_rng(0), 20, degree)
    turn = matrix_from_rpy(*angles) @ np.diag([1, -1 if mirrored else 1, 1])
    new = transformed(cloud, affine(scale * turn))
    np.testing.assert_allclose(new.means, cloud.means @ (scale * turn).T + [1, -2, 3], rtol=1e-4, atol=1e-3)
    expected = scale**2 * turn @ covariances(cloud) @ turn.T
    np.testing.assert_allclose(covariances(new), expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())
    rng = np.random.default_rng(1)
    directions = rng.standard_normal((30, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    np.testing.assert_allclose(colors(new, directions @ turn.T), colors(cloud, directions), atol=2e-5)
    np.testing.assert_array_equal(new.logit_opacities, cloud.logit_opacities)


def test_shear_keeps_the_covariance() -> None:
    cloud = random_cloud(np.random.default_rng(0), 50, 1)
    linear = np.array([[2, 0.5, 0], [0, 1, 0.3], [0.1, 0, 0.7]])
    new = transformed(cloud, affine(linear))
    np.testing.assert_allclose(covariances(new), linear @ covariances(cloud) @ linear.T, rtol=1e-3, atol=1e-3)


def test_identity_is_the_same_object_and_a_quarter_turn_is_clean() -> None:
    cloud = random_cloud(np.random.default_rng(0), 5, 3)
    assert transformed(cloud, np.eye(4)) is cloud
    turn = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    matrix = harmonics_rotation(turn, 16)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(16), atol=1e-12)
    for start, end in ((0, 1), (1, 4), (4, 9), (9, 16)):  # no band leaks into another
        assert not matrix[start:end, :start].any()
        assert not matrix[start:end, end:].any()


@pytest.mark.parametrize(
    "matrix",
    [np.zeros((4, 4)), np.diag([1, 1, 0, 1.0]), np.diag([1, 1, 1, 2.0]), np.full((4, 4), np.nan), np.eye(3)],
)
def test_refused(matrix: np.ndarray) -> None:
    with pytest.raises(DataError, match="transform"):
        transformed(random_cloud(np.random.default_rng(0), 2, 0), matrix)
