"""The C++ kernel against the float64 reference: every camera model under every shutter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from avrec.geometry import ShutterDirection
from avrec.raster.reference import reference_rasterize
from avrec.raster.view import RasterSettings, View
from tests.raster import scenes

try:
    import avrec.raster.native as _native

    rasterize_with_gradients: Callable[..., dict[str, NDArray[np.float32]]] | None = _native.rasterize_with_gradients
except (ImportError, AttributeError) as error:
    rasterize_with_gradients = None
    _REASON = f"the native kernel is not built ({error})"
else:
    _REASON = ""

pytestmark = pytest.mark.skipif(rasterize_with_gradients is None, reason=_REASON)

GROUPS = {"mean": np.s_[:, :3], "quaternion": np.s_[:, 3:7], "scale": np.s_[:, 7:10], "opacity": np.s_[:, 10]}
GROUPS |= {"sh": np.s_[:, 11:]}
BODIES = (ShutterDirection.TOP_TO_BOTTOM, ShutterDirection.RIGHT_TO_LEFT, ShutterDirection.GLOBAL)


def compare(
    packed: NDArray[np.float32],
    view: View,
    body: NDArray[np.int32],
    settings: RasterSettings,
    background: NDArray[np.float32] | None,
) -> tuple[dict[str, Any], dict[str, Any], NDArray[np.bool_]]:
    """Both answers, each with the gradients of one random weighting, and the pixels float32 can decide safely."""
    assert rasterize_with_gradients is not None
    height, width = view.camera.height, view.camera.width
    leaf = torch.tensor(packed, dtype=torch.float64, requires_grad=True)
    rotation = torch.tensor(view.rotation, requires_grad=True)
    origin = torch.tensor(view.origin, requires_grad=True)
    sky = None if background is None else torch.tensor(background, dtype=torch.float64, requires_grad=True)
    judge = reference_rasterize(
        leaf, view, body=body, background=sky, settings=settings, rotation=rotation, origin=origin
    )
    safe = ~judge["fragile"].numpy()
    rng = np.random.default_rng(7)
    weights = {
        "rgb": rng.normal(size=(height, width, 3)) * safe[..., None],
        "alpha": rng.normal(size=(height, width)) * safe,
        "depth_sum": rng.normal(size=(height, width)) * safe * 0.1,
    }
    weights = {key: value.astype(np.float32) for key, value in weights.items()}
    sum((judge[key] * torch.from_numpy(value)).sum() for key, value in weights.items()).backward()
    expected = {key: value.detach().numpy() for key, value in judge.items()}
    assert leaf.grad is not None
    assert rotation.grad is not None
    assert origin.grad is not None
    expected |= {"v_packed": leaf.grad.numpy(), "v_rotation": rotation.grad.numpy(), "v_origin": origin.grad.numpy()}
    if sky is not None and sky.grad is not None:
        expected["v_background"] = sky.grad.numpy()
    found = rasterize_with_gradients(
        packed,
        view,
        body=body,
        background=background,
        settings=settings,
        v_rgb=weights["rgb"],
        v_alpha=weights["alpha"],
        v_depth=weights["depth_sum"],
    )
    answer = {key: np.asarray(value) for key, value in found.items() if value is not None}
    # the kernel marks "never below one half" by 0 or NaN
    answer["median_depth"] = np.where(answer["median_depth"] == 0, np.nan, answer["median_depth"])
    return answer, expected, safe


def relative(found: NDArray[Any], expected: NDArray[Any]) -> float:
    """Norm of the difference over the norm of the truth."""
    return float(np.linalg.norm(found - expected) / max(np.linalg.norm(expected), 1e-30))


def check_exact(found: dict[str, Any], expected: dict[str, Any], safe: NDArray[np.bool_]) -> None:
    """The bars with inflated bounds."""
    assert safe.mean() > 0.98
    assert (expected["alpha"] > 0.1).mean() > 0.4, "the scene must fill a good part of the picture"
    assert np.abs(found["rgb"] - expected["rgb"])[safe].max() <= 1e-5
    assert np.abs(found["alpha"] - expected["alpha"])[safe].max() <= 1e-5
    hit = safe & (expected["alpha"] > 1e-3)
    depth = found["depth_sum"][hit] / found["alpha"][hit]
    assert np.abs(depth / expected["depth"][hit] - 1).max() <= 1e-5
    errors = {name: relative(found["v_packed"][part], expected["v_packed"][part]) for name, part in GROUPS.items()}
    for name in ("v_rotation", "v_origin", "v_background"):
        if name in expected and (name in found or name != "v_background"):
            errors[name] = relative(found[name], expected[name])
    assert max(errors.values()) <= 1e-4, errors


@pytest.mark.parametrize("direction", list(ShutterDirection))
@pytest.mark.parametrize("model", list(scenes.CAMERAS))
def test_exact_with_inflated_bounds(model: str, direction: ShutterDirection) -> None:
    bodies = 2 if direction in BODIES else 0
    view = scenes.moving_view(scenes.CAMERAS[model](), direction, bodies=bodies)
    packed, body = scenes.cloud(200, degree=1, bodies=bodies, seed=3, spread=scenes.SPREAD[model])
    found, expected, safe = compare(packed, view, body, scenes.EXACT, np.array([0.2, 0.4, 0.9], np.float32))
    check_exact(found, expected, safe)


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_every_sh_degree(degree: int) -> None:
    view = scenes.moving_view(scenes.pinhole(48, 32), ShutterDirection.TOP_TO_BOTTOM, bodies=1)
    packed, body = scenes.cloud(100, degree=degree, bodies=1, seed=5)
    packed[:, 14:] *= 3  # strong view dependence, some channels clamped at 0
    check_exact(*compare(packed, view, body, scenes.EXACT, None))


def test_background_image() -> None:
    view = scenes.moving_view(scenes.fisheye(48, 32), ShutterDirection.LEFT_TO_RIGHT)
    packed, body = scenes.cloud(150, seed=6, spread=1.5)
    background = np.random.default_rng(0).random((32, 48, 3)).astype(np.float32)
    check_exact(*compare(packed, view, body, scenes.EXACT, background))


def test_odd_sizes_and_opaque_gaussians() -> None:
    view = scenes.moving_view(scenes.pinhole(37, 23), ShutterDirection.BOTTOM_TO_TOP)
    packed, body = scenes.cloud(150, seed=8)
    packed[:, 10] += 4  # alpha clamps at its cap, pixels finish early
    check_exact(*compare(packed, view, body, scenes.EXACT, None))


@pytest.mark.parametrize("direction", list(ShutterDirection))
@pytest.mark.parametrize("model", list(scenes.CAMERAS))
def test_normal_bounds(model: str, direction: ShutterDirection) -> None:
    bodies = 2 if direction in BODIES else 0
    view = scenes.moving_view(scenes.CAMERAS[model](), direction, bodies=bodies)
    packed, body = scenes.cloud(400, degree=1, bodies=bodies, seed=4, spread=scenes.SPREAD[model])
    found, expected, _ = compare(packed, view, body, RasterSettings(), None)
    assert (np.abs(found["rgb"] - expected["rgb"]).max(axis=-1) <= 1 / 255).mean() >= 0.999
    assert (np.abs(found["alpha"] - expected["alpha"]) <= 1 / 255).mean() >= 0.999
    equal = np.isclose(found["median_depth"], expected["median_depth"], rtol=1e-4, atol=0, equal_nan=True)
    assert equal.mean() >= 0.999


def test_unscented_parameter_of_gsplat() -> None:
    """Alpha = 0.1 has weights of -99: the bounds must survive float32."""
    view = scenes.moving_view(scenes.pinhole(), ShutterDirection.TOP_TO_BOTTOM)
    packed, body = scenes.cloud(300, seed=4)
    found, expected, _ = compare(packed, view, body, RasterSettings(ut_alpha=0.1), None)
    assert (np.abs(found["rgb"] - expected["rgb"]).max(axis=-1) <= 1 / 255).mean() >= 0.995


def test_an_empty_cloud_is_background() -> None:
    view = scenes.moving_view(scenes.pinhole(20, 18), ShutterDirection.GLOBAL)
    packed = np.zeros((0, 23), np.float32)
    found, _, _ = compare(packed, view, np.zeros(0, np.int32), RasterSettings(), np.array([0.1, 0.2, 0.3], np.float32))
    assert np.array_equal(found["rgb"], np.broadcast_to(np.array([0.1, 0.2, 0.3], np.float32), (18, 20, 3)))
    assert not found["alpha"].any()
    assert np.isnan(found["median_depth"]).all()
