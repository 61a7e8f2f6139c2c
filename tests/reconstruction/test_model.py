"""The layered model: bodies stay together and apart, caps hold, optimiser state starts anew where it must."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avrec.drive import Track
from avrec.gaussians.densification import DEAD_OPACITY, sigmoid
from avrec.geometry import Trajectory
from avrec.reconstruction import ReconstructionConfig
from avrec.reconstruction.model import ACTOR_SHARE, LayeredModel, start_model
from avrec.reconstruction.points import ActorPoints, InitialPoints

CONFIG = ReconstructionConfig(most_gaussians=2000, sh_degree=1, growth=0.1)


def track(name: str) -> Track:
    poses = np.tile(np.eye(4), (2, 1, 1))
    poses[1, 0, 3] = 5.0
    return Track(name, "car", np.array([4.0, 2.0, 1.5]), Trajectory(np.array([0, 100_000]), poses))


def model_of(sizes: list[int], config: ReconstructionConfig = CONFIG, seed: int = 0) -> LayeredModel:
    """A static layer and actors of these sizes; the red of a Gaussian says which body it was made for."""
    rng = np.random.default_rng(seed)

    def cloud(body: int) -> tuple[np.ndarray, np.ndarray]:
        rgb = np.full((sizes[body], 3), body / 16, np.float32)
        return rng.normal(size=(sizes[body], 3)).astype(np.float32), rgb

    actors = {f"car {body}": ActorPoints(*cloud(body)) for body in range(1, len(sizes))}
    xyz, rgb = cloud(0)
    points = InitialPoints(xyz, rgb, np.zeros(len(xyz), np.uint8), actors)
    tracks = [track(name) for name in actors]
    model = start_model(points, tracks, ["front"], np.zeros((6, 4, 4, 3), np.float32), config)
    model.moments[:, : model.count] = 1.0
    return model


def check(model: LayeredModel, sizes: list[int]) -> None:
    """What must hold at any time."""
    body = model.body[: model.count]
    assert (np.diff(body) >= 0).all()
    red = model.packed[: model.count, 11]
    for number in range(len(sizes)):
        assert len(np.unique(red[body == number])) == (sizes[number] > 0)
    assert not model.packed[model.count :].any()
    assert np.isfinite(model.packed).all()


def test_the_start() -> None:
    model = model_of([50, 7, 0, 20])
    check(model, [50, 7, 0, 20])
    assert model.actors == ("car 1", "car 2", "car 3")
    assert (model.count, model.capacity) == (77, 2000)
    assert [len(model.layer(body)) for body in range(4)] == [50, 7, 0, 20]
    assert model.layer(0).sh_degree == 1


def test_more_points_than_the_cap() -> None:
    model = model_of([300, 10], replace(CONFIG, most_gaussians=100))
    assert model.capacity == model.count == 310
    assert model.refine(CONFIG, np.random.default_rng(0)) == 0


sizes = st.tuples(st.integers(1, 400), st.integers(0, 60), st.integers(0, 60)).map(list)


@settings(max_examples=40, deadline=None)
@given(sizes=sizes, cap=st.integers(50, 700), dead=st.floats(0, 0.6), seed=st.integers(0, 1000))
def test_refinement_keeps_bodies_and_caps(sizes: list[int], cap: int, dead: float, seed: int) -> None:
    config = replace(CONFIG, most_gaussians=cap)
    model = model_of(sizes, config, seed)
    rng = np.random.default_rng(seed)
    counts = np.array(sizes)
    for _ in range(12):
        model.packed[: model.count, 10][rng.random(model.count) < dead] = -9.0
        model.moments[:, : model.count] = 1.0
        model.refine(config, rng)
        check(model, sizes)
        now = np.bincount(model.body[: model.count], minlength=len(sizes))
        assert (now >= counts).all()
        assert (now <= np.maximum(counts * (1 + config.growth), counts)).all()
        assert model.count <= model.capacity == max(cap, sum(sizes))
        assert (now[1:] <= np.maximum(ACTOR_SHARE * model.capacity, sizes[1:])).all()
        counts = now


def test_nobody_alive_is_nobody_to_copy() -> None:
    model = model_of([100, 10])
    model.packed[: model.count, 10][model.body[: model.count] == 1] = -9.0
    before = model.layer(1).packed.copy()
    model.refine(CONFIG, np.random.default_rng(0))
    assert len(model.layer(1)) == 10
    assert np.array_equal(np.sort(model.layer(1).packed, axis=0), np.sort(before, axis=0))
    assert len(model.layer(0)) == 110


def test_moments_restart_where_gaussians_changed_and_stay_elsewhere() -> None:
    model = model_of([200])
    model.packed[:30, 10] = -9.0
    model.packed[30:200, 10] = np.linspace(-2, 2, 170)
    by_place = {tuple(row[:3]): row[10] for row in model.packed[:200].tolist()}
    model.refine(CONFIG, np.random.default_rng(0))
    assert model.count == 220
    assert (sigmoid(model.packed[:220, 10]) >= DEAD_OPACITY - 1e-6).all()
    reset = (model.moments[:, :220] == 0).all(axis=(0, 2))
    assert np.isin(model.moments, (0, 1)).all()
    # Exactly those that kept place and opacity kept their moments.
    same = [by_place.get(tuple(row[:3])) == row[10] for row in model.packed[:220].tolist()]
    assert np.array_equal(~reset, same)
    assert 50 <= reset.sum() < 220


def test_sorting_carries_the_moments_along() -> None:
    model = model_of([80, 15])
    model.moments[:, :95] = np.arange(95)[:, None]
    model.packed[:95, 5] = np.arange(95)
    model.packed[:95, :3] = np.random.default_rng(1).normal(size=(95, 3))
    model.sort()
    assert np.array_equal(model.moments[0, :95, 0], model.packed[:95, 5])
    assert np.array_equal(model.moments[1, :95, 22], model.packed[:95, 5])


def test_values_that_are_not_finite_never_reach_the_scene(caplog: pytest.LogCaptureFixture) -> None:
    model = model_of([20, 5])
    model.packed[3, 0], model.packed[4, 10] = np.nan, np.inf
    layer = model.layer(0)
    assert len(layer) == 18
    assert np.isfinite(layer.packed).all()
    assert "2 Gaussians are left out" in caplog.text
    assert len(model.layer(1)) == 5


def test_no_axis_gets_thinner_than_a_millimetre() -> None:
    model = model_of([3])
    model.packed[:3, 7:10] = np.log([[1e-6, 0.5, 2e-3], [1e-3, 1.0, 1.0], [0.1, 0.2, 1e-9]])
    model.thicken(1e-3)
    assert np.exp(model.packed[:3, 7:10]) == pytest.approx(
        np.array([[1e-3, 0.5, 2e-3], [1e-3, 1.0, 1.0], [0.1, 0.2, 1e-3]]), rel=1e-5
    )
    assert not model.packed[3:].any()
