"""What a Gaussian costs in a file, and what the file costs the picture: ``python -m bench.file_size SCENE.usdz``.

Every format is written from the Gaussians of all that stands still, and read back; the same frames are then rendered
with both. "itself" is the PSNR of the pictures after the format to those before. With ``--drive RECORDING`` the last
column is the measured loss of PSNR on the held-out frames; without it, what that loss would be for a scene of
``--scene-psnr`` dB whose errors are independent of the format's. ``--members 100000`` instead prints what each member
of a scene file takes for that many random Gaussians, by degree of their harmonics.
"""

from __future__ import annotations

import argparse
import math
import tempfile
import time
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avrec.drive import Drive
from avrec.gaussians import Gaussians
from avrec.rendering import render
from avrec.scene import Scene
from avrec.scene.foreign import export_gaussians, import_gaussians
from avrec.scene.importing.placeholder import placeholder_rig
from bench.reconstruct_cases import quick_psnr

__all__ = ["main"]

FORMATS = {
    "scene member, float32": ".npy",
    "PLY, float32": ".ply",
    "ParticleField, float32": ".usdc",
    "NuRec, fp16": ".nurec",
    "SPZ 3": ".spz",
    "avrec compact": ".avgc",
}

Pictures = list[NDArray[np.float32]]


def main(arguments: list[str] | None = None) -> int:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(prog="python -m bench.file_size", description=__doc__)
    parser.add_argument("scene", type=Path, nargs="?")
    parser.add_argument("--members", type=int, metavar="GAUSSIANS", help="print the members of scene files instead")
    parser.add_argument("--drive", type=Path, help="the recording that the scene was made from")
    parser.add_argument("--frames", type=int, default=3, help="rendered per camera")
    parser.add_argument("--scene-psnr", type=float, default=28.0)
    chosen = parser.parse_args(arguments)
    if chosen.members:
        return _print_members(chosen.members)
    if chosen.scene is None:
        parser.error("give a scene file, or --members 100000")
    scene = Scene.open(chosen.scene)
    views = _views(scene, chosen.frames)
    before = _pictures(scene, views)
    drive = Drive.open(chosen.drive) if chosen.drive else None
    psnr = quick_psnr(scene, drive) if drive else chosen.scene_psnr
    static = scene.world_gaussians()
    known = "held-out PSNR" if drive else "for a scene of"
    print(f"{len(static)} Gaussians of degree {static.sh_degree}, {len(views)} frames, {known} {psnr:.2f} dB")
    titles = ("bytes each", 10), ("of float32", 10), ("write s", 7), ("read s", 6), ("itself", 7), ("loss dB", 8)
    print(" ".join([f"{'format':<24}", *(f"{title:>{width}}" for title, width in titles)]))
    for label, suffix in FORMATS.items():
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"a{suffix}"
            start = time.perf_counter()
            _write(static, path)
            middle = time.perf_counter()
            back = _read(path)
            end = time.perf_counter()
            size = path.stat().st_size
        changed = replace(scene, static=back, road=None)
        itself = _psnr(_pictures(changed, views), before)
        loss = psnr - quick_psnr(changed, drive) if drive else 10 * math.log10(1 + 10 ** ((psnr - itself) / 10))
        print(
            f"{label:<24} {size / len(static):>10.2f} {size / static.nbytes:>10.3f} {middle - start:>7.2f} "
            f"{end - middle:>6.2f} {itself:>7.1f} {loss:>8.4f}"
        )
    return 0


def _print_members(count: int) -> int:
    rng = np.random.default_rng(0)
    print(f"bytes a Gaussian in a scene file of {count}, and share of the file")
    for degree in range(4):
        packed = rng.standard_normal((count, 11 + 3 * (degree + 1) ** 2)).astype(np.float32)
        cloud = Gaussians(packed)
        rig = placeholder_rig(cloud)
        scene = Scene(
            name="members",
            static=cloud,
            ego=rig.ego,
            ego_recorded=rig.ego,
            cameras=rig.cameras,
            cameras_recorded=rig.cameras,
            frames=rig.frames,
        )
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "a.usdz"
            scene.save(path)
            total = path.stat().st_size
            with zipfile.ZipFile(path) as package:
                members = [(info.filename, info.file_size) for info in package.infolist()]
        told = [f"{name} {size / count:.1f} ({size / total:.0%})" for name, size in members if size > 0.02 * total]
        print(f"degree {degree}: {total / count:.1f} in all; {', '.join(told)}")
    return 0


def _write(cloud: Gaussians, path: Path) -> None:
    """As a file of its ending; .npy is how a scene file keeps its own Gaussians, `avrec/static.npy`."""
    if path.suffix == ".npy":
        np.save(path, cloud.packed, allow_pickle=False)
    else:
        export_gaussians(cloud, path)


def _read(path: Path) -> Gaussians:
    return Gaussians(np.load(path)) if path.suffix == ".npy" else import_gaussians(path).gaussians


def _views(scene: Scene, frames: int) -> list[tuple[str, int]]:
    """Cameras and times spread over the recording."""
    chosen = []
    for camera in scene.camera_names:
        times = scene.frames[camera]
        if len(times):
            picked = np.unique(np.linspace(0, len(times) - 1, frames + 2).round().astype(int)[1:-1])
            chosen += [(camera, int(times[index])) for index in picked]
    return chosen


def _pictures(scene: Scene, views: Sequence[tuple[str, int]]) -> Pictures:
    return [np.asarray(render(scene, camera, time_us=time_us).rgb, np.float32) for camera, time_us in views]


def _psnr(one: Pictures, two: Pictures) -> float:
    error = sum(float(np.square(a - b, dtype=np.float64).sum()) for a, b in zip(one, two, strict=True))
    return 10 * math.log10(sum(a.size for a in one) / max(error, 1e-30))


if __name__ == "__main__":
    raise SystemExit(main())
