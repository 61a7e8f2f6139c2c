"""Pictures: sky, colour, actors, outputs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from avrec.errors import AvrecError
from avrec.gaussians import Gaussians
from avrec.geometry import Offset, OpenCVFisheyeCamera, Shutter, ShutterDirection
from avrec.rendering import render, render_view, view_for
from avrec.rendering.shot import sky_background
from tests.rendering.scenes import START_US, tiny_scene

ONLY_SKY = {"static": Gaussians.empty(0), "actors": {}}


def test_sky_shows_each_pixels_direction_at_its_rows_time() -> None:
    scene = tiny_scene(**ONLY_SKY)
    shot = render(scene, "front", START_US)
    rays, _ = shot.view.camera.pixel_rays()
    for row, column in ((0, 0), (31, 47), (10, 30)):
        world = shot.view.rotation[row] @ rays[row, column]
        # The cubemap holds the direction itself; eight texels a face leave a small error.
        np.testing.assert_allclose((shot.rgb[row, column] - 0.5) / 0.4, world, atol=0.05)
    assert (shot.alpha == 0).all()
    assert np.isnan(shot.depth).all()
    assert np.isnan(shot.median_depth).all()


def test_colour_correction_is_applied_to_the_whole_picture_and_clamped() -> None:
    affine = np.array([[0.5, 0, 0, 0.1], [0, 1, 0, 0], [0, 0.5, 0, 2.0]])
    plain = render(tiny_scene(), "front", START_US)
    tinted = render(tiny_scene(appearance={"front": affine}), "front", START_US)
    np.testing.assert_allclose(tinted.rgb[..., 0], 0.5 * plain.rgb[..., 0] + 0.1, atol=1e-6)
    np.testing.assert_allclose(tinted.rgb[..., 1], plain.rgb[..., 1], atol=1e-6)
    assert (tinted.rgb[..., 2] == 1).all()
    assert tinted.rgb.dtype == np.float32
    assert tinted.rgb_uint8.dtype == np.uint8


def test_actor_is_where_its_track_says_and_gone_afterwards() -> None:
    scene = tiny_scene(static=Gaussians.empty(0), sky=None)
    time = START_US + 300_000  # at y = 0 in the world
    shot = render(scene, "front", time, rolling_shutter=False, outputs=("rgb", "depth", "normal"))
    row, column = np.unravel_index(np.argmax(shot.alpha), shot.alpha.shape)
    view = shot.view
    t = 0.3 + 0.016
    centre = view.rotation[0].T @ (np.array([9, -2 + 4 * t / 0.6, 1]) - view.origin[0])
    assert abs(column + 0.5 - (40 * centre[0] / centre[2] + 24)) <= 1
    assert abs(row + 0.5 - (40 * centre[1] / centre[2] + 16)) <= 1
    assert shot.depth[row, column] == pytest.approx(np.linalg.norm(centre), abs=0.1)
    assert shot.rgb[row, column, 0] > 0.9
    assert shot.rgb[row, column, 1] < 0.01
    assert shot.normal is not None
    assert np.linalg.norm(shot.normal[row, column]) == pytest.approx(1, abs=1e-5)
    assert render(scene, "front", START_US + 800_000).alpha.max() == 0
    assert render(scene.without_actor("7"), "front", time).alpha.max() == 0


def test_no_sky_is_black_and_shift_moves_the_picture() -> None:
    scene = tiny_scene(sky=None, actors={})
    plain = render(scene, "front", START_US)
    left = render(scene, "front", START_US, offset=Offset(left_m=1.0))
    right = render(scene, "front", START_US, offset=Offset(left_m=-1.0))
    assert plain.rgb[plain.alpha == 0].max(initial=0) == 0
    wall = 0.0, 0.0
    for shot, sign in ((left, 1), (right, -1)):
        # 13 m to the wall: one metre is 40 / 13 = 3 pixels, and moving left moves the picture right.
        rolled = np.roll(plain.rgb, 3 * sign, axis=1)[:, 8:-8]
        wrong = np.roll(plain.rgb, -3 * sign, axis=1)[:, 8:-8]
        wall = np.abs(shot.rgb[:, 8:-8] - rolled).mean(), np.abs(shot.rgb[:, 8:-8] - wrong).mean()
        assert wall[0] < 0.4 * wall[1]


def test_pixels_without_a_ray_are_marked() -> None:
    scene = tiny_scene(actors={})
    narrow = OpenCVFisheyeCamera(
        width=48, height=32, focal=(20.0, 20.0), principal_point=(24.0, 16.0), radial=(0, 0, 0, 0), max_angle=0.6
    )
    sensor = replace(scene.cameras["front"], model=narrow)
    shot = render(replace(scene, cameras={"front": sensor}), "front", START_US)
    assert not shot.valid[0, 0]
    assert shot.valid[16, 24]
    assert (shot.rgb[~shot.valid] == 0).all()
    assert np.isnan(shot.depth[~shot.valid]).all()
    assert np.isfinite(shot.rgb).all()


def test_render_view_repeats_a_shot_and_checks_its_actors() -> None:
    scene = tiny_scene()
    shot = render(scene, "front", START_US)
    again = render_view(scene, shot.view, "front", START_US)
    np.testing.assert_array_equal(shot.rgb, again.rgb)
    with pytest.raises(AvrecError, match="actors"):
        render_view(scene, shot.view, "front", START_US + 900_000)


def test_unknown_output() -> None:
    with pytest.raises(AvrecError, match=r"rgba.*Choose from rgb"):
        render(tiny_scene(), "front", START_US, outputs=("rgba",))


@pytest.mark.parametrize("direction", ["top_to_bottom", "right_to_left", "global"])
def test_compiled_and_plain_sky_agree(direction: str) -> None:
    scene = tiny_scene()
    sensor = replace(scene.cameras["front"], shutter=Shutter(ShutterDirection(direction), 30_000))
    view = view_for(replace(scene, cameras={"front": sensor}), "front", START_US)
    compiled, plain = sky_background(scene, view), sky_background(scene, view, backend="reference")
    assert compiled is not None
    assert plain is not None
    np.testing.assert_allclose(compiled, plain, atol=1e-5)


def test_the_rasterisers_plain_twin_agrees() -> None:
    compiled = render(tiny_scene(), "front", START_US + 300_000)
    plain = render(tiny_scene(), "front", START_US + 300_000, backend="reference")
    assert (np.abs(compiled.rgb - plain.rgb).max(axis=-1) <= 1 / 255).mean() > 0.995
    both = np.isfinite(compiled.depth) & np.isfinite(plain.depth)
    # A Gaussian at the threshold of being skipped may fall to either side in float32.
    assert (np.abs(compiled.depth / plain.depth - 1)[both] < 1e-3).mean() > 0.995
