"""Layers read as one cloud, and what saving them costs in memory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avrec.gaussians import Gaussians
from avrec.scene.foreign import import_gaussians
from avrec.scene.nurec import volume_center
from avrec.scene.stacked import Stacked, stacked
from tests.scene.complete import complete_scene
from tests.scene.scenes import random_cloud


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3)), max_size=4),
    st.one_of(st.none(), st.integers(0, 40)),
    st.one_of(st.none(), st.integers(0, 40)),
    st.one_of(st.none(), st.integers(1, 5)),
)
@settings(max_examples=200, deadline=None)
def test_blocks_are_those_of_the_joined_cloud(
    sizes: list[tuple[int, int]], start: int | None, stop: int | None, step: int | None
) -> None:
    rng = np.random.default_rng(len(sizes))
    clouds = [random_cloud(rng, count, degree) for count, degree in sizes]
    joined = Gaussians.concatenate(clouds) if clouds else Gaussians.empty(0)
    whole = Stacked(clouds)
    assert (len(whole), whole.sh_degree, whole.columns) == (len(joined), joined.sh_degree, joined.packed.shape[1])
    rows = slice(start, stop, step)
    np.testing.assert_array_equal(whole.block(rows), joined.packed[rows])
    np.testing.assert_array_equal(volume_center(whole), volume_center(joined))
    assert stacked(whole) is whole


def test_joined_clouds_are_raised_to_the_highest_degree() -> None:
    rng = np.random.default_rng(0)
    low, high = random_cloud(rng, 3, 1), random_cloud(rng, 2, 3)
    joined = Gaussians.concatenate([low, high])
    np.testing.assert_array_equal(joined.packed[:3, :23], low.packed)
    assert not joined.packed[:3, 23:].any()
    np.testing.assert_array_equal(joined.packed[3:], high.packed)


def test_saving_joins_no_layers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy of all layers, or two, would be most of the memory that saving takes (``python -m bench.scene_file``)."""

    def joined(clouds: object) -> Gaussians:
        pytest.fail("saving copied whole layers")

    scene = replace(complete_scene(), actors={})
    monkeypatch.setattr(Gaussians, "concatenate", staticmethod(joined))
    scene.save(tmp_path / "a.usdz")
    monkeypatch.undo()
    assert len(import_gaussians(tmp_path / "a.usdz").world_gaussians()) == scene.gaussian_count
