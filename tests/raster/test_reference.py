"""The judge is judged: values by hand, brute force, Monte Carlo, finite differences, symmetries."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from avrec.errors import DataError
from avrec.gaussians.cloud import SH_C0
from avrec.geometry import OpenCVPinholeCamera, ShutterDirection, quaternion_from_matrix
from avrec.raster.reference import reference_rasterize, rotation_matrices, spherical_harmonics
from avrec.raster.reference_projection import (
    TILE,
    ProjectedGaussians,
    exact_projection,
    project_gaussians,
    project_points,
    rotations_from_quaternions,
    tile_lists,
)
from avrec.raster.view import RasterSettings, View
from tests.raster import scenes

Float64 = NDArray[np.float64]


def axis_view(size: int = 5, focal: float = 10.0) -> View:
    """A camera at the world's origin that looks along world z, a pixel centre on the axis."""
    camera = OpenCVPinholeCamera(width=size, height=size, focal=(focal, focal), principal_point=(size / 2, size / 2))
    return View(camera, np.eye(3)[None], np.zeros((1, 3)), "none", np.zeros((0, 1, 4, 4)))


def ball(z: float, scale: float, opacity: float, color: tuple[float, float, float]) -> list[float]:
    """A packed isotropic Gaussian on the z axis."""
    sh = [(c - 0.5) / SH_C0 for c in color]
    return [0, 0, z, 1, 0, 0, 0, *[math.log(scale)] * 3, math.log(opacity / (1 - opacity)), *sh]


def tensor(rows: Any) -> torch.Tensor:
    return torch.tensor(np.asarray(rows, np.float64))


def test_two_balls_by_hand() -> None:
    packed = tensor([ball(8, 0.5, 0.6, (0.1, 0.2, 0.3)), ball(4, 0.5, 0.4, (0.9, 0.8, 0.7))])
    out = reference_rasterize(packed, axis_view(), background=tensor([1.0, 1, 1]), normals=True)
    # on the axis alpha is the opacity; the nearer ball comes first although it is listed second
    color = 0.4 * np.array([0.9, 0.8, 0.7]) + 0.6 * 0.6 * np.array([0.1, 0.2, 0.3]) + 0.24
    np.testing.assert_allclose(out["rgb"][2, 2], color, atol=1e-12)
    np.testing.assert_allclose(out["alpha"][2, 2], 0.76, atol=1e-12)
    np.testing.assert_allclose(out["depth_sum"][2, 2], 0.4 * 4 + 0.36 * 8, atol=1e-12)
    np.testing.assert_allclose(out["depth"][2, 2], (0.4 * 4 + 0.36 * 8) / 0.76, atol=1e-12)
    assert out["median_depth"][2, 2] == pytest.approx(8)  # 0.6 is left behind the first, 0.24 behind the second
    # one pixel to the right the ray leans by atan(1/10) and misses the near centre by 4 sin
    lean = math.atan(0.1)
    near = 0.4 * math.exp(-0.5 * (4 * math.sin(lean) / 0.5) ** 2)
    far = 0.6 * math.exp(-0.5 * (8 * math.sin(lean) / 0.5) ** 2)
    np.testing.assert_allclose(out["alpha"][2, 3], 1 - (1 - near) * (1 - far), atol=1e-12)
    expected = near * 4 * math.cos(lean) + (1 - near) * far * 8 * math.cos(lean)
    np.testing.assert_allclose(out["depth_sum"][2, 3], expected, atol=1e-12)
    assert out["normal"][2, 2, 2] < 0 or abs(out["normal"][2, 2, 2]) < 1e-9  # never away from the camera


def test_alpha_cap_and_early_stop() -> None:
    packed = tensor([ball(2 + i, 0.5, 0.999, (0.5, 0.5, 0.5)) for i in range(4)])
    out = reference_rasterize(packed, axis_view())
    # each keeps 1 %: after two, 1e-4 (or a hair more or less in floating point) would be left, so at most two count
    assert out["alpha"][2, 2].item() in (pytest.approx(0.99), pytest.approx(0.9999))


def test_response_is_the_maximum_along_the_ray() -> None:
    packed, _ = scenes.cloud(1, seed=11)
    packed[0, :3] = [6, 0.2, 1.4]
    packed[0, 7:10] = np.log([0.9, 0.2, 0.5])
    view = scenes.moving_view(scenes.pinhole(32, 24), ShutterDirection.TOP_TO_BOTTOM)
    out = reference_rasterize(torch.tensor(packed, dtype=torch.float64), view, settings=scenes.EXACT)
    rays, _ = view.camera.pixel_rays()
    rotation = rotations_from_quaternions(packed[:, 3:7].astype(float))[0]
    precision = rotation @ np.diag(np.exp(-2 * packed[0, 7:10].astype(float))) @ rotation.T
    opacity = 1 / (1 + math.exp(-float(packed[0, 10])))
    distances = np.linspace(3, 9, 60001)
    for row, column in ((12, 16), (10, 14), (14, 18), (13, 12)):
        points = view.origin[row] + distances[:, None] * (view.rotation[row] @ rays[row, column])
        offset = points - packed[0, :3]
        density = np.exp(-0.5 * np.einsum("ni,ij,nj->n", offset, precision, offset))
        assert out["alpha"][row, column].item() == pytest.approx(opacity * density.max(), rel=1e-6)
        assert out["depth"][row, column].item() == pytest.approx(distances[density.argmax()], abs=2e-4)


def test_nothing_behind_the_camera_shows() -> None:
    packed = tensor([ball(-4, 3.0, 0.9, (1, 1, 1))])
    assert not reference_rasterize(packed, axis_view(), settings=scenes.EXACT)["alpha"].any()
    wide = replace(scenes.EXACT, near_m=-100.0)  # even when the bounds let it through
    assert not reference_rasterize(packed, axis_view(), settings=wide)["alpha"].any()


@pytest.mark.parametrize("model", list(scenes.CAMERAS))
@pytest.mark.parametrize("direction", ["top_to_bottom", "left_to_right", "global"])
def test_unscented_projection_against_monte_carlo(model: str, direction: str) -> None:
    view = scenes.moving_view(scenes.CAMERAS[model](640, 480), ShutterDirection(direction), bodies=1)
    packed, body = scenes.cloud(6, seed=2, bodies=1)
    packed, body = packed.astype(np.float64), np.array([0, 0, 0, 0, 1, 1])
    packed[4:, :3] = [[0.3, 0.2, 0.1], [-0.5, 0, 0.2]]
    packed[:, 7:10] = np.log([0.25, 0.1, 0.15])
    projected = project_gaussians(packed, view, body, RasterSettings(blur_px2=0))
    rng = np.random.default_rng(0)
    for i, row in enumerate(packed):
        axes = rotations_from_quaternions(row[None, 3:7])[0] * np.exp(row[7:10])
        samples = row[:3] + rng.normal(size=(20000, 3)) @ axes.T
        pixels, valid = project_points(samples, view, int(body[i]))
        assert valid.all()
        spread = np.linalg.eigvalsh(np.cov(pixels.T))
        assert np.abs(projected.mean[i] - pixels.mean(axis=0)).max() < 0.06 * math.sqrt(spread[1])
        np.testing.assert_allclose(np.linalg.eigvalsh(projected.covariance[i]), spread, rtol=0.08)


@pytest.mark.parametrize("model", list(scenes.CAMERAS))
@pytest.mark.parametrize("direction", list(ShutterDirection))
def test_fixed_point_reaches_the_exact_projection(model: str, direction: ShutterDirection) -> None:
    view = scenes.moving_view(scenes.CAMERAS[model](), direction, bodies=1, speed=4)
    means = scenes.cloud(300, seed=1)[0][:, :3].astype(np.float64)
    for body, points in ((0, means), (1, means * 0.1)):
        exact = exact_projection(points, view, body)
        found, valid = project_points(points, view, body)
        assert np.isfinite(exact).all(axis=1).mean() > 0.97
        size = np.array([view.camera.width, view.camera.height])
        near = valid & ((exact > -size) & (exact < 2 * size)).all(axis=1)
        assert near.mean() > 0.5
        assert np.abs(found - exact)[near].max() < 1e-3


@pytest.mark.parametrize("model", list(scenes.CAMERAS))
def test_rolling_shutter_pixel_sees_the_point(model: str) -> None:
    """A tiny opaque ball is brightest at the pixel the projection names, at the distance of its centre."""
    view = scenes.moving_view(scenes.CAMERAS[model](), ShutterDirection.TOP_TO_BOTTOM, bodies=1, speed=3)
    packed, body = scenes.cloud(1)
    packed[0, :3], packed[0, 7:10], packed[0, 10], body[0] = [0.1, 0.2, -0.1], math.log(0.3), 3, 1
    pixel, _ = project_points(packed[:, :3].astype(float), view, 1)
    out = reference_rasterize(torch.tensor(packed), view, body=body, settings=scenes.EXACT)
    row, column = np.unravel_index(int(out["alpha"].argmax()), out["alpha"].shape)
    assert abs(column + 0.5 - pixel[0, 0]) <= 0.75
    assert abs(row + 0.5 - pixel[0, 1]) <= 0.75
    center = view.bodies[0, row] @ np.append(packed[0, :3], 1)
    assert out["depth"][row, column].item() == pytest.approx(np.linalg.norm(center[:3] - view.origin[row]), rel=2e-3)


@pytest.mark.parametrize("direction", ["top_to_bottom", "left_to_right", "global"])
def test_gradients_against_finite_differences(direction: str) -> None:
    camera = scenes.pinhole(7, 6)
    view = scenes.moving_view(camera, ShutterDirection(direction), bodies=1)
    packed, body = scenes.cloud(5, degree=3, seed=9, bodies=1)
    packed[:, :2], packed[:, 2], body[:] = [[5, -1], [6, 0.5], [7, 1], [0, 0], [0.3, -0.2]], 1.5, [0, 0, 0, 1, 1]
    packed[3:, 2] = 0.1
    packed[:, 7:10] = np.log(np.random.default_rng(1).uniform(0.4, 1.2, (5, 3)))
    open_settings = replace(scenes.EXACT, min_alpha=1e-30, max_alpha=1.0, min_transmittance=0.0)
    weights = torch.tensor(np.random.default_rng(0).normal(size=(6, 7, 5)))

    def scalar(*leaves: torch.Tensor) -> torch.Tensor:
        gaussians, rotation, origin, background = leaves
        out = reference_rasterize(
            gaussians,
            view,
            body=body,
            background=background,
            settings=open_settings,
            rotation=rotation,
            origin=origin,
        )
        channels = torch.cat([out["rgb"], out["alpha"][..., None], out["depth_sum"][..., None]], dim=2)
        return (channels * weights).sum()

    leaves = (packed.astype(np.float64), view.rotation, view.origin, np.array([0.2, 0.5, 0.7]))
    inputs = tuple(torch.tensor(leaf, requires_grad=True) for leaf in leaves)
    assert torch.autograd.gradcheck(scalar, inputs, eps=1e-6, atol=1e-6, rtol=1e-5, fast_mode=True)


@given(angles=st.tuples(*[st.floats(-3, 3)] * 3), shift=st.tuples(*[st.floats(-20, 20)] * 3), order=st.randoms())
@settings(max_examples=10, deadline=None)
def test_moving_the_whole_world_changes_nothing(angles: Any, shift: Any, order: Any) -> None:
    """Rotate and shift camera and Gaussians together and shuffle the rows: the same picture."""
    view = scenes.moving_view(scenes.pinhole(24, 16), ShutterDirection.LEFT_TO_RIGHT)
    packed = scenes.cloud(40, degree=0, seed=2)[0].astype(np.float64)
    turn = np.linalg.multi_dot([scenes.rotation_about(axis, np.array(angles[axis])) for axis in range(3)])
    move = np.array(shift)
    moved_view = replace(view, rotation=turn @ view.rotation, origin=view.origin @ turn.T + move)
    moved = packed.copy()
    moved[:, :3] = packed[:, :3] @ turn.T + move
    moved[:, 3:7] = quaternion_product(quaternion_from_matrix(turn), packed[:, 3:7])
    rows = list(range(len(packed)))
    order.shuffle(rows)
    before = reference_rasterize(tensor(packed), view, settings=scenes.EXACT)
    after = reference_rasterize(tensor(moved[rows]), moved_view, settings=scenes.EXACT)
    safe = ~(before["fragile"] | after["fragile"])
    torch.testing.assert_close(before["rgb"][safe], after["rgb"][safe], atol=1e-9, rtol=0)
    torch.testing.assert_close(before["depth_sum"][safe], after["depth_sum"][safe], atol=1e-8, rtol=0)


def quaternion_product(left: Float64, right: Float64) -> Float64:
    w, x, y, z = left
    table = np.array([[w, -x, -y, -z], [x, w, -z, y], [y, z, w, -x], [z, -y, x, w]])
    return right @ table.T


def test_bodies_equal_gaussians_put_in_place() -> None:
    view = scenes.moving_view(scenes.pinhole(32, 24), ShutterDirection.GLOBAL, bodies=2)
    packed, body = scenes.cloud(60, degree=0, seed=1, bodies=2)
    packed = packed.astype(np.float64)
    placed = packed.copy()
    for b in (1, 2):
        pose, mine = view.bodies[b - 1, 0], body == b
        placed[mine, :3] = packed[mine, :3] @ pose[:3, :3].T + pose[:3, 3]
        placed[mine, 3:7] = quaternion_product(quaternion_from_matrix(pose[:3, :3]), packed[mine, 3:7])
    with_bodies = reference_rasterize(tensor(packed), view, body=body, normals=True)
    in_place = reference_rasterize(tensor(placed), view, normals=True)
    for key in ("rgb", "depth_sum", "normal"):
        torch.testing.assert_close(with_bodies[key], in_place[key], atol=1e-9, rtol=0, equal_nan=True)


def test_a_moving_body_equals_a_camera_moving_the_other_way() -> None:
    view = scenes.moving_view(scenes.fisheye(32, 24), ShutterDirection.TOP_TO_BOTTOM, bodies=1)
    packed, _ = scenes.cloud(40, degree=2, seed=1)
    packed[:, :3] *= 0.1
    seen_from_body = np.linalg.inv(view.bodies[0])
    swapped = replace(
        view,
        rotation=seen_from_body[:, :3, :3] @ view.rotation,
        origin=np.einsum("lij,lj->li", seen_from_body[:, :3, :3], view.origin) + seen_from_body[:, :3, 3],
        bodies=np.zeros((0, view.lines, 4, 4)),
    )
    on_body = reference_rasterize(torch.tensor(packed), view, body=np.ones(40, np.int32))
    in_world = reference_rasterize(torch.tensor(packed), swapped)
    torch.testing.assert_close(on_body["rgb"], in_world["rgb"], atol=1e-9, rtol=0)
    assert on_body["alpha"].max() > 0.5


def test_background_fills_what_is_left() -> None:
    view = scenes.moving_view(scenes.pinhole(32, 24), ShutterDirection.GLOBAL)
    packed = torch.tensor(scenes.cloud(60, degree=0)[0], dtype=torch.float64)
    packed[:, 11:14] = tensor([(c - 0.5) / SH_C0 for c in (0.3, 0.6, 0.9)])
    out = reference_rasterize(packed, view, background=tensor([0.3, 0.6, 0.9]))
    torch.testing.assert_close(out["rgb"], tensor([0.3, 0.6, 0.9]).expand(24, 32, 3), atol=1e-12, rtol=0)


def test_harmonics_are_orthonormal_and_signed() -> None:
    cosine, weight = np.polynomial.legendre.leggauss(8)
    around = (np.arange(16) + 0.5) / 16 * 2 * np.pi
    z, angle = (grid.ravel() for grid in np.meshgrid(cosine, around, indexing="ij"))
    ring = np.sqrt(1 - z**2)
    directions = tensor(np.stack([ring * np.cos(angle), ring * np.sin(angle), z], 1))
    basis = spherical_harmonics(directions, 16).numpy()
    gram = basis.T @ (np.repeat(weight, 16)[:, None] * 2 * np.pi / 16 * basis)
    np.testing.assert_allclose(gram, np.eye(16), atol=1e-12)
    first = spherical_harmonics(tensor([[0.6, 0.48, 0.64]]), 16)[0].numpy()
    np.testing.assert_allclose(first[1:4], 0.4886025119 * np.array([-0.48, 0.64, -0.6]), rtol=1e-9)
    np.testing.assert_allclose(first[[0, 4, 5, 7]], [SH_C0, *(1.0925484306 * np.array([0.288, -0.3072, -0.384]))])


def test_rotations_agree() -> None:
    quaternions = np.random.default_rng(0).normal(size=(20, 4))
    torch_rotations = rotation_matrices(tensor(quaternions)).numpy()
    np.testing.assert_allclose(torch_rotations, rotations_from_quaternions(quaternions), atol=1e-14)
    gram = torch_rotations @ torch_rotations.transpose(0, 2, 1)
    np.testing.assert_allclose(gram, np.tile(np.eye(3), (20, 1, 1)), atol=1e-14)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_tile_lists_hold_every_tile_within_reach(seed: int) -> None:
    """Brute force: a tile is listed when, and only when, its rectangle comes within reach of the ellipse."""
    rng = np.random.default_rng(seed)
    width, height, reach = 80, 64, 2.5
    factor = rng.normal(size=(2, 2)) * 12
    covariance = factor @ factor.T + 0.3 * np.eye(2)
    mean = rng.uniform(-30, 110, 2)
    half = reach * np.sqrt(np.diag(covariance))
    projected = ProjectedGaussians(
        np.array([True]), np.ones(1), mean[None], covariance[None], half[None], np.array([reach])
    )
    conic = np.linalg.inv(covariance)
    for row, row_lists in enumerate(tile_lists(projected, width, height)):
        for column, members in enumerate(row_lists):
            steps = np.linspace(0, TILE, 65)
            grid = np.stack(np.meshgrid(column * TILE + steps, row * TILE + steps), -1) - mean
            distance2 = np.einsum("...i,ij,...j->...", grid, conic, grid).min()
            if abs(distance2 - reach**2) > 0.02 * reach**2 + 0.1:
                assert (len(members) == 1) == (distance2 < reach**2)


def test_normal_bounds_cost_little() -> None:
    view = scenes.moving_view(scenes.pinhole(), ShutterDirection.TOP_TO_BOTTOM)
    packed = torch.tensor(scenes.cloud(200, seed=4)[0], dtype=torch.float64)
    tight = reference_rasterize(packed, view)
    exact = reference_rasterize(packed, view, settings=scenes.EXACT)
    difference = (tight["rgb"] - exact["rgb"]).abs().amax(dim=2)
    assert (difference <= 1 / 255).double().mean() > 0.98
    assert difference.max() < 0.1


def test_wrong_body_indices_are_named() -> None:
    with pytest.raises(DataError, match="Body indices"):
        reference_rasterize(tensor([ball(4, 1, 0.5, (1, 1, 1))]), axis_view(), body=np.array([1]))
