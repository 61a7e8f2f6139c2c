"""PSNR against time on the synthetic street and on recordings: ``python -m bench.reconstruct``.

Every case runs in a process of its own, so that peak memory is its own too. Writes ``reconstruct.json`` and
``reconstruct.png`` into ``--out`` and prints a table that says which bars are met.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench.reconstruct_cases import CASES, Case

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Run the chosen cases; 0 where every bar that applies is met."""
    parser = argparse.ArgumentParser(prog="python -m bench.reconstruct", description=__doc__)
    parser.add_argument("--scene", action="append", choices=("street", "kitti", "paris"), help="default: all there are")
    parser.add_argument("--case", action="append", help="only cases with this in their name")
    parser.add_argument(
        "--budget", type=float, help="seconds for every case, instead of its own (bars then do not apply)"
    )
    parser.add_argument("--out", type=Path, default=Path("bench/out"))
    chosen = parser.parse_args(arguments)
    scenes = chosen.scene or (["street", "kitti", "paris"] if os.environ.get("AVREC_DEV_DATA") else ["street"])
    cases = [case for case in CASES if case.scene in scenes]
    if chosen.case:
        cases = [case for case in cases if any(part in case.name for part in chosen.case)]
    chosen.out.mkdir(parents=True, exist_ok=True)
    results: list[dict[str, Any]] = []
    failed: list[str] = []
    for case in cases:
        print(f"{case.name} ...", flush=True)
        try:
            results.append(_run(case, chosen.out, chosen.budget))
        except subprocess.CalledProcessError:
            failed.append(case.name)
            print(f"{case.name} failed", flush=True)
            continue
        report = {"machine": f"{platform.machine()}, {os.cpu_count()} cores", "results": results}
        (chosen.out / "reconstruct.json").write_text(json.dumps(report, indent=1), encoding="utf-8")
    if not results:
        return 1
    _print_table(results)
    _plot(results, chosen.out / "reconstruct.png")
    missed = [path for result in results for path, _, _, met in bars(result) if not met]
    if chosen.budget is None:
        missed += [what for what, gained, least in gains(results) if gained < least]
    return 1 if missed or failed else 0


def bars(result: dict[str, Any]) -> list[tuple[str, float, float | None, bool]]:
    """Each bar of a result: its figure, the limit, what was found, whether it is met."""
    rows = []
    for bar in result["case"]["bars"]:
        found: Any = result
        for key in bar["keys"]:
            found = found.get(key) if isinstance(found, dict) else None
        met = found is not None and (found <= bar["limit"] if bar["most"] else found >= bar["limit"])
        rows.append((" ".join(bar["keys"]), bar["limit"], found, met))
    return rows


def gains(results: list[dict[str, Any]]) -> list[tuple[str, float, float]]:
    """What a part of the method is worth, from pairs of cases: its name, dB gained, dB it should gain."""
    by_label = {result["case"]["label"]: result for result in results}
    pairs = (
        ("modelling the shutter", "street", "street, shutter ignored", "psnr", 4.0),
        ("refining poses (aligned)", "paris", "paris, poses as recorded", "psnr_aligned", 1.5),
    )
    return [
        (what, by_label[better][figure] - by_label[worse][figure], least)
        for what, better, worse, figure, least in pairs
        if better in by_label and worse in by_label
    ]


def _run(case: Case, out: Path, budget_s: float | None) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.json"
        order = {"case": case.name, "out": str(out), "result": str(result), "budget_s": budget_s}
        subprocess.run([sys.executable, "-m", "bench.reconstruct_cases", json.dumps(order)], check=True)
        content: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
        return content


def _print_table(results: list[dict[str, Any]]) -> None:
    print()
    print(f"{'case':<34} {'PSNR':>6} {'SSIM':>6} {'GMSD':>6} {'aligned':>7} {'nearest':>7} {'half':>6} {'N':>8} GiB")
    for result in results:
        hard = result["difficulty"]
        print(
            f"{result['case']['name']:<34} {_number(result['psnr'], 2):>6} {_number(result['ssim'], 3):>6} "
            f"{_number(result['gmsd'], 3):>6} {_number(result.get('psnr_aligned'), 2):>7} "
            f"{_number(hard['nearest_frame_psnr'], 1):>7} {_number(hard['half_size_psnr'], 1):>6} "
            f"{result['gaussians']:>8} {result['peak_memory_gib']:>5}"
        )
        for path, limit, found, met in bars(result):
            print(f"    {path} {_number(found, 3)}, bar {limit:g}: {'met' if met else 'MISSED'}")
        street = result.get("street")
        if street:
            for label, poses in street["poses"].items():
                print(
                    f"    {label} poses off by {poses['rotation_deg']:.3f} deg, {poses['translation_m'] * 100:.2f} cm"
                )

    for what, gained, least in gains(results):
        print(f"{what} is worth {gained:+.2f} dB, bar {least:g}: {'met' if gained >= least else 'MISSED'}")


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _plot(results: list[dict[str, Any]], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 5), layout="constrained")
    for result in results:
        times, scores = zip(*result["curve"], strict=True)
        axes.plot(times, scores, marker="o", markersize=3, label=result["case"]["name"])
    axes.set(xlabel="seconds of optimisation", ylabel="PSNR on held-out frames, dB")
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


if __name__ == "__main__":
    sys.exit(main())
