"""``avrec evaluate``: how good a scene is on frames it never saw."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from avrec.cli.arguments import DrivePath, Flag, OptionalFile, ScenePath, refuse_existing
from avrec.cli.console import print_json, reporting, say

__all__ = ["evaluate"]


def evaluate(
    scene: ScenePath,
    drive: DrivePath,
    *,
    sheet: OptionalFile = None,
    align: Flag = False,
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
        overwrite: replace a sheet that is there already.
        json: print the figures as JSON.
    """
    if sheet is not None:
        refuse_existing(sheet, overwrite=overwrite)
    from avrec.evaluation import evaluate as run
    from avrec.ingest import open_drive
    from avrec.scene import Scene

    with reporting() as progress:
        figures = run(Scene.open(scene), open_drive(drive), align=align, sheet=sheet, progress=progress).to_dict()
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


def _number(value: float | None, width: int, digits: int) -> str:
    return f"{'-' if value is None else f'{value:.{digits}f}':>{width}}"
