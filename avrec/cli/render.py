"""``avrec render``: a scene seen from the recorded path or from beside it."""

from __future__ import annotations

from avrec.cli.arguments import (
    ON_THE_PATH,
    BesideTheCar,
    CameraName,
    Count,
    Flag,
    FrameRange,
    Names,
    OutputPath,
    ScenePath,
    parse_frames,
    parse_names,
)
from avrec.cli.console import print_json, reporting, say

__all__ = ["render"]


def render(
    scene: ScenePath,
    *,
    output: OutputPath,
    camera: CameraName = None,
    frames: FrameRange = None,
    beside: BesideTheCar = ON_THE_PATH,
    rolling_shutter: bool = True,
    width: Count = None,
    height: Count = None,
    outputs: Names = "rgb",
    video: bool = True,
    overwrite: Flag = False,
    json: Flag = False,
) -> None:
    """Render a camera along the drive, or beside it, as PNG files and video.

    Example:
        avrec render street.usdz -o frames/ --shift-left 1.5 --yaw 3 --outputs rgb,depth

    Args:
        scene: the scene file.
        output: folder to make.
        camera: which camera; the scene's first one unless given.
        frames: only these of the camera's recorded frames, e.g. 0:40.
        beside: where to look from.
        rolling_shutter: expose the lines one after the other as the camera does.
        width: pixels; the recorded width unless given.
        height: pixels; the recorded height unless given.
        outputs: any of rgb,alpha,depth,median_depth,normal.
        video: also write one mp4 per output.
        overwrite: replace a folder that an earlier render wrote.
        json: print what was written as JSON.
    """
    from avrec.rendering import render_sequence
    from avrec.scene import Scene

    chosen = parse_frames(frames)
    wanted = parse_names(outputs, "--outputs") or []
    with reporting() as progress:
        opened = Scene.open(scene)
        name = camera or next(iter(opened.cameras))
        times = opened.frames.get(name)
        written = render_sequence(
            opened,
            output,
            name,
            times_us=None if times is None or chosen is None else [int(time) for time in times[chosen]],
            offset=beside.offset(),
            rolling_shutter=rolling_shutter,
            width=width,
            height=height,
            outputs=wanted,
            video=video,
            overwrite=overwrite,
            progress=progress,
        )
    if json:
        print_json({"output": written.folder, "camera": name, "outputs": written.outputs, "frames": written.frames})
    else:
        say(f"{written.folder} holds {written.frames} frames of {name}: {', '.join(written.outputs)}.")
