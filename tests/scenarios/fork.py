"""A road of two lanes that forks: straight on, and in a bend to the left, which the ego takes in the right lane."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from avrec.drive.lane_graph import Lane, LaneGraph, Neighbor
from avrec.gaussians import Gaussians
from avrec.geometry import Trajectory, matrix_from_rpy, transform_from
from avrec.maps import write_opendrive
from avrec.scene import Scene
from tests.scenarios.street import START_US, flat_ground

Float64 = NDArray[np.float64]

WIDTH_M = 3.5
FORK_M = 60.0
RADIUS_M = 25.0
"""Of the line between the two lanes."""
BEFORE_M, AFTER_M = 60.0, 60.0


def fork_line(offset_m: float, turns: bool, along: Float64) -> tuple[Float64, Float64]:
    """Points [N, 2] and headings [N] at distances along the middle of the road from its start, ``offset_m`` left."""
    if not turns:
        return np.stack([along, np.full_like(along, offset_m)], -1), np.zeros_like(along)
    heading = np.clip((along - FORK_M) / RADIUS_M, 0.0, np.pi / 2)
    rest = np.clip(along - FORK_M - RADIUS_M * np.pi / 2, 0.0, None)
    middle = np.stack([np.minimum(along, FORK_M), np.zeros_like(along)], -1)
    middle += RADIUS_M * np.stack([np.sin(heading), 1.0 - np.cos(heading)], -1)
    middle[:, 1] += rest
    return middle + offset_m * np.stack([-np.sin(heading), np.cos(heading)], -1), heading


def _lane(name: str, offset_m: float, turns: bool, along: Float64, **links: object) -> Lane:
    lines = [fork_line(offset_m + side * WIDTH_M / 2, turns, along)[0] for side in (0, 1, -1)]
    return Lane(name, *(np.column_stack([line, np.zeros(len(line))]) for line in lines), **links)  # type: ignore[arg-type]


def fork_map(both_turn: bool) -> bytes:
    """OpenDRIVE of it; the left lane goes straight on only, unless both turn."""
    near = np.arange(0.0, FORK_M + 0.1, 1.0)
    far = np.arange(FORK_M, FORK_M + AFTER_M + 0.1, 1.0)
    bend = np.linspace(FORK_M, FORK_M + RADIUS_M * np.pi / 2, 41)
    behind = bend[-1] + np.arange(0.0, 40.0, 1.0)
    lanes = []
    for side, offset in (("left", WIDTH_M / 2), ("right", -WIDTH_M / 2)):
        forks = both_turn or side == "right"

        def beside(part: str, side: str = side) -> dict[str, object]:
            other = "right" if side == "left" else "left"
            return {f"{other}_neighbor": Neighbor(f"{part}_{other}")}

        after = (f"on_{side}", f"turn_{side}") if forks else (f"on_{side}",)
        lanes.append(_lane(f"in_{side}", offset, False, near, successors=after, **beside("in")))
        lanes.append(_lane(f"on_{side}", offset, False, far, predecessors=(f"in_{side}",), **beside("on")))
        if forks:
            links = {"predecessors": (f"in_{side}",), "successors": (f"out_{side}",), "junction": "fork"}
            lanes.append(_lane(f"turn_{side}", offset, True, bend, **links))
            pair = beside("out") if both_turn else {}
            lanes.append(_lane(f"out_{side}", offset, True, behind, predecessors=(f"turn_{side}",), **pair))
    return write_opendrive(LaneGraph({lane.id: lane for lane in lanes}))


def fork_scene(*, turns: bool = True, both_turn: bool = True, seconds: float = 10.0, from_m: float = 40.0) -> Scene:
    """The ego drives at 8 m/s in the right lane, from some way before the fork on."""
    offsets = np.arange(0, int(seconds * 1e6) + 1, 50_000)
    along = from_m + 8.0 * offsets / 1e6
    points, headings = fork_line(-WIDTH_M / 2, turns, along)
    zero = np.zeros_like(headings)
    poses = transform_from(matrix_from_rpy(zero, zero, headings), np.column_stack([points, zero]))
    ego = Trajectory(START_US + offsets, poses)
    return Scene(
        name="fork",
        static=Gaussians.empty(0),
        tracks=(),
        ego=ego,
        ego_recorded=ego,
        cameras={},
        cameras_recorded={},
        ground=flat_ground(),
        map_xodr=fork_map(both_turn),
    )
