"""What a ground is taken to be where nobody measured it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from avrec.mesh import ground_mesh
from avrec.mesh.plain_road import PlainRoad

Float64 = np.ndarray


def straight(along: float, heading: float = 0.0, length_m: float = 40.0) -> Float64:
    way = np.arange(0.0, length_m + 0.5, 1.0)
    return np.column_stack([way * np.cos(heading), way * np.sin(heading), along * way])


def scattered(low: tuple[float, float], high: tuple[float, float], count: int = 50_000) -> Float64:
    rng = np.random.default_rng(3)
    return np.column_stack([rng.uniform(low, high, (count, 2)), rng.normal(0, 0.02, count)])


def beside(path: Float64, places: Float64) -> PlainRoad:
    return PlainRoad.along(path, places, cKDTree(path[:, :2]).query(places)[1])


@settings(max_examples=40, deadline=None)
@given(across=st.floats(-0.07, 0.07), along=st.floats(-0.2, 0.2), heading=st.floats(-3, 3), seed=st.integers(0, 1000))
def test_a_plane_is_led_on_as_that_plane(across: float, along: float, heading: float, seed: int) -> None:
    path = straight(along, heading)
    rng = np.random.default_rng(seed)
    way, left = rng.uniform(-12, 52, 600), rng.uniform(-12, 12, 600)
    ahead, aside = np.array([np.cos(heading), np.sin(heading)]), np.array([-np.sin(heading), np.cos(heading)])
    places = way[:, None] * ahead + left[:, None] * aside
    truth = along * way + across * left
    road = beside(path, places)
    np.testing.assert_allclose(road.level_m, along * way, atol=1e-9)
    np.testing.assert_allclose(road.left_m, left, atol=1e-9)
    # Only what lies within 5 m was measured; the rest follows but for the pull towards level.
    slopes = road.cross_slopes(truth, (np.abs(left) < 5).astype(float))
    np.testing.assert_allclose(road.heights(slopes), truth, atol=0.25 * abs(across) * 12 + 1e-9)
    np.testing.assert_allclose(slopes, across, atol=0.25 * abs(across) + 1e-9)


def test_without_measurements_the_road_is_level_across() -> None:
    places = np.array([[20.0, 7.0], [-5.0, 0.0]])
    road = beside(straight(0.1), places)
    slopes = road.cross_slopes(np.array([9.0, 9.0]), np.zeros(2))
    assert road.heights(slopes) == pytest.approx([2.0, -0.5])


def test_no_road_is_steeper_than_roads_are() -> None:
    left = np.linspace(-6, 6, 500)
    places = np.column_stack([np.linspace(0, 40, 500), left])
    road = beside(straight(0.0), places)
    assert road.cross_slopes(0.5 * left, np.ones(500)) == pytest.approx(0.08)
    wall = straight(0.0)
    wall[-1, 2] = 30.0  # a wild last pose
    assert beside(wall, np.array([[52.0, 0.0]])).level_m[0] <= 30.0 + 0.25 * 12


def test_a_car_that_stands_still_has_no_direction() -> None:
    path = np.array([[0.0, 0, 1.0], [0.001, 0, 1.0], [0.0, 0.001, 1.0]])
    places = np.array([[5.0, 5.0], [-5.0, 0.0]])
    road = beside(path, places)
    assert road.heights(road.cross_slopes(np.array([3.0, 3.0]), np.ones(2))) == pytest.approx([1.0, 1.0])


def test_nothing_is_learnt_across_a_jump_of_the_path() -> None:
    one, other = straight(0.0), np.add(straight(0.0), (500.0, 0, 0))
    path = np.concatenate([one, other])
    left = np.tile(np.linspace(-6, 6, 60), 2)
    places = np.column_stack([np.concatenate([np.linspace(0, 40, 60), np.linspace(500, 540, 60)]), left])
    road = beside(path, places)
    slopes = road.cross_slopes(np.where(places[:, 0] < 250, 0.05, -0.05) * left, np.ones(120))
    assert slopes[: len(one)].min() > 0.03
    assert slopes[len(one) :].max() < -0.03
    assert beside(path, np.array([[45.0, 0.0], [495.0, 0.0]])).level_m == pytest.approx(0.0)


@pytest.mark.parametrize(("across", "along"), [(0.0, 0.0), (0.03, 0.0), (-0.06, 0.08), (0.05, -0.12)])
def test_a_ground_seen_within_5_m_is_known_to_12_m(across: float, along: float) -> None:
    points = scattered((-6, -5), (46, 5))
    points[:, 2] += along * points[:, 0] + across * points[:, 1]
    field = ground_mesh(points, straight(along), reach_m=12).fields[0]
    xy = field.cells.centres
    error = np.abs(field.height_m - along * xy[:, 0] - across * xy[:, 1])
    assert error[np.abs(xy[:, 1]) > 8].max() < 0.04
    assert error.max() < 0.06


@pytest.mark.parametrize("rise", [0.1, 0.25, 0.4])
def test_the_foot_of_a_hedge_is_not_led_on_for_ever(rise: float) -> None:
    points = scattered((-6, -5), (46, 7))
    points[:, 2] += rise * np.maximum(points[:, 1] - 5, 0)
    field = ground_mesh(points, straight(0.0), reach_m=12).fields[0]
    y = field.cells.centres[:, 1]
    assert field.height_m[y > 8].max() < 0.6 * rise * 7  # as steep as before it would be rise * 7 at the edge
    assert np.abs(field.height_m[y < -5]).max() < 0.05  # and the other side does not tip
