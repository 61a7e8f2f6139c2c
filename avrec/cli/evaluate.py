"""``avrec evaluate``: how good a scene is on frames it never saw."""

from __future__ import annotations

from collections.abc import Mapping
from shlex import quote
from typing import Any

from avrec.cli.arguments import (
    DrivePath,
    Flag,
    OptionalFile,
    OptionalFolder,
    OptionalName,
    OptionalNumbers,
    ScenePath,
    parse_numbers,
    refuse_existing,
)
from avrec.cli.console import print_json, reporting, say

__all__ = ["evaluate"]


def evaluate(
    scene: ScenePath,
    drive: DrivePath,
    *,
    sheet: OptionalFile = None,
    align: Flag = False,
    fiftyone: OptionalName = None,
    fiftyone_dir: OptionalFolder = None,
    fiftyone_shift_left: OptionalNumbers = "1.5",
    fiftyone_held_out: Flag = False,
    overwrite: Flag = False,
    json: Flag = False,
) -> None:
    """Score a scene on the frames that were held out of it.

    Example:
        avrec evaluate street.usdz street/ --sheet street.png --json

    Args:
        scene: the scene file.
        drive: the recording it was made from.
        sheet: also write a picture sheet (recorded, rendered, error) as PNG.
        align: also score with each held-out frame's pose fitted to its picture, reported beside the honest figure.
        fiftyone: also write a FiftyOne dataset of this name: recorded, rendered, error and novel pictures of every
            frame with their scores, and the Gaussians in 3D (needs the extra 'fiftyone').
        fiftyone_dir: folder for its pictures; by default NAME_fiftyone beside the scene.
        fiftyone_shift_left: metres to the left of the recorded path for its novel views, e.g. 1.5,-1.5 or None.
        fiftyone_held_out: leave out of it the frames that the scene was trained on.
        overwrite: replace a sheet, dataset or folder that is there already.
        json: print the figures as JSON.
    """
    if sheet is not None:
        refuse_existing(sheet, overwrite=overwrite)
    from avrec.evaluation import evaluate as run
    from avrec.ingest import open_drive
    from avrec.scene import Scene

    shifts = parse_numbers(fiftyone_shift_left, "--fiftyone-shift-left")
    with reporting() as progress:
        target = None
        if fiftyone is not None:
            from avrec.curation import Target, check, curate, target_beside

            target = target_beside(scene, fiftyone, overwrite=overwrite)
            if fiftyone_dir is not None:
                target = Target(fiftyone, fiftyone_dir, overwrite)
            check(target, shifts)
        opened, recording = Scene.open(scene), open_drive(drive)
        evaluation = run(opened, recording, align=align, sheet=sheet, progress=progress)
        figures = evaluation.to_dict()
        if target is not None:
            curated = curate(
                opened,
                recording,
                evaluation,
                target,
                shifts_left_m=shifts,
                held_out_only=fiftyone_held_out,
                progress=progress,
            )
            figures["fiftyone"] = curated.to_dict()
    if json:
        print_json(figures)
    else:
        _say_figures(figures)


def _say_figures(figures: Mapping[str, Any]) -> None:
    """A line per camera, the means, and how hard the frames are."""
    rows = {**figures["per_camera"], "all": figures}
    wide = max(len(name) for name in rows)
    aligned = "  aligned dB" if "psnr_aligned" in figures else ""
    say(f"{'camera':<{wide}}  frames  PSNR dB    SSIM    GMSD{aligned}")
    for name, row in rows.items():
        last = f"  {_number(row.get('psnr_aligned'), 10, 2)}" if aligned else ""
        numbers = f"{_number(row['psnr'], 7, 2)}  {_number(row['ssim'], 6, 4)}  {_number(row['gmsd'], 6, 4)}{last}"
        say(f"{name:<{wide}}  {row['frames']:6d}  {numbers}")
    hard = figures["difficulty"]
    nearest, half = _number(hard["nearest_frame_psnr"], 0, 1), _number(hard["half_size_psnr"], 0, 1)
    say(f"For comparison: the nearest recorded frame scores {nearest} dB, the frame itself at half size {half} dB.")
    if figures.get("street"):
        _say_street(figures["street"])
    if figures.get("sheet"):
        say(f"Picture sheet: {figures['sheet']}")
    if figures.get("fiftyone"):
        made = figures["fiftyone"]
        say(f"FiftyOne dataset {made['dataset']}: {made['time_steps']} time steps, files in {made['folder']}")
        say(f"Open it with: fiftyone app launch {quote(made['dataset'])}")


def _say_street(street: Mapping[str, Any]) -> None:
    """What only a synthetic street can tell."""
    for shift, row in street.get("shifts", {}).items():
        say(f"Seen from {shift} m beside the path, against the truth: {_number(row['psnr'], 0, 2)} dB.")
    sentences = {
        "cars": "Inside the masks of moving cars",
        "people": "Inside the masks of moving people",
        "removed": "Behind what moves, once it is removed, against the truth",
    }
    for key, sentence in sentences.items():
        if key in street:
            say(f"{sentence}: {_number(street[key]['psnr'], 0, 2)} dB.")
    if "ground" in street:
        median, worst = (_number(100 * street["ground"][key], 0, 1) for key in ("median_m", "p95_m"))
        say(f"Height of the ground mesh, against the truth: {median} cm off (median), {worst} cm (95th percentile).")


def _number(value: float | None, width: int, digits: int) -> str:
    return f"{'-' if value is None else f'{value:.{digits}f}':>{width}}"
