"""Relocation, growth and noise of 3DGS-MCMC, judged by what a ray sees and by counting."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avrec.gaussians.densification import DEAD_OPACITY, MOST_COPIES, add_noise, grow, relocate, sigmoid, split_factors


def cloud(opacity: np.ndarray, seed: int = 0) -> np.ndarray:
    """Packed Gaussians with given opacities and random everything else."""
    packed = np.random.default_rng(seed).normal(size=(len(opacity), 23)).astype(np.float32)
    packed[:, 10] = np.log(opacity / (1 - opacity))
    return packed


@pytest.mark.parametrize("copies", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("opacity", [0.01, 0.3, 0.7, 0.95, 0.999])
def test_copies_look_like_the_one_they_replace(opacity: float, copies: int) -> None:
    """Copies at one place cover, along a line through their centre, as much as the original, and as much at it."""
    new, factor = split_factors(np.array([opacity]), np.array([copies]))
    x = np.linspace(-12, 12, 20_001)
    one = opacity * np.exp(-0.5 * x**2)
    many = 1 - (1 - new[0] * np.exp(-0.5 * (x / factor[0]) ** 2)) ** copies
    assert 1 - (1 - new[0]) ** copies == pytest.approx(opacity, rel=1e-12)
    assert np.trapezoid(many, x) == pytest.approx(np.trapezoid(one, x), rel=1e-6)
    # Equal area and equal peak; the shape in between can differ by a few percent of the peak only.
    assert np.abs(many - one).max() <= 0.2 * opacity
    assert factor[0] <= 1 + 1e-12


def test_two_copies_by_hand() -> None:
    """With o = 0.75, k = 2: o' = 1/2, and 2 o' - o'^2 / sqrt 2 = 0.82322..."""
    new, factor = split_factors(np.array([0.75]), np.array([2]))
    assert new[0] == pytest.approx(0.5)
    assert factor[0] == pytest.approx(0.75 / (1.0 - 0.25 / np.sqrt(2)))


def test_copies_seen_by_random_rays() -> None:
    """Monte Carlo in the plane: what is covered by k copies is what the original covers, within a few percent."""
    rng = np.random.default_rng(3)
    x = rng.uniform(-6, 6, 200_000)
    for opacity, copies in ((0.4, 4), (0.9, 3)):
        new, factor = split_factors(np.array([opacity]), np.array([copies]))
        through = np.ones_like(x)
        for _ in range(copies):
            through *= 1 - new[0] * np.exp(-0.5 * (x / factor[0]) ** 2)
        assert (1 - through).mean() == pytest.approx((opacity * np.exp(-0.5 * x**2)).mean(), rel=0.02)


opacities = st.lists(st.floats(0.0006, 0.9995), min_size=1, max_size=60)


@settings(max_examples=60, deadline=None)
@given(opacities, st.integers(1, 4), st.integers(0, 2**31))
def test_relocation_keeps_groups_and_everyone_else(values: list[float], groups: int, seed: int) -> None:
    packed = cloud(np.array(values), seed % 1000)
    group = np.random.default_rng(seed).integers(0, groups, len(values))
    before, opacity = packed.copy(), sigmoid(packed[:, 10])
    moved = relocate(packed, group, np.random.default_rng(seed))
    assert np.array_equal(group[moved.sources], group[moved.targets])
    assert (opacity[moved.targets] < DEAD_OPACITY).all()
    assert (opacity[moved.sources] >= DEAD_OPACITY).all()
    for one in np.unique(group):
        dead = np.flatnonzero((group == one) & (opacity < DEAD_OPACITY))
        alive = np.flatnonzero((group == one) & (opacity >= DEAD_OPACITY))
        assert np.array_equal(np.sort(moved.targets[np.isin(moved.targets, dead)]), dead if len(alive) else [])
    others = np.setdiff1d(np.arange(len(packed)), moved.touched)
    assert np.array_equal(packed[others], before[others])
    assert np.array_equal(packed[moved.targets], packed[moved.sources])
    assert np.isfinite(packed).all()
    # Whoever was copied keeps its place, turn and colour, and grows fainter.
    kept = [0, 1, 2, 3, 4, 5, 6, *range(11, 23)]
    assert np.array_equal(packed[moved.sources][:, kept], before[moved.sources][:, kept])
    assert (packed[moved.sources, 10] <= before[moved.sources, 10] + 1e-5).all()


def test_sources_are_drawn_by_opacity() -> None:
    opacity = np.r_[np.full(4000, 0.001), 0.1, 0.3, 0.6]
    packed = cloud(opacity)
    moved = relocate(packed, np.zeros(len(packed), int), np.random.default_rng(0))
    share = np.bincount(moved.sources - 4000, minlength=3) / 4000
    assert np.allclose(share, [0.1, 0.3, 0.6], atol=0.03)
    # More copies than the formula is worth computing for: treated as the most.
    assert sigmoid(packed[4002, 10]) == pytest.approx(max(1 - 0.4 ** (1 / MOST_COPIES), DEAD_OPACITY), rel=1e-4)


def test_growth_fills_the_rows_after_the_last() -> None:
    packed = np.zeros((40, 23), np.float32)
    packed[:20] = cloud(np.r_[np.full(10, 0.5), np.full(6, 0.8), np.full(4, 0.001)])
    group = np.r_[np.zeros(10, int), np.ones(6, int), np.full(4, 2)]
    grown = grow(packed, 20, group, {0: 5, 1: 0, 2: 3}, np.random.default_rng(1))
    assert grown.targets.tolist() == [20, 21, 22, 23, 24]  # the dead group has nobody to copy
    assert (group[grown.sources] == 0).all()
    assert np.array_equal(packed[grown.targets], packed[grown.sources])
    assert not packed[25:].any()
    none = grow(packed, 20, group, {0: 0}, np.random.default_rng(1))
    assert len(none.touched) == 0


def test_draws_depend_on_the_generator_alone() -> None:
    opacity = np.linspace(0.001, 0.9, 200)
    results = []
    for seed in (7, 7, 8):
        packed = cloud(opacity)
        relocate(packed, np.arange(200) % 3, np.random.default_rng(seed))
        add_noise(packed, 0.1, np.random.default_rng(seed))
        results.append(packed.tobytes())
    assert results[0] == results[1] != results[2]


def test_noise_moves_the_faint_along_their_axes_and_leaves_the_opaque() -> None:
    count = 20_000
    packed = cloud(np.r_[np.full(count, 0.005), np.full(50, 0.1001), np.full(50, 0.9)])
    packed[:, 3:7] = [np.cos(np.pi / 8), 0, 0, np.sin(np.pi / 8)]  # 45 degrees about z
    packed[:, 7:10] = np.log([2.0, 0.01, 0.1])
    before = packed.copy()
    add_noise(packed, 0.3, np.random.default_rng(0))
    assert np.array_equal(packed[count:], before[count:])
    assert np.array_equal(packed[:, 3:], before[:, 3:])
    step = (packed - before)[:count, :3].astype(np.float64)
    along, across = step @ [np.sqrt(0.5), np.sqrt(0.5), 0], step @ [-np.sqrt(0.5), np.sqrt(0.5), 0]
    # At the dead opacity the gate is one half.
    assert along.std() == pytest.approx(2.0 * 0.3 / 2, rel=0.03)
    assert across.std() == pytest.approx(0.01 * 0.3 / 2, rel=0.03)
    assert step[:, 2].std() == pytest.approx(0.1 * 0.3 / 2, rel=0.03)


def test_noise_fades_with_opacity() -> None:
    moved = []
    for opacity in (0.001, 0.02, 0.05, 0.09):
        packed = cloud(np.full(2000, opacity))
        before = packed.copy()
        add_noise(packed, 1.0, np.random.default_rng(0))
        moved.append(float(np.abs(packed - before).max()))
    assert moved[0] > moved[1] > moved[2] > moved[3]
    assert moved[3] < 1e-2 * moved[0]


def test_extreme_opacities_stay_finite() -> None:
    packed = cloud(np.full(6, 0.5))
    packed[:, 10] = [-80, -800, 80, 800, 0, -3]
    with np.errstate(all="raise", under="ignore"):
        relocate(packed, np.zeros(6, int), np.random.default_rng(0))
        grow(packed, 4, np.zeros(4, int), {0: 2}, np.random.default_rng(0))
        add_noise(packed, 1.0, np.random.default_rng(0))
    assert np.isfinite(packed).all()
