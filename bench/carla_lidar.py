"""Simulated against recorded lidar: ``python -m bench.carla_lidar SCENE.usdz DRIVE [--every N]``.

Each pulse of some recorded sweeps is cast again into the served scene, from where it was fired. Pulses that met moving
or tracked actors are left out. Prints by range how far the simulated returns are off along the ray, and what a sweep
costs.
"""

from __future__ import annotations

import argparse
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avrec.drive import Drive, LidarSweep
from avrec.geometry import apply, invert, rpy_from_matrix
from carla_bridge.neural import SceneRenderer
from carla_bridge.sensors.lidar import pulses
from carla_bridge.sensors.rendering import WorldView
from carla_bridge.world import World, read_road_map
from carla_bridge.world.pose import Pose

__all__ = ["main"]

WINDOW_US = 4000
MARGIN_M = 0.5
RANGES_M = (0, 10, 20, 40, 100)
REACH_M = 200.0


def main(arguments: list[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.carla_lidar", description=__doc__)
    parser.add_argument("scene", type=Path)
    parser.add_argument("drive", type=Path)
    parser.add_argument("--every", type=int, default=8, help="use every so many sweeps (default 8)")
    options = parser.parse_args(arguments)
    drive = Drive.open(options.drive)
    road_map = read_road_map(options.scene)
    if road_map.scene is None:
        parser.error("the first argument has to be a scene")
    renderer, view = SceneRenderer(road_map.scene), WorldView(World(road_map), (0.0,) * 14)
    rows = [_errors(renderer, view, drive, sweep) for sweep in drive.sweeps[1 :: options.every]]
    error, distance, across = np.concatenate(rows, axis=1)
    met = np.isfinite(error)
    print(f"{options.scene.name}: {len(error)} pulses of {len(rows)} sweeps, {100 * (~met).mean():.1f} % met nothing")
    print(f"  off by {_words(error[met])} along the ray, {_words(across[met])} across the surface")
    for low, high in pairwise(RANGES_M):
        chosen = met & (distance >= low) & (distance < high)
        if chosen.any():
            print(f"  {low} to {high} m: {_words(error[chosen])} along the ray")
    _cost(renderer, view, road_map.scene.ego.poses[0])
    return 0


def _errors(renderer: SceneRenderer, view: WorldView, drive: Drive, sweep: LidarSweep) -> NDArray[np.float64]:
    """Distance off, recorded distance and distance across the surface, [3, N], of a sweep's pulses."""
    points, met = sweep.points(), sweep.points_world(drive.ego)
    middle = float(np.median(points.time_us))
    used = np.abs(points.time_us - middle) < WINDOW_US  # a cast has one origin
    for track in drive.tracks:
        world_from_box = track.world_from_box.at(middle, outside="hold")
        local = apply(invert(world_from_box), met)
        used &= ~(np.abs(local) <= np.asarray(track.size_m) / 2 + MARGIN_M).all(1)
    pose = drive.ego.at(middle, outside="extrapolate") @ sweep.rig_from_lidar
    away = met[used] - pose[:3, 3]
    distance = np.linalg.norm(away, axis=1)
    ways = away / distance[:, None]
    place = Pose(*(float(number) for number in (*pose[:3, 3], *rpy_from_matrix(pose[:3, :3]))))
    found, _, _, normal = renderer.cast(view, place, ways @ pose[:3, :3], REACH_M, frozenset())
    error = found - distance
    with np.errstate(invalid="ignore"):
        return np.stack([error, distance, error * (normal * ways).sum(1)])


def _cost(renderer: SceneRenderer, view: WorldView, rig: NDArray[np.float64]) -> None:
    x, y, z = (float(number) for number in rig[:3, 3])
    place = Pose(x, y, z + 2.0, yaw=float(np.arctan2(rig[1, 0], rig[0, 0])))
    ways, _ = pulses(64, 1000, 0.0, 360.0, 360.0, -25.0, 10.0)
    taken = []
    for _ in range(4):
        began = time.process_time()
        renderer.cast(view, place, ways, 100.0, frozenset())
        taken.append(time.process_time() - began)
    print(f"  a sweep of 64 channels and {len(ways)} pulses takes {1000 * min(taken):.0f} ms of processor time")


def _words(values: NDArray[np.float64]) -> str:
    middle, most = np.nanpercentile(np.abs(values), (50, 90)) * 100
    return f"{middle:.1f} cm (90 %: {most:.1f} cm)"


if __name__ == "__main__":
    raise SystemExit(main())
