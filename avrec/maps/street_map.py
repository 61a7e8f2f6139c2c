"""Maps in avrec's own JSON form, which the synthetic street writes beside a drive (``map.json``)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from avrec.drive.borders import pair_borders
from avrec.drive.lane_graph import Crosswalk, Lane, LaneGraph, LaneMark, Neighbor
from avrec.errors import DataError
from avrec.files import read_bounded
from avrec.geometry import Anchor

__all__ = ["read_street_map"]

Float64 = NDArray[np.float64]

MAX_BYTES = 32 * 2**20
_SAME_M = 0.1
_NEAREST = 64
_MARKS = {"kerb": "curb", "solid": "solid", "broken": "broken", "none": "none"}


def read_street_map(path: str | Path, *, anchor: Anchor | None = None) -> LaneGraph:
    """Read a ``map.json`` of format ``avrec-lane-graph``, version 1.

    Lanes that share a border but name no neighbour there are made neighbours.

    Args:
        path: the file.
        anchor: of the drive's world, which the file does not say.

    Raises:
        DataError: no such file, or not such a map.
    """
    path = Path(path)
    try:
        content = json.loads(read_bounded(path, MAX_BYTES))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} could not be read as JSON ({error}). Check the path and the file.") from error
    if not isinstance(content, dict) or content.get("format") != "avrec-lane-graph" or content.get("version") != 1:
        raise DataError(f"{path} is not a map of format avrec-lane-graph, version 1. Give a map.json that avrec wrote.")
    try:
        lanes = {lane.id: lane for lane in map(_lane, content["lanes"])}
        walks = tuple(Crosswalk(str(walk["id"]), _points(walk["polygon"])) for walk in content.get("crossings", []))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{path} lacks something a lane needs: {error!r}. Synthesise the drive again.") from error
    if not lanes:
        raise DataError(f"{path} holds no lane. Synthesise the drive again.")
    near = _by_ends(lanes)
    lanes = {name: _with_neighbors(lane, near) for name, lane in lanes.items()}
    return LaneGraph(lanes=lanes, crosswalks=walks, anchor=anchor, name=path.parent.name)


def _lane(item: Mapping[str, Any]) -> Lane:
    center, left, right = (_points(item[key]) for key in ("center", "left", "right"))
    if not len(center) == len(left) == len(right):
        center, left, right = pair_borders(left, right)
    beside = {
        side: None if item.get(f"{side}_neighbor") is None else Neighbor(str(item[f"{side}_neighbor"]))
        for side in ("left", "right")
    }
    return Lane(
        id=str(item["id"]),
        center=center,
        left=left,
        right=right,
        kind=str(item["type"]),
        left_marks=(LaneMark(_MARKS.get(item.get("left_marking", "none"), "custom")),),
        right_marks=(LaneMark(_MARKS.get(item.get("right_marking", "none"), "custom")),),
        successors=tuple(map(str, item["successors"])),
        predecessors=tuple(map(str, item["predecessors"])),
        left_neighbor=beside["left"],
        right_neighbor=beside["right"],
        speed_limit_mps=item.get("speed_limit_mps"),
    )


def _by_ends(lanes: Mapping[str, Lane]) -> Callable[[Float64], list[Lane]]:
    """Finds lanes one of whose borders has an end near the first point of a line."""
    members = list(lanes.values())
    ends = np.array([line[index] for lane in members for line in (lane.left, lane.right) for index in (0, -1)])
    tree = cKDTree(ends)

    def near(line: Float64) -> list[Lane]:
        found = tree.query(line[0], k=min(_NEAREST, len(ends)), distance_upper_bound=_SAME_M)[1]
        return [members[index // 4] for index in dict.fromkeys(found) if index < len(ends)]

    return near


def _with_neighbors(lane: Lane, near: Callable[[Float64], list[Lane]]) -> Lane:
    """Neighbours on sides where another lane has the same border."""
    found: dict[str, Neighbor | None] = {"left": lane.left_neighbor, "right": lane.right_neighbor}
    for side, known in found.items():
        mine = lane.left if side == "left" else lane.right
        for other in near(mine) if known is None else ():
            same, turned = (other.right, other.left) if side == "left" else (other.left, other.right)
            if other.id != lane.id and _ends_meet(mine, same):
                found[side] = Neighbor(other.id, True)
            elif other.id != lane.id and _ends_meet(mine, turned[::-1]):
                found[side] = Neighbor(other.id, False)
    return replace(lane, left_neighbor=found["left"], right_neighbor=found["right"])


def _ends_meet(first: Float64, second: Float64) -> bool:
    return bool(np.linalg.norm(first[[0, -1]] - second[[0, -1]], axis=1).max() < _SAME_M)


def _points(items: list[list[float]]) -> Float64:
    return np.array(items, dtype=np.float64).reshape(-1, 3)
