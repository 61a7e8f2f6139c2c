"""``avrec evaluate``: how good a scene is on frames it never saw."""

from __future__ import annotations

from avrec.cli.arguments import DrivePath, Flag, OptionalFolder, ScenePath
from avrec.cli.console import print_json, reporting, say

__all__ = ["evaluate"]


def evaluate(
    scene: ScenePath,
    drive: DrivePath,
    *,
    output: OptionalFolder = None,
    align: Flag = False,
    overwrite: Flag = False,
    json: Flag = False,
) -> None:
    """Score a scene on the frames that were held out of it.

    Example:
        avrec evaluate street.usdz street/ --output evaluation/ --json

    Args:
        scene: the scene file.
        drive: the recording it was made from.
        output: folder for picture sheets (recorded, rendered, error) and the figures.
        align: also score with each held-out frame's pose fitted to its picture; reported beside the honest figure.
        overwrite: replace an output folder that is there already.
        json: print the figures as JSON.
    """
    from avrec.evaluation import evaluate as run
    from avrec.ingest import open_drive
    from avrec.scene import Scene

    with reporting() as progress:
        evaluation = run(Scene.open(scene), open_drive(drive), align=align, progress=progress)
    if json:
        print_json(evaluation.to_dict())
    else:
        say(str(evaluation))
