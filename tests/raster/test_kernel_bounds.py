"""Where the kernel looks for each Gaussian: projection under a rolling shutter, bounds, tile lists."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from avrec.geometry import Camera, FThetaCamera, ShutterDirection
from avrec.raster.native import NativeRasterizer
from avrec.raster.reference_projection import (
    exact_projection,
    project_gaussians,
    rotations_from_quaternions,
    tile_lists,
)
from avrec.raster.view import RasterSettings, View
from tests.raster import scenes
from tests.raster.kernels import needs_kernel

pytestmark = needs_kernel

Float64 = NDArray[np.float64]

SPEED_MPS, YAW_DPS, READOUT_S = 25.0, 20.0, 0.03
MODELS, SHUTTERS = list(scenes.CAMERAS), list(ShutterDirection)


def drive_by(camera: Camera, direction: ShutterDirection, heading: float) -> View:
    """A camera at ``heading`` (radians from the motion) on a car at the most the issue asks for; a car comes along."""
    axis = {"top_to_bottom": "rows", "bottom_to_top": "rows", "global": "none"}.get(str(direction), "columns")
    lines = {"rows": camera.height, "columns": camera.width, "none": 1}[axis]
    time = np.linspace(0, READOUT_S, lines) if lines > 1 else np.array([READOUT_S / 2])
    if str(direction) in ("bottom_to_top", "right_to_left"):
        time = time[::-1]
    turned = np.radians(YAW_DPS) * time
    rotation = scenes.rotation_about(2, turned + heading) @ scenes.CAMERA_FROM_FORWARD.T
    origin = np.stack([SPEED_MPS * time, SPEED_MPS * turned * time / 2, np.full_like(time, 1.5)], axis=1)
    oncoming = np.tile(np.eye(4), (1, lines, 1, 1))
    oncoming[0, :, :3, :3] = scenes.rotation_about(2, np.full(lines, np.pi))
    oncoming[0, :, :3, 3] = np.stack([12 - SPEED_MPS * time, np.full_like(time, 3), np.ones_like(time)], axis=1)
    return View(camera, rotation, origin, axis, oncoming)


def points(count: int, means: Float64) -> NDArray[np.float32]:
    """Gaussians that are hardly more than points."""
    packed = np.zeros((count, 14), np.float32)
    packed[:, :3] = means
    packed[:, 3] = 1
    packed[:, 7:10] = -9
    packed[:, 10] = 5
    return packed


def error_px(view: View, packed: NDArray[np.float32], body: int) -> Float64:
    """Largest coordinate difference to the exact projection, for what is exactly inside the image."""
    rasterizer = NativeRasterizer()
    rasterizer.project(packed, view, body=np.full(len(packed), body, np.int32))
    exact = exact_projection(packed[:, :3].astype(np.float64), view, body)
    with np.errstate(invalid="ignore"):
        inside = ((exact >= 0) & (exact <= [view.camera.width, view.camera.height])).all(axis=1)
    ids = rasterizer.ids()
    assert inside.sum() > 100
    assert np.isin(np.flatnonzero(inside), ids).all(), "a point in the image was dropped"
    return np.abs(rasterizer.bounds()[:, :2] - exact[ids])[inside[ids]].max(axis=1)


@pytest.mark.parametrize("direction", SHUTTERS)
@pytest.mark.parametrize("model", MODELS)
def test_projection_under_rolling_shutter(model: str, direction: ShutterDirection) -> None:
    """Points from 2 to 100 m ahead and to the side, and on an oncoming car, within 0.05 px of the exact solution."""
    rng = np.random.default_rng(0)
    count, spread, camera = 2500, scenes.SPREAD[model], scenes.CAMERAS[model](1600, 900)
    worst = {}
    for name, heading in (("ahead", 0.0), ("aside", np.pi / 2)):
        distance = np.exp(rng.uniform(np.log(2), np.log(100), count))
        angle = rng.uniform(-1, 1, count) * np.arctan(spread) + heading
        height = rng.uniform(-0.9, 0.9, count) * spread
        means = distance[:, None] * np.stack([np.cos(angle), np.sin(angle), height], axis=1) + [0, 0, 1.5]
        worst[name] = error_px(drive_by(camera, direction, heading), points(count, means), 0).max()
    car = points(count, rng.normal(size=(count, 3)) * [1.5, 0.6, 0.5])
    worst["oncoming"] = error_px(drive_by(camera, direction, 0.0), car, 1).max()
    print(f"{model:16} {direction:14}", *(f"{name} {value:.4f} px" for name, value in worst.items()))  # noqa: T201
    assert max(worst.values()) <= 0.05, worst


@pytest.mark.parametrize("direction", [ShutterDirection.TOP_TO_BOTTOM, ShutterDirection.LEFT_TO_RIGHT])
@pytest.mark.parametrize("model", MODELS)
def test_bounds_hold_the_projected_ellipsoid(model: str, direction: ShutterDirection) -> None:
    """Points of the ellipsoid at the bounds' reach, projected exactly at their own lines, lie in the box."""
    view = scenes.moving_view(scenes.CAMERAS[model](320, 240), direction, bodies=1)
    packed, body = scenes.cloud(300, seed=2, bodies=1, spread=scenes.SPREAD[model])
    packed[:, 7:10] = np.clip(packed[:, 7:10], None, np.log(0.15))  # the unscented transform is exact for small ones
    packed[:, 10] = 6  # nearly opaque: the reach is near bound_sigma for all
    rasterizer, settings = NativeRasterizer(), RasterSettings()
    rasterizer.project(packed, view, body=body, settings=settings)
    ids, bounds = rasterizer.ids(), rasterizer.bounds().astype(np.float64)
    np.testing.assert_allclose(bounds[:, 5], settings.bound_sigma**2, rtol=2e-3)
    cloud = packed[ids].astype(np.float64)
    axes = rotations_from_quaternions(cloud[:, 3:7]) * np.exp(cloud[:, None, 7:10])
    around = np.random.default_rng(0).normal(size=(60, 3))
    around *= settings.bound_sigma / np.linalg.norm(around, axis=1, keepdims=True)
    surface = cloud[:, None, :3] + np.einsum("nij,kj->nki", axes, around)
    held, relative = [], []
    for index in (0, 1):
        mine = body[ids] == index
        pixels = exact_projection(surface[mine].reshape(-1, 3), view, index).reshape(-1, 60, 2)
        offset = np.abs(pixels - bounds[mine, None, :2])
        half = bounds[mine, None, 6:8]
        held.append((offset <= half * 1.02 + 0.2)[np.isfinite(pixels)].ravel())
        relative.append((offset / half)[np.isfinite(pixels)].ravel())
    assert np.concatenate(held).mean() >= 0.998
    assert np.percentile(np.concatenate(relative), 99.9) > 0.6, "bounds far larger than the ellipsoid cost time"


@pytest.mark.parametrize("direction", SHUTTERS)
@pytest.mark.parametrize("model", MODELS)
def test_bounds_and_tile_lists_follow_the_reference(model: str, direction: ShutterDirection) -> None:
    view = scenes.moving_view(scenes.CAMERAS[model](136, 100), direction, bodies=2)
    packed, body = scenes.cloud(450, seed=3, bodies=2, spread=scenes.SPREAD[model])
    settings = RasterSettings()
    rasterizer = NativeRasterizer()
    rasterizer.project(packed, view, body=body, settings=settings)
    ids, bounds = rasterizer.ids(), rasterizer.bounds().astype(np.float64)
    assert (np.diff(ids.astype(np.int64)) > 0).all()
    truth = project_gaussians(packed.astype(np.float64), view, body.astype(np.int64), settings)
    assert truth.keep[ids].mean() > 0.99
    both = truth.keep[ids]
    mean, half = truth.mean[ids][both], truth.half_size[ids][both]
    tolerance = 0.02 + 0.02 * half
    assert (np.abs(bounds[both, :2] - mean) <= tolerance).mean() >= 0.99
    assert (np.abs(bounds[both, 6:8] - half) <= tolerance).mean() >= 0.99
    conic = np.linalg.inv(truth.covariance[ids][both])
    expected = np.stack([conic[:, 0, 0], conic[:, 0, 1], conic[:, 1, 1]], axis=1)
    scale = np.abs(expected).max(axis=1, keepdims=True)
    assert (np.abs(bounds[both, 2:5] - expected) <= 0.03 * scale).mean() >= 0.99

    starts, listed = rasterizer.tile_lists()
    lists = [tile for row in tile_lists(truth, 136, 100) for tile in row]
    assert starts[0] == 0
    assert starts[-1] == len(listed) == rasterizer.intersections
    assert len(starts) == len(lists) + 1
    # Between what a pixel centre lies in and what the tile's whole rectangle touches.
    least, most = nearest_of_pixels(truth.mean, truth.covariance, 136, 100), 0
    missed, extra = 0, 0
    for tile, members in enumerate(lists):
        mine = listed[starts[tile] : starts[tile + 1]]
        assert len(set(mine.tolist())) == len(mine)
        in_order = truth.depth[mine]
        assert (np.diff(in_order) >= -1e-5 * in_order[:-1]).all()
        needed = members[least[tile, members] <= truth.reach[members] ** 2]
        most += len(members)
        missed += len(np.setdiff1d(needed, mine))
        extra += len(np.setdiff1d(mine, members))
    assert most > 1000
    assert missed <= 0.002 * most
    assert extra <= 0.002 * most


def nearest_of_pixels(mean: Float64, covariance: Float64, width: int, height: int) -> Float64:
    """Least squared distance, in standard deviations, of Gaussians to the pixel centres of each tile; [tiles, N]."""
    conic = np.linalg.inv(covariance)
    found = []
    for top in range(0, height, 16):
        for left in range(0, width, 16):
            rows, columns = np.mgrid[top : top + 16, left : left + 16] + 0.5
            offset = np.stack([columns.ravel(), rows.ravel()], axis=1) - mean[:, None]
            found.append(np.einsum("npi,nij,npj->np", offset, conic, offset).min(axis=1))
    return np.array(found)


def test_depth_orders_by_distance_for_f_theta_and_by_z_otherwise() -> None:
    for model in ("fisheye", "ftheta"):
        camera = scenes.CAMERAS[model](64, 48)
        view = scenes.moving_view(camera, ShutterDirection.GLOBAL, speed=0)
        # The second is nearer along the axis and farther from the camera.
        packed = points(2, np.array([[6.0, 0, 1.5], [5.0, 4.5, 1.5]]))
        packed[:, 7:10] = 0.7
        rasterizer = NativeRasterizer()
        rasterizer.project(packed, view)
        starts, listed = rasterizer.tile_lists()
        shared = [tile for tile in range(len(starts) - 1) if starts[tile + 1] - starts[tile] == 2]
        assert shared
        expected = [0, 1] if isinstance(camera, FThetaCamera) else [1, 0]
        assert all(listed[starts[tile] : starts[tile + 1]].tolist() == expected for tile in shared)
