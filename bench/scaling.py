"""Cost against the number of Gaussians: ``python -m bench.scaling``.

Time of an optimisation step and size of the scene file on the synthetic street, from 25 000 to 200 000 Gaussians.
Writes ``scaling.json`` and ``scaling.png`` into ``--out`` and prints a table.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from avrec.drive import Drive
from avrec.reconstruction import ReconstructionConfig, held_out_frames, reconstruct
from avrec.reconstruction.points import InitialPoints, initial_points
from bench.reconstruct_cases import CASES, open_recording

__all__ = ["main"]

SIZES = (25_000, 50_000, 100_000, 200_000)
_HOLDOUT = 8


def main(arguments: list[str] | None = None) -> int:
    """Measure, write and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.scaling", description=__doc__)
    parser.add_argument("--iterations", type=int, default=150)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--out", type=Path, default=Path("bench/out"))
    chosen = parser.parse_args(arguments)
    chosen.out.mkdir(parents=True, exist_ok=True)
    drive = open_recording(CASES[0], chosen.out)
    points = initial_points(drive, held_out_frames(drive, _HOLDOUT), seed=0, max_points=60_000)
    rows = [_measure(drive, points, size, chosen.iterations, chosen.out) for size in chosen.sizes]
    (chosen.out / "scaling.json").write_text(json.dumps(rows, indent=1), encoding="utf-8")
    print(f"{'Gaussians':>10} {'ms a step':>10} {'us a step and 1000':>19} {'file MiB':>9} {'bytes each':>11}")
    for row in rows:
        count, step, size = row["gaussians"], row["step_ms"], row["file_bytes"]
        print(f"{count:>10} {step:>10.1f} {step / count * 1e6:>19.1f} {size / 2**20:>9.1f} {size / count:>11.1f}")
    _plot(rows, chosen.out / "scaling.png")
    return 0


def _measure(drive: Drive, points: InitialPoints, size: int, iterations: int, out: Path) -> dict[str, Any]:
    """Optimise ``size`` Gaussians at full size for a while; none is added on the way."""
    rng = np.random.default_rng(0)
    rows = rng.integers(0, len(points.xyz), size)
    near = points.xyz[rows] + rng.normal(0, 0.03, (size, 3)).astype(np.float32)
    spread = replace(points, xyz=near.astype(np.float32), rgb=points.rgb[rows], source=points.source[rows])
    target = out / "scenes" / f"scaling_{size}.usdz"
    target.parent.mkdir(parents=True, exist_ok=True)
    config = ReconstructionConfig(most_gaussians=size, growth=0.0, levels=((1.0, 1),), sh_from=0.0, pose_from=0.0)
    scene = reconstruct(
        drive,
        output=target,
        iterations=iterations,
        holdout=_HOLDOUT,
        config=config,
        points=spread,
        overwrite=True,
        complete=False,
    )
    return {
        "gaussians": scene.gaussian_count,
        "step_ms": 1e3 * float(scene.source["optimised_s"]) / iterations,
        "file_bytes": target.stat().st_size,
    }


def _plot(rows: list[dict[str, Any]], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(ncols=2, figsize=(9, 4), layout="constrained")
    counts = [row["gaussians"] for row in rows]
    left.plot(counts, [row["step_ms"] for row in rows], marker="o")
    left.set(xlabel="Gaussians", ylabel="milliseconds a step", xlim=(0, None), ylim=(0, None))
    right.plot(counts, [row["file_bytes"] / 2**20 for row in rows], marker="o")
    right.set(xlabel="Gaussians", ylabel="scene file, MiB", xlim=(0, None), ylim=(0, None))
    for axes in (left, right):
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


if __name__ == "__main__":
    sys.exit(main())
