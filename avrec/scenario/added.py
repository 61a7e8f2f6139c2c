"""Actors that were not recorded: where they are put, and whether they fit there."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from avrec.drive import Track
from avrec.errors import AvrecError
from avrec.geometry import Trajectory, matrix_from_rpy, transform_from
from avrec.scenario.boxes import box_of_pose, overlap
from avrec.scenario.director import EgoState
from avrec.scenario.guide import Guide
from avrec.scenario.heights import heights_of
from avrec.scenario.looks import look_for
from avrec.scenario.scenario import Scenario
from avrec.scenario.still import MOST_M2, still_area

__all__ = ["CAR_SIZE_M", "PERSON_SIZE_M", "ego_state", "new_id", "with_car", "with_person"]

Float64 = NDArray[np.float64]

CAR_SIZE_M = (4.4, 1.8, 1.5)
PERSON_SIZE_M = (0.5, 0.6, 1.75)
KNOT_US = 100_000


def ego_state(case: Scenario, time_us: int) -> EgoState:
    """The recorded ego."""
    velocity = case.scene.ego.velocity_at(time_us)[0]
    return EgoState(case.scene.ego.at(time_us, outside="hold"), np.nan_to_num(velocity))


def new_id(case: Scenario, stem: str) -> str:
    """An id that no track has."""
    taken = {track.id for track in case.scene.tracks}
    return next(name for name in (f"{stem}_{number}" for number in range(1, len(taken) + 2)) if name not in taken)


def with_car(case: Scenario, line: Guide, along_m: float, speed_mps: float) -> tuple[Scenario, str]:
    """Add a car that drives along a line, at a constant speed until events change that; returns the case and its id.

    Args:
        case: to add it to.
        line: where it drives.
        along_m: where its rear is on the line at the start.
        speed_mps: how fast.

    Raises:
        AvrecError: something stands where it is to be.
    """
    turn = float(line.at(along_m)[1] - _yaw(ego_state(case, case.start_us).world_from_rig))
    look, size, note = look_for(case.wardrobe or case.scene, person=False, facing_rad=turn, size_m=np.array(CAR_SIZE_M))
    times = np.arange(case.start_us, case.end_us + KNOT_US, KNOT_US)
    middle_m = along_m + float(size[0]) / 2
    points, headings = line.at(middle_m + speed_mps * (times - case.start_us) / 1e6)
    track = Track(new_id(case, "added_car"), "car", size, _on_ground(case, times, points, headings, size))
    way = line.since(middle_m)
    return _fitted(case, track).with_actor(track, look, note, way=way), track.id


def with_person(case: Scenario, xy: Float64, yaw: float) -> tuple[Scenario, str]:
    """Add a person who stands at a place [2] and looks along ``yaw``; returns the case and the person's id.

    Raises:
        AvrecError: something stands where they are to be.
    """
    look, size, note = look_for(
        case.wardrobe or case.scene, person=True, facing_rad=0.0, size_m=np.array(PERSON_SIZE_M)
    )
    times = np.array([case.start_us, case.end_us])
    path = _on_ground(case, times, np.stack([xy, xy]), np.array([yaw, yaw]), size, leans=False)
    track = Track(new_id(case, "added_person"), "pedestrian", size, path)
    return _fitted(case, track).with_actor(track, look, note), track.id


def _on_ground(
    case: Scenario, times: NDArray[np.int64], xy: Float64, yaw: Float64, size_m: Float64, *, leans: bool = True
) -> Trajectory:
    heights = heights_of(case.scene)
    near = float(case.scene.ego.at(case.start_us)[2, 3])
    middle, pitch = np.empty((len(xy), 3)), np.zeros(len(xy))
    for index, (x, y) in enumerate(xy.tolist()):
        found = heights.at(x, y, near)
        near = found if np.isfinite(found) else near
        middle[index] = x, y, near + size_m[2] / 2
        if leans:
            pitch[index] = -np.nan_to_num(heights.slope(x, y, float(yaw[index]), float(size_m[0]), near))
    return Trajectory(times, transform_from(matrix_from_rpy(np.zeros_like(yaw), pitch, yaw), middle))


def _fitted(case: Scenario, track: Track) -> Scenario:
    """The case, where nobody stands in the way at its start.

    Raises:
        AvrecError: somebody does.
    """
    box = box_of_pose(track.world_from_box.at(case.start_us), float(track.size_m[0]), float(track.size_m[1]))
    others = {"the ego": ego_state(case, case.start_us).box(case.ego_shape)}
    for other in case.scene.tracks:
        if other.covers(case.start_us):
            pose = other.world_from_box.at(case.start_us, outside="hold")
            others[other.id] = box_of_pose(pose, float(other.size_m[0]), float(other.size_m[1]))
    mesh, foot_m = case.scene.mesh, float(track.world_from_box.poses[0, 2, 3] - track.size_m[2] / 2)
    if mesh is not None and still_area(mesh, box, foot_m) > MOST_M2:
        raise AvrecError(
            f"A new {track.label} does not fit at ({box.x:.1f}, {box.y:.1f}): something that does not move stands "
            "there. Choose another place or gap."
        )
    for name, there in others.items():
        if overlap(box, there):
            raise AvrecError(
                f"A new {track.label} does not fit at ({box.x:.1f}, {box.y:.1f}): {name} is there at the start. Choose "
                "another place or gap, or begin later (--start SECONDS; replay(scene, start_us=...) in Python)."
            )
    return case


def _yaw(pose: Float64) -> float:
    return float(np.arctan2(pose[1, 0], pose[0, 0]))
