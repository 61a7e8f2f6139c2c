"""Lidar sweeps accumulated in the world, moving actors' returns in their own boxes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from avrec.drive.drive import Drive, LidarSweep, RigBox, Track
from avrec.geometry import apply
from avrec.progress import NO_PROGRESS, Progress
from avrec.reconstruction.points.boxes import alive, into_box
from avrec.reconstruction.points.voxels import thin_to_budget

__all__ = ["LidarCloud", "accumulate_lidar", "static_and_boxed", "thin"]

Float64 = NDArray[np.float64]
Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]
Bool = NDArray[np.bool_]

# The ego's own body in rig axes; a roof box and mirrors included. The recording may know a larger one.
_EGO_LOW, _EGO_HIGH = np.array([-1.5, -1.15, -0.3]), np.array([4.2, 1.15, 2.2])
_EGO_MARGIN_M = 0.2  # around the recorded one
_NEAREST_M, _FARTHEST_M = 1.0, 200.0
_BOX_MARGIN_M = 0.1
# The lowest centimetres of a box hold the road under the actor as well as its tyres.
_BOX_FLOOR_M = 0.05
# Side of a voxel per metre from the path, before the budget widens it: about a pixel of a 500 px focal length.
_VOXEL_PER_METRE = 0.002
_VOXEL_REACH_M = 4.0
_ACTOR_VOXEL_M = 0.02
_CHUNK = 3_000_000
_TICK_US = 200


@dataclass(frozen=True, eq=False)
class LidarCloud:
    """Lidar returns.

    Attributes:
        xyz: float64 [N, 3], in the world or in a box frame.
        time_us: int64 [N] firing times.
        range_m: float32 [N] distance from the lidar.
    """

    xyz: Float64
    time_us: Int64
    range_m: Float32

    def __len__(self) -> int:
        return len(self.xyz)

    def at(self, chosen: Int64 | Bool) -> LidarCloud:
        """The chosen returns."""
        return LidarCloud(self.xyz[chosen], self.time_us[chosen], self.range_m[chosen])


_NOTHING = LidarCloud(np.zeros((0, 3)), np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.float32))


def accumulate_lidar(
    drive: Drive, moving: Sequence[Track], *, budget: int, actor_budget: int, progress: Progress = NO_PROGRESS
) -> tuple[LidarCloud, dict[str, LidarCloud]]:
    """All sweeps of a drive as one static cloud and one cloud per moving actor.

    Args:
        drive: the recording.
        moving: actors whose returns are kept apart.
        budget: most static points.
        actor_budget: most points of one actor.
        progress: told about each sweep.

    Returns:
        Static returns in the world, thinned so that points are finer near the path; and by track id returns in the
        box frame.
    """
    if not drive.sweeps:
        return _NOTHING, {track.id: _NOTHING for track in moving}
    path = _path(drive)
    static: list[LidarCloud] = []
    actors: dict[str, list[LidarCloud]] = {track.id: [] for track in moving}
    kept = _NOTHING
    progress.start("Reading lidar", len(drive.sweeps))
    for done, sweep in enumerate(drive.sweeps):
        cloud = _sweep(drive, sweep)
        free = np.ones(len(cloud), dtype=bool)
        for track in moving:
            inside, local = _inside(track, cloud)
            actors[track.id].append(LidarCloud(local, cloud.time_us[inside], cloud.range_m[inside]))
            free[inside] = False
        static.append(cloud.at(free))
        if sum(map(len, static)) > _CHUNK:
            kept = thin(_join([kept, *static]), path, budget=max(budget, _CHUNK // 3))
            static = []
        progress.update(done + 1)
    kept = thin(_join([kept, *static]), path, budget=budget)
    boxed = {name: _thin_evenly(_join(clouds), actor_budget) for name, clouds in actors.items()}
    progress.finish(f"{len(kept)} static points")
    return kept, boxed


def static_and_boxed(drive: Drive, sweep: LidarSweep, moving: Sequence[Track]) -> tuple[Float64, list[Float64]]:
    """Returns of one sweep that belong to nothing moving, in the world, and those of each actor, in its box; [N, 3]."""
    cloud = _sweep(drive, sweep)
    free = np.ones(len(cloud), dtype=bool)
    boxed = []
    for track in moving:
        inside, local = _inside(track, cloud)
        free[inside] = False
        boxed.append(local)
    return cloud.xyz[free], boxed


def thin(cloud: LidarCloud, path: cKDTree, *, budget: int) -> LidarCloud:
    """One return per voxel, the one seen from nearest; voxels grow with the distance from the path.

    Args:
        cloud: returns in the world.
        path: positions of the ego.
        budget: most returns to keep; voxels are widened until they fit.
    """
    if not len(cloud):
        return cloud
    cloud = cloud.at(np.argsort(cloud.range_m, kind="stable"))
    away = np.maximum(path.query(cloud.xyz, workers=-1)[0], _VOXEL_REACH_M)
    return cloud.at(thin_to_budget(cloud.xyz, _VOXEL_PER_METRE * away, budget))


def _thin_evenly(cloud: LidarCloud, budget: int) -> LidarCloud:
    cloud = cloud.at(np.argsort(cloud.range_m, kind="stable"))
    return cloud.at(thin_to_budget(cloud.xyz, np.full(len(cloud), _ACTOR_VOXEL_M), budget))


def _sweep(drive: Drive, sweep: LidarSweep) -> LidarCloud:
    """Returns of a sweep in the world, without the ego's body and without what is not a usable range."""
    points = sweep.points()
    local = np.asarray(points.xyz_lidar, dtype=np.float64)
    reach = np.linalg.norm(local, axis=1)
    rig = apply(sweep.rig_from_lidar, local)
    low, high = _ego_corners(drive.rig_box)
    ego = ((rig > low) & (rig < high)).all(axis=1)
    good = np.isfinite(reach) & (reach > _NEAREST_M) & (reach < _FARTHEST_M) & ~ego
    times = points.time_us[good]
    # In one tick the ego moves a few millimetres; a pose per tick instead of per point is many times faster.
    ticks, which = np.unique(times // _TICK_US, return_inverse=True)
    poses = drive.ego.at(ticks * _TICK_US + _TICK_US // 2, outside="extrapolate")[which]
    world = np.einsum("nij,nj->ni", poses[:, :3, :3], rig[good]) + poses[:, :3, 3]
    return LidarCloud(world, times, reach[good].astype(np.float32))


def _ego_corners(box: RigBox | None) -> tuple[Float64, Float64]:
    """Lower and upper corner of where returns belong to the recording car itself, rig frame, [3] each."""
    if box is None:
        return _EGO_LOW, _EGO_HIGH
    low, high = box.corners_m
    return np.minimum(_EGO_LOW, low - _EGO_MARGIN_M), np.maximum(_EGO_HIGH, high + _EGO_MARGIN_M)


def _inside(track: Track, cloud: LidarCloud) -> tuple[Int64, Float64]:
    """Indices of the returns of an actor and their box coordinates."""
    now = np.flatnonzero(alive(track, cloud.time_us))
    if not now.size:
        return now, np.zeros((0, 3))
    middle = track.world_from_box.at(np.median(cloud.time_us[now]), outside="extrapolate")[:3, 3]
    reach = np.linalg.norm(track.size_m) / 2 + 5.0  # an actor moves less than 5 m in half a revolution
    now = now[np.abs(cloud.xyz[now] - middle).max(axis=1) < reach]
    local = into_box(track, cloud.xyz[now], cloud.time_us[now])
    high = track.size_m / 2 + _BOX_MARGIN_M
    low = -high
    low[2] = -track.size_m[2] / 2 + _BOX_FLOOR_M
    inside = ((local > low) & (local < high)).all(axis=1)
    return now[inside], local[inside]


def _join(clouds: Sequence[LidarCloud]) -> LidarCloud:
    if not clouds:
        return _NOTHING
    return LidarCloud(
        np.concatenate([c.xyz for c in clouds]),
        np.concatenate([c.time_us for c in clouds]),
        np.concatenate([c.range_m for c in clouds]),
    )


def _path(drive: Drive) -> cKDTree:
    times = np.concatenate([[f.timestamp_us for f in frames] for frames in drive.frames.values() if frames])
    return cKDTree(drive.ego.at(np.unique(times), outside="extrapolate")[:, :3, 3])
