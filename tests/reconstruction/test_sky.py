"""Pulls on alpha: the sky stays clear, the ground closed, and what the lidar met opaque."""

from __future__ import annotations

import numpy as np
import pytest

from avrec.geometry import OpenCVPinholeCamera
from avrec.reconstruction.depths import PictureDepth, depth_gradient
from avrec.reconstruction.sky import sky_pull

# Looks along +x of a z-up world: the upper half of the picture is above the horizon.
LEVEL = np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]])
MODEL = OpenCVPinholeCamera(4, 4, (2.0, 2.0), (2.0, 2.0))


def pull(image: np.ndarray, rotation: np.ndarray = LEVEL, *, sky: float = 1.6, ground: float = 3.2) -> np.ndarray:
    blue = np.broadcast_to(np.array([0.0, 0.0, 1.0], np.float32), (4, 4, 3)).copy()
    return sky_pull(blue, image, MODEL, rotation, np.eye(3, 4), sky_weight=sky, ground_weight=ground)


def test_clears_a_sky_that_explains_the_picture_and_closes_the_ground() -> None:
    image = np.zeros((4, 4, 3), np.uint8)
    image[..., 2] = 255
    image[0] = 255  # a white roof: nothing like the sky
    found = pull(image)
    assert found[1] == pytest.approx(np.full(4, 1.6 / 16))
    assert found[0] == pytest.approx(np.zeros(4), abs=1e-6)
    assert found[2:] == pytest.approx(np.full((2, 4), -3.2 / 16))


def test_a_camera_on_its_head_has_its_ground_above() -> None:
    image = np.full((4, 4, 3), 128, np.uint8)
    found = pull(image, LEVEL @ np.diag([-1.0, -1.0, 1.0]))
    assert (found[:2] < 0).all()
    assert not found[2:].any() or found[2:].max() < 1e-3


def test_a_return_makes_its_pixel_opaque_once() -> None:
    twice = PictureDepth(np.array([[0.75, 0.25], [0.8, 0.3]], np.float32), np.array([10.0, 10.0], np.float32))
    clear = np.zeros((2, 2), np.float32)
    found = depth_gradient(twice, clear, clear, weight=1.0, solid=2.0)
    assert found.v_alpha[0, 1] == pytest.approx(-2.0 / 4)
    assert np.count_nonzero(found.v_alpha) == 1
    assert not found.v_depth.any()
