"""The kernel gives the same bits at any thread count, from run to run, and in a forked child."""

from __future__ import annotations

import multiprocessing
import warnings
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from avrec.geometry import ShutterDirection
from avrec.raster.native import NativeRasterizer, set_threads, threads
from avrec.raster.native.optimise import PhotometricLoss, adam_rows
from tests.raster import scenes
from tests.raster.kernels import needs_kernel, threads_set_to

pytestmark = needs_kernel

ROLLING = (ShutterDirection.TOP_TO_BOTTOM, ShutterDirection.RIGHT_TO_LEFT, ShutterDirection.GLOBAL)


def one_step(
    direction: ShutterDirection, rasterizer: NativeRasterizer | None = None, loss: PhotometricLoss | None = None
) -> dict[str, NDArray[Any]]:
    """Everything the kernel computes in a training step, with bodies, sky, masks and pose gradients."""
    rasterizer, loss = rasterizer or NativeRasterizer(), loss or PhotometricLoss()
    view = scenes.moving_view(scenes.pinhole(83, 61), direction, bodies=3)
    packed, body = scenes.cloud(6000, degree=2, bodies=3, seed=1)
    packed[:, 7:10] -= 1
    packed[:, 10] -= 2
    rng = np.random.default_rng(2)
    cubemap = rng.random((6, 8, 8, 3)).astype(np.float32)
    target = rng.integers(0, 256, (61, 83, 3)).astype(np.uint8)
    weight = rng.random((61, 83)).astype(np.float32)
    rasterizer.project(packed, view, body=body)
    sky = rasterizer.sky(cubemap)
    out = dict(rasterizer.forward(sky, depth=True))
    value, v_rgb, v_affine = loss(out["rgb"], target, np.eye(3, 4) * 1.1, weight)
    v_depth, v_alpha = rng.normal(size=(2, 61, 83)).astype(np.float32) * 1e-4
    ids, gradients, lines = rasterizer.backward(v_rgb, v_alpha=v_alpha, v_depth=v_depth, pose=True)
    assert lines is not None
    assert len(ids) > 3000, "several chunks of work per stage"
    assert set(body[ids]) == {0, 1, 2, 3}
    starts, listed = rasterizer.tile_lists()
    stepped, moments = packed.copy(), (np.zeros_like(packed), np.zeros_like(packed))
    adam_rows(stepped, moments, ids, gradients, np.full(packed.shape[1], 1e-3, np.float32), 1, opacity_weight=1e-3)
    out |= {"sky": sky, "loss": np.array(value), "v_rgb": v_rgb, "v_affine": v_affine, "ids": ids, "lists": listed}
    out |= {"gradients": gradients, "lines": lines, "v_sky": rasterizer.sky_gradient(v_rgb, cubemap)}
    return out | {"starts": starts, "bounds": rasterizer.bounds(), "stepped": stepped, "second": moments[1]}


def same_bits(first: dict[str, NDArray[Any]], second: dict[str, NDArray[Any]]) -> None:
    assert first.keys() == second.keys()
    different = [name for name in first if first[name].tobytes() != second[name].tobytes()]
    assert not different


@pytest.mark.parametrize("direction", ROLLING)
def test_the_same_bits_at_any_thread_count(direction: ShutterDirection) -> None:
    with threads_set_to(1):
        alone = one_step(direction)
    assert np.abs(alone["lines"]).max() > 0
    assert np.abs(alone["v_sky"]).max() > 0
    for count in (2, 3, 8):
        with threads_set_to(count):
            assert threads() == count
            same_bits(alone, one_step(direction))


@pytest.mark.parametrize("direction", ROLLING)
def test_the_same_bits_from_run_to_run_and_with_used_buffers(direction: ShutterDirection) -> None:
    rasterizer, loss = NativeRasterizer(), PhotometricLoss()
    with threads_set_to(3):
        first = one_step(direction, rasterizer, loss)
        one_step(ROLLING[ROLLING.index(direction) - 1], rasterizer, loss)  # another picture in between
        same_bits(first, one_step(direction, rasterizer, loss))


def _child(pipe: Connection) -> None:
    out = one_step(ShutterDirection.TOP_TO_BOTTOM)
    set_threads(2)
    again = one_step(ShutterDirection.TOP_TO_BOTTOM)
    pipe.send({name: value.tobytes() for name, value in out.items()})
    pipe.send({name: value.tobytes() for name, value in again.items()})


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="this system cannot fork")
def test_a_forked_child_has_threads_of_its_own() -> None:
    with threads_set_to(3):
        here = one_step(ShutterDirection.TOP_TO_BOTTOM)  # the parent's threads are up and asleep
        context = multiprocessing.get_context("fork")
        ours, theirs = context.Pipe()
        child = context.Process(target=_child, args=(theirs,))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of fork beside threads: the point
            child.start()
        try:
            for _ in range(2):
                assert ours.poll(60), "the child hangs"
                assert ours.recv() == {name: value.tobytes() for name, value in here.items()}
            child.join(60)
            assert child.exitcode == 0
        finally:
            if child.is_alive():
                child.kill()
        same_bits(here, one_step(ShutterDirection.TOP_TO_BOTTOM))
