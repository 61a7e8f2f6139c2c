"""A scene on a bend, with two lanes in either direction, uphill if asked; traffic keeps right or left."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from avrec.drive import Track
from avrec.gaussians import Gaussians
from avrec.geometry import Trajectory, matrix_from_rpy, transform_from
from avrec.mesh.mesh import Mesh
from avrec.scene import Scene
from tests.scenarios.street import START_US

Float64 = NDArray[np.float64]

WIDTH_M = 3.5
LENGTH_M = 150.0


def arc_point(s: Float64, t: float, curvature: float) -> tuple[Float64, Float64]:
    """Points [N, 2] and headings [N] at distances along a bend that begins at the origin, ``t`` to its left."""
    heading = s * curvature
    if curvature == 0.0:
        middle = np.stack([s, np.zeros_like(s)], -1)
    else:
        middle = np.stack([np.sin(heading), 1.0 - np.cos(heading)], -1) / curvature
    return middle + t * np.stack([-np.sin(heading), np.cos(heading)], -1), heading


def arc_map(curvature: float, grade: float, rule: str) -> bytes:
    """OpenDRIVE of it."""
    lane = (
        '<lane id="{0}" type="driving" level="false"><link/>'
        f'<width sOffset="0" a="{WIDTH_M}" b="0" c="0" d="0"/></lane>'
    )
    shape = "<line/>" if curvature == 0.0 else f'<arc curvature="{curvature!r}"/>'
    return (
        '<?xml version="1.0"?><OpenDRIVE><header revMajor="1" revMinor="4" name="arc" north="300" south="-300" '
        'east="300" west="-300"></header>'
        f'<road name="a" length="{LENGTH_M}" id="1" junction="-1" rule="{rule}"><link/>'
        f'<planView><geometry s="0" x="0" y="0" hdg="0" length="{LENGTH_M}">{shape}</geometry></planView>'
        f'<elevationProfile><elevation s="0" a="0" b="{grade}" c="0" d="0"/></elevationProfile><lateralProfile/>'
        f'<lanes><laneSection s="0"><left>{lane.format(2)}{lane.format(1)}</left>'
        '<center><lane id="0" type="none" level="false"><link/></lane></center>'
        f"<right>{lane.format(-1)}{lane.format(-2)}</right></laneSection></lanes></road></OpenDRIVE>"
    ).encode()


def arc_path(
    curvature: float, grade: float, t: float, start_s: float, speed_mps: float, accel_mps2: float, seconds: float
) -> Trajectory:
    """Somebody who drives along the bend at ``t`` to the left of its middle line; who brakes stops and stays."""
    offsets = np.arange(0, int(seconds * 1e6) + 1, 50_000)
    since = offsets / 1e6
    if accel_mps2 < 0.0:
        since = np.minimum(since, -speed_mps / accel_mps2)
    way = speed_mps * since + accel_mps2 * since**2 / 2
    along = start_s + way / (1.0 - curvature * t)
    points, headings = arc_point(along, t, curvature)
    zero = np.zeros_like(headings)
    poses = transform_from(matrix_from_rpy(zero, zero, headings), np.column_stack([points, grade * along]))
    return Trajectory(START_US + offsets, poses)


def arc_scene(
    *,
    curvature: float = 0.0,
    grade: float = 0.0,
    rule: str = "RHT",
    lane: int = 1,
    speed_mps: float = 8.0,
    accel_mps2: float = 0.0,
    seconds: float = 6.0,
    other: tuple[int, float, float] | None = None,
) -> Scene:
    """The ego drives in its ``lane`` (1 beside the oncoming traffic, 2 at the kerb), 20 m into the bend.

    ``other`` is a recorded car: its lane, how far along the road it is ahead of the ego at first, and its speed.
    """
    side = WIDTH_M * (1.0 if rule == "LHT" else -1.0)
    ego = arc_path(curvature, grade, (lane - 0.5) * side, 20.0, speed_mps, accel_mps2, seconds)
    tracks: tuple[Track, ...] = ()
    if other is not None:
        theirs, ahead_m, their_mps = other
        path = arc_path(curvature, grade, (theirs - 0.5) * side, 20.0 + ahead_m, their_mps, 0.0, seconds)
        up = transform_from(np.eye(3), np.array([0.0, 0.0, 0.75]))
        tracks = (Track("other", "car", np.array([4.4, 1.8, 1.5]), path.body_shifted(up)),)
    s = np.arange(0.0, LENGTH_M + 0.1, 2.0)
    rows = [np.column_stack([arc_point(s, edge, curvature)[0], grade * s]) for edge in (12.0, -12.0)]
    first = 2 * np.arange(len(s) - 1)
    corners = ((first, first + 1, first + 2), (first + 1, first + 3, first + 2))
    faces = np.concatenate([np.stack(corner, -1) for corner in corners])
    return Scene(
        name="arc",
        static=Gaussians.empty(0),
        tracks=tracks,
        ego=ego,
        ego_recorded=ego,
        cameras={},
        cameras_recorded={},
        ground=Mesh(np.stack(rows, 1).reshape(-1, 3), faces.astype(np.int32)),
        map_xodr=arc_map(curvature, grade, rule),
    )
