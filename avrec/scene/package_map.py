"""The map inside a scene file: `read_package_map`."""

from __future__ import annotations

from pathlib import Path

from avrec.drive.lane_graph import LaneGraph
from avrec.errors import DataError
from avrec.maps import read_opendrive
from avrec.scene.importing.members import Source, is_package

__all__ = ["is_package", "read_package_map"]


def read_package_map(path: str | Path) -> LaneGraph:
    """The map of a scene file, ours or somebody else's, in the scene's world.

    Raises:
        DataError: a damaged file, no map in it, or one that cannot be read.
    """
    found = Source(path).read("map.xodr")
    if found is None:
        raise DataError(f"The scene {path} has no map. Infer one from its recording: avrec map infer DRIVE -o map.xodr")
    data, name = found
    try:
        return read_opendrive(data)
    except DataError as reason:
        raise DataError(f"{name}: {reason}") from reason
