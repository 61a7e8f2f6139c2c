"""Time, memory and size of scene files: ``python -m bench.scene_file [--gaussians 1000000] [--degree 3]``.

Saving and opening run in a process of their own each. Memory is the highest resident size above that after all
imports, the model itself included.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np

SAVE_LIMIT_S, OPEN_LIMIT_S, MEMORY_LIMIT = 10.0, 5.0, 3.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gaussians", type=int, default=1_000_000)
    parser.add_argument("--degree", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where to write; a temporary folder by default")
    parser.add_argument("--step", choices=["save", "open"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step == "save":
        print(json.dumps(save(options.folder / "bench.usdz", options.gaussians, options.degree)))
        return
    if options.step == "open":
        print(json.dumps(read(options.folder / "bench.usdz")))
        return
    with tempfile.TemporaryDirectory(dir=options.folder, prefix="scene-file-") as folder:
        show(Path(folder), options.gaussians, options.degree)


def show(folder: Path, gaussians: int, degree: int) -> None:
    """Run both steps and print the table."""
    model = gaussians * (11 + 3 * (degree + 1) ** 2) * 4
    print(f"{gaussians} Gaussians, SH degree {degree}: {model / 1e6:.0f} MB as float32")
    for step, limit in (("save", SAVE_LIMIT_S), ("open", OPEN_LIMIT_S)):
        command = [sys.executable, "-m", "bench.scene_file", "--step", step, "--folder", str(folder)]
        command += ["--gaussians", str(gaussians), "--degree", str(degree)]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        times = found["peak_bytes"] / model
        print(
            f"{step}: {found['seconds']:.2f} s (limit {limit:g}), {found['peak_bytes'] / 1e6:.0f} MB above imports, "
            f"{times:.2f}x the model (limit {MEMORY_LIMIT:g})"
        )
    path = folder / "bench.usdz"
    print(f"file: {path.stat().st_size / 1e6:.0f} MB, {path.stat().st_size / gaussians:.0f} bytes a Gaussian")
    with zipfile.ZipFile(path) as archive:
        for member in sorted(archive.infolist(), key=lambda member: -member.file_size)[:6]:
            print(f"  {member.file_size / 1e6:8.1f} MB  {member.filename}")


def save(path: Path, gaussians: int, degree: int) -> dict[str, float]:
    """Save a made-up scene. Everything is imported, and numpy's and OpenUSD's libraries are loaded, beforehand."""
    import msgpack
    import torch
    import yaml
    from pxr import Sdf, Usd, UsdGeom, UsdPhysics, UsdVol

    from avrec.drive import CameraSensor
    from avrec.gaussians import Gaussians
    from avrec.geometry import OpenCVPinholeCamera, Shutter, Trajectory
    from avrec.scene import Scene

    loaded = (msgpack, torch, yaml, Sdf, Usd, UsdGeom, UsdPhysics, UsdVol)
    before = _resident("VmRSS")
    rng = np.random.default_rng(0)
    packed = rng.standard_normal((gaussians, 11 + 3 * (degree + 1) ** 2), np.float32)
    packed[:, :3] *= 50
    times = np.arange(300, dtype=np.int64) * 100_000
    poses = np.tile(np.eye(4), (300, 1, 1))
    poses[:, 0, 3] = times * 1e-5
    ego = Trajectory(times, poses)
    sensor = CameraSensor(
        "front", OpenCVPinholeCamera(1920, 1080, (1000.0, 1000.0), (960.0, 540.0)), np.eye(4), Shutter()
    )
    on_road = gaussians // 5  # a reconstruction ends with such a layer
    scene = Scene(
        name="bench",
        static=Gaussians(packed[on_road:]),
        road=Gaussians(packed[:on_road]),
        ego=ego,
        ego_recorded=ego,
        cameras={"front": sensor},
        cameras_recorded={"front": sensor},
        frames={"front": times},
    )
    start = time.perf_counter()
    scene.save(path)
    return {"seconds": time.perf_counter() - start, "peak_bytes": _resident("VmHWM") - before, "loaded": len(loaded)}


def read(path: Path) -> dict[str, float]:
    """Open it again."""
    from avrec.scene import Scene

    before = _resident("VmRSS")
    start = time.perf_counter()
    scene = Scene.open(path)
    return {
        "seconds": time.perf_counter() - start,
        "peak_bytes": _resident("VmHWM") - before,
        "count": scene.gaussian_count,
    }


def _resident(key: str) -> int:
    """Bytes of ``VmRSS`` (now) or ``VmHWM`` (the most so far)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(key):
            return int(line.split()[1]) * 1024
    raise RuntimeError("this bench needs Linux's /proc")


if __name__ == "__main__":
    main()
