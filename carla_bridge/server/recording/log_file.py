"""The file of a recording: a header and one record per step, as msgpack one after another.

The format is avrec's own; it is not that of CARLA's binary logs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
from numpy.typing import NDArray

from avrec.errors import DataError
from carla_bridge.world.pose import Pose

__all__ = ["Birth", "Frame", "Recording", "pack_frame", "pack_header", "path_in", "read_recording"]

MARK, VERSION = "avrec-carla-recording", 1
MAX_BYTES = 2 * 2**30
MAX_FRAMES = 2_000_000
MOTION = 12
CONTROLS = 6


@dataclass(frozen=True)
class Birth:
    """An actor that came: ``pose`` in the world, or in the parent's frame."""

    id: int
    type_id: str
    attributes: dict[str, str]
    parent: int
    pose: Pose


@dataclass(frozen=True)
class Frame:
    """One step.

    Attributes:
        time_s: since the recording began.
        births, deaths: actors that came and ids of those that went before this step.
        ids: int64 [N] of all actors.
        motion: float64 [N, 12]: pose, velocity, angular velocity as in the world.
        drivers: int64 [V] vehicles, and ``controls`` float64 [V, 6]: throttle, steer, brake, hand brake, reverse, gear.
        lights: state of each traffic light, by its id in the map.
        lamps: lamps of vehicles, by id.
        collisions: pairs of ids that touched.
    """

    time_s: float
    births: tuple[Birth, ...]
    deaths: tuple[int, ...]
    ids: NDArray[np.int64]
    motion: NDArray[np.float64]
    drivers: NDArray[np.int64]
    controls: NDArray[np.float64]
    lights: dict[str, int]
    lamps: dict[int, int]
    collisions: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Recording:
    """A whole recording."""

    map_name: str
    date: str
    frames: tuple[Frame, ...]

    @property
    def duration_s(self) -> float:
        """Time of the last frame."""
        return self.frames[-1].time_s if self.frames else 0.0


def path_in(folder: Path, name: str) -> Path:
    """Where a recording of a name lies. Folders that a client names are left out: it does not choose where to write.

    Raises:
        ValueError: no usable name.
    """
    base = name.replace("\\", "/").rsplit("/", 1)[-1]
    if not base or base in (".", "..") or "\0" in base or len(base) > 200:
        raise ValueError(f"{name[:80]!r} is no name for a recording")
    return folder / base


def pack_header(map_name: str, date: str) -> bytes:
    """The first bytes of a file."""
    return bytes(msgpack.packb([MARK, VERSION, map_name, date]))


def pack_frame(frame: Frame) -> bytes:
    """One step's bytes."""
    births = [[each.id, each.type_id, each.attributes, each.parent, list(each.pose)] for each in frame.births]
    return bytes(
        msgpack.packb(
            [
                frame.time_s,
                births,
                list(frame.deaths),
                frame.ids.tobytes(),
                frame.motion.tobytes(),
                frame.drivers.tobytes(),
                frame.controls.tobytes(),
                frame.lights,
                frame.lamps,
                [list(pair) for pair in frame.collisions],
            ]
        )
    )


def read_recording(path: Path) -> Recording:
    """Read a file.

    Raises:
        DataError: no such file, or not a recording of this server.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise DataError(f"{path.name} has {path.stat().st_size / 2**30:.1f} GiB, too much for a recording.")
        with path.open("rb") as file:
            items = msgpack.Unpacker(file, raw=False, strict_map_key=False, max_buffer_size=MAX_BYTES)
            head = next(items)
            if not isinstance(head, list) or head[:2] != [MARK, VERSION]:
                raise DataError(f"{path.name} is not a recording of this server. Record it anew.")
            return Recording(str(head[2]), str(head[3]), tuple(_frames(items)))
    except (OSError, StopIteration) as error:
        raise DataError(f"File {path.name} not found or empty ({error}). Record it first.") from error
    except (ValueError, TypeError, IndexError, KeyError, msgpack.UnpackException) as error:
        raise DataError(f"{path.name} is damaged ({error}). Record it anew.") from error


def _frames(items: Iterable[Any]) -> Iterator[Frame]:
    for number, item in enumerate(items):
        if number >= MAX_FRAMES:
            raise ValueError("too many frames")
        time_s, births, deaths, ids, motion, drivers, controls, lights, lamps, collisions = item
        found = Frame(
            time_s=float(time_s),
            births=tuple(
                Birth(int(one), str(name), dict(values), int(parent), Pose(*map(float, pose)))
                for one, name, values, parent, pose in births
            ),
            deaths=tuple(map(int, deaths)),
            ids=np.frombuffer(ids, dtype=np.int64),
            motion=np.frombuffer(motion, dtype=np.float64).reshape(-1, MOTION),
            drivers=np.frombuffer(drivers, dtype=np.int64),
            controls=np.frombuffer(controls, dtype=np.float64).reshape(-1, CONTROLS),
            lights={str(name): int(state) for name, state in lights.items()},
            lamps={int(one): int(bits) for one, bits in lamps.items()},
            collisions=tuple((int(a), int(b)) for a, b in collisions),
        )
        if len(found.ids) != len(found.motion) or len(found.drivers) != len(found.controls):
            raise ValueError("a frame's tables have different lengths")
        if not np.isfinite(found.motion).all():
            raise ValueError("a pose is not finite")
        yield found
