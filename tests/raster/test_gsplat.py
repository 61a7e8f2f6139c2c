"""The CUDA adapter: what it hands to gsplat can be checked anywhere, what comes back only where there is a GPU."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from avrec.errors import AvrecError, MissingExtraError
from avrec.gaussians.cloud import SH_C0
from avrec.geometry import ShutterDirection, quaternion_from_matrix, slerp
from avrec.raster import gsplat_adapter
from avrec.raster.gsplat_adapter import rasterize_cuda, shutter_residual, why_no_cuda
from avrec.raster.reference import reference_rasterize
from avrec.raster.reference_projection import rotations_from_quaternions
from avrec.raster.view import RasterSettings, View
from tests.raster import scenes

Float64 = NDArray[np.float64]

NO_CUDA = why_no_cuda() if torch.cuda.is_available() else "no CUDA device on this machine"
needs_gpu = pytest.mark.skipif(NO_CUDA is not None, reason=str(NO_CUDA))
GSPLAT_LIKE = RasterSettings(ut_alpha=0.1, max_alpha=0.999)


def two_pose(view: View) -> View:
    """The view that gsplat makes of this one: slerp, and linear in the world-to-camera translation."""
    middle = 0.5 * (view.origin[(view.lines - 1) // 2] + view.origin[view.lines // 2])
    first, last = (
        (view.rotation[line].T, -view.rotation[line].T @ (view.origin[line] - middle)) for line in (0, view.lines - 1)
    )
    rotation, origin = between(first, last, view.lines)
    return replace(view, rotation=rotation, origin=middle + origin)


def between(first: tuple[Float64, Float64], last: tuple[Float64, Float64], lines: int) -> tuple[Float64, Float64]:
    """World-from-camera rotations and origins between two camera-from-world poses, as gsplat interpolates."""
    fraction = np.linspace(0, 1, lines) if lines > 1 else np.zeros(1)
    turns = slerp(quaternion_from_matrix(first[0]), quaternion_from_matrix(last[0]), fraction)
    rotation = rotations_from_quaternions(turns)
    translation = first[1] + fraction[:, None] * (last[1] - first[1])
    return rotation.transpose(0, 2, 1), -np.einsum("lji,lj->li", rotation, translation)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_without_a_gpu_the_error_says_so() -> None:
    view = scenes.moving_view(scenes.pinhole(), ShutterDirection.GLOBAL)
    with pytest.raises(MissingExtraError, match="needs an NVIDIA GPU"):
        rasterize_cuda(torch.tensor(scenes.cloud(5)[0]), view)
    assert "NVIDIA GPU" in str(why_no_cuda())


def test_what_gsplat_cannot_do_is_refused() -> None:
    view = scenes.moving_view(scenes.pinhole(), ShutterDirection.GLOBAL)
    packed = torch.tensor(scenes.cloud(5)[0])
    with pytest.raises(AvrecError, match="no gradient of camera poses"):
        rasterize_cuda(packed, view, pose_gradients=True)
    with pytest.raises(AvrecError, match="margin"):
        rasterize_cuda(packed, view, settings=scenes.EXACT)


def test_residual_is_zero_for_two_poses_and_by_hand_for_others() -> None:
    view = scenes.moving_view(scenes.pinhole(), ShutterDirection.LEFT_TO_RIGHT, speed=3)
    straight = shutter_residual(two_pose(view))
    assert straight.rotation_deg < 1e-9
    assert straight.origin_m < 1e-5  # the frame in which gsplat interpolates has moved a little
    assert straight.body_m == 0
    # yaw 0.06 (t^2 - 0.3 t) bulges by 0.06 / 4 from its chord, to first order
    bent = replace(view, rotation=scenes.rotation_about(2, 0.06 * np.linspace(0, 1, 64) ** 2), bodies=view.bodies)
    assert shutter_residual(bent).rotation_deg == pytest.approx(np.degrees(0.015), rel=1e-2)
    riding = scenes.moving_view(scenes.pinhole(), ShutterDirection.TOP_TO_BOTTOM, bodies=1)
    assert shutter_residual(riding).body_m == pytest.approx(0.5 * np.hypot(0.25, 0.1), rel=1e-6)


@pytest.mark.parametrize("model", ["pinhole", "fisheye"])
@pytest.mark.parametrize("direction", ["bottom_to_top", "right_to_left", "global"])
def test_arguments_describe_the_view(model: str, direction: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for gsplat renders what it is handed through the reference: the picture must be the view's own."""
    view = two_pose(scenes.moving_view(scenes.CAMERAS[model](48, 32), ShutterDirection(direction)))
    view = replace(view, bodies=np.tile(np.eye(4), (1, view.lines, 1, 1)))
    view.bodies[0, :, :3, :3] = scenes.rotation_about(2, np.array(0.7))
    view.bodies[0, :, :3, 3] = [7, 1, 0.8]
    packed, body = scenes.cloud(120, bodies=1, seed=2)
    used: dict[str, Any] = {}

    def rasterization(**given: Any) -> tuple[torch.Tensor, torch.Tensor, None]:
        used.update(given)
        ends = [given["viewmats"], given["viewmats"] if given["viewmats_rs"] is None else given["viewmats_rs"]]
        first, last = ((end[0, :3, :3].double().numpy(), end[0, :3, 3].double().numpy()) for end in ends)
        rotation, origin = between(first, last, view.lines)
        around_zero = View(view.camera, rotation, origin, view.axis, np.zeros((0, view.lines, 4, 4)))
        flat = (given["colors"][:, :3] - 0.5) / SH_C0
        columns = [given["means"], given["quats"], given["scales"].log(), given["opacities"].logit()[:, None], flat]
        out = reference_rasterize(torch.cat(columns, 1), around_zero, settings=GSPLAT_LIKE)
        channels = torch.cat([out["rgb"], out["depth_sum"][..., None]], dim=2)
        return channels[None], out["alpha"][None, ..., None], None

    shutters = {name: name for name in ("ROLLING_TOP_TO_BOTTOM", "ROLLING_LEFT_TO_RIGHT", "GLOBAL")}
    fake = SimpleNamespace(rasterization=rasterization, RollingShutterType=shutters)
    monkeypatch.setattr(gsplat_adapter, "require_gsplat", lambda: fake)
    background = torch.tensor([0.1, 0.5, 0.9])
    found = rasterize_cuda(torch.tensor(packed), view, body=body, background=background, device="cpu")
    expected = reference_rasterize(torch.tensor(packed), view, body=body, background=background, settings=GSPLAT_LIKE)
    safe = ~expected["fragile"]
    assert torch.allclose(found["rgb"].double()[safe], expected["rgb"][safe], atol=2e-4)
    assert torch.isnan(found["median_depth"]).all()
    kind = {"rows": "ROLLING_TOP_TO_BOTTOM", "columns": "ROLLING_LEFT_TO_RIGHT", "none": "GLOBAL"}[view.axis]
    assert used["rolling_shutter"] == kind
    assert used["camera_model"] == model
    assert (used["with_ut"], used["with_eval3d"], used["packed"], used["rasterize_mode"]) == (
        True,
        True,
        False,
        "classic",
    )
    assert used["radial_coeffs"].shape == (1, 6 if model == "pinhole" else 4)
    assert used["near_plane"] == pytest.approx(0.2)
    intrinsics = used["Ks"][0].numpy()
    np.testing.assert_allclose(intrinsics[:2, 2], view.camera.principal_point, rtol=1e-6)


@pytest.mark.gpu
@needs_gpu
@pytest.mark.parametrize("direction", list(ShutterDirection))
@pytest.mark.parametrize("model", list(scenes.CAMERAS))
def test_parity_with_the_reference_on_a_gpu(model: str, direction: ShutterDirection) -> None:
    view = two_pose(scenes.moving_view(scenes.CAMERAS[model](), direction))
    packed, body = scenes.cloud(300, seed=4, spread=0.8 * scenes.SPREAD[model])
    ours, theirs = (torch.tensor(packed, requires_grad=True) for _ in range(2))
    expected = reference_rasterize(ours, view, body=body, settings=GSPLAT_LIKE)
    found = rasterize_cuda(theirs, view, body=body)
    rgb, alpha = found["rgb"].cpu().double(), found["alpha"].cpu().double()
    inner = np.s_[4:-4, 4:-4]  # near the border gsplat drops Gaussians whose sigma points leave the margin
    assert ((rgb - expected["rgb"]).abs().amax(dim=2)[inner] <= 2 / 255).double().mean() > 0.99
    assert ((alpha - expected["alpha"]).abs()[inner] <= 2 / 255).double().mean() > 0.99
    weights = torch.randn(rgb.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    (expected["rgb"] * weights).sum().backward()
    (found["rgb"] * weights.cuda()).sum().backward()
    assert ours.grad is not None
    assert theirs.grad is not None
    for part in (np.s_[:, :3], np.s_[:, 3:7], np.s_[:, 7:10], np.s_[:, 10:11], np.s_[:, 11:]):
        cosine = torch.nn.functional.cosine_similarity(ours.grad[part].flatten(), theirs.grad[part].flatten(), dim=0)
        assert cosine > 0.98
