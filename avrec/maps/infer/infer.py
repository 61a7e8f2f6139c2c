"""A road with lanes from a recording that has no map: `infer_map`."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from avrec.drive import CameraSensor, Drive
from avrec.drive.lane_graph import Lane, LaneGraph, Road
from avrec.errors import DataError
from avrec.geometry import Trajectory
from avrec.maps.infer.course import Course, courses_of
from avrec.maps.infer.graph import Findings, road_of
from avrec.maps.infer.lanes import Passing, stretches, unified
from avrec.maps.infer.lines import kerb_lines, paint_lines
from avrec.maps.infer.mosaic import Mosaic, Recording, road_mosaic
from avrec.maps.infer.paint import Paint, paint_of, swing_of
from avrec.maps.infer.surface import lidar_around, surface_of
from avrec.progress import NO_PROGRESS, Progress

__all__ = ["LANE_WIDTH_M", "courses_of_drive", "infer_map", "inspect_road"]

Float64 = NDArray[np.float64]

_LOG = logging.getLogger(__name__)

LANE_WIDTH_M = 3.4
"""Of a lane whose borders are not seen."""
REACH_M = 14.0
_AHEAD_M, _BEHIND_M = 12.0, 4.0
_SLACK_US = 200_000
_SEEN = 0.5
_VEHICLES = ("car", "van", "truck", "bus", "vehicle", "trailer", "motorcycle", "taxi")
_UNSURE = 0.4


def infer_map(
    drive: Drive,
    height_at: Callable[[Float64], Float64] | None = None,
    *,
    ego: Trajectory | None = None,
    cameras: Mapping[str, CameraSensor] | None = None,
    appearance: Mapping[str, Float64] | None = None,
    traffic: Literal["right", "left"] = "right",
    lane_width_m: float = LANE_WIDTH_M,
    progress: Progress = NO_PROGRESS,
) -> LaneGraph:
    """Make a map of the driven road from what the recording shows.

    The pictures are laid on the ground beside the driven path; paint and kerbs that run along the road become the
    borders of lanes. Each lane says how much spoke for it: a lane between two painted lines that was driven on has a
    confidence near 0.9, one that is guessed around the path about 0.3. Junctions are not found: roads end where the
    path comes back to itself.

    Args:
        drive: the recording.
        height_at: z of the ground at world points [N, 3], NaN where unknown, for example of a ground mesh; the points'
            own z says which of two roads over one another is meant. By default the lidar's returns give it, or the
            driven path where there is no lidar.
        ego: refined path, by default the drive's.
        cameras: refined cameras, by default the drive's.
        appearance: by camera, float64 [3, 4]: a recorded colour is ``A[:, :3] rgb + A[:, 3]``, colours 0..1.
        traffic: the side that traffic keeps to.
        lane_width_m: of lanes whose borders are not seen.
        progress: told how far the work is.

    Returns:
        Lanes sorted into roads, one for each stretch of road that was driven; `inferred` is set on all lanes.

    Raises:
        DataError: a picture or sweep cannot be read, or an argument is not possible.
    """
    if traffic not in ("right", "left") or not 2.4 <= lane_width_m <= 5.0:
        raise DataError(
            f"Traffic on the side {traffic!r} with lanes of {lane_width_m} m is not possible. Give 'right' or 'left', "
            "and a width of 2.4 to 5 m."
        )
    recording = Recording(
        drive,
        drive.ego if ego is None else ego,
        drive.cameras if cameras is None else cameras,
        cameras is not None,
        {} if appearance is None else appearance,
    )
    roads: dict[str, Road] = {}
    lanes: dict[str, Lane] = {}
    for course in courses_of_drive(recording):
        found, _, _ = inspect_road(
            recording, course, height_at, traffic=traffic, lane_width_m=lane_width_m, progress=progress
        )
        road, members = road_of(found, str(len(roads) + 1))
        roads[road.id] = road
        lanes |= members
    return LaneGraph(lanes=lanes, roads=roads, anchor=drive.anchor, name=drive.name, notes=_notes(lanes, traffic))


def courses_of_drive(recording: Recording) -> Sequence[Course]:
    """The stretches of road that were driven, each led on a little beyond its ends."""
    return courses_of(_driven_poses(recording), ahead_m=_AHEAD_M, behind_m=_BEHIND_M)


def inspect_road(
    recording: Recording,
    course: Course,
    height_at: Callable[[Float64], Float64] | None,
    *,
    traffic: Literal["right", "left"],
    lane_width_m: float,
    progress: Progress = NO_PROGRESS,
) -> tuple[Findings, Mosaic, Paint]:
    """What one course shows: lines and lanes, the mosaic and the paint map they were found in."""
    drive = recording.drive
    none = np.empty((0, 3))
    points = lidar_around(drive, recording.ego, course, REACH_M) if height_at is None else none
    surface = surface_of(course, points, height_at, REACH_M)
    mosaic = road_mosaic(recording, surface, progress)
    paint = paint_of(mosaic)
    swing = swing_of(paint)
    lines = paint_lines(paint, swing)
    if surface.measured.any():
        lines += kerb_lines(surface, swing, paint.stations)
    others = _traffic(drive, course, paint.stations, swing)
    parts = stretches(lines, _driven_offsets(recording, course, paint, swing), width_m=lane_width_m, traffic=others)
    parts, lines = unified(parts, lines)
    extent = _extent(course, paint, swing)
    found = Findings(surface, swing, paint.stations, lines, parts, others, traffic, extent)
    _LOG.debug("%d lines, %d stretches over %.0f m", len(lines), len(parts), extent[1] - extent[0])
    return found, mosaic, paint


def _driven_poses(recording: Recording) -> Float64:
    """Poses of the rig while something was recorded."""
    times = [frame.timestamp_us for frames in recording.drive.frames.values() for frame in frames]
    times += [sweep.timestamp_us for sweep in recording.drive.sweeps]
    ego = recording.ego
    if not times:
        return ego.poses
    first, last = min(times), max(times)
    inside = (ego.timestamps_us >= first - _SLACK_US) & (ego.timestamps_us <= last + _SLACK_US)
    ends = ego.at(np.array([first, last]), outside="extrapolate")
    return np.concatenate([ends[:1], ego.poses[inside], ends[1:]]) if not inside.any() else ego.poses[inside]


def _driven_offsets(recording: Recording, course: Course, paint: Paint, swing: Float64) -> Float64:
    """Straightened offset [R] of the rig itself; the course's where it did not drive."""
    poses = _driven_poses(recording)
    s, d = course.locate(poses[:, :2, 3])
    near = np.abs(d) < 3.0
    order = np.argsort(s[near], kind="stable")
    offsets = np.interp(paint.stations, s[near][order], d[near][order]) if near.any() else np.zeros(len(swing))
    return np.asarray(offsets - swing)


def _extent(course: Course, paint: Paint, swing: Float64) -> tuple[float, float]:
    """From where to where the road was driven, and on while it is in view."""
    first, last = course.drive_m
    middle = np.abs(paint.offsets)[None] < 2.0
    seen = (paint.seen * middle).sum(axis=1) / middle.sum() > _SEEN
    shown = paint.stations[seen]
    low, high = (float(shown[0]), float(shown[-1])) if len(shown) else (first, last)
    low, high = max(min(low, first), 0.0), min(max(high, last), course.length_m)
    return (low, high) if high - low > 2.0 else (0.0, course.length_m)


def _traffic(drive: Drive, course: Course, stations: Float64, swing: Float64) -> list[Passing]:
    """Where other vehicles drove along the course."""
    found = []
    for track in drive.tracks:
        if not track.moving or not any(word in track.label.lower() for word in _VEHICLES):
            continue
        centers = track.world_from_box.poses[:, :2, 3]
        s, d = course.locate(centers)
        inside = (s > 0) & (s < course.length_m) & (np.abs(d) < REACH_M)
        step = np.diff(s[inside])
        if inside.sum() < 2 or abs(step.sum()) < 2.0 or abs(step.sum()) < np.abs(np.diff(d[inside])).sum():
            continue
        along = bool(step.sum() > 0)
        rows = np.rint(np.interp(s[inside], stations, np.arange(len(stations)))).astype(np.int64)
        unique, index = np.unique(rows, return_index=True)
        found.append(Passing(unique, d[inside][index] - swing[unique], along))
    return found


def _notes(lanes: Mapping[str, Lane], traffic: str) -> tuple[str, ...]:
    driving = [lane for lane in lanes.values() if lane.drivable]
    notes = [
        "Inferred from the recording: driven path, ground height, and paint in the pictures; junctions are not found.",
        f"Traffic is taken to keep {traffic}.",
    ]
    unsure = sum(lane.confidence < _UNSURE for lane in driving)
    if unsure:
        notes.append(f"{unsure} of {len(driving)} lanes are little more than guessed (confidence below {_UNSURE}).")
    return tuple(notes)
