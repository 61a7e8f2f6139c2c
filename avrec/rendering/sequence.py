"""A drive through a scene as pictures and video: `render_sequence`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avrec.errors import AvrecError, OutputError
from avrec.files import fresh_folder
from avrec.geometry import Offset
from avrec.progress import NO_PROGRESS, Progress
from avrec.raster import SCENE_SETTINGS, Backend, RasterSettings
from avrec.rendering.files import VideoFile, colourise, depth_to_png, write_bytes, write_png
from avrec.rendering.shot import Shot, check_outputs, render
from avrec.rendering.view import sensor_named
from avrec.scene.scene import Scene

__all__ = ["MANIFEST", "FrameFolder", "render_sequence"]

MANIFEST = "frames.json"
"""Lists the pictures of a folder with times, poses and units; also how a folder of ours is recognised."""

_UNITS = {
    "rgb": "8-bit sRGB",
    "alpha": "8 bits, 255 = covered, 0 = sky",
    "depth": "16 bits, centimetres along the pixel's ray (expected), 0 = nothing, 65535 = farther than 655.34 m",
    "median_depth": "16 bits, centimetres along the pixel's ray (median), 0 = nothing, 65535 = farther than 655.34 m",
    "normal": "8 bits, round((n + 1) * 127.5) of the world-frame unit normal (x, y, z), 0 0 0 = nothing",
}


@dataclass(frozen=True)
class FrameFolder:
    """What :func:`render_sequence` wrote.

    Attributes:
        folder: where; one subfolder of PNGs per output, ``<output>_preview`` for depth in colour.
        outputs: their names.
        frames: number of pictures of each output.
        videos: the mp4 files.
    """

    folder: Path
    outputs: tuple[str, ...]
    frames: int
    videos: tuple[Path, ...]


def render_sequence(
    scene: Scene,
    out_dir: str | Path,
    camera: str,
    *,
    times_us: Sequence[int] | None = None,
    offset: Offset | None = None,
    rolling_shutter: bool = True,
    width: int | None = None,
    height: int | None = None,
    outputs: Sequence[str] = ("rgb",),
    video: bool = True,
    fps: float | None = None,
    overwrite: bool = False,
    settings: RasterSettings = SCENE_SETTINGS,
    backend: Backend = "auto",
    progress: Progress = NO_PROGRESS,
) -> FrameFolder:
    """Render a camera along the drive (or beside it) into a folder of PNGs with an mp4 per output.

    The folder appears when everything in it is finished. Pictures are named ``<output>/000000.png`` by position in
    ``times_us``; ``frames.json`` lists time, pose and unit of each.

    Args:
        scene: a reconstructed scene.
        out_dir: folder to make.
        camera: name of a camera of the scene.
        times_us: exposure starts; None for those of the recorded frames.
        offset: rig pose relative to the recorded one.
        rolling_shutter: False exposes each picture at the middle of the readout.
        width: pixels; None for the recorded size.
        height: likewise.
        outputs: any of ``rgb``, ``alpha``, ``depth``, ``median_depth``, ``normal``.
        video: also write ``<output>.mp4``.
        fps: frames per second of the video; None follows the times.
        overwrite: replace a folder written by an earlier call.
        settings: thresholds of the rasteriser.
        backend: which rasteriser.
        progress: told about every picture.

    Raises:
        OutputError: the folder exists, or the disk refuses.
        DataError: unknown camera, or a time outside the recorded path.
        AvrecError: an unknown output, or no time to render.
    """
    check_outputs(outputs)
    sensor_named(scene.cameras, camera)
    wanted = list(dict.fromkeys(outputs))
    times = [int(time) for time in (scene.frames.get(camera, ()) if times_us is None else times_us)]
    if not times:
        raise AvrecError(f"There is no time to render camera '{camera}' at. Give times, or a camera with frames.")
    rate = _frame_rate(times) if fps is None else fps
    if not rate > 0:
        raise AvrecError(f"A video needs a positive number of frames per second, found {rate}. Give --fps 10.")
    out = Path(out_dir)
    rows: list[dict[str, Any]] = []
    progress.start("Rendering", len(times))
    with fresh_folder(out, overwrite=overwrite, marker=MANIFEST) as folder:
        with _videos(folder, wanted if video else [], rate) as videos:
            for index, time_us in enumerate(times):
                shot = render(
                    scene,
                    camera,
                    time_us,
                    offset=offset,
                    rolling_shutter=rolling_shutter,
                    width=width,
                    height=height,
                    outputs=wanted,
                    settings=settings,
                    backend=backend,
                )
                for name in wanted:
                    exact, preview = _pictures(shot, name)
                    write_png(folder / name / f"{index:06d}.png", exact)
                    if name.endswith("depth"):
                        write_png(folder / f"{name}_preview" / f"{index:06d}.png", preview)
                    if name in videos:
                        videos[name].add(preview)
                rows.append(_row(index, shot))
                progress.update(index + 1)
        manifest = {
            "format": "avrec frames 1",
            "scene": scene.name,
            "camera": camera,
            "model": shot.view.camera.to_dict(),
            "rolling_shutter": rolling_shutter,
            "offset": asdict(offset or Offset()),
            "outputs": {name: _UNITS[name] for name in wanted},
            "frames_per_second": rate,
            "frames": rows,
        }
        write_bytes(folder / MANIFEST, json.dumps(manifest, indent=1).encode())
        written = tuple(out / f"{name}.mp4" for name in videos)
    progress.finish(f"{len(times)} frames in {out}")
    return FrameFolder(folder=out, outputs=tuple(wanted), frames=len(times), videos=written)


@contextmanager
def _videos(folder: Path, names: Sequence[str], fps: float) -> Iterator[dict[str, VideoFile]]:
    """One open video per name, checked at the end, released without a check after an error."""
    videos = {name: VideoFile(folder / f"{name}.mp4", fps) for name in names}
    try:
        yield videos
        for video in videos.values():
            video.close()
    finally:
        for video in videos.values():
            video.abandon()


def _pictures(shot: Shot, name: str) -> tuple[NDArray[np.uint8] | NDArray[np.uint16], NDArray[np.uint8]]:
    """An output as it is stored, and as uint8 RGB to look at."""
    if name == "rgb":
        return shot.rgb_uint8, shot.rgb_uint8
    if name == "alpha":
        grey = np.asarray(np.rint(np.clip(shot.alpha, 0, 1) * 255), np.uint8)
        return grey, np.repeat(grey[..., None], 3, axis=-1)
    if name == "normal":
        if shot.normal is None:
            raise OutputError("The rasteriser gave no normals. Render without them.")
        known = np.isfinite(shot.normal)
        coded = np.asarray(np.where(known, np.rint((np.where(known, shot.normal, 0) + 1) * 127.5), 0), np.uint8)
        return coded, coded
    depth = shot.depth if name == "depth" else shot.median_depth
    return depth_to_png(depth), colourise(depth)


def _row(index: int, shot: Shot) -> dict[str, Any]:
    view, middle = shot.view, shot.view.lines // 2
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = view.rotation[middle], view.origin[middle]
    return {"index": index, "time_us": shot.time_us, "world_from_camera_middle_line": pose.tolist()}


def _frame_rate(times: Sequence[int]) -> float:
    steps = np.abs(np.diff(np.asarray(times, np.int64)))
    step_us = float(np.median(steps)) if len(steps) else 0.0
    return float(np.clip(round(1e6 / step_us, 3), 1.0, 60.0)) if step_us > 0 else 10.0
