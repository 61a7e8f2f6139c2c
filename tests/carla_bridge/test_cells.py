from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from carla_bridge.world.cells import cell_key, cells_of, keys_at, points_on_faces


@given(arrays(np.int64, (20, 2), elements=st.integers(1 - 2**31, 2**31 - 1)))
def test_cells_come_back_from_their_keys(cells: np.ndarray) -> None:
    keys = cell_key(cells[:, 0], cells[:, 1])
    np.testing.assert_array_equal(cells_of(keys), cells)
    order = np.lexsort((cells[:, 1], cells[:, 0]))
    assert (keys[order][1:] >= keys[order][:-1]).all()  # differences might not fit


def test_points_are_in_the_cell_below_and_left_of_them() -> None:
    keys = keys_at(np.array([[0.0, 0.0, 9.0], [0.24, -0.01, 9.0], [-0.3, 0.25, 9.0]]), 0.25)
    assert cells_of(keys).tolist() == [[0, 0], [0, -1], [-2, 1]]


@settings(max_examples=25, deadline=None)
@given(arrays(np.float64, (5, 3, 3), elements=st.floats(-50, 50)), st.lists(st.integers(1, 7), min_size=5, max_size=5))
def test_points_lie_on_their_faces(corners: np.ndarray, sides: list[int]) -> None:
    points, face = points_on_faces(corners, np.array(sides))
    assert np.bincount(face).tolist() == [side**2 for side in sides]
    for index, (a, b, c) in enumerate(corners):
        mine = points[face == index]
        np.testing.assert_allclose((mine - a) @ np.cross(b - a, c - a), 0.0, atol=1e-6)
        low, high = corners[index].min(0), corners[index].max(0)
        assert ((mine >= low - 1e-9) & (mine <= high + 1e-9)).all()


def test_points_stand_for_equal_areas() -> None:
    corners = np.array([[[0.0, 0, 0], [4, 0, 0], [0, 2, 0]]])
    points, _ = points_on_faces(corners, np.array([40]))
    np.testing.assert_allclose(points.mean(0), corners[0].mean(0), atol=0.03)
