"""The torch rival must render the same picture, or beating it would mean nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from avrec.geometry import ShutterDirection
from avrec.raster.reference import reference_rasterize
from avrec.raster.reference_projection import project_gaussians, tile_lists
from avrec.raster.tiles_torch import run_tiles, sample_tiles
from avrec.raster.view import RasterSettings, View
from tests.raster import scenes


def lists(packed: NDArray[np.float32], view: View, body: NDArray[np.int32]) -> tuple[NDArray[np.uint32], ...]:
    """The reference's tile lists in the kernel's layout."""
    projected = project_gaussians(packed.astype(np.float64), view, body.astype(np.int64), RasterSettings())
    flat = [members for row in tile_lists(projected, view.camera.width, view.camera.height) for members in row]
    starts = np.concatenate([[0], np.cumsum([len(members) for members in flat])])
    return starts.astype(np.uint32), np.concatenate(flat).astype(np.uint32)


@pytest.mark.parametrize("direction", ["bottom_to_top", "left_to_right", "global"])
@pytest.mark.parametrize("model", ["pinhole", "fisheye"])
def test_same_picture_and_gradient_as_the_reference(model: str, direction: str) -> None:
    view = scenes.moving_view(scenes.CAMERAS[model](50, 37), ShutterDirection(direction), bodies=2)
    packed, body = scenes.cloud(200, degree=2, bodies=2, seed=1)
    background = torch.tensor([0.2, 0.4, 0.9])
    leaf = torch.tensor(packed, dtype=torch.float64, requires_grad=True)
    expected = reference_rasterize(leaf, view, body=body, background=background)
    safe = ~expected["fragile"]
    v_rgb = torch.randn((37, 50, 3), generator=torch.Generator().manual_seed(0)) * safe[..., None]
    (expected["rgb"] * v_rgb).sum().backward()
    starts, ids = lists(packed, view, body)
    found = run_tiles(torch.tensor(packed), view, starts, ids, body=body, background=background, v_rgb=v_rgb)
    assert (found.rgb - expected["rgb"])[safe].abs().max() < 2e-5
    assert (found.alpha - expected["alpha"])[safe].abs().max() < 2e-5
    assert leaf.grad is not None
    assert found.gradient is not None
    assert (found.gradient - leaf.grad).norm() < 1e-4 * leaf.grad.norm()


def test_a_sample_of_tiles_counts_what_it_ran() -> None:
    view = scenes.moving_view(scenes.pinhole(100, 80), ShutterDirection.TOP_TO_BOTTOM)
    packed, body = scenes.cloud(200, seed=1)
    starts, ids = lists(packed, view, body)
    tiles = sample_tiles(starts, 0.2, seed=3)
    whole = run_tiles(torch.tensor(packed), view, starts, ids)
    part = run_tiles(torch.tensor(packed), view, starts, ids, tiles=tiles, v_rgb=torch.ones(80, 100, 3))
    assert whole.gradient is None
    assert (whole.tiles, whole.intersections) == (35, int(starts[-1])) == (part.all_tiles, part.all_intersections)
    assert 7 <= part.tiles == len(set(tiles.tolist())) < 35
    assert part.intersections == np.diff(starts.astype(np.int64))[tiles].sum() >= 0.2 * whole.intersections
    ran = part.rgb.isfinite().all(dim=2)
    torch.testing.assert_close(part.rgb[ran], whole.rgb[ran], atol=1e-6, rtol=0)
    assert ran.double().mean() == pytest.approx(part.tiles / 35, abs=0.06)
    expected = part.shared_forward_s + part.forward_s * whole.intersections / part.intersections
    assert part.picture_forward_s == pytest.approx(expected)
    assert part.backward_s > 0
