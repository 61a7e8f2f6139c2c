"""The CPU kernel against plain torch, and against gsplat where there is a GPU: ``python -m bench.raster``.

All see the same scene, the same thresholds and, where they have lists, the same tile lists, in one run. Torch runs a
random sample of the tiles (at least 5 % of them and of their intersections) and is extrapolated by intersections. The
kernel's figures are the least of several repeats; torch's likewise. Writes ``raster.json`` and ``raster.png``.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Spinning OpenMP threads would take the kernel's cores between torch's operators and slow both.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("GOMP_SPINCOUNT", "0")

import numpy as np
import torch

from avrec.raster import RasterSettings
from avrec.raster.gsplat_adapter import rasterize_cuda, why_no_cuda
from avrec.raster.native import NativeRasterizer, instruction_set, set_threads, threads
from avrec.raster.tiles_torch import run_tiles, sample_tiles
from bench.canyon import canyon_camera, canyon_cloud, canyon_view

__all__ = ["main"]

SIZES = ((480, 320), (640, 480), (1600, 900))
COUNTS = (100_000, 500_000)


def main(arguments: list[str] | None = None) -> int:
    """Measure, write and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.raster", description=__doc__)
    parser.add_argument("--sizes", nargs="+", default=[f"{w}x{h}" for w, h in SIZES])
    parser.add_argument("--counts", type=int, nargs="+", default=list(COUNTS))
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--torch-repeats", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("bench/out"))
    chosen = parser.parse_args(arguments)
    set_threads(chosen.threads)
    torch.set_num_threads(chosen.threads)
    gpu = "no GPU" if why_no_cuda() else "yes"
    print(f"kernel {instruction_set()}, {threads()} threads; torch {torch.__version__}; gsplat: {gpu}")
    print(f"{'picture':>10} {'Gaussians':>9} {'pairs':>8} {'project':>8} {'forward':>8} {'backward':>8} {'+pose':>7} "
          f"{'F':>7} {'F+B':>7} {'torch F+B':>10} {'ratio':>6} {'gsplat F':>9}   (ms)")  # fmt: skip
    rows = []
    for size in chosen.sizes:
        width, height = map(int, size.split("x"))
        for count in chosen.counts:
            row = _measure(width, height, count, chosen.repeats, chosen.torch_repeats)
            rows.append(row)
            print(
                f"{size:>10} {count:>9} {row['intersections']:>8} {row['project_ms']:>8.1f} {row['forward_ms']:>8.1f} "
                f"{row['backward_ms']:>8.1f} {row['pose_ms']:>7.1f} {row['f_ms']:>7.1f} {row['fb_ms']:>7.1f} "
                f"{row['torch_fb_ms']:>10.0f} {row['ratio']:>6.0f} {_or_dash(row['gsplat_f_ms']):>9}",
                flush=True,
            )
    chosen.out.mkdir(parents=True, exist_ok=True)
    (chosen.out / "raster.json").write_text(json.dumps(rows, indent=1), encoding="utf-8")
    _plot(rows, chosen.out / "raster.png")
    return 0


def _measure(width: int, height: int, count: int, repeats: int, torch_repeats: int) -> dict[str, Any]:
    camera = canyon_camera(width, height)
    packed, view, settings = canyon_cloud(count, camera), canyon_view(camera), RasterSettings()
    v_rgb = np.random.default_rng(1).normal(size=(height, width, 3)).astype(np.float32)
    rasterizer = NativeRasterizer()
    project = _least(repeats, lambda: rasterizer.project(packed, view, settings=settings))
    forward = _least(repeats, lambda: rasterizer.forward())
    backward = _least(repeats, lambda: rasterizer.backward(v_rgb))
    pose = _least(repeats, lambda: rasterizer.backward(v_rgb, pose=True))

    starts, ids = rasterizer.tile_lists()
    tiles = sample_tiles(starts)
    leaf, pull = torch.from_numpy(packed), torch.from_numpy(v_rgb)
    runs = [
        run_tiles(leaf, view, starts, ids, tiles=tiles, settings=settings, v_rgb=pull) for _ in range(torch_repeats)
    ]
    rival_s = min(run.picture_forward_s + run.picture_backward_s for run in runs)
    ours_s = project + forward + backward
    return {
        "width": width, "height": height, "gaussians": count, "threads": threads(), "kernel": instruction_set(),
        "visible": len(rasterizer.ids()), "intersections": rasterizer.intersections,
        "project_ms": 1e3 * project, "forward_ms": 1e3 * forward, "backward_ms": 1e3 * backward,
        "pose_ms": 1e3 * (pose - backward), "f_ms": 1e3 * (project + forward), "fb_ms": 1e3 * ours_s,
        "torch_fb_ms": 1e3 * rival_s, "torch_f_ms": 1e3 * min(run.picture_forward_s for run in runs),
        "torch_tiles": runs[0].tiles / runs[0].all_tiles, "ratio": rival_s / ours_s,
        "gsplat_f_ms": _gsplat(packed, view, settings, repeats),
    }  # fmt: skip


def _or_dash(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _least(repeats: int, call: Callable[[], object]) -> float:
    """Least seconds over some calls, after one that does not count."""
    call()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def _gsplat(packed: np.ndarray[Any, Any], view: Any, settings: RasterSettings, repeats: int) -> float | None:
    """Milliseconds of gsplat's forward pass, Gaussians already there."""
    if why_no_cuda() is not None:
        return None

    leaf = torch.from_numpy(packed).cuda()

    def call() -> None:
        rasterize_cuda(leaf, view, settings=settings)
        torch.cuda.synchronize()

    return 1e3 * _least(repeats, call)


def _plot(rows: list[dict[str, Any]], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 4.5))
    names = [f"{row['width']}x{row['height']}\n{row['gaussians'] // 1000}k" for row in rows]
    bottom = np.zeros(len(rows))
    for key in ("project_ms", "forward_ms", "backward_ms"):
        values = np.array([row[key] for row in rows])
        axes.bar(names, values, bottom=bottom, label=key.removesuffix("_ms"))
        bottom += values
    for index, row in enumerate(rows):
        axes.text(index, bottom[index], f"torch x{row['ratio']:.0f}", ha="center", va="bottom")
    axes.set_ylabel(f"ms per picture, {rows[0]['threads']} threads")
    axes.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    sys.exit(main())
