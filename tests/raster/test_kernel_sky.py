"""The kernel's sky lookup and its gradient against avrec/gaussians/sky.py, every pixel at its own shutter line."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from avrec.gaussians.sky import sample_sky, sky_taps
from avrec.geometry import OpenCVFisheyeCamera, ShutterDirection
from avrec.raster.native import NativeRasterizer
from avrec.raster.view import View
from tests.raster import scenes
from tests.raster.kernels import needs_kernel, threads_set_to

pytestmark = needs_kernel

SIZE = 9


def directions(view: View) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """World direction of each pixel at its own line, and where the lens has a ray."""
    rays, valid = view.camera.pixel_rays()
    height, width = view.camera.height, view.camera.width
    rows, columns = np.mgrid[:height, :width]
    line = {"rows": rows, "columns": columns, "none": np.zeros_like(rows)}[view.axis]
    return np.einsum("hwij,hwj->hwi", view.rotation[line], np.where(valid[..., None], rays, 0.0)), valid


def cubemap(seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).random((6, SIZE, SIZE, 3)).astype(np.float32)


def away_from_edges(world: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Where float32 surely picks the same face of the cube."""
    ordered = np.sort(np.abs(world), axis=-1)
    return np.asarray(ordered[..., 2] - ordered[..., 1] > 1e-4)


@pytest.mark.parametrize("direction", list(ShutterDirection))
@pytest.mark.parametrize("model", ["pinhole", "fisheye", "ftheta"])
def test_lookup(model: str, direction: ShutterDirection) -> None:
    view = scenes.moving_view(scenes.CAMERAS[model](47, 33), direction, speed=20)
    rasterizer = NativeRasterizer()
    rasterizer.look(view)
    world, valid = directions(view)
    sure = valid & away_from_edges(world)
    assert sure.mean() > 0.8
    np.testing.assert_allclose(rasterizer.sky(cubemap())[sure], sample_sky(cubemap(), world)[sure], atol=2e-5)


def turned(view: View, world_from_forward: NDArray[np.float64]) -> View:
    return View(view.camera, world_from_forward @ view.rotation, view.origin, view.axis, view.bodies)


@pytest.mark.parametrize("face", range(6))
def test_every_face_and_pixels_without_a_ray(face: int) -> None:
    """A fisheye narrower than its picture, turned to look along each axis of the world."""
    camera = OpenCVFisheyeCamera(40, 40, (16.0, 16.0), (20.0, 20.0), (0.0, 0.0, 0.0, 0.0), max_angle=1.2)
    axis, angle = ((2, 0.0), (2, np.pi), (2, np.pi / 2), (2, -np.pi / 2), (1, np.pi / 2), (1, -np.pi / 2))[face]
    view = scenes.moving_view(camera, ShutterDirection.GLOBAL)
    view = turned(view, scenes.rotation_about(axis, np.array(angle)))
    rasterizer = NativeRasterizer()
    rasterizer.look(view)
    world, valid = directions(view)
    found = rasterizer.sky(cubemap(1))
    assert not valid[0, 0]
    assert not found[~valid].any()
    sure = valid & away_from_edges(world)
    np.testing.assert_allclose(found[sure], sample_sky(cubemap(1), world)[sure], atol=2e-5)


@pytest.mark.parametrize("direction", [ShutterDirection.BOTTOM_TO_TOP, ShutterDirection.LEFT_TO_RIGHT])
def test_gradient_is_the_lookup_transposed(direction: ShutterDirection) -> None:
    view = scenes.moving_view(scenes.fisheye(45, 31), direction, speed=20)
    packed, _ = scenes.cloud(120, seed=2, spread=1.5)
    rasterizer = NativeRasterizer()
    rasterizer.project(packed, view)
    transmittance = 1 - rasterizer.forward(rasterizer.sky(cubemap()))["alpha"].astype(np.float64)
    v_rgb = np.random.default_rng(3).normal(size=(31, 45, 3)).astype(np.float32)
    world, valid = directions(view)
    indices, weights = sky_taps(SIZE, world)
    open_sky = valid & (transmittance > 1e-3)
    assert open_sky.mean() > 0.2
    expected = np.zeros((6 * SIZE * SIZE, 3))
    pull = weights[..., None] * (transmittance[..., None] * v_rgb)[:, :, None]
    np.add.at(expected, indices[open_sky], pull[open_sky])
    found = rasterizer.sky_gradient(v_rgb, cubemap()).reshape(-1, 3)
    assert np.linalg.norm(found - expected) <= 2e-4 * np.linalg.norm(expected)
    untouched = np.bincount(indices[valid].ravel(), minlength=len(expected)) == 0
    assert untouched.any()
    assert not found[untouched].any()


def test_gradient_by_finite_differences() -> None:
    """The lookup is linear in the cubemap: one difference is exact up to rounding, through the blend as well."""
    view = scenes.moving_view(scenes.pinhole(30, 20), ShutterDirection.TOP_TO_BOTTOM)
    packed, _ = scenes.cloud(60, seed=4)
    rng = np.random.default_rng(5)
    step, v_rgb = rng.normal(size=(6, SIZE, SIZE, 3)).astype(np.float32), rng.random((20, 30, 3)).astype(np.float32)
    rasterizer = NativeRasterizer()
    rasterizer.project(packed, view)
    totals = [
        (rasterizer.forward(rasterizer.sky(sky))["rgb"].astype(np.float64) * v_rgb).sum()
        for sky in (cubemap(), cubemap() + step)
    ]
    predicted = (rasterizer.sky_gradient(v_rgb, step).astype(np.float64) * step).sum()
    assert totals[1] - totals[0] == pytest.approx(predicted, rel=2e-3)


def test_one_texel_and_threads() -> None:
    view = scenes.moving_view(scenes.pinhole(30, 20), ShutterDirection.TOP_TO_BOTTOM)
    one = np.tile(np.linspace(0, 1, 6, dtype=np.float32)[:, None, None, None], (1, 1, 1, 3))
    pictures = []
    for count in (1, 3):
        with threads_set_to(count):
            rasterizer = NativeRasterizer()
            rasterizer.look(view)
            pictures.append(rasterizer.sky(one))
    np.testing.assert_array_equal(*pictures)
    np.testing.assert_allclose(pictures[0], 1.0)  # forward is the face -Z, the last
