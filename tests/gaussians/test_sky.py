"""The sky cubemap: faces, edges, bilinear weights."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import map_coordinates

from avrec.errors import DataError
from avrec.gaussians.sky import sample_sky, sky_directions, sky_taps

finite = st.floats(-1, 1, allow_nan=False, width=32)


def test_axes_hit_the_faces_of_the_contract() -> None:
    cubemap = np.zeros((6, 2, 2, 3), np.float32)
    cubemap[...] = np.arange(6, dtype=np.float32)[:, None, None, None]
    # right, left, up, down, backward, forward in the world are +X, -X, +Y, -Y, +Z, -Z of the cube.
    world = np.array([[0, -1, 0], [0, 1, 0], [0, 0, 1], [0, 0, -1], [-1, 0, 0], [1, 0, 0]], float)
    np.testing.assert_array_equal(sample_sky(cubemap, world)[:, 0], np.arange(6))


def test_a_value_worked_out_by_hand() -> None:
    # Forward (1, 0.5, 0.25): cube axes (-0.5, 0.25, -1), face -Z, sc = -X = 0.5, tc = -Y = -0.25,
    # s = .75, t = .375; with S = 2: column 1.0, row 0.25.
    cubemap = np.zeros((6, 2, 2, 1), np.float32)
    cubemap[5, :, :, 0] = [[1, 2], [3, 4]]
    assert sample_sky(cubemap, np.array([1, 0.5, 0.25]))[0] == pytest.approx(0.75 * 2 + 0.25 * 4)


@pytest.mark.parametrize("size", [1, 2, 5])
def test_texel_centres_give_texels_back(size: int) -> None:
    cubemap = np.random.default_rng(0).random((6, size, size, 3), np.float32)
    np.testing.assert_allclose(sample_sky(cubemap, sky_directions(size)), cubemap, atol=1e-5)


@given(st.tuples(finite, finite, finite).filter(lambda d: max(map(abs, d)) > 1e-3), st.floats(0.01, 100))
def test_length_does_not_matter_and_weights_sum_to_one(direction: tuple[float, float, float], length: float) -> None:
    world = np.array(direction)
    indices, weights = sky_taps(7, world)
    assert weights.sum() == pytest.approx(1, abs=1e-6)
    assert (weights >= 0).all()
    assert ((indices >= 0) & (indices < 6 * 49)).all()
    assert len(set((indices // 49).tolist())) == 1
    smooth = sky_directions(7).astype(np.float32)
    np.testing.assert_allclose(sample_sky(smooth, world * length), sample_sky(smooth, world), atol=2e-2)


def test_bilinear_agrees_with_scipy_inside_a_face() -> None:
    random = np.random.default_rng(1)
    cubemap = random.random((6, 8, 8, 3), np.float32)
    s, t = random.uniform(0, 1, (2, 200))
    forward = np.stack([np.ones(200), 2 * s - 1, -(2 * t - 1)], axis=-1)  # face -Z: sc = -X = y, tc = -Y = -z
    for channel in range(3):
        judge = map_coordinates(cubemap[5, :, :, channel], [t * 8 - 0.5, s * 8 - 0.5], order=1, mode="nearest")
        np.testing.assert_allclose(sample_sky(cubemap, forward)[:, channel], judge, atol=1e-5)


def test_unusable_directions_are_marked_and_shapes_are_checked() -> None:
    cubemap = np.ones((6, 2, 2, 3), np.float32)
    colours = sample_sky(cubemap, np.array([[0.0, 0, 0], [np.nan, 1, 0], [1, 0, 0]]))
    assert np.isnan(colours[:2]).all()
    assert (colours[2] == 1).all()
    with pytest.raises(DataError, match="cubemap"):
        sample_sky(np.ones((5, 2, 2, 3), np.float32), np.ones(3))
    with pytest.raises(DataError, match="directions"):
        sky_taps(4, np.ones(2))
