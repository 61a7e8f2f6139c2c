"""``avrec reconstruct``: a recording becomes a scene."""

from __future__ import annotations

from typing import Literal

from avrec.cli.arguments import (
    Count,
    DrivePath,
    Flag,
    FrameRange,
    OptionalNames,
    OutputPath,
    TrafficSide,
    parse_frames,
    parse_names,
)
from avrec.cli.console import print_json, reporting, say

__all__ = ["reconstruct"]


def reconstruct(
    drive: DrivePath,
    *,
    output: OutputPath,
    cameras: OptionalNames = None,
    frames: FrameRange = None,
    holdout: int = 0,
    budget: float = 300.0,
    iterations: Count = None,
    downscale: float = 1,
    preset: Literal["fast", "balanced", "best"] = "balanced",
    refine_poses: bool = True,
    complete: bool = True,
    traffic: TrafficSide = None,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    seed: int = 0,
    resume: Flag = False,
    overwrite: Flag = False,
    json: Flag = False,
) -> None:
    """Turn a recording into a scene file.

    Ctrl-C ends the optimisation and writes what there is; after a crash, --resume goes on from the last minute.

    Example:
        avrec reconstruct street/ -o street.usdz --holdout 8 --budget 300

    Args:
        drive: the recording.
        output: scene file to write, e.g. street.usdz.
        cameras: use only these.
        frames: use only these frame indices of each camera, e.g. 0:40.
        holdout: keep every N-th frame of each camera out, to score the scene on; 0 keeps none.
        budget: seconds to optimise, not counting initialisation.
        iterations: optimise for this many steps instead; the same seed then gives the same bits.
        downscale: divide the images' size by this.
        preset: how many Gaussians and how much of the budget per resolution.
        refine_poses: correct the recording's poses and calibration on the way.
        complete: end with meshes, the road as a layer of its own, and a map (the recording's, else an inferred one).
        traffic: the side that traffic keeps to, for a map that is inferred; the dataset's by default, else right.
        device: where to compute: cuda trains through gsplat, without refining poses on the way; auto is the CPU.
        seed: of everything random.
        resume: go on from the last checkpoint of this output.
        overwrite: replace a scene that is there already.
        json: print the outcome as JSON.
    """
    from avrec.ingest import open_drive
    from avrec.reconstruction import reconstruct as run
    from avrec.reconstruction.checkpoint import checkpoint_path

    with reporting() as progress:
        recording = open_drive(drive).select(cameras=parse_names(cameras, "--cameras"), frames=parse_frames(frames))
        scene = run(
            recording,
            output=output,
            budget_s=budget,
            iterations=iterations,
            downscale=downscale,
            holdout=holdout,
            preset=preset,
            device=device,
            seed=seed,
            resume=resume,
            overwrite=overwrite or resume,  # what is there came from the run that goes on
            refine_poses=refine_poses,
            complete=complete,
            traffic=traffic,
            progress=progress,
        )
    stopped = checkpoint_path(output).exists()
    if json:
        figures = {"gaussians": scene.gaussian_count, "actors": len(scene.actors), "stopped_early": stopped}
        print_json({"output": output, **figures, **scene.source})
        return
    say(f"{output} is ready: {scene.gaussian_count} Gaussians, {len(scene.actors)} actors.")
    if stopped:
        say("It was stopped early; the same command with --resume goes on.")
    if holdout:
        say(f"Next: avrec evaluate {output} {drive}")
    else:
        say(f"Next: avrec render {output} -o frames/ --shift-left 1.5 --yaw 3")
