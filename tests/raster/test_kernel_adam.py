"""The kernel's Adam against torch.optim.Adam on the rows it touches."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from avrec.raster.native.optimise import BETA1, BETA2, EPSILON, adam_dense, adam_rows
from tests.raster.kernels import needs_kernel

pytestmark = needs_kernel

Float32 = NDArray[np.float32]
ROWS, COLUMNS, STEPS = 40, 23, 6


def torch_adam(start: Float32, rates: Float32, gradients: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Torch's Adam in float64, one parameter group per column."""
    columns = [torch.tensor(column, dtype=torch.float64, requires_grad=True) for column in start.T.astype(np.float64)]
    groups = [{"params": [column], "lr": float(rate)} for column, rate in zip(columns, rates, strict=True)]
    optimiser = torch.optim.Adam(groups, betas=(BETA1, BETA2), eps=EPSILON)
    for gradient in gradients:
        for column, pull in zip(columns, gradient.T, strict=True):
            column.grad = torch.tensor(pull)
        optimiser.step()
    return np.stack([column.detach().numpy() for column in columns], axis=1)


def test_rows_follow_torch() -> None:
    rng = np.random.default_rng(0)
    start = rng.normal(size=(ROWS, COLUMNS)).astype(np.float32)
    rates = np.exp(rng.uniform(-9, -2, COLUMNS)).astype(np.float32)
    ids = np.sort(rng.choice(ROWS, 13, replace=False)).astype(np.uint32)
    gradients = [
        (rng.normal(size=(13, COLUMNS)) * 10.0 ** rng.integers(-6, 3, COLUMNS)).astype(np.float32) for _ in range(STEPS)
    ]
    found, moments = start.copy(), (np.zeros_like(start), np.zeros_like(start))
    for step, gradient in enumerate(gradients, start=1):
        adam_rows(found, moments, ids, gradient, rates, step)
    expected = torch_adam(start[ids], rates, [gradient.astype(np.float64) for gradient in gradients])
    moved = np.abs(expected - start[ids])
    assert (moved > 0).all()
    assert (np.abs(found[ids] - expected) <= 1e-4 * moved + 1e-6 * np.abs(start[ids])).all()
    others = np.setdiff1d(np.arange(ROWS), ids)
    np.testing.assert_array_equal(found[others], start[others])
    assert not moments[0][others].any()
    assert not moments[1][others].any()


def test_regularisers_are_gradients_of_opacity_and_scales() -> None:
    rng = np.random.default_rng(1)
    start = rng.normal(size=(ROWS, COLUMNS)).astype(np.float32)
    gradient = rng.normal(size=(ROWS, COLUMNS)).astype(np.float32) * 0.01
    rates = np.full(COLUMNS, 1e-2, np.float32)
    found, moments = start.copy(), (np.zeros_like(start), np.zeros_like(start))
    ids = np.arange(ROWS, dtype=np.uint32)
    adam_rows(found, moments, ids, gradient, rates, 1, opacity_weight=0.03, scale_weight=0.02)
    leaf = torch.tensor(start, dtype=torch.float64, requires_grad=True)
    (0.03 * torch.sigmoid(leaf[:, 10]).sum() + 0.02 * torch.exp(leaf[:, 7:10]).sum()).backward()
    assert leaf.grad is not None
    total = gradient + leaf.grad.numpy()
    np.testing.assert_allclose(moments[0], (1 - BETA1) * total, rtol=1e-4, atol=1e-9)
    np.testing.assert_allclose(found, torch_adam(start, rates, [total]), rtol=1e-5, atol=1e-6)


def test_the_first_step_is_the_rate_by_hand() -> None:
    """With m / (1 - beta1) = g and sqrt(v / (1 - beta2)) = |g|, the step is the rate against the sign of g."""
    parameters = np.zeros((2, 14), np.float32)
    gradient = np.where(np.arange(14) % 2, 3.0, -0.004).astype(np.float32)[None]
    moments = (np.zeros_like(parameters), np.zeros_like(parameters))
    adam_rows(parameters, moments, np.array([1], np.uint32), gradient, np.full(14, 0.25, np.float32), 1)
    np.testing.assert_allclose(parameters[1], np.where(np.arange(14) % 2, -0.25, 0.25), rtol=1e-5)
    assert not parameters[0].any()


def test_no_rows() -> None:
    parameters = np.ones((3, 14), np.float32)
    moments = (np.zeros_like(parameters), np.zeros_like(parameters))
    adam_rows(parameters, moments, np.zeros(0, np.uint32), np.zeros((0, 14), np.float32), np.ones(14, np.float32), 1)
    assert (parameters == 1).all()


@pytest.mark.parametrize("shape", [(6, 5, 5, 3), (7,)])
def test_dense_follows_torch_and_leaves_what_got_no_gradient(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(2)
    start = rng.normal(size=shape).astype(np.float32)
    never = rng.random(shape) < 0.4
    gradients = [np.where(never, 0, rng.normal(size=shape)).astype(np.float32) for _ in range(STEPS)]
    found, moments = start.copy(), (np.zeros_like(start), np.zeros_like(start))
    for step, gradient in enumerate(gradients, start=1):
        adam_dense(found, moments, gradient, 0.02, step)
    flat = start.reshape(-1, 1)
    expected = torch_adam(flat, np.array([0.02], np.float32), [g.reshape(-1, 1).astype(np.float64) for g in gradients])
    np.testing.assert_allclose(found.ravel(), expected.ravel(), rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(found[never], start[never])
