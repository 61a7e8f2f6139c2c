"""A replay from beginning to end, its pictures and sweeps written to a folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from avrec.files import fresh_folder
from avrec.geometry import Offset
from avrec.progress import NO_PROGRESS, Progress
from avrec.rendering.files import write_bytes, write_png
from carla_bridge.replay.measurements import Image, LidarMeasurement
from carla_bridge.replay.player import matrix_of
from carla_bridge.replay.session import ReplaySession

__all__ = ["MARKER", "Take", "play"]

MARKER = "replay.json"
"""By this file a folder is known to be a replay's."""


@dataclass(frozen=True)
class Take:
    """What a replay is to show.

    Attributes:
        cameras: names of recorded cameras.
        offset: of the rig they ride on.
        lidar: name of a lidar, or None.
        driver: who drives the ego from ``after_s`` on; None leaves it on the recording.
        after_s: seconds since the beginning.
        framerate: pictures per second; ``"recorded"`` for the recorded exposures, None for one a tick.
    """

    cameras: Sequence[str] = ()
    offset: Offset = field(default_factory=Offset)
    lidar: str | None = None
    driver: Any = None
    after_s: float = 1.0
    framerate: Any = None


def play(
    session: ReplaySession,
    take: Take,
    folder: Path | None = None,
    *,
    overwrite: bool = False,
    show: Callable[[Image], object] | None = None,
    progress: Progress = NO_PROGRESS,
) -> dict[str, int]:
    """Replay to the end of the recording.

    Writes ``<camera>/000000.png``, ``lidar/000000.npy`` (float32 [N, 4]) and ``replay.json`` with the frame, times and
    pose (``world_from_camera``, x along the view) of each.

    Args:
        session: running.
        take: what to show.
        folder: to make; None writes nothing.
        overwrite: replace a folder that an earlier replay wrote.
        show: gets each picture too.
        progress: told how far it is.

    Returns:
        Counts of ticks, pictures and sweeps.

    Raises:
        OutputError: the folder exists or cannot be written.
    """
    counts = {"ticks": 0, "pictures": 0, "sweeps": 0}
    rows: list[dict[str, Any]] = []
    opened = nullcontext(None) if folder is None else fresh_folder(folder, overwrite=overwrite, marker=MARKER)
    with opened as target:

        def keep(name: str, found: Image | LidarMeasurement, time_us: int) -> Path:
            index = sum(row["sensor"] == name for row in rows)
            pose = matrix_of(found.transform).tolist()
            row = {"sensor": name, "index": index, "frame": found.frame, "timestamp": found.timestamp}
            rows.append({**row, "time_us": time_us, "world_from_sensor": pose})
            return Path(name) / f"{index:06d}"

        def picture(image: Image) -> None:
            path = keep(image.camera, image, image.time_us)
            counts["pictures"] += 1
            if target is not None:
                write_png(target / path.with_suffix(".png"), image.rgb)
            if show is not None:
                show(image)

        def turn(measured: LidarMeasurement) -> None:
            path = keep("lidar", measured, session.time_us)
            counts["sweeps"] += 1
            if target is not None:
                (target / "lidar").mkdir(exist_ok=True)
                np.save(target / path.with_suffix(".npy"), measured.points)

        for name in take.cameras:
            session.add_camera(name, picture, offset=take.offset, framerate=take.framerate)
        if take.lidar is not None:
            session.add_lidar(turn, take.lidar)
        progress.start("replaying", (session.end_us - session.start_us) / 1e6)
        pending = take.driver
        while True:
            if pending is not None and session.seconds >= take.after_s:
                session.take_over_ego(pending)
                pending = None
            if not session.tick():
                break
            counts["ticks"] += 1
            progress.update(session.seconds, **counts)
        progress.finish()
        if target is not None:
            write_bytes(target / MARKER, json.dumps(rows, indent=1).encode())
    return counts
