"""`rig_trajectories.json`: the rig's path, the cameras and their frames."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from avrec.scene.validate.calibration_checks import check_calibrations
from avrec.scene.validate.facts import Facts
from avrec.scene.validate.report import DRIVING, Finding, error, note, warning
from avrec.scene.validate.values import Float64, Int64, entry, floats, is_rotation, is_text, plain, times

__all__ = ["check_rig"]

RIG = "rig_trajectories.json"
_FAR_M = 10_000.0
_ALPASIM = ("alpasim",)
_CONTROL_STEP_US = 100_000
_SHORT_US = 3_000_000


def check_rig(rig: Any, facts: Facts) -> Iterator[Finding]:
    """Findings about the parsed document; what it says is left in ``facts`` for the checks across members."""
    if not isinstance(rig, dict):
        yield error(DRIVING, RIG, "it is no JSON object", "Nothing in it can be found", "Write it again")
        return
    yield from _frames_of_reference(rig, facts)
    yield from check_calibrations(rig.get("camera_calibrations"), facts)
    paths = rig.get("rig_trajectories")
    if not isinstance(paths, list) or not paths or not isinstance(paths[0], dict):
        yield error(
            DRIVING, f"{RIG}: rig_trajectories", "there is no trajectory", "The ego has no path", "Add the rig's path"
        )
        return
    if len(paths) != 1:
        found = f"there are {len(paths)} trajectories"
        yield error(_ALPASIM, f"{RIG}: rig_trajectories", found, "AlpaSim takes exactly one", "Keep the first one")
    yield from _path(paths[0], facts)
    yield from _frames(paths[0], facts)
    yield from _box(paths[0].get("rig_bbox"))


def _frames_of_reference(rig: dict[str, Any], facts: Facts) -> Iterator[Finding]:
    where = f"{RIG}: world_to_nre.matrix"
    matrix = floats(entry(rig, "world_to_nre", "matrix"), (4, 4))
    why = "It places the Gaussians, which are stored around a centre, in the world"
    if isinstance(matrix, str):
        yield error(_ALPASIM, where, matrix, why, "Write a 4x4 matrix, the identity where nothing is moved")
    elif not np.array_equal(matrix[3], [0, 0, 0, 1]) or not np.allclose(matrix[:3, :3], np.eye(3), atol=1e-6):
        found = "it is no pure translation"
        yield warning(DRIVING, where, found, f"{why}; readers expect a translation", "Turn the Gaussians themselves")
    else:
        facts.world_to_nre = matrix
    where = f"{RIG}: T_world_base"
    base = floats(rig.get("T_world_base"), (4, 4))
    why = "With the map's geoReference it places the world in the map"
    if isinstance(base, str) or not is_rotation(base[:3, :3]) or not np.array_equal(base[3], [0, 0, 0, 1]):
        found = base if isinstance(base, str) else "it is no rigid transform (4x4, translation in the last column)"
        alpasim = _ALPASIM if facts.has_map else ()
        why += "; AlpaSim refuses scenes with a map and without it" if facts.has_map else ""
        remedy = "Write the pose of the world in the Earth-centred frame"
        yield error(("carla", *alpasim), where, found, why, remedy)
        return
    facts.ecef_from_world = base
    radius = float(np.linalg.norm(base[:3, 3]))
    if not 6.3e6 < radius < 6.4e6:
        found = f"its origin is {plain(radius)} m from the centre of the Earth"
        remedy = "Write metres in the Earth-centred frame (ECEF, WGS84)"
        yield warning(("carla", *(_ALPASIM if facts.has_map else ())), where, found, why, remedy)


def _path(path: dict[str, Any], facts: Facts) -> Iterator[Finding]:
    if is_text(path.get("sequence_id")):
        facts.sequence_ids[f"{RIG}: rig_trajectories[0].sequence_id"] = path["sequence_id"]
    else:
        where = f"{RIG}: rig_trajectories[0].sequence_id"
        yield error(DRIVING, where, "it is missing", "It names the scene", "Write the scene's id")
    where = f"{RIG}: rig_trajectories[0].T_rig_world_timestamps_us"
    knots = times(path.get("T_rig_world_timestamps_us"), (None,))
    if isinstance(knots, str) or not len(knots):
        found = knots if isinstance(knots, str) else "it is empty"
        yield error(DRIVING, where, found, "The ego has no path", "Write the times in whole microseconds")
        return
    if (np.diff(knots) <= 0).any():
        step = int(np.argmax(np.diff(knots) <= 0)) + 1
        found = f"time does not increase at entry {step}"
        yield error(DRIVING, where, found, "Readers interpolate between the times", "Sort them and drop repeats")
        return
    facts.span_us = int(knots[0]), int(knots[-1])
    if knots[-1] - knots[0] < _SHORT_US:
        found = f"the path lasts {(knots[-1] - knots[0]) / 1e6:.1f} s"
        why = "AlpaSim removes every actor that is there for less than 3 s of the simulated time"
        yield warning(_ALPASIM, where, found, why, "Record longer, or lower min_traffic_duration_us")
    where = f"{RIG}: rig_trajectories[0].T_rig_worlds"
    poses = floats(path.get("T_rig_worlds"), (len(knots), 4, 4))
    if isinstance(poses, str):
        yield error(DRIVING, where, poses, "The ego has no path", "Write one finite 4x4 rig-to-world matrix a time")
        return
    yield from _poses(where, poses, knots, facts)


def _poses(where: str, poses: Float64, knots: Int64, facts: Facts) -> Iterator[Finding]:
    if not is_rotation(poses[:, :3, :3]) or not (poses[:, 3] == [0, 0, 0, 1]).all():
        transposed = (poses[:, :3, 3] == 0).all() and np.abs(poses[:, 3, :3]).max() > 0
        found = "the translation is in the last row" if transposed else "a matrix is no rigid transform"
        remedy = "Transpose them" if transposed else "Write rotations and the row 0 0 0 1"
        yield error(DRIVING, where, found, "Readers take columns: [R | t] maps the rig into the world", remedy)
        return
    facts.ego_times_us, facts.ego_poses = knots, poses
    reach = float(np.abs(poses[:, :3, 3]).max())
    if reach > _FAR_M:
        found = f"the path lies up to {plain(reach)} m from the origin"
        why = "AlpaSim casts poses to 32-bit floats, which jitter there"
        yield warning(_ALPASIM, where, found, why, "Move the world's origin to the start of the drive")
    tilt = float(np.degrees(np.arccos(np.clip(np.median(poses[:, 2, 2]), -1, 1))))
    if tilt > 45:
        found = f"the rig's z axis is tilted by {tilt:.0f} degrees"
        why = "Rigs are x forward, y left, z up, in a world with z up"
        yield error(DRIVING, where, found, why, "Convert the axes of the rig or of the world")
        return
    moved = np.diff(poses[:, :3, 3], axis=0)
    ahead = (moved * poses[:-1, :3, 0]).sum(axis=1)
    travelled = np.linalg.norm(moved, axis=1)
    if travelled.sum() > 10 and np.abs(ahead).sum() < 0.7 * travelled.sum():
        found = "the rig moves sideways"
        why = "Simulators drive it along its x axis"
        yield warning(DRIVING, where, found, why, "Convert the rig to x forward, y left, z up")


def _frames(path: dict[str, Any], facts: Facts) -> Iterator[Finding]:
    where = f"{RIG}: rig_trajectories[0].cameras_frame_timestamps_us"
    frames = path.get("cameras_frame_timestamps_us")
    if not isinstance(frames, dict):
        yield error(DRIVING, where, "it is missing", "No camera has a frame", "Write [start, end] of every frame")
        return
    for key, value in list(frames.items())[:200]:
        here = f"{where}.{key}"
        if facts.camera_keys is not None and key not in facts.camera_keys:
            similar = [known for known in facts.camera_keys if known.split("@")[0] == str(key).split("@")[0]]
            found = f"camera_calibrations has no {key}" + (f", but {similar[0]}" if similar else "")
            why = "AlpaSim says 'Missing camera ... in camera calibration' and refuses the scene"
            yield error(DRIVING, here, found, why, "Use the same <camera>@<scene id> in both")
        yield from _camera_frames(here, value, facts)
    for key in sorted((facts.camera_keys or set()) - set(frames)):
        why = "AlpaSim needs at least one frame of every camera that it is configured to use"
        yield warning(_ALPASIM, f"{where}.{key}", "the camera has no frames", why, "Add its frames")


def _camera_frames(where: str, value: Any, facts: Facts) -> Iterator[Finding]:
    intervals = times(value, (None, 2))
    why = "AlpaSim takes exposure intervals in whole microseconds with an end after the start, also for global shutters"
    if isinstance(intervals, str):
        yield error(_ALPASIM, where, intervals, why, "Write [start, end] pairs of JSON integers")
        return
    if not len(intervals):
        yield error(_ALPASIM, where, "the camera has no frames", why, "Add its frames, or leave the camera out")
        return
    if (intervals[:, 1] <= intervals[:, 0]).any():
        first = int(np.argmax(intervals[:, 1] <= intervals[:, 0]))
        yield error(_ALPASIM, where, f"frame {first} ends when or before it starts", why, "Add one microsecond")
    if facts.span_us is None:
        return
    low, high = facts.span_us
    outside = int(np.count_nonzero((intervals[:, 0] < low) | (intervals[:, 1] > high)))
    if outside:
        found = f"{outside} of {len(intervals)} frames lie outside the rig's path"
        why = "Readers interpolate the path and refuse to extrapolate it"
        yield error(_ALPASIM, where, found, why, "Lengthen the path to cover all frames")
    elif high < intervals[0, 0] + _CONTROL_STEP_US:
        found = "the path ends less than one control step (0.1 s) after the first frame"
        yield error(_ALPASIM, where, found, "AlpaSim has no step to simulate", "Use a longer recording")


def _box(box: Any) -> Iterator[Finding]:
    where = f"{RIG}: rig_trajectories[0].rig_bbox"
    if box is None:
        why = "AlpaSim refuses a scene without the ego's box, unless simulation_config.vehicle is set"
        remedy = "Write centroid, dim and rot of the car in the rig's frame"
        yield error(_ALPASIM, where, "it is missing", why, remedy)
        return
    parts = {key: floats(entry(box, key), (3,)) for key in ("centroid", "dim", "rot")}
    for key, value in parts.items():
        if isinstance(value, str):
            why = "AlpaSim needs the ego's box"
            yield error(_ALPASIM, f"{where}.{key}", value, why, "Write three finite numbers")
        elif key == "dim" and (value <= 0).any():
            why = "It is the size of the car"
            yield error(_ALPASIM, f"{where}.dim", "a side is not positive", why, "Write metres: length, width, height")
        elif key == "rot" and (np.abs(value) >= 1e-4).any():
            why = "AlpaSim takes boxes along the rig's axes only"
            yield error(_ALPASIM, f"{where}.rot", "the box is turned", why, "Write [0, 0, 0] and turn the rig instead")
    center = parts["centroid"]
    if not isinstance(center, str) and np.abs(center).max() > 10:
        why = "The rig's origin is on the ground under the rear axle, inside the car"
        yield note(_ALPASIM, f"{where}.centroid", "the box is far from the rig", why, "Write it in the rig's frame")
