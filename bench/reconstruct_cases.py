"""The reconstructions that ``bench.reconstruct`` measures, and how one of them is run."""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from avrec.drive import Drive
from avrec.errors import DataError
from avrec.evaluation import evaluate
from avrec.evaluation.evaluate import held_out_frames, recorded_at
from avrec.evaluation.metrics import psnr
from avrec.rendering import modelled_shutter, render
from avrec.scene import Scene

__all__ = ["CASES", "Bar", "Case", "run_case"]


@dataclass(frozen=True)
class Bar:
    """What a figure, found by its keys in the result, must reach; or stay below, with ``most``."""

    keys: tuple[str, ...]
    limit: float
    most: bool = False


@dataclass(frozen=True)
class Case:
    """One reconstruction.

    Attributes:
        label: what is special about it.
        scene: which recording: ``street``, ``kitti`` or ``paris``.
        budget_s: seconds to optimise.
        holdout: every how manieth frame is kept out.
        cameras: which ones, all when empty.
        downscale: of the pictures.
        refine_poses: correct the recorded poses.
        shutter: ``model`` or ``ignore``.
        align: also score with each frame's pose fitted to it.
        pose_noise: lay 0.2 degrees and 3 cm on the street's recorded poses.
        bars: what its figures must reach.
    """

    label: str
    scene: str
    budget_s: float
    holdout: int = 8
    cameras: tuple[str, ...] = ()
    downscale: int = 1
    refine_poses: bool = True
    shutter: Literal["model", "ignore"] = "model"
    align: bool = False
    pose_noise: bool = False
    bars: tuple[Bar, ...] = ()

    @property
    def name(self) -> str:
        """Of its row in the table and of its files."""
        return f"{self.label}, {self.budget_s:g} s"


_KITTI = ("image_02", "image_03")

CASES = (
    Case("street", "street", 60, bars=(Bar(("psnr",), 31.0),)),
    Case(
        "street",
        "street",
        300,
        bars=(
            Bar(("psnr",), 38.0),
            Bar(("street", "shifts", "+1.50", "psnr"), 28.0),
            Bar(("street", "cars", "psnr"), 27.0),
            Bar(("street", "removed", "psnr"), 24.0),
            Bar(("street", "ground", "median_m"), 0.03, most=True),
            Bar(("street", "ground", "p95_m"), 0.10, most=True),
        ),
    ),
    Case("street, shutter ignored", "street", 300, shutter="ignore"),
    Case(
        "street, noisy poses",
        "street",
        300,
        align=True,
        pose_noise=True,
        bars=(
            Bar(("street", "poses", "refined", "rotation_deg"), 0.05, most=True),
            Bar(("street", "poses", "refined", "translation_m"), 0.01, most=True),
        ),
    ),
    Case("kitti", "kitti", 300, cameras=_KITTI, bars=(Bar(("psnr",), 24.0),)),
    Case("paris", "paris", 600, holdout=4, downscale=2, align=True),
    Case("paris, poses as recorded", "paris", 600, holdout=4, downscale=2, align=True, refine_poses=False),
)

_MEMORY = Bar(("peak_memory_gib",), 6.0, most=True)  # on every one
_RECORDINGS = {"kitti": "kitti_raw_0001/2011_09_26/2011_09_26_drive_0001_sync", "paris": "paris_5cam"}
_CURVE_POINTS = 12


def run_case(case: Case, out: Path) -> dict[str, Any]:
    """Reconstruct and score one case in this process; its peak memory is the process's."""
    from avrec.reconstruction import reconstruct

    drive = open_recording(case, out)
    curve: list[tuple[float, float]] = []
    marks = [case.budget_s * (index + 1) / _CURVE_POINTS for index in range(_CURVE_POINTS - 1)]

    def watch(spent_s: float, snapshot: Callable[[], Scene]) -> None:
        if marks and spent_s >= marks[0]:
            marks.pop(0)
            curve.append((round(spent_s, 2), quick_psnr(snapshot(), drive)))

    target = out / "scenes" / f"{slug(case.name)}.usdz"
    target.parent.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    scene = reconstruct(
        drive,
        output=target,
        budget_s=case.budget_s,
        holdout=case.holdout,
        downscale=case.downscale,
        seed=0,
        refine_poses=case.refine_poses,
        shutter=case.shutter,
        overwrite=True,
        observer=watch,
    )
    total_s = time.perf_counter() - started
    figures = evaluate(scene, drive, align=case.align, sheet=target.with_suffix(".png")).to_dict()
    curve.append((case.budget_s, figures["psnr"]))
    figures.pop("per_frame")
    return {
        "case": {"name": case.name, **asdict(case)},
        "total_s": round(total_s, 1),
        "gaussians": scene.gaussian_count,
        "file_mib": round(target.stat().st_size / 2**20, 1),
        "peak_memory_gib": round(_peak_gib(), 2),
        "iterations": scene.source.get("iterations"),
        "curve": curve,
        **figures,
    }


def open_recording(case: Case, out: Path) -> Drive:
    """The recording of a case; streets are synthesised once and kept under ``out``.

    Raises:
        DataError: a recording that is not here.
    """
    if case.scene == "street":
        from avrec.drive.street import synthesise_street

        folder = out / ("street_noisy" if case.pose_noise else "street")
        if not folder.is_dir():
            degrees, metres = (0.2, 0.03) if case.pose_noise else (0.0, 0.0)
            synthesise_street(
                folder, seconds=4.0, cameras=3, shifts_m=(1.5,), pose_noise_deg=degrees, pose_noise_m=metres
            )
        return Drive.open(folder)
    root = os.environ.get("AVREC_DEV_DATA")
    if not root:
        raise DataError(
            "AVREC_DEV_DATA is not set. Let it name the folder with the recordings, or choose --scene street."
        )
    drive = Drive.open(Path(root) / _RECORDINGS[case.scene])
    return drive.select(cameras=list(case.cameras)) if case.cameras else drive


def quick_psnr(scene: Scene, drive: Drive) -> float:
    """Mean PSNR over the held-out frames, nothing else."""
    scale = float(scene.source.get("downscale", 1))
    held, _ = held_out_frames(scene, drive)
    scores = []
    for frame in held:
        recorded = recorded_at(frame, scale)
        size = recorded.shape[1], recorded.shape[0]
        shot = render(
            scene,
            frame.camera,
            frame.timestamp_us,
            rolling_shutter=modelled_shutter(scene),
            width=size[0],
            height=size[1],
            model=frame.model,
        )
        scores.append(psnr(shot.rgb, recorded))
    return sum(scores) / len(scores)


def slug(name: str) -> str:
    """A case's name as a file name."""
    return "_".join("".join(letter if letter.isalnum() else " " for letter in name).split())


def _peak_gib() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**30 if sys.platform == "darwin" else 2**20)


def main() -> None:
    """Run the case given as JSON and write its result; ``bench.reconstruct`` starts one process per case."""
    order = json.loads(sys.argv[1])
    case = next(entry for entry in CASES if entry.name == order["case"])
    if order.get("budget_s"):
        case = replace(case, budget_s=float(order["budget_s"]), bars=())
    case = replace(case, bars=(*case.bars, _MEMORY))
    result = run_case(case, Path(order["out"]))
    Path(order["result"]).write_text(json.dumps(result, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
