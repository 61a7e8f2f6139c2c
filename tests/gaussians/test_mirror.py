"""Clouds of which one side was seen: the mirror is a mirror, and colours and shapes go with it."""

from __future__ import annotations

import numpy as np
import pytest

from avrec.gaussians import Gaussians, mirrored_in_y, with_both_sides
from avrec.geometry import OpenCVPinholeCamera
from avrec.raster import View, rasterize


def lopsided(degree: int) -> Gaussians:
    """Fifty-four fine blobs on the left, six on the right."""
    rng = np.random.default_rng(3)
    n = 60
    means = rng.uniform(-1.0, 1.0, (n, 3))
    means[:, 1] = np.where(np.arange(n) < 6, -1.0, 1.0) * np.abs(means[:, 1])
    scales = np.log(rng.uniform(0.05, 0.14, (n, 3)))
    sh = rng.normal(0.0, 0.4, (n, (degree + 1) ** 2, 3))
    return Gaussians.from_parts(means, rng.normal(size=(n, 4)), scales, rng.normal(1.0, 1.0, n), sh)


def test_a_mirror_twice_changes_nothing() -> None:
    cloud = lopsided(3)
    np.testing.assert_array_equal(mirrored_in_y(mirrored_in_y(cloud)).packed, cloud.packed)
    assert len(with_both_sides(Gaussians.empty(2))) == 0


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_the_picture_of_the_mirrored_is_the_mirrored_picture(degree: int) -> None:
    """The rasteriser as judge: a camera that looks along the mirror's plane sees left and right exchanged."""
    forward = np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]])
    camera = OpenCVPinholeCamera(48, 40, (40.0, 40.0), (24.0, 20.0))
    view = View(camera, forward[None], np.array([[-4.0, 0.0, 0.3]]), "none", np.zeros((0, 1, 4, 4)))
    cloud = lopsided(degree)
    own, other = (rasterize(seen, view).rgb for seen in (cloud, mirrored_in_y(cloud)))
    assert np.abs(own - other).max() > 0.1
    np.testing.assert_allclose(other, own[:, ::-1], atol=2e-3)


def test_the_better_side_stands_for_the_other() -> None:
    cloud = lopsided(1)
    whole = with_both_sides(cloud)
    assert len(whole) == 2 * 54
    np.testing.assert_array_equal(whole.packed[54:], mirrored_in_y(Gaussians(whole.packed[:54].copy())).packed)
    np.testing.assert_array_equal(whole.packed[:54], cloud.packed[6:])
    again = with_both_sides(mirrored_in_y(cloud))  # seen from the right
    assert set(map(bytes, again.packed)) == set(map(bytes, whole.packed))
    assert with_both_sides(whole) is whole  # both sides alike: nothing to do
